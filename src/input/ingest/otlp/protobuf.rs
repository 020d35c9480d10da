//! Reads an export request in protobuf.
//!
//! Enters: a request's bytes. Leaves: the bodies of its log records; text and bytes are slices of the
//! request, not copies. What must hold: memory does not depend on the number of elements in a request. prost
//! collects a repeated field in a `Vec`, where two bytes of the request become fifty or more, and stops at 100 levels
//! of nesting. So prost decodes only messages without repeated fields, and [`repeated`] iterates over the others.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto>, `logs/v1/logs.proto`

use bytes::Bytes;
use prost::encoding::{self, DecodeContext};
use prost::{DecodeError, Message, Oneof};

use super::Error;
use super::texts::{Source, Texts};
use super::value::{Value, json};

// The repeated fields of each message.
const RESOURCE_LOGS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_LOGS: u32 = 2;
const RESOURCE_ATTRIBUTES: u32 = 1;
const LOG_RECORDS: u32 = 2;
const LOG_RECORD_ATTRIBUTES: u32 = 6;
/// Of `ArrayValue` and `KeyValueList`.
const VALUES: u32 = 1;

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    /// An [`AnyValue`].
    #[prost(bytes = "bytes", tag = "5")]
    body: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    /// An [`AnyValue`], decoded only if it is used.
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Lists and maps stay encoded until they are written as JSON.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    kind: Option<Kind>,
}

/// Strings are bytes, so that invalid UTF-8 rejects one log record, not the request.
#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(bytes = "bytes", tag = "1")]
    String(Bytes),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(bytes = "bytes", tag = "5")]
    Array(Bytes),
    #[prost(bytes = "bytes", tag = "6")]
    KvList(Bytes),
    #[prost(bytes = "bytes", tag = "7")]
    Bytes(Bytes),
}

/// Collects the bodies of a request's log records.
pub(super) fn read(request: &Bytes, texts: &mut Texts) -> Result<(), Error> {
    for logs in repeated(request.clone(), RESOURCE_LOGS) {
        let logs = logs?;
        let mut shared = Source::default();
        for resource in repeated(logs.clone(), RESOURCE) {
            read_source(&mut shared, repeated(resource?, RESOURCE_ATTRIBUTES))?;
        }
        for scope in repeated(logs, SCOPE_LOGS) {
            for record in repeated(scope?, LOG_RECORDS) {
                read_record(record?, &shared, texts)?;
            }
        }
    }
    Ok(())
}

fn read_record(record: Bytes, shared: &Source, texts: &mut Texts) -> Result<(), Error> {
    let body = LogRecord::decode(record.clone())?.body;
    let mut source = Source::default();
    read_source(&mut source, repeated(record, LOG_RECORD_ATTRIBUTES))?;
    let text = match value(body)? {
        Value::Null => Bytes::new(),
        Value::Text(text) | Value::Blob(text) => text,
        other => json(other, texts)?.into(),
    };
    Ok(texts.push(source.or(shared), text)?)
}

/// Reads the source from the attributes of a record or a resource.
fn read_source(
    source: &mut Source,
    attributes: impl Iterator<Item = Result<Bytes, DecodeError>>,
) -> Result<(), Error> {
    for attribute in attributes {
        let attribute = KeyValue::decode(attribute?)?;
        if let Some(rank) = source.better(&attribute.key)
            && let Value::Text(name) = value(attribute.value)?
        {
            source.keep(rank, &name);
        }
    }
    Ok(())
}

/// Decodes an `AnyValue`.
fn value(any: Bytes) -> Result<Value<'static>, DecodeError> {
    Ok(match AnyValue::decode(any)?.kind {
        None => Value::Null,
        Some(Kind::String(text)) => Value::Text(text),
        Some(Kind::Bool(value)) => Value::Bool(value),
        Some(Kind::Int(number)) => Value::Int(number),
        Some(Kind::Double(number)) => Value::Double(number),
        Some(Kind::Bytes(bytes)) => Value::Blob(bytes),
        Some(Kind::Array(list)) => Value::List(Box::new(
            repeated(list, VALUES).map(|element| Ok((Bytes::new(), value(element?)?))),
        )),
        Some(Kind::KvList(map)) => Value::Map(Box::new(repeated(map, VALUES).map(|entry| {
            let entry = KeyValue::decode(entry?)?;
            Ok((entry.key, value(entry.value)?))
        }))),
    })
}

/// The elements of the repeated field `number` of a message. After an error, iteration must stop.
fn repeated(mut message: Bytes, number: u32) -> impl Iterator<Item = Result<Bytes, DecodeError>> {
    let mut next = move || {
        while !message.is_empty() {
            let (tag, wire_type) = encoding::decode_key(&mut message)?;
            let context = DecodeContext::default();
            if tag == number {
                let mut content = Bytes::new();
                encoding::bytes::merge(wire_type, &mut content, &mut message, context)?;
                return Ok(Some(content));
            }
            encoding::skip_field(wire_type, tag, &mut message, context)?;
        }
        Ok(None)
    };
    std::iter::from_fn(move || next().transpose())
}
