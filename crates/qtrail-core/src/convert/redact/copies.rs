//! Finds copies of secrets in other texts, verbatim or in base64.
//!
//! Enters: the secrets of one record. Leaves: the ranges of a text that hold one. What must hold: a
//! search passes over a text once, however many secrets there are; if a search would be too large,
//! every text is hidden instead.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::noncontiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::{memchr, memchr2, memmem};

/// Copies of a shorter secret are not searched for.
const SECRET_CHARS: usize = 4;
/// A shorter secret is not searched for in keys, nor in base64.
const LONG_BYTES: usize = 8;
/// How many of a long secret's first bytes are searched for; a text that holds them is hidden entirely.
const NEEDLE_BYTES: usize = 64;
/// The same for its base64.
const BASE64_BYTES: usize = 16;
/// Up to this many patterns are searched one by one before an automaton for all of them is built.
const ONE_BY_ONE: usize = 32;
/// If one record has more secrets, every text is hidden.
const SECRETS: usize = 256;

/// The secrets of one record.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Secrets that the caller may have chosen, so they must not hide a name that AWS wrote.
    found: HashSet<String>,
    /// Values that the user wants hidden.
    wanted: HashSet<String>,
    too_many: bool,
}

impl Secrets {
    /// Adds a secret that its key or its shape gave away.
    pub(super) fn found(&mut self, secret: &str) {
        if self.take(secret) && !self.found.contains(secret.trim()) {
            self.found.insert(secret.trim().to_owned());
        }
    }

    /// Adds a value that the user wants hidden.
    pub(super) fn wanted(&mut self, secret: &str) {
        if self.take(secret) && !self.wanted.contains(secret.trim()) {
            self.wanted.insert(secret.trim().to_owned());
        }
    }

    /// Removes a secret that is part of a text which is shown anyway.
    pub(super) fn shown(&mut self, part: &str) {
        self.found.remove(part);
    }

    /// Whether [`Secrets::shown`] could remove any.
    pub(super) fn may_be_shown(&self) -> bool {
        !self.found.is_empty()
    }

    fn take(&mut self, secret: &str) -> bool {
        let is_secret = secret.trim().chars().nth(SECRET_CHARS - 1).is_some();
        self.too_many |= is_secret && self.found.len() + self.wanted.len() >= SECRETS;
        is_secret && !self.too_many
    }
}

/// The byte strings to search for.
#[derive(Debug)]
pub(super) struct Patterns {
    /// `None` if there are too many.
    texts: Option<Vec<String>>,
    needles: Vec<Needle>,
    /// Whether a secret has blanks, which may be written as `+`.
    blanks: bool,
}

/// Describes one pattern.
#[derive(Debug, Clone, Copy)]
struct Needle {
    bytes: usize,
    /// Whether it is a part of a secret, or its base64, so that the bytes around it belong to it.
    partial: bool,
}

impl Patterns {
    /// `None` if there is nothing to search for.
    pub(super) fn of(secrets: &Secrets) -> Option<Self> {
        // Sorted, so that equal secrets always hide equally. If several have the same start, the
        // longest decides.
        let mut patterns: BTreeMap<String, bool> = BTreeMap::new();
        let mut put = |text: String, partial: bool| *patterns.entry(text).or_default() |= partial;
        for secret in secrets.found.iter().chain(&secrets.wanted) {
            let start = start_of(secret, NEEDLE_BYTES);
            put(start.to_owned(), start.len() < secret.len());
        }
        for secret in &secrets.found {
            let forms = base64_forms(secret.as_bytes());
            forms.into_iter().for_each(|form| put(form, true));
        }
        let needles = patterns.iter().map(|(text, &partial)| Needle {
            bytes: text.len(),
            partial,
        });
        let needles = needles.collect();
        let texts: Vec<String> = patterns.into_keys().collect();
        let is_empty = texts.is_empty() && !secrets.too_many;
        (!is_empty).then(|| Patterns {
            blanks: texts.iter().any(|text| text.contains(' ')),
            texts: (!secrets.too_many).then_some(texts),
            needles,
        })
    }

    /// Whether a text in this JSON may hold a secret; `false` is certain.
    pub(super) fn may_be_in(&self, json: &str) -> bool {
        let Some(texts) = self
            .texts
            .as_ref()
            .filter(|texts| texts.len() <= ONE_BY_ONE)
        else {
            return true;
        };
        let bytes = json.as_bytes();
        memchr2(b'\\', b'%', bytes).is_some()
            || self.blanks && memchr(b'+', bytes).is_some()
            || texts
                .iter()
                .any(|text| memmem::find(bytes, text.as_bytes()).is_some())
    }
}

/// A search for copies of secrets.
#[derive(Debug)]
pub(super) struct Copies {
    /// `None` if it would be too large.
    search: Option<NFA>,
    needles: Vec<Needle>,
}

/// How much of a text must be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The reported ranges, if any.
    Ranges,
    /// All of it.
    Whole,
}

impl Copies {
    pub(super) fn of(patterns: Patterns) -> Self {
        let build = |texts: Vec<String>| {
            NFA::builder()
                .match_kind(MatchKind::Standard)
                .prefilter(false)
                .build(texts)
                .ok()
        };
        Copies {
            search: patterns.texts.and_then(build),
            needles: patterns.needles,
        }
    }

    /// Passes each range that holds a secret to `found`.
    pub(super) fn find(&self, text: &str, mut found: impl FnMut(Range<usize>)) -> Shown {
        self.search(text, SECRET_CHARS, |needle, end| {
            if needle.partial {
                return Shown::Whole;
            }
            found(end - needle.bytes..end);
            Shown::Ranges
        })
    }

    /// Whether a text holds a secret.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.search(text, SECRET_CHARS, |_, _| Shown::Whole) == Shown::Whole
    }

    /// Whether a key holds a secret. A key of only letters is a word of AWS's own, which a caller may also
    /// choose as a value.
    pub(super) fn are_in_key(&self, key: &str) -> bool {
        let is_word = key.bytes().all(|byte| byte.is_ascii_alphabetic());
        !is_word
            && self.search(key, LONG_BYTES, |needle, _| {
                if needle.bytes >= LONG_BYTES {
                    Shown::Whole
                } else {
                    Shown::Ranges
                }
            }) == Shown::Whole
    }

    /// Passes the longest needle that ends at each byte to `found`, until that returns `Whole`.
    fn search(
        &self,
        text: &str,
        least: usize,
        mut found: impl FnMut(Needle, usize) -> Shown,
    ) -> Shown {
        if text.len() < least {
            return Shown::Ranges;
        }
        let Some(search) = &self.search else {
            return Shown::Whole;
        };
        let Ok(mut state) = search.start_state(Anchored::No) else {
            return Shown::Whole;
        };
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            state = search.next_state(Anchored::No, state, byte);
            // The first pattern of a state is the longest; the others are its endings.
            if search.is_match(state)
                && let Some(&needle) = self.needles.get(search.match_pattern(state, 0).as_usize())
                && found(needle, at + 1) == Shown::Whole
            {
                return Shown::Whole;
            }
        }
        Shown::Ranges
    }
}

/// At most this many of a text's first bytes.
fn start_of(text: &str, mut bytes: usize) -> &str {
    while !text.is_char_boundary(bytes.min(text.len())) {
        bytes -= 1;
    }
    &text[..bytes.min(text.len())]
}

/// The characters that base64 of any text with the secret in it contains, for each position of the secret
/// in a group of three bytes, in both alphabets.
fn base64_forms(secret: &[u8]) -> HashSet<String> {
    let start = &secret[..secret.len().min(BASE64_BYTES)];
    let mut forms = HashSet::new();
    if start.len() < LONG_BYTES {
        return forms;
    }
    for before in 0..3 {
        let bytes = [&[0; 3][..before], start].concat();
        // Without the characters that also depend on other bytes.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.insert(engine.encode(&bytes)[first..last].to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copies(secrets: &[&str]) -> Option<Copies> {
        let mut all = Secrets::default();
        secrets.iter().for_each(|secret| all.found(secret));
        Patterns::of(&all).map(Copies::of)
    }

    fn shown(secrets: &[&str], text: &str) -> (Vec<Range<usize>>, Shown) {
        let mut places = Vec::new();
        let copies = copies(secrets).expect("secrets");
        let shown = copies.find(text, |place| places.push(place));
        (places, shown)
    }

    #[test]
    fn copies_are_found_where_they_stand() {
        assert_eq!(
            shown(&["hunter2", "hunter22"], "a hunter22 b hunter2"),
            (vec![2..9, 2..10, 13..20], Shown::Ranges)
        );
        assert!(copies(&["abc", "é ", " a  "]).is_none());
        let long = "x".repeat(100);
        assert_eq!(shown(&[&long], &format!("a {long} b")).1, Shown::Whole);
    }

    #[test]
    fn where_secrets_begin_alike_a_copy_of_the_longest_is_hidden() {
        let short = "x".repeat(NEEDLE_BYTES);
        let long = format!("{short} and more");
        // A set gives its elements in another order each time.
        for _ in 0..32 {
            let (places, shown) = shown(&[&short, &long], &format!("a {long} b"));
            assert_eq!((places, shown), (vec![], Shown::Whole));
        }
    }

    #[test]
    fn a_key_shows_long_secrets_alone() {
        let copies = copies(&["hunter2", "hunter22"]).expect("secrets");
        assert!(copies.are_in_key("my hunter22"));
        assert!(!copies.are_in_key("my hunter2"));
    }

    #[test]
    fn too_many_secrets_hide_every_text() {
        let many: Vec<String> = (0..=SECRETS)
            .map(|number| format!("secret {number}"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(shown(&many, "a text"), (vec![], Shown::Whole));
        assert_eq!(shown(&many[1..], "a text"), (vec![], Shown::Ranges));
    }

    proptest! {
        #[test]
        fn each_place_of_a_secret_is_covered(
            secrets in prop::collection::btree_set("[ab]{4,6}|é[ab]{3}", 1..20), text in "[abé]{0,20}",
        ) {
            let list: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let (places, _) = shown(&list, &text);
            let mut covered = vec![false; text.len()];
            places.into_iter().for_each(|place| covered[place].fill(true));
            let mut expected = vec![false; text.len()];
            for secret in &secrets {
                for start in (0..text.len()).filter(|start| text.as_bytes()[*start..].starts_with(secret.as_bytes())) {
                    expected[start..start + secret.len()].fill(true);
                }
            }
            prop_assert_eq!(covered, expected);
        }

        #[test]
        fn the_base64_of_a_text_with_a_secret_shows_it(
            before in "[a-z ]{0,7}", secret in "[ -~é]{8,30}", after in "[a-z ]{0,7}", safe: bool,
        ) {
            prop_assume!(secret.trim().len() >= LONG_BYTES && secret.trim().chars().count() >= LONG_BYTES);
            let text = format!("{before}{secret}{after}");
            let engine = if safe { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
            let encoded = format!("x {} y", engine.encode(text));
            prop_assert_eq!(shown(&[&secret], &encoded).1, Shown::Whole);
        }
    }
}
