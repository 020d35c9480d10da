//! A value as JSON text.
//!
//! Enters: an OTLP value. Leaves: JSON. What must hold: nothing is lost that JSON can hold: entries
//! keep their order, and keys that occur twice occur twice.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// A value as JSON text; bytes as base64.
pub(super) fn text(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, Some(value));
    out
}

/// Writing into memory cannot fail.
fn write(out: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        Some(Value::StringValue(text)) => string(out, text),
        Some(Value::BoolValue(value)) => {
            let _ = write!(out, "{value}");
        }
        Some(Value::IntValue(number)) => {
            let _ = write!(out, "{number}");
        }
        // JSON has no word for what is no finite number; serde_json writes null.
        Some(Value::DoubleValue(number)) => {
            let _ = serde_json::to_writer(out, number);
        }
        Some(Value::BytesValue(bytes)) => string(out, &STANDARD.encode(bytes)),
        Some(Value::ArrayValue(array)) => {
            out.push(b'[');
            for (at, element) in array.values.iter().enumerate() {
                comma(out, at);
                write(out, element.value.as_ref());
            }
            out.push(b']');
        }
        Some(Value::KvlistValue(list)) => {
            out.push(b'{');
            for (at, entry) in list.values.iter().enumerate() {
                comma(out, at);
                string(out, &entry.key);
                out.push(b':');
                write(
                    out,
                    entry.value.as_ref().and_then(|value| value.value.as_ref()),
                );
            }
            out.push(b'}');
        }
        Some(Value::StringValueStrindex(_)) | None => out.extend_from_slice(b"null"),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

fn comma(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}
