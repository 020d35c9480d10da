use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

use super::*;
use crate::input::directory;
use crate::pipeline::dedup;

/// A configuration as the demo gets it.
fn config() -> Config {
    Config {
        file: None,
        ingest: crate::input::ingest::Settings::default(),
        directory: None,
        s3: None,
        event_history: None,
        aws: Default::default(),
        objects: crate::input::backfill::ObjectLimits {
            object_bytes: 1 << 30,
            in_flight_bytes: 64 << 20,
        },
        state: std::path::PathBuf::new(),
        select: Default::default(),
        lists: Default::default(),
        limits: Default::default(),
        memory_bytes: 1 << 20,
        convert: Default::default(),
        identities: None,
        names: None,
        pseudonyms: None,
        export: crate::export::Settings {
            destination: Destination::Discard,
            batch_events: 100,
            batch_bytes: 1 << 20,
            concurrency: 1,
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            give_up_after: None,
            write_errors_end: false,
            batch_spread: None,
            rate_limit: None,
        },
        duplicates: Some(dedup::Settings {
            folder: "unused".into(),
            max_ids: 1_000,
            max_age: Duration::from_secs(60),
        }),
        assembly: None,
        verification: None,
        manifest: false,
        dead_letters: dead_letter::Settings::new("unused".into()),
        shutdown: Duration::from_secs(15),
        telemetry: crate::telemetry::Settings {
            log_filter: "error".to_owned(),
            log_json: false,
            http: Some(([127, 0, 0, 1], 9465).into()),
            token_files: Vec::new(),
            endpoint: None,
        },
    }
}

/// The number of files below a directory.
fn files(folder: &std::path::Path) -> usize {
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    paths
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

/// Sends one empty request of each signal, and counts the trail as done once all its files came.
async fn stand_in(
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(directory::Settings { root, .. }) = &config.directory else {
        bail!("no directory")
    };
    let Destination::Otlp { logs, .. } = &config.export.destination else {
        bail!("no collector")
    };
    let url = logs.url.to_string();
    let (at_start, expected) = (files(root), qtrail_sample::demo_expected(0));
    LogsServiceClient::connect(url.clone())
        .await?
        .export(ExportLogsServiceRequest::default())
        .await?;
    TraceServiceClient::connect(url)
        .await?
        .export(ExportTraceServiceRequest::default())
        .await?;
    metrics.read.set(1);
    until(|| files(root) as u64 == expected.files).await;
    assert!(
        at_start > 0 && at_start < files(root),
        "{at_start} at the start"
    );
    metrics.read.set(expected.read);
    metrics.skipped.set(expected.skipped);
    metrics.exported.set(expected.exported);
    metrics.filtered.set(expected.filtered);
    metrics.dead_lettered.set(expected.dead_lettered);
    stop.cancelled().await;
    Ok(())
}

#[tokio::test]
async fn the_trail_arrives_in_two_parts_and_the_collector_keeps_what_was_sent() {
    let workdir = Workdir::new(None).unwrap();
    let facts = run_pipeline(&config(), &workdir, &CancellationToken::new(), stand_in)
        .await
        .unwrap();
    assert_eq!(
        (facts.received.logs.len(), facts.received.traces.len()),
        (1, 1)
    );
    let expected = qtrail_sample::demo_expected(0);
    assert_eq!(facts.counts.exported, expected.exported);
    assert_eq!(facts.counts.read, expected.read);
}

#[tokio::test]
async fn nothing_of_the_demo_is_served_or_shared_with_another_run() {
    let workdir = Workdir::new(None).unwrap();
    let look = async |config: Config, _, _| {
        assert!(config.telemetry.http.is_none());
        let path = config.dead_letters.path;
        assert!(
            path.starts_with(workdir.trail().parent().unwrap()),
            "{}",
            path.display()
        );
        bail!("seen")
    };
    let error = run_pipeline(&config(), &workdir, &CancellationToken::new(), look)
        .await
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "seen");
    assert_ne!(workdir.dead_letters("shown"), workdir.dead_letters("sent"));
    assert_ne!(
        workdir.watched("shown").state,
        workdir.watched("sent").state
    );
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_never_settles_times_out_with_its_counts() {
    let workdir = Workdir::new(None).unwrap();
    let stuck = async |_, metrics: Arc<Metrics>, stop: CancellationToken| {
        metrics.read.set(3);
        metrics.filtered.set(2);
        stop.cancelled().await;
        Ok(())
    };
    let error = run_pipeline(&config(), &workdir, &CancellationToken::new(), stuck)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("after 30 s: 3 of "), "{error}");
    assert!(error.ends_with("were read and 2 had settled"), "{error}");
}
