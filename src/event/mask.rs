//! What stands in the place of a value that somebody has hidden. It tells nothing, and is no id.

/// What AWS writes in the place of a value, besides `***`.
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

/// Whether a text only marks the place of a hidden value: `***`, `HIDDEN_DUE_TO_SECURITY_REASONS`,
/// `<sensitiveDataRemoved>`, `[REDACTED]`, …
pub(crate) fn is_mask(text: &str) -> bool {
    /// No mark is longer.
    const LONGEST: usize = 64;
    let text = text.trim();
    // Nearly every text is told by its first byte.
    let may_be = |first: u8| !first.is_ascii_alphanumeric() || b"HRSVhrsv".contains(&first);
    if !text.bytes().next().is_some_and(may_be) || text.len() > LONGEST {
        return false;
    }
    let word = text.trim_matches(|c: char| !c.is_alphanumeric());
    if word.is_empty() {
        return text.chars().all(|c| matches!(c, '*' | '•'));
    }
    let is = |mark: &&str| mark.eq_ignore_ascii_case(word);
    let wrapped = word.len() < text.len();
    AWS.iter().any(|mark| is(mark))
        || is(&"redacted")
        || wrapped && WORDS.iter().any(|mark| is(mark))
}

/// Whether a text is no id, since all of it or a part of it is hidden: `AROAEXAMPLE:***` stands for
/// every session of a role.
pub(crate) fn is_no_id(text: &str) -> bool {
    is_mask(text) || text.split([':', '/']).any(is_mask)
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
            assert!(!is_mask(name), "{name}");
        }
    }

    #[test]
    fn an_id_with_a_hidden_part_is_none() {
        for text in [
            "***",
            "AROAEXAMPLE:***",
            "arn:aws:sts::1:assumed-role/R/[REDACTED]",
        ] {
            assert!(is_no_id(text), "{text}");
        }
        for text in [
            "AROAEXAMPLE:alice",
            "18f135d2-5f55-4203-b018-50c5a38fd547",
            "",
        ] {
            assert!(!is_no_id(text), "{text}");
        }
    }
}
