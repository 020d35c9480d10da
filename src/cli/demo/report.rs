//! The report of what arrived at the demo's collector.
//!
//! Enters: the requests as received, the dead letters, the counts. Leaves: text: what `qtrail report` shows, then
//! the repeats, the dead letters and the balance. What must hold: it shows only what arrived, so that an error of
//! the pipeline is visible.

mod arrived;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use self::arrived::{Arrived, arrived};
use super::collector::Received;
use crate::cli::count;
use crate::cli::report::filter::Filter;
use crate::cli::report::people::people;
use crate::cli::report::store::Store;
use crate::cli::report::table;
use crate::cli::report::text::{Paint, line, wrapped};
use crate::dead_letter::Line;
use crate::pipeline::Counts;
use crate::telemetry::printable::printable;
use crate::view::event::Text;

/// The facts to report.
pub(super) struct Facts {
    /// The directory of the trail.
    pub(super) trail: String,
    /// Number of files in the trail.
    pub(super) files: usize,
    /// The collector that received the events.
    pub(super) collector: String,
    /// How many times each event is in the trail.
    pub(super) in_trail: BTreeMap<String, usize>,
    pub(super) received: Received,
    pub(super) dead_letters: Vec<Line>,
    pub(super) counts: Counts,
    /// Whether to use colours.
    pub(super) colour: bool,
}

/// The report.
///
/// # Errors
/// Its events cannot be kept.
pub(super) fn report(facts: &Facts) -> io::Result<String> {
    let arrived = arrived(&facts.received);
    let mut store = Store::new(usize::MAX);
    arrived.iter().for_each(|one| store.add(one.event.clone()));
    let stored = store.finish()?;
    let paint = Paint(facts.colour);
    let mut text = String::new();
    heading(&mut text, facts, arrived.len());
    let mut body = Vec::new();
    table::body(
        &people(&stored.events, &Filter::default())?,
        paint,
        &mut body,
    )?;
    text.push_str(&String::from_utf8_lossy(&body));
    repeats(&mut text, paint, &facts.in_trail, &arrived);
    dead_letters(&mut text, paint, &facts.dead_letters);
    balance(&mut text, paint, &facts.counts, arrived.len() as u64);
    Ok(text)
}

fn heading(text: &mut String, facts: &Facts, events: usize) {
    let spans = facts.received.traces.iter().flat_map(|r| &r.resource_spans);
    let spans = spans.flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
    let conversations = spans.clone().filter(|span| span.name == "conversation");
    let (spans, conversations) = (spans.count(), conversations.count());
    line(
        text,
        &format!(
            "Trail      {} ({})",
            facts.trail,
            count(facts.files as u64, "file")
        ),
    );
    line(text, &format!("Sent to    {}", facts.collector));
    line(
        text,
        &format!(
            "Arrived    {events} log records and {spans} spans, {conversations} of them of whole conversations"
        ),
    );
}

fn repeats(
    text: &mut String,
    paint: Paint,
    in_trail: &BTreeMap<String, usize>,
    arrived: &[Arrived<'_>],
) {
    let mut by_id: BTreeMap<&str, Vec<&Arrived<'_>>> = BTreeMap::new();
    for one in arrived {
        by_id.entry(one.event.get(Text::Id)).or_default().push(one);
    }
    paint.heading(text, "Events that CloudTrail delivered more than once");
    for (id, arrived) in by_id {
        let in_trail = in_trail.get(id).copied().unwrap_or_default();
        if in_trail < 2 && arrived.len() < 2 {
            continue;
        }
        let ids: BTreeSet<_> = arrived.iter().map(|e| (e.trace_id, e.span_id)).collect();
        let sent = match (arrived.len(), ids.len()) {
            (1, _) => "sent once".to_owned(),
            (times, 1) => format!("sent {times} times with the same ids"),
            (times, _) => format!("sent {times} times with DIFFERENT ids"),
        };
        let times = count(in_trail as u64, "time");
        wrapped(
            text,
            2,
            &format!("event {}: {times} in the trail, {sent}", printable(id)),
        );
        for (trace, span) in ids {
            let (trace, span) = (hex::encode(trace), hex::encode(span));
            line(text, &format!("    trace {trace}  span {span}"));
        }
    }
}

fn dead_letters(text: &mut String, paint: Paint, letters: &[Line]) {
    paint.heading(text, "Dead letters");
    for letter in letters {
        line(text, &format!("  {}", paint.red(&letter.reason)));
        wrapped(text, 4, &printable(&letter.message));
        for record in letter.clone().into_letters() {
            let file = record.source.rsplit('/').next().unwrap_or_default();
            wrapped(text, 4, &printable(&format!("in {file}")));
            let place = format!(
                "record {} at byte {} of the decompressed file; its {} bytes are kept for `qtrail replay`",
                record.index, record.offset, record.length
            );
            wrapped(text, 4, &place);
        }
    }
}

fn balance(text: &mut String, paint: Paint, counts: &Counts, arrived: u64) {
    paint.heading(text, "Balance");
    let Counts {
        read,
        exported,
        filtered,
        duplicate,
        dead_lettered,
        skipped,
        ..
    } = *counts;
    line(
        text,
        &format!(
            "  read {read} = exported {exported} + filtered {filtered} + duplicate {duplicate} + dead-lettered {dead_lettered}"
        ),
    );
    line(
        text,
        &format!("  {skipped} file without events was recognized and skipped (a digest file)"),
    );
    if read != exported + filtered + duplicate + dead_lettered {
        line(
            text,
            &format!("  {}", paint.red("THE COUNTS DO NOT BALANCE")),
        );
    }
    if exported != arrived {
        let lost = format!("BUT {arrived} LOG RECORDS ARRIVED");
        line(text, &format!("  {}", paint.red(&lost)));
    }
}

#[cfg(test)]
mod tests;
