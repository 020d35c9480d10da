//! A secret that is planted in an event is nowhere in what leaves the machine, and hides nothing that AWS
//! has filled in.
//!
//! The first bytes choose the secret, the key that it stands under, the place and what repeats it; the
//! rest is the event.

use memchr::memmem;
use opentelemetry_proto::tonic::common::v1::any_value;
use qtrail_core::convert::{Body, Options, Redaction};
use serde_json::{Map, Value, json};

use super::Made;
use crate::oracle::naive;
use qtrail_core::json::REDACTED;

/// In every secret, however it is escaped, and in no event.
const MARK: &str = "Pl4nted";
/// The same as a number.
const NUMBER: u64 = 7_046_829_315_507;
/// Bytes that choose.
const CHOICES: usize = 6;
/// An event for bytes that are none.
const EVENT: &str = include_str!("../../../tests/fixtures/send-message.json");

/// Keys of secrets, in any case.
const KEYS: &[&str] = &[
    "sessionToken",
    "SESSIONTOKEN",
    "secretAccessKey",
    "password",
    "Password",
    "conversationToken",
    "masterUserPassword",
    "clientSecret",
    "client_secret",
    "x-api-key",
    "SigninToken",
    "aws_secret_access_key",
    "refresh.token",
    "my-own",
];

/// What AWS fills, with the attribute that it becomes. A value that a caller can choose hides none of it.
const FILLED: [(&str, &str); 9] = [
    ("/eventID", "aws.cloudtrail.event_id"),
    ("/eventName", "aws.cloudtrail.event_name"),
    ("/eventSource", "aws.cloudtrail.event_source"),
    ("/requestID", "aws.request_id"),
    ("/userIdentity/accountId", "aws.user_identity.account_id"),
    ("/userIdentity/arn", "aws.principal.arn"),
    ("/userIdentity/principalId", "aws.principal.id"),
    ("/awsRegion", "cloud.region"),
    ("/recipientAccountId", "cloud.account.id"),
];

/// What a caller fills.
const FREE: [&str; 4] = [
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "serviceEventDetails",
];

/// Plants a secret and converts the event in each way.
pub fn check(data: &[u8]) -> usize {
    let Some((choices, event)) = data.split_first_chunk::<CHOICES>() else {
        return 0;
    };
    let event = match serde_json::from_slice(event) {
        Ok(Value::Object(event)) => event,
        _ => serde_json::from_str(EVENT).expect("a fixture is JSON"),
    };
    let text = Value::Object(event.clone()).to_string();
    if text.contains(MARK) || text.contains(&NUMBER.to_string()) {
        return 0;
    }
    let event = Value::Object(planted(event, choices));
    let record = event.to_string();
    let mut looked_at = 0;
    for body in [Body::Original, Body::Map, Body::None] {
        let options = Options {
            body,
            maps: choices[0] % 2 == 0,
            redaction: Redaction {
                keys: vec!["My-Own".to_owned()],
                ..Redaction::default()
            },
            ..Options::default()
        };
        let Some(made) = Made::of(record.as_bytes(), &options) else {
            continue;
        };
        nothing_is_shown(&made, &record);
        what_aws_fills_is_there(&made, &event);
        looked_at += 1;
    }
    looked_at
}

fn nothing_is_shown(made: &Made, record: &str) {
    let attributes = &made.log().attributes;
    let told = attributes.iter().any(|a| a.key == "qtrail.redacted");
    // A value that AWS filled may be one that hides nothing, such as a mask.
    let planted = record.contains(MARK) || record.contains(&NUMBER.to_string());
    assert!(told || !planted, "not told of: {record}");
    for output in made.output() {
        for secret in [MARK, &NUMBER.to_string()] {
            let shown = memmem::find(&output, secret.as_bytes());
            assert!(
                shown.is_none(),
                "shown at {shown:?} of {}\nmade of {record}",
                String::from_utf8_lossy(&output)
            );
        }
    }
}

fn what_aws_fills_is_there(made: &Made, event: &Value) {
    let resource = &made.logs.resource_logs[0].resource;
    let resource = resource.iter().flat_map(|resource| &resource.attributes);
    let attributes: Vec<_> = resource.chain(&made.log().attributes).collect();
    for (pointer, name) in FILLED {
        let text = event.pointer(pointer).and_then(Value::as_str);
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            continue;
        };
        // What is left of a hidden value is no account's id, and no region.
        if name.starts_with("cloud.") && (text.contains(REDACTED) || naive::is_mark(text)) {
            continue;
        }
        let attribute = attributes.iter().find(|attribute| attribute.key == name);
        let value = attribute.and_then(|a| a.value.as_ref()?.value.as_ref());
        let expected = any_value::Value::StringValue(text.to_owned());
        assert_eq!(value, Some(&expected), "{name} of {event}");
    }
}

/// The event with a secret in it, and perhaps a second place that shows it.
fn planted(mut event: Map<String, Value>, choices: &[u8; CHOICES]) -> Map<String, Value> {
    let [secret, key, place, form, echo, seed] = choices.map(usize::from);
    let filled = FILLED[seed % FILLED.len()].0;
    let filled = event_text(&event, filled).filter(|_| secret % 6 == 5);
    let secret: Value = match secret % 6 {
        // What AWS has filled in elsewhere.
        5 if filled.is_some() => filled.into(),
        0 => format!("{MARK}-{seed:03}").into(),
        1 => format!("{MARK}/{seed:03}+a&b=c==").into(),
        2 => format!("{MARK}\"{seed:03}\\\n\u{7f}é🦀").into(),
        3 => format!("{seed:03}.eyJhbGciOi.{MARK}").into(),
        _ => NUMBER.into(),
    };
    let shown = match &secret {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    repeat(&mut event, &shown, echo);
    let credentials = json!({"name": "n", KEYS[key % KEYS.len()]: secret});
    let written = match form % 5 {
        0 => credentials,
        1 => json!([[credentials]]),
        2 => credentials.to_string().into(),
        3 => json!({"t": credentials.to_string()}).to_string().into(),
        _ => json!({"list": [1, credentials, null]}),
    };
    let free = FREE[place % FREE.len()];
    let object = event.entry(free).or_insert(Value::Null);
    if !object.is_object() {
        *object = json!({});
    }
    deeper(object, place / FREE.len())["planted"] = written;
    event
}

fn event_text(event: &Map<String, Value>, pointer: &str) -> Option<String> {
    let event = Value::Object(event.clone());
    Some(event.pointer(pointer)?.as_str()?.to_owned())
}

/// An object some levels below this one, if there is one.
fn deeper(object: &mut Value, mut levels: usize) -> &mut Value {
    let mut at = object;
    while levels > 0 {
        let below = |value: &Value| value.is_object();
        if !at
            .as_object()
            .is_some_and(|fields| fields.values().any(below))
        {
            break;
        }
        let fields = at.as_object_mut().expect("it is an object");
        at = fields
            .values_mut()
            .find(|value| below(value))
            .expect("there is one");
        levels -= 1;
    }
    at
}

/// Shows the secret once more, in a text or a key that a caller fills.
fn repeat(event: &mut Map<String, Value>, secret: &str, echo: usize) {
    let escaped: String = secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let text = match echo / 8 % 4 {
        0 => secret.to_owned(),
        1 => format!("invalid value '{secret}' given"),
        2 => format!("https://example.com/?a=1&token={escaped}&b=2"),
        _ => json!({"inner": secret, "n": 1}).to_string(),
    };
    let free = FREE[echo / 32 % FREE.len()];
    match echo % 8 {
        0 => drop(event.insert("errorMessage".to_owned(), text.into())),
        1 => drop(event.insert(free.to_owned(), json!({"repeat": text}))),
        2 => drop(event.insert(free.to_owned(), json!({"repeat": ["a", [text]]}))),
        3 => drop(event.insert(free.to_owned(), json!({format!("key {secret}"): 1}))),
        4 => drop(event.insert(free.to_owned(), text.into())),
        _ => {}
    }
}
