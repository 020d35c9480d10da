//! Redaction: marks on nodes, texts that replace strings, and the JSON text that results.

use std::borrow::Cow;
use std::ops::Range;

use super::{Document, KEY_REDACTED, Node, Slot, TEXT_REPLACED, Type, VALUE_REDACTED};

/// What a redacted value reads as.
pub const REDACTED: &str = "[REDACTED]";

/// [`REDACTED`] as JSON text.
const REDACTED_JSON: &str = "\"[REDACTED]\"";

impl<'a> Document<'a> {
    /// Marks a value, and with it all below it, as redacted. A number that is no node's is ignored.
    pub fn redact(&mut self, node: u32) {
        self.hides = true;
        let Some(slot) = self.slots.get(node as usize) else {
            return;
        };
        let below = node as usize..slot.next as usize;
        for slot in &mut self.slots[below] {
            slot.flags |= VALUE_REDACTED;
        }
    }

    /// Marks a value's key as redacted: it reads as [`REDACTED`] too.
    pub fn redact_key(&mut self, node: u32) {
        self.hides = true;
        if let Some(slot) = self.slots.get_mut(node as usize)
            && slot.key_start > 0
        {
            slot.flags |= KEY_REDACTED;
        }
    }

    /// Replaces strings by texts; the numbers of the nodes must rise. Undoes an earlier call; nodes that are
    /// no strings are ignored.
    pub fn replace(&mut self, texts: Vec<(u32, String)>) {
        self.hides = true;
        for (node, _) in &texts {
            if let Some(slot) = self.slots.get_mut(*node as usize)
                && slot.kind == Type::String
            {
                slot.flags |= TEXT_REPLACED;
            }
        }
        self.replaced = texts;
    }

    /// Whether anything in it is hidden.
    pub(crate) fn hides(&self) -> bool {
        self.hides
    }

    /// The text with every redacted value replaced; borrowed where nothing is redacted.
    pub fn redacted_text(&self) -> Cow<'a, str> {
        self.splice(0, self.slots.len(), 0..self.text.len())
    }

    /// A range of the text, in which these slots lie, with what is redacted replaced.
    fn splice(&self, first: usize, end: usize, range: Range<usize>) -> Cow<'a, str> {
        const HIDDEN: u8 = VALUE_REDACTED | KEY_REDACTED | TEXT_REPLACED;
        let hidden = |slot: &Slot| slot.flags & HIDDEN != 0;
        let mut slots = self.slots[first..end].iter();
        let Some(skipped) = self.hides.then(|| slots.position(hidden)).flatten() else {
            return Cow::Borrowed(&self.text[range]);
        };
        let mut out = String::with_capacity(range.len());
        let mut copied = range.start;
        let mut index = first + skipped;
        while index < end {
            let slot = &self.slots[index];
            // The first slot's own key may stand before the range.
            if slot.flags & KEY_REDACTED != 0 && slot.key_start as usize > copied {
                out.push_str(&self.text[copied..slot.key_start as usize]);
                out.push_str(REDACTED);
                copied = slot.key_end as usize;
            }
            if slot.flags & (VALUE_REDACTED | TEXT_REPLACED) != 0 {
                out.push_str(&self.text[copied..slot.start as usize]);
                out.push_str(&self.node(index as u32).hidden_json());
                copied = slot.end as usize;
                index = slot.next as usize;
            } else {
                index += 1;
            }
        }
        out.push_str(&self.text[copied..range.end]);
        Cow::Owned(out)
    }
}

impl<'d> Node<'d> {
    /// Whether it is redacted.
    pub fn is_redacted(self) -> bool {
        self.slot().flags & VALUE_REDACTED != 0
    }

    /// The value's own JSON text, with what is redacted in it replaced.
    pub fn redacted_text(self) -> Cow<'d, str> {
        let (first, end) = (self.index as usize, self.end_id() as usize);
        self.document.splice(first, end, self.span())
    }

    /// What the value reads as, where it does not read as itself.
    pub(super) fn hidden(self) -> Option<&'d str> {
        match self.slot().flags & (VALUE_REDACTED | TEXT_REPLACED) {
            0 => None,
            TEXT_REPLACED => {
                let replaced = &self.document.replaced;
                let found = replaced.binary_search_by_key(&self.index, |(node, _)| *node);
                // A mark without its text hides the value all the same.
                Some(found.map_or(REDACTED, |at| &replaced[at].1))
            }
            _ => Some(REDACTED),
        }
    }

    /// The same as JSON text.
    fn hidden_json(self) -> Cow<'static, str> {
        match self.hidden() {
            Some(text) if !self.is_redacted() => {
                // Writing a string to memory cannot fail.
                Cow::Owned(serde_json::to_string(text).unwrap_or_else(|_| REDACTED_JSON.to_owned()))
            }
            _ => Cow::Borrowed(REDACTED_JSON),
        }
    }
}
