//! The sink that makes a readable table.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;

use crate::telemetry::printable::printable;
use qtrail_core::convert::ids::{self, TraceRule};
use qtrail_core::convert::{Field, Head, On, Sink, Value};
use qtrail_core::event::Event;
use qtrail_core::event::amazon_q::Class;

/// Characters of a value that are shown.
const SHOWN: usize = 120;

/// Widths of columns; a longer text pushes the next column to the right.
const FACT: usize = 14;
const FACT_VALUE: usize = 34;
const ATTRIBUTE_VALUE: usize = 40;

/// What one event becomes, as text.
pub(super) struct Table {
    why_class: &'static str,
    why_trace: &'static str,
    title: String,
    /// What it is, and whose.
    answers: Vec<Fact>,
    /// What is said in no attribute.
    facts: Vec<Fact>,
    rows: Vec<(&'static Field, String)>,
}

/// A name, a value, and why it is so.
type Fact = (&'static str, String, Cow<'static, str>);

impl Table {
    /// A table for this event, which is then to be converted.
    pub(super) fn of(event: &Event<'_>) -> Self {
        Table {
            why_class: why_class(event.class()),
            why_trace: match ids::trace(event).1 {
                TraceRule::Conversation => "of the conversation: a UUID itself, another id hashed",
                TraceRule::Session => {
                    "of the session: account, principal and creation date, hashed"
                }
                TraceRule::Event => "of its own: eventID, or the record's bytes, hashed",
            },
            title: String::new(),
            answers: Vec::new(),
            facts: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Writes it, with an empty line behind.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.title)?;
        for facts in [&self.answers, &self.facts] {
            for (name, value, why) in facts {
                writeln!(out, "  {name:<FACT$}  {value:<FACT_VALUE$}  {why}")?;
            }
            writeln!(out)?;
        }
        let lengths = self.rows.iter().map(|(field, _)| field.name.len());
        let names = lengths.max().unwrap_or_default();
        for (field, value) in &self.rows {
            let from = field.from.replace('`', "");
            let on = match field.on {
                On::Both | On::Resource => "",
                On::Log => " (log record)",
                On::Span => " (span)",
            };
            let name = field.name;
            writeln!(
                out,
                "  {name:<names$}  {value:<ATTRIBUTE_VALUE$}  {from}{on}"
            )?;
        }
        writeln!(out)
    }

    fn fact(
        &mut self,
        name: &'static str,
        value: impl Into<String>,
        why: impl Into<Cow<'static, str>>,
    ) {
        self.facts.push((name, value.into(), why.into()));
    }

    /// What was said under this name.
    fn said(&self, name: &str) -> Option<String> {
        let row = self.rows.iter().find(|(field, _)| field.name == name)?;
        Some(row.1.clone())
    }

    /// The answers to the three questions that the identity element is there for.
    fn identity(&mut self) {
        let answer = |answer: Option<String>| answer.unwrap_or_else(|| "not said".to_owned());
        let class = answer(self.said("qtrail.identity.class"));
        let credential = answer(self.said("qtrail.credential.kind"));
        let invoked = match self.said("qtrail.invoked_by_service") {
            Some(by) if by == "true" => {
                format!("yes: {}", answer(self.said("aws.user_identity.invoked_by")))
            }
            Some(_) => "no".to_owned(),
            None => answer(None),
        };
        let person = answer(self.said("enduser.id"));
        self.answers.extend([
            ("person", person, "the one behind the call".into()),
            (
                "identity",
                class,
                "root, an IAM user, or another? by its type".into(),
            ),
            (
                "credentials",
                credential,
                "temporary or not? by its type and access key".into(),
            ),
            (
                "by a service",
                invoked,
                "made by another AWS service? by invokedBy".into(),
            ),
        ]);
    }
}

impl Sink for Table {
    fn begin(&mut self, head: &Head<'_>) {
        let severity = format!("{:?}", head.severity).to_uppercase();
        let (name, at) = (printable(&head.name), time(head.time));
        self.title = format!("{name} at {at}, {severity}");
        if head.observed != head.time {
            self.fact(
                "observed",
                time(head.observed),
                "when the input was delivered",
            );
        }
        if head.start != head.time {
            self.fact(
                "start",
                time(head.start),
                "eventTime less the event's own duration",
            );
        } else {
            let length = format!("{} ns", head.end - head.start);
            let why = "a stand-in: the record tells no duration";
            self.fact("span length", length, why);
        }
        let kind = format!("{:?}", head.kind).to_uppercase();
        self.fact("span kind", kind, "CLIENT for a call that Amazon Q made");
        if let Some(message) = &head.error {
            self.fact("span status", "ERROR", shown(message));
        }
        self.fact("trace", hex::encode(head.trace_id), self.why_trace);
        self.fact(
            "span",
            hex::encode(head.span_id),
            "eventID, or the record's bytes, hashed",
        );
        if let Some(link) = head.link {
            self.fact(
                "link",
                hex::encode(link.trace_id),
                "the trace of the person's session",
            );
        }
        let key = &head.resource;
        let mut resource = printable(&key.service_name);
        for part in [&key.account_id, &key.region].into_iter().flatten() {
            let _ = write!(resource, " / {}", printable(part));
        }
        self.fact("resource", resource, "service / account / region");
        let signals = match (head.log, head.span) {
            (true, true) => "log record, span",
            (true, false) => "log record",
            (false, true) => "span",
            (false, false) => "none",
        };
        self.fact("signals", signals, "by signals and traces.classes");
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        let mut text = String::new();
        match value {
            Value::Str(value) => text.push_str(value),
            other => json(&mut text, other),
        }
        self.rows.push((field, shown(&text)));
    }

    fn end(&mut self) {
        let class = self.said("qtrail.event.class").unwrap_or_default();
        self.answers.push(("class", class, self.why_class.into()));
        self.identity();
    }
}

fn why_class(class: Class) -> &'static str {
    match class {
        Class::OnBehalfOf => "by the invoking service",
        Class::AgentCall => "by the user agent, which a client can forge",
        Class::Other => "neither source, invoking service nor user agent is Amazon Q's",
        _ => "by event source and name",
    }
}

fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

/// A value as JSON; a long one is cut when it is shown.
fn json(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Str(text) => out.push_str(&serde_json::json!(text).to_string()),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Double(number) => out.push_str(&number.to_string()),
        Value::Json(node) => out.push_str(&node.redacted_text()),
        Value::Strs(texts) => out.push_str(&serde_json::json!(texts).to_string()),
        Value::Map(entries) => list(out, ['{', '}'], entries, |out, (key, value)| {
            out.push_str(&serde_json::json!(key).to_string());
            out.push(':');
            json(out, value);
        }),
        Value::Array(values) => list(out, ['[', ']'], values, json),
    }
}

fn list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[T],
    each: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(close);
}

/// The beginning of a text, printable.
fn shown(text: &str) -> String {
    let printable = printable(text);
    match printable.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &printable[..end]),
        None => printable,
    }
}
