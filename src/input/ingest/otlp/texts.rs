//! The texts that a request's log records hold, gathered within the room for them.
//!
//! Enters: bodies, and the files that they came from. Leaves: texts, numbered as the log records
//! are. What must hold: what is gathered has its room, or the request is refused.

use std::sync::Arc;

use bytes::Bytes;

use super::value::Value;
use crate::input::ingest::{Ingest, Refusal, Reserved};
use crate::pipeline::Text;

/// Attributes that name a file or an object, the best first.
const SOURCES: [&[u8]; 3] = [b"log.file.path", b"log.file.name", b"aws.s3.key"];
/// So much room more is made than is needed, so that it is made log_throttle.
const AHEAD: usize = 64 << 10;
/// Room that a text takes beside its bytes; a growing vector has up to twice the room of its texts.
const TEXT: usize = 2 * size_of::<Text>();

/// The texts so far.
pub(super) struct Texts {
    texts: Vec<Text>,
    ingest: Ingest,
    reserved: Reserved,
    /// Bytes that `reserved` is room for.
    held: usize,
    /// Bytes that are taken of it.
    taken: usize,
}

impl Texts {
    /// None yet, of a request of so many bytes, which `reserved` is room for.
    pub(super) fn new(ingest: Ingest, reserved: Reserved, request: usize) -> Self {
        Texts {
            texts: Vec::new(),
            ingest,
            reserved,
            held: request,
            taken: request,
        }
    }

    /// Adds the next log record's text, with so many bytes beyond the request's own.
    pub(super) fn push(
        &mut self,
        source: Option<Arc<str>>,
        bytes: Bytes,
        made: usize,
    ) -> Result<(), Refusal> {
        self.take(TEXT + made)?;
        self.texts.push(Text {
            number: self.texts.len() as u64,
            source,
            bytes,
        });
        Ok(())
    }

    /// Takes room for so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.taken = self.taken.saturating_add(bytes);
        let limit = self.ingest.limits().in_flight_bytes;
        if self.taken > limit {
            return Err(Refusal::DecodedTooLarge { limit });
        }
        if self.taken > self.held {
            self.held = (self.taken + AHEAD).min(limit);
            self.ingest.resize(&mut self.reserved, self.held)?;
        }
        Ok(())
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.taken -= bytes;
    }

    /// All texts, those of one source together, so that they are converted together; and the room
    /// that they take.
    pub(super) fn finish(mut self) -> Result<(Vec<Text>, Reserved), Refusal> {
        self.texts.sort_by(|a, b| a.source.cmp(&b.source));
        self.ingest.resize(&mut self.reserved, self.taken)?;
        Ok((self.texts, self.reserved))
    }
}

/// The best name of a source among attributes.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    name: Option<Arc<str>>,
    /// Its place in [`SOURCES`].
    place: usize,
}

impl Source {
    /// Whether an attribute with this key could be better.
    pub(super) fn wants(&self, key: &[u8]) -> bool {
        let place = SOURCES.iter().position(|source| *source == key);
        place.is_some_and(|place| self.name.is_none() || place < self.place)
    }

    /// Takes an attribute that is wanted.
    pub(super) fn take<L>(&mut self, key: &[u8], value: &Value<'_, L>) {
        if let Value::Text(name) = value
            && !name.is_empty()
        {
            self.place = SOURCES.iter().position(|s| *s == key).unwrap_or_default();
            self.name = Some(String::from_utf8_lossy(name).into());
        }
    }

    pub(super) fn name(self) -> Option<Arc<str>> {
        self.name
    }
}
