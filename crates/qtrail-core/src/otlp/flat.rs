//! A sink that writes one flat JSON object per event, for `jq`, Vector or Kafka.
//!
//! Enters: the heads and attributes that [`crate::convert`] writes. Leaves: JSON lines. A line has the
//! fields of the log record and the span first (`time`, `observed_time`, `start_time` if it differs,
//! `name`, `severity`, `kind`, `trace_id`, `span_id`, `parent_span_id`, `link_trace_id`,
//! `link_span_id`, `status`, `status_message`), then the resource's attributes, then each attribute
//! under its own name, and `body` last. What must hold: each line is one valid JSON object, and no
//! name occurs twice in it.

use jiff::Timestamp;

use super::json::{double, string, text};
use super::{VALUE_DEPTH, log, resource};
use crate::convert::{FIELDS, Field, Head, On, Options, Sink, SpanKind, Value};
use crate::json::{Node, Type};

/// A sink that writes one flat JSON object per event and line.
#[derive(Debug)]
pub struct Flat {
    /// Resource attributes to add.
    added: Vec<(String, String)>,
    out: Vec<u8>,
    /// The current event's body, as JSON.
    body: Vec<u8>,
}

impl Flat {
    /// A sink that adds the resource attributes of `options`.
    pub fn new(options: &Options) -> Self {
        Flat {
            added: options.resource.iter().map(with_unique_name).collect(),
            out: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Bytes written so far.
    pub fn encoded_len(&self) -> usize {
        self.out.len()
    }

    /// Takes the lines written so far.
    pub fn take(&mut self) -> Vec<u8> {
        let capacity = self.out.len();
        std::mem::replace(&mut self.out, Vec::with_capacity(capacity))
    }

    fn name(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        string(&mut self.out, name);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        string(&mut self.out, value);
    }

    fn id(&mut self, name: &str, id: &[u8]) {
        self.text(name, &hex::encode(id));
    }

    fn time(&mut self, name: &str, nanoseconds: i64) {
        if let Ok(time) = Timestamp::from_nanosecond(nanoseconds.into()) {
            self.name(name);
            self.out.push(b'"');
            text(&mut self.out, time);
            self.out.push(b'"');
        }
    }

    fn write_head(&mut self, head: &Head<'_>) {
        self.time("time", head.time);
        self.time("observed_time", head.observed);
        if head.start != head.time {
            self.time("start_time", head.start);
        }
        self.text("name", &head.name);
        self.text("severity", log::severity_text(head.severity));
        self.text("kind", kind_text(head.kind));
        self.id("trace_id", &head.trace_id);
        self.id("span_id", &head.span_id);
        if let Some(parent) = &head.parent {
            self.id("parent_span_id", parent);
        }
        if let Some(link) = &head.link {
            self.id("link_trace_id", &link.trace_id);
            self.id("link_span_id", &link.span_id);
        }
        if let Some(message) = &head.error {
            self.text("status", "ERROR");
            self.text("status_message", message);
        }
    }
}

impl Sink for Flat {
    fn begin(&mut self, head: &Head<'_>) {
        self.out.push(b'{');
        self.write_head(head);
        let added = std::mem::take(&mut self.added);
        for (name, value) in resource::attributes(&head.resource, &added) {
            self.text(name, value);
        }
        self.added = added;
        self.body.clear();
        if let Some(body) = &head.body {
            write(&mut self.body, body, 0);
        }
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        self.name(field.name);
        write(&mut self.out, value, 0);
    }

    fn end(&mut self) {
        if !self.body.is_empty() {
            self.name("body");
            self.out.append(&mut self.body);
        }
        self.out.extend_from_slice(b"}\n");
    }
}

/// Names of a line's members that are not attributes.
const HEAD: [&str; 14] = [
    "body",
    "kind",
    "link_span_id",
    "link_trace_id",
    "name",
    "observed_time",
    "parent_span_id",
    "severity",
    "span_id",
    "start_time",
    "status",
    "status_message",
    "time",
    "trace_id",
];

/// An added resource attribute, renamed to `resource.<name>` if a line may have another member of that
/// name.
fn with_unique_name((name, value): &(String, String)) -> (String, String) {
    let is_written = |field: &Field| field.on != On::Resource && field.name == name;
    let name = if HEAD.contains(&name.as_str()) || FIELDS.iter().any(is_written) {
        format!("resource.{name}")
    } else {
        name.clone()
    };
    (name, value.clone())
}

fn kind_text(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "INTERNAL",
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
    }
}

fn write(out: &mut Vec<u8>, value: &Value<'_>, depth: u32) {
    match value {
        Value::Str(text) => string(out, text),
        Value::Bool(value) => text(out, value),
        Value::Int(number) => text(out, number),
        Value::Double(number) => double(out, *number),
        Value::Strs(texts) => array(out, texts.iter(), |out, text| string(out, text)),
        Value::Array(values) => array(out, values.iter(), |out, value| {
            write(out, value, depth + 1)
        }),
        Value::Map(entries) => object(
            out,
            entries.iter().map(|(key, value)| (key, value)),
            |out, value| write(out, value, depth + 1),
        ),
        Value::Json(node) => write_json(out, *node, depth),
    }
}

/// Writes a part of a record. Strings are escaped again, because a lone surrogate escape is not valid.
fn write_json(out: &mut Vec<u8>, node: Node<'_>, depth: u32) {
    match node.kind() {
        Type::String => string(out, &node.as_str().unwrap_or_default()),
        Type::Null | Type::Bool | Type::Number => out.extend_from_slice(node.raw().as_bytes()),
        Type::Array | Type::Object if depth >= VALUE_DEPTH => string(out, &node.redacted_text()),
        Type::Array => array(out, node.items(), |out, node| {
            write_json(out, node, depth + 1)
        }),
        Type::Object => object(out, node.entries(), |out, node| {
            write_json(out, node, depth + 1)
        }),
    }
}

fn array<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, value) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

fn object<K: AsRef<str>, T>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (K, T)>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'{');
    for (index, (key, value)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, key.as_ref());
        out.push(b':');
        item(out, value);
    }
    out.push(b'}');
}
