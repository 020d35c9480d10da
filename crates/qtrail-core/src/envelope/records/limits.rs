//! Limits that a well-formed record can exceed.

use std::io::Read;

use super::Records;
use crate::envelope::walk::Value;
use crate::reject::Reason;

impl<R: Read> Records<R> {
    /// The limit that a well-formed record exceeds.
    pub(super) fn objection(&self, length: usize, deepest: usize) -> Option<Reason> {
        if deepest > self.limits.depth as usize {
            return Some(self.too_deep());
        }
        let limit = self.limits.event_bytes;
        (length > limit).then_some(Reason::EventTooLarge {
            limit: limit as u64,
        })
    }

    pub(super) fn is_too_deep(&self, value: Value) -> bool {
        value.deepest > self.limits.depth as usize
    }

    pub(super) fn too_deep(&self) -> Reason {
        Reason::TooDeep {
            limit: self.limits.depth,
        }
    }
}
