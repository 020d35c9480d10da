use std::io::Write;
use std::slice::from_ref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const EVENT: &str = r#"{"eventVersion":"1.08","eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com","eventName":"SendMessage","eventID":"1"}"#;

fn at(bucket: &str, key: &str, region: Option<&str>) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        region: region.map(str::to_owned),
    }
}

fn record(name: &str, key: &str) -> Value {
    json!({"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": name,
        "s3": {"bucket": {"name": "trail"}, "object": {"key": key, "size": 7, "versionId": "v"}}})
}

fn s3(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn sns(message: &str) -> String {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message})
        .to_string()
}

fn bridge(kind: &str) -> String {
    json!({"version": "0", "source": "aws.s3", "detail-type": kind, "region": "us-west-2",
        "detail": {"bucket": {"name": "trail"}, "object": {"key": "a+b%41.gz", "size": 7}}})
    .to_string()
}

fn is_nothing(notice: &Notice) -> bool {
    matches!(notice, Notice::Nothing(_))
}

fn is_unknown(notice: &Notice) -> bool {
    matches!(notice, Notice::Unknown(_))
}

#[test]
fn objects_are_found_in_every_notice_and_their_keys_as_each_writes_them() {
    let created = record("ObjectCreated:Put", "a+b%2B%C3%BC/x.gz");
    let one = at("trail", "a b+ü/x.gz", Some("eu-west-1"));
    let own = r#"{"s3Bucket":"trail","s3ObjectKey":["k+1","k%202","k+1"]}"#;
    let owned = vec![at("trail", "k+1", None), at("trail", "k%202", None)];
    let bridged = vec![at("trail", "a+b%41.gz", Some("us-west-2"))];
    for (body, expected) in [
        (s3(from_ref(&created)), vec![one.clone()]),
        (sns(&s3(from_ref(&created))), vec![one.clone()]),
        (sns(&sns(&s3(from_ref(&created)))), vec![one.clone()]),
        (json!(s3(from_ref(&created))).to_string(), vec![one.clone()]),
        (
            s3(&[
                created.clone(),
                created.clone(),
                record("ObjectRemoved:Delete", "gone"),
                record("s3:ObjectCreated:CompleteMultipartUpload", "second"),
            ]),
            vec![one, at("trail", "second", Some("eu-west-1"))],
        ),
        (own.to_owned(), owned.clone()),
        (sns(own), owned),
        (
            r#"{"s3Bucket":"b","s3ObjectKey":"k"}"#.to_owned(),
            vec![at("b", "k", None)],
        ),
        (bridge("Object Created"), bridged.clone()),
        (sns(&bridge("Object Created")), bridged),
    ] {
        assert_eq!(read(&body), Notice::Objects(expected), "{body}");
    }
}

#[test]
fn what_announces_nothing_is_known_as_such() {
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"b"}"#;
    for body in [
        test.to_owned(),
        sns(test),
        s3(&[record("ObjectRemoved:Delete", "k")]),
        bridge("Object Deleted"),
        "CloudTrail validation message.".to_owned(),
        sns("CloudTrail validation message."),
        r#"{"s3Bucket":"b","s3ObjectKey":[]}"#.to_owned(),
        r#"{"Type":"UnsubscribeConfirmation","TopicArn":"t","Message":"m"}"#.to_owned(),
        r#"{"Records":[]}"#.to_owned(),
    ] {
        let notice = read(&body);
        assert!(is_nothing(&notice), "{body}: {notice:?}");
    }
}

#[test]
fn events_in_the_body_are_for_the_pipeline() {
    let records = format!(r#"{{"Records":[{EVENT}]}}"#);
    let bridged = format!(
        r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{EVENT}}}"#
    );
    let logs = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
        "logEvents": [{"id": "1", "timestamp": 1, "message": EVENT}]});
    for body in [
        EVENT.to_owned(),
        records.clone(),
        sns(&records),
        sns(EVENT),
        bridged.clone(),
        sns(&bridged),
        logs.to_string(),
        format!("{EVENT}\n{EVENT}\n"),
        json!([EVENT, EVENT]).to_string(),
        sns(&json!([[EVENT]]).to_string()),
        format!("2026-11-02T08:00:00.000Z {EVENT}\n"),
        json!({"events": [{"timestamp": 1, "message": EVENT}]}).to_string(),
        json!({"results": [[{"field": "@message", "value": EVENT}]]}).to_string(),
        // With fields of notices beside its own.
        EVENT.replacen('{', r#"{"Event":"s3:TestEvent","#, 1),
        EVENT.replacen('{', r#"{"Type":"UnsubscribeConfirmation","#, 1),
        EVENT.replacen('{', r#"{"s3Bucket":"b","s3ObjectKey":[],"#, 1),
        sns(&EVENT.replacen('{', r#"{"Event":"s3:TestEvent","#, 1)),
        sns("CloudTrail validation message.").replacen('{', r#"{"eventName":"SendMessage","#, 1),
        // Broken, and yet CloudTrail's.
        EVENT[..EVENT.len() - 2].to_owned(),
    ] {
        assert_eq!(read(&body), Notice::Events, "{body}");
    }
}

#[test]
fn what_is_not_wholly_understood_is_not_understood_at_all() {
    let created = record("ObjectCreated:Put", "k");
    let broken = |pointer: &str, value: Value| {
        let mut record = created.clone();
        *record.pointer_mut(pointer).unwrap() = value;
        s3(&[created.clone(), record])
    };
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let deep = (0..=DEEPEST + 1).fold(s3(from_ref(&created)), |inner, _| sns(&inner));
    for body in [
        String::new(),
        " \n".to_owned(),
        "hello".to_owned(),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "null".to_owned(),
        "17".to_owned(),
        r#"{"some":"thing"}"#.to_owned(),
        s3(&[created.clone(), event]),
        json!([created.clone()]).to_string(),
        broken("/s3/object/key", json!("")),
        broken("/s3/object/key", json!(7)),
        broken("/s3/object/key", json!("%ff")),
        broken("/s3/bucket/name", json!("")),
        broken("/s3/bucket/name", json!("a/../b")),
        broken("/s3/bucket/name", json!("evil.example/?")),
        broken("/s3/bucket/name", json!(null)),
        broken("/eventName", json!(7)),
        broken("/s3", json!(7)),
        r#"{"s3Bucket":1,"s3ObjectKey":["k"]}"#.to_owned(),
        r#"{"s3Bucket":"b","s3ObjectKey":["k",{}]}"#.to_owned(),
        r#"{"s3Bucket":"b","s3ObjectKey":null}"#.to_owned(),
        r#"{"source":"aws.s3","detail-type":"Object Created"}"#.to_owned(),
        r#"{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{}}"#
            .to_owned(),
        r#"{"Type":"Notification"}"#.to_owned(),
        sns("hello"),
        deep,
    ] {
        let notice = read(&body);
        let start: String = body.chars().take(200).collect();
        assert!(is_unknown(&notice), "{start}: {notice:?}");
    }
}

#[test]
fn a_topic_that_asks_for_confirmation_is_named_and_its_token_is_not() {
    let body = r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:eu-west-1:1:t","Token":"secret","SubscribeURL":"https://sns/?Token=secret"}"#;
    let Notice::Unknown(reason) = read(body) else {
        panic!("it would be deleted");
    };
    assert!(reason.contains("arn:aws:sns:eu-west-1:1:t"), "{reason}");
    assert!(!reason.contains("secret"), "{reason}");
}

#[test]
fn a_region_that_is_no_region_is_not_used() {
    for region in ["", "eu.evil.example", "a b", &"x".repeat(99)] {
        let mut record = record("ObjectCreated:Put", "k");
        record["awsRegion"] = json!(region);
        let expected = Notice::Objects(vec![at("trail", "k", None)]);
        assert_eq!(read(&s3(&[record])), expected);
    }
}

/// JSON that looks like notices, more or less.
fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(|n| json!(n)),
        ".{0,12}".prop_map(|text| json!(text)),
        prop::sample::select(vec![
            "aws:s3",
            "aws.s3",
            "Notification",
            "ObjectCreated:Put",
            "Object Created",
            "b",
            "%zz+",
            "{\"Records\":[]}",
            "s3:TestEvent",
        ])
        .prop_map(|text| json!(text)),
    ];
    let keys = prop::sample::select(vec![
        "Records",
        "s3",
        "bucket",
        "object",
        "name",
        "key",
        "eventSource",
        "eventName",
        "Type",
        "Message",
        "detail",
        "detail-type",
        "source",
        "s3Bucket",
        "s3ObjectKey",
        "Event",
        "body",
        "eventVersion",
    ]);
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| json!(items)),
            prop::collection::vec((keys.clone(), inner.clone()), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
            inner.prop_map(|value| json!(value.to_string())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_names_are_whole(body in prop_oneof![".{0,200}", odd().prop_map(|v| v.to_string())]) {
        if let Notice::Objects(objects) = read(&body) {
            prop_assert!(!objects.is_empty());
            for object in objects {
                prop_assert!(!object.bucket.is_empty() && !object.key.is_empty());
            }
        }
    }
}

#[test]
fn what_inflates_too_far_to_be_looked_into_is_the_pipelines_to_read() {
    for text in [
        " ".repeat(4 << 20),
        format!("{}no event", " ".repeat(4 << 20)),
        format!("{}{EVENT}", " ".repeat(4 << 20)),
    ] {
        let data = STANDARD.encode(gzip(&text));
        assert!(data.len() < 64 << 10);
        for body in [
            data.clone(),
            json!({"awslogs": {"data": data}}).to_string(),
            sns(&data),
        ] {
            assert_eq!(read(&body), Notice::Events);
        }
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
