//! `password=…`, `"token": "…"`, `Authorization: Bearer …`, `--password …`: a name that [`keys`]
//! knows, and a value after it.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter};

use super::values::{self, BACKSLASHES};
use super::{BLANKS, is_blank, is_quote, is_word, leading, run_end, trailing};
use crate::convert::redact::keys::{self, Secret};

/// How many of a name's last bytes count.
pub(super) const NAME_BYTES: usize = 64;
/// Characters of an operator before its `=`: `:=`, `::=`, `!=`, `?=`.
const OPERATOR: usize = 2;

/// A name before a separator.
pub(super) struct Name {
    pub(super) range: Range<usize>,
    /// Whether it is in quotes of its own.
    pub(super) quoted: bool,
}

/// Finds each secret value after a separator. `equals`: whether the text has separators other than colons.
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
        memchr2_iter(b'=', b':', bytes).for_each(&mut look);
    } else if let Some(first) = memchr(b':', bytes) {
        look(first);
        let rest = first + 1;
        memchr_iter(b':', &bytes[rest..]).for_each(|at| look(rest + at));
    }
}

/// The same for options of a command line: `--password hunter2`, `-Password hunter2`.
pub(super) fn find_options(text: &str, found: &mut impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    for at in memchr_iter(b'-', bytes) {
        if at >= covered
            && begins_option(bytes, at)
            && let Some((value, is_secret)) = argument(text, at + 1)
        {
            covered = value.end;
            if is_secret {
                found(value);
            }
        }
    }
}

/// Whether the name of an option follows the dash at this index.
pub(super) fn begins_option(bytes: &[u8], dash: usize) -> bool {
    let before = bytes[..dash].last();
    let after = bytes.get(dash + 1);
    before.is_none_or(|&byte| !is_word(byte)) && after.is_some_and(u8::is_ascii_alphabetic)
}

/// Whether the colon at this index may assign a secret, unless to a name with `privateKey` in it; `false` is
/// certain.
pub(super) fn may_assign(bytes: &[u8], colon: usize) -> bool {
    let name = name_before(bytes, colon);
    name.quoted || keys::may_be_secret(&bytes[name.range])
}

/// The value after the separator at this index, if the name before it is that of a secret, and whether
/// the value is a secret.
fn assigned(text: &str, at: usize) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let name = name_before(bytes, at);
    let Some(secret) = keys::secret(&bytes[name.range.clone()]) else {
        return beside_a_name(text, at, &name);
    };
    let range = match bytes[at] {
        b':' if !name.quoted && is_path(bytes, name.range.start, at) => return None,
        // A code may be in a URL that continues after it.
        _ if secret == Secret::Random => at + 1..run_end(bytes, at + 1, is_code),
        _ => values::after(bytes, at, &name),
    };
    let is_secret = keys::is_secret_text(secret, text.get(range.clone())?);
    Some((range, is_secret))
}

/// The value of `"name":"password","value":"…"` in JSON that is cut or inside a text; `at` is the index
/// of the first colon.
fn beside_a_name(text: &str, at: usize, name: &Name) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    if bytes[at] != b':' || !name.quoted || !keys::is_name_key(&bytes[name.range.clone()]) {
        return None;
    }
    let near = bytes.len().min(at + 2 * NAME_BYTES);
    let named = values::after(&bytes[..near], at, name);
    let secret = keys::secret(&bytes[named.clone()])?;
    let parts = |byte: u8| is_blank(byte) || is_quote(byte) || matches!(byte, b'\\' | b',' | b'\n');
    let next = named.end + leading(&bytes[named.end..], BLANKS, parts);
    let end = next + leading(&bytes[next..], NAME_BYTES, is_word);
    let colon = end + leading(&bytes[end..], BLANKS, parts);
    if bytes.get(colon) != Some(&b':') || !keys::is_value(&bytes[next..end]) {
        return None;
    }
    let name = name_before(bytes, colon);
    let range = values::after(bytes, colon, &name);
    let is_secret = keys::is_secret_text(secret, text.get(range.clone())?);
    Some((range, is_secret))
}

fn is_code(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'%' | b'/' | b'+')
}

/// The value of an option whose name starts at this index, if that is the name of a secret, and whether
/// the value is a secret.
fn argument(text: &str, start: usize) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let is_name = |byte: u8| is_word(byte) || byte == b'-';
    let end = start + leading(&bytes[start..], NAME_BYTES, is_name);
    let name = &bytes[start..end];
    let login = matches!(name, b"u" | b"user" | b"proxy-user");
    let value = end + parted(&bytes[end..]);
    let value = match bytes.get(value) {
        // With any other name it is an assignment.
        Some(b'=') if login => value + 1,
        Some(b'-') | None => return None,
        _ if value == end => return None,
        _ => value,
    };
    let secret = keys::secret(name);
    if !login && secret.is_none() {
        return None;
    }
    let range = values::at(bytes, value);
    let value = text.get(range.clone())?;
    if login {
        let colon = memchr(b':', value.as_bytes()).map_or(value.len(), |at| at + 1);
        return Some((range.start + colon..range.end, colon < value.len()));
    }
    let is_secret = keys::is_secret_text(secret?, value);
    Some((range, is_secret))
}

/// How many bytes separate an option from its value: blanks, and a line continuation.
fn parted(bytes: &[u8]) -> usize {
    let blanks = leading(bytes, BLANKS, is_blank);
    let rest = &bytes[blanks..];
    let line = [&b"\\\n"[..], b"\\\r\n"]
        .into_iter()
        .find(|line| rest.starts_with(line));
    match line {
        Some(line) if blanks > 0 => {
            blanks + line.len() + leading(&rest[line.len()..], BLANKS, is_blank)
        }
        _ => blanks,
    }
}

/// The name before a separator: `name`, `"name"`, `x[name]`, `x["name"]`.
fn name_before(bytes: &[u8], at: usize) -> Name {
    let mut end = at;
    if bytes[at] == b'=' {
        let is_operator = |byte: u8| matches!(byte, b':' | b'!' | b'?' | b'+');
        end -= trailing(&bytes[..end], OPERATOR, is_operator);
    }
    end -= trailing(&bytes[..end], BLANKS, is_blank);
    let subscript = bytes[..end].ends_with(b"]");
    end -= usize::from(subscript);
    let quoted = bytes[..end].last().copied().is_some_and(is_quote);
    if quoted {
        end -= 1;
        end -= trailing(&bytes[..end], BACKSLASHES, |byte| byte == b'\\');
    }
    let is_name = |byte: u8| is_word(byte) || matches!(byte, b'-' | b'.');
    let start = end - trailing(&bytes[..end], NAME_BYTES, is_name);
    Name {
        range: start..end,
        quoted: quoted && !subscript,
    }
}

/// Whether a colon after a name belongs to an ARN, an action or a URL: `…:secret:name`,
/// `x/token:`, `Secret::Type`, `token://`.
fn is_path(bytes: &[u8], name: usize, colon: usize) -> bool {
    let after = bytes.get(colon + 1).copied().unwrap_or(b' ');
    // `/password:…` is an option of Windows.
    let inside = match &bytes[..name] {
        [.., b':'] => true,
        [.., before, b'/'] => !before.is_ascii_whitespace(),
        _ => false,
    };
    let speaks = matches!(after, b' ' | b'"' | b'\'' | b'\\');
    inside && !speaks || after == b':' || bytes[colon + 1..].starts_with(b"//")
}
