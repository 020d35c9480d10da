//! Marks secrets in the parsed record, so that no sink can read them.
//!
//! Enters: a parsed record and the user's [`Redaction`]. Leaves: the same record with its secrets
//! marked, and their JSON pointers. What must hold: a secret is recognized by its key (`keys`) or its
//! shape (`shapes`), in any encoding (`text`). Its copies are hidden in free text (`copies`), but never
//! in the fields that say who called what and where (`fields`, `mask_scope`). A value that is already
//! masked keeps its mask. The work per record is bounded (`work`); a record that exceeds the bound has
//! more hidden, never less.

mod chosen;
mod copies;
mod fields;
mod keys;
mod marks;
mod mask_scope;
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

/// Limit on the bytes of listed pointers, because a hostile record could make them take many times its
/// own size. Values beyond the limit are masked too.
const LISTED_BYTES: usize = 64 << 10;

/// Marks every value that `rules` names, every secret, and their copies in free text. Returns their JSON
/// pointers, sorted and without duplicates, up to [`LISTED_BYTES`].
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

/// Removes secrets that AWS's own fields show: a caller can put a person's name, a region or an account
/// into a tag called `password`.
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

/// The unmarked JSON of the fields that AWS does not fill.
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

/// The JSON pointers of these nodes, whose ids must be ascending, up to [`LISTED_BYTES`]. A node inside
/// another listed one is left out.
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
