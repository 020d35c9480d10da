//! A report as CSV (RFC 4180): one row an event, in order of time.
//!
//! What must hold: no cell is a formula for a spreadsheet, and none can control a terminal or turn its text.

use std::borrow::Cow;
use std::io::{self, Write};

use super::columns::{Cell, NAMES, cells};
use super::people::People;
use crate::telemetry::printable::printable;

/// Writes the header and the rows.
pub(super) fn write(people: &People<'_>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}\r\n", NAMES.join(","))?;
    for row in people.in_time() {
        let (person, row) = row?;
        for (place, cell) in cells(person, &row).iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            match cell {
                Cell::None => {}
                Cell::Text(text) => out.write_all(self::cell(text).as_bytes())?,
                Cell::Flag(flag) => write!(out, "{flag}")?,
                Cell::Number(number) => write!(out, "{number}")?,
            }
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

/// A text as a cell: an apostrophe before what a spreadsheet would take for a formula, quotes where they are
/// needed, and no control characters.
fn cell(text: &str) -> Cow<'_, str> {
    // Spreadsheets skip white space before a formula, and some read the full-width forms as well.
    let first = text.trim_start().chars().next();
    let is_formula = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
    ) || text.starts_with(['\t', '\r', '\n']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@ ()".contains(c);
    if !is_formula && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mark = if is_formula { "'" } else { "" };
    let text = printable(text).replace('"', "\"\"");
    Cow::Owned(format!("\"{mark}{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "\u{a0}=1",
        ] {
            let cell = cell(formula);
            assert!(cell.starts_with("\"'"), "{formula:?} became {cell}");
        }
        for text in [
            "mary",
            "a=b",
            "2026-11-27T17:53:24Z",
            "arn:aws:iam::1:user/x",
            "x@y",
        ] {
            assert!(!cell(text).contains('\''), "{text}");
        }
    }

    #[test]
    fn a_cell_is_quoted_and_cannot_control_a_terminal() {
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("a\nb\x1b[2J\u{202e}"), "\"a\\nb\\u{1b}[2J\\u{202e}\"");
        assert_eq!(cell("日本"), "\"日本\"");
    }
}
