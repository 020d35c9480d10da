//! Finds which of many words a name ends in, with an automaton over the reversed words.

use std::sync::LazyLock;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, StartKind};

use super::Secret;
use super::beside::NAMES;
use super::last_letters::LastLetters;
use super::names::{self, ALL, COUNTED, SCALAR, WHOLE};

pub(super) static SECRETS: LazyLock<Endings<Secret>> = LazyLock::new(|| {
    Endings::new(&[
        (ALL, Secret::All),
        (COUNTED, Secret::Counted),
        (SCALAR, Secret::Scalar),
    ])
});
pub(super) static SPARED: LazyLock<Endings<()>> =
    LazyLock::new(|| Endings::new(&[(names::SPARED, ())]));
pub(super) static FORMS: LazyLock<Endings<()>> =
    LazyLock::new(|| Endings::new(&[(names::FORMS, ())]));
pub(super) static LABELS: LazyLock<Endings<()>> =
    LazyLock::new(|| Endings::new(&[(names::LABELS, ())]));

/// Words of [`may_be_secret`].
const QUICK_WORDS: [(&[&str], Quick); 6] = [
    (ALL, Quick::Secret),
    (COUNTED, Quick::Secret),
    (SCALAR, Quick::Secret),
    (WHOLE, Quick::Secret),
    (&["code", "pass", "psk"], Quick::Secret),
    (names::FORMS, Quick::Form),
];
static QUICK: LazyLock<Endings<Quick>> = LazyLock::new(|| Endings::new(&QUICK_WORDS));

static QUICK_LETTERS: LastLetters = quick_letters();
/// The same, and those of keys of names.
static LETTERS: LastLetters = quick_letters().and(NAMES);

const fn quick_letters() -> LastLetters {
    let (mut letters, mut list) = (LastLetters::NONE, 0);
    while list < QUICK_WORDS.len() {
        letters = letters.and(QUICK_WORDS[list].0);
        list += 1;
    }
    letters
}

#[derive(Clone, Copy)]
enum Quick {
    Secret,
    Form,
}

/// Whether a key may hide its value, or a value beside it: `false` is certain, unless the key holds `privateKey`.
#[inline]
pub(in crate::convert::redact) fn may_hide(key: &[u8]) -> bool {
    LETTERS.may_end(key)
}

/// Whether a name may make a value secret; `false` is certain.
#[inline]
pub(in crate::convert::redact) fn may_be_secret(name: &[u8]) -> bool {
    QUICK_LETTERS.may_end(name) && ends_in_secret(name)
}

#[inline(never)]
fn ends_in_secret(mut name: &[u8]) -> bool {
    if names::HARMLESS.contains(&name) {
        return false;
    }
    let quick = &*QUICK;
    loop {
        let end = match quick.of(name) {
            Some((_, Quick::Secret)) => return true,
            Some((start, Quick::Form)) => start,
            // A number may follow the name: `password2`.
            None => {
                let last = name.iter().rposition(u8::is_ascii_alphabetic);
                last.map_or(0, |last| last + 1)
            }
        };
        if end == name.len() {
            return false;
        }
        name = &name[..end];
    }
}

/// Words, in small letters and digits, that a name may end in.
pub(super) struct Endings<T> {
    automaton: DFA,
    start: StateID,
    /// The length of each word, and its meaning.
    words: Vec<(usize, T)>,
}

impl<T: Copy> Endings<T> {
    fn new(lists: &[(&[&str], T)]) -> Self {
        let words = || lists.iter().flat_map(|(words, _)| *words);
        let reversed = words().map(|word| word.bytes().rev().collect::<Vec<u8>>());
        let automaton = DFA::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Anchored)
            .ascii_case_insensitive(true)
            .prefilter(false)
            .build(reversed)
            .expect("a hundred short words are far below the automaton's limits");
        let start = automaton.start_state(Anchored::Yes);
        let kinds = lists.iter().flat_map(|(words, what)| {
            let lengths = words.iter().map(|word| word.len());
            lengths.map(move |length| (length, *what))
        });
        Endings {
            start: start.expect("the automaton is an anchored one"),
            words: kinds.collect(),
            automaton,
        }
    }

    /// The longest word that a name ends in: its start in the name, and its meaning. Case and
    /// bytes other than letters and digits make no difference.
    #[inline]
    pub(super) fn of(&self, name: &[u8]) -> Option<(usize, T)> {
        let (mut state, mut letters, mut found) = (self.start, 0, None);
        for (at, &byte) in name.iter().enumerate().rev() {
            if !byte.is_ascii_alphanumeric() {
                continue;
            }
            state = self.automaton.next_state(Anchored::Yes, state, byte);
            letters += 1;
            if !self.automaton.is_special(state) {
                continue;
            }
            if self.automaton.is_dead(state) {
                break;
            }
            if self.automaton.is_match(state) {
                // The state's first word is its longest. A shorter one does not end the name.
                let word = self.automaton.match_pattern(state, 0);
                let (length, what) = self.words[word.as_usize()];
                if length == letters {
                    found = Some((at, what));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_passed_over_by_its_last_letters() {
        let words = QUICK_WORDS.iter().flat_map(|(words, _)| *words);
        for word in words.filter(|word| !names::FORMS.contains(word)) {
            for name in [word.to_string(), format!("x-{word}"), word.to_uppercase()] {
                assert!(may_be_secret(name.as_bytes()), "{name}");
            }
        }
        assert!(!may_be_secret(b"eventName"));
    }
}
