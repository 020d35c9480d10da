//! What cannot be had: broken values, and what an early end cuts.
//!
//! What must hold: one error is one reject, whose evidence goes from the value's first byte to the
//! place where reading resumes; an end in the middle is one reject, the last thing of a walk.

use std::io::{self, Read};

use super::{Found, Phase, Walk, not_json};
use crate::envelope::containers::Container;
use crate::envelope::gzip::Fault;
use crate::envelope::records::GZIP_STREAM;
use crate::envelope::resume::{Beginnings, Resume, find};
use crate::reject::{Evidence, Reason};

impl<R: Read> Walk<R> {
    /// An error at `at`: the value from where it began on is lost.
    pub(super) fn broken(&mut self, reason: Reason) {
        self.phase = Phase::Resume(reason);
    }

    pub(super) fn resume(&mut self) -> io::Result<Option<Found>> {
        let mut last = false;
        loop {
            // One byte before the error tells whether a line begins there.
            let from = self.held.first_held().max(self.at.saturating_sub(1));
            let skip = (self.at - from) as usize;
            let bytes = self.window.from(from);
            let (next, line) = match find(bytes, skip, self.beginnings(), last) {
                Resume::Record(next) => (next, false),
                Resume::Line(next) => (next, true),
                Resume::NotBefore(next) => {
                    self.at = from + next as u64;
                    self.held.bound(
                        &mut self.window,
                        self.at.saturating_sub(1),
                        self.bounds.evidence_bytes,
                    );
                    if self.window.fill()? {
                        continue;
                    }
                    if !last {
                        last = true;
                        continue;
                    }
                    self.at = self.window.end();
                    return Ok(Some(self.lost(true)));
                }
            };
            self.at = from + next as u64;
            let found = self.lost(false);
            if line {
                self.adrift = self.frame.take().is_some();
            } else if self.frame.is_none() {
                self.adrift = true;
            }
            self.phase = match self.frame {
                Some(_) => Phase::Between,
                None => Phase::Top,
            };
            return Ok(Some(found));
        }
    }

    fn beginnings(&self) -> Beginnings<'_> {
        match &self.frame {
            Some(frame) => Beginnings {
                known: frame.container.first_keys(),
                learned: frame.first_key.as_deref(),
                rows: frame.container == Container::Rows,
            },
            None => Beginnings {
                known: &[b"messageType"],
                learned: None,
                rows: false,
            },
        }
    }

    /// The reject of what was lost up to `at`.
    fn lost(&mut self, ended: bool) -> Found {
        let phase = if ended { Phase::Fault } else { Phase::Top };
        let reason = match std::mem::replace(&mut self.phase, phase) {
            Phase::Resume(reason) => reason,
            _ => not_json(self.at, "expected a value"),
        };
        if ended {
            self.top = self.at;
        }
        let evidence = self
            .held
            .evidence(&self.window, self.at, self.bounds.evidence_bytes);
        Found::Reject {
            start: self.held.start(),
            end: self.at,
            reason,
            evidence,
        }
    }

    /// The unit ends in the middle of something.
    pub(super) fn ends_early(&mut self, what: &'static str, evidence: Evidence) -> Found {
        let end = self.window.end();
        let start = match what {
            "file" => end,
            _ => self.held.start(),
        };
        let (reason, evidence) = match self.window.take_fault() {
            None => (Reason::Truncated { what, at: end }, evidence),
            Some(Fault::Truncated) => {
                let what = GZIP_STREAM;
                (Reason::Truncated { what, at: end }, evidence)
            }
            Some(fault) => (self.faulty(fault), Evidence::Unit),
        };
        self.phase = Phase::End;
        Found::Reject {
            start,
            end,
            reason,
            evidence,
        }
    }

    /// A fault at the end that no value was cut by.
    pub(super) fn fault(&mut self) -> Option<Found> {
        self.phase = Phase::End;
        let fault = self.window.take_fault()?;
        let end = self.window.end();
        Some(Found::Reject {
            start: end,
            end,
            reason: self.faulty(fault),
            evidence: Evidence::Unit,
        })
    }

    fn faulty(&self, fault: Fault) -> Reason {
        let at = self.window.end();
        match fault {
            Fault::Truncated => Reason::Truncated {
                what: GZIP_STREAM,
                at,
            },
            Fault::Damaged(detail) => Reason::BadGzip { at, detail },
            Fault::TooLarge => Reason::InflatedTooLarge {
                limit: self.bounds.inflated_bytes,
            },
        }
    }
}
