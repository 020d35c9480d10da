//! `docs/config.schema.json`, the JSON Schema for editors, generated from the table of keys.
//! `UPDATE_DOCS=1 cargo test --lib config::schema` writes it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind};

const DOCS: &str = "https://github.com/qtrail/qtrail/blob/main/docs/";

/// The whole schema: draft 7, which editors support best.
fn schema() -> Value {
    let mut root = group();
    for name in keys::names() {
        let key = keys::find(&name).expect("the name is in the table");
        let mut group = &mut root;
        let mut words = name.split('.').peekable();
        while let Some(word) = words.next() {
            let slot = group["properties"].as_object_mut().unwrap().entry(word);
            group = match words.peek() {
                Some(_) => slot.or_insert_with(self::group),
                None => slot.or_insert_with(|| value(key)),
            };
        }
    }
    root["type"] = json!("object");
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["$id"] =
        json!("https://raw.githubusercontent.com/qtrail/qtrail/main/docs/config.schema.json");
    root["title"] = json!("qtrail configuration");
    root["definitions"] = json!({
        "reference": text(r"\$\{(env|file):"),
        "duration": text(r"^\s*([0-9]+\s*(ms|s|m|min|h|d)\s*)+$|\$\{env:"),
        "size": text(r"^\s*[0-9]+\s*([Kk]|[Bb]|[KkMmGg][Bb]|[KkMmGgTt][Ii][Bb])?\s*$|\$\{env:"),
        "url": text(r"^\s*https?://|\$\{env:"),
    });
    root
}

/// A group without keys yet. An empty group in YAML is null.
fn group() -> Value {
    json!({"type": ["object", "null"], "additionalProperties": false, "properties": {}})
}

fn value(key: &Key) -> Value {
    let mut value = values(key.kind);
    value["description"] = json!(key.help.replace("](", &format!("]({DOCS}")));
    if !key.default.is_empty() {
        value["default"] = match key.kind {
            Kind::Bool | Kind::Count(_) => key.default.parse().unwrap(),
            Kind::List | Kind::Choices(_) => key.default.split(", ").collect(),
            _ => json!(key.default),
        };
    }
    value
}

/// The values of a kind. `${env:NAME}` stands for each of them.
fn values(kind: Kind) -> Value {
    let reference = json!({"$ref": "#/definitions/reference"});
    match kind {
        Kind::Text | Kind::Secret | Kind::Path | Kind::Address | Kind::Listen(_) => {
            json!({"type": "string"})
        }
        Kind::Bool => json!({"anyOf": [{"type": "boolean"}, reference]}),
        Kind::Count(least) => json!({"anyOf": [{"type": "integer", "minimum": least}, reference]}),
        Kind::Duration => json!({"$ref": "#/definitions/duration"}),
        Kind::Size => {
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/definitions/size"}]})
        }
        Kind::Url => json!({"$ref": "#/definitions/url"}),
        Kind::Choice(words) => json!({"anyOf": [{"enum": words}, reference]}),
        Kind::Variant(words) => variant(words),
        Kind::List => one_or_more(json!({"type": "string"})),
        Kind::Choices(words) => one_or_more(json!({"anyOf": [{"enum": words}, reference]})),
        Kind::Map | Kind::Secrets => {
            json!({"type": "object", "additionalProperties": {"type": ["string", "integer", "number", "boolean", "null"]}})
        }
    }
}

/// Words, and for `move: DIR` a map with one key or a text.
fn variant(words: &[&str]) -> Value {
    let mut any = vec![json!({"$ref": "#/definitions/reference"})];
    for word in words {
        match word.split_once(':') {
            None => any.push(json!({"const": word})),
            Some((name, _)) => {
                any.push(text(&format!("^{name}:")));
                let properties = Map::from_iter([(name.to_owned(), json!({"type": "string"}))]);
                any.push(
                    json!({"type": "object", "properties": properties, "required": [name],
                    "additionalProperties": false}),
                );
            }
        }
    }
    json!({"anyOf": any})
}

fn one_or_more(item: Value) -> Value {
    json!({"anyOf": [{"type": "array", "items": item}, item]})
}

fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_schema_is_generated_from_the_table() {
    let path = file("docs/config.schema.json");
    let made = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/config.schema.json differs from src/config/keys.rs: UPDATE_DOCS=1 cargo test --lib config::schema"
    );
}

#[test]
fn the_schema_accepts_the_example_and_its_commented_lines() {
    let example = super::docs::example();
    assert!(example.starts_with("# yaml-language-server: $schema=../docs/config.schema.json\n"));
    for yaml in [&example, &super::docs::uncommented(&example)] {
        assert!(accepts(&yaml_value(yaml)), "{yaml}");
    }
}

#[test]
fn the_schema_accepts_each_default_and_rejects_misspelt_keys_and_wrong_values() {
    for key in super::keys::KEYS {
        let file = |name: &str, value: Value| {
            let nest = |value, word: &str| json!({ word: value });
            name.rsplit('.').fold(value, nest)
        };
        let default = value(key)["default"].take();
        let accepted = default.is_null() || accepts(&file(key.name, default));
        assert!(accepted, "{}", key.name);
        let misspelt = format!("{}x", key.name);
        assert!(!accepts(&file(&misspelt, json!("a"))), "{misspelt}");
        assert!(
            !accepts(&file(key.name, json!([{"a": [1]}]))),
            "{}",
            key.name
        );
    }
    for (yaml, expected) in [
        ("export:", true),
        (
            "export: {timeout: 1m 30s, batch: {bytes: 4 mib}, headers: {a: 1}}",
            true,
        ),
        (
            "limits: {depth: '${env:DEPTH:-64}', memory: 134217728}",
            true,
        ),
        (
            "directory: {after: {move: /done}, start: 'since: 2026-01-31T00:00:00Z', poll: true}",
            true,
        ),
        ("signals: logs", true),
        ("signals: [logs, traces]", true),
        ("export: {logs: {endpoint: http://x:1}}", true),
        ("export: {logs: {batch: {events: 1}}}", false),
        ("export: {timeout: 5}", false),
        ("export: {timeout: 5M}", false),
        ("export: {endpoint: 'otel:4317'}", false),
        ("export: {protocol: smoke}", false),
        ("limits: {depth: 3}", false),
        ("limits: {memory: 5 parsecs}", false),
        ("directory: {after: {copy: /done}}", false),
        ("directory: {poll: maybe}", false),
        ("signals: [metrics]", false),
        ("state: {a: b}", false),
    ] {
        assert_eq!(accepts(&yaml_value(yaml)), expected, "{yaml}");
    }
}

fn yaml_value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}

fn accepts(value: &Value) -> bool {
    let root = schema();
    is_valid(value, &root, &root)
}

/// Validates with the keywords that the schema uses.
fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    let rules = schema.as_object().unwrap();
    rules.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$ref" => {
            let pointer = rule.as_str().unwrap().trim_start_matches('#');
            is_valid(value, root.pointer(pointer).unwrap(), root)
        }
        "anyOf" => rule
            .as_array()
            .unwrap()
            .iter()
            .any(|s| is_valid(value, s, root)),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|name| name == type_of(value)),
            name => name == type_of(value),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "minimum" => value.as_u64().is_none_or(|n| n >= rule.as_u64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| {
            regex_lite::Regex::new(rule.as_str().unwrap())
                .unwrap()
                .is_match(text)
        }),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|i| is_valid(i, rule, root))),
        "required" => rule
            .as_array()
            .unwrap()
            .iter()
            .all(|name| value.get(name.as_str().unwrap()).is_some()),
        "properties" | "additionalProperties" => value.as_object().is_none_or(|map| {
            map.iter().all(
                |(name, value)| match (schema["properties"].get(name), rule) {
                    (Some(property), _) => is_valid(value, property, root),
                    (None, Value::Bool(allowed)) => *allowed,
                    (None, more) if keyword == "additionalProperties" => {
                        is_valid(value, more, root)
                    }
                    (None, _) => true,
                },
            )
        }),
        "description" | "default" | "title" | "definitions" | "$schema" | "$id" => true,
        other => panic!("{other} is not known"),
    })
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
