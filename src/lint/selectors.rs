//! What a trail selects.
//!
//! Enters: classic and advanced event selectors. Leaves: advanced ones that select the same, what they cover, and
//! the same with what is missing. What must hold: what was selected before is selected after; a field or an operator
//! that is not known here stays, and counts as one that narrows.

mod classic;

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use self::classic::{Classic, advanced};

/// An advanced event selector: an event matches it if it meets all fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Selector {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(deserialize_with = "list", default)]
    field_selectors: Vec<Field>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A condition on one field of an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Field {
    field: String,
    #[serde(
        deserialize_with = "list",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    equals: Vec<String>,
    #[serde(
        deserialize_with = "list",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    not_equals: Vec<String>,
    /// `StartsWith` and others.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A list that may be `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// The fields of GetEventSelectors' answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(deserialize_with = "list", default)]
    event_selectors: Vec<Classic>,
    #[serde(deserialize_with = "list", default)]
    advanced_event_selectors: Vec<Selector>,
}

/// The selectors of an answer of GetEventSelectors. A trail without any has those that AWS gives to a new one.
///
/// # Errors
/// It has another shape.
pub(super) fn read(answer: &Value) -> serde_json::Result<Vec<Selector>> {
    let answer = Answer::deserialize(answer)?;
    Ok(match answer {
        Answer {
            advanced_event_selectors: advanced,
            ..
        } if !advanced.is_empty() => advanced,
        Answer {
            event_selectors: classic,
            ..
        } if classic.is_empty() => advanced(&[Classic::default()]),
        Answer {
            event_selectors: classic,
            ..
        } => advanced(&classic),
    })
}

const CATEGORY: &str = "eventCategory";
const READ_ONLY: &str = "readOnly";
const SOURCE: &str = "eventSource";
const TYPE: &str = "resources.type";
const ARN: &str = "resources.ARN";

impl Field {
    fn equals(field: &str, value: &str) -> Field {
        Field {
            field: field.to_owned(),
            equals: vec![value.to_owned()],
            ..Field::default()
        }
    }

    /// In words: `eventName NotEquals ["SendTelemetryEvent"]`.
    fn shown(&self) -> String {
        let known = [("Equals", &self.equals), ("NotEquals", &self.not_equals)];
        let known = known.into_iter().filter(|(_, values)| !values.is_empty());
        let known = known.map(|(name, values)| (name.to_owned(), Value::from(values.clone())));
        let other = self.other.iter().filter(|(_, value)| !value.is_null());
        let other = other.map(|(name, value)| (name.clone(), value.clone()));
        let all = known
            .chain(other)
            .map(|(name, value)| format!("{name} {value}"));
        format!("{} {}", self.field, all.collect::<Vec<_>>().join(" "))
    }

    fn has_other(&self) -> bool {
        self.other.values().any(|value| !value.is_null())
    }
}

/// What selectors cover of some events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    /// Calls that read: the event sources that are left out. `None`: no call.
    pub(super) reads: Option<BTreeSet<String>>,
    /// Calls that write, likewise.
    pub(super) writes: Option<BTreeSet<String>>,
    /// The conditions of selectors that cover only a part.
    pub(super) narrowed: Vec<String>,
}

impl Coverage {
    pub(super) fn is_whole(&self) -> bool {
        self.reads.is_some() && self.writes.is_some()
    }

    pub(super) fn is_none(&self) -> bool {
        self.reads.is_none() && self.writes.is_none() && self.narrowed.is_empty()
    }

    /// The event sources that are left out.
    pub(super) fn excluded(&self) -> BTreeSet<String> {
        let accesses = [&self.reads, &self.writes].into_iter().flatten();
        accesses.flatten().cloned().collect()
    }

    /// Adds a selector for these events with further fields.
    fn add(&mut self, fields: &[&Field]) {
        let (mut reads, mut writes, mut excluded) = (true, true, BTreeSet::new());
        let mut narrowing = Vec::new();
        for field in fields {
            match field.field.as_str() {
                READ_ONLY if field.not_equals.is_empty() && !field.has_other() => {
                    let has = |value: &str| field.equals.iter().any(|own| own == value);
                    (reads, writes) = (reads && has("true"), writes && has("false"));
                }
                SOURCE if field.equals.is_empty() && !field.has_other() => {
                    excluded.extend(field.not_equals.iter().cloned());
                }
                _ => narrowing.push(field.shown()),
            }
        }
        if !narrowing.is_empty() {
            self.narrowed.push(narrowing.join(", "));
            return;
        }
        for (covers, access) in [(reads, &mut self.reads), (writes, &mut self.writes)] {
            if covers {
                *access = Some(match access.take() {
                    Some(before) => &before & &excluded,
                    None => excluded.clone(),
                });
            }
        }
    }
}

/// What selectors cover of management events.
pub(super) fn management<'s>(selectors: impl Iterator<Item = &'s Selector>) -> Coverage {
    covered(selectors.filter_map(|selector| selector.fields_beside("Management", None)))
}

/// What selectors cover of the data events of a resource type.
pub(super) fn data<'s>(selectors: impl Iterator<Item = &'s Selector>, kind: &str) -> Coverage {
    covered(selectors.filter_map(|selector| selector.fields_beside("Data", Some(kind))))
}

fn covered<'s>(all: impl Iterator<Item = Vec<&'s Field>>) -> Coverage {
    let mut coverage = Coverage::default();
    for fields in all {
        coverage.add(&fields);
    }
    coverage
}

impl Selector {
    fn new(name: &str, field_selectors: Vec<Field>) -> Selector {
        Selector {
            name: Some(name.to_owned()),
            field_selectors,
            other: Map::new(),
        }
    }

    fn of_management() -> Selector {
        Selector::new(
            "Management events",
            vec![Field::equals(CATEGORY, "Management")],
        )
    }

    fn of_data(kind: &str) -> Selector {
        let fields = vec![Field::equals(CATEGORY, "Data"), Field::equals(TYPE, kind)];
        Selector::new(kind, fields)
    }

    /// The fields beside those that select events of a category, and of a resource type; `None` if it selects others.
    fn fields_beside(&self, category: &str, kind: Option<&str>) -> Option<Vec<&Field>> {
        let (mut is_of_category, mut is_of_kind) = (false, kind.is_none());
        let mut rest = Vec::new();
        for field in &self.field_selectors {
            let has = |value: &str| field.equals.iter().any(|own| own == value);
            match (field.field.as_str(), kind) {
                (CATEGORY, _) => is_of_category = has(category),
                (TYPE, Some(kind)) => is_of_kind = has(kind),
                _ => rest.push(field),
            }
        }
        (is_of_category && is_of_kind).then_some(rest)
    }
}

/// The selectors, with what is missing: with `widen` both accesses of management events; these resource types; these
/// event sources, if they were excluded.
pub(super) fn mended(
    selectors: &[Selector],
    widen: bool,
    types: &[&str],
    sources: &BTreeSet<String>,
) -> Vec<Selector> {
    let mut selectors = selectors.to_vec();
    if widen {
        let has_one_access = |selector: &&mut Selector| {
            let coverage = management(std::iter::once(&**selector));
            coverage.reads.is_some() || coverage.writes.is_some()
        };
        match selectors.iter_mut().find(has_one_access) {
            Some(selector) => selector
                .field_selectors
                .retain(|field| field.field != READ_ONLY),
            None => selectors.push(Selector::of_management()),
        }
    }
    if !sources.is_empty() {
        selectors
            .iter_mut()
            .for_each(|selector| selector.include(sources));
    }
    selectors.extend(types.iter().map(|kind| Selector::of_data(kind)));
    selectors
}

impl Selector {
    /// Excludes these event sources no longer.
    fn include(&mut self, sources: &BTreeSet<String>) {
        if self.fields_beside("Management", None).is_none() {
            return;
        }
        self.field_selectors.retain_mut(|field| {
            field
                .not_equals
                .retain(|source| field.field != SOURCE || !sources.contains(source));
            field.field != SOURCE
                || !field.equals.is_empty()
                || !field.not_equals.is_empty()
                || field.has_other()
        });
    }
}
