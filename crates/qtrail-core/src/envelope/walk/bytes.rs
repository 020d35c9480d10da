//! The unread bytes of a walk.
//!
//! What must hold: the window releases the bytes that were processed, and no others.

use std::io::{self, Read};

use super::{Element, Outline, Phase, Walk, not_json};
use crate::envelope::log_line::{Prefix, Prefixed};
use crate::json::is_space;

impl<R: Read> Walk<R> {
    /// A top-level text in base64.
    pub(super) fn base64(&mut self) -> io::Result<Option<Element>> {
        let start = self.piece.start();
        let is_end = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
        let next = self.skip(|b| !is_end(b))?;
        let most = start + self.bounds.value_bytes as u64;
        if self.at > most || next.is_some_and(|b| !is_space(b) && b != b',') {
            // However many bytes were read at once.
            self.at = self.at.min(most + 1);
            self.broken(not_json(start, "expected a value"), Outline::between());
            return Ok(None);
        }
        self.phase = Phase::Top;
        Ok(Some(Element::Base64(start, self.at)))
    }

    /// Skips the time and the stream before an object in a line of a log. A line with these, and without an
    /// object, is broken.
    pub(super) fn log_line(&mut self) -> io::Result<Option<Element>> {
        let mut prefix = Prefix::new();
        let mut length = 0;
        loop {
            match self.peek(length)?.map(|byte| prefix.step(byte)) {
                Some(Prefixed::More) => length += 1,
                Some(Prefixed::Object) => {
                    self.at += length as u64;
                    return Ok(None);
                }
                None if prefix.is_certain() => {
                    self.piece.begin(self.at);
                    let (end, most) = (self.window.end(), self.bounds.evidence_bytes);
                    let evidence = self.piece.evidence(&self.window, end, most);
                    return Ok(Some(self.ends_early("record", evidence)));
                }
                Some(Prefixed::Other) if prefix.is_certain() => {
                    self.piece.begin(self.at);
                    self.at += length as u64;
                    let reason = not_json(self.at, "a log line without an object behind its time");
                    self.broken(reason, Outline::between());
                    return Ok(None);
                }
                Some(Prefixed::Other) | None => return Ok(None),
            }
        }
    }

    /// Skips bytes like these, and returns the first other one.
    pub(super) fn skip(&mut self, like: impl Fn(u8) -> bool) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.window.from(self.at);
            let count = bytes.iter().take_while(|&&b| like(b)).count();
            let next = bytes.get(count).copied();
            self.at += count as u64;
            if next.is_some() {
                return Ok(next);
            }
            if self.phase == Phase::Base64
                && self.at - self.piece.start() > self.bounds.value_bytes as u64
            {
                return Ok(None);
            }
            self.release();
            if !self.window.fill()? {
                return Ok(None);
            }
        }
    }

    /// The byte at `at + ahead`.
    pub(super) fn peek(&mut self, ahead: usize) -> io::Result<Option<u8>> {
        loop {
            if let Some(&byte) = self.window.from(self.at).get(ahead) {
                return Ok(Some(byte));
            }
            self.release();
            if !self.window.fill()? {
                return Ok(None);
            }
        }
    }

    /// Releases the bytes that were processed.
    fn release(&mut self) {
        self.window.release(match self.phase {
            Phase::Follow | Phase::Base64 | Phase::Lost(..) => self.piece.kept_from(),
            _ => self.at,
        });
    }

    /// Whether the bytes at `at` begin with this text.
    pub(super) fn holds(&mut self, text: &[u8]) -> io::Result<bool> {
        for (ahead, byte) in text.iter().enumerate() {
            if self.peek(ahead)? != Some(*byte) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
