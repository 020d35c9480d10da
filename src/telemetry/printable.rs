//! Escapes text from untrusted sources for logs and terminals.
//!
//! Enters: names and values from records, keys and paths. Leaves: the same text without characters that can forge a log
//! line, control a terminal or change the text direction.

/// The text, with those characters escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || breaks_line_or_changes_direction(c) => {
                out.extend(c.escape_default())
            }
            c => out.push(c),
        }
    }
    out
}

fn breaks_line_or_changes_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_forge_a_log_line_or_turn_one() {
        assert_eq!(printable("a\nERROR b\x1b[31m"), "a\\nERROR b\\u{1b}[31m");
        assert_eq!(
            printable("a\u{202e}\u{2028}\u{2066}"),
            "a\\u{202e}\\u{2028}\\u{2066}"
        );
        assert_eq!(printable("ü/日本.json"), "ü/日本.json");
    }
}
