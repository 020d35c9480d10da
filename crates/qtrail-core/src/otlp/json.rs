//! Translates an OTLP request from protobuf to JSON.
//!
//! Enters: an encoded request. Leaves: the same request as JSON on one line, as the OTLP specification
//! and the collector write it: ids in hexadecimal, 64-bit integers as text, enumerations as numbers,
//! fields with their default value omitted. It translates field by field and builds no messages.
//!
//! Not `serde` on `opentelemetry-proto`: that would bring tonic and its dependencies into this crate,
//! decode each request into a message tree first, and write fields with their default values.

use std::fmt::Display;
use std::io::Write;

use super::Signal;
use crate::json::find_special;

/// One field of a message.
struct Field {
    /// `number << 3 | wire type`
    key: u64,
    name: &'static str,
    form: Form,
}

/// How a field's value is written in JSON.
#[derive(Clone, Copy)]
enum Form {
    String,
    /// Bytes in hexadecimal.
    Id,
    Bool,
    /// An enumeration or a small number.
    Number,
    Int64,
    Double,
    Fixed32,
    Fixed64,
    Message(&'static [Field]),
    /// A repeated message; its occurrences are adjacent.
    Messages(&'static [Field]),
}

const fn field(key: u64, name: &'static str, form: Form) -> Field {
    Field { key, name, form }
}

static LOGS: [Field; 1] = [field(0x0a, "resourceLogs", Form::Messages(&RESOURCE_LOGS))];
static RESOURCE_LOGS: [Field; 3] = [
    field(0x0a, "resource", Form::Message(&RESOURCE)),
    field(0x12, "scopeLogs", Form::Messages(&SCOPE_LOGS)),
    field(0x1a, "schemaUrl", Form::String),
];
static SCOPE_LOGS: [Field; 3] = [
    field(0x0a, "scope", Form::Message(&SCOPE)),
    field(0x12, "logRecords", Form::Messages(&LOG_RECORD)),
    field(0x1a, "schemaUrl", Form::String),
];
static LOG_RECORD: [Field; 10] = [
    field(0x09, "timeUnixNano", Form::Fixed64),
    field(0x10, "severityNumber", Form::Number),
    field(0x1a, "severityText", Form::String),
    field(0x2a, "body", Form::Message(&ANY_VALUE)),
    field(0x32, "attributes", Form::Messages(&KEY_VALUE)),
    field(0x45, "flags", Form::Fixed32),
    field(0x4a, "traceId", Form::Id),
    field(0x52, "spanId", Form::Id),
    field(0x59, "observedTimeUnixNano", Form::Fixed64),
    field(0x62, "eventName", Form::String),
];
static SPANS: [Field; 1] = [field(
    0x0a,
    "resourceSpans",
    Form::Messages(&RESOURCE_SPANS),
)];
static RESOURCE_SPANS: [Field; 3] = [
    field(0x0a, "resource", Form::Message(&RESOURCE)),
    field(0x12, "scopeSpans", Form::Messages(&SCOPE_SPANS)),
    field(0x1a, "schemaUrl", Form::String),
];
static SCOPE_SPANS: [Field; 3] = [
    field(0x0a, "scope", Form::Message(&SCOPE)),
    field(0x12, "spans", Form::Messages(&SPAN)),
    field(0x1a, "schemaUrl", Form::String),
];
static SPAN: [Field; 11] = [
    field(0x0a, "traceId", Form::Id),
    field(0x12, "spanId", Form::Id),
    field(0x22, "parentSpanId", Form::Id),
    field(0x2a, "name", Form::String),
    field(0x30, "kind", Form::Number),
    field(0x39, "startTimeUnixNano", Form::Fixed64),
    field(0x41, "endTimeUnixNano", Form::Fixed64),
    field(0x4a, "attributes", Form::Messages(&KEY_VALUE)),
    field(0x6a, "links", Form::Messages(&LINK)),
    field(0x7a, "status", Form::Message(&STATUS)),
    field(0x85, "flags", Form::Fixed32),
];
static LINK: [Field; 3] = [
    field(0x0a, "traceId", Form::Id),
    field(0x12, "spanId", Form::Id),
    field(0x35, "flags", Form::Fixed32),
];
static STATUS: [Field; 2] = [
    field(0x12, "message", Form::String),
    field(0x18, "code", Form::Number),
];
static RESOURCE: [Field; 1] = [field(0x0a, "attributes", Form::Messages(&KEY_VALUE))];
static SCOPE: [Field; 3] = [
    field(0x0a, "name", Form::String),
    field(0x12, "version", Form::String),
    field(0x1a, "attributes", Form::Messages(&KEY_VALUE)),
];
static KEY_VALUE: [Field; 2] = [
    field(0x0a, "key", Form::String),
    field(0x12, "value", Form::Message(&ANY_VALUE)),
];
static ANY_VALUE: [Field; 6] = [
    field(0x0a, "stringValue", Form::String),
    field(0x10, "boolValue", Form::Bool),
    field(0x18, "intValue", Form::Int64),
    field(0x21, "doubleValue", Form::Double),
    field(0x2a, "arrayValue", Form::Message(&ARRAY_VALUE)),
    field(0x32, "kvlistValue", Form::Message(&KEY_VALUE_LIST)),
];
static ARRAY_VALUE: [Field; 1] = [field(0x0a, "values", Form::Messages(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [field(0x0a, "values", Form::Messages(&KEY_VALUE))];

/// Translates a request that [`super::Payload::encode`] made.
pub(super) fn from_wire(signal: Signal, request: &[u8]) -> Vec<u8> {
    let fields = match signal {
        Signal::Logs => &LOGS,
        Signal::Traces => &SPANS,
    };
    let mut out = Vec::with_capacity(request.len() * 3 / 2);
    // The encoder's output is always valid.
    let read = message(&mut out, fields, request);
    debug_assert!(read.is_some());
    out
}

/// Writes a message. It recurses as deep as the encoder nests values. `None`: the bytes are no message,
/// and the output is incomplete.
fn message(out: &mut Vec<u8>, fields: &'static [Field], mut wire: &[u8]) -> Option<()> {
    out.push(b'{');
    let mut before: Option<&Field> = None;
    while !wire.is_empty() {
        let key = varint(&mut wire)?;
        let field = fields.iter().find(|field| field.key == key)?;
        let repeated = matches!(field.form, Form::Messages(_));
        if repeated && before.is_some_and(|before| before.key == key) {
            out.push(b',');
        } else {
            close(out, before);
            if before.is_some() {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(field.name.as_bytes());
            out.extend_from_slice(if repeated { b"\":[" } else { b"\":" });
        }
        value(out, field.form, &mut wire)?;
        before = Some(field);
    }
    if let (None, [only]) = (before, fields) {
        // Some readers require the only field of a list message, even if it is empty.
        out.push(b'"');
        out.extend_from_slice(only.name.as_bytes());
        out.extend_from_slice(b"\":[]");
    }
    close(out, before);
    out.push(b'}');
    Some(())
}

/// Ends the array of a repeated field.
fn close(out: &mut Vec<u8>, field: Option<&Field>) {
    if let Some(Field {
        form: Form::Messages(_),
        ..
    }) = field
    {
        out.push(b']');
    }
}

fn value(out: &mut Vec<u8>, form: Form, wire: &mut &[u8]) -> Option<()> {
    match form {
        Form::String => string(out, std::str::from_utf8(content(wire)?).ok()?),
        Form::Id => {
            out.push(b'"');
            out.extend_from_slice(hex::encode(content(wire)?).as_bytes());
            out.push(b'"');
        }
        Form::Bool => text(out, varint(wire)? != 0),
        Form::Number => text(out, varint(wire)?),
        Form::Int64 => quoted(out, varint(wire)? as i64),
        Form::Double => double(out, f64::from_le_bytes(fixed(wire)?)),
        Form::Fixed32 => text(out, u32::from_le_bytes(fixed(wire)?)),
        Form::Fixed64 => quoted(out, u64::from_le_bytes(fixed(wire)?)),
        Form::Message(fields) | Form::Messages(fields) => message(out, fields, content(wire)?)?,
    }
    Some(())
}

/// Writes a JSON string with the same escapes as `serde_json`, several times as fast.
pub fn string(out: &mut Vec<u8>, string: &str) {
    let bytes = string.as_bytes();
    let mut at = 0;
    out.push(b'"');
    loop {
        let end = find_special(bytes, at);
        out.extend_from_slice(&bytes[at..end]);
        match bytes.get(end) {
            None => break,
            Some(b'"') => out.extend_from_slice(b"\\\""),
            Some(b'\\') => out.extend_from_slice(b"\\\\"),
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(control) => text(out, format_args!("\\u{control:04x}")),
        }
        at = end + 1;
    }
    out.push(b'"');
}

/// Writes a number as JSON; `NaN` and the infinities as the strings that protobuf's JSON mapping defines.
pub fn double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        let _ = serde_json::to_writer(out, &number);
    } else if number.is_nan() {
        string(out, "NaN");
    } else {
        string(
            out,
            if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            },
        );
    }
}

/// Writes text that needs no escapes.
pub(super) fn text(out: &mut Vec<u8>, value: impl Display) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

fn quoted(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    text(out, value);
    out.push(b'"');
}

/// Reads a varint from the front. `None`: it does not end.
fn varint(wire: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = wire.split_first()?;
        *wire = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Reads a length and that many bytes from the front. `None`: there are fewer.
fn content<'w>(wire: &mut &'w [u8]) -> Option<&'w [u8]> {
    let length = usize::try_from(varint(wire)?).ok()?;
    let (content, rest) = wire.split_at_checked(length)?;
    *wire = rest;
    Some(content)
}

/// Reads `N` bytes from the front. `None`: there are fewer.
fn fixed<const N: usize>(wire: &mut &[u8]) -> Option<[u8; N]> {
    let (fixed, rest) = wire.split_first_chunk::<N>()?;
    *wire = rest;
    Some(*fixed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_is_escaped_so_that_it_reads_as_itself(text in "[a-z\"\\\\\u{0}-\u{20}\u{7f}é😀]{0,40}") {
            let mut out = Vec::new();
            super::string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
