//! The bodies of messages that announce S3 objects, in each shape that AWS sends.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What S3 leaves as it is in a key. It writes a space as `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// S3's own notice of these objects, to a queue or by a topic with raw delivery.
pub fn s3<K: AsRef<str>>(bucket: &str, keys: &[K]) -> String {
    let record = |key: &K| {
        let key = utf8_percent_encode(key.as_ref(), PLAIN).to_string();
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "2026-01-15T12:00:01.000Z", "eventName": "ObjectCreated:Put",
            "s3": {"s3SchemaVersion": "1.0", "configurationId": "qtrail",
                "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
                "object": {"key": key.replace(' ', "+"), "size": 1, "eTag": "0", "sequencer": "0"}},
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

/// A message that came through an SNS topic without raw delivery.
pub fn through_sns(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:111122223333:qtrail", "Subject": "Amazon S3 Notification",
        "Message": message, "Timestamp": "2026-01-15T12:00:01.000Z", "SignatureVersion": "1",
        "Signature": "EXAMPLE", "SigningCertURL": "https://sns.us-east-1.amazonaws.com/example.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    })
    .to_string()
}

/// CloudTrail's own notice, which it publishes to a topic.
pub fn cloudtrail<K: AsRef<str>>(bucket: &str, keys: &[K]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.as_ref().into()).collect();
    json!({"s3Bucket": bucket, "s3ObjectKey": keys}).to_string()
}

/// S3's notice by EventBridge, in which the key is as it is.
pub fn event_bridge(bucket: &str, key: &str) -> String {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
        "source": "aws.s3", "account": "111122223333", "time": "2026-01-15T12:00:01Z",
        "region": "us-east-1", "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {"version": "0", "bucket": {"name": bucket},
            "object": {"key": key, "size": 1, "etag": "0", "sequencer": "0"},
            "request-id": "EXAMPLE", "requester": "cloudtrail.amazonaws.com", "reason": "PutObject"},
    })
    .to_string()
}

/// What S3 sends when notices are set up.
pub fn test_event(bucket: &str) -> String {
    json!({
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-15T12:00:01.000Z",
        "Bucket": bucket, "RequestId": "EXAMPLE", "HostId": "EXAMPLE",
    })
    .to_string()
}

/// What CloudTrail publishes when a topic is set up.
pub const VALIDATION: &str = "CloudTrail validation message.";
