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
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod walk;
mod work;

use super::Redaction;
use crate::envelope::json::Document;
use copies::{Copies, Secrets};
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
    let walk = |copies| Walk::new(rules, copies, document.text().len());
    let mut first = walk(None);
    let mut marks = first.record(document, &chosen);
    if marks.is_empty() {
        return Vec::new();
    }
    let mut secrets = first.secrets;
    spare_names(document, &marks, &mut secrets);
    if let Some(copies) = Copies::of(&secrets) {
        marks = walk(Some(&copies)).record(document, &chosen);
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
    let root = document.root();
    let mut hidden = marks.values.clone();
    hidden.sort_unstable();
    let is_hidden = |id: u32| {
        let before = hidden.partition_point(|value| *value <= id);
        before > 0 && root.with_id(hidden[before - 1]).end_id() > id
    };
    let filled = root.children().filter(|child| {
        child
            .raw_key()
            .is_some_and(|key| fields::is_filled(None, key))
    });
    for (_, text) in filled
        .flat_map(fields::texts)
        .filter(|(id, _)| !is_hidden(*id))
    {
        fields::parts(&text).for_each(|part| secrets.shown(part));
    }
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
