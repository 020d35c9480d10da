//! Lines that reading may go on with.
//!
//! What must hold: a line counts only where the brackets in it close all that they open.

use super::{Next, Search};
use crate::envelope::log_line::{Prefix, Prefixed};
use crate::envelope::structure::{Around, Outcome, Track};

/// Around the values of a line: nothing.
const LINE: Around = Around {
    brackets: &[],
    opener: b'{',
};

/// Whether a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    No,
    /// With the next byte.
    First,
    /// With the byte before it, which may begin an array or a text.
    Second,
    /// At this byte, with what stands before an object in a line of a log.
    Prefixed(Prefix, u64),
}

impl Search {
    /// Looks for a line to go on with.
    pub(super) fn lines(&mut self, byte: u8, at: u64) -> Option<Next> {
        let start = std::mem::replace(&mut self.start, Start::No);
        let whole = self.whole;
        self.whole &= start == Start::No || matches!(byte, b'\r' | b'\n');
        let begun = match (start, byte) {
            (Start::First, b'{') => Some(at),
            // In a value of several lines, a line may hold a text and no more.
            (Start::First, b'[' | b'"') if whole => {
                (self.start, self.whole) = (Start::Second, true);
                None
            }
            (Start::Second, b'{') => Some(at - 1),
            (Start::First, b'0'..=b'9') => self.prefixed(Prefix::new(), at, byte, whole),
            (Start::Prefixed(prefix, begun), _) => self.prefixed(prefix, begun, byte, whole),
            _ => None,
        };
        if let Some(begun) = begun {
            if whole {
                return Some(Next::Line {
                    at: begun,
                    proven: begun,
                });
            }
            self.line = Some((Track::record(begun, LINE), begun));
        }
        let (line, begun) = self.line.as_mut()?;
        if byte == b'\n' {
            let exact = line.exact();
            self.line = None;
            return exact.map(|begun| Next::Line {
                at: begun,
                proven: at,
            });
        }
        // What closes more than it opens is the end of another one.
        if line.step(byte, at) == Outcome::Impossible || line.next() != Some(*begun) {
            self.line = None;
        }
        None
    }

    /// Where a line begins that `prefix` stands before, once its object does.
    fn prefixed(&mut self, mut prefix: Prefix, begun: u64, byte: u8, whole: bool) -> Option<u64> {
        match prefix.step(byte) {
            Prefixed::More => {
                (self.start, self.whole) = (Start::Prefixed(prefix, begun), whole);
                None
            }
            Prefixed::Object => Some(begun),
            Prefixed::Other => None,
        }
    }

    /// A line ends at `at`: that of the broken value, or one behind it.
    pub(super) fn line_ends(&mut self, at: u64) -> Option<Next> {
        self.over = true;
        if let Some(begun) = self.tracks.iter().find_map(Track::exact) {
            return Some(Next::Inside {
                at: begun,
                proven: at,
            });
        }
        self.whole |= self.is_behind();
        match self.whole {
            true => self.tracks.clear(),
            // The value may go on behind the end of a line that should not be there.
            false => self.tracks.iter_mut().for_each(Track::seek_no_more),
        }
        None
    }
}
