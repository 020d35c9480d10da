//! Texts inside a unit: a string, base64, gzip.
//!
//! Enters: a text. Leaves: a record, or a walk over what is in it. What must hold: the nesting is
//! bounded, and so is what all texts of a unit inflate to.

use std::io::{Cursor, Read};

use bytes::Bytes;

use super::rejects::seen_from_outside;
use super::{Action, RecordBytes, Records};
use crate::envelope::Limits;
use crate::envelope::again::Again;
use crate::envelope::scan::{Progress, Scanner, depth};
use crate::envelope::walk::{Bounds, Walk};
use crate::envelope::window::FIRST_BYTES;
use crate::reject::{Evidence, Reason};

/// How deep envelopes nest: Firehose around CloudWatch Logs around events is two.
const DEEPEST_INNER: usize = 4;
/// How many times the size of an event a value in the window may have: it may be an envelope around an
/// event, or an event with each quote escaped twice.
const VALUE_FACTOR: usize = 4;

impl<R: Read> Records<R> {
    /// A record that was put together from a value in the window.
    pub(super) fn assembled(&mut self, start: u64, end: u64, record: Vec<u8>) -> Action {
        match self.objection(record.len(), depth(&record)) {
            Some(reason) => {
                // Its bytes, not their hash: these bytes are nowhere in the unit.
                let evidence = Evidence::Bytes(record);
                Action::Reject(self.reject(start, end, reason, evidence))
            }
            None => {
                self.assembled = record;
                Action::Yield(RecordBytes::Assembled)
            }
        }
    }

    /// A text that must be one record and nothing else.
    pub(super) fn one(&mut self, start: u64, end: u64, text: Vec<u8>) -> Action {
        let not_json = |at, detail: &str| Reason::NotJson {
            at: at as u64,
            detail: detail.to_owned(),
        };
        let wrong = match Scanner::new().feed(&text) {
            Progress::Error(at, detail) => not_json(at, detail),
            Progress::Done(at) if !text[at..].trim_ascii().is_empty() => {
                not_json(at, "a record ends here, and yet it goes on")
            }
            Progress::More(_) if !text.trim_ascii().is_empty() => Reason::Truncated {
                what: "record",
                at: text.len() as u64,
            },
            _ => return self.inside(start, end, text),
        };
        let evidence = self.evidence(&text);
        let reason = seen_from_outside(wrong, self.outermost.offset);
        Action::Reject(self.reject(start, end, reason, evidence))
    }

    /// A text that is a record, or has records in it.
    pub(super) fn inside(&mut self, start: u64, end: u64, text: Vec<u8>) -> Action {
        let mut scanner = Scanner::new();
        if let Progress::Done(length) = scanner.feed(&text)
            && length == text.len()
            && scanner.keys().is_plain_event()
        {
            return self.assembled(start, end, text);
        }
        if text.trim_ascii().is_empty() {
            let detail = "an empty text where an event was expected".to_owned();
            return self.refuse(start, end, Reason::NotCloudTrail { detail });
        }
        if self.inner.len() == DEEPEST_INNER {
            let detail = format!("envelopes nest more than {DEEPEST_INNER} deep");
            return self.refuse(start, end, Reason::NotCloudTrail { detail });
        }
        Action::Descend(text)
    }

    pub(super) fn descend(&mut self, text: Vec<u8>) {
        let left = self
            .limits
            .inflated_bytes
            .saturating_sub(self.inner_spent());
        let first = text.len().min(FIRST_BYTES);
        let text = Cursor::new(Bytes::from(text));
        let mut walk = Walk::new(text.clone(), first, bounds(&self.limits, left));
        walk.set_again(Again::clones(text));
        walk.allow_window(self.window_bytes);
        self.inner.push(walk);
    }
}

/// The bounds of a walk over a unit, or over a text inside it.
pub(super) fn bounds(limits: &Limits, inflated_bytes: u64) -> Bounds {
    Bounds {
        value_bytes: limits.event_bytes.saturating_mul(VALUE_FACTOR),
        evidence_bytes: limits.event_bytes,
        inflated_bytes,
    }
}
