//! Where the records of an ordinary log file begin and end.
//!
//! Enters: all bytes of `{"Records":[{"eventVersion":"1.…},…]}`. Leaves: the place of each record, or `None` for
//! whatever is not exactly that, in compact JSON. What must hold: brackets and strings add up to the last byte; a
//! quote too many or too few puts keys outside strings, where their letters are not allowed; each token may follow
//! the one before it, and what is no string or bracket is a number or a literal. What is not looked at: whether a bracket closes one of its kind, whether commas and colons
//! suit the object or array that they are in, escapes, and UTF-8.

#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, x86::V3};

use super::blocks::{Classify, Masks, Portable};
use crate::event::may_spell_a_byte;
use crate::json::{Number, is_space};

/// What each record of CloudTrail's begins with.
const BEGINNING: &[u8] = b"{\"eventVersion\":\"1.";

/// A record's place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// A name in it may be spelt in other bytes than its own.
    pub hides_words: bool,
}

/// What a file may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub record_bytes: usize,
    /// Levels of nesting in a record.
    pub depth: usize,
    pub records: u64,
}

/// Fills `spans`, which is cleared before.
pub(super) fn split(bytes: &[u8], most: Most, spans: &mut Vec<Span>) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = V3::try_new() {
        return simd.vectorize(Vectorized {
            simd,
            bytes,
            most,
            spans,
        });
    }
    split_with(Portable, bytes, most, spans)
}

#[cfg(target_arch = "x86_64")]
struct Vectorized<'a> {
    simd: V3,
    bytes: &'a [u8],
    most: Most,
    spans: &'a mut Vec<Span>,
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Vectorized<'_> {
    type Output = Option<()>;

    #[inline(always)]
    fn call(self) -> Option<()> {
        split_with(self.simd, self.bytes, self.most, self.spans)
    }
}

#[inline(always)]
fn split_with<C: Classify>(
    classify: C,
    bytes: &[u8],
    most: Most,
    spans: &mut Vec<Span>,
) -> Option<()> {
    spans.clear();
    let end = bytes.iter().rposition(|byte| !is_space(*byte))?;
    let bytes = &bytes[..=end];
    let mut at = header(bytes)?;
    let mut strings = Strings::default();
    let mut tokens = Tokens::behind_a_bracket();
    let mut open = Open {
        begun: at,
        last: at,
        ..Open::default()
    };
    // Backslashes of the present record that may spell a byte of a word.
    let mut hides_words = 0;
    let mut rest = bytes.get(at..)?;
    let mut padded = [b' '; 64];
    while !rest.is_empty() {
        let (block, valid) = match rest.first_chunk() {
            Some(block) => (block, u64::MAX),
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                (&padded, (1 << rest.len()) - 1)
            }
        };
        let masks = classify.masks(block);
        let quotes = masks.quote & !strings.escaped(masks.backslash);
        let inside = strings.inside(quotes);
        let (opening, closing) = (masks.open & !inside, masks.close & !inside);
        let found = tokens.next(&masks, quotes, inside);
        let scalars = found.scalars & valid;
        if masks.has_control
            || found.misplaced & valid != 0
            || scalars != 0 && !are_scalars(bytes, at, scalars)
        {
            return None;
        }
        let (opened, closed) = (opening.count_ones() as usize, closing.count_ones() as usize);
        if open.depth + opened > most.depth {
            return None;
        }
        let spelling = match masks.backslash {
            0 => 0,
            backslashes => spelling(bytes, at, backslashes),
        };
        hides_words |= spelling;
        if open.depth > closed {
            open.depth = open.depth + opened - closed;
        } else {
            let mut brackets = opening | closing;
            while brackets != 0 {
                let index = brackets.trailing_zeros() as usize;
                brackets &= brackets - 1;
                let (position, opens) = (at + index, opening >> index & 1 == 1);
                match (opens, open.depth) {
                    (true, 0) => {
                        let gap: &[u8] = if spans.is_empty() { b"" } else { b"," };
                        if !bytes[position..].starts_with(BEGINNING)
                            || bytes[open.last..position] != *gap
                        {
                            return None;
                        }
                        (open.begun, hides_words) = (position, spelling >> index);
                        open.depth = 1;
                    }
                    (true, _) => open.depth += 1,
                    (false, 0) => {
                        // The array ends, and the file's object right behind it.
                        let ends = position == open.last && bytes[position..] == *b"]}";
                        return ends.then_some(());
                    }
                    (false, 1) => {
                        if bytes[position] != b'}'
                            || position - open.begun >= most.record_bytes
                            || spans.len() as u64 == most.records
                        {
                            return None;
                        }
                        // Backslashes behind it, in this block, only cost a closer look.
                        let hides_words = hides_words != 0;
                        spans.push(Span {
                            start: open.begun,
                            end: position + 1,
                            hides_words,
                        });
                        (open.last, open.depth) = (position + 1, 0);
                    }
                    (false, _) => open.depth -= 1,
                }
            }
        }
        at += block.len();
        rest = bytes.get(at..).unwrap_or_default();
    }
    None
}

/// Which of these backslashes of a block may spell a byte of a word.
#[inline(never)]
fn spelling(bytes: &[u8], at: usize, mut backslashes: u64) -> u64 {
    let mut spelling = 0;
    while backslashes != 0 {
        let index = backslashes.trailing_zeros() as usize;
        let spells = may_spell_a_byte(bytes.get(at + index + 1));
        spelling |= u64::from(spells) << index;
        backslashes &= backslashes - 1;
    }
    spelling
}

/// Whether each of these places of a block begins a number or a literal, and nothing else up to the next token.
#[inline(never)]
fn are_scalars(bytes: &[u8], at: usize, mut places: u64) -> bool {
    while places != 0 {
        let text = &bytes[at + places.trailing_zeros() as usize..];
        if !is_literal(text) && !is_number(text) {
            return false;
        }
        places &= places - 1;
    }
    true
}

/// Without a branch for each literal: which one it is cannot be foreseen.
#[inline(always)]
fn is_literal(text: &[u8]) -> bool {
    let Some([a, b, c, d, e, f]) = text.first_chunk() else {
        return false;
    };
    let four = u32::from_le_bytes([*a, *b, *c, *d]);
    let is = |word: &[u8; 4]| four == u32::from_le_bytes(*word);
    let ends = |byte: &u8| (*byte == b',') | (*byte | 0x20 == b'}');
    (is(b"true") | is(b"null")) & ends(e) | is(b"fals") & (*e == b'e') & ends(f)
}

#[inline(never)]
fn is_number(text: &[u8]) -> bool {
    if !matches!(text[0], b'-' | b'0'..=b'9') {
        return false;
    }
    number_length(text).is_some_and(|length| matches!(text[length], b',' | b'}' | b']'))
}

fn number_length(text: &[u8]) -> Option<usize> {
    let mut number = Number::begin(text[0]);
    for (length, &byte) in text.iter().enumerate().skip(1) {
        match number.next(byte) {
            Ok(Some(longer)) => number = longer,
            Ok(None) => return Some(length),
            Err(_) => return None,
        }
    }
    None
}

/// What the tokens of a block are.
struct Found {
    /// Tokens that may not follow the one before them.
    misplaced: u64,
    /// The first bytes of numbers and literals.
    scalars: u64,
}

/// What the last byte of the block before was, in the lowest bit.
struct Tokens {
    separator: u64,
    separator_or_open: u64,
    /// The end of a string.
    text: u64,
    scalar: u64,
}

impl Tokens {
    fn behind_a_bracket() -> Self {
        Tokens {
            separator: 0,
            separator_or_open: 1,
            text: 0,
            scalar: 0,
        }
    }

    #[inline(always)]
    fn next(&mut self, masks: &Masks, quotes: u64, inside: u64) -> Found {
        let outside = |mask: u64| mask & !inside;
        let (open, close) = (outside(masks.open), outside(masks.close));
        let (comma, colon) = (outside(masks.comma), outside(masks.colon));
        let text = outside(quotes);
        let separator = comma | colon;
        let scalar = outside(!(open | close | separator | text));
        // Each of them one byte later: what stands before.
        let behind = |mask: u64, carry: &mut u64| {
            let shifted = mask << 1 | *carry;
            *carry = mask >> 63;
            shifted
        };
        let behind_separator = behind(separator, &mut self.separator);
        let behind_start = behind(separator | open, &mut self.separator_or_open);
        let behind_text = behind(text, &mut self.text);
        let behind_scalar = behind(scalar, &mut self.scalar);
        let scalars = scalar & !behind_scalar;
        Found {
            misplaced: (quotes & inside | open | scalars) & !behind_start
                | comma & behind_start
                | colon & !behind_text
                | close & behind_separator,
            scalars,
        }
    }
}

/// Which bytes of a block stand in strings.
#[derive(Debug, Default)]
struct Strings {
    /// All ones where the next block begins in a string.
    inside: u64,
    /// 1 where the next block's first byte is escaped.
    escaped: u64,
}

impl Strings {
    /// The bytes inside strings, with the opening quotes and without the closing ones.
    #[inline(always)]
    fn inside(&mut self, quotes: u64) -> u64 {
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.inside;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        inside
    }

    /// The bytes behind a backslash that is not escaped itself. Backslashes in a row take turns: adding a bit to
    /// each row's beginning carries to the byte behind it, and its parity tells.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        let escapes = backslashes & !self.escaped;
        let rows = (escapes << 1 | ODD).wrapping_sub(escapes) ^ ODD;
        let escaped = rows ^ (backslashes | self.escaped);
        self.escaped = (rows & backslashes) >> 63;
        escaped
    }
}

/// Where the pass is.
#[derive(Debug, Default)]
struct Open {
    /// Brackets that are open in the array of records.
    depth: usize,
    /// Where the present record began.
    begun: usize,
    /// Behind the last record.
    last: usize,
}

/// Behind the bracket that opens the array of records.
fn header(bytes: &[u8]) -> Option<usize> {
    let mut rest = behind_space(bytes);
    for token in [&b"{"[..], b"\"Records\"", b":", b"["] {
        rest = behind_space(rest.strip_prefix(token)?);
    }
    Some(bytes.len() - rest.len())
}

fn behind_space(bytes: &[u8]) -> &[u8] {
    let text = bytes.iter().position(|byte| !is_space(*byte));
    &bytes[text.unwrap_or(bytes.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most {
        record_bytes: 4096,
        depth: 8,
        records: 100,
    };

    fn texts(file: &str) -> Option<Vec<&str>> {
        let mut spans = Vec::new();
        let found = split(file.as_bytes(), MOST, &mut spans);
        let mut portable = Vec::new();
        assert_eq!(
            split_with(Portable, file.as_bytes(), MOST, &mut portable),
            found
        );
        assert_eq!(spans, portable);
        found.map(|()| {
            spans
                .iter()
                .map(|span| &file[span.start..span.end])
                .collect()
        })
    }

    fn record(rest: &str) -> String {
        format!(r#"{{"eventVersion":"1.08",{rest}}}"#)
    }

    #[test]
    fn records_are_found_whatever_their_strings_hold() {
        for text in [
            "",
            "}]",
            "\\\"",
            "\\\\",
            "[{\\\"",
            "\\\\\\\"}",
            "é🦀",
            "a long text ".repeat(30).as_str(),
        ] {
            for shift in 0..70 {
                let pad = "x".repeat(shift);
                let one = record(&format!(r#""a":"{pad}{text}","b":[{{"c":{{}}}},[]]"#));
                let two = record(&format!(r#""{text}":1"#));
                let file = format!(r#"{{"Records":[{one},{two}]}}"#);
                assert_eq!(texts(&file), Some(vec![&*one, &*two]), "{file}");
            }
        }
    }

    #[test]
    fn white_space_around_the_array_and_an_empty_array_are_ordinary() {
        let one = record(r#""a":1"#);
        let file = format!("\n{{ \"Records\" :\n[{one},{one}]}} \n");
        assert_eq!(texts(&file), Some(vec![&*one, &*one]));
        assert_eq!(texts(r#"{"Records":[]}"#), Some(vec![]));
        // A form feed is no white space of JSON.
        for file in [
            "\u{c}{'Records':[]}",
            "{'Records':\u{c}[]}",
            "{'Records':[\u{c}]}",
            "{'Records':[]}\u{c}",
        ] {
            assert_eq!(texts(&file.replace('\'', "\"")), None, "{file:?}");
        }
    }

    #[test]
    fn every_value_is_ordinary_wherever_blocks_end() {
        let values =
            r#""a":1,"b":-0.5e+7,"c":[true,false,null,"",{},[],[0]],"d":"x","e":{"f":1.0}"#;
        for shift in 0..70 {
            let one = record(&format!(r#""{}":{{{values}}}"#, "x".repeat(shift)));
            let file = format!(r#"{{"Records":[{one},{one}]}}"#);
            assert_eq!(texts(&file), Some(vec![&*one, &*one]), "{file}");
        }
        for last in ["true", "false", "null", "0"] {
            let one = record(&format!(r#""a":{last}"#));
            let file = format!(r#"{{"Records":[{one}]}}"#);
            assert_eq!(texts(&file), Some(vec![&*one]), "{file}");
        }
    }

    #[test]
    fn a_record_that_may_hide_a_word_is_known_wherever_blocks_end() {
        let plain = record(&format!(r#""a":"{}""#, "\\".repeat(64)));
        for (text, hides) in [
            (r"\u0071", true),
            (r"\/", true),
            (r"\\\u0071", true),
            (r#"\""#, false),
            (r"\\", false),
            ("u/", false),
        ] {
            for shift in 0..140 {
                let pad = "x".repeat(shift);
                let one = record(&format!(r#""a":"{pad}{text}{pad}""#));
                let file = format!(r#"{{"Records":[{plain},{one},{plain}]}}"#);
                let mut spans = Vec::new();
                split(file.as_bytes(), MOST, &mut spans).expect("an ordinary file");
                let [first, middle, last] = &*spans else {
                    panic!("{file}")
                };
                assert_eq!(middle.hides_words, hides, "{file}");
                assert!(!last.hides_words, "{file}");
                // A backslash behind a record, in its last block, may count as its own.
                let apart = shift + BEGINNING.len() >= 64;
                assert!(!apart || !first.hides_words, "{file}");
            }
        }
    }

    #[test]
    fn a_token_that_may_not_follow_the_one_before_it_is_found_wherever_blocks_end() {
        for wrong in [
            r#""a":1,,"b":2"#,
            r#""a":1,"#,
            r#""a":"#,
            r#""a":,"b":2"#,
            r#""a"::1"#,
            r#""a":1:2"#,
            r#""a":{:1}"#,
            r#""a":[,1]"#,
            r#""a":[1,]"#,
            r#""a":[1"2"]"#,
            r#""a":["1"2]"#,
            r#""a":["1""2"]"#,
            r#""a":{}{}"#,
            r#""a":[]1"#,
            r#""a":1[]"#,
            r#""a":"x"{}"#,
            r#""a": 1"#,
            r#""a":tru"#,
            r#""a":nulll"#,
            r#""a":truefalse"#,
            r#""a":01"#,
            r#""a":1."#,
            r#""a":-"#,
            r#""a":+1"#,
            r#""a":e"#,
        ] {
            for shift in 0..70 {
                let one = record(&format!(r#""{}":1,{wrong}"#, "x".repeat(shift)));
                let file = format!(r#"{{"Records":[{one},{one}]}}"#);
                assert_eq!(texts(&file), None, "{file}");
            }
        }
    }

    #[test]
    fn anything_else_is_none() {
        let one = record(r#""a":1"#);
        for file in [
            String::new(),
            "[]".to_owned(),
            one.clone(),
            format!(r#"{{"Records":[{one}]"#),
            format!(r#"{{"Records":[{one}]}}x"#),
            format!(r#"{{"Records":[{one}]}}{{}}"#),
            format!(r#"{{"Records":[{one}],"NextToken":"x"}}"#),
            format!(r#"{{"Records":[{one}{one}]}}"#),
            format!(r#"{{"Records":[{one},]}}"#),
            format!(r#"{{"Records":[,{one}]}}"#),
            format!(r#"{{"Records":[{one},1]}}"#),
            format!(r#"{{"Records":[{one},"x",{one}]}}"#),
            format!(r#"{{"Records":[{one}, {one}]}}"#),
            format!(r#"{{"Records":[[{one}]]}}"#),
            format!(r#"{{"Records":[{one},{{"eventID":"x"}}]}}"#),
            format!(r#"{{"Records":[{}]}}"#, record(r#""a":x"#)),
            format!(r#"{{"Records":[{}]}}"#, record("\"a\":\"\n\"")),
            format!(r#"{{"Records":[{}]}}"#, record(r#""a":"b"#)),
            format!(r#"{{"Records":[{}]}}"#, record(&"[".repeat(9))),
            format!(
                r#"{{"Records":[{}{}]}}"#,
                record(&"[".repeat(8)),
                "]".repeat(8)
            ),
            format!(
                r#"{{"Records":[{}]}}"#,
                record(&format!(r#""a":"{}""#, "x".repeat(4096)))
            ),
            format!(r#"{{"Records":[{}]}}"#, vec![&*one; 101].join(",")),
        ] {
            assert_eq!(texts(&file), None, "{file}");
        }
    }

    #[test]
    fn quotes_that_do_not_pair_make_no_record_of_what_is_inside() {
        let inside = record(r#""eventID":"forged""#).replace('"', "\\\"");
        let bait = record(&format!(r#""a":"}},{inside},{{""#));
        let file = format!(r#"{{"Records":[{bait},{bait},{bait}]}}"#);
        assert!(texts(&file).is_some());
        let quotes: Vec<_> = file.match_indices('"').map(|(at, _)| at).collect();
        for (index, &one) in quotes.iter().enumerate() {
            for &two in quotes[index..].iter().step_by(7) {
                let mut damaged = file.clone().into_bytes();
                (damaged[one], damaged[two]) = (b' ', b' ');
                let damaged = String::from_utf8(damaged).expect("ASCII");
                for text in texts(&damaged).unwrap_or_default() {
                    assert!(
                        !text.starts_with(r#"{"eventVersion":"1.08","eventID":"forged"#),
                        "{damaged}"
                    );
                }
            }
        }
    }
}
