//! Values and attributes: OTLP's `AnyValue` and `KeyValue`.

use super::{VALUE_DEPTH, wire};
use crate::convert::Value;
use crate::json::{Node, Type};

// KeyValue
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
// AnyValue
const STRING: u8 = 0x0a;
const BOOL: u8 = 0x10;
const INT: u8 = 0x18;
const DOUBLE: u8 = 0x21;
const ARRAY: u8 = 0x2a;
const MAP: u8 = 0x32;
// ArrayValue, KeyValueList
const ELEMENT: u8 = 0x0a;

/// Bytes that a `KeyValue` and its `AnyValue` add to a text of usual length.
const FRAME: usize = 8;
/// The same if none of the three lengths takes more than a byte.
const SHORT_FRAME: usize = 6;
/// Such a key and a text are shorter together.
const SHORT: usize = 0x80 - SHORT_FRAME;

/// Writes an attribute as a protobuf field with this key.
pub(super) fn key_value(out: &mut Vec<u8>, field: u8, key: &str, value: &Value<'_>) {
    match value {
        Value::Str(text) => key_text(out, field, key, text),
        Value::Bool(value) if key.len() < SHORT => {
            let length = key.len() + SHORT_FRAME;
            out.extend_from_slice(&[field, length as u8, KEY, key.len() as u8]);
            out.extend_from_slice(key.as_bytes());
            boolean(out, VALUE, *value);
        }
        _ => key_and(out, field, key, expected(value), |out| {
            any_value(out, VALUE, value, 0);
        }),
    }
}

/// Writes an attribute whose value is text.
#[inline(always)]
pub(super) fn key_text(out: &mut Vec<u8>, field: u8, key: &str, text: &str) {
    if key.len() + text.len() >= SHORT {
        return key_long_text(out, field, key, text);
    }
    let length = key.len() + text.len() + SHORT_FRAME;
    out.extend_from_slice(&[field, length as u8, KEY, key.len() as u8]);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&[VALUE, text.len() as u8 + 2, STRING, text.len() as u8]);
    out.extend_from_slice(text.as_bytes());
}

#[inline(never)]
fn key_long_text(out: &mut Vec<u8>, field: u8, key: &str, text: &str) {
    let value = wire::bytes_len(text.len());
    let length = wire::bytes_len(key.len()) + wire::bytes_len(value);
    out.reserve(wire::bytes_len(length));
    wire::header(out, field, length);
    wire::bytes(out, KEY, key.as_bytes());
    string(out, VALUE, text);
}

/// Writes a value as a protobuf field with this key.
pub(super) fn body(out: &mut Vec<u8>, field: u8, value: &Value<'_>) {
    any_value(out, field, value, 0);
}

fn any_value(out: &mut Vec<u8>, field: u8, value: &Value<'_>, depth: u32) {
    match value {
        Value::Str(text) => string(out, field, text),
        Value::Bool(value) => boolean(out, field, *value),
        Value::Int(number) => int(out, field, *number),
        Value::Double(number) => double(out, field, *number),
        Value::Json(node) => json(out, field, *node, depth),
        Value::Strs(texts) => nested(out, field, ARRAY, expected(value), |out| {
            for text in texts {
                string(out, ELEMENT, text);
            }
        }),
        Value::Array(values) => nested(out, field, ARRAY, expected(value), |out| {
            for value in values {
                any_value(out, ELEMENT, value, depth + 1);
            }
        }),
        Value::Map(entries) => nested(out, field, MAP, expected(value), |out| {
            for (key, value) in entries {
                key_and(out, ELEMENT, key, expected(value), |out| {
                    any_value(out, VALUE, value, depth + 1);
                });
            }
        }),
    }
}

fn json(out: &mut Vec<u8>, field: u8, node: Node<'_>, depth: u32) {
    match node.kind() {
        Type::Null => wire::bytes(out, field, &[]),
        Type::Bool => boolean(out, field, node.as_bool().unwrap_or_default()),
        Type::Number => number(out, field, node.raw()),
        Type::String => string(out, field, &node.as_str().unwrap_or_default()),
        Type::Array | Type::Object if depth >= VALUE_DEPTH => {
            string(out, field, &node.redacted_text());
        }
        Type::Array => nested(out, field, ARRAY, node.raw().len(), |out| {
            for element in node.items() {
                json(out, ELEMENT, element, depth + 1);
            }
        }),
        Type::Object => nested(out, field, MAP, node.raw().len(), |out| {
            for (key, value) in node.entries() {
                key_and(out, ELEMENT, &key, value.raw().len(), |out| {
                    json(out, VALUE, value, depth + 1);
                });
            }
        }),
    }
}

/// Writes a JSON number: as an integer, as a double if it has a fraction or an exponent, or as text if
/// neither can hold it.
fn number(out: &mut Vec<u8>, field: u8, text: &str) {
    match Number::of(text) {
        Number::Int(number) => int(out, field, number),
        Number::Double(number) => double(out, field, number),
        Number::Text => string(out, field, text),
    }
}

enum Number {
    Int(i64),
    Double(f64),
    Text,
}

impl Number {
    fn of(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Number::Int(number);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && text.contains(['.', 'e', 'E']) => {
                Number::Double(number)
            }
            _ => Number::Text,
        }
    }
}

fn key_and(
    out: &mut Vec<u8>,
    field: u8,
    key: &str,
    expected: usize,
    value: impl FnOnce(&mut Vec<u8>),
) {
    let message = wire::open(out, field, key.len() + expected + FRAME);
    wire::bytes(out, KEY, key.as_bytes());
    value(out);
    wire::close(out, message);
}

/// Writes an `AnyValue` that is an array or a map.
fn nested(
    out: &mut Vec<u8>,
    field: u8,
    container: u8,
    expected: usize,
    content: impl FnOnce(&mut Vec<u8>),
) {
    let message = wire::open(out, field, expected + FRAME);
    let inner = wire::open(out, container, expected);
    content(out);
    wire::close(out, inner);
    wire::close(out, message);
}

fn string(out: &mut Vec<u8>, field: u8, text: &str) {
    wire::header(out, field, wire::bytes_len(text.len()));
    wire::bytes(out, STRING, text.as_bytes());
}

fn boolean(out: &mut Vec<u8>, field: u8, value: bool) {
    out.extend_from_slice(&[field, 2, BOOL, value.into()]);
}

fn int(out: &mut Vec<u8>, field: u8, number: i64) {
    out.extend_from_slice(&[field, 1 + wire::varint_len(number as u64) as u8, INT]);
    wire::varint(out, number as u64);
}

fn double(out: &mut Vec<u8>, field: u8, number: f64) {
    out.extend_from_slice(&[field, 9]);
    wire::fixed64(out, DOUBLE, number.to_bits());
}

/// An estimate of a value's encoded size, which only saves moving bytes later.
fn expected(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) => 8,
        Value::Strs(texts) => texts.iter().map(|text| text.len() + 4).sum(),
        Value::Json(node) => node.raw().len(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| key.len() + expected(value) + FRAME)
            .sum(),
        Value::Array(values) => values.iter().map(|value| expected(value) + FRAME).sum(),
    }
}
