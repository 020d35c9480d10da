//! The evidence of a value that is being read: its bytes or, beyond a bound, their hash.
//!
//! Enters: offsets into a window. Leaves: evidence. What must hold: a value longer than the bound costs
//! a hash and no memory; what is known of a value does not depend on how its bytes arrived.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::window::Window;
use crate::reject::Evidence;

/// Bytes at the end that stay in the window: the search behind an error reads them.
const LAST_BYTES: u64 = 256;

/// Bytes at the beginning that are remembered.
const HEAD_BYTES: usize = 2;

/// A piece of the unit that is being read, from its first byte on.
#[derive(Debug, Default)]
pub(super) struct Piece {
    start: u64,
    /// Its first bytes, once they have left the window.
    head: Option<[u8; HEAD_BYTES]>,
    /// The hash of all bytes up to this offset, once they are too many.
    hashed: Option<(Sha256, u64)>,
    /// More followed a line's end in what was hashed.
    lines: bool,
    /// What was hashed ends with the end of a line, and white space.
    line_ended: bool,
}

impl Piece {
    /// Begins another piece.
    pub(super) fn begin(&mut self, start: u64) {
        *self = Piece {
            start,
            ..Piece::default()
        };
    }

    /// The piece's first byte.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The first byte that is still in the window.
    pub(super) fn kept_from(&self) -> u64 {
        self.hashed.as_ref().map_or(self.start, |(_, upto)| *upto)
    }

    /// The piece's first bytes, of those up to `at`; zeros where it is shorter.
    pub(super) fn head<R: Read>(&self, window: &Window<R>, at: u64) -> [u8; HEAD_BYTES] {
        self.head.unwrap_or_else(|| {
            let bytes = window.slice(self.start, at.min(self.start + HEAD_BYTES as u64));
            std::array::from_fn(|index| bytes.get(index).copied().unwrap_or_default())
        })
    }

    /// The piece's last bytes up to `at`, as many as are always in the window.
    pub(super) fn tail<'w, R: Read>(&self, window: &'w Window<R>, at: u64) -> &'w [u8] {
        let from = at.saturating_sub(LAST_BYTES);
        window.slice(from.max(self.kept_from()), at)
    }

    /// Releases the bytes before the piece and, if it is longer than `bound` by now, nearly all of it up to
    /// `at`.
    pub(super) fn bound<R: Read>(&mut self, window: &mut Window<R>, at: u64, bound: usize) {
        let at = at.max(self.kept_from());
        if self.hashed.is_none() && at - self.start > bound as u64 {
            self.head = Some(self.head(window, at));
            self.hashed = Some((Sha256::new(), self.start));
        }
        if let Some((hash, upto)) = &mut self.hashed {
            let from = *upto;
            *upto = from.max(at.saturating_sub(LAST_BYTES));
            let more = window.slice(from, *upto);
            hash.update(more);
            self.note_lines(more);
        }
        window.release(self.kept_from());
    }

    fn note_lines(&mut self, more: &[u8]) {
        let (text, space) = more.split_at(more.trim_ascii_end().len());
        let has_line = |bytes| memchr::memchr(b'\n', bytes).is_some();
        if !text.is_empty() {
            self.lines |= self.line_ended || has_line(text);
            self.line_ended = false;
        }
        self.line_ended |= has_line(space);
    }

    /// Whether the piece, up to `at`, has text behind the end of a line.
    pub(super) fn has_lines<R: Read>(&self, window: &Window<R>, at: u64) -> bool {
        let rest = window.slice(self.kept_from(), at).trim_ascii_end();
        let continues = self.line_ended && !rest.is_empty();
        self.lines || continues || memchr::memchr(b'\n', rest).is_some()
    }

    /// The evidence if the piece ends here: its bytes, if they are no more than `most`.
    pub(super) fn evidence<R: Read>(&self, window: &Window<R>, end: u64, most: usize) -> Evidence {
        let length = end - self.start;
        if self.hashed.is_none() && length <= most as u64 {
            return Evidence::Bytes(window.slice(self.start, end).to_vec());
        }
        let mut hash = match &self.hashed {
            Some((hash, _)) => hash.clone(),
            None => Sha256::new(),
        };
        hash.update(window.slice(self.kept_from(), end));
        Evidence::Digest {
            sha256: hash.finalize().into(),
            length,
        }
    }
}
