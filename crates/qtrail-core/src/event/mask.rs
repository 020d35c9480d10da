//! Marks that stand for a hidden value. A mark is no id and no name.

use memchr::memchr_iter;

use crate::json::REDACTED;

/// What AWS writes most instead of a value.
const USUAL: &str = "***";

/// What else AWS writes.
const AWS: &[&str] = &[
    "HIDDEN_DUE_TO_SECURITY_REASONS",
    "sensitiveDataRemoved",
    "Value hidden due to security reasons",
];

/// What other programs write, between brackets, asterisks and the like.
const WORDS: &[&str] = &[
    "filtered",
    "hidden",
    "masked",
    "redacted",
    "removed",
    "sensitive",
];

/// Whether a text is only the mark of a hidden value: `***`, `HIDDEN_DUE_TO_SECURITY_REASONS`,
/// `<sensitiveDataRemoved>`, `[REDACTED]`, …
#[inline]
pub(crate) fn is_mask(text: &str) -> bool {
    text == USUAL || may_be_mask(text) && is_mark(text)
}

fn is_mark(text: &str) -> bool {
    /// No mark is longer.
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return false;
    }
    let text = text.trim();
    if text.is_empty() {
        return false;
    }
    let word = text.trim_matches(|c: char| !c.is_alphanumeric());
    if word.is_empty() {
        return text.chars().all(|c| matches!(c, '*' | '•'));
    }
    let is = |mark: &&str| mark.eq_ignore_ascii_case(word);
    let wrapped = word.len() < text.len();
    AWS.iter().any(&is) || is(&"redacted") || wrapped && WORDS.iter().any(is)
}

/// Whether a part of a text is hidden, so that the rest is no id and no name.
pub fn has_mask(text: &str) -> bool {
    // Nearly no text has a bracket, and a search for one byte starts at once.
    is_mask(text) || memchr_iter(b'[', text.as_bytes()).any(|at| text[at..].starts_with(REDACTED))
}

/// Whether one of a text's parts between colons is hidden.
pub(crate) fn has_masked_part(text: &str) -> bool {
    let mut start = 0;
    let mut ends = memchr_iter(b':', text.as_bytes()).chain([text.len()]);
    ends.any(|end| {
        let part = &text[start..end];
        start = end + 1;
        is_mask(part)
    })
}

/// A quick check by first byte and length, which rules out nearly every text.
#[inline]
fn may_be_mask(text: &str) -> bool {
    /// No mark without brackets is shorter.
    const SHORTEST_WORD: usize = "redacted".len();
    match text.as_bytes().first() {
        Some(b'H' | b'R' | b'S' | b'V' | b'h' | b'r' | b's' | b'v') => text.len() >= SHORTEST_WORD,
        Some(first) => !first.is_ascii_alphanumeric(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_names() {
        for mark in [
            "*",
            "***",
            " ***** ",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "[HIDDEN_DUE_TO_SECURITY_REASONS]",
            "Value hidden due to security reasons.",
            "<sensitiveDataRemoved>",
            "[REDACTED]",
            "<REDACTED>",
            "REDACTED",
            "***REDACTED***",
            "(masked)",
        ] {
            assert!(is_mask(mark), "{mark}");
        }
        for name in [
            "",
            " ",
            "hidden",
            "removed",
            "-",
            "!!!",
            "redacted-user",
            "alice",
            "a***",
            "AROAEXAMPLE:***",
        ] {
            assert!(!has_mask(name), "{name}");
        }
    }

    #[test]
    fn what_is_left_of_a_text_is_no_name() {
        for text in ["x?token=[REDACTED]", "[REDACTED]@host", "[REDACTED]"] {
            assert!(has_mask(text), "{text}");
        }
        // A password is one, whatever it holds.
        assert!(!is_mask("hunter2[REDACTED]"));
    }
}
