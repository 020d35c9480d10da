//! Which of a row's sources gave an attribute its value.
//!
//! Enters: the row's text in the mapping, such as "`userIdentity.onBehalfOf.userId`, else `.userId`", the value, the
//! record. Leaves: the one that applied, such as `userIdentity.userId`. What must hold: it names fields and shows no
//! value of the record, which could be secret.

use serde_json::Value;

/// The containers of fields, by which a name is known as a field that this record may lack.
const CONTAINERS: [&str; 6] = [
    "userIdentity",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "mcpEventDetails",
    "userAgent",
];

/// The source of a value. `from`: the row's text; `record`: `null` if it cannot be read.
pub(super) fn source(from: &str, value: &str, record: &Value) -> String {
    let alternatives = alternatives(from);
    let given = alternatives.iter().find_map(|one| one.gives(value, record));
    let there = || alternatives.iter().find(|one| one.is_in(record));
    let of_no_field = || alternatives.iter().find(|one| !one.names_a_field());
    given.unwrap_or_else(|| match there().or_else(of_no_field) {
        Some(one) => one.text(),
        None => from.replace('`', ""),
    })
}

/// One of several sources: words, and names of fields in backticks.
struct Alternative<'a> {
    words: &'a str,
    /// Each field as it stands, and with its container.
    fields: Vec<(&'a str, String)>,
    /// The last name of the first field of all.
    last: &'a str,
}

fn alternatives(from: &str) -> Vec<Alternative<'_>> {
    let (mut container, mut last) = ("", "");
    let split = from.split(", else").flat_map(|part| part.split("; else"));
    let read = split.map(|words| {
        let words = words.trim_start_matches([',', ' ']);
        let mut fields = Vec::new();
        for name in words
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_field(name))
        {
            let whole = match name.strip_prefix('.') {
                Some(inner) if CONTAINERS.contains(&container) => format!("{container}.{inner}"),
                // The end of a host's name.
                Some(_) => continue,
                None => {
                    container = name.split('.').next().unwrap_or_default();
                    name.to_owned()
                }
            };
            if last.is_empty() {
                last = name.rsplit('.').next().unwrap_or_default();
            }
            fields.push((name, whole));
        }
        Alternative {
            words,
            fields,
            last,
        }
    });
    read.collect()
}

fn is_field(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._*-".contains(c);
    !name.is_empty() && name.chars().all(is_part)
}

impl Alternative<'_> {
    /// The field of it that has this value, if one has.
    fn gives(&self, value: &str, record: &Value) -> Option<String> {
        let session_name = self.words.contains("session name");
        let arn = session_name.then(|| ("", "userIdentity.arn".to_owned()));
        self.fields.iter().chain(&arn).find_map(|(_, field)| {
            found(field, record).into_iter().find_map(|there| {
                let inner = there.get(self.last);
                match () {
                    () if is_text(there, value) => Some(field.clone()),
                    () if has_parts(field) && ends_with(there, value) => {
                        Some(format!("the last part of {field}"))
                    }
                    () if inner.is_some_and(|inner| is_text(inner, value)) => {
                        Some(format!("{field}.{}", self.last))
                    }
                    () => None,
                }
            })
        })
    }

    fn is_in(&self, record: &Value) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(_, field)| found(field, record).iter().any(|there| !there.is_null()))
    }

    fn names_a_field(&self) -> bool {
        let is_one = |(name, whole): &(&str, String)| {
            name.starts_with('.') || CONTAINERS.iter().any(|one| whole.starts_with(one))
        };
        self.fields.iter().any(is_one)
    }

    /// Its words, with whole names.
    fn text(&self) -> String {
        let mut text = self.words.to_owned();
        for (name, whole) in &self.fields {
            text = text.replacen(&format!("`{name}`"), whole, 1);
        }
        text.replace('`', "")
    }
}

/// What stands at a field's name; `*` is any name.
fn found<'v>(field: &str, record: &'v Value) -> Vec<&'v Value> {
    field.split('.').fold(vec![record], |at, name| {
        let below = at.into_iter().flat_map(|value| match (name, value) {
            ("*", Value::Object(members)) => members.values().collect(),
            (name, value) => value.get(name).into_iter().collect::<Vec<_>>(),
        });
        below.collect()
    })
}

/// Whether a row may take the last part of this field: of an ARN, of a principal's id.
fn has_parts(field: &str) -> bool {
    field.starts_with("userIdentity.")
}

fn is_text(there: &Value, value: &str) -> bool {
    match there {
        Value::String(text) => text == value,
        Value::Bool(flag) => value == if *flag { "true" } else { "false" },
        Value::Number(number) => value == number.to_string(),
        _ => false,
    }
}

fn ends_with(there: &Value, value: &str) -> bool {
    let text = there.as_str().unwrap_or_default();
    let before = text.strip_suffix(value).filter(|_| !value.is_empty());
    before.is_some_and(|before| before.ends_with(['/', ':']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_source_that_has_the_value_is_named() {
        let record = json!({
            "userIdentity": {"userId": "u-1", "arn": "arn:aws:sts::1:assumed-role/r/ana", "principalId": "AROA:ana"},
            "requestParameters": {"telemetryEvent": {"chat": {"conversationId": "c-1"}}, "state": {"modelId": "m"}},
            "mfa": "true", "eventSource": "s3.amazonaws.com",
        });
        let from = "`userIdentity.onBehalfOf.userId`, else an Identity Center user's `.userId`, else the assumed \
                    role's session name, else the last part of `.arn`";
        let conversation = "in own events: `requestParameters.conversationId`, else `.telemetryEvent.*.conversationId`";
        for (from, value, expected) in [
            (from, "u-1", "userIdentity.userId"),
            (from, "ana", "the last part of userIdentity.arn"),
            (
                conversation,
                "c-1",
                "requestParameters.telemetryEvent.*.conversationId",
            ),
            (
                "`requestParameters.modelId`, else that of `.state`",
                "m",
                "requestParameters.state.modelId",
            ),
            ("`mfa`, as a boolean", "true", "mfa"),
            (
                "the name that the `identities` file gives, else `userIdentity.userName`",
                "Ana",
                "the name that the identities file gives",
            ),
            (
                "`requestParameters.absent`, else the version in `mfa`",
                "7",
                "the version in mfa",
            ),
            (
                "`eventSource` without `.amazonaws.com`",
                "s3",
                "eventSource without .amazonaws.com",
            ),
            ("always `aws`", "aws", "always aws"),
        ] {
            assert_eq!(source(from, value, &record), expected, "{from}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_leaves_the_row() {
        let from = "`a.b`, else `userIdentity.c`";
        assert_eq!(source(from, "x", &Value::Null), "a.b");
        let from = "`userIdentity.b`, else `.c`";
        assert_eq!(source(from, "x", &Value::Null), "userIdentity.b, else .c");
    }

    #[test]
    fn no_row_lists_sources_for_a_value_that_one_of_them_has() {
        let mut tried = 0;
        for field in qtrail_core::convert::FIELDS {
            for alternative in alternatives(field.from) {
                for (_, path) in &alternative.fields {
                    let record = path
                        .rsplit('.')
                        .fold(json!("value"), |value, name| json!({name: value}));
                    let found = source(field.from, "value", &record);
                    assert!(!found.contains(", else"), "{}: {found}", field.name);
                    tried += 1;
                }
            }
        }
        assert!(tried > 80, "only {tried}");
    }
}
