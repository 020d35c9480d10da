//! A report as one HTML file that needs nothing else: no script, no font, no image.
//!
//! What must hold: no text of a record is markup; the content security policy forbids everything but the file's
//! own style.

use std::io::{self, Write};

use super::basis::Basis;
use super::people::{Counts, Group, People, Person};
use super::relations::Row;
use super::text::{clock, day, range, rfc3339};
use super::words;
use crate::cli::count;
use crate::view::event::Text;
use crate::view::html::{STYLE, escaped, source_hash};
use crate::view::words::{Kind, access, action, kind, outcome, reason};

/// Writes the document.
pub(super) fn write(people: &People<'_>, basis: &Basis, out: &mut impl Write) -> io::Result<()> {
    head(basis, out)?;
    glance(people, out)?;
    for (number, person) in people.list.iter().enumerate() {
        section(people, number, person, out)?;
    }
    footing(basis, out)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn head(basis: &Basis, out: &mut impl Write) -> io::Result<()> {
    let time = basis
        .range
        .map_or_else(String::new, |(first, last)| range(first, last) + " UTC");
    let hash = source_hash(STYLE);
    write!(
        out,
        r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src {hash}; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>What agents did, {time}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#glance">Skip to the people</a>
<header>
<h1>What agents did</h1>
<p>{time}</p>
"##
    )?;
    if basis.is_incomplete() {
        let why = r##"<p class="alert"><strong>This report is not complete:</strong> see <a href="#basis">what it rests on</a>.</p>"##;
        writeln!(out, "{why}")?;
    }
    if !basis.filters.is_empty() {
        writeln!(out, "<p>Shown: {}</p>", escaped(&basis.filters.join(", ")))?;
    }
    writeln!(out, "</header>\n<main>")
}

fn glance(people: &People<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        r#"<section id="glance" aria-labelledby="glance-title">
<h2 id="glance-title">At a glance</h2>"#
    )?;
    if people.list.is_empty() {
        return writeln!(out, "<p>No event matches.</p>\n</section>");
    }
    writeln!(
        out,
        r#"<div class="scroll" role="region" aria-labelledby="glance-title" tabindex="0">
<table>
<thead><tr><th scope="col">Person</th><th scope="col">Credentials</th><th scope="col" class="n">Conversations</th><th scope="col" class="n">Messages</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Changed</th><th scope="col" class="n">Denied</th><th scope="col" class="n">Errors</th></tr></thead>
<tbody>"#
    )?;
    let mut total = Counts::default();
    let mut conversations = 0;
    for (number, person) in people.list.iter().enumerate() {
        let own = person
            .groups
            .iter()
            .filter(|group| group.conversation.is_some())
            .count();
        conversations += own;
        total.add_all(&person.counts);
        writeln!(
            out,
            r##"<tr><th scope="row"><a href="#p{number}">{}</a></th><td>{}</td>{}</tr>"##,
            escaped(person.label()),
            escaped(&words::credentials(person).unwrap_or_default()),
            numbers(own, &person.counts)
        )?;
    }
    writeln!(
        out,
        r#"</tbody>
<tfoot><tr><th scope="row" colspan="2">{}</th>{}</tr></tfoot>
</table>
</div>
</section>"#,
        count(people.list.len() as u64, "person").replace("persons", "people"),
        numbers(conversations, &total)
    )
}

fn numbers(conversations: usize, counts: &Counts) -> String {
    let cell = |n: u64, class: &str| {
        let class = if n > 0 { class } else { "" };
        format!(r#"<td class="n {class}">{n}</td>"#)
    };
    [
        cell(conversations as u64, ""),
        cell(counts.messages, ""),
        cell(counts.calls, ""),
        cell(counts.changed, "write"),
        cell(counts.denied, "denied"),
        cell(counts.errors, "denied"),
    ]
    .concat()
}

fn section(
    people: &People<'_>,
    number: usize,
    person: &Person,
    out: &mut impl Write,
) -> io::Result<()> {
    let id = person.id.as_ref().filter(|_| person.id != person.name);
    let about = [
        words::credentials(person),
        id.map(|id| format!("id {id}")),
        Some(words::counts(&person.counts)),
    ];
    let about = about.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    writeln!(
        out,
        r#"<section id="p{number}" aria-labelledby="p{number}-title">
<h2 id="p{number}-title">{}</h2>
<p>{}</p>"#,
        escaped(person.label()),
        escaped(&about)
    )?;
    for (place, group) in person.groups.iter().enumerate() {
        of_group(people, &format!("p{number}-{place}"), group, out)?;
    }
    writeln!(out, "</section>")
}

fn of_group(people: &People<'_>, id: &str, group: &Group, out: &mut impl Write) -> io::Result<()> {
    let title = match &group.conversation {
        Some(conversation) => format!("Conversation <code>{}</code>", escaped(conversation)),
        None => "No known conversation".to_owned(),
    };
    let mut about = vec![range(group.first, group.last)];
    about.extend(words::group(group));
    writeln!(
        out,
        r#"<h3 id="{id}">{title}</h3>
<p>{}</p>
<div class="scroll" role="region" aria-labelledby="{id}" tabindex="0">
<table class="events">
<thead><tr><th scope="col">Time (UTC)</th><th scope="col">What</th><th scope="col">Access</th><th scope="col">Outcome</th><th scope="col">Known by</th></tr></thead>
<tbody>"#,
        escaped(&about.join(" · "))
    )?;
    let days = day(group.first) != day(group.last);
    for place in &group.rows {
        let row = people.row(*place)?;
        of_row(&row, days, group.is_own_among_others(&row), out)?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")
}

fn of_row(row: &Row<'_>, days: bool, marked: bool, out: &mut impl Write) -> io::Result<()> {
    let event = &*row.event;
    let shown = match days {
        true => format!("{} {}", day(event.time), clock(event.time)),
        false => clock(event.time),
    };
    let (access, outcome) = (access(event), outcome(event.get(Text::Outcome)));
    let class = match event.get(Text::Outcome) {
        "denied" | "error" => "denied",
        "dry_run" => "dry",
        _ => "",
    };
    let reason = reason(event).map_or_else(String::new, |reason| {
        format!(r#"<div class="reason">{}</div>"#, escaped(&reason))
    });
    let what = match kind(event) {
        Kind::Message => "message".to_owned(),
        _ => format!("<code>{}</code>", escaped(&action(event))),
    };
    let mark = if marked { " *" } else { "" };
    let depth = usize::from(row.parent.is_some());
    writeln!(
        out,
        r#"<tr><td><time datetime="{}">{shown}</time></td><td class="d{depth}">{what}{mark}{reason}</td><td class="{}">{access}</td><td class="{class}">{}</td><td>{}</td></tr>"#,
        rfc3339(event.time),
        if access == "WRITE" { "write" } else { "" },
        escaped(outcome),
        match words::relation(row.relation).as_str() {
            "" if row.conversation.is_some() => "exact",
            relation => relation,
        }
    )
}

fn footing(basis: &Basis, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        r#"<section id="basis" aria-labelledby="basis-title">
<h2 id="basis-title">What this report rests on</h2>"#
    )?;
    for sentence in words::basis(basis) {
        writeln!(out, "<p>{}</p>", escaped(&sentence))?;
    }
    if let Some((first, last)) = basis.range {
        writeln!(
            out,
            "<p>Events of agents from {} to {}.</p>",
            rfc3339(first),
            rfc3339(last)
        )?;
    }
    writeln!(out, "<p>Read: {}</p>", escaped(&basis.paths.join(", ")))?;
    let letters = &basis.dead_letters;
    if letters.count > 0 {
        writeln!(out, "<h3>Records that cannot be read</h3>\n<ul>")?;
        for letter in &letters.examples {
            let place = format!(
                "{}, record {} at byte {}",
                letter.file, letter.record, letter.offset
            );
            writeln!(
                out,
                "<li><code>{}</code>: {}</li>",
                escaped(&place),
                escaped(&letter.message)
            )?;
        }
        if letters.count > letters.examples.len() as u64 {
            writeln!(
                out,
                "<li>and {} more</li>",
                letters.count - letters.examples.len() as u64
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(
        out,
        r#"<h3>How it is known to what an event belongs</h3>
<dl>
<dt>exact</dt><dd>The record has the id of the conversation.</dd>
<dt>exact (request id)</dt><dd>The record of a tool call lists the request id of this call.</dd>
<dt>inferred, N s</dt><dd>The nearest message of the same person in the same account was N seconds away. CloudTrail does not say that the call was made for it.</dd>
</dl>
</section>"#
    )
}
