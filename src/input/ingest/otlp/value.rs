//! A value, and how it is written as JSON text.
//!
//! Enters: a value of OTLP's, in whatever form it came. Leaves: JSON. What must hold: nothing is
//! lost that JSON can hold: entries keep their order, and keys that occur twice occur twice; no
//! recursion, however deeply a value nests.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use qtrail_core::otlp::json::{double, string};

/// An `AnyValue`; `L` is what stands in a list or a map.
#[derive(Debug)]
pub(super) enum Value<'a, L> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// UTF-8, unless the sender is wrong.
    Text(Cow<'a, [u8]>),
    Blob(Cow<'a, [u8]>),
    List(L),
    Map(L),
}

/// A request that is none: why.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) &'static str);

/// What stands in a list or a map.
pub(super) trait Below<'a>: Sized {
    /// The next element of a list.
    fn element(&mut self) -> Result<Option<Value<'a, Self>>, Malformed>;
    /// The next entry of a map.
    fn entry(&mut self) -> Result<Option<Entry<'a, Self>>, Malformed>;
}

/// A key and its value.
pub(super) type Entry<'a, L> = (Cow<'a, [u8]>, Value<'a, L>);

/// A value as JSON text; bytes as base64, what is no finite number by its name.
pub(super) fn json<'a, L: Below<'a>>(value: Value<'a, L>) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    // The lists and maps around what is written, each with its end.
    let mut around = Vec::new();
    let mut next = Some(value);
    loop {
        if let Some(value) = next.take() {
            match value {
                Value::List(below) => {
                    out.push(b'[');
                    around.push((b']', below));
                }
                Value::Map(below) => {
                    out.push(b'{');
                    around.push((b'}', below));
                }
                leaf => write(&mut out, &leaf),
            }
        }
        let Some((end, below)) = around.last_mut() else {
            return Ok(out);
        };
        let end = *end;
        let first = matches!(out.last(), Some(b'[' | b'{'));
        let found = match end {
            b'}' => below.entry()?.map(|(key, value)| (Some(key), value)),
            _ => below.element()?.map(|value| (None, value)),
        };
        let Some((key, value)) = found else {
            out.push(end);
            around.pop();
            continue;
        };
        if !first {
            out.push(b',');
        }
        if let Some(key) = key {
            string(&mut out, &String::from_utf8_lossy(&key));
            out.push(b':');
        }
        next = Some(value);
    }
}

/// Writes what nothing stands in.
fn write<L>(out: &mut Vec<u8>, leaf: &Value<'_, L>) {
    // Writing to memory cannot fail.
    let _ = match leaf {
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Double(number) => {
            double(out, *number);
            Ok(())
        }
        Value::Text(text) => {
            string(out, &String::from_utf8_lossy(text));
            Ok(())
        }
        Value::Blob(bytes) => {
            string(out, &STANDARD.encode(bytes));
            Ok(())
        }
        Value::Null | Value::List(_) | Value::Map(_) => write!(out, "null"),
    };
}
