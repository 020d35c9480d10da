//! Where a JSON value ends, and whether it is one.
//!
//! Enters: bytes, in pieces of any size. Leaves: the end of the value, or the byte at which it is
//! no JSON. What must hold: every byte is looked at once however the pieces are cut (so a value of
//! any size costs no memory); no recursion; the grammar is RFC 8259's in full, except that strings
//! may hold invalid UTF-8 and lone surrogates, which are judged where a record is parsed. The keys
//! of an outermost object are noted on the way, as they tell what the object is.

use super::keys::Keys;

/// Levels of nesting that are followed. What nests deeper is refused whatever the limits say, so
/// that brackets alone cannot take memory.
pub(super) const DEEPEST: usize = 1 << 20;

/// The longest outermost key that is looked at as a whole.
const LONGEST_KEY: usize = 64;

/// What became of some bytes. Offsets count from the start of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The value goes on. From this byte on, they must be given again, with more behind them.
    More(usize),
    /// The value ended before this byte.
    Done(usize),
    /// At this byte begins an array under a key that may hold events; see [`Scanner::pass`].
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    ESign,
    Exponent,
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

    /// Takes the array at which [`Step::Container`] stopped as read.
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

    /// Whether the value is complete if nothing follows: true of a number alone.
    pub(super) fn is_complete_at_end(&self) -> bool {
        use Number::{Exponent, Fraction, Integer, Zero};
        self.open.is_empty()
            && matches!(
                self.state,
                State::Number(Zero | Integer | Fraction | Exponent)
            )
    }

    /// Goes on with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Step {
        let mut state = self.state;
        let mut at = 0;
        let step = loop {
            let Some(&byte) = bytes.get(at) else {
                break Step::More(at);
            };
            state = match state {
                State::Text(is_key) => {
                    at = plain_run(bytes, at);
                    match bytes.get(at) {
                        None => continue,
                        Some(b'"') if self.open.is_empty() => break Step::Done(at + 1),
                        Some(b'"') if is_key => State::Colon,
                        Some(b'"') => State::After,
                        Some(b'\\') => State::Escape(is_key),
                        Some(_) => break Step::Error(at, "a control character inside a string"),
                    }
                }
                State::Escape(is_key) => match byte {
                    b'u' => State::Hex(is_key, 4),
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text(is_key),
                    _ => break Step::Error(at, "an unknown escape inside a string"),
                },
                State::Hex(..) if !byte.is_ascii_hexdigit() => {
                    break Step::Error(at, "expected a hexadecimal digit");
                }
                State::Hex(is_key, 1) => State::Text(is_key),
                State::Hex(is_key, missing) => State::Hex(is_key, missing - 1),
                State::Literal([next, ..]) if *next != byte => {
                    break Step::Error(at, "expected a value");
                }
                State::Literal([_] | []) if self.open.is_empty() => break Step::Done(at + 1),
                State::Literal([_] | []) => State::After,
                State::Literal([_, rest @ ..]) => State::Literal(rest),
                State::Number(number) => match number.next(byte) {
                    Some(Ok(number)) => State::Number(number),
                    Some(Err(problem)) => break Step::Error(at, problem),
                    None if self.open.is_empty() => break Step::Done(at),
                    None => {
                        state = State::After;
                        continue;
                    }
                },
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => state,
                State::After => match (byte, self.open.last()) {
                    (b',', Some(true)) => State::Key,
                    (b',', Some(false)) => State::Value,
                    (b'}', Some(true)) | (b']', Some(false)) => {
                        self.open.pop();
                        if self.open.is_empty() {
                            break Step::Done(at + 1);
                        }
                        State::After
                    }
                    (_, Some(true)) => break Step::Error(at, "expected `,` or `}`"),
                    _ => break Step::Error(at, "expected `,` or `]`"),
                },
                State::Key | State::FirstKey if byte == b'"' => {
                    if self.open.len() > 1 {
                        State::Text(true)
                    } else {
                        let end = plain_run(bytes, at + 1);
                        match bytes.get(end) {
                            None if end - at <= LONGEST_KEY => break Step::More(at),
                            Some(b'"') => {
                                self.last = Keys::of(&bytes[at + 1..end]);
                                self.keys |= self.last;
                                at = end;
                                State::Colon
                            }
                            _ => {
                                self.last = Keys::NONE;
                                State::Text(true)
                            }
                        }
                    }
                }
                State::FirstValue if byte == b']' => {
                    self.open.pop();
                    if self.open.is_empty() {
                        break Step::Done(at + 1);
                    }
                    State::After
                }
                State::FirstKey if byte == b'}' => {
                    self.open.pop();
                    if self.open.is_empty() {
                        break Step::Done(at + 1);
                    }
                    State::After
                }
                State::FirstKey => break Step::Error(at, "expected a key or `}`"),
                State::Key => break Step::Error(at, "expected a key"),
                State::Colon if byte == b':' => State::Value,
                State::Colon => break Step::Error(at, "expected `:`"),
                State::Value | State::FirstValue => match byte {
                    b'"' => State::Text(false),
                    b'{' | b'[' => {
                        if byte == b'[' && self.at_container() {
                            break Step::Container(at);
                        }
                        if self.open.len() == DEEPEST {
                            break Step::Error(at, "nests too deep");
                        }
                        self.open.push(byte == b'{');
                        self.deepest = self.deepest.max(self.open.len());
                        if byte == b'{' {
                            State::FirstKey
                        } else {
                            State::FirstValue
                        }
                    }
                    b'-' => State::Number(Number::Minus),
                    b'0' => State::Number(Number::Zero),
                    b'1'..=b'9' => State::Number(Number::Integer),
                    b't' => State::Literal(b"rue"),
                    b'f' => State::Literal(b"alse"),
                    b'n' => State::Literal(b"ull"),
                    _ => break Step::Error(at, "expected a value"),
                },
            };
            at += 1;
        };
        self.state = state;
        step
    }

    fn at_container(&self) -> bool {
        self.stops && self.open.len() == 1 && self.last.is_container()
    }
}

impl Number {
    /// The state after a byte; `None` where the number ended before it.
    fn next(self, byte: u8) -> Option<Result<Number, &'static str>> {
        use Number::{E, ESign, Exponent, Fraction, Integer, Minus, Point, Zero};
        Some(Ok(match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => E,
            (E, b'+' | b'-') => ESign,
            (E | ESign | Exponent, b'0'..=b'9') => Exponent,
            (Zero, b'0'..=b'9') | (Minus | Point | E | ESign, _) => {
                return Some(Err("not a number"));
            }
            (Zero | Integer | Fraction | Exponent, _) => return None,
        }))
    }
}

/// The first byte at or after `at` that is not plain text of a string: a quote, a backslash, a
/// control character. Eight bytes at a time: a byte's high bit is set in `hits` where it is one of
/// them (above the lowest hit there may be false ones).
pub(super) fn plain_run(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        let zero_in = |x: u64| x.wrapping_sub(ONES) & !x;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero_in(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
        let hits = (control | quote | backslash) & (ONES << 7);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes
        .get(at)
        .is_some_and(|&b| b != b'"' && b != b'\\' && b >= 0x20)
    {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    /// Feeds a text in pieces; the end of the value, the byte of the error, or nothing.
    fn scan(text: &[u8], piece: usize) -> Option<Result<usize, usize>> {
        let mut scanner = Scanner::new();
        let (mut at, mut end) = (0, 0);
        loop {
            match scanner.feed(&text[at..end]) {
                Step::More(used) => at += used,
                Step::Done(length) => return Some(Ok(at + length)),
                Step::Error(byte, _) => return Some(Err(at + byte)),
                Step::Container(_) => unreachable!("it was not asked to stop"),
            }
            if end == text.len() {
                return scanner.is_complete_at_end().then_some(Ok(end));
            }
            end = text.len().min(end + piece);
        }
    }

    /// The same by serde_json, which says where an error is by line and column.
    fn oracle(text: &[u8]) -> Option<Result<usize, ()>> {
        let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        match stream.next() {
            None => None,
            Some(Ok(_)) => Some(Ok(stream.byte_offset())),
            Some(Err(error)) if error.is_eof() => None,
            // The one check beyond the value: what follows a number or a literal.
            Some(Err(error)) if error.to_string().starts_with("trailing characters") => {
                Some(Ok(stream.byte_offset()))
            }
            Some(Err(_)) => Some(Err(())),
        }
    }

    fn agrees(text: &[u8]) {
        // serde_json takes a number that is cut for a wrong one; a space behind it makes it wrong.
        let text = &[text, b" "].concat()[..];
        let whole = scan(text, usize::MAX >> 1);
        for piece in [1, 2, 7] {
            assert_eq!(
                scan(text, piece),
                whole,
                "{:?}",
                String::from_utf8_lossy(text)
            );
        }
        let blind = whole.map(|result| result.map_err(|_| ()));
        assert_eq!(blind, oracle(text), "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn the_grammar_is_serde_jsons() {
        for text in [
            "",
            " ",
            "{}",
            "[]",
            "[[],{}]",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{,}",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\" 1}",
            "{1:2}",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "[1}",
            "{\"a\":1]",
            "}",
            "]",
            ",",
            ":",
            "0 ",
            "-0 ",
            "01",
            "-",
            "-a",
            "1.",
            "1.a",
            "1.5 ",
            "1e",
            "1e+",
            "1e+5 ",
            "1E-5]",
            "[1.5e10]",
            "true",
            "false",
            "null",
            "tru",
            "trux",
            "[nul]",
            "[true,false,null]",
            "\"",
            "\"a\"",
            "\"\\\"\"",
            "\"\\u12\"",
            "\"\\u1234\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "\"12345678\n\"",
            "\"1234567\u{1f}8\"",
            "\"\u{7f}\u{80}é😀\"",
            "  {\"\\u0041b\":[{\"c\":\"d\"}]}  x",
        ] {
            agrees(text.as_bytes());
        }
        agrees(b"\"\xff\xfe\"");
        agrees(format!("{{\"{}\":1}}", "k".repeat(1_000)).as_bytes());
    }

    proptest! {
        #[test]
        fn what_looks_like_json_is_judged_as_by_serde_json(
            text in prop::collection::vec(prop::sample::select(&b"{}[]:,\"\\ \nu0d1-+.eEtrufalsn\x00\xc3"[..]), 0..24),
        ) {
            agrees(&text);
        }

        #[test]
        fn damaged_json_is_judged_as_by_serde_json(
            numbers in prop::collection::vec(any::<f64>(), 0..4),
            text in ".{0,12}",
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let value = serde_json::json!({"a": numbers, &text: [{"b": text}, null, true]});
            let mut bytes = value.to_string().into_bytes();
            agrees(&bytes);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            agrees(&bytes);
        }
    }

    #[test]
    fn an_error_is_where_the_text_stops_being_json() {
        for (text, at) in [
            ("{\"a\":1,{", 7),
            ("{\"a\":tru}", 8),
            ("[1 2", 3),
            ("{\"a\":\"x\ny\"}", 7),
            ("x", 0),
        ] {
            assert_eq!(scan(text.as_bytes(), 3), Some(Err(at)), "{text}");
        }
    }

    #[test]
    fn depth_is_counted_and_bounded_without_recursion() {
        let mut scanner = Scanner::new();
        let open = vec![b'['; DEEPEST];
        assert_eq!(scanner.feed(&open), Step::More(DEEPEST));
        assert_eq!(scanner.deepest(), DEEPEST);
        assert_eq!(scanner.feed(b"["), Step::Error(0, "nests too deep"));
    }

    #[test]
    fn it_stops_only_at_arrays_under_outermost_container_keys() {
        let text = br#"{"Records":{"Records":[1]},"a":{"Records":[2]},"Events":3,"Records":[4]}"#;
        let mut scanner = Scanner::new();
        scanner.restart(true);
        let at = text.len() - 4;
        assert_eq!(scanner.feed(text), Step::Container(at));
        scanner.pass();
        assert_eq!(scanner.feed(&text[at + 3..]), Step::Done(1));
    }
}
