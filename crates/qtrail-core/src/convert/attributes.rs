//! What the mapping says, and whom it says it to.
//!
//! A [`Field`] is one row of the mapping; a [`Sink`] hears the head of an event and each attribute
//! that the event has. The log and span writers, `explain`'s table and the flat JSON are sinks.

use std::borrow::Cow;

use crate::json::Node;

/// Which signal carries an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The log record and the span.
    Both,
    /// The log record alone.
    Log,
    /// The span alone.
    Span,
    /// The resource of both.
    Resource,
}

/// How settled a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// A stable name of the OpenTelemetry semantic conventions.
    Stable,
    /// A name of the semantic conventions that may still change.
    Development,
    /// A name of the OpenTelemetry Collector's CloudTrail decoder.
    Collector,
    /// A name of qtrail's own.
    Qtrail,
}

/// One row of the mapping.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The attribute's name.
    pub name: &'static str,
    /// Which signal carries it.
    pub on: On,
    /// Where the value comes from, in CloudTrail's words; the text of the documentation.
    pub from: &'static str,
    /// How settled the name is.
    pub stability: Stability,
}

/// A value, as OTLP's `AnyValue` can hold it. An absent value is never said.
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
    /// A piece of the record, as it stands (redacted where it must be).
    Json(Node<'a>),
    /// A map made of pieces of the record, by name.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// An array of values.
    Array(Vec<Value<'a>>),
}

/// One attribute of one event.
#[derive(Debug, Clone)]
pub struct Attribute<'a> {
    /// The row it stems from.
    pub field: &'static Field,
    /// Its value.
    pub value: Value<'a>,
}

/// OTLP severity numbers that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 9, `INFO`.
    Info = 9,
    /// 13, `WARN`.
    Warn = 13,
    /// 17, `ERROR`.
    Error = 17,
}

/// OTLP span kinds that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 2: a call that was served.
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

/// Which resource an event belongs to. Events with equal keys share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceKey<'a> {
    /// `service.name`.
    pub service_name: Cow<'a, str>,
    /// `cloud.account.id`.
    pub account_id: Option<Cow<'a, str>>,
    /// `cloud.region`.
    pub region: Option<Cow<'a, str>>,
}

/// All of an event that is no attribute.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// Its resource.
    pub resource: ResourceKey<'a>,
    /// `eventTime`, in nanoseconds since 1970: the log record's time.
    pub time: i64,
    /// The log record's observed time.
    pub observed: i64,
    /// The span's start.
    pub start: i64,
    /// The span's end, later than its start.
    pub end: i64,
    /// `<service>.<eventName>`: the log record's event name and the span's name.
    pub name: Cow<'a, str>,
    /// The log record's severity.
    pub severity: Severity,
    /// The span's kind.
    pub kind: Kind,
    /// The span's status: `Some` is an error, with its message.
    pub error: Option<Cow<'a, str>>,
    /// The trace of both signals.
    pub trace_id: [u8; 16],
    /// The span, and the log record's span.
    pub span_id: [u8; 8],
    /// The parent span.
    pub parent: Option<[u8; 8]>,
    /// A link to the trace of the person's session.
    pub link: Option<Link>,
    /// The log record's body.
    pub body: Option<Value<'a>>,
    /// Whether a log record is made.
    pub log: bool,
    /// Whether a span is made.
    pub span: bool,
}

/// Hears what an event becomes: one `begin`, any number of `attribute`, one `end`.
pub trait Sink {
    /// The head of the next event.
    fn begin(&mut self, head: &Head<'_>);
    /// An attribute of the event. Resource attributes are in the head's key, not said here.
    fn attribute(&mut self, field: &'static Field, value: &Value<'_>);
    /// The event is complete.
    fn end(&mut self);
}
