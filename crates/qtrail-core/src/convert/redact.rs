//! What must not leave the machine is marked in the document, so that no writer can read it.
//!
//! Enters: a parsed record and the user's [`Redaction`]. Leaves: the same record with its secrets
//! marked, and their JSON pointers. What must hold: a secret is known by its key (`keys`) or its
//! shape (`shapes`), in whatever encoding (`text`); its copies (`copies`) are hidden in free text,
//! but nothing hides who, where and which (`fields`); what somebody has hidden before keeps its
//! mark. The work for a record is bounded (`work`): where it ends, more is hidden, never less.

mod chosen;
mod copies;
mod fields;
mod keys;
mod marks;
mod quick;
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod walk;
mod work;

use super::Redaction;
use crate::json::{Document, Node};
use copies::{Copies, Patterns, Secrets};
use marks::Marks;
use walk::Walk;

/// The most bytes of pointers that are listed. A record can be made so that they would take many
/// times its own size; what is not listed any more is masked all the same.
const LISTED_BYTES: usize = 64 << 10;

/// Marks every value that `rules` wants masked, every secret, and their copies in free text. Returns
/// their JSON pointers, sorted, each once; those of the first [`LISTED_BYTES`], should they take
/// more.
pub(crate) fn redact(document: &mut Document<'_>, rules: &Redaction) -> Vec<String> {
    let chosen = chosen::pointed_at(document, rules);
    let mut first = Walk::new(rules, None);
    if chosen.is_empty() && !chosen::has_keys(rules) && first.is_plain(document) {
        return Vec::new();
    }
    first.secrets = Secrets::default();
    let mut marks = first.record(document, &chosen);
    if marks.is_empty() {
        return Vec::new();
    }
    marks.sort();
    let mut secrets = first.secrets;
    spare_names(document, &marks, &mut secrets);
    if let Some(patterns) = Patterns::of(&secrets)
        && shown(document, &marks).any(|text| patterns.may_be_in(text))
    {
        let copies = Copies::of(patterns);
        marks = Walk::new(rules, Some(&copies)).record(document, &chosen);
    }
    let nodes = marks.apply(document);
    let mut pointers = listed(document, nodes);
    pointers.sort_unstable();
    pointers.dedup();
    pointers
}

/// Forgets secrets that AWS's own fields show: a caller can put a person's name, a region or an
/// account into a tag called `password`.
fn spare_names(document: &Document<'_>, marks: &Marks, secrets: &mut Secrets) {
    if !secrets.may_be_shown() {
        return;
    }
    let filled = document.root().children().flat_map(fields::filled);
    for (id, text) in filled.flat_map(fields::texts) {
        if !marks.cover(document, id) {
            fields::parts(&text).for_each(|part| secrets.shown(part));
        }
    }
}

/// What a record shows of fields that AWS does not fill, as JSON.
fn shown<'d>(document: &'d Document<'_>, marks: &Marks) -> impl Iterator<Item = &'d str> {
    let root = document.root();
    let mut marked = marks
        .values
        .iter()
        .map(move |id| root.with_id(*id).span())
        .peekable();
    let fields = root.children().filter(|field| !is_filled(field));
    fields.flat_map(move |field| {
        let (mut start, end) = (field.entry_start(), field.span().end);
        let mut pieces = Vec::new();
        while let Some(value) = marked.next_if(|value| value.start < end) {
            if value.start >= start {
                pieces.push(&document.text()[start..value.start]);
                start = value.end;
            }
        }
        pieces.push(document.text().get(start..end).unwrap_or_default());
        pieces
    })
}

fn is_filled(field: &Node<'_>) -> bool {
    field.raw_key().is_some_and(fields::is_filled)
}

/// The JSON pointers of these nodes, whose numbers must rise; those of the first [`LISTED_BYTES`],
/// should they take more. What lies below one of them is left out.
pub(super) fn listed(document: &Document<'_>, nodes: impl IntoIterator<Item = u32>) -> Vec<String> {
    let mut pointers = Vec::new();
    let mut bytes = 0;
    document.pointers(nodes, |pointer| {
        bytes += pointer.len();
        let room = bytes <= LISTED_BYTES;
        if room {
            pointers.push(pointer.to_owned());
        }
        room
    });
    pointers
}
