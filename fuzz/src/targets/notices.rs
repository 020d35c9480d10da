//! A message's body is a notice of objects only with names that can be one, and nothing, which is
//! deleted, only where it names no object and holds no event.

use std::collections::HashSet;

use qtrail::aws::object::Location;
use qtrail::input::s3::notice::{self, Notice};
use qtrail_core::envelope::{self, Item, Limits};
use serde_json::{Map, Value, json};

/// Characters of a made-up key, at most.
const KEY_CHARS: usize = 200;

/// Reads a body in each way.
pub fn check(data: &[u8]) -> usize {
    let body = String::from_utf8_lossy(data);
    let read = notice::read(&body);
    match &read {
        Notice::Objects(objects) => {
            assert!(!objects.is_empty());
            assert_eq!(
                objects.iter().collect::<HashSet<_>>().len(),
                objects.len(),
                "twice"
            );
            objects.iter().for_each(object_holds);
        }
        Notice::Nothing(what) => {
            assert!(!what.is_empty());
            // Those of S3's own are its notices.
            let events = sources(&body).iter().any(|source| !source.ends_with(":s3"));
            assert!(!events, "an event would be deleted");
            assert!(!announces(&body, 0), "an object's notice would be deleted");
        }
        Notice::Events => {
            assert!(!sources(&body).is_empty() || body.contains("eventVersion"));
        }
        Notice::Unknown(why) => assert!(!why.is_empty()),
    }
    for wrapped in [
        json!({"Type": "Notification", "TopicArn": "arn", "Message": body}),
        Value::from(&*body),
    ] {
        match (notice::read(&wrapped.to_string()), &read) {
            (Notice::Unknown(why), _) if why.contains("nest") => {}
            (outer, Notice::Objects(_)) => assert_eq!(outer, read, "wrapped"),
            (Notice::Objects(objects), _) => panic!("wrapped alone: {objects:?}"),
            _ => {}
        }
    }
    keys_survive(&body);
    1
}

fn object_holds(object: &Location) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    assert!(
        !object.bucket.is_empty() && object.bucket.chars().all(plain),
        "{object:?}"
    );
    assert!(!object.key.is_empty(), "{object:?}");
    let region = object.region.as_deref().unwrap_or("a");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    assert!(
        !region.is_empty() && region.chars().all(plain),
        "{object:?}"
    );
    assert!(!object.to_string().contains(char::is_control), "{object}");
}

/// The `eventSource` of each record in a body; empty where it has none.
fn sources(body: &str) -> Vec<String> {
    let mut records = envelope::open(body.as_bytes(), &Limits::default());
    let mut sources = Vec::new();
    while let Some(item) = records.next().expect("memory can be read") {
        if let Item::Record { bytes, .. } = item {
            let record: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let source = record["eventSource"].as_str().unwrap_or_default();
            sources.push(source.to_owned());
        }
    }
    sources
}

/// Whether a body, or what SNS wrapped in it, is S3's notice of a new object.
fn announces(text: &str, depth: usize) -> bool {
    let is_new = |record: &Value| {
        let named = ["/s3/bucket/name", "/s3/object/key"]
            .iter()
            .all(|pointer| record.pointer(pointer).is_some_and(Value::is_string));
        let name = record["eventName"].as_str().unwrap_or_default();
        let source = record["eventSource"].as_str().unwrap_or_default();
        named && name.starts_with("ObjectCreated:") && source == "aws:s3"
    };
    let noticed = |object: &Map<String, Value>| {
        let records = object.get("Records").and_then(Value::as_array);
        records.is_some_and(|records| records.iter().any(is_new))
    };
    match serde_json::from_str(text) {
        Ok(Value::String(text)) if depth < 4 => announces(&text, depth + 1),
        Ok(Value::Object(object)) => match (object.get("Type"), object.get("Message")) {
            (Some(kind), Some(Value::String(message))) if kind == "Notification" => {
                depth < 4 && announces(message, depth + 1)
            }
            (None, _) if object.get("Event").is_none() => noticed(&object),
            _ => false,
        },
        _ => false,
    }
}

/// Whatever an object is called, it is found under that name.
fn keys_survive(text: &str) {
    let key: String = text.chars().take(KEY_CHARS).collect();
    if key.is_empty() {
        return;
    }
    let escaped: String = key
        .bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let s3 = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "awsRegion": "eu-west-1", "s3": {"bucket": {"name": "b"}, "object": {"key": escaped}}}]});
    let bridge = json!({"source": "aws.s3", "detail-type": "Object Created", "region": "eu-west-1",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key}}});
    let trail = json!({"s3Bucket": "b", "s3ObjectKey": [key]});
    for (body, region) in [
        (s3, Some("eu-west-1")),
        (bridge, Some("eu-west-1")),
        (trail, None),
    ] {
        let expected = Location {
            bucket: "b".to_owned(),
            key: key.clone(),
            region: region.map(str::to_owned),
        };
        assert_eq!(
            notice::read(&body.to_string()),
            Notice::Objects(vec![expected])
        );
    }
}
