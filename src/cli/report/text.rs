//! Text for terminals: columns by the width that is shown, wrapping, colours, times.
//!
//! What must hold: a text from a record cannot control the terminal.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::telemetry::printable::printable;

/// The longest line.
pub(crate) const COLUMNS: usize = 80;

/// Adds a line.
pub(crate) fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text of at least this width.
pub(crate) fn padded(content: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(content));
    format!("{content}{}", " ".repeat(missing))
}

/// A text of a record, of at most this width: a longer one ends in `…`.
pub(crate) fn cut(content: &str, columns: usize) -> String {
    let content = printable(content);
    if width(&content) <= columns {
        return content;
    }
    let mut kept = Fitted::new(columns.saturating_sub(1));
    let _whole = content.chars().all(|c| kept.push(c));
    kept.text + "…"
}

/// A text that is filled up to a width.
struct Fitted {
    text: String,
    width: usize,
    chars: usize,
    room: usize,
}

/// Characters for each column, at most: some take no column.
const CHARS_A_COLUMN: usize = 8;

impl Fitted {
    fn new(room: usize) -> Self {
        Fitted {
            text: String::new(),
            width: 0,
            chars: 0,
            room,
        }
    }

    /// Adds a character, if there is room for it.
    fn push(&mut self, c: char) -> bool {
        let columns = match c {
            // Makes the character before it an emoji, which takes two columns.
            '\u{fe0f}' => 1,
            c => c.width().unwrap_or_default(),
        };
        let fits = self.width + columns <= self.room && self.chars < self.room * CHARS_A_COLUMN;
        if fits {
            self.text.push(c);
            self.width += columns;
            self.chars += 1;
        }
        fits
    }
}

/// Adds paragraphs at an indentation, wrapped at spaces, and inside words that are longer than a line.
pub(crate) fn wrapped(text: &mut String, indent: usize, paragraph: &str) {
    wrapped_to(text, COLUMNS, indent, paragraph);
}

/// The same, in lines of at most this width.
pub(crate) fn wrapped_to(text: &mut String, columns: usize, indent: usize, paragraph: &str) {
    let room = columns.saturating_sub(indent);
    let mut current = Fitted::new(room);
    let mut flush = |current: &mut Fitted| {
        let full = std::mem::replace(current, Fitted::new(room));
        if !full.text.is_empty() {
            line(text, &format!("{}{}", " ".repeat(indent), full.text));
        }
    };
    for word in paragraph.split_whitespace() {
        if !current.text.is_empty() && current.width + 1 + width(word) > room {
            flush(&mut current);
        }
        if !current.text.is_empty() {
            current.push(' ');
        }
        for c in word.chars() {
            if !current.push(c) {
                flush(&mut current);
                current.push(c);
            }
        }
    }
    flush(&mut current);
}

/// Adds parts that are never broken, as many on a line as fit. Lines after the first have two columns more of
/// indentation.
pub(crate) fn flow(text: &mut String, indent: usize, gap: &str, parts: &[String]) {
    let mut current = String::new();
    let (mut indent, hanging) = (indent, indent + 2);
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let needed = indent + width(&current) + width(gap) + width(part);
        if !current.is_empty() && needed > COLUMNS {
            wrapped_line(text, indent, &current);
            current.clear();
            indent = hanging;
        }
        if !current.is_empty() {
            current.push_str(gap);
        }
        current.push_str(part);
    }
    wrapped_line(text, indent, &current);
}

/// One line, or several if it is too long for one.
fn wrapped_line(text: &mut String, indent: usize, content: &str) {
    match indent + width(content) <= COLUMNS {
        true => line(text, &format!("{}{content}", " ".repeat(indent))),
        false => wrapped(text, indent, content),
    }
}

/// Colours, if they are enabled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn heading(self, text: &mut String, title: &str) {
        let _ = writeln!(text, "\n{}", self.with("1;4", title));
    }
}

/// The time of day: `17:53:24`.
pub(crate) fn clock(time: i64) -> String {
    timestamp(time).strftime("%H:%M:%S").to_string()
}

/// The time of day without seconds: `17:53`.
pub(crate) fn minute(time: i64) -> String {
    timestamp(time).strftime("%H:%M").to_string()
}

/// The day: `2026-11-27`.
pub(crate) fn day(time: i64) -> String {
    timestamp(time).strftime("%Y-%m-%d").to_string()
}

/// A time in RFC 3339.
pub(crate) fn rfc3339(time: i64) -> String {
    timestamp(time).to_string()
}

/// Both times with their days, as short as they can be: `2026-11-27 17:53 to 18:10`.
pub(crate) fn range(first: i64, last: i64) -> String {
    let (start, end) = (format!("{} {}", day(first), minute(first)), minute(last));
    match () {
        () if day(first) != day(last) => format!("{start} to {} {end}", day(last)),
        () if minute(first) == end => start,
        () => format!("{start} to {end}"),
    }
}

fn timestamp(time: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_what_is_shown() {
        assert_eq!(padded("日本", 6), "日本  ");
        assert_eq!(cut("日本語テスト", 7), "日本語…");
        assert_eq!(cut("mary", 4), "mary");
        assert_eq!(cut("mary_major", 5), "mary…");
        assert_eq!(cut("a\x1b[2J\u{202e}", 30), "a\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn no_line_is_longer_than_a_terminal() {
        let long = "x".repeat(200);
        for paragraph in [
            "a b c",
            &long,
            &"word ".repeat(60),
            &"日本語".repeat(60),
            &"e\u{301}".repeat(99),
            &"☁\u{fe0f}".repeat(99),
            &"\u{301}".repeat(3_000),
        ] {
            let mut text = String::new();
            wrapped(&mut text, 16, paragraph);
            flow(&mut text, 2, ", ", &[paragraph.to_owned(), "b".to_owned()]);
            for line in text.lines() {
                assert!(width(line) <= COLUMNS, "{line}");
            }
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            assert!(squeezed(&text).starts_with(&squeezed(paragraph)));
        }
    }

    #[test]
    fn a_range_is_as_short_as_it_can_be() {
        let second = 1_000_000_000;
        let start = 1_795_395_600 * second;
        assert_eq!(range(start, start + 30 * second), "2026-11-23 01:00");
        assert_eq!(
            range(start, start + 3_600 * second),
            "2026-11-23 01:00 to 02:00"
        );
        let days = range(start, start + 90_000 * second);
        assert_eq!(days, "2026-11-23 01:00 to 2026-11-24 02:00");
    }
}
