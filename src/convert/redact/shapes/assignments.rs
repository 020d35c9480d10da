//! `password=…`, `"token": "…"`, `Authorization: Bearer …`, `<secret>…</secret>`, `--password …`: a
//! name that [`keys`] knows, and a value after it.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr3_iter};

use super::{is_word, looked_at, run_end};
use crate::convert::redact::keys::{self, Secret};

/// Bytes of a name that are looked at.
const NAME_BYTES: usize = 64;
/// Blanks between a name, its separator and its value.
const BLANKS: usize = 4;
/// Backslashes before a quote, in JSON inside JSON.
const BACKSLASHES: usize = 15;

/// Headers, whose value goes to the end of the line.
const HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
];

/// Says each secret value after a separator. `equals`: whether there may be others than colons.
pub(super) fn find(text: &str, equals: bool, found: &mut impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    let mut look = |at: usize| {
        if at >= covered
            && let Some((value, is_secret)) = assigned(text, at)
        {
            covered = value.end;
            if is_secret {
                found(value);
            }
        }
    };
    if equals {
        memchr3_iter(b'=', b':', b'>', bytes).for_each(&mut look);
    } else if let Some(first) = memchr(b':', bytes) {
        look(first);
        let rest = first + 1;
        memchr_iter(b':', &bytes[rest..]).for_each(|at| look(rest + at));
    }
}

/// The same of options of a command line: `--password hunter2`, `-Password hunter2`.
pub(super) fn find_options(text: &str, found: &mut impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    for at in memchr_iter(b'-', bytes) {
        if at >= covered
            && begins_option(bytes, at)
            && let Some(value) = argument(text, at + 1)
        {
            covered = value.end;
            found(value);
        }
    }
}

/// Whether the name of an option follows the dash at a place.
pub(super) fn begins_option(bytes: &[u8], dash: usize) -> bool {
    let before = bytes[..dash].last();
    let after = bytes.get(dash + 1);
    before.is_none_or(|&byte| !is_word(byte)) && after.is_some_and(u8::is_ascii_alphabetic)
}

/// The value after the separator at a place, if the name before it is that of a secret, and whether
/// the value is one.
fn assigned(text: &str, at: usize) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let (name, quoted) = name_before(bytes, at);
    let secret = keys::secret(&bytes[name.clone()])?;
    let range = match bytes[at] {
        b'>' if is_tag(bytes, name.start) => at + 1..run_end(bytes, at + 1, |byte| byte != b'<'),
        b'>' => return None,
        b':' if !quoted && is_path(bytes, name.start, at) => return None,
        // A code may stand in a URL that has more.
        _ if secret == Secret::Random => at + 1..run_end(bytes, at + 1, is_code),
        separator => value(bytes, at + 1, &bytes[name], separator, quoted),
    };
    let is_secret = keys::is_secret_text(secret, text.get(range.clone())?);
    Some((range, is_secret))
}

fn is_code(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'%' | b'/' | b'+')
}

/// The secret value of an option whose name starts at a place.
fn argument(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_name = |byte: u8| is_word(byte) || byte == b'-';
    let end = start + leading(&bytes[start..], NAME_BYTES, is_name);
    let blanks = leading(&bytes[end..], BLANKS, |byte| byte == b' ');
    if blanks == 0 || bytes.get(end + blanks) == Some(&b'-') {
        return None;
    }
    let name = &bytes[start..end];
    let login = matches!(name, b"u" | b"user" | b"proxy-user");
    let secret = keys::secret(name);
    if !login && secret.is_none() {
        return None;
    }
    let range = value(bytes, end + blanks, name, b' ', false);
    let value = text.get(range.clone())?;
    if login {
        let password = range.start + memchr(b':', value.as_bytes())? + 1;
        return (password < range.end).then_some(password..range.end);
    }
    keys::is_secret_text(secret?, value).then_some(range)
}

/// Where the name before a separator stands, and whether it is in quotes.
fn name_before(bytes: &[u8], at: usize) -> (Range<usize>, bool) {
    let mut end = at - trailing(&bytes[..at], BLANKS, |byte| byte == b' ');
    let quoted = matches!(bytes[..end].last(), Some(b'"' | b'\''));
    if quoted {
        end -= 1;
        end -= trailing(&bytes[..end], BACKSLASHES, |byte| byte == b'\\');
    }
    let is_name = |byte: u8| is_word(byte) || matches!(byte, b'-' | b'.');
    (
        end - trailing(&bytes[..end], NAME_BYTES, is_name)..end,
        quoted,
    )
}

/// Whether a name stands in an opening tag, which may have a prefix.
fn is_tag(bytes: &[u8], mut start: usize) -> bool {
    if bytes[..start].ends_with(b":") {
        start -= 1;
        start -= trailing(&bytes[..start], NAME_BYTES, is_word);
    }
    bytes[..start].ends_with(b"<")
}

/// Whether a colon after a name belongs to an ARN, an action or a URL: `…:secret:name`,
/// `/token:`, `Secret::Type`, `token://`.
fn is_path(bytes: &[u8], name: usize, colon: usize) -> bool {
    let after = bytes.get(colon + 1).copied().unwrap_or(b' ');
    let inside = matches!(bytes[..name].last(), Some(b':' | b'/'));
    let speaks = matches!(after, b' ' | b'"' | b'\'' | b'\\');
    inside && !speaks || after == b':' || bytes[colon + 1..].starts_with(b"//")
}

/// Where the value after a separator stands.
fn value(bytes: &[u8], after: usize, name: &[u8], separator: u8, quoted: bool) -> Range<usize> {
    let mut start = after;
    if separator == b'=' {
        // `==`, `=>`.
        start += leading(&bytes[start..], 1, |byte| matches!(byte, b'=' | b'>'));
    }
    start += leading(&bytes[start..], BLANKS, |byte| byte == b' ');
    let backslashes = leading(&bytes[start..], BACKSLASHES, |byte| byte == b'\\');
    match bytes.get(start + backslashes) {
        Some(&quote @ (b'"' | b'\'')) => {
            let start = start + backslashes + 1;
            return start..closing(bytes, start, quote, backslashes);
        }
        // The rest of JSON that is cut or broken.
        Some(b'{' | b'[') if quoted => return start..bytes.len(),
        _ => {}
    }
    let header = |line: &&str| name.eq_ignore_ascii_case(line.as_bytes());
    let end = if separator == b':' && HEADERS.iter().any(header) {
        run_end(bytes, start, |byte| {
            !matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\')
        })
    } else {
        bare_end(bytes, start)
    };
    start..end
}

/// The quote that closes what stands in quotes, less its backslashes; the end where it is cut off.
/// A quote with more backslashes than the opening one has is part of the value.
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

/// The end of a value without quotes. What may be part of a password ends it only where something
/// else follows.
fn bare_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        let next = bytes.get(end + 1).copied().unwrap_or(b' ');
        let ends = match byte {
            b'&' | b';' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`' | b'|' => true,
            b',' | b')' | b']' | b'}' => {
                next.is_ascii_whitespace() || matches!(next, b',' | b')' | b']' | b'}' | b'"')
            }
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

/// How many of the first bytes, so many at most, are of a kind.
fn leading(bytes: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    run_end(&bytes[..bytes.len().min(most)], 0, is)
}

/// The same of the last ones.
fn trailing(bytes: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    let last = bytes.iter().rev().take(most);
    let count = last.take_while(|byte| is(**byte)).count();
    looked_at(count);
    count
}
