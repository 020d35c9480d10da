//! One JSON text as a flat list of nodes that point into it.
//!
//! Enters: a text. Leaves: a [`Document`]. What must hold: no recursion, one allocation for the
//! nodes; a key that occurs twice counts with its last value; a lone surrogate escape reads as
//! U+FFFD; a number keeps its own text; a node marked as redacted reads as [`REDACTED`] by every
//! accessor but [`Node::raw`], and one with a replaced text as that text, so that no writer can leak
//! it.

mod number;
mod parse;
mod pointer;
mod redaction;
mod special;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use crate::reject::Reason;

pub(crate) use number::Number;
pub use redaction::REDACTED;
pub(crate) use string::{find_special, is_space, unescape_bytes, unescape_leniently};

/// A parsed JSON text.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    text: &'a str,
    /// In the order of the text, a container before its content; never empty.
    slots: Vec<Slot>,
    /// Texts in the place of strings, by the number of their node, which rises.
    replaced: Vec<(u32, String)>,
    /// Whether a value, a key or a text of a string is hidden.
    hides: bool,
}

/// One value, in 24 bytes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The value's first byte in the text.
    start: u32,
    /// The byte after its last.
    end: u32,
    /// The key's content, without the quotes; 0 where the value has no key (no key starts there).
    key_start: u32,
    key_end: u32,
    /// The first slot after the value and all below it.
    next: u32,
    kind: Type,
    flags: u8,
}

/// The string has escapes.
const ESCAPED: u8 = 1;
/// The key has escapes.
const KEY_ESCAPED: u8 = 1 << 1;
/// A later entry of the same object has the same key.
const SHADOWED: u8 = 1 << 2;
/// The value, or one around it, is redacted.
const VALUE_REDACTED: u8 = 1 << 3;
/// The key is redacted.
const KEY_REDACTED: u8 = 1 << 4;
/// The string has another text in its place.
const TEXT_REPLACED: u8 = 1 << 5;

impl Slot {
    /// Whether a string reads as the bytes between its quotes, and any other value as itself.
    fn reads_as_written(&self) -> bool {
        self.flags & (ESCAPED | VALUE_REDACTED | TEXT_REPLACED) == 0
    }
}

/// One value inside a document. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    index: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Document<'a> {
    /// Parses a whole text: one JSON value, white space around it allowed. `depth` bounds the
    /// containers inside one another: 1 allows `[]`, but not `[[]]`.
    ///
    /// # Errors
    /// [`Reason::NotJson`] with the byte, or [`Reason::TooDeep`].
    pub fn parse(text: &'a str, depth: u32) -> Result<Self, Reason> {
        let slots = parse::parse(text, depth)?;
        Ok(Document {
            text,
            slots,
            replaced: Vec::new(),
            hides: false,
        })
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        self.node(0)
    }

    /// The text that was parsed.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// All values in the order of the text, a container before its content; values that a later
    /// entry with the same key hides included.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = Node<'_>> {
        (0..self.slots.len() as u32).map(|index| self.node(index))
    }

    /// Calls `each` with the JSON pointer (RFC 6901) of each of these nodes, whose numbers must rise. Omits
    /// a node below one that came before. Stops when `each` returns `false`. One walk over the document
    /// at most, however many nodes there are.
    pub fn pointers(&self, nodes: impl IntoIterator<Item = u32>, each: impl FnMut(&str) -> bool) {
        let count = self.slots.len() as u32;
        let nodes = nodes.into_iter().filter(|&node| node < count);
        pointer::for_each(self.root(), nodes, each);
    }

    fn node(&self, index: u32) -> Node<'_> {
        Node {
            document: self,
            index,
        }
    }
}

impl<'d> Node<'d> {
    /// The node's number, for [`Document::redact`] and for bookkeeping: below the number of nodes,
    /// in the order of the text, a container before its content.
    #[inline]
    pub fn id(self) -> u32 {
        self.index
    }

    /// The number of the first node that is neither this one nor below it.
    #[inline]
    pub fn end_id(self) -> u32 {
        self.slot().next
    }

    /// The node with this number, which must be one of the document's.
    #[inline]
    pub fn with_id(self, index: u32) -> Node<'d> {
        Node {
            document: self.document,
            index,
        }
    }

    /// The value's type ([`Type::String`] where it is redacted).
    #[inline]
    pub fn kind(self) -> Type {
        if self.is_redacted() {
            Type::String
        } else {
            self.slot().kind
        }
    }

    /// Whether a later entry of the same object has the same key, so that this one does not count.
    #[inline]
    pub fn is_shadowed(self) -> bool {
        self.slot().flags & SHADOWED != 0
    }

    /// The bytes of the document's text that the value takes.
    #[inline]
    pub fn span(self) -> Range<usize> {
        let slot = self.slot();
        slot.start as usize..slot.end as usize
    }

    /// The document's whole text, redacted or not.
    pub(crate) fn text(self) -> &'d str {
        self.document.text
    }

    /// The value's own JSON text, redacted or not.
    #[inline]
    pub fn raw(self) -> &'d str {
        &self.document.text[self.span()]
    }

    /// The key under which the value stands in its object, decoded.
    #[inline]
    pub fn key(self) -> Option<Cow<'d, str>> {
        let slot = self.slot();
        (slot.key_start > 0).then(|| {
            if slot.flags & KEY_REDACTED != 0 {
                Cow::Borrowed(REDACTED)
            } else {
                decoded_key(self.document.text, slot)
            }
        })
    }

    /// The key as it is written, its escapes included, redacted or not.
    #[inline]
    pub(crate) fn raw_key(self) -> Option<&'d [u8]> {
        let slot = self.slot();
        let key = slot.key_start as usize..slot.key_end as usize;
        (slot.key_start > 0).then(|| &self.document.text.as_bytes()[key])
    }

    /// The first byte of the value's entry in the document's text: that of its key, if it has one.
    pub(crate) fn entry_start(self) -> usize {
        let slot = self.slot();
        match slot.key_start {
            0 => slot.start as usize,
            key => key as usize,
        }
    }

    /// Whether the key has escapes.
    pub(crate) fn has_escaped_key(self) -> bool {
        self.slot().flags & KEY_ESCAPED != 0
    }

    /// A string, decoded.
    #[inline]
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        let slot = self.slot();
        match slot.kind {
            Type::String if slot.reads_as_written() => Some(Cow::Borrowed(self.content())),
            _ => self.as_unusual_str(),
        }
    }

    #[cold]
    fn as_unusual_str(self) -> Option<Cow<'d, str>> {
        let slot = self.slot();
        if let Some(text) = self.hidden() {
            Some(Cow::Borrowed(text))
        } else if slot.kind != Type::String {
            None
        } else {
            Some(Cow::Owned(string::unescape(self.content())))
        }
    }

    /// Whether it is this string.
    #[inline]
    pub fn is_str(self, text: &str) -> bool {
        const QUOTES: usize = 2;
        let slot = self.slot();
        if slot.reads_as_written() {
            slot.kind == Type::String
                && self.span().len() == text.len() + QUOTES
                && self.content() == text
        } else {
            self.as_unusual_str().is_some_and(|own| own == text)
        }
    }

    /// `true`, `false`, or one of them as text in any case (CloudTrail writes `"True"` too).
    pub fn as_bool(self) -> Option<bool> {
        let text = match self.kind() {
            Type::Bool => self.raw(),
            Type::String => self.hidden().unwrap_or_else(|| self.content()),
            _ => return None,
        };
        if text.eq_ignore_ascii_case("true") {
            Some(true)
        } else if text.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    /// A number's text, or that of a string, unchecked.
    pub fn as_number(self) -> Option<&'d str> {
        match self.kind() {
            Type::Number => Some(self.raw()),
            Type::String => Some(self.hidden().unwrap_or_else(|| self.content())),
            _ => None,
        }
    }

    /// An object's value under a key; the last one where it occurs twice. Keys count by their own
    /// text, redacted or not.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        if self.kind() != Type::Object {
            return None;
        }
        self.children()
            .find(|child| !child.is_shadowed() && child.has_key(key))
    }

    /// Whether it stands in an object under this key, redacted or not.
    #[inline(always)]
    pub fn has_key(self, key: &str) -> bool {
        let slot = self.slot();
        let length = (slot.key_end - slot.key_start) as usize;
        match slot.flags & KEY_ESCAPED {
            0 => length == key.len() && self.raw_key() == Some(key.as_bytes()),
            _ => self.has_key_decoded(key),
        }
    }

    #[cold]
    fn has_key_decoded(self, key: &str) -> bool {
        decoded_key(self.document.text, self.slot()) == key
    }

    /// Whether it may be a string that begins with such a byte: `false` is certain.
    #[inline]
    pub(crate) fn may_begin_with(self, is: impl Fn(u8) -> bool) -> bool {
        let slot = self.slot();
        slot.kind == Type::String
            && (!slot.reads_as_written()
                || is(self.document.text.as_bytes()[slot.start as usize + 1]))
    }

    /// An object's entries in order, each key once with its last value. Empty for other types.
    #[inline]
    pub fn entries(self) -> impl Iterator<Item = (Cow<'d, str>, Node<'d>)> {
        let object = self.kind() == Type::Object;
        self.children()
            .take_while(move |_| object)
            .filter(|child| !child.is_shadowed())
            .map(|child| (child.key().unwrap_or_default(), child))
    }

    /// An array's elements. Empty for other types.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        let array = self.kind() == Type::Array;
        self.children().take_while(move |_| array)
    }

    /// The direct children of an array or object, redacted or not, shadowed entries included.
    #[inline]
    pub fn children(self) -> impl Iterator<Item = Node<'d>> {
        let end = self.end_id();
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let child = self.with_id(index);
                index = child.end_id();
                child
            })
        })
    }

    /// The value's JSON pointer (RFC 6901); a redacted key in it reads as [`REDACTED`].
    ///
    /// Walks over all that comes before the value: for many values, see [`Document::pointers`].
    pub fn pointer(self) -> String {
        let mut pointer = String::new();
        self.document.pointers([self.index], |path| {
            pointer.push_str(path);
            false
        });
        pointer
    }

    #[inline]
    fn slot(self) -> &'d Slot {
        &self.document.slots[self.index as usize]
    }

    /// A string's content between its quotes, as it stands.
    #[inline]
    fn content(self) -> &'d str {
        let slot = self.slot();
        &self.document.text[slot.start as usize + 1..slot.end as usize - 1]
    }
}

/// A key, decoded, redacted or not.
#[inline]
fn decoded_key<'d>(text: &'d str, slot: &Slot) -> Cow<'d, str> {
    let key = &text[slot.key_start as usize..slot.key_end as usize];
    if slot.flags & KEY_ESCAPED != 0 {
        Cow::Owned(string::unescape(key))
    } else {
        Cow::Borrowed(key)
    }
}
