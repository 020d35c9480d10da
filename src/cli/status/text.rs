//! A status as text for a terminal.
//!
//! What must hold: no line is wider than the terminal, and no text of a record controls it.

use crate::cli::report::text::{Paint, cut, padded, wrapped_to};
use crate::sidecar::status::{Blocked, Event, Letter, Status, balance_sentence};
use crate::telemetry::printable::printable;
use crate::view::numbers::{bytes, grouped, span};

/// The width of the names of facts.
const NAMES: usize = 15;
/// Terminals that are narrower than this have no conversations, and wider ones have them whole.
const NARROW: usize = 60;
const WIDE: usize = 110;

/// The status, in lines of at most `columns`, with at most so many events.
pub(in crate::cli) fn of(status: &Status, columns: usize, paint: Paint, events: usize) -> String {
    let mut text = head(status, columns, paint);
    for event in recent(status, columns, paint, events) {
        text.push_str(&event);
        text.push('\n');
    }
    text + &letters(status, columns, paint)
}

/// What comes before the events: the summary, what is blocked, what runs.
pub(in crate::cli) fn head(status: &Status, columns: usize, paint: Paint) -> String {
    let mut text = String::new();
    let title = format!(
        "qtrail {}, running for {}, as of {}",
        status.version,
        span(status.running_seconds),
        status.now
    );
    paragraph(&mut text, columns, 0, &title, |line| paint.bold(line));
    paragraph(&mut text, columns, 0, &status.summary, |line| match status
        .blocked
        .iter()
        .any(|blocked| blocked.needs_you)
    {
        true => paint.red(line),
        false => line.to_owned(),
    });
    for blocked in &status.blocked {
        of_blocked(&mut text, columns, paint, blocked);
    }
    text.push('\n');
    for (name, content) in status.facts() {
        fact(&mut text, columns, name, &content);
    }
    fact(
        &mut text,
        columns,
        "Balance",
        &balance_sentence(&status.balance),
    );
    text
}

/// The last events, with their heading, each in one line.
pub(in crate::cli) fn recent(
    status: &Status,
    columns: usize,
    paint: Paint,
    events: usize,
) -> Vec<String> {
    let mut lines = vec![String::new(), paint.bold(&cut("Last events", columns))];
    if status.events.is_empty() {
        let none = "  none was delivered since the start";
        lines.push(cut(none, columns));
    }
    let shown = status.events.iter().take(events);
    lines.extend(shown.map(|event| of_event(event, &status.now, columns, paint)));
    lines
}

/// The dead letters.
pub(in crate::cli) fn letters(status: &Status, columns: usize, paint: Paint) -> String {
    let letters = &status.dead_letters;
    let mut text = String::new();
    if let Some(error) = &letters.error {
        let error = format!("The dead letters cannot be read: {error}");
        paragraph(&mut text, columns, 0, &error, |line| paint.red(line));
    }
    if !letters.are_there {
        return text;
    }
    text.push('\n');
    let title = format!("Dead letters, {} in {}", bytes(letters.bytes), letters.path);
    paragraph(&mut text, columns, 0, &title, |line| paint.bold(line));
    for letter in &letters.newest {
        paragraph(&mut text, columns, 2, &of_letter(letter), |line| {
            line.to_owned()
        });
    }
    if letters.has_more {
        paragraph(&mut text, columns, 2, "the file has more", |line| {
            line.to_owned()
        });
    }
    let command = match letters.replay.is_empty() {
        true => "They cannot be sent again as they are: look at the records in the file.",
        false => "Once the cause is mended, send them again, then move the file away:",
    };
    paragraph(&mut text, columns, 0, command, |line| line.to_owned());
    for command in &letters.replay {
        // In one line, so that it can be copied.
        text.push_str(&format!("  {}\n", printable(command)));
    }
    text
}

fn of_blocked(text: &mut String, columns: usize, paint: Paint, blocked: &Blocked) {
    let lasts = blocked
        .seconds
        .map(|seconds| format!(" (for {})", span(seconds)));
    let title = format!("{}{}", blocked.title, lasts.unwrap_or_default());
    let colour = |line: &str| match blocked.needs_you {
        true => paint.red(line),
        false => paint.yellow(line),
    };
    text.push('\n');
    paragraph(text, columns, 2, &title, colour);
    paragraph(text, columns, 4, &blocked.remedy, |line| line.to_owned());
    paragraph(text, columns, 4, &blocked.reason, |line| line.to_owned());
}

fn fact(text: &mut String, columns: usize, name: &str, content: &str) {
    let mut lines = String::new();
    wrapped_to(&mut lines, columns, NAMES, &printable(content));
    let rest = lines.trim_start();
    text.push_str(&format!("{}{rest}", padded(name, NAMES)));
    if !rest.ends_with('\n') {
        text.push('\n');
    }
}

fn of_event(event: &Event, now: &str, columns: usize, paint: Paint) -> String {
    let (day, clock) = event.time.split_once('T').unwrap_or(("", &event.time));
    let time = match now.starts_with(day) {
        true => clock.trim_end_matches('Z').to_owned(),
        false => day.to_owned(),
    };
    let (time_columns, person, conversation) = match columns {
        ..NARROW => (8, 10, 0),
        NARROW..WIDE => (10, 16, 8),
        _ => (10, 24, 36),
    };
    let (outcome, gaps) = (7, 10);
    let taken = time_columns + person + outcome + conversation + gaps;
    let what = columns.saturating_sub(taken);
    let marked = match event.access.as_str() {
        "WRITE" => format!("{} WRITE", event.what),
        _ => event.what.clone(),
    };
    let cell = |content: &str, columns| padded(&cut(content, columns), columns);
    let ended = cell(&event.outcome, outcome);
    let ended = match event.outcome.as_str() {
        "DENIED" | "error" => paint.red(&ended),
        _ => ended,
    };
    let line = format!(
        "  {}  {}  {}  {ended}  {}",
        cell(&time, time_columns),
        cell(&event.person, person),
        cell(&marked, what),
        // The first characters of an id tell it from others.
        printable(&event.conversation)
            .chars()
            .take(conversation)
            .collect::<String>()
    );
    line.trim_end().to_owned()
}

fn of_letter(letter: &Letter) -> String {
    let more = match letter.records {
        0 | 1 => String::new(),
        n => format!(", one of {} records", grouped(n)),
    };
    format!(
        "{}: {} ({}, record {} at byte {}{more})",
        letter.reason,
        letter.message,
        letter.source,
        letter.record,
        grouped(letter.byte)
    )
}

/// Adds a text of a record or of qtrail, wrapped.
fn paragraph(
    text: &mut String,
    columns: usize,
    indent: usize,
    content: &str,
    colour: impl Fn(&str) -> String,
) {
    let mut lines = String::new();
    wrapped_to(&mut lines, columns, indent, &printable(content));
    for line in lines.lines() {
        text.push_str(&colour(line));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::text::width;
    use crate::sidecar::status::tests::hostile;

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_text_controls_it() {
        let mut status = hostile();
        // Its own line, to be copied.
        status.dead_letters.replay.clear();
        for columns in [40, 59, 80, 109, 200] {
            let text = of(&status, columns, Paint(false), 50);
            for line in text.lines() {
                assert!(width(line) <= columns, "{columns}: {line:?}");
            }
            let controls = |c: char| c.is_control() && c != '\n';
            assert!(
                !text.contains(controls) && !text.contains('\u{202e}'),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_command_that_replays_is_in_one_line() {
        let mut status = Status::default();
        status.dead_letters.are_there = true;
        let command = format!("qtrail replay /{}", "x".repeat(200));
        status.dead_letters.replay = vec![command.clone()];
        let text = of(&status, 80, Paint(false), 0);
        assert!(text.lines().any(|line| line.trim() == command), "{text}");
    }
}
