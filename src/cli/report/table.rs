//! A report for a terminal, within 80 columns.

use super::basis::Basis;
use super::event::{Event, Text};
use super::people::{Counts, Group, Kind, Person, Row, is_write, kind, through};
use super::text::{Paint, clock, cut, day, flow, line, padded, range, width, wrapped};
use super::words;
use crate::cli::count;
use crate::telemetry::printable::printable;

/// Indentation of a denied call's reason.
const REASON: usize = 16;
/// Columns of an action before the columns behind it move to the next line.
const ACTION: usize = 46;
/// Characters of a reason.
const REASON_CHARS: usize = 1_000;
/// Own events of one kind in a row that are shown as one line.
const RUN: usize = 3;

/// The whole report.
pub(crate) fn report(people: &[Person<'_>], basis: &Basis, paint: Paint) -> String {
    let mut text = String::new();
    heading(&mut text, people, basis, paint);
    body(&mut text, people, paint);
    text
}

/// The people, with what agents did for them.
pub(crate) fn body(text: &mut String, people: &[Person<'_>], paint: Paint) {
    let days = extent(people).is_some_and(|(first, last)| day(first) != day(last));
    for person in people {
        text.push('\n');
        of_person(text, person, days, paint);
    }
    let mut ways = std::collections::BTreeMap::<&str, u64>::new();
    let groups = people.iter().flat_map(|person| &person.groups);
    for row in groups.flat_map(|group| &group.rows) {
        if kind(row.event) == Kind::Call {
            *ways.entry(through(row.event)).or_default() += 1;
        }
    }
    if !ways.is_empty() {
        let ways = ways
            .iter()
            .map(|(way, calls)| format!("{} {calls}", cut(way, 60)));
        text.push_str("\nCalls through\n");
        flow(text, 2, ", ", &ways.collect::<Vec<_>>());
    }
}

/// The times of the first and the last event.
fn extent(people: &[Person<'_>]) -> Option<(i64, i64)> {
    let groups = people.iter().flat_map(|person| &person.groups);
    let first = groups.clone().map(|group| group.first).min()?;
    Some((first, groups.map(|group| group.last).max()?))
}

fn heading(text: &mut String, people: &[Person<'_>], basis: &Basis, paint: Paint) {
    let mut total = Counts::default();
    let mut conversations = std::collections::BTreeSet::new();
    for group in people.iter().flat_map(|person| &person.groups) {
        conversations.extend(group.conversation);
        group.rows.iter().for_each(|row| total.add(row.event));
    }
    let sums = [
        count(people.len() as u64, "person").replace("persons", "people"),
        count(conversations.len() as u64, "conversation"),
    ];
    let time = extent(people).map_or_else(String::new, |(first, last)| range(first, last) + " UTC");
    let title = "What agents did".to_owned();
    let mut lines = String::new();
    flow(
        &mut lines,
        0,
        "    ",
        &[title.clone(), time, sums.join(", ")],
    );
    text.push_str(&lines.replacen(&title, &paint.bold(&title), 1));
    let parts = words::totals(&total);
    flow(text, 0, ", ", &parts);
    for sentence in words::basis(basis) {
        wrapped(text, 0, &printable(&sentence));
    }
    if basis.is_incomplete() {
        line(text, &paint.red("THE REPORT IS NOT COMPLETE."));
    }
    if people.is_empty() {
        line(text, "\nNo event matches.");
    }
}

fn of_person(text: &mut String, person: &Person<'_>, days: bool, paint: Paint) {
    let name = cut(person.label(), COLUMN_OF_NAME);
    let parts = [
        name.clone(),
        words::credentials(person).map_or_else(String::new, |who| cut(&who, 76)),
        words::counts(&person.counts),
    ];
    let mut lines = String::new();
    flow(&mut lines, 0, "   ", &parts);
    text.push_str(&lines.replacen(&name, &paint.bold(&name), 1).replacen(
        "DENIED",
        &paint.red("DENIED"),
        1,
    ));
    for group in &person.groups {
        of_group(text, group, days, paint);
    }
}

/// The longest name of a person that is shown whole.
const COLUMN_OF_NAME: usize = 60;

/// `days`: the report has events of several days.
fn of_group(text: &mut String, group: &Group<'_>, days: bool, paint: Paint) {
    let title = match group.conversation {
        Some(id) => format!("conversation {}", cut(id, 44)),
        None => "no known conversation".to_owned(),
    };
    let mut time = range(group.first, group.last);
    if !days {
        time = time
            .replacen(&day(group.first), "", 1)
            .trim_start()
            .to_owned();
    }
    flow(text, 2, "   ", &[title, time]);
    let about = words::group(group).into_iter().map(|part| cut(&part, 72));
    flow(text, 4, ", ", &about.collect::<Vec<_>>());
    let days = day(group.first) != day(group.last);
    let mut shown = String::new();
    let mut rows = group.rows.as_slice();
    while let Some(row) = rows.first() {
        let today = day(row.event.time);
        if days && today != shown {
            line(text, &format!("    {today}"));
            shown = today;
        }
        let alike = run(rows);
        if alike >= RUN {
            let last = rows[alike - 1].event.time;
            let label = format!("{alike} x {}", label(row.event));
            line(
                text,
                &format!(
                    "    {}  {}, to {}",
                    clock(row.event.time),
                    cut(&label, 46),
                    clock(last)
                ),
            );
            rows = &rows[alike..];
        } else {
            of_row(text, row, group.is_own_among_others(row), paint);
            rows = &rows[1..];
        }
    }
}

/// How many of the first rows are alike: events of one day that are neither calls nor failures.
fn run(rows: &[Row<'_>]) -> usize {
    let first = rows[0].event;
    let is_plain = |row: &Row<'_>| {
        matches!(kind(row.event), Kind::Message | Kind::Own)
            && row.event.get(Text::Outcome) == "success"
            && !is_write(row.event)
            && row.relation.parent().is_none()
    };
    let is_alike = |row: &&Row<'_>| {
        is_plain(row) && label(row.event) == label(first) && day(row.event.time) == day(first.time)
    };
    rows.iter().take_while(is_alike).count()
}

/// What was done: `message`, or the service and the action.
fn label(event: &Event) -> String {
    match kind(event) {
        Kind::Message => "message".to_owned(),
        _ => words::action(event),
    }
}

/// `marked`: the call is one with the person's own credentials, among others.
fn of_row(text: &mut String, row: &Row<'_>, marked: bool, paint: Paint) {
    let event = row.event;
    let indent = 2 * usize::from(row.relation.parent().is_some());
    let start = format!("    {}  {}", clock(event.time), " ".repeat(indent));
    let mark = if marked { " *" } else { "" };
    let action = printable(&label(event)) + mark;
    let (plain, outcome) = outcome(event, paint);
    // Padded before colouring: colour codes have no width.
    let gap = " ".repeat(9_usize.saturating_sub(width(&plain)));
    let (access, relation) = (words::access(event), words::relation(row.relation));
    let rest = format!("  {access:<5}  {outcome}{gap}{relation}");
    if width(&start) + width(&action) <= ACTION {
        let start = padded(&format!("{start}{action}"), ACTION);
        line(text, &format!("{start}{rest}"));
    } else {
        let mut lines = String::new();
        wrapped(&mut lines, width(&start), &action);
        line(text, &format!("{start}{}", lines.trim()));
        if !rest.trim().is_empty() {
            line(text, &format!("{}{rest}", " ".repeat(ACTION)));
        }
    }
    reason(text, event);
}

/// The outcome, plain and coloured. A message that succeeded has none.
fn outcome(event: &Event, paint: Paint) -> (String, String) {
    let plain = match (event.get(Text::Outcome), kind(event)) {
        ("success", Kind::Message | Kind::Own) => "",
        (outcome, _) => words::outcome(outcome),
    };
    let painted = match event.get(Text::Outcome) {
        "denied" | "error" => paint.red(plain),
        "dry_run" => paint.yellow(plain),
        _ => plain.to_owned(),
    };
    (plain.to_owned(), painted)
}

fn reason(text: &mut String, event: &Event) {
    if let Some(reason) = words::reason(event) {
        let shown: String = reason.chars().take(REASON_CHARS).collect();
        let more = reason.chars().count() - shown.chars().count();
        let more = match more {
            0 => String::new(),
            n => format!(" … ({n} more characters)"),
        };
        wrapped(text, REASON, &(printable(&shown) + &more));
    }
}
