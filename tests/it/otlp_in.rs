//! CloudTrail events in OTLP log records.

use serde_json::json;

use crate::support::program::{event, log_file};
use crate::support::receiver::Receiver;

#[tokio::test]
async fn a_body_is_one_record_or_a_whole_file() {
    let receiver = Receiver::discarding().await;
    let file = String::from_utf8(log_file(&[event("two"), event("three")])).unwrap();
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"body": {"stringValue": event("one")}},
        {"body": {"stringValue": file}},
    ]}]}]});
    let json = [("content-type", "application/json")];
    let answer = receiver.post("/v1/logs", &json, body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(receiver.metrics.exported.get(), 3);
    receiver.assert_balance();
}
