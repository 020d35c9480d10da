//! What enters the pipeline: a [`Unit`], and its bytes.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use crate::dead_letter::Origin;
use qtrail_core::envelope::Again;

/// Something to read that holds records.
pub struct Unit {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, compressed or not.
    pub content: Content,
    /// Where `content` starts in the unit: positions count from there.
    pub base: u64,
    /// What an end in the middle of a record means.
    pub truncation: Truncation,
    /// Inflated bytes at most, where that is less than `limits.inflated_bytes`.
    pub inflated_bytes: Option<u64>,
}

/// A unit's bytes.
pub enum Content {
    /// One thing to read. What is none of CloudTrail's is refused.
    Whole(Box<dyn Read + Send>),
    /// The same, and how to have its bytes again, where they are damaged.
    Twice(Box<dyn Read + Send>, Again),
    /// The same, in memory: one that is small, inflated too, is read without a thread of its own.
    Bytes(Bytes),
    /// Texts of their own: a broken one spoils no other. What is none of CloudTrail's is told in the
    /// report, and not kept in the dead letters.
    Texts(Vec<Text>),
}

impl Content {
    /// What a reader and its clones read, each from the first byte on.
    pub fn twice(reader: impl Read + Clone + Send + 'static) -> Self {
        Content::Twice(Box::new(reader.clone()), Again::clones(reader))
    }

    /// All of its bytes, part by part, where they are in memory.
    pub(super) fn in_memory(&self) -> Option<Vec<Bytes>> {
        match self {
            Content::Whole(_) | Content::Twice(..) => None,
            Content::Bytes(bytes) => Some(vec![bytes.clone()]),
            Content::Texts(texts) => Some(texts.iter().map(|text| text.bytes.clone()).collect()),
        }
    }
}

#[cfg(feature = "aws")]
impl From<crate::aws::object::Content> for Content {
    fn from(object: crate::aws::object::Content) -> Self {
        use crate::aws::object;
        match object {
            object::Content::Whole(bytes) => Content::Bytes(bytes),
            object::Content::Streamed(reader, again) => Content::Twice(reader, again),
        }
    }
}

/// One of a unit's texts.
#[derive(Debug)]
pub struct Text {
    /// The index of each record in it.
    pub number: u64,
    /// The file or object that it came from, where it is another than the unit's.
    pub source: Option<Arc<str>>,
    /// Its bytes, compressed or not.
    pub bytes: Bytes,
}

/// What an end in the middle of a record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// The unit is complete: the rest is a reject.
    Reject,
    /// More may come: the rest is left unread, and the report says so.
    Defer,
    /// The same, but nothing of the unit is committed before its rest has come.
    DeferAll,
}
