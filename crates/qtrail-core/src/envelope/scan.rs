//! Where a JSON value ends, and whether it is one.
//!
//! Enters: bytes, in pieces of any size. Leaves: the end of the value, or the byte at which it is
//! no JSON. What must hold: every byte is looked at once however the pieces are cut (so a value of
//! any size costs no memory); no recursion; the grammar is RFC 8259's in full, except that strings
//! may hold invalid UTF-8 and lone surrogates, which are judged where a record is parsed. The keys
//! of an outermost object are collected on the way, to classify it.

use super::keys::Keys;
use super::outline::{Outline, Text};
use crate::json::{Number, find_special};

/// Levels of nesting, at most, whatever the limits: brackets alone must not take memory.
pub(super) const DEEPEST: usize = 1 << 20;

/// The longest outermost key that is read as a whole.
const LONGEST_KEY: usize = 64;

/// What the scanner found in some bytes. Offsets count from the start of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The value continues. The bytes from this one on must be fed again, with more behind them.
    More(usize),
    /// The value ended before this byte.
    Done(usize),
    /// At this byte begins an array under a key of a container; see [`Scanner::pass`].
    Container(usize),
    /// At this byte it is no JSON.
    Error(usize, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    /// After `[`: a value, or `]`.
    FirstValue,
    /// After `{`: a key, or `}`.
    FirstKey,
    Key,
    Colon,
    /// After a value: a comma, or the end of its container.
    After,
    /// Inside a string; `true` for a key.
    Text(bool),
    Escape(bool),
    /// So many hexadecimal digits are missing.
    Hex(bool, u8),
    /// What is missing of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Number),
}

/// A validator of one value that can stop and go on at any byte.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The containers around the next byte; `true` for objects.
    open: Vec<bool>,
    deepest: usize,
    keys: Keys,
    /// The outermost key that was read last.
    last: Keys,
    stops: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Scanner {
            state: State::Value,
            open: Vec::new(),
            deepest: 0,
            keys: Keys::NONE,
            last: Keys::NONE,
            stops: false,
        }
    }

    /// Starts over, for another value. `stops`: whether to stop at containers of events.
    pub(super) fn restart(&mut self, stops: bool) {
        self.open.clear();
        *self = Scanner {
            open: std::mem::take(&mut self.open),
            stops,
            ..Scanner::new()
        };
    }

    /// Takes the array at which [`Progress::Container`] stopped as read.
    pub(super) fn pass(&mut self) {
        self.state = State::After;
    }

    /// Does not stop at containers any more.
    pub(super) fn stop_no_more(&mut self) {
        self.stops = false;
    }

    /// The outermost keys so far.
    pub(super) fn keys(&self) -> Keys {
        self.keys
    }

    /// The outermost key that was read last.
    pub(super) fn last_key(&self) -> Keys {
        self.last
    }

    /// The deepest nesting so far; 1 for an object without objects.
    pub(super) fn deepest(&self) -> usize {
        self.deepest
    }

    /// Where the value is cut by an error.
    pub(super) fn outline(&self) -> Outline {
        let object = self.open.last() == Some(&true);
        let (text, before) = match self.state {
            State::Text(_) | State::Hex(..) => (Text::Inside, b'"'),
            State::Escape(_) => (Text::Escaped, b'"'),
            State::Value if object => (Text::Outside, b':'),
            State::Value | State::Key => (Text::Outside, b','),
            State::FirstValue => (Text::Outside, b'['),
            State::FirstKey => (Text::Outside, b'{'),
            State::Colon => (Text::Outside, b'"'),
            State::After => (Text::Outside, b'}'),
            State::Literal(_) | State::Number(_) => (Text::Outside, b'0'),
        };
        Outline {
            open: self.open.clone(),
            text,
            before,
        }
    }

    /// Whether the error is between the key of a container and its array.
    pub(super) fn awaits_container(&self) -> bool {
        self.stops
            && self.open == [true]
            && self.last.is_container(self.keys)
            && matches!(self.state, State::Value | State::Colon)
    }

    /// Whether the value is complete if nothing follows: true of a number alone.
    pub(super) fn is_complete_at_end(&self) -> bool {
        let is_complete = matches!(self.state, State::Number(number) if number.is_complete());
        self.open.is_empty() && is_complete
    }

    /// Continues with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let next = match self.state {
                State::Text(_) | State::Escape(_) | State::Hex(..) | State::Literal(_) => {
                    self.token(bytes, &mut at)
                }
                State::Number(number) => match number.next(byte) {
                    Ok(Some(number)) => Ok(State::Number(number)),
                    Err(detail) => Err(Progress::Error(at, detail)),
                    Ok(None) if self.open.is_empty() => Err(Progress::Done(at)),
                    Ok(None) => {
                        self.state = State::After;
                        continue;
                    }
                },
                state if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => Ok(state),
                State::After => self.after(byte, at),
                State::Key | State::FirstKey if byte == b'"' => self.key(bytes, &mut at),
                State::FirstKey if byte == b'}' => self.close(at),
                State::FirstKey => Err(Progress::Error(at, "expected a key or `}`")),
                State::Key => Err(Progress::Error(at, "expected a key")),
                State::Colon if byte == b':' => Ok(State::Value),
                State::Colon => Err(Progress::Error(at, "expected `:`")),
                State::FirstValue if byte == b']' => self.close(at),
                State::Value | State::FirstValue => self.value(bytes, &mut at),
            };
            match next {
                Ok(state) => self.state = state,
                Err(progress) => return progress,
            }
            at += 1;
        }
        Progress::More(at)
    }

    /// Inside a string or a literal. Moves `at` to the last byte that was taken.
    fn token(&mut self, bytes: &[u8], at: &mut usize) -> Result<State, Progress> {
        Ok(match (self.state, bytes[*at]) {
            (State::Text(is_key), _) => {
                let end = find_special(bytes, *at);
                *at = end;
                match bytes.get(end) {
                    None => return Err(Progress::More(end)),
                    Some(b'"') if self.open.is_empty() => return Err(Progress::Done(end + 1)),
                    Some(b'"') if is_key => State::Colon,
                    Some(b'"') => State::After,
                    Some(b'\\') => State::Escape(is_key),
                    Some(_) => {
                        return Err(Progress::Error(end, "a control character inside a string"));
                    }
                }
            }
            (State::Escape(is_key), b'u') => State::Hex(is_key, 4),
            (State::Escape(is_key), b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                State::Text(is_key)
            }
            (State::Escape(_), _) => {
                return Err(Progress::Error(*at, "an unknown escape inside a string"));
            }
            (State::Hex(is_key, missing), byte) if byte.is_ascii_hexdigit() => match missing {
                1 => State::Text(is_key),
                _ => State::Hex(is_key, missing - 1),
            },
            (State::Hex(..), _) => {
                return Err(Progress::Error(*at, "expected a hexadecimal digit"));
            }
            (State::Literal([next]), byte) if *next == byte => {
                if self.open.is_empty() {
                    return Err(Progress::Done(*at + 1));
                }
                State::After
            }
            (State::Literal([next, rest @ ..]), byte) if *next == byte => State::Literal(rest),
            _ => return Err(Progress::Error(*at, "expected a value")),
        })
    }

    fn after(&mut self, byte: u8, at: usize) -> Result<State, Progress> {
        match (byte, self.open.last()) {
            (b',', Some(true)) => Ok(State::Key),
            (b',', _) => Ok(State::Value),
            (b'}', Some(true)) | (b']', Some(false)) => self.close(at),
            (_, Some(true)) => Err(Progress::Error(at, "expected `,` or `}`")),
            _ => Err(Progress::Error(at, "expected `,` or `]`")),
        }
    }

    fn close(&mut self, at: usize) -> Result<State, Progress> {
        self.open.pop();
        if self.open.is_empty() {
            return Err(Progress::Done(at + 1));
        }
        Ok(State::After)
    }

    /// At the quote that opens a key. Goes the quick way where the key is in one piece.
    fn key(&mut self, bytes: &[u8], at: &mut usize) -> Result<State, Progress> {
        let end = find_special(bytes, *at + 1);
        let outermost = self.open.len() == 1;
        match bytes.get(end) {
            None if outermost && end - *at <= LONGEST_KEY => Err(Progress::More(*at)),
            Some(b'"') => {
                if outermost {
                    self.last = Keys::of(&bytes[*at + 1..end]);
                    self.keys |= self.last;
                }
                let colon = bytes.get(end + 1) == Some(&b':');
                *at = end + usize::from(colon);
                Ok(if colon { State::Value } else { State::Colon })
            }
            _ => {
                if outermost {
                    self.last = Keys::NONE;
                }
                *at = end - 1;
                Ok(State::Text(true))
            }
        }
    }

    /// At a value's first byte. Goes the quick way where it is a string in one piece.
    fn value(&mut self, bytes: &[u8], at: &mut usize) -> Result<State, Progress> {
        Ok(match bytes[*at] {
            b'"' => {
                let end = find_special(bytes, *at + 1);
                if bytes.get(end) == Some(&b'"') && !self.open.is_empty() {
                    *at = end;
                    return Ok(State::After);
                }
                *at = end - 1;
                State::Text(false)
            }
            b'[' if self.at_container() => return Err(Progress::Container(*at)),
            b'{' | b'[' if self.open.len() == DEEPEST => {
                return Err(Progress::Error(*at, "nests too deep"));
            }
            byte @ (b'{' | b'[') => {
                self.open.push(byte == b'{');
                self.deepest = self.deepest.max(self.open.len());
                if byte == b'{' {
                    State::FirstKey
                } else {
                    State::FirstValue
                }
            }
            byte @ (b'-' | b'0'..=b'9') => State::Number(Number::begin(byte)),
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => return Err(Progress::Error(*at, "expected a value")),
        })
    }

    fn at_container(&self) -> bool {
        self.stops && self.open.len() == 1 && self.last.is_container(self.keys)
    }
}

/// How deep a value nests.
pub(super) fn depth(value: &[u8]) -> usize {
    let mut scanner = Scanner::new();
    scanner.feed(value);
    scanner.deepest()
}

#[cfg(test)]
mod tests;
