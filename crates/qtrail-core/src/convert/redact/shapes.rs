//! Finds secrets by their shape in any text.
//!
//! Enters: a text. Leaves: the ranges to hide, in no order; some may overlap. What must hold: the work
//! grows with the length of the text, with one pass per kind of shape, however many starts of shapes
//! the text has.

mod assignments;
mod keys;
mod markup;
mod quick;
mod tokens;
mod urls;
mod values;

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

pub(super) use keys::is_key_in;
pub(super) use quick::may_be_in;
pub(super) use tokens::BASE64_OF_JSON;

/// A shorter text holds no secret without a sign.
pub(super) const UNMARKED: usize = keys::LENGTH;

/// Characters and marks in a text that shapes and encodings need. Without its sign, a shape is not
/// searched for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signs {
    /// `=` or `>`.
    pub(super) equals: bool,
    /// `@`.
    pub(super) at: bool,
    /// The start of an option: `-` before a letter, but not after one.
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

/// Entities of markup that delimit names and values.
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
    /// The signs in a text; or in all texts of JSON without a backslash.
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
}

/// Passes each range of a text that holds a secret to `found`. From `guess` on, this includes random
/// texts that have neither a name nor a mark.
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
    keys::find(&text.as_bytes()[guess..], &mut |range: Range<usize>| {
        found(guess + range.start..guess + range.end);
    });
}

/// Whether an entity of markup starts here.
fn is_entity(bytes: &[u8]) -> bool {
    ENTITIES
        .iter()
        .any(|(entity, _)| bytes.starts_with(entity.as_bytes()))
}

/// The end of the run of such bytes that starts at `start`.
fn run_end(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let run = rest.iter().position(|&byte| !is(byte));
    let run = run.unwrap_or(rest.len());
    looked_at(run);
    start + run
}

/// Counts the bytes read after a shape's start, for the test that compares the work with the length of
/// the text.
#[cfg(not(test))]
fn looked_at(_: usize) {}

#[cfg(test)]
use tests::looked_at;

/// The most blanks between a name, its separator and its value.
const BLANKS: usize = 64;

/// How many of the first bytes match, up to `most`.
fn leading(bytes: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    run_end(&bytes[..bytes.len().min(most)], 0, is)
}

/// How many of the last bytes match, up to `most`.
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
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
