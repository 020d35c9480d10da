//! Finds the range of a value: in quotes, in brackets, to the end of a line, or up to the next field.
//!
//! Enters: the index where a value may start. Leaves: its range. What must hold: no part of a secret is
//! outside the range. If the end is ambiguous, the range is the longer one.

use std::ops::Range;

use memchr::{memchr_iter, memchr3_iter};

use super::assignments::{NAME_BYTES, Name};
use super::{BLANKS, is_blank, is_quote, is_word, leading, looked_at, run_end, trailing};

/// Backslashes before a quote, in JSON inside JSON.
pub(super) const BACKSLASHES: usize = 15;
/// Endings of names of headers whose value extends to the end of the line.
const LINES: &[&str] = &["authorization", "cookie"];
/// Prefixes of quoted texts in programming languages and SQL.
const LITERALS: &[&str] = &[
    "@$", "$@", "$", "@", "b", "br", "e", "f", "fr", "l", "n", "q", "r", "rb", "rf", "u", "u&",
    "u8", "x",
];
/// The most tags and anchors before a value in YAML.
const TAGS: usize = 3;

/// The value after a name and the separator at this index.
pub(super) fn after(bytes: &[u8], separator: usize, name: &Name) -> Range<usize> {
    let mut start = separator + 1;
    let colon = bytes[separator] == b':';
    if colon {
        // `:=`.
        start += leading(&bytes[start..], 1, |byte| byte == b'=');
    } else {
        // `==`, `=>`, `===`, `=~ /…/`.
        start += leading(&bytes[start..], 2, |byte| matches!(byte, b'=' | b'>'));
        start += leading(
            &bytes[start..],
            usize::from(bytes[start..].starts_with(b"~ ")),
            |_| true,
        );
    }
    let lines = colon && name.quoted;
    start += leading(&bytes[start..], BLANKS, |byte| {
        is_blank(byte) || lines && matches!(byte, b'\n' | b'\r')
    });
    match bytes.get(start) {
        // JSON that is cut or broken: everything that is left.
        Some(b'{' | b'[') if lines => return start..bytes.len(),
        _ if !colon || lines => return at(bytes, start),
        Some(quote) if is_quote(*quote) => return at(bytes, start),
        _ => {}
    }
    if is_header(&bytes[name.range.clone()]) {
        return start..line_end(bytes, start, name.range.start);
    }
    if let Some(block) = block(bytes, start) {
        return block;
    }
    let tags = tags(&bytes[start..]);
    let value = at(bytes, start + tags);
    match typed(bytes, value.end) {
        Some(typed) => start..typed,
        None if tags > 0 => start..value.end,
        None => value,
    }
}

/// The value that starts at this index.
pub(super) fn at(bytes: &[u8], start: usize) -> Range<usize> {
    let rest = &bytes[start..];
    let backslashes = leading(rest, BACKSLASHES, |byte| byte == b'\\');
    let before = match backslashes {
        0 => literal(rest),
        _ => backslashes,
    };
    match bytes.get(start + before).copied() {
        Some(quote) if is_quote(quote) => {
            let open = start + before;
            let three = bytes[open..].starts_with(&[quote; 3]);
            let start = open + if three { 3 } else { 1 };
            start..closing(bytes, start, quote, backslashes)
        }
        Some(open @ (b'(' | b'[' | b'{')) if before == 0 => {
            let close = match open {
                b'(' => b')',
                b'[' => b']',
                _ => b'}',
            };
            let end = run_end(bytes, start, |byte| byte != close && byte != b'\n');
            start..bare_end(bytes, bytes.len().min(end + 1))
        }
        _ => start..bare_end(bytes, start),
    }
}

/// Whether a header's value extends to the end of the line.
fn is_header(name: &[u8]) -> bool {
    LINES.iter().any(|line| {
        let start = name.len().checked_sub(line.len());
        start.is_some_and(|start| name[start..].eq_ignore_ascii_case(line.as_bytes()))
    })
}

/// The end of a header's value: the end of the line, or of the quotes around the header.
fn line_end(bytes: &[u8], start: usize, name: usize) -> usize {
    let before = &bytes[..name];
    let quote = before.last().copied().filter(|byte| is_quote(*byte));
    let Some(quote) = quote else {
        return run_end(bytes, start, |byte| byte != b'\n' && byte != b'\r');
    };
    let backslashes = trailing(&before[..name - 1], BACKSLASHES, |byte| byte == b'\\');
    let mut end = bytes.len();
    for at in memchr3_iter(quote, b'\n', b'\r', &bytes[start..]) {
        let at = start + at;
        let escaped = match bytes[at] == quote {
            true => trailing(&bytes[start..at], backslashes + 1, |byte| byte == b'\\'),
            false => 0,
        };
        if escaped <= backslashes {
            end = at - escaped;
            break;
        }
    }
    looked_at(end - start);
    end
}

/// A block of YAML: the lines after `|` or `>` that begin with blanks.
fn block(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if !matches!(bytes.get(start), Some(b'|' | b'>')) {
        return None;
    }
    let heading = leading(&bytes[start + 1..], BLANKS, |byte| {
        is_blank(byte) || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'\r')
    });
    let first = start + 1 + heading;
    if bytes.get(first) != Some(&b'\n') {
        return None;
    }
    let mut end = first;
    while let Some([b'\n', next]) = bytes.get(end..end + 2)
        && (is_blank(*next) || matches!(next, b'\n' | b'\r'))
    {
        end = run_end(bytes, end + 1, |byte| byte != b'\n');
    }
    Some(first + 1..end.max(first + 1)).filter(|block| block.end <= bytes.len())
}

/// The length of the tags and anchors before a value of YAML: `!Sub `, `!!str `, `&name `.
fn tags(bytes: &[u8]) -> usize {
    let mut start = 0;
    for _ in 0..TAGS {
        if !matches!(bytes.get(start), Some(b'!' | b'&')) {
            break;
        }
        let rest = &bytes[start + 1..];
        let name = leading(rest, NAME_BYTES, |byte| {
            is_word(byte) || b"!:.-".contains(&byte)
        });
        let blanks = leading(&rest[name..], BLANKS, is_blank);
        let next = rest.get(name + blanks).copied().unwrap_or(b'\n');
        if name == 0 || blanks == 0 || matches!(next, b'=' | b'\r' | b'\n') {
            break;
        }
        start += 1 + name + blanks;
    }
    start
}

/// The end of the value after a type that ends at this index: `password: str = "…"`.
fn typed(bytes: &[u8], end: usize) -> Option<usize> {
    let end = end + leading(&bytes[end..], 2, |byte| matches!(byte, b']' | b'>'));
    let sign = end + leading(&bytes[end..], BLANKS, is_blank);
    let value = sign + 1;
    if bytes.get(sign) != Some(&b'=') || bytes.get(value) == Some(&b'=') {
        return None;
    }
    let blanks = leading(&bytes[value..], BLANKS, is_blank);
    Some(at(bytes, value + blanks).end)
}

/// The length of the prefix of a quoted text: `N'…'`, `b'…'`, `f"…"`.
fn literal(bytes: &[u8]) -> usize {
    let is = |literal: &&&str| {
        let length = literal.len();
        bytes.get(length).copied().is_some_and(is_quote)
            && bytes[..length].eq_ignore_ascii_case(literal.as_bytes())
    };
    LITERALS.iter().find(is).map_or(0, |literal| literal.len())
}

/// The index of the closing quote, or of the backslashes before it; the end of the text if it is cut off.
/// A quote with more backslashes than the opening one is part of the value.
fn closing(bytes: &[u8], start: usize, quote: u8, backslashes: usize) -> usize {
    for at in memchr_iter(quote, &bytes[start..]) {
        let at = start + at;
        let escaped = trailing(&bytes[start..at], backslashes + 1, |byte| byte == b'\\');
        if escaped <= backslashes {
            looked_at(at - start);
            return at - escaped;
        }
    }
    looked_at(bytes.len() - start);
    bytes.len()
}

/// The end of a value without quotes. A character that a password may contain ends it only if a
/// separator or another field follows.
fn bare_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        let rest = &bytes[end + 1..];
        let next = rest.first().copied().unwrap_or(b' ');
        let ends = match byte {
            b'&' => next.is_ascii_whitespace() || next == b'&' || follows_ampersand(rest),
            b';' => closes(next) || begins_pair(rest, true),
            b'"' | b'\'' | b'`' => closes(next) || matches!(next, b'>' | b'/' | b'<' | b'\\'),
            b'\\' => is_escape(&bytes[end..]),
            b'<' => matches!(next, b'/' | b'!') || begins_tag(rest),
            b'>' => next.is_ascii_whitespace() || next == b'<' || is_quote(next),
            b'|' => next.is_ascii_whitespace() || next == b'|',
            b',' | b')' | b']' | b'}' => closes(next),
            _ => byte.is_ascii_whitespace(),
        };
        if ends {
            break;
        }
        end += 1;
    }
    looked_at(end - start);
    end
}

/// Whether a value ends before such a byte.
fn closes(next: u8) -> bool {
    next.is_ascii_whitespace()
        || is_quote(next)
        || matches!(
            next,
            b',' | b';' | b':' | b')' | b']' | b'}' | b'.' | b'&' | b'|'
        )
}

/// Whether another field of a form, or an entity, starts after `&`.
fn follows_ampersand(rest: &[u8]) -> bool {
    const ENTITIES: &[&[u8]] = &[b"amp;", b"quot;", b"lt;", b"gt;", b"apos;", b"#"];
    begins_pair(rest, false) || ENTITIES.iter().any(|entity| rest.starts_with(entity))
}

/// Whether a name and `=` follow; `blanks`: of more than one word.
fn begins_pair(rest: &[u8], blanks: bool) -> bool {
    let is_name = |byte: u8| is_word(byte) || b"-.[]%".contains(&byte) || blanks && byte == b' ';
    let name = leading(rest, NAME_BYTES, is_name);
    name > 0 && rest.get(name) == Some(&b'=')
}

/// Whether the name of a tag follows `<`.
fn begins_tag(rest: &[u8]) -> bool {
    let name = leading(rest, NAME_BYTES, |byte| {
        is_word(byte) || b"-.:".contains(&byte)
    });
    name > 0 && rest.get(name) == Some(&b'>')
}

/// Whether a backslash starts the escape of what follows a value: its closing quote, or a line break
/// before the next name and separator.
fn is_escape(bytes: &[u8]) -> bool {
    let backslashes = leading(bytes, BACKSLASHES, |byte| byte == b'\\');
    let rest = &bytes[backslashes..];
    match rest {
        [] => true,
        [quote, next @ ..] if is_quote(*quote) => {
            let next = next.first().copied().unwrap_or(b' ');
            closes(next) || matches!(next, b'\\' | b'<' | b'>' | b'/')
        }
        [b'n' | b'r' | b't', ..] => {
            let lines = leading(rest, BLANKS, |byte| {
                matches!(byte, b'\\' | b'n' | b'r' | b't' | b' ')
            });
            let next = &rest[lines..];
            let name = leading(next, NAME_BYTES, |byte| {
                is_word(byte) || matches!(byte, b'-' | b'.')
            });
            match next.get(name) {
                Some(byte) => matches!(byte, b':' | b'=' | b'"'),
                None => name == 0,
            }
        }
        _ => false,
    }
}
