//! A report for a terminal, within 80 columns.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::basis::Basis;
use super::people::{Counts, Group, People, Person};
use super::relations::Row;
use super::text::{Paint, clock, cut, day, flow, line, padded, range, width, wrapped};
use super::words;
use crate::cli::count;
use crate::telemetry::printable::printable;
use crate::view::event::{Event, Text};
use crate::view::words::{self as event_words, Kind, access, action, is_write, kind};

/// Indentation of a denied call's reason.
const REASON: usize = 16;
/// Columns of an action before the columns behind it move to the next line.
const ACTION: usize = 46;
/// Characters of a reason.
const REASON_CHARS: usize = 1_000;
/// Own events of one kind in a row that are shown as one line.
const RUN: usize = 3;

/// Writes the whole report.
pub(crate) fn write(
    people: &People<'_>,
    basis: &Basis,
    paint: Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut text = String::new();
    heading(&mut text, people, basis, paint);
    out.write_all(text.as_bytes())?;
    body(people, paint, out)
}

/// Writes the people, with what agents did for them.
pub(crate) fn body(people: &People<'_>, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let days = extent(people).is_some_and(|(first, last)| day(first) != day(last));
    for person in &people.list {
        let mut text = "\n".to_owned();
        of_person(&mut text, person, paint);
        out.write_all(text.as_bytes())?;
        for group in &person.groups {
            of_group(people, group, days, paint, out)?;
        }
    }
    let mut ways = BTreeMap::<&str, u64>::new();
    for (way, calls) in people.groups().flat_map(|group| &group.calls_through) {
        *ways.entry(way).or_default() += calls;
    }
    let mut text = String::new();
    if !ways.is_empty() {
        let ways = ways
            .iter()
            .map(|(way, calls)| format!("{} {calls}", cut(way, 60)));
        text.push_str("\nCalls through\n");
        flow(&mut text, 2, ", ", &ways.collect::<Vec<_>>());
    }
    out.write_all(text.as_bytes())
}

/// The times of the first and the last event.
fn extent(people: &People<'_>) -> Option<(i64, i64)> {
    let groups = people.groups();
    let first = groups.clone().map(|group| group.first).min()?;
    Some((first, groups.map(|group| group.last).max()?))
}

fn heading(text: &mut String, people: &People<'_>, basis: &Basis, paint: Paint) {
    let mut total = Counts::default();
    let mut conversations = BTreeSet::new();
    for group in people.groups() {
        conversations.extend(group.conversation.as_deref());
        total.add_all(&group.counts);
    }
    let sums = [
        count(people.list.len() as u64, "person").replace("persons", "people"),
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
    if people.list.is_empty() {
        line(text, "\nNo event matches.");
    }
}

fn of_person(text: &mut String, person: &Person, paint: Paint) {
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
}

/// The longest name of a person that is shown whole.
const COLUMN_OF_NAME: usize = 60;

/// `days`: the report has events of several days.
fn of_group(
    people: &People<'_>,
    group: &Group,
    days: bool,
    paint: Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut text = String::new();
    title(&mut text, group, days);
    let days = day(group.first) != day(group.last);
    let mut shown = String::new();
    let mut rows = group.rows.iter().map(|place| people.row(*place));
    let mut next = rows.next().transpose()?;
    while let Some(row) = next.take() {
        let today = day(row.event.time);
        if days && today != shown {
            line(&mut text, &format!("    {today}"));
            shown = today;
        }
        // The rows that are like the first: at most so many that they may be shown one by one, and the last one.
        let (mut alike, mut last) = (1, row.event.time);
        let mut few = vec![row];
        loop {
            next = rows.next().transpose()?;
            let Some(row) = next.take_if(|row| is_alike(&few[0], row)) else {
                break;
            };
            (alike, last) = (alike + 1, row.event.time);
            if few.len() < RUN {
                few.push(row);
            }
        }
        if alike >= RUN {
            run(&mut text, &few[0].event, alike, last);
        } else {
            for row in &few {
                of_row(&mut text, row, group.is_own_among_others(row), paint);
            }
        }
        out.write_all(text.as_bytes())?;
        text.clear();
    }
    out.write_all(text.as_bytes())
}

fn title(text: &mut String, group: &Group, days: bool) {
    let title = match &group.conversation {
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
}

/// Events that are alike, as one line.
fn run(text: &mut String, first: &Event, alike: usize, last: i64) {
    let label = format!("{alike} x {}", label(first));
    let (start, end) = (clock(first.time), clock(last));
    line(text, &format!("    {start}  {}, to {end}", cut(&label, 46)));
}

/// Whether a row and the first of a run are alike: events of one day that are neither calls nor failures.
fn is_alike(first: &Row<'_>, row: &Row<'_>) -> bool {
    let is_plain = |row: &Row<'_>| {
        matches!(kind(&row.event), Kind::Message | Kind::Own)
            && row.event.get(Text::Outcome) == "success"
            && !is_write(&row.event)
            && row.relation.parent().is_none()
    };
    is_plain(first)
        && is_plain(row)
        && label(&row.event) == label(&first.event)
        && day(row.event.time) == day(first.event.time)
}

/// What was done: `message`, or the service and the action.
fn label(event: &Event) -> String {
    match kind(event) {
        Kind::Message => "message".to_owned(),
        _ => action(event),
    }
}

/// `marked`: the call is one with the person's own credentials, among others.
fn of_row(text: &mut String, row: &Row<'_>, marked: bool, paint: Paint) {
    let event = &*row.event;
    let indent = 2 * usize::from(row.relation.parent().is_some());
    let start = format!("    {}  {}", clock(event.time), " ".repeat(indent));
    let mark = if marked { " *" } else { "" };
    let action = printable(&label(event)) + mark;
    let (plain, outcome) = outcome(event, paint);
    // Padded before colouring: colour codes have no width.
    let gap = " ".repeat(9_usize.saturating_sub(width(&plain)));
    let (access, relation) = (access(event), words::relation(row.relation));
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
        (outcome, _) => event_words::outcome(outcome),
    };
    let painted = match event.get(Text::Outcome) {
        "denied" | "error" => paint.red(plain),
        "dry_run" => paint.yellow(plain),
        _ => plain.to_owned(),
    };
    (plain.to_owned(), painted)
}

fn reason(text: &mut String, event: &Event) {
    if let Some(reason) = event_words::reason(event) {
        let shown: String = reason.chars().take(REASON_CHARS).collect();
        let more = reason.chars().count() - shown.chars().count();
        let more = match more {
            0 => String::new(),
            n => format!(" … ({n} more characters)"),
        };
        wrapped(text, REASON, &(printable(&shown) + &more));
    }
}
