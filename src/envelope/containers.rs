//! What a JSON value is: an event, something that carries events, something well known that
//! carries none, or neither.
//!
//! Enters: one well-formed value and the container it is an element of. Leaves: a [`Verdict`]. What
//! must hold: only outermost keys decide, never what stands deeper, since that is the caller's of
//! an API and can say anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Skipped;
use super::keys::Keys;
use super::structure::Around;
use super::text::{elements, fields, unescape};

/// What the message of a health probe of CloudWatch Logs begins with.
const CONTROL_MESSAGE: &[u8] = b"CWL CONTROL MESSAGE";

/// An array that events come in, by the key it stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// A top-level array.
    Array,
    /// `Records`: a log file, S3 notices, what Lambda hands on from Kinesis, SQS or SNS. Also
    /// `Messages`: what SQS itself answers.
    Records,
    /// `Events`: event history.
    Events,
    /// `logEvents`: CloudWatch Logs.
    LogEvents,
    /// `QueryResultRows`: CloudTrail Lake.
    Rows,
    /// `records` beside a `requestId`: Firehose.
    Firehose,
    /// `records` alone: Firehose's too, or a prompt log.
    Delivered,
}

impl Container {
    /// The container that stands under a key, in an object with these keys before it.
    pub(super) fn under(key: Keys, keys: Keys) -> Self {
        match key {
            Keys::EVENTS => Container::Events,
            Keys::LOG_EVENTS => Container::LogEvents,
            Keys::ROWS => Container::Rows,
            Keys::DELIVERED if keys.any(Keys::REQUEST) => Container::Firehose,
            Keys::DELIVERED => Container::Delivered,
            _ => Container::Records,
        }
    }

    /// What closes it, and what its elements begin with.
    pub(super) fn around(self) -> Around {
        Around {
            brackets: match self {
                Container::Array => &[false],
                _ => &[false, true],
            },
            opener: match self {
                Container::Rows => b'[',
                _ => b'{',
            },
        }
    }
}

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// These bytes are a record.
    Record(&'a [u8]),
    /// This is a record, put together from the value.
    Made(Vec<u8>),
    /// A text of its own that carries records or is one.
    Inner(Vec<u8>),
    /// A text of its own that is one record, or nothing.
    One(Vec<u8>),
    /// Well known, and without events.
    Skip(Skipped),
    /// A prompt log's element: so are all the others of its container.
    PromptLog,
    /// Nothing of CloudTrail's.
    Refuse(String),
    /// It carries a text that is no base64: why.
    NotBase64(String),
}

/// Says what a value is.
pub(super) fn classify<'a>(value: &'a [u8], keys: Keys, within: Option<Container>) -> Verdict<'a> {
    if keys.is_plain_event() {
        return Verdict::Record(value);
    }
    match value.first() {
        Some(b'{') => Object::of(value).classify(within),
        Some(b'[') if within == Some(Container::Rows) => row(value),
        Some(b'[') => refuse("an array where an event was expected"),
        // A message's body that was written as JSON once more.
        Some(b'"') if within.is_none() && value.starts_with(b"\"{") => {
            Verdict::Inner(unescape(value))
        }
        Some(b'"') => refuse("a string where an event was expected"),
        Some(b't' | b'f' | b'n') => refuse("a literal where an event was expected"),
        _ => refuse("a number where an event was expected"),
    }
}

/// Whether an object that begins like this is a health probe of CloudWatch Logs.
pub(super) fn is_control_message(beginning: &[u8]) -> bool {
    Object::of(beginning).text(b"messageType") == b"CONTROL_MESSAGE"
}

/// Whether a value is an event of EventBridge's, be it CloudTrail's or not.
pub(super) fn is_event_bridge(value: &[u8]) -> bool {
    value.starts_with(b"{") && Object::of(value).has(b"detail-type")
}

/// Decodes base64, white space around it allowed.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text.trim_ascii())
        .map_err(|e| e.to_string())
}

fn refuse<'a>(detail: impl Into<String>) -> Verdict<'a> {
    Verdict::Refuse(detail.into())
}

struct Object<'a> {
    whole: &'a [u8],
    fields: Vec<(Vec<u8>, &'a [u8])>,
}

impl<'a> Object<'a> {
    fn of(whole: &'a [u8]) -> Self {
        Object {
            whole,
            fields: fields(whole),
        }
    }

    /// The value under a key; the last one where it occurs twice.
    fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        let field = self.fields.iter().rev().find(|(name, _)| name == key)?;
        Some(field.1)
    }

    fn has(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// A string's content; empty where there is none.
    fn text(&self, key: &[u8]) -> Vec<u8> {
        self.get(key).map(unescape).unwrap_or_default()
    }

    /// The content of a string that is there.
    fn string(&self, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.get(key)?;
        value.starts_with(b"\"").then(|| unescape(value))
    }

    fn array(&self, key: &[u8]) -> bool {
        self.get(key).is_some_and(|value| value.starts_with(b"["))
    }

    fn object(&self, key: &[u8]) -> Option<Object<'a>> {
        let value = self.get(key)?;
        value.starts_with(b"{").then(|| Object::of(value))
    }

    fn classify(&self, within: Option<Container>) -> Verdict<'a> {
        let source = self.text(b"eventSource");
        if self.is_event() && !source.starts_with(b"aws:") && !self.has(b"detail-type") {
            return Verdict::Record(self.whole);
        }
        if let Some(detail_type) = self.string(b"detail-type") {
            return self.event_bridge(&detail_type);
        }
        self.notice(&source)
            .or_else(|| self.carrier(within))
            .or_else(|| self.container())
            .unwrap_or_else(|| {
                refuse("none of CloudTrail's own fields, and no container of events")
            })
    }

    fn is_event(&self) -> bool {
        let event_field = |(key, _): &(Vec<u8>, _)| Keys::of(key) == Keys::EVENT;
        self.fields.iter().any(event_field)
    }

    fn event_bridge(&self, detail_type: &[u8]) -> Verdict<'a> {
        let source = self.text(b"source");
        if detail_type.ends_with(b"via CloudTrail") {
            if !is_of_aws(&source) {
                return refuse(format!(
                    "an EventBridge event from {}, which is no source of AWS's own: anyone who may put \
                     events can write one (let the rule match \"source\": [{{\"prefix\": \"aws.\"}}])",
                    quoted(&source)
                ));
            }
            return match self.get(b"detail") {
                Some(detail) if detail.starts_with(b"{") => Verdict::Record(detail),
                _ => refuse("an EventBridge event without a detail"),
            };
        }
        if source == b"aws.s3" {
            return Verdict::Skip(Skipped::S3Notice);
        }
        refuse(format!(
            "an EventBridge event of type {}",
            quoted(detail_type)
        ))
    }

    /// What is well known and carries no events.
    fn notice(&self, source: &[u8]) -> Option<Verdict<'a>> {
        let s3_event = source == b"aws:s3" && self.has(b"s3");
        let test_event = self.text(b"Event") == b"s3:TestEvent";
        let own_notice = self.has(b"s3Bucket") && self.has(b"s3ObjectKey");
        let skipped = if s3_event || test_event || own_notice {
            Skipped::S3Notice
        } else if self.text(b"messageType") == b"CONTROL_MESSAGE" {
            Skipped::ControlMessage
        } else if self.has(b"digestEndTime") && self.has(b"logFiles") {
            Skipped::Digest
        } else {
            return None;
        };
        Some(Verdict::Skip(skipped))
    }

    /// What carries a text with events.
    fn carrier(&self, within: Option<Container>) -> Option<Verdict<'a>> {
        if let Some(event) = self.string(b"CloudTrailEvent") {
            return Some(Verdict::One(event));
        }
        for (around, key) in [(&b"kinesis"[..], &b"data"[..]), (b"awslogs", b"data")] {
            if let Some(data) = self.object(around).and_then(|object| object.string(key)) {
                return Some(encoded(&data));
            }
        }
        if let Some(sns) = self.object(b"Sns") {
            return sns.string(b"Message").map(Verdict::Inner);
        }
        if self.text(b"Type") == b"Notification" {
            return self.string(b"Message").map(Verdict::Inner);
        }
        if self.has(b"messageId") || self.text(b"eventSource") == b"aws:sqs" {
            return self.string(b"body").map(Verdict::Inner);
        }
        if self.has(b"ReceiptHandle") {
            return self.string(b"Body").map(Verdict::Inner);
        }
        match within {
            Some(Container::LogEvents) => self.string(b"message").map(|message| {
                if message.starts_with(CONTROL_MESSAGE) {
                    Verdict::Skip(Skipped::ControlMessage)
                } else {
                    Verdict::Inner(message)
                }
            }),
            Some(Container::Firehose) => self.string(b"data").map(|data| encoded(&data)),
            Some(Container::Delivered) => Some(match self.string(b"data") {
                Some(data) => encoded(&data),
                None => Verdict::PromptLog,
            }),
            _ => None,
        }
    }

    /// A container of events inside another container.
    fn container(&self) -> Option<Verdict<'a>> {
        let keys = [
            &b"Records"[..],
            b"Messages",
            b"Events",
            b"logEvents",
            b"QueryResultRows",
            b"records",
        ];
        keys.iter()
            .any(|key| self.array(key))
            .then(|| Verdict::Inner(self.whole.to_vec()))
    }
}

/// Whether only AWS itself can send EventBridge events from this source. What a partner sends, the
/// partner chose.
fn is_of_aws(source: &[u8]) -> bool {
    source.starts_with(b"aws.") && !source.starts_with(b"aws.partner/")
}

/// The beginning of a text, for a message.
fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&text[..text.len().min(64)]))
}

fn encoded<'a>(data: &[u8]) -> Verdict<'a> {
    match decode(data) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Verdict::Skip(Skipped::EmptyRecord),
        Ok(bytes) => Verdict::Inner(bytes),
        Err(detail) => Verdict::NotBase64(detail),
    }
}

/// A row of a CloudTrail Lake result: an array of objects with one field each.
fn row(row: &[u8]) -> Verdict<'_> {
    let cells: Vec<_> = elements(row).into_iter().flat_map(fields).collect();
    if cells.is_empty() {
        return refuse("an empty row");
    }
    let whole = |(key, value): &&(Vec<u8>, &[u8])| key == b"eventJson" && value.starts_with(b"\"");
    if let Some((_, event)) = cells.iter().find(whole) {
        return Verdict::One(unescape(event));
    }
    let mut record = vec![b'{'];
    for (key, value) in cells {
        if record.len() > 1 {
            record.push(b',');
        }
        record.push(b'"');
        escape(&key, &mut record);
        record.extend_from_slice(b"\":");
        let inner = unescape(value);
        if matches!(inner.first(), Some(b'{' | b'[')) && super::text::is_one_value(&inner) {
            record.extend_from_slice(&inner);
        } else {
            record.extend_from_slice(value);
        }
    }
    record.push(b'}');
    Verdict::Made(record)
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}
