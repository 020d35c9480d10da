//! Lines, columns, paragraphs and colours of the report.

use std::fmt::Write as _;

/// The longest line.
pub(super) const COLUMNS: usize = 100;

/// Adds a line.
pub(super) fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

/// A text of exactly this width.
pub(super) fn column(content: &str, width: usize) -> String {
    if content.chars().count() > width {
        let kept: String = content.chars().take(width - 1).collect();
        return format!("{kept}…");
    }
    format!("{content:<width$}")
}

/// Adds an indented paragraph, wrapped at spaces.
pub(super) fn wrapped(text: &mut String, paragraph: &str) {
    let mut column = COLUMNS;
    for word in paragraph.split_whitespace() {
        if column + 1 + word.chars().count() > COLUMNS {
            let first = column == COLUMNS;
            text.push_str(if first { "    " } else { "\n    " });
            column = 4;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.push('\n');
}

/// Colours, if they are enabled.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn heading(self, text: &mut String, title: &str) {
        let _ = writeln!(text, "\n{}", self.with("1;4", title));
    }
}
