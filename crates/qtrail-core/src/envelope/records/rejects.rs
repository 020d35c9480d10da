//! Rejects, with their positions and their evidence.
//!
//! What must hold: a reject inside a text has the position of the outermost element, and its bytes as
//! evidence where the record has none.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::{Action, GZIP_STREAM, RecordBytes, Records};
use crate::reject::{Evidence, Position, Reason, Reject};

impl<R: Read> Records<R> {
    pub(super) fn refuse(&self, start: u64, end: u64, reason: Reason) -> Action {
        let evidence = self.evidence(self.slice(start, end));
        Action::Reject(self.reject(start, end, reason, evidence))
    }

    pub(super) fn evidence(&self, bytes: &[u8]) -> Evidence {
        if bytes.len() <= self.limits.event_bytes {
            return Evidence::Bytes(bytes.to_vec());
        }
        Evidence::Digest {
            sha256: Sha256::digest(bytes).into(),
            length: bytes.len() as u64,
        }
    }

    pub(super) fn reject(
        &self,
        start: u64,
        end: u64,
        reason: Reason,
        evidence: Evidence,
    ) -> Reject {
        let position = self.position(RecordBytes::Window(start, end));
        if self.inner.is_empty() {
            return Reject {
                position,
                reason,
                evidence,
            };
        }
        let carrier = || {
            let end = self.outermost.offset + self.outermost.length;
            self.evidence(self.unit.slice(self.outermost.offset, end))
        };
        Reject {
            position,
            reason: seen_from_outside(reason, position.offset),
            evidence: match evidence {
                Evidence::Unit => carrier(),
                evidence => evidence,
            },
        }
    }

    /// Remembers the outermost element.
    pub(super) fn stand(&mut self, start: u64, end: u64) {
        if self.inner.is_empty() {
            self.outermost = Position {
                index: 0,
                offset: start,
                length: end - start,
            };
        }
    }

    pub(super) fn position(&self, record: RecordBytes) -> Position {
        let index = self.index;
        match record {
            RecordBytes::Window(start, end) if self.inner.is_empty() => Position {
                index,
                offset: start,
                length: end - start,
            },
            _ => Position {
                index,
                ..self.outermost
            },
        }
    }
}

/// A reason from inside an element, as it is for the unit: bytes count from the unit's start, and
/// a text that ends in the middle does not mean that the unit does.
pub(super) fn seen_from_outside(reason: Reason, offset: u64) -> Reason {
    match reason {
        Reason::NotJson { at, detail } => Reason::NotJson {
            at: offset,
            detail: format!("{detail} (at byte {at} of the text inside)"),
        },
        Reason::Truncated {
            what: GZIP_STREAM,
            at,
        } => Reason::BadGzip {
            at,
            detail: "the text inside ends in the middle of it".to_owned(),
        },
        Reason::Truncated { what, at } => Reason::NotJson {
            at: offset,
            detail: format!("the text inside ends in the middle of a {what} (at its byte {at})"),
        },
        reason => reason,
    }
}

/// Whether the error is one of gzip, and not of a record.
pub(super) fn is_of_gzip(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::BadGzip { .. }
            | Reason::InflatedTooLarge { .. }
            | Reason::Truncated {
                what: GZIP_STREAM,
                ..
            }
    )
}
