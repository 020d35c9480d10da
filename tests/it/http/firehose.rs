//! Amazon Data Firehose's HTTP endpoint protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qtrail::export::Destination;
use qtrail::input::ingest::Limits;
use serde_json::json;

use crate::support::program::{event, gzip};
use crate::support::receiver::{Answer, Receiver};
use crate::support::trail::{self, Container};

const ID: &str = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";
const HEADERS: [(&str, &str); 4] = [
    ("x-amz-firehose-protocol-version", "1.0"),
    ("x-amz-firehose-request-id", ID),
    (
        "x-amz-firehose-source-arn",
        "arn:aws:firehose:us-east-1:123456789:deliverystream/testStream",
    ),
    ("content-type", "application/json"),
];

/// A request's body with these records.
fn body<D: AsRef<[u8]>>(data: impl IntoIterator<Item = D>) -> String {
    let record = |data: D| json!({"data": STANDARD.encode(data)});
    let records: Vec<_> = data.into_iter().map(record).collect();
    // In the order in which Firehose writes them.
    format!(
        r#"{{"requestId":"{ID}","timestamp":1578090901599,"records":{}}}"#,
        json!(records)
    )
}

async fn post(receiver: &Receiver, body: impl Into<bytes::Bytes>) -> Answer {
    receiver.post("/v1/firehose", &HEADERS, body).await
}

/// Panics unless this is a success in Firehose's words.
fn assert_success(answer: &Answer) {
    let body = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &body["requestId"]),
        (200, &json!(ID))
    );
    assert!(body["timestamp"].as_i64().unwrap() > 1_578_090_901_599);
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert!(answer.header("content-length").is_some());
    assert_eq!(answer.header("content-encoding"), None);
}

/// Panics unless this is a failure in Firehose's words; its message.
fn failure(answer: &Answer, status: u16) -> String {
    let body = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &body["requestId"]),
        (status, &json!(ID))
    );
    assert!(body["timestamp"].is_i64());
    answer.text("errorMessage")
}

#[tokio::test]
async fn records_hold_events_in_any_container() {
    let receiver = Receiver::discarding().await;
    let records = [event("a"), event("b")];
    let subscription = gzip(Container::CloudWatchLogs.around(&records));
    let others = Container::ALL.map(|container| {
        let data = container.around(&records);
        (body([data.clone(), gzip(&data), gzip(gzip(&data))]), 6)
    });
    for (body, events) in others.into_iter().chain([
        (body([event("one")]), 1),
        (body((0..500).map(|i| event(&i.to_string()))), 500),
        (body([subscription]), 2),
    ]) {
        let before = receiver.metrics.exported.get();
        assert_success(&post(&receiver, body.clone()).await);
        assert_eq!(receiver.metrics.exported.get() - before, events);
        let headers: Vec<_> = HEADERS
            .into_iter()
            .chain([("content-encoding", "gzip")])
            .collect();
        let answer = receiver.post("/v1/firehose", &headers, gzip(body)).await;
        assert_success(&answer);
        assert_eq!(receiver.metrics.exported.get() - before, 2 * events);
    }
    receiver.assert_balance();
}

#[tokio::test]
async fn a_control_message_of_cloudwatch_logs_is_a_success_without_events() {
    let receiver = Receiver::discarding().await;
    let control = json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "",
        "logStream": "", "subscriptionFilters": [],
        "logEvents": [{"id": "", "timestamp": 1_578_090_901_599_u64,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}],
    });
    assert_success(&post(&receiver, body([gzip(control.to_string())])).await);
    assert_eq!(receiver.metrics.read.get(), 0);
    assert!(receiver.dead_letters().is_empty());
}

#[tokio::test]
async fn an_empty_record_is_no_broken_one() {
    let receiver = Receiver::discarding().await;
    let answer = post(&receiver, body(["", &event("one")])).await;
    assert_success(&answer);
    let metrics = &receiver.metrics;
    assert_eq!((metrics.read.get(), metrics.exported.get()), (1, 1));
    assert!(receiver.dead_letters().is_empty());
    assert_success(&post(&receiver, body([""])).await);
    receiver.assert_balance();
}

#[tokio::test]
async fn the_same_request_twice_is_a_success_twice() {
    let receiver = Receiver::discarding().await;
    for _ in 0..2 {
        assert_success(&post(&receiver, body([event("one")])).await);
    }
    receiver.assert_balance();
}

#[tokio::test]
async fn ten_megabytes_pass_with_the_default_limits() {
    let receiver = Receiver::discarding().await;
    let records = trail::records(1, 7000, 100.0);
    let body = body(&records);
    assert!(body.len() > 10_000_000, "{}", body.len());
    assert_success(&post(&receiver, body).await);
    assert_eq!(receiver.metrics.exported.get(), 7000);
    receiver.assert_balance();
}

#[tokio::test]
async fn a_broken_record_costs_no_other() {
    let receiver = Receiver::discarding().await;
    let good = STANDARD.encode(event("good"));
    let body = format!(
        r#"{{"requestId":"{ID}","timestamp":1,"records":[{{"data":"%%%"}},{{"data":"{good}"}}]}}"#
    );
    assert_success(&post(&receiver, body).await);
    assert_eq!(receiver.metrics.exported.get(), 1);
    let letters = receiver.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["source"], &letters[0]["input"]),
        (&json!(ID), &json!("firehose"))
    );
    receiver.assert_balance();
}

#[tokio::test]
async fn the_access_key_is_a_token() {
    let receiver = Receiver::start(Destination::Discard, Limits::default(), Some("good")).await;
    for (key, status) in [("good", 200), ("bad", 401)] {
        let headers: Vec<_> = HEADERS
            .into_iter()
            .chain([("x-amz-firehose-access-key", key)])
            .collect();
        let answer = receiver
            .post("/v1/firehose", &headers, body([event("one")]))
            .await;
        match status {
            200 => assert_success(&answer),
            status => assert!(failure(&answer, status).contains("token")),
        }
    }
    assert!(failure(&post(&receiver, body([event("one")])).await, 401).contains("token"));
    assert_eq!(receiver.metrics.read.get(), 1);
}

#[tokio::test]
async fn what_is_no_request_of_firehoses_is_refused_with_what_is_missing() {
    let receiver = Receiver::discarding().await;
    let without = |name: &str| -> Vec<_> {
        HEADERS
            .into_iter()
            .filter(|(header, _)| *header != name)
            .collect()
    };
    let path = "/v1/firehose";
    let answer = receiver
        .post(path, &without("x-amz-firehose-protocol-version"), "")
        .await;
    assert!(failure(&answer, 400).contains("X-Amz-Firehose-Protocol-Version must be 1.0"));
    let answer = receiver
        .post(path, &without("x-amz-firehose-request-id"), "")
        .await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.text("requestId")),
        (400, "")
    );
    assert!(
        answer
            .text("errorMessage")
            .contains("X-Amz-Firehose-Request-Id")
    );
    let mut other = HEADERS;
    other[0].1 = "2.0";
    let answer = receiver.post(path, &other, "").await;
    assert!(failure(&answer, 400).contains("2.0"));
    let mismatched = body([event("one")]).replace(ID, "another");
    assert!(failure(&post(&receiver, mismatched).await, 400).contains("another"));
    assert_eq!(receiver.metrics.ingest_requests.get(), 0);
}

/// Firehose gives up on a batch that was answered with 413, and keeps it nowhere.
#[tokio::test]
async fn a_request_that_is_too_large_is_not_answered_with_413() {
    let limits = Limits {
        request_bytes: 1 << 20,
        inflated_bytes: 2 << 20,
        ..Limits::default()
    };
    let receiver = Receiver::start(Destination::Discard, limits, None).await;
    let bomb = gzip(" ".repeat(8 << 20));
    for (body, limit) in [
        (body(["x".repeat(1 << 20)]), "ingest.limits.request_bytes"),
        (body([bomb]), "ingest.limits.inflated_bytes"),
    ] {
        let message = failure(&post(&receiver, body).await, 400);
        assert!(message.contains(limit), "{message}");
    }
}

#[tokio::test]
async fn a_busy_receiver_says_so_in_firehoses_words() {
    let limits = Limits {
        request_bytes: 4096,
        in_flight_bytes: 4096,
        ..Limits::default()
    };
    let receiver = Receiver::start(Destination::Discard, limits, None).await;
    let all = receiver.ingest.try_reserve(4096).unwrap();
    let answer = post(&receiver, body([event("one")])).await;
    assert!(failure(&answer, 429).contains("in_flight_bytes"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(all);
    assert_success(&post(&receiver, body([event("one")])).await);
}
