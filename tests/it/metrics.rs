//! The metrics of what agents did: what a trail has is what they say, however often it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use qtrail_core::otlp::Signal;
use qtrail_sample::conversation_trail;
use serde_json::Value;
use tonic::{Request, Response, Status};

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gunzip, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};

/// Counts of what agents did, by the name of the metric without `qtrail_agent_`, and the values of its labels.
type Counts = BTreeMap<String, u64>;

/// Counts by the records alone.
fn counts(records: &[Value], origin: &str) -> Counts {
    let mut counts = Counts::new();
    let mut add = |series: String| *counts.entry(series).or_default() += 1;
    let mut conversations = BTreeSet::new();
    for record in records {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        let service = text("/eventSource")
            .unwrap()
            .trim_end_matches(".amazonaws.com");
        if service == "q" || service == "codewhisperer" {
            let named = [
                "/requestParameters/conversationId",
                "/requestParameters/conversationState/conversationId",
                "/requestParameters/telemetryEvent/chatAddMessageEvent/conversationId",
                "/responseElements/conversationId",
            ];
            conversations.extend(named.iter().find_map(|pointer| text(pointer)));
            let name = text("/eventName").unwrap();
            if ["SendMessage", "GenerateAssistantResponse"].contains(&name) {
                add(format!("messages_total {origin}"));
            }
        } else if text("/userIdentity/invokedBy") == Some("q.amazonaws.com")
            || text("/userAgent").is_some_and(|agent| agent.contains("AmazonQ-For-CLI"))
        {
            add(format!("calls_total {service} {origin}"));
        }
        if let Some(
            code @ ("AccessDenied" | "AccessDeniedException" | "Client.UnauthorizedOperation"),
        ) = text("/errorCode")
        {
            add(format!("denials_total {service} {code} {origin}"));
        }
    }
    for _ in conversations {
        add(format!("conversations_started_total {origin}"));
    }
    counts
}

/// The same, from `/metrics`: the series that are not 0.
fn shown(metrics: &str) -> Counts {
    let mut shown = Counts::new();
    for line in metrics.lines() {
        let Some((series, value)) = line
            .strip_prefix("qtrail_agent_")
            .and_then(|l| l.rsplit_once(' '))
        else {
            continue;
        };
        let Some((name, labels)) = series.split_once('{') else {
            continue;
        };
        let values: Vec<_> = labels.split('"').skip(1).step_by(2).collect();
        shown.insert(
            format!("{name} {}", values.join(" ")),
            value.parse().unwrap(),
        );
    }
    shown.retain(|series, value| *value > 0 && !series.starts_with("events_total"));
    shown
}

fn sum(metrics: &str, name: &str) -> u64 {
    let series = metrics.lines().filter(|line| line.starts_with(name));
    series
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

/// A trail's files, how many records they hold, and those of Amazon Q, each once. A copy of a file is no other file.
fn trail() -> (BTreeSet<Vec<u8>>, u64, Vec<Value>) {
    let trail = conversation_trail(7, 12);
    let (mut records, mut read) = (BTreeMap::new(), 0);
    let files = trail.files.iter().map(|(_, bytes)| gunzip(bytes));
    let files: BTreeSet<_> = files.collect();
    for file in &files {
        let mut file: Value = serde_json::from_slice(file).unwrap();
        for record in file["Records"].as_array_mut().unwrap().drain(..) {
            read += 1;
            let text = record.to_string();
            let is_agents = [
                "q.amazonaws.com",
                "codewhisperer.amazonaws.com",
                "AmazonQ-For-",
            ];
            if is_agents.iter().any(|part| text.contains(part)) {
                records.insert(record["eventID"].to_string(), record);
            }
        }
    }
    (files, read, records.into_values().collect())
}

/// Adds the files, with something behind each.
fn add(place: &Place, name: &str, files: &BTreeSet<Vec<u8>>, end: &str) {
    for (number, file) in files.iter().enumerate() {
        let name = format!("{name}{number}.json");
        place.add(name, &[file, end.as_bytes()].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_what_the_trail_has_also_when_it_arrives_twice_and_after_a_restart() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let (files, read, records) = trail();
    let truth = counts(&records, "live");
    for name in ["messages", "conversations_started", "calls", "denials"] {
        let is_counted = |series: &String| series.starts_with(name);
        assert!(
            truth.keys().any(is_counted),
            "the trail has no {name}: {truth:?}"
        );
    }
    add(&place, "first", &files, "");
    let run = || Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let sidecar = run();
    sidecar.settled(read).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(shown(&metrics), truth);
    let exported = sum(&metrics, "qtrail_events_exported_total");
    assert_eq!(sum(&metrics, "qtrail_agent_events_total"), exported);
    assert_eq!(sum(&metrics, "qtrail_delivery_lag_seconds_count"), exported);
    add(&place, "second", &files, "\n");
    sidecar.settled(2 * read).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(shown(&metrics), truth);
    assert_eq!(sum(&metrics, "qtrail_delivery_lag_seconds_count"), exported);
    sidecar.stop().await;

    // A message in a conversation that began before the restart.
    let old = records
        .iter()
        .find(|record| record["eventName"] == "SendMessage")
        .unwrap();
    let mut old = old.clone();
    old["eventID"] = "11111111-2222-4333-8444-555555555555".into();
    place.add("third.json", &log_file(&[old.to_string()]));
    let sidecar = run();
    sidecar.settled(1).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(
        shown(&metrics),
        Counts::from([("messages_total live".to_owned(), 1)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_failed_counts_as_an_error_alone_and_a_refused_event_not_at_all() {
    let (place, mut collector) = (Place::new(), Collector::start().await);
    let unavailable = || Reply::Grpc(Status::unavailable("not now"));
    collector.reply_next(Signal::Traces, [unavailable(), unavailable()]);
    collector.reply_with(|seen| match seen.ids.contains(&"bad".to_owned()) {
        true => Reply::Grpc(Status::invalid_argument("this one")),
        false => Reply::Accept,
    });
    place.add("a.json", &log_file(&["good", "bad"].map(event)));
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let balance = sidecar.settled(2).await;
    assert_eq!((balance.exported, balance.dead_lettered), (1, 1));
    let metrics = sidecar.get("/metrics").await.1;
    let errors = "qtrail_export_errors_total{code=\"UNAVAILABLE\",signal=\"traces\"} 2";
    assert!(metrics.contains(errors), "{metrics}");
    assert!(
        metrics.contains("code=\"INVALID_ARGUMENT\",signal=\"logs\"}"),
        "{metrics}"
    );
    let expected = ["conversations_started_total live", "messages_total live"];
    let expected = expected.map(|series| (series.to_owned(), 1));
    assert_eq!(shown(&metrics), Counts::from(expected));

    collector.close();
    place.add("b.json", &log_file(&[event("later")]));
    let refused = |_: u16, text: &str| {
        text.contains("code=\"connect\",signal=\"logs\"}")
            && text.contains("\nqtrail_stalled{reason=\"collector_away\"} 1")
    };
    let metrics = sidecar.until("/metrics", refused).await;
    assert_eq!(sum(&metrics, "qtrail_agent_messages_total"), 1);
    assert!(
        metrics.contains("\nqtrail_ready 1\n"),
        "it may pass: {metrics}"
    );
}

/// A collector of metrics: the last value of each series of qtrail's.
#[derive(Clone, Default)]
struct MetricsCollector(Arc<Mutex<Counts>>);

#[tonic::async_trait]
impl MetricsService for MetricsCollector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let resources = request.into_inner().resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let points = match metric.data {
                Some(metric::Data::Sum(sum)) => sum.data_points,
                Some(metric::Data::Gauge(gauge)) => gauge.data_points,
                _ => Vec::new(),
            };
            for point in points {
                let labels = point.attributes.into_iter().map(|pair| {
                    match pair.value.and_then(|value| value.value) {
                        Some(Any::StringValue(value)) => (pair.key, value),
                        other => panic!("{other:?}"),
                    }
                });
                let labels: BTreeMap<_, _> = labels.collect();
                let values: Vec<_> = labels.into_values().collect();
                let Some(number_data_point::Value::AsInt(value)) = point.value else {
                    continue;
                };
                let series = format!("{} {}", metric.name, values.join(" "));
                self.0.lock().unwrap().insert(series, value as u64);
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backfill_reads_is_apart_and_leaves_over_otlp() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let own = MetricsCollector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(MetricsServiceServer::new(own.clone()))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    tokio::spawn(server);
    let stamp = "111122223333_CloudTrail_us-east-1_20240410T1410Z_aaaaaaaaaaaaaaaa.json";
    let denied = event("denied").replace(
        "\"readOnly\"",
        "\"errorCode\":\"AccessDenied\",\"readOnly\"",
    );
    let folder = place.path("trail/AWSLogs/111122223333/CloudTrail/us-east-1/2024/04/10");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(stamp), log_file(&[event("one"), denied])).unwrap();
    let mut command = qtrail();
    command
        .arg("backfill")
        .arg(place.path("trail"))
        .args([
            "--from",
            "2024-04-01",
            "--to",
            "2024-05-01",
            "--endpoint",
            &collector.url(),
        ])
        .arg("--state")
        .arg(place.path("state"))
        .env("QTRAIL_TELEMETRY_ENDPOINT", format!("http://{address}"));
    let (exit, said) = Sidecar::start(&mut command).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    let counts = own.0.lock().unwrap().clone();
    let counted = counts
        .iter()
        .filter(|(series, value)| series.starts_with("qtrail.agent.") && **value > 0);
    let counted: Vec<_> = counted
        .map(|(series, value)| (series.as_str(), *value))
        .collect();
    // The values of labels are in the order of the labels' names.
    let expected = [
        ("qtrail.agent.conversations_started backfill", 1),
        ("qtrail.agent.denials AccessDenied backfill q", 1),
        ("qtrail.agent.events conversation backfill denied", 1),
        ("qtrail.agent.events conversation backfill success", 1),
        ("qtrail.agent.messages backfill", 2),
    ];
    assert_eq!(counted, expected, "{said}");
    assert_eq!(counts.get("qtrail.agent.messages live"), Some(&0));
    assert!(counts.contains_key("qtrail.last_export.timestamp_seconds "));
    assert!(!counts.contains_key("qtrail.newest_event.timestamp_seconds "));
}
