//! Classic event selectors as advanced ones.
//!
//! A trail has selectors of one sort, and classic ones know no resource types of agents. What must hold: the advanced
//! ones select what the classic ones do, except that management events have one selector, which may select more.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{ARN, CATEGORY, Field, READ_ONLY, SOURCE, Selector, TYPE, list};

/// A classic event selector.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Classic {
    read_write_type: Option<String>,
    include_management_events: Option<bool>,
    #[serde(deserialize_with = "list", default)]
    data_resources: Vec<Resources>,
    #[serde(deserialize_with = "list", default)]
    exclude_management_event_sources: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resources {
    r#type: String,
    #[serde(deserialize_with = "list", default)]
    values: Vec<String>,
}

/// The advanced selectors that select what classic ones do. Management events get one.
pub(super) fn advanced(classic: &[Classic]) -> Vec<Selector> {
    let with_management = |c: &&Classic| c.include_management_events.unwrap_or(true);
    let management: Vec<_> = classic.iter().filter(with_management).collect();
    let mut selectors = Vec::new();
    if !management.is_empty() {
        let mut fields = vec![Field::equals(CATEGORY, "Management")];
        let accesses: BTreeSet<_> = management
            .iter()
            .map(|classic| classic.read_only())
            .collect();
        if let [Some(only)] = Vec::from_iter(accesses)[..] {
            fields.push(Field::equals(READ_ONLY, only));
        }
        let excluded =
            |c: &&Classic| BTreeSet::from_iter(c.exclude_management_event_sources.clone());
        let excluded = management
            .iter()
            .map(excluded)
            .reduce(|all, more| &all & &more);
        let excluded = Vec::from_iter(excluded.unwrap_or_default());
        if !excluded.is_empty() {
            fields.push(Field {
                field: SOURCE.to_owned(),
                not_equals: excluded,
                ..Field::default()
            });
        }
        selectors.push(Selector::new("Management events", fields));
    }
    for classic in classic {
        let resources = classic
            .data_resources
            .iter()
            .filter(|r| !r.values.is_empty());
        selectors.extend(resources.map(|resources| data_of(classic, resources)));
    }
    selectors
}

/// The selector for the resources of one type.
fn data_of(classic: &Classic, resources: &Resources) -> Selector {
    let kind = &resources.r#type;
    let mut fields = vec![Field::equals(CATEGORY, "Data"), Field::equals(TYPE, kind)];
    if let Some(only) = classic.read_only() {
        fields.push(Field::equals(READ_ONLY, only));
    }
    if !resources.values.iter().any(|arn| is_all(arn)) {
        let values = resources.values.clone();
        let mut field = Field {
            field: ARN.to_owned(),
            ..Field::default()
        };
        match kind.as_str() {
            "AWS::Lambda::Function" | "AWS::DynamoDB::Table" => field.equals = values,
            // The ARN of a bucket, and the beginning of a key.
            _ => drop(field.other.insert("StartsWith".to_owned(), values.into())),
        }
        fields.push(field);
    }
    Selector::new(kind, fields)
}

/// Whether an ARN is of all resources of a service: `arn:aws:s3`, `arn:aws:s3:::`, `arn:aws:lambda`.
fn is_all(arn: &str) -> bool {
    arn.split(':').skip(3).all(str::is_empty)
}

impl Classic {
    /// The value of `readOnly`, if it selects one of both.
    fn read_only(&self) -> Option<&'static str> {
        match self.read_write_type.as_deref() {
            Some("ReadOnly") => Some("true"),
            Some("WriteOnly") => Some("false"),
            _ => None,
        }
    }
}
