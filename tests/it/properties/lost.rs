//! Without a body, each value of a record is in some attribute.

use std::collections::HashSet;

use qtrail_core::convert::Body;
use serde_json::Value;

use super::*;

/// The scalars of a record that say something, each with its JSON pointer.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(item, &format!("{pointer}/{key}"), found);
            }
        }
        scalar => found.push((pointer.to_owned(), scalar.clone())),
    }
}

/// The scalars of an attribute.
fn said(value: &AnyValue, found: &mut HashSet<String>) {
    match &value.value {
        Some(any_value::Value::ArrayValue(array)) => {
            array.values.iter().for_each(|value| said(value, found));
        }
        Some(any_value::Value::KvlistValue(map)) => {
            let values = map.values.iter().filter_map(|entry| entry.value.as_ref());
            values.for_each(|value| said(value, found));
        }
        _ => found.extend(scalar(value)),
    }
}

/// Whether a scalar was said, as it is or in the form that the mapping gives it.
fn is_said(pointer: &str, leaf: &Value, said: &HashSet<String>) -> bool {
    let text = match leaf {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    said.contains(&text)
        // Times are in the head.
        || pointer == "/eventTime"
        // `TLSv1.3` is said as `1.3`.
        || pointer.starts_with("/tlsDetails") && said.contains(text.trim_start_matches("TLSv"))
        // `"True"` is said as a boolean.
        || said.contains(&text.to_lowercase()) && text.eq_ignore_ascii_case("true")
        || said.contains(&text.to_lowercase()) && text.eq_ignore_ascii_case("false")
        // An integer beyond 64 bits is said as its text, and is here but a near number.
        || leaf.is_f64() && said.iter().any(|said| is_near(leaf, said))
        // What nests deep is said as JSON text.
        || pointer.matches('/').count() > 20 && said.iter().any(|said| said.contains(&text))
}

fn is_near(leaf: &Value, said: &str) -> bool {
    match (leaf.as_f64(), said.parse::<f64>()) {
        (Some(number), Ok(said)) => (number - said).abs() <= number.abs() * 1e-15,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn without_a_body_each_value_is_in_an_attribute(records in trail()) {
        let options = Options { body: Body::None, ..Options::default() };
        let conversion = conversion(Select::All, options);
        for record in &records {
            let Some((log, _)) = run(record.as_bytes(), &conversion).events.pop() else {
                continue;
            };
            let (resource, log) = log_of(&log);
            prop_assert_eq!(&log.body, &None);
            let (mut found, mut redacted) = (HashSet::new(), HashSet::new());
            for attribute in resource.iter().chain(&log.attributes) {
                let value = attribute.value.as_ref().unwrap();
                said(value, if attribute.key == "qtrail.redacted" { &mut redacted } else { &mut found });
            }
            let record: Value = serde_json::from_str(&lone(record)).unwrap();
            let mut all = Vec::new();
            leaves(&record, "", &mut all);
            prop_assert!(!all.is_empty());
            for (pointer, leaf) in all {
                let hidden = redacted.iter().any(|hidden| pointer.starts_with(hidden.as_str()));
                prop_assert!(hidden || is_said(&pointer, &leaf, &found), "{} = {} of {}\nis not in {:?}", pointer, leaf, record, log);
            }
        }
    }
}

/// With a lone surrogate replaced, which `serde_json` refuses.
fn lone(record: &str) -> String {
    record.replace(r"cut \ud83d", "cut \u{fffd}")
}
