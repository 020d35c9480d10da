//! The program with every way in: what a sender is told while the collector is away, and one balance
//! over all of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use fastrand::Rng;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use qtrail::telemetry::metrics::Balance;
use qtrail_core::otlp::Signal;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::{IngestRequest, IngestResponse};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::support::collector::{Collector, Reply};
use crate::support::made::{Made, Maker};
use crate::support::program::{event, log_file};
use crate::support::receiver::{Answer, post};
use crate::support::repeats;
use crate::support::sender::{Sender, Way};
use crate::support::sidecar::{Place, Sidecar, balance};
use crate::support::trail::Container;

/// Requests of each way in, where all are used at once.
const REQUESTS: usize = 40;

fn place() -> Place {
    Place::new()
        .with_env("QTRAIL_INGEST_GRPC_LISTEN", "127.0.0.1:0")
        .with_env("QTRAIL_INGEST_HTTP_LISTEN", "127.0.0.1:0")
}

fn start(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

async fn call(address: SocketAddr, id: &str) -> Result<Response<IngestResponse>, Status> {
    let client = IngestServiceClient::connect(format!("http://{address}")).await;
    let request = IngestRequest {
        sequence: 0,
        events: event(id).into(),
        source: String::new(),
    };
    client.unwrap().ingest(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_while_the_collector_was_away_comes_when_it_is_back() {
    let (place, mut collector) = (place(), Collector::start().await);
    let sidecar = start(&place, &collector);
    let address = sidecar.listens("grpc").await;
    call(address, "before").await.unwrap();
    let acknowledged = || async { balance(&sidecar.get("/metrics").await.1).exported };
    assert_eq!(acknowledged().await, 1);

    // It takes an event, and is gone before it answers.
    collector.reply_with(|_| Reply::Late(CancellationToken::new()));
    let taken = tokio::spawn(async move { call(address, "taken").await });
    collector.until_seen(Signal::Logs, 2).await;
    collector.close();
    let senders = [("call", Way::Unary), ("stream", Way::Stream)]
        .map(|(name, way)| Sender::start(address, way, name, Rng::new()));
    let told = taken.await.unwrap().unwrap_err();
    let again = call(address, "refused").await.unwrap_err();
    for status in [told, again] {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let info = status.get_details_retry_info();
        let delay = info.and_then(|info| info.retry_delay);
        assert!(delay.is_some_and(|delay| !delay.is_zero()), "{status:?}");
    }
    assert_eq!(acknowledged().await, 1);

    collector.reply_with(|_| Reply::Accept);
    collector.open().await;
    let mut ids = BTreeSet::from(["before".to_owned(), "taken".to_owned()]);
    for sender in senders {
        ids.extend(sender.stop().await.events);
    }
    sidecar.settled(ids.len() as u64).await;
    let (logs, spans) = (repeats::logs(&collector), repeats::spans(&collector));
    assert!(logs.keys().eq(&ids), "{:?} of {ids:?}", logs.keys());
    assert!(spans.keys().eq(&ids), "{:?} of {ids:?}", spans.keys());
    assert!(logs["taken"] > 1, "it was not acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_inputs_at_once_make_one_balance() {
    let (place, collector) = (place(), Collector::start().await);
    let sidecar = start(&place, &collector);
    let (grpc, http) = tokio::join!(sidecar.listens("grpc"), sidecar.listens("http"));
    let mut senders = Vec::new();
    for (name, way) in [("call", Way::Unary), ("stream", Way::Stream)] {
        senders.push(Sender::start(grpc, way, name, Rng::new()));
    }

    let taken = |answer: Answer| assert_eq!(answer.status, 200, "{answer:?}");
    let file = feed("file", async |n, records| {
        place.add(format!("{n}.json"), &log_file(records));
    });
    let event = feed("event", async |n, records| {
        let body = Container::ALL[n % Container::ALL.len()].around(records);
        taken(post(http, "/v1/events", &[], body).await);
    });
    let firehose = feed("firehose", async |n, records| {
        let headers = [
            ("x-amz-firehose-protocol-version", "1.0"),
            ("x-amz-firehose-request-id", &n.to_string()),
        ];
        let body = Container::Firehose.around(records);
        let body = String::from_utf8(body).unwrap();
        let body = body.replace(r#""requestId":"r""#, &format!(r#""requestId":"{n}""#));
        taken(post(http, "/v1/firehose", &headers, body).await);
    });
    let otlp_http = feed("otlp-http", async |n, records| {
        let (kind, body) = match n % 2 {
            0 => ("application/x-protobuf", otlp(records).encode_to_vec()),
            _ => {
                let json = serde_json::to_vec(&otlp(records)).unwrap();
                ("application/json", json)
            }
        };
        taken(post(http, "/v1/logs", &[("content-type", kind)], body).await);
    });
    let client = LogsServiceClient::connect(format!("http://{grpc}")).await;
    let client = client.unwrap();
    let otlp_grpc = feed("otlp-grpc", async |_, records| {
        client.clone().export(otlp(records)).await.unwrap();
    });
    let (file, event, firehose, otlp_http, otlp_grpc) =
        tokio::join!(file, event, firehose, otlp_http, otlp_grpc);
    let mut all = vec![file, event, firehose, otlp_http, otlp_grpc];
    let filtered = (all.len() * REQUESTS) as u64;
    let duplicate = filtered - REQUESTS as u64;
    for sender in senders {
        all.push(sender.stop().await);
    }

    let mut ids: BTreeSet<_> = all.iter().flat_map(|made| made.events.clone()).collect();
    ids.extend((0..REQUESTS).map(shared));
    let broken: usize = all.iter().map(|made| made.broken.len()).sum();
    let (exported, dead_lettered) = (ids.len() as u64, broken as u64);
    let expected = Balance {
        read: exported + filtered + duplicate + dead_lettered,
        exported,
        filtered,
        duplicate,
        dead_lettered,
        in_flight: 0,
    };
    assert_eq!(sidecar.settled(expected.read).await, expected);
    assert_eq!(sidecar.stop().await.0, Some(0));
    for arrived in [repeats::logs(&collector), repeats::spans(&collector)] {
        assert!(arrived.keys().eq(&ids));
        assert!(arrived.values().all(|times| *times == 1));
    }
}

/// Hands over requests, each with a record of another service and an event that comes in by all ways
/// among its own: all that was made.
async fn feed(name: &str, hand_over: impl AsyncFn(usize, &[String])) -> Made {
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let mut maker = Maker::new(name, Rng::new());
    for n in 0..REQUESTS {
        let mut records = maker.records();
        records.push(noise.clone());
        records.push(event(&shared(n)));
        hand_over(n, &records).await;
    }
    maker.made
}

fn shared(n: usize) -> String {
    format!("shared-{n}")
}

/// A log record an event.
fn otlp(records: &[String]) -> ExportLogsServiceRequest {
    let record = |text: &String| LogRecord {
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.clone())),
        }),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: records.iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}
