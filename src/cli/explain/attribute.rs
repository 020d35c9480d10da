//! An attribute of an explained event.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::telemetry::printable::printable;
use qtrail_core::convert::{Field, On, Value};

/// An attribute.
#[derive(Serialize)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) value: Json,
    /// The field, or the rule, that gave this value.
    pub(super) source: String,
    /// The row of the mapping, with all its sources.
    rule: String,
    /// Which signals carry it.
    pub(super) on: &'static str,
    /// A part of the record, as it stands there.
    #[serde(skip)]
    part: Option<String>,
    #[serde(skip)]
    pub(super) from: &'static str,
}

impl Attribute {
    /// Its source is added once all attributes are known.
    pub(super) fn new(field: &'static Field, value: &Value<'_>) -> Self {
        Attribute {
            name: field.name,
            value: to_json(value),
            part: match value {
                Value::Json(node) => Some(node.redacted_text().into_owned()),
                _ => None,
            },
            source: String::new(),
            rule: field.from.replace('`', ""),
            on: match field.on {
                On::Both | On::Resource => "log record and span",
                On::Log => "log record",
                On::Span => "span",
            },
            from: field.from,
        }
    }

    /// Its value as a text: a text as it is, anything else as JSON.
    pub(super) fn text(&self) -> String {
        match (&self.part, &self.value) {
            (Some(part), _) => part.clone(),
            (None, Json::String(text)) => text.clone(),
            (None, other) => other.to_string(),
        }
    }

    /// The text to look for in the record.
    pub(super) fn sought(&self) -> String {
        match self.value.as_array().map(Vec::as_slice) {
            Some([Json::String(text)]) => text.clone(),
            _ => self.text(),
        }
    }
}

fn to_json(value: &Value<'_>) -> Json {
    match value {
        Value::Str(text) => json!(text),
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::Strs(texts) => json!(texts),
        Value::Array(values) => values.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let members = entries
                .iter()
                .map(|(key, value)| (key.to_string(), to_json(value)));
            Json::Object(members.collect())
        }
        Value::Json(node) => {
            let text = node.redacted_text();
            serde_json::from_str(&text).unwrap_or_else(|_| json!(printable(&text)))
        }
    }
}
