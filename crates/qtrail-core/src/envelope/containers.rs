//! Classifies a JSON value: an event, an object that carries events, a known one that carries none, or
//! none of these.
//!
//! Enters: one well-formed value and the container it is an element of. Leaves: a [`Content`]. What
//! must hold: only outermost keys decide, since the caller of an API chooses the values below them.

mod texts;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::Keys;
use super::structure::Around;
use super::text::{fields, unescape};
use super::{Skipped, tables};
use tables::Unreadable;
use texts::{nested, result, text_with_json};

/// What the message of a health probe of CloudWatch Logs begins with.
const CONTROL_MESSAGE: &[u8] = b"CWL CONTROL MESSAGE";

/// An array of events, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// A top-level array.
    Array,
    /// `Records`: a log file, S3 notices, what Lambda receives from Kinesis, SQS or SNS. Also
    /// `Messages`: an answer of SQS.
    Records,
    /// `Events`: event history.
    Events,
    /// `logEvents`: what CloudWatch Logs sends.
    LogEvents,
    /// `events`, `sessionResults`: what CloudWatch Logs answers.
    Answer,
    /// `results`: what a query of CloudWatch Logs Insights answers.
    Results,
    /// `QueryResultRows`: CloudTrail Lake.
    Rows,
    /// `records` beside a `requestId`: Firehose.
    Firehose,
    /// `records` alone: Firehose's too, or a prompt log.
    Inflated,
}

impl Container {
    /// The container under a key, in an object with these keys before it.
    pub(super) fn under(key: Keys, keys: Keys) -> Self {
        match key {
            Keys::EVENTS => Container::Events,
            Keys::LOG_EVENTS => Container::LogEvents,
            Keys::ANSWERED => Container::Answer,
            Keys::RESULTS => Container::Results,
            Keys::ROWS => Container::Rows,
            Keys::DELIVERED if keys.any(Keys::REQUEST) => Container::Firehose,
            Keys::DELIVERED => Container::Inflated,
            _ => Container::Records,
        }
    }

    /// What closes it, and the first byte of its elements, one of which begins with `first`.
    pub(super) fn around(self, first: u8) -> Around {
        Around {
            brackets: match self {
                Container::Array => &[false],
                _ => &[false, true],
            },
            opener: match self {
                Container::Rows | Container::Results => b'[',
                _ if first == b'"' => b'"',
                _ => b'{',
            },
        }
    }
}

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// These bytes are a record.
    Record(&'a [u8]),
    /// These are one that EventBridge delivered.
    Detail(&'a [u8]),
    /// This is a record, put together from the value.
    Assembled(Vec<u8>),
    /// A text of its own that carries records or is one.
    Inner(Vec<u8>),
    /// A text of its own that is one record, or nothing.
    One(Vec<u8>),
    /// Known, and without events.
    Skip(Skipped),
    /// A prompt log's element: so are all the others of its container.
    PromptLog,
    /// Not CloudTrail's: why.
    Refuse(String),
    /// An event with a field that cannot be read.
    Unreadable(Unreadable),
    /// It carries a text that is no base64: why.
    NotBase64(String),
}

/// Classifies a value.
pub(super) fn classify<'a>(value: &'a [u8], keys: Keys, within: Option<Container>) -> Content<'a> {
    if keys.is_plain_event() {
        return Content::Record(value);
    }
    match (value.first(), within) {
        (Some(b'{'), _) if keys.any(Keys::COLUMN) => tables::record(fields(value)).into(),
        (Some(b'{'), _) => Object::of(value).classify(within),
        (Some(b'['), Some(Container::Rows)) => tables::row(value),
        (Some(b'['), Some(Container::Results)) => result(value),
        (Some(b'['), Some(Container::Array)) => nested(value),
        (Some(b'['), _) => refuse("an array where an event was expected"),
        // A message's body that was written as JSON once more, or one of an array of texts.
        (Some(b'"'), _) => match text_with_json(value) {
            Some(text) => Content::Inner(text),
            None => refuse("a string where an event was expected"),
        },
        (Some(b't' | b'f' | b'n'), _) => refuse("a literal where an event was expected"),
        _ => refuse("a number where an event was expected"),
    }
}

/// Whether an object that begins like this is a health probe of CloudWatch Logs.
pub(super) fn is_control_message(beginning: &[u8]) -> bool {
    Object::of(beginning).text(b"messageType") == b"CONTROL_MESSAGE"
}

/// Whether a value is an event of EventBridge's, CloudTrail's or not.
pub(super) fn is_event_bridge(value: &[u8]) -> bool {
    value.starts_with(b"{") && Object::of(value).has(b"detail-type")
}

/// Decodes base64, white space around it allowed.
///
/// # Errors
/// Why it is no base64.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text.trim_ascii())
        .map_err(|e| e.to_string())
}

pub(super) fn refuse<'a>(detail: impl Into<String>) -> Content<'a> {
    Content::Refuse(detail.into())
}

impl From<Result<Vec<u8>, Unreadable>> for Content<'_> {
    fn from(record: Result<Vec<u8>, Unreadable>) -> Self {
        match record {
            Ok(record) => Content::Assembled(record),
            Err(unreadable) => Content::Unreadable(unreadable),
        }
    }
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

    fn classify(&self, within: Option<Container>) -> Content<'a> {
        let source = self.text(b"eventSource");
        if self.is_event() && !source.starts_with(b"aws:") && !self.has(b"detail-type") {
            return Content::Record(self.whole);
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

    fn event_bridge(&self, detail_type: &[u8]) -> Content<'a> {
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
                Some(detail) if detail.starts_with(b"{") => Content::Detail(detail),
                _ => refuse("an EventBridge event without a detail"),
            };
        }
        if source == b"aws.s3" {
            return Content::Skip(Skipped::S3Notice);
        }
        refuse(format!(
            "an EventBridge event of type {}",
            quoted(detail_type)
        ))
    }

    /// Objects that are known and carry no events.
    fn notice(&self, source: &[u8]) -> Option<Content<'a>> {
        let s3_event = source == b"aws:s3" && self.has(b"s3");
        let test_event = self.text(b"Event") == b"s3:TestEvent";
        let own_notice = self.has(b"s3Bucket") && self.has(b"s3ObjectKey");
        let skipped = if s3_event || test_event || own_notice {
            Skipped::S3Notice
        } else if self.text(b"messageType") == b"CONTROL_MESSAGE" {
            Skipped::ControlMessage
        } else if self.has(b"digestEndTime") && self.has(b"logFiles") {
            Skipped::Digest
        } else if self
            .object(b"Metadata")
            .is_some_and(|of| of.has(b"signature"))
        {
            // S3's answer about a digest, beside a copy of it.
            Skipped::Digest
        } else {
            return None;
        };
        Some(Content::Skip(skipped))
    }

    /// Objects that carry a text with events.
    fn carrier(&self, within: Option<Container>) -> Option<Content<'a>> {
        if let Some(event) = self.string(b"CloudTrailEvent") {
            return Some(Content::One(event));
        }
        if let Some(log_event) = self.log_event(within) {
            return Some(log_event);
        }
        for (around, key) in [(&b"kinesis"[..], &b"data"[..]), (b"awslogs", b"data")] {
            if let Some(data) = self.object(around).and_then(|object| object.string(key)) {
                return Some(encoded(&data));
            }
        }
        if let Some(sns) = self.object(b"Sns") {
            return sns.string(b"Message").map(Content::Inner);
        }
        if self.text(b"Type") == b"Notification" {
            return self.string(b"Message").map(Content::Inner);
        }
        if self.has(b"messageId") || self.text(b"eventSource") == b"aws:sqs" {
            return self.string(b"body").map(Content::Inner);
        }
        if self.has(b"ReceiptHandle") {
            return self.string(b"Body").map(Content::Inner);
        }
        match within {
            Some(Container::Firehose) => self.string(b"data").map(|data| encoded(&data)),
            Some(Container::Inflated) => Some(match self.string(b"data") {
                Some(data) => encoded(&data),
                None => Content::PromptLog,
            }),
            _ => None,
        }
    }

    /// An event of CloudWatch Logs'. Any program's logs have a `message` or a `@message`: unless the container
    /// is one of CloudWatch Logs', the event needs the fields that CloudWatch Logs adds.
    fn log_event(&self, within: Option<Container>) -> Option<Content<'a>> {
        let number = |key| {
            let value = self.get(key).and_then(<[u8]>::first);
            value.is_some_and(u8::is_ascii_digit)
        };
        let message = match (within, self.get(b"@message")) {
            (_, Some(event)) if self.is_of_insights() => match event.first() {
                Some(b'{') => return Some(Content::Record(event)),
                _ => self.string(b"@message")?,
            },
            (Some(Container::LogEvents), _) => self.string(b"message")?,
            (Some(Container::Answer), _) if number(b"timestamp") => self.string(b"message")?,
            _ if number(b"timestamp") && number(b"ingestionTime") => self.string(b"message")?,
            _ => return None,
        };
        Some(match message.starts_with(CONTROL_MESSAGE) {
            true => Content::Skip(Skipped::ControlMessage),
            false => Content::Inner(message),
        })
    }

    /// Whether a query of CloudWatch Logs Insights made the row: its times have a space for the `T`.
    fn is_of_insights(&self) -> bool {
        let own = [&b"@ptr"[..], b"@log", b"@logStream"];
        own.iter().any(|key| self.has(key)) || self.text(b"@timestamp").get(10) == Some(&b' ')
    }

    /// A container of events inside another one.
    fn container(&self) -> Option<Content<'a>> {
        if let Some(update) = self.object(b"sessionUpdate") {
            return Some(Content::Inner(update.whole.to_vec()));
        }
        if self.object(b"sessionStart").is_some() {
            return Some(Content::Skip(Skipped::ControlMessage));
        }
        if let Some(result) = self.object(b"ResultSet") {
            return Some(tables::result_set(result.whole));
        }
        let keys = [
            &b"Records"[..],
            b"Messages",
            b"Events",
            b"events",
            b"logEvents",
            b"QueryResultRows",
            b"records",
            b"results",
            b"sessionResults",
        ];
        keys.iter()
            .any(|key| self.array(key))
            .then(|| Content::Inner(self.whole.to_vec()))
    }
}

/// Whether only AWS itself can send EventBridge events from this source. A partner chooses the events of its
/// own source.
fn is_of_aws(source: &[u8]) -> bool {
    source.starts_with(b"aws.") && !source.starts_with(b"aws.partner/")
}

/// The beginning of a text, for a message.
pub(super) fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&text[..text.len().min(64)]))
}

fn encoded<'a>(data: &[u8]) -> Content<'a> {
    match decode(data) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Content::Skip(Skipped::EmptyRecord),
        Ok(bytes) => Content::Inner(bytes),
        Err(detail) => Content::NotBase64(detail),
    }
}
