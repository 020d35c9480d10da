//! OTLP's wire form as OTLP's JSON form.
//!
//! Enters: an encoded request. Leaves: the same as JSON on one line, as the OTLP specification and
//! the collector have it: ids in hexadecimal, 64-bit integers as text, enumerations as numbers,
//! fields with their default value absent. The wire form is translated as it stands, field by
//! field, with no message in between.

use std::fmt::Display;
use std::io::Write;

use super::Signal;
use crate::json::find_special;

/// One field of a message.
struct Field {
    /// `number << 3 | wire type`
    key: u64,
    name: &'static str,
    kind: Kind,
}

/// How a field's value is written.
#[derive(Clone, Copy)]
enum Kind {
    String,
    /// Bytes, in hexadecimal.
    Id,
    Bool,
    /// An enumeration or a small number.
    Number,
    Int64,
    Double,
    Fixed32,
    Fixed64,
    Message(&'static [Field]),
    /// A repeated message, whose occurrences follow one another.
    Messages(&'static [Field]),
}

const fn field(key: u64, name: &'static str, kind: Kind) -> Field {
    Field { key, name, kind }
}

static LOGS: [Field; 1] = [field(0x0a, "resourceLogs", Kind::Messages(&RESOURCE_LOGS))];
static RESOURCE_LOGS: [Field; 3] = [
    field(0x0a, "resource", Kind::Message(&RESOURCE)),
    field(0x12, "scopeLogs", Kind::Messages(&SCOPE_LOGS)),
    field(0x1a, "schemaUrl", Kind::String),
];
static SCOPE_LOGS: [Field; 3] = [
    field(0x0a, "scope", Kind::Message(&SCOPE)),
    field(0x12, "logRecords", Kind::Messages(&LOG_RECORD)),
    field(0x1a, "schemaUrl", Kind::String),
];
static LOG_RECORD: [Field; 10] = [
    field(0x09, "timeUnixNano", Kind::Fixed64),
    field(0x10, "severityNumber", Kind::Number),
    field(0x1a, "severityText", Kind::String),
    field(0x2a, "body", Kind::Message(&ANY_VALUE)),
    field(0x32, "attributes", Kind::Messages(&KEY_VALUE)),
    field(0x45, "flags", Kind::Fixed32),
    field(0x4a, "traceId", Kind::Id),
    field(0x52, "spanId", Kind::Id),
    field(0x59, "observedTimeUnixNano", Kind::Fixed64),
    field(0x62, "eventName", Kind::String),
];
static SPANS: [Field; 1] = [field(
    0x0a,
    "resourceSpans",
    Kind::Messages(&RESOURCE_SPANS),
)];
static RESOURCE_SPANS: [Field; 3] = [
    field(0x0a, "resource", Kind::Message(&RESOURCE)),
    field(0x12, "scopeSpans", Kind::Messages(&SCOPE_SPANS)),
    field(0x1a, "schemaUrl", Kind::String),
];
static SCOPE_SPANS: [Field; 3] = [
    field(0x0a, "scope", Kind::Message(&SCOPE)),
    field(0x12, "spans", Kind::Messages(&SPAN)),
    field(0x1a, "schemaUrl", Kind::String),
];
static SPAN: [Field; 11] = [
    field(0x0a, "traceId", Kind::Id),
    field(0x12, "spanId", Kind::Id),
    field(0x22, "parentSpanId", Kind::Id),
    field(0x2a, "name", Kind::String),
    field(0x30, "kind", Kind::Number),
    field(0x39, "startTimeUnixNano", Kind::Fixed64),
    field(0x41, "endTimeUnixNano", Kind::Fixed64),
    field(0x4a, "attributes", Kind::Messages(&KEY_VALUE)),
    field(0x6a, "links", Kind::Messages(&LINK)),
    field(0x7a, "status", Kind::Message(&STATUS)),
    field(0x85, "flags", Kind::Fixed32),
];
static LINK: [Field; 3] = [
    field(0x0a, "traceId", Kind::Id),
    field(0x12, "spanId", Kind::Id),
    field(0x35, "flags", Kind::Fixed32),
];
static STATUS: [Field; 2] = [
    field(0x12, "message", Kind::String),
    field(0x18, "code", Kind::Number),
];
static RESOURCE: [Field; 1] = [field(0x0a, "attributes", Kind::Messages(&KEY_VALUE))];
static SCOPE: [Field; 3] = [
    field(0x0a, "name", Kind::String),
    field(0x12, "version", Kind::String),
    field(0x1a, "attributes", Kind::Messages(&KEY_VALUE)),
];
static KEY_VALUE: [Field; 2] = [
    field(0x0a, "key", Kind::String),
    field(0x12, "value", Kind::Message(&ANY_VALUE)),
];
static ANY_VALUE: [Field; 6] = [
    field(0x0a, "stringValue", Kind::String),
    field(0x10, "boolValue", Kind::Bool),
    field(0x18, "intValue", Kind::Int64),
    field(0x21, "doubleValue", Kind::Double),
    field(0x2a, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    field(0x32, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
];
static ARRAY_VALUE: [Field; 1] = [field(0x0a, "values", Kind::Messages(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [field(0x0a, "values", Kind::Messages(&KEY_VALUE))];

/// Translates a request that [`super::Payload::encode`] has made.
pub(super) fn from_wire(signal: Signal, request: &[u8]) -> Vec<u8> {
    let fields = match signal {
        Signal::Logs => &LOGS,
        Signal::Traces => &SPANS,
    };
    let mut out = Vec::with_capacity(request.len() * 3 / 2);
    // What the encoder wrote can be read to its end.
    let read = message(&mut out, fields, request);
    debug_assert!(read.is_some());
    out
}

/// Writes a message. Nests as deeply as the encoder lets values nest. `None` where the bytes are
/// no message; what was written until then is no JSON.
fn message(out: &mut Vec<u8>, fields: &'static [Field], mut wire: &[u8]) -> Option<()> {
    out.push(b'{');
    let mut before: Option<&Field> = None;
    while !wire.is_empty() {
        let key = varint(&mut wire)?;
        let field = fields.iter().find(|field| field.key == key)?;
        let repeated = matches!(field.kind, Kind::Messages(_));
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
        value(out, field.kind, &mut wire)?;
        before = Some(field);
    }
    if let (None, [only]) = (before, fields) {
        // Some readers want the one field of a list said, even where it is empty.
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
        kind: Kind::Messages(_),
        ..
    }) = field
    {
        out.push(b']');
    }
}

fn value(out: &mut Vec<u8>, kind: Kind, wire: &mut &[u8]) -> Option<()> {
    match kind {
        Kind::String => string(out, std::str::from_utf8(content(wire)?).ok()?),
        Kind::Id => {
            out.push(b'"');
            out.extend_from_slice(hex::encode(content(wire)?).as_bytes());
            out.push(b'"');
        }
        Kind::Bool => text(out, varint(wire)? != 0),
        Kind::Number => text(out, varint(wire)?),
        Kind::Int64 => quoted(out, varint(wire)? as i64),
        Kind::Double => double(out, f64::from_le_bytes(fixed(wire)?)),
        Kind::Fixed32 => text(out, u32::from_le_bytes(fixed(wire)?)),
        Kind::Fixed64 => quoted(out, u64::from_le_bytes(fixed(wire)?)),
        Kind::Message(fields) | Kind::Messages(fields) => message(out, fields, content(wire)?)?,
    }
    Some(())
}

/// Writes a JSON string, the same as `serde_json` does, several times as fast.
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

/// Writes a number as JSON; what JSON has no number for by the name that protobuf gives it.
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

/// Writes what needs no escapes.
pub(super) fn text(out: &mut Vec<u8>, value: impl Display) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

fn quoted(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    text(out, value);
    out.push(b'"');
}

/// Takes a number off the front. `None`: it does not end.
pub fn varint(wire: &mut &[u8]) -> Option<u64> {
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

/// Takes a length and as many bytes off the front. `None`: there are not so many.
pub fn content<'w>(wire: &mut &'w [u8]) -> Option<&'w [u8]> {
    let length = usize::try_from(varint(wire)?).ok()?;
    let (content, rest) = wire.split_at_checked(length)?;
    *wire = rest;
    Some(content)
}

/// Takes so many bytes off the front. `None`: there are not so many.
pub fn fixed<const N: usize>(wire: &mut &[u8]) -> Option<[u8; N]> {
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
