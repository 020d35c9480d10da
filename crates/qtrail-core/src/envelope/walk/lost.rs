//! Rejects: broken values, and values that an early end cuts.
//!
//! What must hold: one error is one reject, whose evidence goes from the value's first byte to the
//! place where reading resumes; an end in the middle is one reject, the last thing of a walk.

use std::io::{self, Read};

use super::{Element, Phase, Walk};
use crate::envelope::gzip::StreamError;
use crate::envelope::outline::Outline;
use crate::envelope::records::GZIP_STREAM;
use crate::envelope::resume::{Ends, Next, Search};
use crate::envelope::structure::Around;
use crate::reject::{Evidence, Reason};

/// Around a top-level value: nothing.
const TOP: Around = Around {
    brackets: &[],
    opener: b'{',
};
/// Around an array of events: its object.
const OBJECT: Around = Around {
    brackets: &[true],
    opener: b'[',
};

/// Why the records behind a broken one are lost.
const NOT_CLOSED: &str = "what follows does not close its container, so that nothing in it is known \
    to be a record of its own";

/// A broken value.
#[derive(Debug)]
pub(super) struct Broken {
    reason: Reason,
    search: Search,
    /// Up to where the search has looked.
    looked: u64,
    /// It is an object, and its array of events follows.
    awaits: bool,
}

impl<R: Read> Walk<R> {
    /// An error at `at` in the current value.
    pub(super) fn broken(&mut self, reason: Reason, outline: Outline) {
        let awaits = self.frame.is_none() && !self.entered && self.scanner.awaits_container();
        let read = self.piece.tail(&self.window, self.at);
        let wrong = self
            .window
            .from(self.at)
            .first()
            .copied()
            .unwrap_or_default();
        let proven = (self.at < self.proven).then_some(self.proven);
        let (around, ends) = match self.frame.as_ref().or(self.left_container.as_ref()) {
            Some(frame) => {
                let or_line = !frame.lines && proven.is_none();
                let [first, _] = self.piece.head(&self.window, self.at);
                (frame.container.around(first), Ends::Brackets { or_line })
            }
            None if awaits => (OBJECT, Ends::Brackets { or_line: true }),
            None if self.piece.has_lines(&self.window, self.at) => (TOP, Ends::Unit),
            None => {
                let over = ends_with_line(read);
                (TOP, Ends::Line { over })
            }
        };
        let outline = if awaits { Outline::between() } else { outline };
        self.broken = Some(Broken {
            reason,
            search: Search::new(outline, read, wrong, around, ends, proven),
            looked: self.at,
            awaits,
        });
        self.phase = Phase::Resume;
    }

    /// Searches for the place where reading resumes.
    pub(super) fn resume(&mut self) -> io::Result<Option<Element>> {
        let Some(broken) = &mut self.broken else {
            self.phase = Phase::End;
            return Ok(None);
        };
        let (search, looked) = (&mut broken.search, &mut broken.looked);
        let most = self.bounds.evidence_bytes;
        let next = loop {
            // Bytes that the search has passed are not read again, but for one before a line.
            let passed = match search.is_proven() {
                true => looked.saturating_sub(1),
                false => self.at,
            };
            self.piece.bound(&mut self.window, passed, most);
            let kept = self.piece.kept_from();
            let hold = kept.saturating_add(self.bounds.value_bytes as u64);
            match self.window.look(*looked, hold)? {
                None => break Next::Nowhere { cut: true },
                Some([]) => break search.end(*looked),
                Some(bytes) => match search.feed(bytes, *looked) {
                    Some(next) => break next,
                    None => *looked += bytes.len() as u64,
                },
            }
        };
        let upto = match next {
            Next::Inside { at, .. } | Next::Line { at, .. } => at,
            Next::Nowhere { .. } => u64::MAX,
        };
        self.phase = Phase::Lost(upto, next);
        Ok(None)
    }

    /// Skips the lost bytes, up to where reading resumes.
    pub(super) fn lost(&mut self, upto: u64, next: Next) -> io::Result<Option<Element>> {
        loop {
            self.at = self.at.max(upto.min(self.window.end()));
            self.piece
                .bound(&mut self.window, self.at, self.bounds.evidence_bytes);
            if self.at == upto || !self.window.fill()? {
                break;
            }
        }
        // Restarted after a reader's error, it is still broken.
        let byte = self.peek(0)?;
        let Some(broken) = self.broken.take() else {
            self.phase = Phase::End;
            return Ok(None);
        };
        let (start, end, most) = (self.piece.start(), self.at, self.bounds.evidence_bytes);
        let evidence = self.piece.evidence(&self.window, end, most);
        let reason = self.reason(broken.reason, next);
        match next {
            Next::Inside { proven, .. } | Next::Line { proven, .. } => {
                self.proven = proven;
                if let Next::Line { .. } = next {
                    self.left_container = self.frame.take().or(self.left_container.take());
                }
                if let Next::Inside { .. } = next {
                    self.reenter();
                }
                match &self.frame {
                    Some(_) => self.phase = Phase::Between,
                    None if broken.awaits && byte == Some(b'[') => self.enter_object(false),
                    None => self.phase = Phase::Top,
                }
            }
            Next::Nowhere { cut } => {
                self.cut = cut;
                if !cut {
                    self.top = self.at;
                }
                self.phase = Phase::StreamError;
            }
        }
        Ok(Some(Element::Reject {
            start,
            end,
            reason,
            evidence,
        }))
    }

    /// The reason of the reject.
    fn reason(&mut self, broken: Reason, next: Next) -> Reason {
        if next != (Next::Nowhere { cut: true }) {
            return broken;
        }
        if self.window.is_cut() {
            let error = self.window.take_error();
            return error.map_or(broken, |error| self.stream_reason(error));
        }
        match broken {
            Reason::NotJson { at, detail } if self.frame.is_some() => Reason::NotJson {
                at,
                detail: format!("{detail}; {NOT_CLOSED}"),
            },
            reason => reason,
        }
    }

    /// The unit ends in the middle of a value.
    pub(super) fn value_ends_early(&mut self) -> Option<Element> {
        if self.scanner.is_complete_at_end() {
            self.phase = Phase::Follow;
            return None;
        }
        if self.frame.is_none() && self.entered {
            return Some(self.ends_early("file", Evidence::Unit));
        }
        let evidence =
            self.piece
                .evidence(&self.window, self.window.end(), self.bounds.evidence_bytes);
        Some(self.ends_early("record", evidence))
    }

    /// The unit ends in the middle of something.
    pub(super) fn ends_early(&mut self, what: &'static str, evidence: Evidence) -> Element {
        let end = self.window.end();
        let start = match what {
            "file" => end,
            _ => self.piece.start(),
        };
        let (reason, evidence) = match self.window.take_error() {
            None => (Reason::Truncated { what, at: end }, evidence),
            Some(StreamError::Truncated) => {
                let what = GZIP_STREAM;
                (Reason::Truncated { what, at: end }, evidence)
            }
            Some(error) => (self.stream_reason(error), Evidence::Unit),
        };
        self.phase = Phase::End;
        Element::Reject {
            start,
            end,
            reason,
            evidence,
        }
    }

    /// The error of the compressed stream, at the end of a unit that cuts no value.
    pub(super) fn stream_error(&mut self) -> Option<Element> {
        self.phase = Phase::End;
        let error = self.window.take_error()?;
        let end = self.window.end();
        Some(Element::Reject {
            start: end,
            end,
            reason: self.stream_reason(error),
            evidence: Evidence::Unit,
        })
    }

    fn stream_reason(&self, error: StreamError) -> Reason {
        let at = self.window.end();
        match error {
            StreamError::Truncated => Reason::Truncated {
                what: GZIP_STREAM,
                at,
            },
            StreamError::Damaged(detail) => Reason::BadGzip { at, detail },
            StreamError::TooLarge => Reason::InflatedTooLarge {
                limit: self.bounds.inflated_bytes,
            },
        }
    }
}

/// Whether the white space at the end holds the end of a line.
fn ends_with_line(read: &[u8]) -> bool {
    let space = &read[read.trim_ascii_end().len()..];
    memchr::memchr(b'\n', space).is_some()
}
