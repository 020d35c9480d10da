//! The services beside the ingest service.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use qtrail::export::{Destination, Health};
use qtrail::input::ingest::Limits;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1, v1alpha};
use tonic_types::StatusExt;

use super::bench::{Bench, PATIENCE};
use super::request;
use crate::support::program::event;

const INGEST: &str = "qtrail.v1.IngestService";
const LOGS: &str = "opentelemetry.proto.collector.logs.v1.LogsService";

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

pub async fn watch(bench: &Bench, service: &str) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(bench.channel().await);
    client.watch(check(service)).await.unwrap().into_inner()
}

/// The next word.
pub async fn serving(health: &mut Streaming<HealthCheckResponse>) -> bool {
    let word = tokio::time::timeout(PATIENCE, health.message()).await;
    let word = word.expect("no word of health").unwrap().unwrap();
    word.status() == ServingStatus::Serving
}

pub async fn until_serving(bench: &Bench) {
    let mut health = watch(bench, "").await;
    while !serving(&mut health).await {}
}

#[tokio::test]
async fn health_follows_the_collector() {
    let bench = Bench::discarding(Limits::default()).await;
    let mut client = HealthClient::new(bench.channel().await);
    for service in ["", INGEST, LOGS] {
        let mut told = watch(&bench, service).await;
        assert!(serving(&mut told).await);
        let down = Health::Down {
            reason: "connection refused".to_owned(),
            retry_after: Duration::from_secs(7),
        };
        let blocked = Health::Blocked {
            reason: "correct the token".to_owned(),
        };
        for (health, expected) in [(down, false), (Health::Up, true), (blocked, false)] {
            bench.health.send_replace(health);
            assert_eq!(serving(&mut told).await, expected);
            let now = client.check(check(service)).await.unwrap().into_inner();
            assert_eq!(now.status() == ServingStatus::Serving, expected);
        }
        bench.health.send_replace(Health::Up);
    }
    let unknown = client.check(check("nobody")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

const SERVED: [&str; 5] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    LOGS,
    INGEST,
];

#[tokio::test]
async fn reflection_tells_what_is_served() {
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let bench = Bench::discarding(Limits::default()).await;
    let ask = |request| v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let questions = tokio_stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(INGEST.to_owned())),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/duration.proto".to_owned(),
        )),
        ask(MessageRequest::FileContainingSymbol(format!(
            "{LOGS}.Export"
        ))),
    ]);
    let mut client = ServerReflectionClient::new(bench.channel().await);
    let answers = client.server_reflection_info(questions).await.unwrap();
    let mut answers = answers.into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list");
    };
    let mut names: Vec<_> = list.service.iter().map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    let v1 = SERVED.iter().filter(|name| !name.contains("v1alpha"));
    assert_eq!(names, v1.copied().collect::<Vec<_>>());
    for _ in 0..3 {
        let answer = answers.message().await.unwrap().unwrap();
        let file = answer.message_response.unwrap();
        assert!(
            matches!(file, MessageResponse::FileDescriptorResponse(_)),
            "{file:?}"
        );
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn reflection_speaks_its_older_version_too() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let bench = Bench::discarding(Limits::default()).await;
    let question = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(bench.channel().await);
    let questions = tokio_stream::iter([question]);
    let answers = client.server_reflection_info(questions).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list");
    };
    assert!(list.service.iter().any(|service| service.name == INGEST));
}

#[tokio::test]
async fn otlp_is_answered_with_what_is_no_event() {
    let bench = Bench::discarding(Limits::default()).await;
    let client = LogsServiceClient::new(bench.channel().await);
    let mut client = client.send_compressed(Gzip).accept_compressed(Gzip);
    let records = ["hello", &event("one"), &event("two")].map(|text| LogRecord {
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.to_owned())),
        }),
        ..LogRecord::default()
    });
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: records.into(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let answer = client.export(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.partial_success.unwrap().rejected_log_records, 1);
    assert_eq!(bench.metrics.exported.get(), 2);

    bench.health.send_replace(Health::Blocked {
        reason: "correct the token".to_owned(),
    });
    let refused = client.export(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
}

#[tokio::test]
async fn only_health_is_told_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "old\nnew\n").unwrap();
    let bench = Bench::start(Destination::Discard, Limits::default(), &[tokens]).await;
    let channel = bench.channel().await;
    assert!(serving(&mut watch(&bench, "").await).await);
    for (token, known) in [
        (None, false),
        (Some("nobody's"), false),
        (Some("new"), true),
    ] {
        let admits = |result: Result<(), Status>| match result {
            Ok(()) => assert!(known, "{token:?}"),
            Err(status) => {
                assert_eq!(status.code(), Code::Unauthenticated, "{status}");
                assert!(!known, "{token:?}");
            }
        };
        let shown = move |mut request: Request<()>| {
            if let Some(token) = token {
                let value = format!("Bearer {token}").parse().unwrap();
                request.metadata_mut().insert("authorization", value);
            }
            Ok(request)
        };
        let mut client = IngestServiceClient::with_interceptor(channel.clone(), shown);
        admits(client.ingest(request(1, "")).await.map(drop));
        admits(client.ingest_stream(tokio_stream::empty()).await.map(drop));
        let mut client = LogsServiceClient::with_interceptor(channel.clone(), shown);
        let nothing = ExportLogsServiceRequest::default();
        admits(client.export(nothing).await.map(drop));
        let client = v1::server_reflection_client::ServerReflectionClient::with_interceptor;
        let mut client = client(channel.clone(), shown);
        let questions = tokio_stream::empty();
        admits(client.server_reflection_info(questions).await.map(drop));
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_turned_away() {
    let bench = Bench::discarding(Limits::default()).await;
    let mut stream = TcpStream::connect(&bench.address).await.unwrap();
    let request = "POST /qtrail.v1.IngestService/Ingest HTTP/1.1\r\nhost: x\r\n\
                   content-type: text/plain\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}
