//! What `explain` prints for people.
//!
//! What must hold: no line is longer than a terminal, unless all values are asked for; nothing in a record controls the
//! terminal.

use crate::cli::report::text::{COLUMNS, line, padded, width, wrapped};
use crate::telemetry::printable::printable;

use super::explained::{Explained, Fact};

/// Characters of a value that are shown.
const SHOWN: usize = 240;
/// The columns of a fact's name and value, and of an attribute's value where lines may be long.
const FACT: usize = 14;
const VALUE: usize = 20;
const WIDE_VALUE: usize = 40;
/// The indentation below an attribute's name.
const BELOW: usize = 6;

/// The text for an event. `wide`: a line for each value, whole.
pub(super) fn text(explained: &Explained, wide: bool) -> String {
    let mut out = String::new();
    let Explained {
        event,
        time,
        severity,
        ..
    } = explained;
    if let Some(why) = explained.ignored {
        out.push_str(&paragraph(why, wide));
    }
    let title = format!("{} at {time}, {severity}", shown(event, wide));
    out.push_str(&paragraph(&title, wide));
    out.push('\n');
    for facts in [&explained.answers, &explained.ids] {
        for Fact { name, value, rule } in facts {
            fact(
                &mut out,
                name,
                &shown(value, wide),
                &shown(rule, wide),
                wide,
            );
        }
        out.push('\n');
    }
    let names = explained.attributes.iter().map(|one| one.name.len());
    let widest = names.max().unwrap_or_default();
    for one in &explained.attributes {
        let on = match one.on {
            "log record and span" => String::new(),
            on => format!(" ({on})"),
        };
        let source = format!("from {}{on}", shown(&one.source, wide));
        let value = shown(&one.text(), wide);
        match wide {
            true => {
                let (name, value) = (padded(one.name, widest), padded(&value, WIDE_VALUE));
                line(&mut out, &format!("  {name}  {value}  {source}"));
            }
            false => attribute(&mut out, one.name, &value, &source),
        }
    }
    out.push('\n');
    out
}

/// A name, a value and the rule, which is on a line of its own where it does not fit.
fn fact(out: &mut String, name: &str, value: &str, rule: &str, wide: bool) {
    let start = format!("  {}  ", padded(name, FACT));
    let whole = format!("{start}{}  {rule}", padded(value, VALUE));
    if wide || width(&whole) <= COLUMNS {
        return line(out, &whole);
    }
    let indent = width(&start);
    let mut below = String::new();
    wrapped(&mut below, indent, value);
    wrapped(&mut below, indent, rule);
    line(out, &format!("{start}{}", below.trim()));
}

/// A name and a value, on one line if they fit, and the source below them.
fn attribute(out: &mut String, name: &str, value: &str, source: &str) {
    let start = format!("  {name}  {value}");
    match width(&start) <= COLUMNS {
        true => line(out, &start),
        false => {
            line(out, &format!("  {name}"));
            wrapped(out, BELOW, value);
        }
    }
    wrapped(out, BELOW, source);
}

/// A paragraph at the start of lines; on one line if lines may be long.
pub(super) fn paragraph(content: &str, wide: bool) -> String {
    let mut out = String::new();
    match wide {
        true => line(&mut out, content),
        false => wrapped(&mut out, 0, content),
    }
    out
}

/// A text that is printable, and cut unless all of it is asked for.
fn shown(text: &str, wide: bool) -> String {
    let printable = printable(text);
    match printable.char_indices().nth(SHOWN) {
        Some((end, _)) if !wide => {
            let more = printable[end..].chars().count();
            format!("{}… and {more} more characters (--wide)", &printable[..end])
        }
        _ => printable,
    }
}
