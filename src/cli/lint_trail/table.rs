//! What was found, for a terminal.

use super::Linted;
use crate::cli::count;
use crate::cli::report::text::{Paint, day, line, wrapped};
use crate::lint::finding::{Finding, Level};
use crate::lint::trail::Trail;
use crate::telemetry::printable::printable;

/// Names that are listed of many.
const LISTED: usize = 8;

/// The text. Findings that the same commands mend have them once, behind the last one.
pub(super) fn text(linted: &Linted<'_>, paint: Paint) -> String {
    let mut text = String::new();
    let mut found = linted.found.iter().peekable();
    while let Some(finding) = found.next() {
        one(&mut text, finding, paint);
        let goes_on = found.peek().is_some_and(|next| {
            next.commands == finding.commands
                && next.trail == finding.trail
                && next.level == finding.level
        });
        if goes_on {
            continue;
        }
        if !finding.commands.is_empty() {
            line(&mut text, "    run:");
        }
        for command in &finding.commands {
            line(&mut text, &format!("    {command}"));
        }
        text.push('\n');
    }
    for part in [of_trails(linted), of_events(linted), result(linted)] {
        wrapped(&mut text, 0, &part);
    }
    text
}

fn one(text: &mut String, finding: &Finding, paint: Paint) {
    let name = finding.kind.name();
    line(
        text,
        &match finding.level {
            Level::Finding => paint.red(&name),
            Level::Hint => format!("{} (hint)", paint.bold(&name)),
        },
    );
    if let Some(trail) = &finding.trail {
        wrapped(text, 2, &printable(trail));
    }
    wrapped(text, 4, &printable(&finding.message));
}

fn of_trails(linted: &Linted<'_>) -> String {
    match linted.trails {
        [] => String::new(),
        trails => format!(
            "{}: {}.",
            count(trails.len() as u64, "trail"),
            listed(trails.iter().map(Trail::name))
        ),
    }
}

fn of_events(linted: &Linted<'_>) -> String {
    let seen = linted.seen;
    let Some((first, last)) = seen.range else {
        return String::new();
    };
    format!(
        "{} from {} to {}, in {} and {}: accounts {}; regions {}.",
        count(seen.events, "event"),
        day(first),
        day(last),
        count(linted.totals.files, "file"),
        count(seen.digests, "digest"),
        listed(seen.accounts.iter().map(String::as_str)),
        listed(seen.regions.iter().map(String::as_str)),
    )
}

fn result(linted: &Linted<'_>) -> String {
    let found = match (linted.count(Level::Finding), linted.count(Level::Hint)) {
        (0, 0) => "Nothing found.".to_owned(),
        (findings, hints) => format!(
            "{}, {}. Each is explained in docs/trail.md.",
            count(findings, "finding"),
            count(hints, "hint")
        ),
    };
    match linted.is_complete() {
        true => found,
        false => format!("{found} NOT everything could be read or asked."),
    }
}

fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut names: Vec<_> = names.take(LISTED).map(printable).collect();
    if names.is_empty() {
        names.push("unknown".to_owned());
    }
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
