//! Keys that describe the values beside or below them: a name and its value, pairs, headers.

use super::last_letters::LastLetters;
use super::{NAME_BYTES, ends, is_label, plain};
use crate::convert::redact::mask_scope::{MaskScope, ends_in, mask_scope};

/// Whether a key below one of [`SCALAR`](super::names::SCALAR) describes the secret rather than holds it. A cookie may have
/// any name.
pub(in crate::convert::redact) fn is_label_below(key: &[u8], cookies: bool) -> bool {
    const LABELS: &[&str] = &["audience", "created", "fingerprint", "issuer", "provider"];
    let mut buffer = [0; NAME_BYTES];
    if cookies {
        let plain = plain(key, &mut buffer).1;
        return ends(plain, &["forward", "items", "names", "quantity"]);
    }
    is_label(key) || mask_scope(key) != MaskScope::Text || ends(plain(key, &mut buffer).1, LABELS)
}

/// Whether a name is that of cookies.
pub(in crate::convert::redact) fn are_cookies(name: &[u8]) -> bool {
    let mut buffer = [0; NAME_BYTES];
    ends(plain(name, &mut buffer).1, &["cookie", "cookies"])
}

/// Whether the array under such a key is a list of names and values.
pub(in crate::convert::redact) fn are_pairs(key: &[u8]) -> bool {
    const PAIRS: &[&str] = &[
        "arguments",
        "args",
        "env",
        "environment",
        "params",
        "parameters",
        "properties",
        "settings",
        "variables",
    ];
    let mut buffer = [0; NAME_BYTES];
    ends(plain(key, &mut buffer).1, PAIRS) || are_headers(key)
}

/// Whether the value under such a key holds headers with their values, rather than a list of the headers
/// that are allowed, signed and the like.
pub(in crate::convert::redact) fn are_headers(key: &[u8]) -> bool {
    const NAMED: &[&str] = &[
        "access",
        "allow",
        "cache",
        "expose",
        "forward",
        "ignore",
        "match",
        "require",
        "sensitive",
        "sign",
        "vary",
        "whitelist",
    ];
    let mut buffer = [0; NAME_BYTES];
    let (_, plain) = plain(key, &mut buffer);
    ends(plain, &["header", "headers"]) && !NAMED.iter().any(|named| plain.starts_with(named))
}

/// Endings of keys whose value is a name.
pub(super) const NAMES: &[&str] = &[
    "attribute",
    "field",
    "header",
    "key",
    "label",
    "name",
    "option",
    "parameter",
    "property",
    "setting",
    "variable",
];

/// Whether an entry's key marks its value as a name: `{"name":"Authorization","value":"…"}`.
#[inline]
pub(in crate::convert::redact) fn is_name_key(key: &[u8]) -> bool {
    static LETTERS: LastLetters = LastLetters::NONE.and(NAMES);
    LETTERS.may_end(key) && ends_in_name(key)
}

#[inline(never)]
fn ends_in_name(key: &[u8]) -> bool {
    ends_in(key, NAMES) || matches!(key, b"k" | b"K" | b"n" | b"N")
}

/// Whether an entry's key marks its value as that of the name beside it, or of the key around it: `{"apiKey":{"S":"…"}}`.
pub(in crate::convert::redact) fn is_value(key: &[u8]) -> bool {
    const VALUES: &[&str] = &["content", "default", "text", "value", "values", "valueset"];
    let mut buffer = [0; NAME_BYTES];
    let (whole, plain) = plain(key, &mut buffer);
    ends(plain, VALUES) || whole && matches!(plain, "v" | "s" | "b" | "ss" | "string")
}

/// Whether a text can be the name of a header or option whose value follows.
pub(in crate::convert::redact) fn is_header(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.: ".contains(&byte);
    text.bytes().all(is_letter)
}

/// Whether a text is certainly the name of a header: `Authorization`, `X-Api-Key`.
pub(in crate::convert::redact) fn is_known_header(text: &str) -> bool {
    let name = text.trim_end_matches([':', ' ']);
    let starts = |start: &str| {
        name.get(..start.len())
            .is_some_and(|first| first.eq_ignore_ascii_case(start))
    };
    let is = |header: &&str| name.eq_ignore_ascii_case(header);
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && (starts("x-")
            || starts("proxy-")
            || ["authorization", "cookie", "set-cookie"].iter().any(is))
}

/// Whether a text is a word, or words with `-` or `_` between them: `none`, `Content-Type`.
pub(in crate::convert::redact) fn is_word_like(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b' ' | b'.'))
}
