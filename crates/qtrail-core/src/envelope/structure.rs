//! Follows strings and brackets in a text that is not JSON.
//!
//! Enters: bytes from an error on. Leaves: where the records behind it begin, once the brackets from
//! there on close the container exactly. What must hold: only strings and brackets count, so that a later
//! broken record costs only itself; memory is that of the open brackets; an object inside a record is
//! never taken for a record behind it.

use super::outline::{Outline, Text};
use super::scan::DEEPEST;

/// What closes a container, and what its records begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    /// The open brackets around its records, the innermost first; `true` for objects.
    pub brackets: &'static [bool],
    pub opener: u8,
}

/// Where a byte is, as far as the brackets are balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    /// In the broken record.
    Broken,
    /// Behind it, in its container.
    Behind,
    /// Unknown: the brackets were not balanced.
    Lost,
    /// In the records that begin at this byte, or in what follows them in their container.
    Records(u64),
    /// Behind the container, if no text follows in it. `true`: a line has ended since.
    Closed(u64, bool),
}

/// What one more byte leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    /// The container ends before this byte; its records begin at `at`. `line`: a line's end is between.
    Exact {
        at: u64,
        line: bool,
    },
    /// The bytes cannot be read this way.
    Impossible,
}

/// One way to read the bytes: which of them are inside strings.
#[derive(Debug, Clone)]
pub(super) struct Track {
    around: Around,
    region: Region,
    open: Vec<bool>,
    /// How many of the brackets around it are closed.
    closed: usize,
    text: Text,
    before: u8,
    /// A key stood where none can be: the broken record began before.
    keyed: bool,
    /// Where the brackets are not balanced, it looks for another record to follow.
    seeks: bool,
    /// The brackets are known to be balanced: each counts.
    proven: bool,
    /// Where records begin and where their container ended, if this is the right way to read.
    pub closed_at: Option<(u64, u64)>,
}

impl Track {
    /// Follows a broken record on.
    pub(super) fn of(outline: Outline, around: Around) -> Self {
        let broken = !outline.open.is_empty() || outline.text != Text::Outside;
        Track {
            region: match broken {
                true => Region::Broken,
                false => Region::Behind,
            },
            open: outline.open,
            text: outline.text,
            before: outline.before,
            ..Track::lost(around, 0)
        }
    }

    /// Skips a broken record where strings and brackets are known to be balanced.
    pub(super) fn proven(outline: Outline, around: Around) -> Self {
        Track {
            proven: true,
            ..Track::of(outline, around)
        }
    }

    /// Looks for a record from anywhere outside strings, behind a byte that is no white space.
    pub(super) fn lost(around: Around, before: u8) -> Self {
        Track {
            around,
            region: Region::Lost,
            open: Vec::new(),
            closed: 0,
            text: Text::Outside,
            before,
            keyed: false,
            seeks: true,
            proven: false,
            closed_at: None,
        }
    }

    /// Follows a record that begins at this byte.
    pub(super) fn record(at: u64, around: Around) -> Self {
        Track {
            region: Region::Records(at),
            ..Track::lost(around, 0)
        }
    }

    pub(super) fn text(&self) -> Text {
        self.text
    }

    /// The other way to read the bytes from here on, as behind a missing quote. What was read so far proves
    /// nothing about it.
    pub(super) fn inside_out(&self) -> Self {
        let mut other = Track {
            text: self.text.inside_out(),
            closed_at: None,
            ..self.clone()
        };
        if other.region != Region::Broken {
            other.lose();
        }
        other
    }

    /// Whether the container has ended.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.region, Region::Closed(..))
    }

    /// Whether no JSON has this byte here.
    pub(super) fn is_odd(&self, byte: u8) -> bool {
        match self.text {
            Text::Outside => byte == b'\\' || !may_be_outside(byte),
            Text::Inside | Text::Escaped => byte < b' ',
        }
    }

    /// Looks for no other record to follow.
    pub(super) fn seek_no_more(&mut self) {
        self.seeks = false;
    }

    /// Whether the broken record has ended, and nothing is open.
    pub(super) fn is_behind(&self) -> bool {
        self.region == Region::Behind && self.is_even() && !self.keyed
    }

    /// The first record behind the broken one, or the end of its container.
    pub(super) fn next(&self) -> Option<u64> {
        match self.region {
            Region::Records(at) | Region::Closed(at, _) => Some(at),
            _ => None,
        }
    }

    /// Where records begin, if they end here, and nothing is open.
    pub(super) fn exact(&self) -> Option<u64> {
        match self.region {
            Region::Closed(at, _) => Some(at),
            Region::Records(at) if self.around.brackets.is_empty() && self.is_even() => Some(at),
            _ => None,
        }
    }

    fn is_even(&self) -> bool {
        self.open.is_empty() && self.text == Text::Outside
    }

    /// Takes the byte at the error, which may stand for another byte or for none. If that miscounts one
    /// bracket, the end of the broken record shows it; two might cancel out.
    pub(super) fn step_wrong(&mut self, byte: u8, at: u64) -> Outcome {
        if self.proven {
            return self.step(byte, at);
        }
        let in_object = self.innermost() == Some(true);
        let separated = !self.around.brackets.is_empty();
        let before = self.before;
        let counts = self.text != Text::Outside
            || match byte {
                b'"' => true,
                b'}' | b']' => before != b':',
                // A record behind one that is not closed, or a value behind a key.
                b'{' if in_object && separated == (before == b',') => true,
                b'{' | b'[' => before == b'"',
                _ => false,
            };
        if !counts {
            return Outcome::Nothing;
        }
        let outcome = self.step(byte, at);
        if before == b'"' && self.text == Text::Outside {
            // The colon follows.
            self.before = before;
        }
        outcome
    }

    /// Whether the bracket that is open around the next byte is an object's.
    fn innermost(&self) -> Option<bool> {
        let around = self.around.brackets.get(self.closed);
        self.open.last().or(around).copied()
    }

    /// Takes the byte at `at`.
    pub(super) fn step(&mut self, byte: u8, at: u64) -> Outcome {
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => {
                // A text between two values is one.
                if self.region == Region::Broken && self.open.is_empty() {
                    self.region = Region::Behind;
                }
                self.text = Text::Outside;
            }
            (Text::Inside, _) => {}
            (Text::Outside, b' ' | b'\t' | b'\r') => {}
            (Text::Outside, b'\n') => {
                if let Region::Closed(_, line) = &mut self.region {
                    *line = true;
                }
            }
            (Text::Outside, b'\\') if !self.proven => return Outcome::Impossible,
            (Text::Outside, _) => return self.outside(byte, at),
        }
        Outcome::Nothing
    }

    fn outside(&mut self, byte: u8, at: u64) -> Outcome {
        if let Region::Closed(records, line) = self.region {
            if matches!(byte, b'{' | b'[' | b'"') {
                return Outcome::Exact { at: records, line };
            }
            self.lose();
        }
        match byte {
            b'"' => {
                self.text = Text::Inside;
                self.text_begins(at);
            }
            b'{' | b'[' => self.opened(byte, at),
            b'}' | b']' => self.closed(byte == b'}', at),
            b':' => self.keyed |= self.open.is_empty(),
            _ => {}
        }
        self.before = byte;
        Outcome::Nothing
    }

    /// A text may be a record itself, in an array of texts.
    fn text_begins(&mut self, at: u64) {
        let is_element = self.open.is_empty() && matches!(self.before, b',' | b'[');
        if self.around.opener != b'"' || !is_element {
            return;
        }
        self.region = match self.region {
            Region::Lost if !self.seeks => Region::Lost,
            Region::Behind | Region::Lost => Region::Records(at),
            region => region,
        };
    }

    fn opened(&mut self, byte: u8, at: u64) {
        // A value where a key is expected: the object there should have been closed. So should a record that
        // is an array of objects, before another one.
        let misplaced = match self.innermost() {
            Some(true) => matches!(self.before, b',' | b'}' | b']'),
            _ => byte == b'[' && self.around.opener == b'[' && self.open == [false],
        };
        if misplaced && !self.proven || self.open.len() == DEEPEST {
            self.lose();
        }
        let no_record = byte == b'{' && self.around.opener == b'[';
        self.region = match self.region {
            Region::Lost if !self.seeks || byte != self.around.opener || self.before == b':' => {
                return;
            }
            // Without brackets around the records, it may be an element of an array in a record.
            Region::Lost
                if self.around.brackets.is_empty() && matches!(self.before, b',' | b'[') =>
            {
                return;
            }
            // Behind a key, with a colon or without, a value follows.
            Region::Behind if no_record || matches!(self.before, b':' | b'"') => Region::Broken,
            Region::Behind | Region::Lost => Region::Records(at),
            region => region,
        };
        self.open.push(byte == b'{');
    }

    fn closed(&mut self, object: bool, at: u64) {
        match (self.open.pop(), self.region) {
            // The broken record may lack a bracket: the bytes behind it show that.
            (Some(_), Region::Broken) => {
                if self.open.is_empty() {
                    self.region = Region::Behind;
                }
            }
            (Some(opened), _) => {
                if opened != object {
                    self.lose();
                }
            }
            (None, Region::Behind | Region::Records(_)) => self.closed_around(object, at),
            (None, _) => {}
        }
    }

    fn closed_around(&mut self, object: bool, at: u64) {
        let brackets = self.around.brackets;
        if brackets.get(self.closed) != Some(&object) {
            return self.lose();
        }
        self.closed += 1;
        let records = self.next().unwrap_or(at);
        self.region = match self.closed == brackets.len() {
            true => Region::Closed(records, false),
            false => Region::Records(records),
        };
    }

    fn lose(&mut self) {
        self.open.clear();
        self.closed = 0;
        self.region = Region::Lost;
    }
}

/// Whether a byte can stand outside strings.
fn may_be_outside(byte: u8) -> bool {
    matches!(
        byte,
        b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b'\\' | b' ' | b'\n' | b'\r' | b'\t'
    ) || matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'E')
        || b"truefalsn".contains(&byte)
}
