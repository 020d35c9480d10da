//! A fast search of a record's bytes, before anything is parsed.

use aho_corasick::{AhoCorasick, Input, Span, packed};
use memchr::{memchr_iter, memmem};

/// Bytes of a part: what the packed search compares at once.
const PART: usize = 3;
/// The most frequent bytes of trails, in falling order.
const FREQUENT: &[u8] = b"\"ea:stn1ro23i,cd-mul0A.pIwv/S6y4OE5gfb8RL{}7DT9 PMNkC_hxK";
/// A text that nearly every record has.
const EVERYWHERE: &[u8] = b".amazonaws.com";

/// A search for any of several words.
#[derive(Debug, Clone)]
pub(super) struct Prefilter {
    words: Search,
    /// The rarest part of each word, which is found faster.
    parts: Search,
    /// Bytes of the longest word.
    longest: usize,
}

#[derive(Debug, Clone)]
enum Search {
    /// By SIMD, a good deal faster: where the machine has it, for some dozens of words.
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Prefilter {
    /// `None` where a search would not be certain.
    pub(super) fn new<'w>(words: impl Iterator<Item = &'w String>) -> Option<Self> {
        let words: Vec<_> = words.map(String::as_bytes).collect();
        let always_escaped = |byte: &u8| matches!(byte, b'"' | b'\\') || byte.is_ascii_control();
        if words.iter().any(|word| word.iter().any(always_escaped)) {
            return None;
        }
        // A word that holds another one need not be looked for.
        let holds_another = |word: &[u8]| {
            let mut others = words.iter().filter(|other| **other != word);
            others.any(|other| memmem::find(word, other).is_some())
        };
        let words: Vec<_> = words.iter().filter(|word| !holds_another(word)).collect();
        Some(Prefilter {
            words: Search::new(words.iter().map(|word| &***word))?,
            parts: Search::new(words.iter().map(|word| rarest_part(word)))?,
            longest: words.iter().map(|word| word.len()).max().unwrap_or(0),
        })
    }

    /// Whether one of the words may be in a text of this JSON: `false` is certain.
    pub(super) fn may_be_in(&self, json: &[u8]) -> bool {
        self.words.find(json, 0).is_some() || may_hide_a_word(json)
    }

    /// Whether the bytes of one of the words are in this JSON, whose first part of a word begins at `first_part`.
    pub(super) fn is_in(&self, json: &[u8], first_part: usize) -> bool {
        let from = first_part.saturating_sub(self.longest);
        self.words.find(json, from).is_some()
    }

    /// Where, from `from` on, the next part of a word begins. The rest of the word need not be there.
    pub(super) fn find_part(&self, json: &[u8], from: usize) -> Option<usize> {
        self.parts.find(json, from)
    }
}

impl Search {
    fn new<'w>(words: impl Iterator<Item = &'w [u8]> + Clone) -> Option<Self> {
        packed::Searcher::new(words.clone())
            .map(Search::Packed)
            .or_else(|| AhoCorasick::new(words).ok().map(Search::Automaton))
    }

    fn find(&self, json: &[u8], from: usize) -> Option<usize> {
        match self {
            Search::Packed(searcher) => searcher.find_in(json, Span::from(from..json.len())),
            Search::Automaton(automaton) => automaton.find(Input::new(json).range(from..)),
        }
        .map(|found| found.start())
    }
}

/// The part of a word that is the least frequent in trails: each record with one is searched again.
fn rarest_part(word: &[u8]) -> &[u8] {
    let rank = |byte: &u8| FREQUENT.iter().position(|frequent| frequent == byte);
    let rarity = |part: &&[u8]| -> usize {
        let ranks = part.iter().map(|byte| rank(byte).unwrap_or(FREQUENT.len()));
        ranks.sum()
    };
    let parts = word.windows(PART);
    let rare = parts.filter(|part| memmem::find(EVERYWHERE, part).is_none());
    rare.max_by_key(rarity).unwrap_or(word)
}

/// Whether JSON has an escape that may spell a word in other bytes than its own.
fn may_hide_a_word(json: &[u8]) -> bool {
    memchr_iter(b'\\', json).any(|at| may_spell_a_byte(json.get(at + 1)))
}

/// Whether an escape may stand for a byte of a word, by what follows its backslash: `\u0071`, or `\/`. (The other
/// escapes stand for characters that are always escaped, as are these: `\"`.)
pub(crate) fn may_spell_a_byte(behind: Option<&u8>) -> bool {
    matches!(behind, Some(b'u' | b'/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str]) -> Option<Prefilter> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        Prefilter::new(words.iter())
    }

    #[test]
    fn words_that_json_always_escapes_are_not_searched_for() {
        for word in ["a\"b", "a\\b", "a\nb"] {
            assert!(words(&["x", word]).is_none(), "{word:?}");
        }
    }

    #[test]
    fn the_part_that_stands_for_a_word_is_in_few_records() {
        for (word, part) in [
            ("q.amazonaws.com", "q.a"),
            ("chatbot.amazonaws.com", "cha"),
            ("AmazonQ-For-", "Q-F"),
            ("amazonaws", "amazonaws"),
            ("/Q", "/Q"),
        ] {
            assert_eq!(rarest_part(word.as_bytes()), part.as_bytes(), "{word}");
        }
    }

    #[test]
    fn no_words_are_nowhere() {
        assert!(!words(&[]).expect("a search").may_be_in(b"{}"));
    }

    #[test]
    fn hundreds_of_words_are_found_too() {
        let many: Vec<_> = (0..500).map(|number| format!("word-{number:03}")).collect();
        let search = Prefilter::new(many.iter()).expect("a search");
        assert!(search.may_be_in(b"{\"a\":\"a word-499\"}"));
        assert!(!search.may_be_in(b"{\"a\":\"a word-500\"}"));
    }

    proptest! {
        #[test]
        fn a_word_in_a_text_is_never_missed(
            list in prop::collection::vec("[a-c/é]{1,3}", 1..6),
            text in "[a-c/é\"\\\\]{0,8}",
            escape in prop::collection::vec(any::<u8>(), 8),
        ) {
            let mut json = String::from('"');
            for (c, escape) in text.chars().zip(escape) {
                match (escape, c) {
                    (0..8, _) => json += &format!("\\u{:04x}", u32::from(c)),
                    (8..200, '/') => json += "\\/",
                    (_, '"' | '\\') => json.extend(['\\', c]),
                    _ => json.push(c),
                }
            }
            json.push('"');
            let list: Vec<_> = list.into_iter().collect();
            let search = Prefilter::new(list.iter()).expect("a search");
            if list.iter().any(|word| text.contains(word.as_str())) {
                prop_assert!(search.may_be_in(json.as_bytes()), "{json}");
            }
            if !json.contains('\\') {
                let naive = list.iter().any(|word| json.contains(word.as_str()));
                prop_assert_eq!(search.may_be_in(json.as_bytes()), naive);
            }
        }
    }
}
