//! Hides the secrets in one text.
//!
//! Enters: a text and how far it may be masked. Leaves: the text to write instead, if it holds secrets.
//! What must hold: a secret is found inside JSON, percent-encoding, escapes and base64; a text that is
//! too much work to decode is hidden.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memchr2};

use super::copies::Shown;
use super::mask_scope::MaskScope;
use super::shapes::{self, ENTITIES, Signs};
use super::walk::Walk;
use crate::event::mask::is_mask;
use crate::json::{Document, REDACTED, unescape_leniently};

/// Levels of nesting in JSON inside a text; deeper JSON is read as plain text.
const JSON_DEPTH: u32 = 512;
/// Levels of encodings inside one another that are decoded; deeper texts are hidden.
const LEVELS: u32 = 8;
/// A shorter text holds no secret.
const LEAST: usize = 4;

/// What to write instead of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// Only the mark.
    Whole,
    /// The text with marks in it.
    Parts(String),
}

impl Walk<'_> {
    /// What to write instead of a text; `None` if it may be shown.
    pub(super) fn hidden(&mut self, text: &str, scope: MaskScope, level: u32) -> Option<Hidden> {
        if text.len() < LEAST {
            return None;
        }
        if let Some(inner) = json_start(text) {
            match self.json(inner, scope, level) {
                Json::Torn => {}
                _ if scope != MaskScope::Filled && self.is_json_copied(text) => {
                    return Some(Hidden::Whole);
                }
                Json::Shown => return None,
                Json::Hidden(hidden) => return Some(hidden),
            }
        }
        if scope == MaskScope::Filled {
            return None;
        }
        let signs = self.signs(text, level);
        let mut ranges = Vec::new();
        let free = free_from(text, scope);
        shapes::find(text, signs, free, |range| {
            self.secrets.found(&text[range.clone()]);
            ranges.push(range);
        });
        if self.shows_copies(text, free, signs, &mut ranges) {
            if free == 0 {
                return Some(Hidden::Whole);
            }
            ranges.push(free..text.len());
        }
        if signs.backslash && self.decoded_hides(text, unescape_leniently(text), scope, level)
            || signs.entity && self.decoded_hides(text, markup_decoded(text), scope, level)
        {
            return Some(Hidden::Whole);
        }
        if signs.percent || signs.plus && self.copies.is_some() {
            self.percents(text, scope, level, &mut ranges);
        }
        if signs.token {
            self.base64(text, scope, level, &mut ranges);
        }
        ranges.retain(|range| !is_mask(&text[range.clone()]));
        (!ranges.is_empty()).then(|| hide(text, ranges))
    }

    /// Adds the ranges of copies of secrets from `free` on. Returns whether everything from `free` on must
    /// be hidden.
    fn shows_copies(
        &self,
        text: &str,
        free: usize,
        signs: Signs,
        ranges: &mut Vec<Range<usize>>,
    ) -> bool {
        let Some(copies) = self.copies else {
            return false;
        };
        let text = &text[free..];
        let shown = copies.find(text, |range| {
            ranges.push(free + range.start..free + range.end)
        });
        // A secret with blanks or quotes may be encoded across the separators of a URL.
        shown == Shown::Whole
            || signs.percent
                && percent_decoded(text, false).is_some_and(|text| copies.are_in(&text))
    }

    /// Whether JSON shows a copy of a secret that is JSON itself, so that none of its values is a copy.
    fn is_json_copied(&self, text: &str) -> bool {
        let mut is_copied = false;
        if let Some(copies) = self.copies {
            copies.find(text, |range| {
                is_copied |= text[range].contains(['"', '[', '{']);
            });
        }
        is_copied
    }

    fn json(&mut self, text: &str, scope: MaskScope, level: u32) -> Json {
        let Ok(mut document) = Document::parse(text, JSON_DEPTH) else {
            return Json::Torn;
        };
        if !self.may_decode(text.len(), level) {
            return Json::Hidden(Hidden::Whole);
        }
        let marks = self.inner(&document, scope, level + 1);
        if marks.is_empty() {
            return Json::Shown;
        }
        marks.apply(&mut document);
        Json::Hidden(Hidden::Parts(document.redacted_text().into_owned()))
    }

    /// Whether a text holds a secret once it is decoded, as the inside of a JSON string or as markup.
    fn decoded_hides(&mut self, text: &str, decoded: String, scope: MaskScope, level: u32) -> bool {
        decoded != text
            && (!self.may_decode(decoded.len(), level)
                || self.hidden(&decoded, scope, level + 1).is_some())
    }

    /// Adds the parts that hold a secret once they are percent-decoded: the value after `=`, else the whole
    /// part.
    fn percents(
        &mut self,
        text: &str,
        scope: MaskScope,
        level: u32,
        ranges: &mut Vec<Range<usize>>,
    ) {
        let free = free_from(text, scope);
        let mut start = 0;
        for part in text.split(is_part_end) {
            let end = start + part.len();
            let scope = match scope {
                MaskScope::Url if start >= free => MaskScope::Text,
                _ => scope,
            };
            let hides = percent_decoded(part, false).is_some_and(|decoded| {
                !self.may_decode(decoded.len(), level)
                    || self.hidden(&decoded, scope, level + 1).is_some()
            });
            // A `+` is a blank in forms and part of base64 elsewhere, so shapes do not end at it.
            if hides || scope == MaskScope::Text && self.shows_copies_with_blanks(part) {
                let value = memchr(b'=', part.as_bytes()).filter(|at| at + 1 < part.len());
                ranges.push(start + value.map_or(0, |at| at + 1)..end);
            }
            start = end + 1;
        }
    }

    /// Whether a text holds a copy of a secret once each `+` is read as a blank.
    fn shows_copies_with_blanks(&self, text: &str) -> bool {
        self.copies.is_some_and(|copies| {
            percent_decoded(text, true).is_some_and(|text| copies.are_in(&text))
        })
    }

    /// Adds base64 that decodes to JSON or a private key with a secret in it.
    fn base64(&mut self, text: &str, scope: MaskScope, level: u32, ranges: &mut Vec<Range<usize>>) {
        let bytes = text.as_bytes();
        for mark in &*BASE64_MARKS {
            let mut covered = 0;
            for at in mark.find_iter(bytes) {
                if at < covered {
                    continue;
                }
                let rest = &bytes[at..];
                let end = at
                    + rest
                        .iter()
                        .position(|&byte| !is_base64(byte))
                        .unwrap_or(rest.len());
                covered = end;
                let before = bytes[..at].last().copied().unwrap_or(b' ');
                if is_base64(before) && !matches!(before, b'/' | b'=') {
                    continue;
                }
                let Some(decoded) = base64_decoded(&text[at..end]) else {
                    continue;
                };
                if !self.may_decode(decoded.len(), level)
                    || self.hidden(&decoded, scope, level + 1).is_some()
                {
                    ranges.push(at..end);
                }
            }
        }
    }

    /// The signs in a text; for a record's own text, those of its field.
    fn signs(&self, text: &str, level: u32) -> Signs {
        match self.field {
            Some(signs) if level == 0 && !signs.backslash => signs,
            _ => Signs::of(text),
        }
    }

    /// Whether this much decoded text may be searched at this level.
    fn may_decode(&mut self, bytes: usize, level: u32) -> bool {
        level < LEVELS && self.work.may_take(bytes)
    }
}

enum Json {
    Shown,
    Hidden(Hidden),
    /// Only the start is JSON, or it is cut or broken.
    Torn,
}

/// A text that starts like a JSON object, array or string, trimmed.
fn json_start(text: &str) -> Option<&str> {
    let first = *text.as_bytes().first()?;
    let may_be = first.is_ascii_whitespace() || matches!(first, b'{' | b'[' | b'"');
    may_be
        .then(|| text.trim())
        .filter(|text| text.starts_with(['{', '[', '"']))
}

/// The index from which a text is free text and names nothing.
fn free_from(text: &str, scope: MaskScope) -> usize {
    match scope {
        MaskScope::Text => 0,
        MaskScope::Url => memchr2(b'?', b'#', text.as_bytes()).unwrap_or(text.len()),
        MaskScope::Name | MaskScope::Filled => text.len(),
    }
}

/// The text with a mark instead of each range.
fn hide(text: &str, mut ranges: Vec<Range<usize>>) -> Hidden {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    let mut open: Option<Range<usize>> = None;
    for range in ranges {
        match &mut open {
            Some(open) if range.start <= open.end => open.end = open.end.max(range.end),
            _ => {
                if let Some(open) = open.replace(range) {
                    out.push_str(&text[shown..open.start]);
                    out.push_str(REDACTED);
                    shown = open.end;
                }
            }
        }
    }
    if let Some(open) = open {
        out.push_str(&text[shown..open.start]);
        out.push_str(REDACTED);
        shown = open.end;
    }
    out.push_str(&text[shown..]);
    if out == REDACTED {
        Hidden::Whole
    } else {
        Hidden::Parts(out)
    }
}

/// Whether a character separates the values of URLs, forms and lists.
fn is_part_end(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '&' | '?' | ';' | ',' | '"' | '\'' | '<' | '>' | '\\')
}

/// A percent-decoded text, with a blank for each `+` if `blanks`; `None` if that changes nothing.
fn percent_decoded(text: &str, blanks: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let has_percent = || memchr_iter(b'%', bytes).any(|at| percent(bytes, at).is_some());
    let changes = if blanks {
        memchr(b'+', bytes).is_some()
    } else {
        has_percent()
    };
    if !changes {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match percent(bytes, at) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                at += 3;
                continue;
            }
            _ if blanks && byte == b'+' => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    Some(match String::from_utf8_lossy(&out) {
        Cow::Borrowed(_) => String::from_utf8(out).unwrap_or_default(),
        Cow::Owned(text) => text,
    })
}

/// The byte that the `%XX` at this index encodes.
fn percent(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *bytes.get(at..)?.first_chunk::<3>()? else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

/// Markup with its entities decoded.
fn markup_decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for at in memchr_iter(b'&', text.as_bytes()) {
        let rest = &text[at..];
        let found = ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity));
        if let Some((entity, c)) = found {
            out.push_str(&text[shown..at]);
            out.push(*c);
            shown = at + entity.len();
        }
    }
    out.push_str(&text[shown..]);
    out
}

/// Starts of the base64 of JSON objects and arrays, and of `-----BEGIN`.
static BASE64_MARKS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    let json = shapes::BASE64_OF_JSON.iter().copied();
    let marks = json.chain(["eyJ", "LS0tLS1CRUdJTi"]);
    marks.map(Finder::new).collect()
});

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// Decodes base64 in either alphabet, padded or not, to a text.
pub(super) fn base64_decoded(text: &str) -> Option<String> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let standard = text.replace('-', "+").replace('_', "/");
    let bytes = ENGINE.decode(standard).ok()?;
    String::from_utf8(bytes).ok()
}
