//! The report of what arrived at the demo's collector.
//!
//! Enters: the requests as received, the dead letters, the counts. Leaves: text of at most 100 columns. What
//! must hold: it shows only what arrived, so that an error of the pipeline is visible.

mod event;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::event::{Event, events};
use self::text::{Paint, column, line, wrapped};
use super::collector::Received;
use crate::cli::count;
use crate::dead_letter::Line;
use crate::pipeline::Counts;

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
pub(super) fn report(facts: &Facts) -> String {
    let events = events(&facts.received);
    let paint = Paint(facts.colour);
    let mut text = String::new();
    heading(&mut text, facts, &events);
    conversations(&mut text, paint, &events);
    calls(&mut text, paint, &events);
    others(&mut text, paint, &events);
    repeats(&mut text, paint, &facts.in_trail, &events);
    dead_letters(&mut text, paint, &facts.dead_letters);
    balance(&mut text, paint, &facts.counts, events.len() as u64);
    text
}

fn heading(text: &mut String, facts: &Facts, events: &[Event<'_>]) {
    let spans = facts.received.traces.iter().flat_map(|r| &r.resource_spans);
    let spans: usize = spans
        .flat_map(|r| &r.scope_spans)
        .map(|s| s.spans.len())
        .sum();
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
        &format!("Arrived    {} log records and {spans} spans", events.len()),
    );
}

fn conversations(text: &mut String, paint: Paint, events: &[Event<'_>]) {
    let mut by_id: BTreeMap<(u64, &str), Vec<&Event<'_>>> = BTreeMap::new();
    let mut starts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for event in events {
        let Some(id) = event.text("gen_ai.conversation.id") else {
            continue;
        };
        let first = *starts.entry(id).or_insert(event.time);
        if seen.insert(event.id()) {
            by_id.entry((first, id)).or_default().push(event);
        }
    }
    paint.heading(text, "Conversations");
    for ((_, id), events) in &by_id {
        let trace = events.first().map(|e| hex::encode(e.trace_id));
        let trace = trace.unwrap_or_default();
        line(text, &format!("  {}  trace {trace}", paint.bold(id)));
        for event in events {
            let took = match event.milliseconds {
                Some(ms @ 1..) => format!("  took {}.{} s", ms / 1_000, ms % 1_000 / 100),
                _ => String::new(),
            };
            let name = format!("{}.{}", event.service(), event.name());
            line(
                text,
                &format!(
                    "    {}  {} {name}{took}",
                    event.clock(),
                    column(event.person(), 15)
                ),
            );
        }
    }
}

fn calls(text: &mut String, paint: Paint, events: &[Event<'_>]) {
    let mut by_person: BTreeMap<&str, Vec<&Event<'_>>> = BTreeMap::new();
    for event in events {
        if matches!(
            event.class(),
            "pass_request" | "on_behalf_of" | "agent_call"
        ) {
            by_person.entry(event.person()).or_default().push(event);
        }
    }
    paint.heading(text, "What Amazon Q did for each person");
    for (person, events) in by_person {
        let traces: BTreeSet<_> = events.iter().map(|e| hex::encode(e.trace_id)).collect();
        let traces: Vec<_> = traces.into_iter().collect();
        let person = paint.bold(person);
        line(text, &format!("  {person}  trace {}", traces.join(", ")));
        for event in events {
            line(text, &call(paint, event));
        }
    }
}

fn call(paint: Paint, event: &Event<'_>) -> String {
    let action = match event.text("gen_ai.tool.name") {
        Some(tool) => tool.to_owned(),
        None => format!("{}:{}", event.service(), event.name()),
    };
    let how = match (event.class(), event.text("qtrail.agent.channel")) {
        ("agent_call", Some("ide")) => "by the IDE agent, with the person's credentials",
        ("agent_call", _) => "by the Amazon Q CLI, with the person's credentials",
        ("pass_request", _) => "receives the person's request",
        _ => "on the person's behalf",
    };
    // Padded before colouring: colour codes have no width.
    let outcome = match event.text("qtrail.outcome").unwrap_or("?") {
        "success" => format!("{:<8}", "ok"),
        "dry_run" => paint.yellow(&format!("{:<8}", "dry run")),
        "denied" => paint.red(&format!("{:<8}", "DENIED")),
        other => paint.red(&format!("{other:<8}")),
    };
    let code = event.text("aws.error.code").map(|code| format!(": {code}"));
    format!(
        "    {}  {} {outcome}  {how}{}",
        event.clock(),
        column(&action, 29),
        code.unwrap_or_default()
    )
}

fn others(text: &mut String, paint: Paint, events: &[Event<'_>]) {
    paint.heading(text, "Code, client telemetry, administration");
    for event in events {
        if matches!(event.class(), "code" | "telemetry" | "administration") {
            line(
                text,
                &format!(
                    "    {}  {} {} {}",
                    event.clock(),
                    column(event.person(), 15),
                    column(&format!("{}.{}", event.service(), event.name()), 37),
                    event.class()
                ),
            );
        }
    }
}

fn repeats(
    text: &mut String,
    paint: Paint,
    in_trail: &BTreeMap<String, usize>,
    events: &[Event<'_>],
) {
    let mut by_id: BTreeMap<&str, Vec<&Event<'_>>> = BTreeMap::new();
    for event in events {
        by_id.entry(event.id()).or_default().push(event);
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
        line(
            text,
            &format!(
                "  event {id}: {} in the trail, {sent}",
                count(in_trail as u64, "time")
            ),
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
        wrapped(text, &letter.message);
        for record in letter.clone().into_letters() {
            let file = record.source.rsplit('/').next().unwrap_or_default();
            line(text, &format!("    in {file}"));
            line(
                text,
                &format!(
                    "    record {} at byte {} of the decompressed file; its {} bytes are kept for `qtrail replay`",
                    record.index, record.offset, record.length
                ),
            );
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
