//! Reads an export request in OTLP/JSON.
//!
//! Enters: a request's bytes. Leaves: the bodies of its log records. What must hold: fields may be absent or `null`
//! as in protobuf's JSON; 64-bit integers are strings or numbers. serde_json stops at 128 levels, which are a map of
//! 31 levels in OTLP/JSON, but an event may have 64 or more (`limits.depth`). So the parser of events reads the
//! request.
//!
//! <https://protobuf.dev/programming-guides/json>,
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::Error;
use super::texts::{Source, Texts};
use super::value::{Value, json};
use qtrail_core::json::{Document, Node, Type};

/// Levels of JSON in a request: about four per level of a body.
const DEPTH: u32 = 1000;
/// Memory of the parser per value, beside one byte per byte of text.
const NODE_BYTES: usize = 48;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Collects the bodies of a request's log records.
pub(super) fn read(request: &[u8], texts: &mut Texts) -> Result<(), Error> {
    let text = std::str::from_utf8(request).map_err(|e| Error::Malformed(e.to_string()))?;
    let nodes = request.len() + NODE_BYTES * most_values(request);
    texts.take(nodes)?;
    let document = Document::parse(text, DEPTH).map_err(|e| Error::Malformed(e.to_string()))?;
    for logs in items(document.root(), "resourceLogs")? {
        let mut shared = Source::default();
        if let Some(resource) = field(logs, "resource")? {
            read_source(&mut shared, resource)?;
        }
        for scope in items(logs, "scopeLogs")? {
            for record in items(scope, "logRecords")? {
                read_record(record, &shared, texts)?;
            }
        }
    }
    texts.give_back(nodes);
    Ok(())
}

/// An upper bound of the number of values in a JSON text. A comma or bracket in front of a backslash is inside a
/// string, as in an event that is a string.
fn most_values(text: &[u8]) -> usize {
    let begins = |pair: &&[u8]| matches!(pair, [b',' | b'[' | b'{', next] if *next != b'\\');
    1 + text.windows(2).filter(begins).count()
}

fn read_record(record: Node<'_>, shared: &Source, texts: &mut Texts) -> Result<(), Error> {
    let mut source = Source::default();
    read_source(&mut source, record)?;
    let text = match value(field(record, "body")?)? {
        Value::Null => Bytes::new(),
        Value::Text(text) | Value::Blob(text) => {
            texts.take(text.len())?;
            text
        }
        other => json(other, texts)?.into(),
    };
    Ok(texts.push(source.or(shared), text)?)
}

/// Reads the source from the attributes of a record or a resource.
fn read_source(source: &mut Source, parent: Node<'_>) -> Result<(), Error> {
    for attribute in items(parent, "attributes")? {
        let key = key(attribute)?;
        if let Some(rank) = source.better(&key)
            && let Value::Text(name) = value(field(attribute, "value")?)?
        {
            source.keep(rank, &name);
        }
    }
    Ok(())
}

fn key(entry: Node<'_>) -> Result<Bytes, Error> {
    let key = field(entry, "key")?.map(text).transpose()?;
    Ok(key.unwrap_or_default())
}

/// Reads an `AnyValue`.
fn value(node: Option<Node<'_>>) -> Result<Value<'_>, Error> {
    let mut value = Value::Null;
    let Some(node) = node else {
        return Ok(value);
    };
    if node.kind() != Type::Object {
        return Err(wrong_type());
    }
    for (name, field) in node.entries() {
        if field.kind() == Type::Null {
            continue;
        }
        value = match &*name {
            "stringValue" => Value::Text(text(field)?),
            "boolValue" if field.kind() == Type::Bool => Value::Bool(field.raw() == "true"),
            "boolValue" => return Err(wrong_type()),
            "intValue" => Value::Int(number(field)?),
            "doubleValue" => Value::Double(number(field)?),
            "arrayValue" => {
                let elements = items(field, "values")?;
                Value::List(Box::new(
                    elements.map(|element| Ok((Bytes::new(), self::value(Some(element))?))),
                ))
            }
            "kvlistValue" => {
                let entries = items(field, "values")?;
                Value::Map(Box::new(entries.map(|entry| {
                    Ok((key(entry)?, self::value(self::field(entry, "value")?)?))
                })))
            }
            "bytesValue" => Value::Blob(bytes(field)?),
            _ => value,
        };
    }
    Ok(value)
}

fn text(node: Node<'_>) -> Result<Bytes, Error> {
    let text = node.as_str().ok_or_else(wrong_type)?;
    Ok(text.into_owned().into())
}

/// A number, or a string that holds one.
fn number<N: std::str::FromStr>(node: Node<'_>) -> Result<N, Error> {
    let number = node.as_number().and_then(|number| number.parse().ok());
    number.ok_or_else(wrong_type)
}

/// Base64, standard or URL-safe.
fn bytes(node: Node<'_>) -> Result<Bytes, Error> {
    let encoded = node.as_str().ok_or_else(wrong_type)?;
    let encoded = encoded.replace('-', "+").replace('_', "/");
    let decoded = BASE64.decode(encoded);
    let decoded = decoded.map_err(|_| Error::Malformed("bytesValue is not base64".to_owned()))?;
    Ok(decoded.into())
}

/// An object's field, if it is present and not `null`.
fn field<'d>(node: Node<'d>, key: &str) -> Result<Option<Node<'d>>, Error> {
    match node.kind() {
        Type::Object => Ok(node.get(key).filter(|field| field.kind() != Type::Null)),
        _ => Err(wrong_type()),
    }
}

/// The elements of the array in an object's field; none if the field is absent.
fn items<'d>(node: Node<'d>, key: &str) -> Result<impl Iterator<Item = Node<'d>> + use<'d>, Error> {
    let array = field(node, key)?;
    if array.is_some_and(|array| array.kind() != Type::Array) {
        return Err(wrong_type());
    }
    Ok(array.into_iter().flat_map(Node::items))
}

fn wrong_type() -> Error {
    Error::Malformed("a field has another type than OTLP defines".to_owned())
}
