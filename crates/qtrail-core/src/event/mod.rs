//! One CloudTrail record, parsed once.
//!
//! Enters: a record's bytes. Leaves: an [`Event`] that borrows from them, or a reason. What must
//! hold: after this, nothing is checked again; a field of an odd type never costs the event
//! (docs/mapping.md).

pub mod agents;
pub mod amazon_q;
pub(crate) mod identity;
mod key;
pub(crate) mod mask;
mod prefilter;
mod readable;
mod shape;
pub(crate) mod time;
pub mod user_agent;

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::envelope::is_plain_event;
use crate::json::{Document, Node, REDACTED, Type};
use crate::reject::Reason;
use agents::{Evidence, Family, Recognized};
use amazon_q::{Class, Lists};
use key::Fields;
pub(crate) use key::Key;
pub use mask::has_mask;
pub(crate) use prefilter::may_spell_a_byte;
pub use readable::event_id;

/// One CloudTrail event.
#[derive(Debug)]
pub struct Event<'a> {
    document: Document<'a>,
    fields: Fields,
    time: i64,
    recognized: Recognized,
    /// Whether the mark of a hidden part of a text is anywhere in the record, as few records have it.
    has_marks: bool,
}

/// Characters of an invalid time that are quoted.
const QUOTED: usize = 64;
/// A longer word is replaced: it may be a token, and quotes end in logs.
const QUOTED_WORD: usize = 16;

impl<'a> Event<'a> {
    /// Parses any record; a [`Selector`](amazon_q::Selector) parses those that
    /// are wanted. Its class is the one by the default [`Lists`].
    ///
    /// # Errors
    /// Invalid UTF-8, a text that is no JSON object, nesting beyond `depth` levels, an object
    /// without any of CloudTrail's own fields, an `eventTime` that is no time. Byte offsets in the
    /// reason count from the record's start.
    pub fn parse(record: &'a [u8], depth: u32) -> Result<Self, Reason> {
        let mut event = Event::classified(record, depth, Lists::standard())?;
        event.read_time()?;
        Ok(event)
    }

    /// Parses a record up to its class. Its time is not read yet.
    fn classified(record: &'a [u8], depth: u32, lists: &Lists) -> Result<Self, Reason> {
        let text = std::str::from_utf8(record).map_err(|error| Reason::InvalidUtf8 {
            at: error.valid_up_to() as u64,
        })?;
        let document = Document::parse(text, depth)?;
        if document.root().kind() != Type::Object {
            return Err(Reason::NotCloudTrail {
                detail: "an event is a JSON object".to_owned(),
            });
        }
        let mut event = Event {
            document,
            fields: Fields::NONE,
            time: 0,
            recognized: Recognized::NONE,
            has_marks: has_marks(record),
        };
        event.fields.find(event.document.root());
        if event.fields.is_empty() {
            return Err(Reason::NotCloudTrail {
                detail: "none of CloudTrail's fields is in it".to_owned(),
            });
        }
        event.recognized = lists.recognize(&event);
        Ok(event)
    }

    /// `eventID`. A mark in the place of a hidden one is no id.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.shown(Key::EventId)
    }

    /// The record's own text.
    pub fn text(&self) -> &'a str {
        self.document.text()
    }

    /// `eventTime`, in nanoseconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Its class.
    pub fn class(&self) -> Class {
        self.recognized.class
    }

    /// The agent that it belongs to.
    pub fn family(&self) -> Option<Family> {
        self.recognized.agent.map(|(family, _)| family)
    }

    /// What shows that it belongs to that agent.
    pub fn evidence(&self) -> Option<Evidence> {
        self.recognized.agent.map(|(_, evidence)| evidence)
    }

    /// Whether it is Amazon Q's, or of what continues it.
    pub fn is_of_amazon_q(&self) -> bool {
        self.family() == Some(Family::AmazonQ)
    }

    /// The coding agent that its user agent declares, by its name in the lists.
    pub(crate) fn declared(&self) -> Option<&str> {
        self.recognized.declared.as_deref()
    }

    /// Whether an event source of Amazon Q itself recorded it.
    pub(crate) fn is_own(&self) -> bool {
        let own = self.evidence() == Some(Evidence::EventSource);
        own && self.is_of_amazon_q()
    }

    /// Whether the fields of the request can be trusted. The caller of another service chooses them; calls that
    /// an agent made for a person were made by AWS.
    pub(crate) fn is_by_service(&self) -> bool {
        self.is_own() || self.class() == Class::OnBehalfOf
    }

    /// Whether its outermost keys are those of an event alone. [`envelope::open`](crate::envelope::open) looks
    /// closer at a record with others: it may be a table's, or carry another one.
    fn is_plain(&self) -> bool {
        // No field is among the keys of what is no event.
        self.fields.are_usual() && self.get(Key::EventVersion).is_some()
            || is_plain_event(self.document.root().children().filter_map(Node::raw_key))
    }

    /// The whole record.
    pub(crate) fn document(&self) -> &Document<'a> {
        &self.document
    }

    /// The whole record, for redaction: fields below a redacted value read as redacted too.
    pub(crate) fn document_mut(&mut self) -> &mut Document<'a> {
        &mut self.document
    }

    /// A field, of whatever type but `null`.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Node<'_>> {
        let id = self.fields.get(key)?;
        Some(self.document.root().with_id(id))
    }

    /// Whether every field has a value of a type that the mapping reads.
    fn reads_all(&self) -> bool {
        self.fields.unreadable().is_empty()
    }

    /// Whether a field has a value of a type that the mapping does not read.
    pub(crate) fn is_unreadable(&self, key: Key) -> bool {
        self.unreadable_of(key).next().is_some()
    }

    fn unreadable_of(&self, key: Key) -> impl Iterator<Item = Node<'_>> {
        let unreadable = self.fields.unreadable().iter();
        unreadable
            .filter(move |(field, _)| *field == key)
            .map(|(_, id)| self.document.root().with_id(*id))
    }

    /// The node numbers, rising, of the fields with a value of a type that the mapping does not read.
    pub(crate) fn unreadable(&self) -> Vec<u32> {
        let is_reported = |key| !shape::is_of_call(key) || self.is_own();
        let unreadable = self.fields.unreadable().iter();
        let mut ids: Vec<_> = unreadable
            .filter(|(key, _)| is_reported(*key))
            .map(|(_, id)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// A field that is a text, and not an empty one.
    #[inline(always)]
    pub(crate) fn text_of(&self, key: Key) -> Option<Cow<'_, str>> {
        self.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// A field that is a text without the mark of a hidden value: an id or a name may be made of it.
    pub(crate) fn shown(&self, key: Key) -> Option<Cow<'_, str>> {
        let text = self.text_of(key)?;
        let hidden = match &text {
            Cow::Borrowed(text) if !self.has_marks && !self.document.hides() => mask::is_mask(text),
            text => mask::has_mask(text),
        };
        // A role's session: with a hidden name, all sessions of the role would look the same.
        let hidden = hidden || key == Key::PrincipalId && mask::has_masked_part(&text);
        (!hidden).then_some(text)
    }

    /// The first of these fields that is shown.
    pub(crate) fn first_shown(&self, keys: &[Key]) -> Option<Key> {
        keys.iter().copied().find(|key| self.shown(*key).is_some())
    }

    /// A field that is a text, or a number as its text.
    pub(crate) fn scalar_of(&self, key: Key) -> Option<Cow<'_, str>> {
        let node = self.get(key)?;
        match node.kind() {
            Type::Number => Some(Cow::Borrowed(node.raw())),
            _ => self.text_of(key),
        }
    }

    /// The first of these fields that is a text.
    pub(crate) fn first_of(&self, keys: &[Key]) -> Option<Key> {
        keys.iter()
            .copied()
            .find(|key| self.text_of(*key).is_some())
    }

    /// A field that is a boolean, or one written as text.
    pub(crate) fn flag_of(&self, key: Key) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    fn read_time(&mut self) -> Result<(), Reason> {
        let node = self
            .get(Key::EventTime)
            .ok_or(Reason::BadTime { value: None })?;
        let text = node.as_str().unwrap_or(Cow::Borrowed(node.raw()));
        self.time = time::parse(&text).ok_or_else(|| Reason::BadTime {
            value: Some(quoted(&text)),
        })?;
        Ok(())
    }
}

/// Whether the mark of a hidden part of a text is in a record.
fn has_marks(record: &[u8]) -> bool {
    static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(REDACTED));
    memchr(b'[', record).is_some_and(|at| MARK.find(&record[at..]).is_some())
}

/// The beginning of a text that is no time, with `…` for long words.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        if word.chars().nth(QUOTED_WORD).is_some() {
            quoted.push('…');
            quoted.push_str(&part[word.len()..]);
        } else {
            quoted.push_str(part);
        }
        if quoted.len() >= QUOTED {
            break;
        }
    }
    quoted.chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests;
