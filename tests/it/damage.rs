//! Bodies that senders push and that cannot be read to their end: nothing is acknowledged that is
//! neither delivered nor kept whole.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use qtrail::dead_letter::{self, DeadLetters};
use qtrail::export::{Destination, Protocol};
use qtrail::input::ingest::Limits;
use qtrail_core::envelope;
use qtrail_core::otlp::Signal;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::grpc::bench::Bench;
use crate::grpc::{Stream, message, request};
use crate::pipeline::texts;
use crate::support::collector::Collector;
use crate::support::flow::flow;
use crate::support::program::{event, gzip, log_file, qtrail};
use crate::support::receiver::Receiver;
use crate::support::trail::Container;

/// More than fit into one request to the collector.
const EVENTS: usize = 600;

fn events() -> Vec<String> {
    (0..EVENTS).map(|n| event(&format!("e{n}."))).collect()
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Bodies that are damaged or cut, each with what is wrong.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let file = log_file(&events());
    let zipped = gzip(&file);
    let flipped = |at: usize| {
        let mut bytes = zipped.clone();
        bytes[at] ^= 0x55;
        bytes
    };
    let cut = |bytes: &[u8], at: usize| bytes[..at].to_vec();
    let (end, zipped_end) = (file.len(), zipped.len());
    let kinesis = |data: &[&[u8]]| {
        let data: Vec<_> = data
            .iter()
            .map(|data| json!({"kinesis": {"data": base64(data)}}))
            .collect();
        json!({"Records": data}).to_string().into_bytes()
    };
    let text = String::from_utf8(file.clone()).unwrap();
    let ndjson = Container::Ndjson.around(&events());
    let large = event("large").replace("test", &"x".repeat(9 << 20));
    vec![
        ("gzip, half", half(&zipped).to_vec()),
        ("gzip, a tenth", cut(&zipped, zipped_end / 10)),
        ("gzip, its header", cut(&zipped, 10)),
        ("gzip, two bytes", cut(&zipped, 2)),
        ("gzip without its last byte", cut(&zipped, zipped_end - 1)),
        ("gzip without its trailer", cut(&zipped, zipped_end - 8)),
        ("gzip, damaged", flipped(zipped_end / 2)),
        ("gzip, wrong checksum", flipped(zipped_end - 8)),
        ("gzip, then garbage", [&zipped[..], b"garbage"].concat()),
        (
            "gzip, the second member half",
            [&gzip(&ndjson)[..], half(&zipped)].concat(),
        ),
        ("JSON, half", half(&file).to_vec()),
        ("JSON without its last byte", cut(&file, end - 1)),
        ("JSON without its last two", cut(&file, end - 2)),
        (
            "an array, half",
            half(&Container::Array.around(&events())).to_vec(),
        ),
        ("lines, half", half(&ndjson).to_vec()),
        ("base64 of gzip, half", base64(half(&zipped)).into_bytes()),
        (
            "base64 of gzip, cut itself",
            base64(&zipped).into_bytes()[..zipped_end / 4 * 2 + 1].to_vec(),
        ),
        (
            "a subscription's data, half",
            json!({"awslogs": {"data": base64(half(&zipped))}})
                .to_string()
                .into_bytes(),
        ),
        (
            "a subscription's data that is no base64",
            json!({"awslogs": {"data": "H4sI%%%"}})
                .to_string()
                .into_bytes(),
        ),
        ("Kinesis, half of one record", kinesis(&[half(&zipped)])),
        (
            "Kinesis, half of one record of three",
            kinesis(&[&gzip(event("a")), half(&zipped), &gzip(event("b"))]),
        ),
        (
            "a notification's message, half",
            json!({"Type": "Notification", "Message": text[..end / 2]})
                .to_string()
                .into_bytes(),
        ),
        (
            "an event beyond every limit",
            log_file(&[event("a"), large, event("b")]),
        ),
    ]
}

/// What is no JSON.
const GARBAGE: [&[u8]; 4] = [
    b"hello",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"{",
];

/// Bodies with nothing in them that is known.
fn foreign() -> Vec<&'static [u8]> {
    let json: [&[u8]; 8] = [
        b"{}",
        b"7",
        b"null",
        b"\"text\"",
        br#"{"foo":[1,2]}"#,
        br#"[{"level":"info"},{"level":"warn"}]"#,
        b"{\"level\":\"info\"}\n{\"level\":\"warn\"}\n",
        b"[1,1,1,1",
    ];
    [&GARBAGE[..], &json].concat()
}

/// Panics unless each event of the body is delivered, or all of its bytes are in the letters.
fn nothing_is_lost(what: &str, body: &[u8], accepted: &[String], letters: &[Value]) {
    let kept: Vec<Vec<u8>> = letters.iter().map(kept).collect();
    if kept.iter().any(|bytes| bytes == body) {
        return;
    }
    let text = kept.concat();
    let accepted: BTreeSet<_> = accepted.iter().map(String::as_str).collect();
    for n in 0..EVENTS {
        let id = format!("e{n}.");
        let wanted = memchr::memmem::find(body, format!("\"{id}\"").as_bytes()).is_some();
        let is_kept = memchr::memmem::find(&text, id.as_bytes()).is_some();
        assert!(
            !wanted || accepted.contains(&*id) || is_kept,
            "{what}: {id} is nowhere"
        );
    }
    let hidden = !body.starts_with(b"{") && !body.starts_with(b"[");
    assert!(!hidden, "{what}: it is not kept whole");
}

/// The bytes of a letter.
fn kept(letter: &Value) -> Vec<u8> {
    match (&letter["record"], &letter["record_base64"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::String(text)) => STANDARD.decode(text).unwrap(),
        _ => panic!("nothing is kept: {}", letter["message"]),
    }
}

#[tokio::test]
async fn over_http_what_cannot_be_read_to_its_end_is_refused() {
    let receiver = Receiver::discarding().await;
    let foreign = foreign().into_iter().map(|body| ("foreign", body.to_vec()));
    for (what, body) in broken().into_iter().chain(foreign) {
        for encoding in ["identity", "gzip"] {
            let headers = [("content-encoding", encoding)];
            let before = receiver.dead_letters().len();
            let answer = receiver.post("/v1/events", &headers, body.clone()).await;
            let expected = match what {
                "an event beyond every limit" => 413,
                _ => 400,
            };
            assert_eq!(answer.status, expected, "{what}: {answer:?}");
            let error = answer.text("error");
            assert!(
                error.contains("cannot be read") && error.contains("not acknowledged"),
                "{what}: {error}"
            );
            // What comes of damaged bytes until that is seen may pass for a broken record.
            let letters = receiver.dead_letters().len() - before;
            assert!(letters == 0 || what == "gzip, damaged", "{what}: {letters}");
            receiver.assert_balance();
        }
    }
    let refused = receiver.metrics.ingest_refused.get();
    assert_eq!(refused, receiver.metrics.ingest_requests.get());
}

#[tokio::test]
async fn over_http_a_broken_record_among_good_ones_is_a_letter() {
    let receiver = Receiver::discarding().await;
    let broken = r#"{"eventVersion":"1.08","eventID":"bad",,}"#;
    let cut = &event("cut")[..200];
    let lines = format!("{}\n{broken}\n{}\n", event("a"), event("b"));
    let file = log_file(&[&event("a"), broken, &event("b")]);
    let messages = [&event("a"), cut, &event("b")].map(|text| json!({"id": "1", "message": text}));
    let subscription = json!({"messageType": "DATA_MESSAGE", "logEvents": messages});
    let stranger = format!("{}\n{{\"level\":\"info\"}}\n{}", event("a"), event("b"));
    for body in [
        lines.into_bytes(),
        gzip(&file),
        file,
        gzip(subscription.to_string()),
        stranger.into_bytes(),
    ] {
        let before = receiver.dead_letters().len();
        let answer = receiver.post("/v1/events", &[], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (answer.count("exported"), answer.count("dead_lettered")),
            (2, 1)
        );
        assert_eq!(receiver.dead_letters().len(), before + 1);
        receiver.assert_balance();
    }
}

#[tokio::test]
async fn a_record_that_is_pushed_is_kept_whatever_dead_letters_may_cut() {
    let receiver = Receiver::discarding().await;
    // Larger than dead_letters.max_record_bytes, and than an event may be, in a text inside.
    let large = event("large").replace("test", &"x".repeat(3 << 20));
    let messages =
        [&event("a"), &large, &event("b")].map(|text| json!({"id": "1", "message": text}));
    let body = json!({"messageType": "DATA_MESSAGE", "logEvents": messages}).to_string();
    let answer = receiver.post("/v1/events", &[], gzip(body)).await;
    assert_eq!(
        (answer.count("exported"), answer.count("dead_lettered")),
        (2, 1)
    );
    assert_eq!(kept(&receiver.dead_letters()[0]), large.as_bytes());
}

#[tokio::test]
async fn over_grpc_what_cannot_be_read_to_its_end_is_refused() {
    let bench = Bench::discarding(Limits::default()).await;
    let mut client = bench.client().await;
    let mut stream = Stream::open(&bench).await;
    let foreign = foreign().into_iter().map(|body| ("foreign", body.to_vec()));
    for (n, (what, body)) in (0..).zip(broken().into_iter().chain(foreign)) {
        let expected = match what {
            "an event beyond every limit" => Code::ResourceExhausted,
            _ => Code::InvalidArgument,
        };
        let status = client.ingest(request(n, body.clone())).await.unwrap_err();
        assert_eq!(status.code(), expected, "{what}: {status}");
        assert!(status.message().contains("cannot be read"), "{status}");
        stream.send(message(n, body));
        match stream.next().await.unwrap() {
            Some((number, Answer::Failure(failure))) => {
                assert_eq!((number, failure.code), (n, i32::from(expected)), "{what}");
                assert_eq!(failure.retry_delay, None);
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    stream.send(message(99, event("good")));
    assert_eq!(stream.delivered().await, 99);
}

fn log_records(bodies: impl IntoIterator<Item = Vec<u8>>) -> ExportLogsServiceRequest {
    let record = |body: Vec<u8>| LogRecord {
        body: Some(AnyValue {
            value: Some(match String::from_utf8(body) {
                Ok(text) => any_value::Value::StringValue(text),
                Err(error) => any_value::Value::BytesValue(error.into_bytes()),
            }),
        }),
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

#[tokio::test]
async fn by_otlp_what_can_be_read_is_delivered_and_a_damaged_log_record_is_kept_whole() {
    for (what, body) in broken() {
        let collector = Collector::start().await;
        let destination = collector.destination(Protocol::Grpc, |_| {});
        let receiver = Receiver::start(destination, Limits::default(), None).await;
        let request = log_records([event("before").into(), body.clone(), event("after").into()]);
        let headers = [("content-type", "application/x-protobuf")];
        let answer = receiver
            .post("/v1/logs", &headers, request.encode_to_vec())
            .await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let answer = ExportLogsServiceResponse::decode(answer.body).unwrap();
        let partial = answer.partial_success.unwrap();
        let expected = 1 + i64::from(what == "gzip, damaged");
        assert_eq!(
            partial.rejected_log_records, expected,
            "{what}: {partial:?}"
        );
        let accepted = collector.accepted(Signal::Logs);
        for id in ["before", "after"] {
            assert!(accepted.iter().any(|accepted| accepted == id), "{what}");
        }
        let letters = receiver.dead_letters();
        assert_eq!(letters.len() as i64, expected, "{what}");
        assert!(letters.iter().all(|letter| letter["index"] == json!(1)));
        nothing_is_lost(what, &body, &accepted, &letters);
        receiver.assert_balance();
    }
}

#[tokio::test]
async fn by_otlp_over_grpc_too_and_beyond_the_limit_on_what_is_inflated() {
    let collector = Collector::start().await;
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let bench = Bench::start(destination, limits, &[]).await;
    let bomb = gzip(format!("{}{}", event("bomb"), " ".repeat(4 << 20)));
    let request = log_records([event("before").into(), bomb.clone(), event("after").into()]);
    let mut client = LogsServiceClient::new(bench.channel().await);
    let answer = client.export(request).await.unwrap().into_inner();
    assert_eq!(answer.partial_success.unwrap().rejected_log_records, 2);
    assert_eq!(collector.accepted(Signal::Logs), ["before", "bomb"]);
    // What comes after it is not inflated any more, and kept.
    let letters = bench.letters();
    let kept: Vec<_> = letters.iter().map(kept).collect();
    assert_eq!(kept, [bomb, event("after").into_bytes()]);
}

const ID: &str = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";
const FIREHOSE: [(&str, &str); 2] = [
    ("x-amz-firehose-protocol-version", "1.0"),
    ("x-amz-firehose-request-id", ID),
];

fn firehose(records: &[&[u8]]) -> Vec<u8> {
    let records: Vec<_> = records
        .iter()
        .map(|data| json!({"data": base64(data)}))
        .collect();
    format!(
        r#"{{"requestId":"{ID}","timestamp":1,"records":{}}}"#,
        json!(records)
    )
    .into_bytes()
}

#[tokio::test]
async fn by_firehose_what_can_be_read_is_delivered_and_a_damaged_record_is_kept_whole() {
    for (what, body) in broken() {
        if what == "an event beyond every limit" {
            continue;
        }
        let collector = Collector::start().await;
        let destination = collector.destination(Protocol::Grpc, |_| {});
        let receiver = Receiver::start(destination, Limits::default(), None).await;
        let (before, after) = (event("before"), gzip(event("after")));
        let request = firehose(&[before.as_bytes(), &body, &after]);
        let answer = receiver.post("/v1/firehose", &FIREHOSE, request).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let accepted = collector.accepted(Signal::Logs);
        for id in ["before", "after"] {
            assert!(accepted.iter().any(|accepted| accepted == id), "{what}");
        }
        let letters = receiver.dead_letters();
        let expected = 1 + usize::from(what == "gzip, damaged");
        assert_eq!(letters.len(), expected, "{what}");
        nothing_is_lost(what, &body, &accepted, &letters);
        receiver.assert_balance();
    }
}

#[tokio::test]
async fn a_firehose_request_of_which_nothing_can_be_read_is_refused() {
    let receiver = Receiver::discarding().await;
    let zipped = gzip(log_file(&events()));
    let good = firehose(&[event("a").as_bytes(), &zipped, event("b").as_bytes()]);
    let mut large = gzip(event("a"));
    // Beyond what is held of one record.
    large.extend(vec![0; 9 << 20]);
    let mut bodies: Vec<Vec<u8>> = GARBAGE.iter().map(|body| firehose(&[body, body])).collect();
    bodies.extend(foreign().iter().map(|body| body.to_vec()));
    bodies.extend([
        firehose(&[&zipped[..10]]),
        format!(r#"{{"requestId":"{ID}","records":[{{"data":"%%%"}}]}}"#).into_bytes(),
        // The request itself is cut or damaged.
        half(&good).to_vec(),
        good[..good.len() - 1].to_vec(),
        gzip(&good)[..100].to_vec(),
        half(&gzip(&good)).to_vec(),
        firehose(&[event("a").as_bytes(), &large]),
        // Not the prompt log that it looks like.
        format!(
            r#"{{"records":[{{"x":1}},{{"data":"{}"}}],"requestId":"{ID}"}}"#,
            base64(event("a"))
        )
        .into_bytes(),
    ]);
    for body in bodies {
        let told = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answer = receiver.post("/v1/firehose", &FIREHOSE, body).await;
        assert_eq!(answer.status, 400, "{told}: {answer:?}");
        assert_eq!(answer.text("requestId"), ID);
        let message = answer.text("errorMessage");
        assert!(message.contains("cannot be read"), "{told}: {message}");
        assert_eq!(receiver.dead_letters().len(), 0, "{told}");
    }
    receiver.assert_balance();
}

#[tokio::test]
async fn what_is_well_formed_and_none_of_cloudtrails_stops_no_firehose() {
    let receiver = Receiver::discarding().await;
    let flows =
        json!({"id": "1", "timestamp": 1, "message": "2 123456789010 eni-1235b8ca 172.31.16.139"});
    let flows = json!({"messageType": "DATA_MESSAGE", "logEvents": [flows]}).to_string();
    let bridged = json!({"version": "0", "detail-type": "Order", "source": "shop", "detail": {}});
    let records = [
        br#"{"level":"info"}"#.to_vec(),
        gzip(flows),
        bridged.to_string().into(),
    ];
    for record in &records {
        let before = receiver.dead_letters().len();
        let answer = receiver
            .post("/v1/firehose", &FIREHOSE, firehose(&[record]))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(receiver.dead_letters().len() > before);
    }
    // Two of them are known for what they are.
    for (record, status) in records.iter().zip([400, 200, 200]) {
        let answer = receiver.post("/v1/events", &[], record.clone()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    receiver.assert_balance();
}

#[tokio::test]
async fn a_damaged_firehose_record_is_kept_however_large_it_is() {
    let receiver = Receiver::start(Destination::Discard, Limits::default(), None).await;
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(3 << 20)
        .collect();
    let zipped = gzip(noise);
    assert!(zipped.len() > 2 << 20);
    let damaged = &zipped[..zipped.len() - 1];
    let body = firehose(&[event("a").as_bytes(), damaged]);
    let answer = receiver.post("/v1/firehose", &FIREHOSE, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let letters = receiver.dead_letters();
    assert!(letters.iter().any(|letter| kept(letter) == damaged));
}

#[tokio::test]
async fn a_letter_of_a_damaged_body_is_replayed_and_kept_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let zipped = gzip(log_file(&events()));
    let letter = json!({"stage": "open", "reason": "bad_gzip", "message": "m", "input": "otlp",
        "source": "s", "index": 1, "offset": 0, "length": 1, "record_base64": base64(half(&zipped))});
    let file = folder.path().join("dead.jsonl");
    std::fs::write(&file, format!("{letter}\n")).unwrap();
    let collector = Collector::start().await;
    let mut replay = qtrail();
    replay
        .arg("replay")
        .arg(&file)
        .args(["--endpoint", &collector.url()]);
    let output = tokio::task::spawn_blocking(move || replay.output()).await;
    let output = output.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let accepted = collector.accepted(Signal::Logs);
    assert!(accepted.len() > EVENTS / 4, "{}", accepted.len());
    let again = std::fs::read_to_string(folder.path().join("dead.jsonl.replay")).unwrap();
    let again: Vec<Value> = again
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(again.len(), 1);
    assert!(kept(&again[0]) == half(&zipped));
}

/// More than have a letter each, by `dead_letters.unit_letters`.
const REFUSED: usize = 1100;

#[tokio::test]
async fn an_otlp_request_with_more_refused_records_than_letters_is_kept_whole() {
    let receiver = Receiver::discarding().await;
    let bad = |n: usize| event(&n.to_string()).replace("2024-04-10T14:07:55Z", "soon");
    let mut bodies: Vec<Vec<u8>> = (0..REFUSED).map(|n| bad(n).into_bytes()).collect();
    bodies.push(gzip(bad(REFUSED)));
    let headers = [("content-type", "application/x-protobuf")];
    let request = log_records(bodies.clone()).encode_to_vec();
    let answer = receiver.post("/v1/logs", &headers, request).await;
    assert_eq!(answer.status, 200);
    let summary = receiver.dead_letters().pop().unwrap();
    assert_eq!(summary["reason"], "suppressed");
    // As a Firehose request, so that a replay reads each by itself.
    let all = kept(&summary);
    let request: Value = serde_json::from_slice(&all).unwrap();
    let records = request["records"].as_array().unwrap().iter();
    let data = records.map(|record| STANDARD.decode(record["data"].as_str().unwrap()).unwrap());
    assert!(data.eq(bodies));
    let mut records = envelope::open(&all[..], &envelope::Limits::default());
    let mut found = 0;
    while let Some(item) = records.next().unwrap() {
        assert!(matches!(item, envelope::Item::Record { .. }));
        found += 1;
    }
    assert_eq!(found, REFUSED + 1);
    receiver.assert_balance();
}

#[tokio::test]
async fn what_is_pushed_by_nobody_known_is_kept_whole_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let letters = dead_letter::Settings::new(path.clone());
    let letters = DeadLetters::open(letters, CancellationToken::new()).unwrap();
    let flow = flow(Destination::Discard, letters, 1 << 20);
    // As a message of a queue brings it.
    let body = format!("[{},{}1]", event("one"), "1,".repeat(REFUSED));
    let report = flow
        .pipeline
        .deliver(texts([body.clone().into_bytes()]))
        .await;
    assert_eq!(report.counts.exported, 1);
    let lines = std::fs::read_to_string(path).unwrap();
    let summary: Value = serde_json::from_str(lines.lines().next_back().unwrap()).unwrap();
    assert_eq!(summary["reason"], "suppressed");
    assert_eq!(summary["record"], body);
}
