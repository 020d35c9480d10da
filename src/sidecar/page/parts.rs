//! The parts of the page before its lists: what is blocked, what runs, whether anything is missing.

use std::fmt::Write as _;

use crate::sidecar::status::{Blocked, Status, balance_sentence};
use crate::view::html::escaped;
use crate::view::numbers::{grouped, span};

/// The class of the summary.
pub(super) fn mood(status: &Status) -> &'static str {
    match &status.blocked[..] {
        [] if status.dead_letters.are_there => "wait",
        [] => "good",
        [first, ..] if first.needs_you => "bad",
        _ => "wait",
    }
}

/// An RFC 3339 time as an element; without its day, if that is today.
pub(super) fn time(time: &str, now: &str) -> String {
    let (day, clock) = time.split_once('T').unwrap_or((time, ""));
    let shown = match now.starts_with(day) {
        true => clock.to_owned(),
        false => format!("{day} {clock}"),
    };
    let shown = shown.trim_end_matches('Z');
    format!(
        "<time datetime=\"{}\">{}</time>",
        escaped(time),
        escaped(shown)
    )
}

pub(super) fn begin(out: &mut String, id: &str, title: &str) {
    let _ = write!(
        out,
        r#"<section id="{id}" aria-labelledby="{id}-title">
<h2 id="{id}-title">{title}</h2>
"#
    );
}

pub(super) fn blocked(out: &mut String, status: &Status) {
    begin(out, "blocked", "What is blocked");
    out.push_str("<div id=\"blocked-now\" data-live>\n");
    if status.blocked.is_empty() {
        out.push_str("<p>Nothing is blocked.</p>\n");
    } else {
        out.push_str("<ul class=\"notes\">\n");
        for blocked in &status.blocked {
            note(out, blocked);
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</div>\n</section>\n");
}

fn note(out: &mut String, blocked: &Blocked) {
    let class = if blocked.needs_you { "bad" } else { "wait" };
    let lasts = match blocked.seconds {
        Some(seconds) => format!(" (for {})", span(seconds)),
        None => String::new(),
    };
    let _ = write!(
        out,
        r#"<li class="{class}"><h3>{}{lasts}</h3>
<p>{}</p>
"#,
        escaped(&blocked.title),
        escaped(&blocked.remedy),
    );
    if !blocked.reason.is_empty() {
        let _ = writeln!(
            out,
            "<p class=\"detail\"><code>{}</code></p>",
            escaped(&blocked.reason)
        );
    }
    out.push_str("</li>\n");
}

pub(super) fn running(out: &mut String, status: &Status) {
    begin(out, "running", "What runs");
    out.push_str("<dl id=\"running-now\" class=\"facts\" data-live>\n");
    for (name, content) in status.facts() {
        let content = escaped(&content);
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{content}</dd></div>");
    }
    out.push_str("</dl>\n</section>\n");
}

pub(super) fn balance(out: &mut String, status: &Status) {
    let balance = &status.balance;
    begin(out, "balance", "Is anything missing?");
    let _ = write!(
        out,
        r#"<div id="balance-now" data-live>
<p>{}</p>
<table class="balance">
<thead><tr><th scope="col">Records</th><th scope="col" class="n">Number</th><th scope="col">Meaning</th></tr></thead>
<tbody>
"#,
        escaped(&balance_sentence(balance))
    );
    let rows = [
        (
            "Read",
            balance.read,
            "found in what qtrail reads, since it started",
        ),
        ("Exported", balance.exported, "the collector has them"),
        (
            "Filtered",
            balance.filtered,
            "not selected: by default, all that is not Amazon Q's",
        ),
        (
            "Duplicate",
            balance.duplicate,
            "delivered before, so not sent again",
        ),
        (
            "Dead letters",
            balance.dead_lettered,
            "could not be delivered, and are kept in a file",
        ),
        ("In flight", balance.in_flight, "read, and on their way"),
    ];
    for (name, number, meaning) in rows {
        let class = match name {
            "Dead letters" if number > 0 => "n denied",
            _ => "n",
        };
        let _ = writeln!(
            out,
            r#"<tr><th scope="row">{name}</th><td class="{class}">{}</td><td>{meaning}</td></tr>"#,
            grouped(number)
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}
