//! Finds where reading resumes after a broken record.
//!
//! Enters: bytes from the error on. Leaves: a [`Next`]. What must hold: an attacker who controls the inside
//! of a record does not control what closes it. So reading resumes only where a record can begin, and only
//! if strings and brackets from there on close the container exactly; text inside the broken record closes
//! too much. Each line of NDJSON is a container of its own.

mod lines;

use super::outline::{Outline, Text};
use super::structure::{Around, Outcome, Track};
use crate::json::find_special;
use lines::Start;

/// What ends the container of the broken record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Its brackets; with `or_line`, its line where the brackets are lost.
    Brackets { or_line: bool },
    /// Its line. `over`: it ended before the error.
    Line { over: bool },
    /// The unit.
    Unit,
}

impl Ends {
    /// Whether reading may resume at another line.
    fn at_lines(self) -> bool {
        matches!(self, Ends::Line { .. } | Ends::Brackets { or_line: true })
    }
}

/// Where reading resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At this byte, in the same container. Strings and brackets are balanced from there up to `proven`.
    Inside { at: u64, proven: u64 },
    /// At this byte, where a line begins. The container before it is left.
    Line { at: u64, proven: u64 },
    /// Nowhere. `cut`: more bytes might change that.
    Nowhere { cut: bool },
}

/// A search for the place where reading resumes.
#[derive(Debug)]
pub(super) struct Search {
    around: Around,
    ends: Ends,
    /// The ways to read the bytes, two at most: as the scanner did, and with strings and the rest swapped, as
    /// behind a missing quote.
    tracks: Vec<Track>,
    /// Up to where strings and brackets are known to be balanced: then only the broken record is skipped.
    proven: Option<u64>,
    /// The last byte that is no white space, in a string or not.
    before: u8,
    /// The next byte is the one at the error.
    first: bool,
    /// The word at the error is not over.
    word: bool,
    /// The line of the broken value has ended.
    over: bool,
    /// The broken value ended before its line did.
    whole: bool,
    start: Start,
    /// A line where reading may resume, and its first byte.
    line: Option<(Track, u64)>,
}

impl Search {
    /// A search from the error at byte `wrong` on, behind the bytes of the value that were `read`. `proven`:
    /// up to where strings and brackets are known to be balanced, if they are.
    pub(super) fn new(
        outline: Outline,
        read: &[u8],
        wrong: u8,
        around: Around,
        ends: Ends,
        proven: Option<u64>,
    ) -> Self {
        // Where brackets are balanced, lines and strings are what they seem to be.
        let ends = match (proven, ends) {
            (Some(_), Ends::Line { .. }) => Ends::Unit,
            (Some(_), Ends::Brackets { .. }) => Ends::Brackets { or_line: false },
            _ => ends,
        };
        let over = ends == Ends::Line { over: true };
        // A text that is a record has its brackets inside.
        let outside = if around.opener == b'"' { &[] } else { read };
        let mut tracks = match proven {
            Some(_) => vec![Track::proven(outline, around)],
            None if over => vec![Track::of(outline, around)],
            None => {
                let inside_out = outline.inside_out(outside, wrong);
                vec![Track::of(outline, around), Track::of(inside_out, around)]
            }
        };
        if over {
            tracks.iter_mut().for_each(Track::seek_no_more);
        }
        Search {
            around,
            ends,
            tracks,
            proven,
            before: 0,
            first: true,
            word: true,
            over,
            whole: false,
            start: match read.ends_with(b"\n") && ends.at_lines() {
                true => Start::First,
                false => Start::No,
            },
            line: None,
        }
    }

    /// Whether reading resumes at the next record for certain, so that no byte need be read twice.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.is_some()
    }

    /// Takes more bytes, the first of which is at `from`.
    pub(super) fn feed(&mut self, bytes: &[u8], from: u64) -> Option<Next> {
        let mut index = 0;
        while index < bytes.len() {
            let (used, next) = self.simple(&bytes[index..], from + index as u64);
            if next.is_some() {
                return next;
            }
            index += used;
            let byte = *bytes.get(index)?;
            let next = self.step(byte, from + index as u64);
            if next.is_some() {
                return next;
            }
            index += 1;
        }
        None
    }

    /// Takes bytes while there is one way to read them and no other can begin, as nearly always. Returns how
    /// many.
    fn simple(&mut self, bytes: &[u8], from: u64) -> (usize, Option<Next>) {
        let at_lines = self.ends.at_lines();
        let [track] = &mut self.tracks[..] else {
            return (0, None);
        };
        if self.first || self.word || self.line.is_some() || self.start != Start::No {
            return (0, None);
        }
        let mut index = 0;
        loop {
            if track.text() == Text::Inside {
                let text = &bytes[index..find_special(bytes, index)];
                if let Some(last) = text.trim_ascii_end().last() {
                    self.before = *last;
                }
                index += text.len();
            }
            let Some(&byte) = bytes.get(index) else {
                return (index, None);
            };
            let forks = self.proven.is_none() && (track.is_odd(byte) || track.is_closed());
            if forks || at_lines && byte == b'\n' {
                return (index, None);
            }
            if !byte.is_ascii_whitespace() {
                self.before = byte;
            }
            let at = from + index as u64;
            if self.proven == Some(at) {
                return (index, None);
            }
            match (track.step(byte, at), track.next(), self.proven) {
                (Outcome::Exact { at: begun, .. }, ..) => {
                    let next = Next::Inside {
                        at: begun,
                        proven: at,
                    };
                    return (index, Some(next));
                }
                (Outcome::Nothing, Some(at), Some(proven)) => {
                    return (index, Some(Next::Inside { at, proven }));
                }
                (Outcome::Nothing, ..) => index += 1,
                (Outcome::Impossible, ..) => {
                    self.tracks.clear();
                    return (index + 1, None);
                }
            }
        }
    }

    /// The unit ends at `at`.
    pub(super) fn end(&self, at: u64) -> Next {
        if let Some(begun) = self.tracks.iter().find_map(Track::exact) {
            return Next::Inside {
                at: begun,
                proven: at,
            };
        }
        let prefixed = match self.start {
            Start::Prefixed(_, begun) => Some(begun),
            _ => None,
        };
        let line = self.line.as_ref().map(|(_, begun)| *begun);
        if let Some(begun) = line.or(prefixed) {
            return Next::Line {
                at: begun,
                proven: begun,
            };
        }
        let whole = self.around.brackets.is_empty() && self.is_behind();
        Next::Nowhere {
            cut: !self.over && !whole,
        }
    }

    fn step(&mut self, byte: u8, at: u64) -> Option<Next> {
        if self.proven == Some(at) {
            return Some(Next::Inside { at, proven: at });
        }
        let next = self.lines(byte, at);
        let next = next.or_else(|| self.records(byte, at));
        if next.is_some() {
            return next;
        }
        self.first = false;
        if !byte.is_ascii_whitespace() {
            self.before = byte;
        }
        self.word &= !matches!(
            byte,
            b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b' ' | b'\n' | b'\r' | b'\t'
        );
        if byte != b'\n' || !self.ends.at_lines() {
            return None;
        }
        self.start = Start::First;
        match self.ends {
            Ends::Line { .. } => self.line_ends(at),
            _ => None,
        }
    }

    fn is_behind(&self) -> bool {
        self.tracks.first().is_some_and(Track::is_behind)
    }

    /// Looks for a record to go on with.
    fn records(&mut self, byte: u8, at: u64) -> Option<Next> {
        let is_outside = |track: &Track| track.text() == Text::Outside;
        if !self.over && !self.is_proven() {
            match &self.tracks[..] {
                [] if byte == self.around.opener => {
                    self.tracks.push(Track::lost(self.around, self.before));
                }
                // Another quote may be missing.
                [track] if !self.word && track.is_odd(byte) => {
                    self.tracks.push(track.inside_out());
                    self.word = true;
                }
                _ => {}
            }
        }
        // Read inside out, a text soon has words where none can be.
        let contest = self.tracks.len() == 2 && !self.word;
        let mut index = 0;
        while let Some(track) = self.tracks.get_mut(index) {
            let outcome = match contest && is_outside(track) && track.is_odd(byte) {
                _ if self.first => track.step_wrong(byte, at),
                true => Outcome::Impossible,
                false => track.step(byte, at),
            };
            match outcome {
                Outcome::Exact { at: begun, line } => {
                    // A text has no line's end in it.
                    if line || self.proven.is_some() {
                        return Some(Next::Inside {
                            at: begun,
                            proven: at,
                        });
                    }
                    // Read inside out, a text may close the container: the other way is ruled out first.
                    let closed_at = track.closed_at.or(Some((begun, at)));
                    *track = Track::lost(self.around, self.before);
                    let other = track.inside_out();
                    track.step(byte, at);
                    track.closed_at = closed_at;
                    if self.tracks.len() == 1 {
                        self.tracks.push(other);
                    }
                }
                Outcome::Impossible => {
                    self.tracks.remove(index);
                    continue;
                }
                Outcome::Nothing => {
                    if let (Some(begun), Some(proven)) = (track.next(), self.proven) {
                        return Some(Next::Inside { at: begun, proven });
                    }
                }
            }
            index += 1;
        }
        if self.tracks.len() == 2 && self.tracks.iter().all(is_outside) {
            // The ways have become the same.
            self.tracks.truncate(1);
            self.tracks[0].closed_at = None;
        }
        match &self.tracks[..] {
            [track] => track
                .closed_at
                .map(|(at, proven)| Next::Inside { at, proven }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
