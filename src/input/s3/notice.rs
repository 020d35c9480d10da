//! The objects that a message's body announces.
//!
//! Enters: the body of an SQS message. Leaves: a [`Notice`]. What must hold: a body is [`Notice::Nothing`],
//! which is deleted, only if it names no object and has no event; a body with one unknown part is unknown
//! as a whole.
//!
//! The version in a notice is ignored: CloudTrail never writes an object twice, and
//! reading versions would need another permission.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::aws::object::{Location, decoded};
use qtrail_core::envelope::{self, Item, Limits, Skipped};
use qtrail_core::reject::Reason;

/// The deepest nesting of notices: SNS, EventBridge by SNS, a body that is a JSON text in JSON.
const DEEPEST: usize = 4;
/// The most bytes that a body is inflated to for this check.
const INSIDE: u64 = 64 << 10;
/// The longest bucket name, by the oldest rules, in bytes.
const LONGEST_BUCKET: usize = 255;
/// The longest region name, in bytes.
const LONGEST_REGION: usize = 32;
/// The text that CloudTrail sends to a topic when a trail is set up.
const VALIDATION: &str = "CloudTrail validation message";

/// The meaning of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// New objects, without repeats.
    Objects(Vec<Location>),
    /// A known message without objects and events, such as a test notice.
    Nothing(&'static str),
    /// It has CloudTrail events itself.
    Events,
    /// An unknown body, with the reason.
    Unknown(String),
}

/// Reads a body.
pub fn read(body: &str) -> Notice {
    // A body that may be incomplete is no notice.
    inner(body, body, 0).unwrap_or_else(Notice::Unknown)
}

type Read = Result<Notice, String>;

/// Reads `text`, a part of `body`.
fn inner(body: &str, text: &str, depth: usize) -> Read {
    if text.trim().trim_end_matches('.') == VALIDATION {
        return Ok(Notice::Nothing("CloudTrail's validation message"));
    }
    if depth > DEEPEST {
        return Err(format!("notices nest more than {DEEPEST} deep"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => match notice(body, &object, depth)? {
            // An event may have any other fields.
            Notice::Nothing(_) if object.keys().any(|key| envelope::is_event_field(key)) => {
                events(body)
            }
            notice => Ok(notice),
        },
        Ok(Value::String(text)) => inner(body, &text, depth + 1),
        _ => events(body),
    }
}

fn notice(body: &str, object: &Map<String, Value>, depth: usize) -> Read {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    match text("Type") {
        Some("Notification") => {
            let message = text("Message").ok_or("an SNS notification without a Message")?;
            return inner(body, message, depth + 1);
        }
        Some("SubscriptionConfirmation") => {
            return Err(format!(
                "SNS asks whether this queue may be subscribed to {}: open the SubscribeURL in its \
                 body, or run `aws sns confirm-subscription` with the Token there",
                text("TopicArn").unwrap_or("a topic")
            ));
        }
        Some("UnsubscribeConfirmation") => {
            return Ok(Notice::Nothing("the end of an SNS subscription"));
        }
        _ => {}
    }
    if text("Event") == Some("s3:TestEvent") {
        return Ok(Notice::Nothing("S3's test message"));
    }
    // EventBridge also sends S3's API calls, as CloudTrail events.
    let about_object = text("detail-type").is_some_and(|kind| kind.starts_with("Object "));
    if text("source") == Some("aws.s3") && about_object {
        return event_bridge(object);
    }
    if object.contains_key("s3Bucket") && object.contains_key("s3ObjectKey") {
        return cloudtrail(object);
    }
    if let Some(Value::Array(records)) = object.get("Records")
        && records.iter().any(is_s3)
    {
        return s3(records);
    }
    events(body)
}

/// Whether an element of `Records` is from S3 or a compatible server.
fn is_s3(record: &Value) -> bool {
    let source = record.get("eventSource").and_then(Value::as_str);
    record.get("s3").is_some() && source.is_some_and(|source| source.ends_with(":s3"))
}

fn s3(records: &[Value]) -> Read {
    let mut objects = Vec::new();
    for record in records {
        if !is_s3(record) {
            return Err("Records with S3 events and others".to_owned());
        }
        let name = string(record, "/eventName")?;
        let name = name.strip_prefix("s3:").unwrap_or(name);
        if !name.starts_with("ObjectCreated:") {
            continue;
        }
        let key = decoded(string(record, "/s3/object/key")?);
        let key = key.map_err(|_| "a key that is no UTF-8".to_owned())?;
        let bucket = string(record, "/s3/bucket/name")?;
        let region = record.get("awsRegion").and_then(Value::as_str);
        add(&mut objects, bucket, &key, region)?;
    }
    Ok(found(objects))
}

fn event_bridge(event: &Map<String, Value>) -> Read {
    if event.get("detail-type").and_then(Value::as_str) != Some("Object Created") {
        return Ok(found(Vec::new()));
    }
    let detail = event.get("detail").ok_or("no detail")?;
    let mut objects = Vec::new();
    add(
        &mut objects,
        string(detail, "/bucket/name")?,
        string(detail, "/object/key")?,
        event.get("region").and_then(Value::as_str),
    )?;
    Ok(found(objects))
}

fn cloudtrail(notice: &Map<String, Value>) -> Read {
    let bucket = notice.get("s3Bucket").and_then(Value::as_str);
    let bucket = bucket.ok_or("an s3Bucket that is no text")?;
    let keys = match notice.get("s3ObjectKey") {
        Some(Value::Array(keys)) => keys.as_slice(),
        Some(key) => std::slice::from_ref(key),
        None => &[],
    };
    let mut objects = Vec::new();
    for key in keys {
        let key = key.as_str().ok_or("an s3ObjectKey that is no text")?;
        add(&mut objects, bucket, key, None)?;
    }
    Ok(found(objects))
}

fn found(mut objects: Vec<Location>) -> Notice {
    let mut seen = HashSet::new();
    objects.retain(|object| seen.insert(object.clone()));
    match objects.is_empty() {
        true => Notice::Nothing("a notice of no new object"),
        false => Notice::Objects(objects),
    }
}

fn string<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.ok_or_else(|| format!("no text at {pointer}"))
}

/// Names become parts of a URL, so invalid ones are refused here.
fn add(
    objects: &mut Vec<Location>,
    bucket: &str,
    key: &str,
    region: Option<&str>,
) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_name = |c: char| plain(c) || c == '.' || c == '_';
    if bucket.is_empty() || bucket.len() > LONGEST_BUCKET || !bucket.chars().all(is_name) {
        let start: String = bucket.chars().take(64).collect();
        return Err(format!("{start:?} is no bucket's name"));
    }
    if key.is_empty() {
        return Err("an empty key".to_owned());
    }
    let is_region = |region: &&str| {
        !region.is_empty() && region.len() <= LONGEST_REGION && region.chars().all(plain)
    };
    objects.push(Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        region: region.filter(is_region).map(str::to_owned),
    });
    Ok(())
}

/// Whether the pipeline will find events in the body.
fn events(body: &str) -> Read {
    let limits = Limits {
        inflated_bytes: body.len() as u64 + INSIDE,
        ..Limits::default()
    };
    let mut records = envelope::open_with_size_hint(body.as_bytes(), body.len(), &limits);
    let mut skipped = None;
    let mut refused = None;
    while let Ok(Some(item)) = records.next() {
        match item {
            Item::Record { .. } => return Ok(Notice::Events),
            // Too large for this check, but gzip is what events come in.
            Item::Reject(reject) if matches!(reject.reason, Reason::InflatedTooLarge { .. }) => {
                return Ok(Notice::Events);
            }
            Item::Reject(reject) => {
                refused.get_or_insert(reject.reason);
            }
            Item::Skipped(Skipped::S3Notice) => {
                return Err("a notice of S3's in an envelope that is not known".to_owned());
            }
            Item::Skipped(what) => skipped = Some(what),
        }
    }
    match (refused, skipped) {
        // A broken record of CloudTrail's: the pipeline writes it to the dead letters.
        (Some(_), _) if body.contains("eventVersion") => Ok(Notice::Events),
        (Some(reason), _) => Err(reason.to_string()),
        (None, Some(Skipped::Empty)) => Err("no text at all".to_owned()),
        (None, Some(what)) => Ok(Notice::Nothing(what.as_str())),
        (None, None) => Ok(Notice::Nothing("a list of no events")),
    }
}

#[cfg(test)]
mod tests;
