//! One JSON text as a flat list of nodes that point into it.
//!
//! Enters: a text. Leaves: a [`Document`]. What must hold: no recursion, one allocation for the
//! nodes; a key that occurs twice counts with its last value; a lone surrogate escape reads as
//! U+FFFD; a number keeps its own text; a node marked as redacted reads as [`REDACTED`] by every
//! accessor but [`Node::raw`], so that no writer can leak it.

use std::borrow::Cow;
use std::ops::Range;

use crate::reject::Reason;

/// What a redacted value reads as.
pub const REDACTED: &str = "[REDACTED]";

/// A parsed JSON text.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
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
    /// Parses a whole text: one JSON value, white space around it allowed.
    ///
    /// # Errors
    /// [`Reason::NotJson`] with the byte, or [`Reason::TooDeep`].
    pub fn parse(text: &'a str, depth: u32) -> Result<Self, Reason> {
        let _ = depth;
        Ok(Document { text })
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        unimplemented!()
    }

    /// The text that was parsed.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Marks a value as redacted.
    pub fn redact(&mut self, _node: u32) {
        unimplemented!()
    }

    /// The text with every redacted value replaced; borrowed where nothing is redacted.
    pub fn redacted_text(&self) -> Cow<'a, str> {
        unimplemented!()
    }
}

impl<'d> Node<'d> {
    /// The node's number, for [`Document::redact`] and for bookkeeping: below the number of nodes,
    /// in the order of the text, a container before its content.
    pub fn id(self) -> u32 {
        self.index
    }

    /// The node with this number.
    pub fn with_id(self, index: u32) -> Node<'d> {
        Node {
            document: self.document,
            index,
        }
    }

    /// The value's type ([`Type::String`] where it is redacted).
    pub fn kind(self) -> Type {
        unimplemented!()
    }

    /// Whether it is redacted.
    pub fn is_redacted(self) -> bool {
        unimplemented!()
    }

    /// The bytes of the document's text that the value takes.
    pub fn span(self) -> Range<usize> {
        unimplemented!()
    }

    /// The value's own JSON text, redacted or not.
    pub fn raw(self) -> &'d str {
        unimplemented!()
    }

    /// A string, decoded.
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        unimplemented!()
    }

    /// `true`, `false`, or one of them as text in any case (CloudTrail writes `"True"` too).
    pub fn as_bool(self) -> Option<bool> {
        unimplemented!()
    }

    /// A number's text, or that of a string, unchecked.
    pub fn as_number(self) -> Option<&'d str> {
        unimplemented!()
    }

    /// An object's value under a key; the last one where it occurs twice.
    pub fn get(self, _key: &str) -> Option<Node<'d>> {
        unimplemented!()
    }

    /// An object's entries in order, each key once with its last value. Empty for other types.
    pub fn entries(self) -> impl Iterator<Item = (Cow<'d, str>, Node<'d>)> {
        std::iter::empty()
    }

    /// An array's elements. Empty for other types.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        std::iter::empty()
    }
}
