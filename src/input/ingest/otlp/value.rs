//! An `AnyValue`, and its JSON text.
//!
//! Enters: a value, from protobuf or JSON. Leaves: JSON text. What must hold: entries keep their order, and a key
//! that occurs twice is written twice; memory is reserved before it is used; no recursion, however deep a value
//! nests.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Error;
use super::texts::Texts;
use qtrail_core::otlp::json::{double, string};

/// Memory of one level of nesting: its iterator, and its element in a vector.
const LEVEL_BYTES: usize = 128;

/// An `AnyValue`.
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// UTF-8, unless the sender made a mistake.
    Text(Bytes),
    Blob(Bytes),
    List(Entries<'a>),
    Map(Entries<'a>),
}

/// The entries of a map, or the elements of a list with empty keys. Each is decoded when the iterator reaches it.
pub(super) type Entries<'a> = Box<dyn Iterator<Item = Result<(Bytes, Value<'a>), Error>> + 'a>;

/// A value as JSON text: bytes as base64, NaN and infinities by name. Takes the memory of the result from `texts`.
pub(super) fn json(value: Value<'_>, texts: &mut Texts) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    // The open lists and maps, each with its closing bracket.
    let mut open: Vec<(u8, Entries<'_>)> = Vec::new();
    let (mut next, mut taken) = (Some(value), 0);
    loop {
        match next.take() {
            Some(Value::List(elements)) => {
                out.push(b'[');
                open.push((b']', elements));
            }
            Some(Value::Map(entries)) => {
                out.push(b'{');
                open.push((b'}', entries));
            }
            Some(leaf) => write(&mut out, &leaf),
            None => {}
        }
        let levels = open.capacity() * LEVEL_BYTES;
        texts.take(out.capacity() + levels - taken)?;
        taken = out.capacity() + levels;
        let Some((end, entries)) = open.last_mut() else {
            texts.give_back(levels);
            return Ok(out);
        };
        let Some(entry) = entries.next() else {
            out.push(*end);
            open.pop();
            continue;
        };
        let (key, value) = entry?;
        if !matches!(out.last(), Some(b'[' | b'{')) {
            out.push(b',');
        }
        if *end == b'}' {
            string(&mut out, &String::from_utf8_lossy(&key));
            out.push(b':');
        }
        next = Some(value);
    }
}

/// Writes a value that is neither a list nor a map.
fn write(out: &mut Vec<u8>, leaf: &Value<'_>) {
    match leaf {
        Value::Text(text) => string(out, &String::from_utf8_lossy(text)),
        Value::Blob(bytes) => string(out, &STANDARD.encode(bytes)),
        Value::Double(number) => double(out, *number),
        // Writing to memory cannot fail.
        Value::Bool(value) => _ = write!(out, "{value}"),
        Value::Int(number) => _ = write!(out, "{number}"),
        Value::Null | Value::List(_) | Value::Map(_) => out.extend(b"null"),
    }
}
