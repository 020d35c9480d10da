//! An export request as protobuf.
//!
//! Enters: a request's bytes. Leaves: its log records' bodies; one that is a text is not copied.
//! What must hold: fields that are not known are skipped, and of one that occurs twice the last
//! counts.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto>, `logs/v1/logs.proto`

use std::borrow::Cow;

use bytes::Bytes;

use super::Error;
use super::texts::{Source, Texts};
use super::value::{Below, Entry, Malformed, Value, json};
use qtrail_core::otlp::json::{content, fixed, varint};

// ExportLogsServiceRequest
const RESOURCE_LOGS: u64 = 1;
// ResourceLogs
const RESOURCE: u64 = 1;
const SCOPE_LOGS: u64 = 2;
// Resource
const RESOURCE_ATTRIBUTES: u64 = 1;
// ScopeLogs
const LOG_RECORDS: u64 = 2;
// LogRecord
const BODY: u64 = 5;
const ATTRIBUTES: u64 = 6;
// KeyValue
const KEY: u64 = 1;
const VALUE: u64 = 2;
// ArrayValue, KeyValueList
const VALUES: u64 = 1;

const TOO_SHORT: Malformed = Malformed("a field ends beyond its message");
const WRONG_TYPE: Malformed = Malformed("a field is of another type than OTLP's");

/// Gathers the bodies of a request's log records.
pub(super) fn read(request: &Bytes, texts: &mut Texts) -> Result<(), Error> {
    let mut all = Fields(request);
    while let Some(logs) = all.message(RESOURCE_LOGS)? {
        let mut shared = Source::default();
        let mut resources = Fields(logs);
        while let Some(resource) = resources.message(RESOURCE)? {
            let mut attributes = Fields(resource);
            while let Some(attribute) = attributes.message(RESOURCE_ATTRIBUTES)? {
                see(&mut shared, attribute)?;
            }
        }
        let shared = shared.name();
        let mut scopes = Fields(logs);
        while let Some(scope) = scopes.message(SCOPE_LOGS)? {
            let mut records = Fields(scope);
            while let Some(record) = records.message(LOG_RECORDS)? {
                let (body, own) = log_record(record)?;
                let source = own.name().or_else(|| shared.clone());
                match body {
                    Value::Null => texts.push(source, Bytes::new(), 0)?,
                    Value::Text(Cow::Borrowed(text)) | Value::Blob(Cow::Borrowed(text)) => {
                        texts.push(source, request.slice_ref(text), 0)?;
                    }
                    other => {
                        let text = json(other)?;
                        let made = text.capacity();
                        texts.push(source, text.into(), made)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A log record's body, and where it came from.
fn log_record(record: &[u8]) -> Result<(Value<'_, Fields<'_>>, Source), Malformed> {
    let mut fields = Fields(record);
    let (mut body, mut source) = (Value::Null, Source::default());
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (BODY, Field::Bytes(content)) => body = value(content)?,
            (ATTRIBUTES, Field::Bytes(attribute)) => see(&mut source, attribute)?,
            (BODY | ATTRIBUTES, _) => return Err(WRONG_TYPE),
            _ => {}
        }
    }
    Ok((body, source))
}

fn see(source: &mut Source, attribute: &[u8]) -> Result<(), Malformed> {
    let (key, content) = key_value(attribute)?;
    if source.wants(key) {
        source.take(key, &value(content)?);
    }
    Ok(())
}

/// A key, and the `AnyValue` under it.
fn key_value(wire: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut key, mut value) = (&wire[..0], &wire[..0]);
    let mut fields = Fields(wire);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (KEY, Field::Bytes(content)) => key = content,
            (VALUE, Field::Bytes(content)) => value = content,
            (KEY | VALUE, _) => return Err(WRONG_TYPE),
            _ => {}
        }
    }
    Ok((key, value))
}

/// What an `AnyValue` holds.
fn value(wire: &[u8]) -> Result<Value<'_, Fields<'_>>, Malformed> {
    let mut value = Value::Null;
    let mut fields = Fields(wire);
    while let Some((number, field)) = fields.next()? {
        value = match (number, field) {
            (1, Field::Bytes(text)) => Value::Text(text.into()),
            (2, Field::Number(number)) => Value::Bool(number != 0),
            (3, Field::Number(number)) => Value::Int(number as i64),
            (4, Field::Fixed64(bytes)) => Value::Double(f64::from_le_bytes(bytes)),
            (5, Field::Bytes(list)) => Value::List(Fields(list)),
            (6, Field::Bytes(map)) => Value::Map(Fields(map)),
            (7, Field::Bytes(bytes)) => Value::Blob(bytes.into()),
            (1..=7, _) => return Err(WRONG_TYPE),
            _ => value,
        };
    }
    Ok(value)
}

/// The fields of a message.
#[derive(Debug)]
struct Fields<'w>(&'w [u8]);

/// What a field holds, by its wire type.
enum Field<'w> {
    Number(u64),
    Fixed64([u8; 8]),
    Fixed32,
    Bytes(&'w [u8]),
}

impl<'w> Fields<'w> {
    /// The next field and its number.
    fn next(&mut self) -> Result<Option<(u64, Field<'w>)>, Malformed> {
        let wire = &mut self.0;
        if wire.is_empty() {
            return Ok(None);
        }
        let key = varint(wire).ok_or(TOO_SHORT)?;
        let field = match key & 7 {
            0 => varint(wire).map(Field::Number),
            1 => fixed(wire).map(Field::Fixed64),
            2 => content(wire).map(Field::Bytes),
            5 => fixed::<4>(wire).map(|_| Field::Fixed32),
            _ => return Err(Malformed("a field's wire type is none of protobuf 3")),
        };
        Ok(Some((key >> 3, field.ok_or(TOO_SHORT)?)))
    }

    /// The next field with this number, which is a message.
    fn message(&mut self, wanted: u64) -> Result<Option<&'w [u8]>, Malformed> {
        while let Some((number, field)) = self.next()? {
            match field {
                Field::Bytes(content) if number == wanted => return Ok(Some(content)),
                _ if number == wanted => return Err(WRONG_TYPE),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<'w> Below<'w> for Fields<'w> {
    fn element(&mut self) -> Result<Option<Value<'w, Self>>, Malformed> {
        self.message(VALUES)?.map(value).transpose()
    }

    fn entry(&mut self) -> Result<Option<Entry<'w, Self>>, Malformed> {
        let Some(entry) = self.message(VALUES)? else {
            return Ok(None);
        };
        let (key, content) = key_value(entry)?;
        Ok(Some((key.into(), value(content)?)))
    }
}
