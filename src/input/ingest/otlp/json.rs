//! An export request as JSON.
//!
//! Enters: a request's bytes. Leaves: its log records' bodies. What must hold: all that protobuf's
//! JSON may leave out is left out well (an empty list has no `values`), and `null` is the same as
//! left out; 64-bit integers are texts or numbers.
//!
//! <https://protobuf.dev/programming-guides/json>,
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Error;
use super::texts::{Source, Texts};
use super::value::{Below, Entry, Malformed, Value, json};
use qtrail_core::json::{Document, Node, Type};

/// JSON's levels in a request: about four for each level of a body.
const DEPTH: u32 = 1000;
/// Room that the parser may take for a value, beside a byte for each of the text.
const NODE: usize = 48;

const WRONG_TYPE: Malformed = Malformed("a field is of another type than OTLP's");
/// Padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Gathers the bodies of a request's log records.
pub(super) fn read(request: &[u8], texts: &mut Texts) -> Result<(), Error> {
    let text = std::str::from_utf8(request).map_err(|e| Error::Malformed(e.to_string()))?;
    let nodes = request.len() + NODE * most_values(request);
    texts.take(nodes)?;
    let document = Document::parse(text, DEPTH).map_err(|e| Error::Malformed(e.to_string()))?;
    resource_logs(document.root(), texts)?;
    texts.give_back(nodes);
    Ok(())
}

/// At least as many as there are values in a JSON text. A comma or bracket before a backslash stands
/// inside a string, as in an event that is a text.
fn most_values(text: &[u8]) -> usize {
    let begins = |pair: &&[u8]| matches!(pair, [b',' | b'[' | b'{', next] if *next != b'\\');
    1 + text.windows(2).filter(begins).count()
}

fn resource_logs(request: Node<'_>, texts: &mut Texts) -> Result<(), Error> {
    for logs in items(request, "resourceLogs")? {
        let mut shared = Source::default();
        if let Some(resource) = field(logs, "resource")? {
            see(&mut shared, resource)?;
        }
        let shared = shared.name();
        for scope in items(logs, "scopeLogs")? {
            for record in items(scope, "logRecords")? {
                let mut source = Source::default();
                see(&mut source, record)?;
                let source = source.name().or_else(|| shared.clone());
                let body = field(record, "body")?.map(value).transpose()?;
                let text = match body {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Text(text) | Value::Blob(text)) => text.into_owned(),
                    Some(other) => json(other)?,
                };
                let made = text.capacity();
                texts.push(source, text.into(), made)?;
            }
        }
    }
    Ok(())
}

/// Looks for a source among the attributes of a record or a resource.
fn see(source: &mut Source, holder: Node<'_>) -> Result<(), Malformed> {
    for attribute in items(holder, "attributes")? {
        let (key, content) = key_value(attribute)?;
        if source.wants(&key)
            && let Some(content) = content
        {
            source.take(&key, &value(content)?);
        }
    }
    Ok(())
}

/// A key, and the `AnyValue` under it.
fn key_value(node: Node<'_>) -> Result<(Cow<'_, [u8]>, Option<Node<'_>>), Malformed> {
    let key = field(node, "key")?.map(text).transpose()?;
    Ok((key.unwrap_or_default(), field(node, "value")?))
}

/// What an `AnyValue` holds.
fn value(node: Node<'_>) -> Result<Value<'_, Items<'_>>, Malformed> {
    if node.kind() != Type::Object {
        return Err(WRONG_TYPE);
    }
    let mut value = Value::Null;
    for (key, field) in node.entries() {
        if field.kind() == Type::Null {
            continue;
        }
        value = match &*key {
            "stringValue" => Value::Text(text(field)?),
            "boolValue" if field.kind() == Type::Bool => Value::Bool(field.raw() == "true"),
            "intValue" => Value::Int(number(field)?),
            "doubleValue" => Value::Double(number(field)?),
            "arrayValue" => Value::List(Items::of(field)?),
            "kvlistValue" => Value::Map(Items::of(field)?),
            "bytesValue" => Value::Blob(bytes(field)?.into()),
            "boolValue" => return Err(WRONG_TYPE),
            _ => value,
        };
    }
    Ok(value)
}

fn text(node: Node<'_>) -> Result<Cow<'_, [u8]>, Malformed> {
    match node.as_str() {
        Some(Cow::Borrowed(text)) => Ok(text.as_bytes().into()),
        Some(Cow::Owned(text)) => Ok(text.into_bytes().into()),
        None => Err(WRONG_TYPE),
    }
}

/// A number, or the text of one.
fn number<N: std::str::FromStr>(node: Node<'_>) -> Result<N, Malformed> {
    let number = node.as_number().and_then(|number| number.parse().ok());
    number.ok_or(WRONG_TYPE)
}

fn bytes(node: Node<'_>) -> Result<Vec<u8>, Malformed> {
    let mut encoded = text(node)?.into_owned();
    for byte in &mut encoded {
        // The alphabet for URLs is as good.
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    let decoded = BASE64.decode(encoded);
    decoded.map_err(|_| Malformed("bytes are not in base64"))
}

/// An object's field, where it is there.
fn field<'d>(node: Node<'d>, key: &str) -> Result<Option<Node<'d>>, Malformed> {
    if node.kind() != Type::Object {
        return Err(WRONG_TYPE);
    }
    Ok(node.get(key).filter(|field| field.kind() != Type::Null))
}

/// The elements of an object's field; none where it is not there.
fn items<'d>(node: Node<'d>, key: &str) -> Result<Items<'d>, Malformed> {
    let Some(array) = field(node, key)? else {
        return Ok(Items {
            node,
            at: 0,
            end: 0,
        });
    };
    if array.kind() != Type::Array {
        return Err(WRONG_TYPE);
    }
    Ok(Items {
        node: array,
        at: array.id() + 1,
        end: array.end_id(),
    })
}

/// An array's elements.
#[derive(Debug, Clone)]
struct Items<'d> {
    /// Any node of the document.
    node: Node<'d>,
    at: u32,
    end: u32,
}

impl<'d> Items<'d> {
    /// What an `ArrayValue` or a `KeyValueList` holds.
    fn of(list: Node<'d>) -> Result<Self, Malformed> {
        items(list, "values")
    }
}

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        (self.at < self.end).then(|| {
            let item = self.node.with_id(self.at);
            self.at = item.end_id();
            item
        })
    }
}

impl<'d> Below<'d> for Items<'d> {
    fn element(&mut self) -> Result<Option<Value<'d, Self>>, Malformed> {
        self.next().map(value).transpose()
    }

    fn entry(&mut self) -> Result<Option<Entry<'d, Self>>, Malformed> {
        let Some(entry) = self.next() else {
            return Ok(None);
        };
        let (key, content) = key_value(entry)?;
        Ok(Some((key, content.map_or(Ok(Value::Null), value)?)))
    }
}
