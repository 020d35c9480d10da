//! Secrets that are known by their shape, in any text.
//!
//! Enters: a text. Leaves: the ranges that must not be shown, in no order; some may overlap. What
//! must hold: one pass for each kind of shape; no byte is looked at again for each place from which
//! a shape may start.

mod assignments;
mod keys;
mod tokens;
mod urls;

use std::ops::Range;

/// Says each range of a text that shows a secret. `guess`: also what is a secret by its look alone,
/// without a name or a mark.
pub(super) fn find(text: &str, guess: bool, mut found: impl FnMut(Range<usize>)) {
    assignments::find(text, &mut found);
    urls::find(text, &mut found);
    tokens::find(text, &mut found);
    if guess {
        keys::find(text, &mut found);
    }
}

/// The end of the run of such bytes that starts at a place.
fn run_end(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|&byte| !is(byte))
            .unwrap_or(rest.len())
}

/// A letter, a digit or `_`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
