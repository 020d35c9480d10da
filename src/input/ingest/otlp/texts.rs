//! Collects the texts of a request's log records, within reserved memory.
//!
//! Enters: bodies, and the names of their files. Leaves: texts, numbered as the log records are. What must hold:
//! memory is reserved for everything that is collected; otherwise the request fails.

use std::sync::Arc;

use bytes::Bytes;

use crate::input::ingest::{self, Ingest, Reserved};
use crate::pipeline::Text;

/// Attributes that name a file or an object, the best first.
const SOURCES: [&[u8]; 3] = [b"log.file.path", b"log.file.name", b"aws.s3.key"];
/// Bytes reserved beyond those needed, so that reservations are rare.
const AHEAD_BYTES: usize = 64 << 10;
/// Memory of a text beside its bytes; a growing vector has up to twice the capacity that it uses.
const TEXT_BYTES: usize = 2 * size_of::<Text>();

/// The texts so far.
pub(super) struct Texts {
    texts: Vec<Text>,
    ingest: Ingest,
    reserved: Reserved,
    /// Bytes in `reserved`.
    reserved_bytes: usize,
    /// Bytes of them in use.
    taken: usize,
}

impl Texts {
    /// No texts yet, of a request of `request` bytes, which `reserved` covers.
    pub(super) fn new(ingest: Ingest, reserved: Reserved, request: usize) -> Self {
        Texts {
            texts: Vec::new(),
            ingest,
            reserved,
            reserved_bytes: request,
            taken: request,
        }
    }

    /// Adds the next log record's text. Bytes that are not a slice of the request must be
    /// [taken](Texts::take) before.
    pub(super) fn push(
        &mut self,
        source: Option<Arc<str>>,
        bytes: Bytes,
    ) -> Result<(), ingest::Error> {
        self.take(TEXT_BYTES)?;
        self.texts.push(Text {
            number: self.texts.len() as u64,
            source,
            bytes,
        });
        Ok(())
    }

    /// Takes memory, and reserves more if necessary.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ingest::Error> {
        self.taken = self.taken.saturating_add(bytes);
        let limit = self.ingest.limits().in_flight_bytes;
        if self.taken > limit {
            return Err(ingest::Error::DecodedTooLarge { limit });
        }
        if self.taken > self.reserved_bytes {
            self.reserved_bytes = (self.taken + AHEAD_BYTES).min(limit);
            self.ingest
                .resize(&mut self.reserved, self.reserved_bytes)?;
        }
        Ok(())
    }

    /// Returns memory that was taken.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.taken -= bytes;
    }

    /// All texts, sorted by source so that those of one file are converted together; and their reserved memory.
    pub(super) fn finish(mut self) -> Result<(Vec<Text>, Reserved), ingest::Error> {
        self.texts.sort_by(|a, b| a.source.cmp(&b.source));
        self.ingest.resize(&mut self.reserved, self.taken)?;
        Ok((self.texts, self.reserved))
    }
}

/// The best name of a source among the attributes so far.
#[derive(Default)]
pub(super) struct Source {
    /// Its index in [`SOURCES`], and the name.
    best: Option<(usize, Arc<str>)>,
}

impl Source {
    /// The rank of an attribute with this key, if it is better than the best so far.
    pub(super) fn better(&self, key: &[u8]) -> Option<usize> {
        let rank = SOURCES.iter().position(|source| *source == key)?;
        let best = self.best.as_ref().map_or(SOURCES.len(), |(best, _)| *best);
        (rank < best).then_some(rank)
    }

    /// Sets the name, unless it is empty.
    pub(super) fn keep(&mut self, rank: usize, name: &[u8]) {
        if !name.is_empty() {
            self.best = Some((rank, String::from_utf8_lossy(name).into()));
        }
    }

    /// The name, or the resource's name.
    pub(super) fn or(self, resource: &Source) -> Option<Arc<str>> {
        let best = self.best.as_ref().or(resource.best.as_ref());
        best.map(|(_, name)| Arc::clone(name))
    }
}
