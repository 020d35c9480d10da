//! The ingest service, called by programs of others: grpcurl, which knows it by reflection alone, and a Python
//! client that is made of `proto/`.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qtrail_core::otlp::Signal;
use serde_json::{Value, json};

use super::servers::program;
use crate::support::collector::Collector;
use crate::support::program::{event, gzip, log_file};
use crate::support::sidecar::{Place, Sidecar};

const SERVICE: &str = "qtrail.v1.IngestService";

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_describes_and_calls_the_service() {
    let name = "clients::grpcurl_lists_describes_and_calls_the_service";
    let Some(grpcurl) = program("QTRAIL_E2E_GRPCURL", name) else {
        return;
    };
    let (_place, collector, sidecar) = start().await;
    let address = sidecar.listens("grpc").await.to_string();
    let ask = async |before: &[&str], after: &[&str]| {
        let plain: &[&str] = &["-plaintext"];
        run(&grpcurl, &[plain, before, &[&address], after].concat()).await
    };

    let services = ask(&[], &["list"]).await;
    let services: Vec<_> = services.lines().collect();
    for service in [SERVICE, "grpc.health.v1.Health"] {
        assert!(services.contains(&service), "{services:?}");
    }
    let described = ask(&[], &["describe", SERVICE]).await;
    for method in ["rpc Ingest (", "rpc IngestStream ("] {
        assert!(described.contains(method), "{described}");
    }
    let described = ask(&[], &["describe", "qtrail.v1.IngestRequest"]).await;
    assert!(described.contains("bytes events = 2;"), "{described}");
    let health = ask(&[], &["grpc.health.v1.Health/Check"]).await;
    assert!(health.contains("SERVING"), "{health}");

    let broken = event("broken").replace("2024-04-10T14:07:55Z", "yesterday");
    let events = log_file(&[event("one"), broken, event("two")]);
    let request = json!({"sequence": 7, "events": STANDARD.encode(gzip(events))}).to_string();
    let method = format!("{SERVICE}/Ingest");
    let answer: Value = ask(&["-d", &request], &[&method]).await.parse().unwrap();
    let counts = json!({"read": "3", "exported": "2", "deadLettered": "1"});
    assert_eq!(answer["sequence"], "7", "{answer}");
    assert_eq!(answer["counts"], counts, "{answer}");
    let rejection = &answer["rejections"][0];
    assert_eq!(rejection["index"], "1", "{answer}");
    let reason = rejection["reason"].as_str().unwrap();
    assert!(reason.starts_with("bad_time: "), "{answer}");

    let requests = ["three", "four"].map(|id| {
        let sequence = id.len();
        json!({"sequence": sequence, "events": STANDARD.encode(event(id))}).to_string()
    });
    let method = format!("{SERVICE}/IngestStream");
    let answers = ask(&["-d", &requests.concat()], &[&method]).await;
    let answers = serde_json::Deserializer::from_str(&answers).into_iter::<Value>();
    let mut answers: Vec<_> = answers.map(Result::unwrap).collect();
    answers.sort_by_key(|answer| answer["sequence"].to_string());
    let delivered = json!({"counts": {"read": "1", "exported": "1"}});
    let answer = |sequence| json!({"sequence": sequence, "delivered": delivered});
    assert_eq!(answers, [answer("4"), answer("5")]);

    arrived(&collector, &["four", "one", "three", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn python_streams_ten_thousand_events_and_reads_ten_thousand_answers() {
    let name = "clients::python_streams_ten_thousand_events_and_reads_ten_thousand_answers";
    let Some(python) = program("QTRAIL_E2E_PYTHON", name) else {
        return;
    };
    let (place, collector, sidecar) = start().await;
    let address = sidecar.listens("grpc").await.to_string();
    let ids: Vec<_> = (0..10_000).map(|n| format!("event-{n:05}")).collect();
    let lines: Vec<_> = ids.iter().map(|id| event(id)).collect();
    let file = place.path("events.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/python/send.py");
    let said = run(&python, &[script, &address, file.to_str().unwrap()]).await;
    assert_eq!(
        said,
        "10000 sent, 10000 acknowledged, 10000 read, 10000 exported\n"
    );
    arrived(&collector, &ids);
    assert_eq!(sidecar.settled(10_000).await.exported, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_sends_until_all_is_acknowledged() {
    let name = "clients::the_example_sends_until_all_is_acknowledged";
    let Some(example) = program("QTRAIL_E2E_SEND_GRPC", name) else {
        return;
    };
    let (place, mut collector, sidecar) = start().await;
    let address = sidecar.listens("grpc").await;
    let files = place.path("files");
    std::fs::create_dir(&files).unwrap();
    let ids: Vec<_> = (0..100).map(|n| format!("event-{n:02}")).collect();
    for (n, ids) in ids.chunks(2).enumerate() {
        let records: Vec<_> = ids.iter().map(|id| event(id)).collect();
        std::fs::write(files.join(format!("{n}.json.gz")), gzip(log_file(&records))).unwrap();
    }

    collector.close();
    let url = format!("http://{address}");
    let arguments = [&url, files.to_str().unwrap()];
    let sent = async {
        let said = run(&example, &arguments).await;
        assert_eq!(said, "50 files with 100 events were acknowledged\n");
    };
    let opened = async {
        sidecar.until_said("events wait").await;
        collector.open().await;
    };
    tokio::join!(sent, opened);
    arrived(&collector, &ids);
}

/// The program with gRPC on a port of its own, beside a collector.
async fn start() -> (Place, Collector, Sidecar) {
    let place = Place::new().with_env("QTRAIL_INGEST_GRPC_LISTEN", "127.0.0.1:0");
    let collector = Collector::start().await;
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    (place, collector, sidecar)
}

/// Runs a program to its end, without this machine's configuration: what it wrote.
async fn run(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each of these events is at the collector once, in both signals, and nothing else is.
fn arrived<S: AsRef<str>>(collector: &Collector, sorted: &[S]) {
    for signal in [Signal::Logs, Signal::Traces] {
        let mut ids = collector.accepted(signal);
        ids.sort();
        assert!(
            ids.iter()
                .map(String::as_str)
                .eq(sorted.iter().map(S::as_ref)),
            "{signal:?}: {} of {}",
            ids.len(),
            sorted.len()
        );
    }
}
