//! CloudTrail events in OTLP log records.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use qtrail::export::{Destination, Protocol};
use qtrail::input::ingest::Limits;
use qtrail_core::otlp::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, log_file};
use crate::support::receiver::{Answer, Receiver, heard};
use crate::support::trail::{self, Container};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn text(text: impl Into<String>) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text.into())),
    }
}

/// A JSON text as a value, with its own types.
fn map(json: &str) -> AnyValue {
    fn any(value: Value) -> AnyValue {
        use any_value::Value as V;
        let value = match value {
            Value::Null => None,
            Value::Bool(value) => Some(V::BoolValue(value)),
            Value::String(text) => Some(V::StringValue(text)),
            Value::Number(number) => Some(match number.as_i64() {
                Some(number) => V::IntValue(number),
                None => V::DoubleValue(number.as_f64().unwrap()),
            }),
            Value::Array(values) => Some(V::ArrayValue(ArrayValue {
                values: values.into_iter().map(any).collect(),
            })),
            Value::Object(entries) => {
                let entry = |(key, value)| KeyValue {
                    key,
                    value: Some(any(value)),
                    ..KeyValue::default()
                };
                let values = entries.into_iter().map(entry).collect();
                Some(V::KvlistValue(KeyValueList { values }))
            }
        };
        AnyValue { value }
    }
    any(serde_json::from_str(json).unwrap())
}

fn request(bodies: impl IntoIterator<Item = AnyValue>) -> ExportLogsServiceRequest {
    let record = |body| LogRecord {
        body: Some(body),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: bodies.into_iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

async fn post(receiver: &Receiver, request: &ExportLogsServiceRequest) -> Answer {
    let body = request.encode_to_vec();
    receiver.post("/v1/logs", &[PROTOBUF], body).await
}

/// The number of rejected log records and the message of an answer in protobuf.
fn rejected(answer: &Answer) -> (i64, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(PROTOBUF.1));
    let response = ExportLogsServiceResponse::decode(answer.body.clone()).unwrap();
    let partial = response.partial_success.unwrap_or_default();
    (partial.rejected_log_records, partial.error_message)
}

/// The code and the message of an error, in either form.
fn status(answer: &Answer) -> (i64, String) {
    if answer.header("content-type") == Some(JSON.1) {
        let body = answer.json();
        return (body["code"].as_i64().unwrap(), answer.text("message"));
    }
    assert_eq!(answer.header("content-type"), Some(PROTOBUF.1));
    let status = tonic_types::Status::decode(answer.body.clone()).unwrap();
    (status.code.into(), status.message)
}

#[tokio::test]
async fn a_body_is_one_record_or_a_whole_file_as_text_or_bytes() {
    let receiver = Receiver::discarding().await;
    let file = log_file(&[event("two"), event("three")]);
    let bytes = AnyValue {
        value: Some(any_value::Value::BytesValue(gzip(&file))),
    };
    let file = text(String::from_utf8(file).unwrap());
    let request = request([text(event("one")), file, bytes]);
    assert_eq!(
        rejected(&post(&receiver, &request).await),
        (0, String::new())
    );
    assert_eq!(receiver.metrics.exported.get(), 5);
    let body = serde_json::to_string(&request).unwrap();
    let answer = receiver.post("/v1/logs", &[JSON], body).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
    assert_eq!(receiver.metrics.exported.get(), 10);
    receiver.assert_balance();
}

#[tokio::test]
async fn a_body_may_be_any_container_as_text_or_bytes_compressed_once_or_twice() {
    let receiver = Receiver::discarding().await;
    let records = [event("one"), event("two")];
    for container in Container::ALL {
        let unit = container.around(&records);
        let bytes = |bytes: Vec<u8>| AnyValue {
            value: Some(any_value::Value::BytesValue(bytes)),
        };
        let request = request([
            text(String::from_utf8(unit.clone()).unwrap()),
            bytes(gzip(&unit)),
            bytes(gzip(gzip(&unit))),
        ]);
        let before = receiver.metrics.exported.get();
        let answer = post(&receiver, &request).await;
        assert_eq!(rejected(&answer), (0, String::new()), "{container:?}");
        let exported = receiver.metrics.exported.get() - before;
        assert_eq!(exported, 6, "{container:?}");
    }
    // A list of texts is an array of texts.
    let list = map(&json!([event("one"), event("two")]).to_string());
    let before = receiver.metrics.exported.get();
    assert_eq!(rejected(&post(&receiver, &request([list])).await).0, 0);
    assert_eq!(receiver.metrics.exported.get() - before, 2);
    receiver.assert_balance();
}

#[tokio::test]
async fn a_map_becomes_the_same_log_records_and_spans_as_the_text() {
    let records = trail::records(1, 200, 100.0);
    let mut made = Vec::new();
    for as_map in [false, true] {
        let collector = Collector::start().await;
        let destination = collector.destination(Protocol::Grpc, |_| {});
        let receiver = Receiver::start(destination, Limits::default(), None).await;
        let body = |record: &String| match as_map {
            true => map(record),
            // In the order in which a map has its keys.
            false => text(serde_json::from_str::<Value>(record).unwrap().to_string()),
        };
        let answer = post(&receiver, &request(records.iter().map(body))).await;
        assert_eq!(rejected(&answer).0, 0);
        assert_eq!(receiver.metrics.exported.get(), 200);
        let sorted = |mut all: Vec<Vec<u8>>| {
            all.sort_unstable();
            all
        };
        let logs = collector.logs().into_iter().flat_map(|r| r.resource_logs);
        let logs = logs.flat_map(|r| r.scope_logs).flat_map(|s| s.log_records);
        let spans = collector
            .traces()
            .into_iter()
            .flat_map(|r| r.resource_spans);
        let spans = spans.flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        made.push((
            sorted(logs.map(|log| log.encode_to_vec()).collect()),
            sorted(spans.map(|span| span.encode_to_vec()).collect()),
        ));
    }
    assert_eq!(made[0].0.len(), 200);
    assert!(made[0] == made[1]);
}

#[tokio::test]
async fn what_is_none_of_cloudtrails_and_what_is_broken_is_told_by_number() {
    let receiver = Receiver::discarding().await;
    let attributes_only = LogRecord {
        attributes: vec![KeyValue {
            key: "aws.request_id".to_owned(),
            value: Some(text("r")),
            ..KeyValue::default()
        }],
        ..LogRecord::default()
    };
    let broken = event("broken").replace("2024-04-10T14:07:55Z", "soon");
    let mut request = request([
        text(event("one")),
        text("GET /index.html 200"),
        text(broken),
        map(r#"{"level":"info"}"#),
        map(&event("two")),
    ]);
    request.resource_logs[0].scope_logs[0]
        .log_records
        .push(attributes_only);
    let (rejected, message) = rejected(&post(&receiver, &request).await);
    assert_eq!(rejected, 4);
    for part in [
        "3 of 6 log records have no CloudTrail event",
        "events rejected, and kept in qtrail's dead letters: 1",
        "log record 1: not_json",
        "log record 2: bad_time",
        "log record 3: not_cloudtrail",
        "log record 5: not_cloudtrail",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert_eq!(receiver.metrics.exported.get(), 2);
    let letters = receiver.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["index"], &letters[0]["input"]),
        (&json!(2), &json!("otlp"))
    );
    receiver.assert_balance();
}

#[tokio::test]
async fn no_more_is_rejected_than_was_sent() {
    let receiver = Receiver::discarding().await;
    let broken = event("broken").replace("2024-04-10T14:07:55Z", "soon");
    let file = log_file(&[broken.clone(), broken.clone(), broken]);
    let answer = post(
        &receiver,
        &request([text(String::from_utf8(file).unwrap())]),
    )
    .await;
    assert_eq!(rejected(&answer).0, 1);
    assert_eq!(receiver.metrics.dead_lettered.get(), 3);
}

#[tokio::test]
async fn what_the_collector_refuses_without_a_name_counts_as_rejected() {
    let collector = Collector::start().await;
    collector.reply_next(Signal::Logs, [Reply::Partial(1, "too long")]);
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    let bodies = ["a", "b", "c"].map(|id| text(event(id)));
    let (rejected, message) = rejected(&post(&receiver, &request(bodies)).await);
    assert_eq!(rejected, 1);
    assert!(
        message.contains("the collector rejected 1 of 3 events without naming them"),
        "{message}"
    );
    receiver.assert_balance();
}

#[tokio::test]
async fn a_files_name_among_the_attributes_tells_when_it_was_delivered_and_in_which_organization() {
    let collector = Collector::start().await;
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    let mut request = request([text(event("one"))]);
    let name = "AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10/1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz";
    request.resource_logs[0].scope_logs[0].log_records[0].attributes = vec![KeyValue {
        key: "aws.s3.key".to_owned(),
        value: Some(text(name)),
        ..KeyValue::default()
    }];
    assert_eq!(rejected(&post(&receiver, &request).await).0, 0);
    let record = &collector.logs()[0].resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.observed_time_unix_nano, 1_712_758_200_000_000_000);
    let organization = record
        .attributes
        .iter()
        .find(|a| a.key == "aws.organization.id");
    assert_eq!(organization.unwrap().value, Some(text("o-exampleorgid")));
}

#[tokio::test]
async fn a_request_may_be_compressed_and_is_bounded_inflated() {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let receiver = Receiver::start(Destination::Discard, limits, None).await;
    let post = |body: Vec<u8>| async {
        let headers = [PROTOBUF, ("content-encoding", "gzip")];
        receiver.post("/v1/logs", &headers, body).await
    };
    let small = request((0..500).map(|i| text(event(&i.to_string())))).encode_to_vec();
    assert!(small.len() < 1 << 20);
    assert_eq!(rejected(&post(gzip(&small)).await).0, 0);
    assert_eq!(receiver.metrics.exported.get(), 500);
    let bomb = gzip(request([text(" ".repeat(8 << 20))]).encode_to_vec());
    let answer = post(bomb).await;
    assert_eq!(answer.status, 413);
    let (code, message) = status(&answer);
    assert_eq!(code, 8);
    assert!(
        message.contains("ingest.limits.inflated_bytes"),
        "{message}"
    );
    for damaged in [&gzip(&small)[..1000], &small, b""] {
        let answer = post(damaged.to_vec()).await;
        assert_eq!((answer.status.as_u16(), status(&answer).0), (400, 3));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_told_so_in_its_own_form() {
    let receiver = Receiver::discarding().await;
    for (form, body) in [
        (PROTOBUF, "{}"),
        (JSON, "{"),
        (JSON, "[]"),
        (JSON, r#"{"resourceLogs":7}"#),
    ] {
        let answer = receiver.post("/v1/logs", &[form], body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some(form.1));
        let (code, message) = status(&answer);
        assert_eq!(code, 3);
        assert!(message.contains("not an OTLP export request"), "{message}");
    }
    for headers in [&[("content-type", "text/plain")][..], &[]] {
        let answer = receiver.post("/v1/logs", headers, "").await;
        assert_eq!((answer.status.as_u16(), status(&answer).0), (415, 3));
    }
    let empty = receiver.post("/v1/logs", &[PROTOBUF], "").await;
    assert_eq!(rejected(&empty).0, 0);
    let charset = ("content-type", "Application/JSON; charset=utf-8");
    let empty = receiver.post("/v1/logs", &[charset], "{}").await;
    assert_eq!(empty.json(), json!({}));
    assert_eq!(receiver.metrics.read.get(), 0);
}

#[tokio::test]
async fn what_may_succeed_later_is_answered_so_that_the_sender_tries_again() {
    let limits = Limits {
        request_bytes: 4096,
        in_flight_bytes: 4096,
        body_timeout: Duration::from_millis(20),
        ..Limits::default()
    };
    let receiver = Receiver::start(Destination::Discard, limits, None).await;
    let all = receiver.ingest.try_reserve(4096).unwrap();
    let busy = post(&receiver, &request([text(event("one"))])).await;
    assert_eq!((busy.status.as_u16(), status(&busy).0), (429, 8));
    assert_eq!(busy.header("retry-after"), Some("1"));
    drop(all);
    let mut slow = receiver.connect().await;
    let head = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let slow = heard(slow).await;
    assert!(slow.starts_with("HTTP/1.1 503 "), "{slow}");
    assert!(
        slow.contains(r#"{"code":4,"message":"did not arrive within"#),
        "{slow}"
    );
    receiver.stop.cancel();
    let stopping = post(&receiver, &request([text(event("one"))])).await;
    assert_eq!((stopping.status.as_u16(), status(&stopping).0), (503, 14));
    assert_eq!(stopping.header("retry-after"), Some("1"));
    assert_eq!(receiver.metrics.read.get(), 0);
}
