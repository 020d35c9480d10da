//! What a message's body says.
//!
//! Enters: the body of an SQS message. Leaves: a [`Notice`]. What must hold: only what names no
//! object and holds no event is [`Notice::Nothing`], since that is deleted; a body of which a part
//! is not understood is not understood at all.
//!
//! A version that a notice names is not asked for: CloudTrail never writes an object twice, and
//! reading versions would take one right more.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::aws::object::{Location, decoded};
use qtrail_core::envelope::{self, Item, Limits, Skipped};
use qtrail_core::reject::Reason;

/// Notices inside notices: SNS, EventBridge by SNS, a body that was written as JSON once more.
const DEEPEST: usize = 4;
/// Bytes that a body is inflated by at most, to see what it is.
const INSIDE: u64 = 64 << 10;
/// Bytes of a bucket's name, the oldest rules included.
const LONGEST_BUCKET: usize = 255;
/// Bytes of a region's name.
const LONGEST_REGION: usize = 32;
/// What CloudTrail sends to a topic when a trail is set up.
const VALIDATION: &str = "CloudTrail validation message";

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// New objects, each once.
    Objects(Vec<Location>),
    /// Well known, and neither an object nor an event: what it is.
    Nothing(&'static str),
    /// It holds CloudTrail events itself.
    Events,
    /// Nothing that is known: why not.
    Unknown(String),
}

/// Reads a body.
pub fn read(body: &str) -> Notice {
    // What cannot be trusted to be whole is no notice.
    inner(body, body, 0).unwrap_or_else(Notice::Unknown)
}

type Read = Result<Notice, String>;

/// Reads `text`, which stands in `body`.
fn inner(body: &str, text: &str, depth: usize) -> Read {
    if text.trim().trim_end_matches('.') == VALIDATION {
        return Ok(Notice::Nothing("CloudTrail's validation message"));
    }
    if depth > DEEPEST {
        return Err(format!("notices nest more than {DEEPEST} deep"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => match notice(body, &object, depth)? {
            // An event may have any field beside its own.
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
    // An API call of S3's comes from there too, as an event of CloudTrail's.
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

/// Whether an element of `Records` is S3's, or that of a server that speaks as S3 does.
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

/// Names become parts of a URL: what cannot be one is refused here.
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

/// Whether the body holds events, as the pipeline will see it.
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
            // Too much to look into here; it is what events come in.
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
        // Broken, but CloudTrail's: the pipeline keeps it as it keeps any broken event.
        (Some(_), _) if body.contains("eventVersion") => Ok(Notice::Events),
        (Some(reason), _) => Err(reason.to_string()),
        (None, Some(Skipped::Empty)) => Err("no text at all".to_owned()),
        (None, Some(what)) => Ok(Notice::Nothing(what.as_str())),
        (None, None) => Ok(Notice::Nothing("a list of no events")),
    }
}

#[cfg(test)]
mod tests;
