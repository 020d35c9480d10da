//! `scheme://user:password@host`: credentials before the host.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

use super::looked_at;
use crate::event::mask::is_mask;

/// A user name without a password is a token from this length on.
const TOKEN_BYTES: usize = 16;

pub(super) fn find(text: &str, found: &mut impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    // Each `@` is examined with the bytes since the previous one.
    let mut start = 0;
    let mut secret: Option<Range<usize>> = None;
    for at in memchr_iter(b'@', bytes) {
        let from = start;
        let between = &bytes[from..at];
        looked_at(between.len());
        // An `@` in the password: the host follows the last one.
        let more = secret.take().filter(|range| {
            range.end + 1 == from && !between.iter().any(|&byte| is_outside(byte) || byte == b'/')
        });
        secret = match more {
            Some(range) => Some(range.start..at),
            None => user(between).map(|user| from + user..at),
        };
        start = at + 1;
        if let Some(range) = &secret
            && text
                .get(range.clone())
                .is_some_and(|text| !text.is_empty() && !is_mask(text))
        {
            found(range.clone());
        }
    }
}

/// The start of the password, or of a token as the user name, in the bytes before `@`.
fn user(before: &[u8]) -> Option<usize> {
    let start = memmem::rfind(before, b"://")? + 3;
    let user = &before[start..];
    if user.iter().any(|&byte| is_outside(byte)) {
        return None;
    }
    let path = user
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    match (memchr(b':', user), path) {
        // A token with a word for the password: `https://TOKEN:x-oauth-basic@host`.
        (Some(colon), None) if is_token(&user[..colon]) => Some(start),
        (Some(colon), None) => Some(start + colon + 1),
        // A slash in the password, unless a port precedes it.
        (Some(colon), Some(path)) if colon < path => {
            let port = &user[colon + 1..path];
            let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
            (!is_port).then_some(start + colon + 1)
        }
        (None, None) => (user.len() >= TOKEN_BYTES).then_some(start),
        _ => None,
    }
}

/// Whether a user's name may be a token.
fn is_token(name: &[u8]) -> bool {
    name.len() >= TOKEN_BYTES && name.iter().any(u8::is_ascii_digit)
}

/// Whether a URL ends before this byte.
fn is_outside(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>')
}
