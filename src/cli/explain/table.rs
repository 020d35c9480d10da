//! A sink that writes a readable table.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;

use crate::telemetry::printable::printable;
use qtrail_core::convert::ids::{self, TraceRule};
use qtrail_core::convert::{Field, Head, On, Sink, Value};
use qtrail_core::event::Event;
use qtrail_core::event::agents::Evidence;
use qtrail_core::event::amazon_q::Class;

/// Characters of a value that are shown.
const SHOWN: usize = 120;

/// Widths of columns; longer text moves the next column to the right.
const FACT: usize = 14;
const FACT_VALUE: usize = 34;
const ATTRIBUTE_VALUE: usize = 40;

/// One converted event, as text.
pub(super) struct Table {
    why_class: &'static str,
    evidence: Option<Evidence>,
    why_trace: &'static str,
    title: String,
    /// Its class and identity.
    answers: Vec<Fact>,
    /// Facts that are in no attribute.
    facts: Vec<Fact>,
    rows: Vec<(&'static Field, String)>,
}

/// A name, a value, and the rule behind it.
type Fact = (&'static str, String, Cow<'static, str>);

impl Table {
    /// A table for this event, before it is converted.
    pub(super) fn of(event: &Event<'_>) -> Self {
        Table {
            why_class: why_class(event),
            evidence: event.evidence(),
            why_trace: match ids::trace(event).1 {
                TraceRule::Conversation => "the conversation's id if it is a UUID, else its hash",
                TraceRule::Session => {
                    "hash of the session: its sign-in, else account, principal, creation date"
                }
                TraceRule::Event => "hash of the eventID, or of the record's bytes",
            },
            title: String::new(),
            answers: Vec::new(),
            facts: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Writes the table and an empty line.
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

    /// The value of the attribute with this name.
    fn value_of(&self, name: &str) -> Option<String> {
        let row = self.rows.iter().find(|(field, _)| field.name == name)?;
        Some(row.1.clone())
    }

    /// Adds the agent, and how sure it is.
    fn agent(&mut self) {
        let Some(evidence) = self.evidence else {
            return;
        };
        let name = self.value_of("gen_ai.agent.name");
        let why = match evidence {
            Evidence::UserAgent => "declared by the client, which can forge it",
            _ if self.value_of("qtrail.agent.name_evidence").is_some() => {
                "AWS recorded whose event it is; the client declares its name"
            }
            Evidence::EventSource => "AWS recorded it under the agent's own event source",
            Evidence::InvokedBy => "AWS recorded the agent as the caller",
        };
        let name = name.unwrap_or_else(|| "no name recorded".to_owned());
        self.answers.push(("agent", name, why.into()));
    }

    /// Adds the answers that the identity element gives.
    fn identity(&mut self) {
        let answer = |answer: Option<String>| answer.unwrap_or_else(|| "not recorded".to_owned());
        let class = answer(self.value_of("qtrail.identity.class"));
        let credential = answer(self.value_of("qtrail.credential.kind"));
        let invoked = match self.value_of("qtrail.invoked_by_service") {
            Some(by) if by == "true" => {
                format!(
                    "yes: {}",
                    answer(self.value_of("aws.user_identity.invoked_by"))
                )
            }
            Some(_) => "no".to_owned(),
            None => answer(None),
        };
        let person = answer(self.value_of("enduser.id"));
        self.answers.extend([
            ("person", person, "the person behind the call".into()),
            (
                "identity",
                class,
                "root, IAM user or other, from its type".into(),
            ),
            (
                "credentials",
                credential,
                "temporary or not, from type and access key".into(),
            ),
            (
                "by a service",
                invoked,
                "called by another AWS service, from invokedBy".into(),
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
        if head.end > head.time && head.end - head.start > 1 {
            let why = "as S3 recorded it: additionalEventData.startTime and endTime";
            self.fact("start", time(head.start), why);
            self.fact("end", time(head.end), why);
        } else if head.start != head.time {
            self.fact(
                "start",
                time(head.start),
                "eventTime minus the event's duration",
            );
        } else {
            let length = format!("{} ns", head.end - head.start);
            let why = "a placeholder: the record has no duration";
            self.fact("span length", length, why);
        }
        let kind = format!("{:?}", head.kind).to_uppercase();
        self.fact("span kind", kind, "CLIENT for calls that an agent made");
        if let Some(message) = &head.error {
            self.fact("span status", "ERROR", shown(message));
        }
        self.fact("trace", hex::encode(head.trace_id), self.why_trace);
        self.fact(
            "span",
            hex::encode(head.span_id),
            "hash of the eventID, or of the record's bytes",
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
        self.fact("signals", signals, "from signals and traces.classes");
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
        let class = self.value_of("qtrail.event.class").unwrap_or_default();
        self.answers.push(("class", class, self.why_class.into()));
        self.agent();
        self.identity();
    }
}

fn why_class(event: &Event<'_>) -> &'static str {
    match event.class() {
        Class::OnBehalfOf => "from the invoking service",
        Class::AgentCall => "from the user agent, which a client can forge",
        Class::ToolCall => "from event source, and name or method",
        Class::Grant => "from event source and name; at a sign-in, for the agent's server",
        Class::Other => "source, invoking service and user agent are no agent's",
        _ => "from event source and name",
    }
}

fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

/// A value as JSON; `shown` truncates it.
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

/// A text, truncated and printable.
fn shown(text: &str) -> String {
    let printable = printable(text);
    match printable.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &printable[..end]),
        None => printable,
    }
}
