//! Secrets that are known by their shape, in any text.
//!
//! Enters: a text. Leaves: the ranges that must not be shown, in no order; some may overlap. What
//! must hold: one pass for each kind of shape; no byte is looked at again for each place from which
//! a shape may start.

mod assignments;
mod keys;
mod markup;
mod tokens;
mod urls;
mod values;

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

pub(super) use tokens::BASE64_OF_JSON;

/// A shorter text shows no secret without a sign.
pub(super) const UNMARKED: usize = keys::LENGTH;

/// What a text has that shapes and encodings need: where it is missing, they need not be looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signs {
    /// `=` or `>`.
    pub(super) equals: bool,
    /// `@`.
    pub(super) at: bool,
    /// What begins an option: `-` before a letter, but not after one.
    pub(super) option: bool,
    /// `\`.
    pub(super) backslash: bool,
    /// `%`.
    pub(super) percent: bool,
    /// `+`.
    pub(super) plus: bool,
    /// The mark of a token, or a private key.
    pub(super) token: bool,
    /// An entity of markup.
    pub(super) entity: bool,
}

/// Entities of markup that stand around names and values.
pub(super) const ENTITIES: &[(&str, char)] = &[
    ("&amp;", '&'),
    ("&apos;", '\''),
    ("&gt;", '>'),
    ("&lt;", '<'),
    ("&quot;", '"'),
    ("&#34;", '"'),
    ("&#39;", '\''),
    ("&#x22;", '"'),
    ("&#x27;", '\''),
];

impl Signs {
    /// The signs in a text, or in JSON without a backslash and all its texts.
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let has = |byte: u8| memchr(byte, bytes).is_some();
        Signs {
            equals: memchr2(b'=', b'>', bytes).is_some(),
            at: has(b'@'),
            option: memchr_iter(b'-', bytes).any(|at| assignments::begins_option(bytes, at)),
            backslash: has(b'\\'),
            percent: has(b'%'),
            plus: has(b'+'),
            token: tokens::may_be_in(text),
            entity: memchr_iter(b'&', bytes).any(|at| is_entity(&bytes[at..])),
        }
    }

    /// Whether there is none of them.
    pub(super) fn is_none(self) -> bool {
        !(self.equals
            || self.at
            || self.option
            || self.backslash
            || self.percent
            || self.token
            || self.entity)
    }
}

/// Says each range of a text that shows a secret. From `guess` on also what is a secret by its look
/// alone, without a name or a mark.
pub(super) fn find(text: &str, signs: Signs, guess: usize, mut found: impl FnMut(Range<usize>)) {
    assignments::find(text, signs.equals, &mut found);
    if signs.equals {
        markup::find(text, &mut found);
    }
    if signs.at {
        urls::find(text, &mut found);
    }
    if signs.option {
        assignments::find_options(text, &mut found);
    }
    if signs.token {
        tokens::find(text, &mut found);
    }
    keys::find(&text[guess..], &mut |range: Range<usize>| {
        found(guess + range.start..guess + range.end);
    });
}

/// Whether an entity of markup starts here.
fn is_entity(bytes: &[u8]) -> bool {
    ENTITIES
        .iter()
        .any(|(entity, _)| bytes.starts_with(entity.as_bytes()))
}

/// The end of the run of such bytes that starts at a place.
fn run_end(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let run = rest.iter().position(|&byte| !is(byte));
    let run = run.unwrap_or(rest.len());
    looked_at(run);
    start + run
}

/// Counts bytes that were looked at beyond the one search for each shape's beginning, for the test
/// that holds the work in proportion to the text.
#[cfg(not(test))]
fn looked_at(_: usize) {}

#[cfg(test)]
use tests::looked_at;

/// Blanks between a name, its separator and its value.
const BLANKS: usize = 64;

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

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// A letter, a digit or `_`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
