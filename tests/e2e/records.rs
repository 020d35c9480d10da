//! What arrived, in one form: each log record and span by itself, with its resource and scope.
//!
//! Enters: OTLP JSON lines, however they group their records. Leaves: records that are equal exactly when
//! they say the same thing. What must hold: only grouping, order and the ways of writing a default are
//! levelled; the type of every value stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A log record or a span of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    Log,
    Span,
}

/// Records by event id and signal; repeats beside each other.
pub(crate) type Records = BTreeMap<(String, Signal), Vec<Value>>;

/// Each record once.
pub(crate) type Distinct = BTreeMap<(String, Signal), Value>;

/// Takes OTLP JSON lines apart.
pub(crate) fn records<'a>(lines: impl IntoIterator<Item = &'a str>) -> Records {
    let mut records = Records::new();
    for line in lines {
        let request: Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("not OTLP JSON ({e}): {line}"));
        let parts = [
            (Signal::Log, "resourceLogs", "scopeLogs", "logRecords"),
            (Signal::Span, "resourceSpans", "scopeSpans", "spans"),
        ];
        for (signal, resources, scopes, items) in parts {
            for resource in list(&request, resources) {
                for scope in list(resource, scopes) {
                    for item in list(scope, items) {
                        let record = record(resource, scope, item);
                        let id = record["attributes"]["aws.cloudtrail.event_id"].as_str();
                        let id = id
                            .unwrap_or_else(|| panic!("no event id: {record:#}"))
                            .to_owned();
                        records.entry((id, signal)).or_default().push(record);
                    }
                }
            }
        }
    }
    records
}

/// Each record once. Panics when repeats of an event differ.
pub(crate) fn once(records: Records) -> Distinct {
    let single = |(key, mut repeats): (_, Vec<Value>)| {
        let record = repeats.pop().expect("at least one");
        for repeat in repeats {
            assert_same(&format!("a repeat of {key:?}"), &record, &repeat);
        }
        (key, record)
    };
    records.into_iter().map(single).collect()
}

/// Panics with each difference on a line of its own.
pub(crate) fn assert_same(what: &str, expected: &Value, actual: &Value) {
    let mut differences = Vec::new();
    differ("", Some(expected), Some(actual), &mut differences);
    assert!(
        differences.is_empty(),
        "{what}:\n  {}",
        differences.join("\n  ")
    );
}

fn differ(path: &str, expected: Option<&Value>, actual: Option<&Value>, out: &mut Vec<String>) {
    match (expected, actual) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                differ(&format!("{path}/{key}"), a.get(key), b.get(key), out);
            }
        }
        (Some(a), Some(b)) if a == b => {}
        (Some(a), Some(b)) => out.push(format!("{path}: expected {a}, came {b}")),
        (Some(a), None) => out.push(format!("{path}: expected {a}, did not come")),
        (None, Some(b)) => out.push(format!("{path}: not expected, came {b}")),
        (None, None) => {}
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn record(resource: &Value, scope: &Value, item: &Value) -> Value {
    let mut record = message(item);
    let mut scope_fields = scope.get("scope").map_or_else(Map::new, message);
    insert_unless_default(&mut scope_fields, "schemaUrl", scope.get("schemaUrl"));
    let mut resource_fields = resource.get("resource").map_or_else(Map::new, message);
    insert_unless_default(&mut resource_fields, "schemaUrl", resource.get("schemaUrl"));
    record.insert("scope".into(), Value::Object(scope_fields));
    record.insert("resource".into(), Value::Object(resource_fields));
    Value::Object(record)
}

/// A message's fields: defaults left out, attributes and bodies as plain values.
fn message(value: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, field) in value.as_object().expect("a message is an object") {
        let field = match (name.as_str(), field) {
            ("attributes", _) => Value::Object(attributes(field)),
            ("body", _) => plain(field),
            (_, Value::Object(_)) => Value::Object(message(field)),
            (_, Value::Array(items)) => items
                .iter()
                .map(|item| Value::Object(message(item)))
                .collect(),
            // 64-bit numbers may be written either way.
            (name, Value::Number(number)) if name.ends_with("UnixNano") => {
                Value::String(number.to_string())
            }
            _ => field.clone(),
        };
        insert_unless_default(&mut fields, name, Some(&field));
    }
    fields
}

fn insert_unless_default(fields: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    let is_default = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || (name.ends_with("UnixNano") && text == "0"),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    // An empty body is not an absent one.
    if let Some(value) = value.filter(|value| name == "body" || !is_default(value)) {
        fields.insert(name.to_owned(), value.clone());
    }
}

fn attributes(list: &Value) -> Map<String, Value> {
    let mut attributes = Map::new();
    for pair in list.as_array().expect("attributes are a list") {
        let key = pair["key"].as_str().expect("a key is text").to_owned();
        let before = attributes.insert(key.clone(), plain(&pair["value"]));
        assert!(before.is_none(), "the attribute {key} twice");
    }
    attributes
}

/// An `AnyValue` as the JSON value that a reader would write by hand; a double keeps its point.
fn plain(any: &Value) -> Value {
    let any = any
        .as_object()
        .unwrap_or_else(|| panic!("not a value: {any}"));
    let Some((kind, value)) = any.iter().next() else {
        return Value::Null;
    };
    match kind.as_str() {
        "stringValue" | "boolValue" => value.clone(),
        "intValue" => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            number
                .unwrap_or_else(|| panic!("not an integer: {value}"))
                .into()
        }
        "doubleValue" => value
            .as_f64()
            .unwrap_or_else(|| panic!("not a double: {value}"))
            .into(),
        "arrayValue" => list(value, "values").iter().map(plain).collect(),
        "kvlistValue" => Value::Object(value.get("values").map_or_else(Map::new, attributes)),
        other => panic!("an unexpected {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(resources: &str) -> String {
        format!(r#"{{"resourceLogs":[{resources}]}}"#)
    }

    fn log(id: &str, rest: &str) -> String {
        format!(
            r#"{{"attributes":[{{"key":"aws.cloudtrail.event_id","value":{{"stringValue":"{id}"}}}}{rest}]}}"#
        )
    }

    fn resource(logs: &str) -> String {
        format!(
            r#"{{"resource":{{}},"scopeLogs":[{{"scope":{{"name":"s"}},"logRecords":[{logs}]}}]}}"#
        )
    }

    #[test]
    fn grouping_does_not_matter() {
        let together = line(&resource(&format!("{},{}", log("a", ""), log("b", ""))));
        let apart = [
            line(&resource(&log("b", ""))),
            line(&resource(&log("a", ""))),
        ];
        let apart = records(apart.iter().map(String::as_str));
        assert_eq!(records([together.as_str()]), apart);
        assert_eq!(apart.len(), 2);
    }

    #[test]
    fn a_number_keeps_its_type() {
        let with = |value: &str| {
            let rest = format!(r#",{{"key":"n","value":{value}}}"#);
            once(records([line(&resource(&log("a", &rest))).as_str()]))
        };
        assert_eq!(with(r#"{"intValue":"1"}"#), with(r#"{"intValue":1}"#));
        assert_eq!(with(r#"{"doubleValue":1}"#), with(r#"{"doubleValue":1.0}"#));
        assert_ne!(with(r#"{"intValue":"1"}"#), with(r#"{"doubleValue":1}"#));
        assert_ne!(with(r#"{"intValue":"1"}"#), with(r#"{"stringValue":"1"}"#));
    }

    #[test]
    #[should_panic(expected = "/attributes/x: not expected, came true")]
    fn repeats_that_differ_are_seen() {
        let repeat = log("a", r#",{"key":"x","value":{"boolValue":true}}"#);
        let lines = [line(&resource(&repeat)), line(&resource(&log("a", "")))];
        once(records(lines.iter().map(String::as_str)));
    }

    #[test]
    #[should_panic(expected = "the attribute aws.cloudtrail.event_id twice")]
    fn an_attribute_said_twice_is_seen() {
        let rest = r#",{"key":"aws.cloudtrail.event_id","value":{"stringValue":"b"}}"#;
        records([line(&resource(&log("a", rest))).as_str()]);
    }
}
