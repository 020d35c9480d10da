//! The types between the mapping and its outputs.
//!
//! A [`Field`] is one row of the mapping. A [`Sink`] receives the head of an event and each attribute
//! that the event has. The OTLP encoder, the flat JSON and the table of `qtrail explain` are sinks.

use std::borrow::Cow;

use super::Summary;
use crate::json::Node;

/// Which signal carries an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The log record and the span.
    Both,
    /// The log record only.
    Log,
    /// The span only.
    Span,
    /// The resource of both.
    Resource,
}

/// How stable an attribute name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// A stable name of the OpenTelemetry semantic conventions.
    Stable,
    /// A name of the semantic conventions that may still change.
    Development,
    /// A name of the OpenTelemetry Collector's CloudTrail decoder.
    Collector,
    /// A name that qtrail defines.
    Qtrail,
}

/// One row of the mapping.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The attribute's name.
    pub name: &'static str,
    /// Which signal carries it.
    pub on: On,
    /// The CloudTrail field that the value comes from, in Markdown; `docs/mapping.md` shows it.
    pub from: &'static str,
    /// How stable the name is.
    pub stability: Stability,
}

/// A value that OTLP's `AnyValue` can hold. An absent value has no attribute at all.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// A string.
    Str(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A number with a fraction or an exponent.
    Double(f64),
    /// An array of strings.
    Strs(Vec<Cow<'a, str>>),
    /// A part of the record, unchanged except for redacted values.
    Json(Node<'a>),
    /// A map of values by name.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// An array of values.
    Array(Vec<Value<'a>>),
}

/// One attribute of one event.
#[derive(Debug, Clone)]
pub struct Attribute<'a> {
    /// Its row of the mapping.
    pub field: &'static Field,
    /// Its value.
    pub value: Value<'a>,
}

/// The OTLP severities that qtrail emits, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 9, `INFO`.
    Info = 9,
    /// 13, `WARN`.
    Warn = 13,
    /// 17, `ERROR`.
    Error = 17,
}

/// The OTLP span kinds that qtrail emits, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// 1: a conversation, which is no call.
    Internal = 1,
    /// 2: a call, recorded by the service that answered it.
    Server = 2,
    /// 3: a call that Amazon Q made.
    Client = 3,
}

/// A span link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The linked trace.
    pub trace_id: [u8; 16],
    /// The linked span.
    pub span_id: [u8; 8],
}

/// Identifies the OTLP resource of an event. Events with equal keys share one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ResourceKey<'a> {
    /// `service.name`.
    pub service_name: Cow<'a, str>,
    /// `cloud.account.id`.
    pub account_id: Option<Cow<'a, str>>,
    /// `cloud.region`.
    pub region: Option<Cow<'a, str>>,
}

/// The fields of the log record and the span that are not attributes.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// The resource.
    pub resource: ResourceKey<'a>,
    /// `eventTime`, in nanoseconds since 1970: the log record's time.
    pub time: i64,
    /// The log record's observed time, in nanoseconds since 1970.
    pub observed: i64,
    /// The span's start, in nanoseconds since 1970.
    pub start: i64,
    /// The span's end, in nanoseconds since 1970; always later than its start.
    pub end: i64,
    /// `<service>.<eventName>`: the log record's event name and the span's name.
    pub name: Cow<'a, str>,
    /// The log record's severity.
    pub severity: Severity,
    /// The span's kind.
    pub kind: SpanKind,
    /// The span's status: `Some(message)` is an error, `None` leaves it unset.
    pub error: Option<Cow<'a, str>>,
    /// The trace id of both signals.
    pub trace_id: [u8; 16],
    /// The span id of both signals.
    pub span_id: [u8; 8],
    /// The span's parent.
    pub parent: Option<[u8; 8]>,
    /// A link to the trace of the person's session.
    pub link: Option<Link>,
    /// The log record's body.
    pub body: Option<Value<'a>>,
    /// Whether the event becomes a log record.
    pub log: bool,
    /// Whether the event becomes a span.
    pub span: bool,
}

/// Receives converted events. For each event, [`convert`](super::convert) calls `begin` once,
/// `attribute` or `text` once for each attribute, and `end` once.
pub trait Sink {
    /// Starts an event.
    fn begin(&mut self, head: &Head<'_>);
    /// Receives one attribute. Resource attributes are not passed here: see [`Head::resource`].
    fn attribute(&mut self, field: &'static Field, value: &Value<'_>);
    /// Receives one attribute that is a text, as most are: a sink may have a shorter way for it.
    fn text(&mut self, field: &'static Field, text: &str) {
        self.attribute(field, &Value::Str(Cow::Borrowed(text)));
    }
    /// Receives, after `begin`, what metrics count of the event. Most sinks have no use for it.
    fn summary(&mut self, summary: &Summary<'_>) {
        let _ = summary;
    }
    /// Ends the event.
    fn end(&mut self);
}
