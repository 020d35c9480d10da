//! The lists of the page: the last events and the dead letters.

use std::fmt::Write as _;

use super::parts::{begin, time};
use crate::sidecar::status::{Event, Letter, Status};
use crate::view::html::escaped;
use crate::view::numbers::{bytes, grouped};

/// The beginning of a table whose rows are cards on narrow screens. The roles keep it a table for screen readers then.
fn cards(out: &mut String, section: &str, columns: &[&str]) {
    let _ = write!(
        out,
        r#"<table class="cards" role="table" aria-labelledby="{section}-title"><thead role="rowgroup"><tr role="row">"#
    );
    for column in columns {
        let _ = write!(out, r#"<th scope="col" role="columnheader">{column}</th>"#);
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

fn row(out: &mut String, cells: &[(&str, &str, String)]) {
    out.push_str("<tr role=\"row\">");
    for (column, class, content) in cells {
        let class = if content.is_empty() { "none" } else { class };
        let _ = write!(
            out,
            r#"<td role="cell" data-column="{column}" class="{class}">{content}</td>"#
        );
    }
    out.push_str("</tr>\n");
}

pub(super) fn events(out: &mut String, status: &Status) {
    begin(out, "events", "Last events");
    out.push_str("<div id=\"events-now\" data-live>\n");
    if status.events.is_empty() {
        out.push_str("<p>No event was delivered since qtrail started. CloudTrail itself delivers events 3 to 15 minutes after they happen.</p>\n");
    } else {
        out.push_str(
            "<p>The last that were delivered, the newest first. Secrets are masked.</p>\n",
        );
        let columns = [
            "Time (UTC)",
            "Person",
            "What",
            "Outcome",
            "Agent",
            "Conversation",
        ];
        cards(out, "events", &columns);
        status
            .events
            .iter()
            .for_each(|event| of_event(out, event, &status.now));
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</div>\n</section>\n");
}

fn of_event(out: &mut String, event: &Event, now: &str) {
    let person = match event.person.as_str() {
        "" => "(no person in the record)",
        person => person,
    };
    let what = match event.access.as_str() {
        "WRITE" => format!(
            "<code>{}</code> <span class=\"write\">WRITE</span>",
            escaped(&event.what)
        ),
        _ => format!("<code>{}</code>", escaped(&event.what)),
    };
    let class = match event.outcome.as_str() {
        "DENIED" | "error" => "denied",
        _ => "",
    };
    let reason = match event.reason.as_str() {
        "" => String::new(),
        reason => format!("<div class=\"reason\">{}</div>", escaped(reason)),
    };
    let conversation = match event.conversation.as_str() {
        "" => String::new(),
        id => format!("<code>{}</code>", escaped(id)),
    };
    let cells = [
        ("Time (UTC)", "", time(&event.time, now)),
        ("Person", "", escaped(person)),
        ("What", "", what + &reason),
        ("Outcome", class, escaped(&event.outcome)),
        ("Agent", "", escaped(&event.agent)),
        ("Conversation", "", conversation),
    ];
    row(out, &cells);
}

pub(super) fn letters(out: &mut String, status: &Status) {
    let letters = &status.dead_letters;
    begin(out, "letters", "Dead letters");
    out.push_str("<div id=\"letters-now\" data-live>\n");
    if let Some(error) = &letters.error {
        let _ = writeln!(out, "<p>The file cannot be read: {}</p>", escaped(error));
    } else if letters.are_there {
        let _ = writeln!(
            out,
            "<p>Records that could not be delivered: {} in {}, rotated files included.</p>",
            bytes(letters.bytes),
            escaped(&letters.path)
        );
        commands(out, &letters.replay);
        cards(out, "letters", &["Reason", "Where", "Can be sent again"]);
        let newest = letters.newest.iter();
        newest.for_each(|letter| of_letter(out, letter));
        out.push_str("</tbody>\n</table>\n");
        if letters.has_more {
            out.push_str("<p>The file has more.</p>\n");
        }
    } else {
        out.push_str("<p>There are none.</p>\n");
    }
    out.push_str("</div>\n</section>\n");
}

fn commands(out: &mut String, replay: &[String]) {
    if replay.is_empty() {
        out.push_str(
            "<p>They cannot be sent again as they are: look at the records in the file.</p>\n",
        );
        return;
    }
    out.push_str("<p>Once the cause is mended, send them again, then move the file away:</p>\n<pre tabindex=\"0\" aria-label=\"Commands\">");
    for command in replay {
        let _ = writeln!(out, "<code>{}</code>", escaped(command));
    }
    out.push_str("</pre>\n");
}

fn of_letter(out: &mut String, letter: &Letter) {
    let more = match letter.records {
        0 | 1 => String::new(),
        n => format!(" (one of {} records)", grouped(n)),
    };
    let place = format!(
        "record {} at byte {}{more}",
        letter.record,
        grouped(letter.byte)
    );
    let id = match letter.event_id.as_str() {
        "" => String::new(),
        id => format!(", event <code>{}</code>", escaped(id)),
    };
    let again = match letter.can_be_replayed {
        true => "yes",
        false => "no: look at the record",
    };
    let cells = [
        (
            "Reason",
            "",
            format!(
                "<strong>{}</strong><div>{}</div>",
                escaped(&letter.reason),
                escaped(&letter.message)
            ),
        ),
        (
            "Where",
            "",
            format!("{}, {}{id}", escaped(&letter.source), escaped(&place)),
        ),
        ("Can be sent again", "", again.to_owned()),
    ];
    row(out, &cells);
}
