//! Escapes text from untrusted sources for logs and terminals.
//!
//! Enters: names and values from records, keys and paths. Leaves: the same text without characters that can forge a log
//! line, control a terminal or change the text direction.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// A path as a word of a command line, which a shell reads as that path. No option begins like it.
pub(crate) fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let here = match bytes {
        [b'-', _, ..] => "./",
        _ => "",
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(is_plain) => format!("{here}{text}"),
        Ok(text) if printable(text) == text => format!("'{here}{}'", text.replace('\'', "'\\''")),
        _ => {
            let each = bytes.iter().map(|byte| match byte {
                byte if is_plain(byte) => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            });
            format!("$'{here}{}'", each.collect::<String>())
        }
    }
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

    #[test]
    fn a_shell_reads_a_quoted_path_as_that_path() {
        for (path, expected) in [
            ("/a/b-1.jsonl", "/a/b-1.jsonl"),
            ("", "''"),
            ("-", "-"),
            ("-rf", "./-rf"),
            ("a b", "'a b'"),
            ("$(x)", "'$(x)'"),
            ("a'b", r"'a'\''b'"),
            ("/var/lib/q-1.jsonl", "/var/lib/q-1.jsonl"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("-a b", "'./-a b'"),
            ("a\nb\u{1b}'", r"$'a\x0ab\x1b\x27'"),
        ] {
            let quoted = quoted(Path::new(path));
            assert_eq!(quoted, expected);
            let read = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {quoted}")])
                .output();
            // Where there is a bash.
            if let Ok(read) = read {
                let read = String::from_utf8(read.stdout).unwrap();
                assert_eq!(read.trim_start_matches("./"), path);
            }
        }
    }
}
