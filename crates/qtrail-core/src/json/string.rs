//! Strings: where one ends, and what its escapes stand for.

use std::ops::Range;

use super::parse::Error;
use super::special::Specials;

/// A string's end (the closing quote's place) and whether it has escapes.
pub(super) struct Scanned {
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// Scans a string's content from `at`, the byte after the opening quote.
#[inline]
pub(super) fn scan(bytes: &[u8], specials: Specials<'_>, at: usize) -> Result<Scanned, Error> {
    let end = specials.next(at);
    match bytes.get(end) {
        Some(b'"') => Ok(Scanned {
            end,
            escaped: false,
        }),
        _ => scan_escaped(bytes, specials, end),
    }
}

/// The same from the first byte that is special and no closing quote.
#[cold]
fn scan_escaped(bytes: &[u8], specials: Specials<'_>, mut at: usize) -> Result<Scanned, Error> {
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                return Ok(Scanned {
                    end: at,
                    escaped: true,
                });
            }
            Some(b'\\') => at = specials.next(skip_escape(bytes, at)?),
            Some(_) => return Err(Error::at(at, "control character in a string")),
            None => return Err(Error::at(at, "the text ends inside a string")),
        }
    }
}

/// Decodes the escapes of a string's content that [`scan`] has accepted. A surrogate without its
/// other half becomes U+FFFD.
pub(super) fn unescape(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    decode(content.as_bytes(), decode_escape, |part| match part {
        Part::Plain(range) => out.push_str(content.get(range).unwrap_or_default()),
        Part::Decoded(char) => out.push(char),
    });
    out
}

/// The same for a content that may hold invalid UTF-8.
pub(crate) fn unescape_bytes(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    decode(content, decode_escape, |part| match part {
        Part::Plain(range) => out.extend_from_slice(&content[range]),
        Part::Decoded(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    });
    out
}

/// Decodes what looks like the escapes of a JSON string (or `\xHH`, of scripts) in any text. What
/// looks like none stays.
pub(crate) fn unescape_leniently(text: &str) -> String {
    let decode_one = |escape: &[u8]| match escape.get(1) {
        Some(b'"' | b'\'' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
            decode_escape(escape)
        }
        Some(b'u') if code_unit(escape).is_some() => decode_unicode(escape),
        Some(b'x') => decode_hexadecimal(escape).unwrap_or(('\\', 1)),
        _ => ('\\', 1),
    };
    let mut out = String::with_capacity(text.len());
    decode(text.as_bytes(), decode_one, |part| match part {
        Part::Plain(range) => out.push_str(text.get(range).unwrap_or_default()),
        Part::Decoded(char) => out.push(char),
    });
    out
}

/// A part of a string's content.
enum Part {
    /// Bytes without an escape.
    Plain(Range<usize>),
    /// What an escape stands for.
    Decoded(char),
}

/// Hands on a content in parts. `decode_one`: the character of the escape at the start, and its length.
fn decode(content: &[u8], decode_one: impl Fn(&[u8]) -> (char, usize), mut each: impl FnMut(Part)) {
    let mut at = 0;
    while let Some(plain) = memchr::memchr(b'\\', &content[at..]) {
        each(Part::Plain(at..at + plain));
        let (decoded, length) = decode_one(&content[at + plain..]);
        each(Part::Decoded(decoded));
        at = (at + plain + length).min(content.len());
    }
    each(Part::Plain(at..content.len()));
}

/// The character of a `\xHH` at the start, and its length.
fn decode_hexadecimal(bytes: &[u8]) -> Option<(char, usize)> {
    let digits: &[u8; 2] = bytes.get(2..)?.first_chunk()?;
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    let code = digit(0)? << 4 | digit(1)?;
    Some((char::from_u32(code)?, 4))
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first byte from `at` that a JSON string must escape (a quote, a backslash or a control
/// character), or the end; eight bytes at a time.
pub(crate) fn find_special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // A byte's high bit is set where it is zero, or below 0x20. A borrow can set it falsely,
        // but only above a byte where it is rightly set, and the lowest one is taken.
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
        .unwrap_or(tail.len())
}

/// Whether a byte is white space in JSON.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The byte after an escape that starts with the backslash at `at`.
fn skip_escape(bytes: &[u8], at: usize) -> Result<usize, Error> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') if code_unit(&bytes[at..]).is_some() => Ok(at + 6),
        Some(_) => Err(Error::at(at, "invalid escape in a string")),
        None => Err(Error::at(at + 1, "the text ends inside a string")),
    }
}

/// An escape's character and length.
fn decode_escape(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return decode_unicode(bytes),
        Some(&byte) => char::from(byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}

fn decode_unicode(bytes: &[u8]) -> (char, usize) {
    let Some(first) = code_unit(bytes) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if let 0xd800..0xdc00 = first
        && let Some(second @ 0xdc00..0xe000) = bytes.get(6..).and_then(code_unit)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            12,
        );
    }
    // `from_u32` refuses just the surrogates here.
    (
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

/// The code unit of a `\uXXXX` at the start.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else {
        return None;
    };
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)?)
    })
}
