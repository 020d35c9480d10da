//! What arrived at the demo's collector, told to a person.
//!
//! Enters: the requests as they were received, the dead letters, the counts. Leaves: text of at
//! most 100 columns. What must hold: it tells what arrived and nothing else, so that a fault of
//! the pipeline shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::collector::Received;
use crate::dead_letter::Line;
use crate::pipeline::Counts;

/// The longest line.
const COLUMNS: usize = 100;

/// What there is to tell.
pub(super) struct Facts {
    /// Where the trail is.
    pub(super) trail: String,
    /// How many files it has.
    pub(super) files: usize,
    /// Who received the events.
    pub(super) collector: String,
    /// How often each event is in the trail.
    pub(super) in_trail: BTreeMap<String, usize>,
    pub(super) received: Received,
    pub(super) dead_letters: Vec<Line>,
    pub(super) counts: Counts,
    /// Whether colours may be used.
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

/// One log record, with the span that belongs to it.
struct Event<'a> {
    attributes: &'a [KeyValue],
    /// Nanoseconds since 1970.
    time: u64,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    /// From the span, where it has one.
    milliseconds: Option<u64>,
}

impl Event<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|a| a.key == key)?;
        match attribute.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    fn class(&self) -> &str {
        self.text("qtrail.event.class").unwrap_or("?")
    }

    fn person(&self) -> &str {
        let name = self.text("user.name").or_else(|| self.text("enduser.id"));
        name.unwrap_or("?")
    }

    fn id(&self) -> &str {
        self.text("log.record.uid").unwrap_or("?")
    }

    fn name(&self) -> &str {
        self.text("aws.cloudtrail.event_name").unwrap_or("?")
    }

    fn service(&self) -> &str {
        let source = self.text("aws.cloudtrail.event_source").unwrap_or("?");
        source.strip_suffix(".amazonaws.com").unwrap_or(source)
    }

    /// The time of day.
    fn clock(&self) -> String {
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.time)).unwrap_or_default();
        time.strftime("%H:%M:%S").to_string()
    }
}

fn events(received: &Received) -> Vec<Event<'_>> {
    let spans = received.traces.iter().flat_map(|r| &r.resource_spans);
    let spans = spans.flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
    let durations: BTreeMap<&[u8], u64> = spans
        .map(|s| {
            let nanos = s.end_time_unix_nano.saturating_sub(s.start_time_unix_nano);
            (s.span_id.as_slice(), nanos / 1_000_000)
        })
        .collect();
    let logs = received.logs.iter().flat_map(|r| &r.resource_logs);
    let logs = logs
        .flat_map(|r| &r.scope_logs)
        .flat_map(|s| &s.log_records);
    let mut events: Vec<_> = logs
        .map(|log| Event {
            attributes: &log.attributes,
            time: log.time_unix_nano,
            trace_id: &log.trace_id,
            span_id: &log.span_id,
            milliseconds: durations.get(log.span_id.as_slice()).copied(),
        })
        .collect();
    events.sort_by_key(|e| e.time);
    events
}

fn heading(text: &mut String, facts: &Facts, events: &[Event<'_>]) {
    let spans = facts.received.traces.iter().flat_map(|r| &r.resource_spans);
    let spans: usize = spans
        .flat_map(|r| &r.scope_spans)
        .map(|s| s.spans.len())
        .sum();
    line(
        text,
        &format!("Trail      {} ({} files)", facts.trail, facts.files),
    );
    line(text, &format!("Sent to    {}", facts.collector));
    line(
        text,
        &format!("Arrived    {} log records and {spans} spans", events.len()),
    );
}

fn conversations(text: &mut String, paint: Paint, events: &[Event<'_>]) {
    let mut by_id: BTreeMap<(u64, &str), Vec<&Event<'_>>> = BTreeMap::new();
    let mut begun: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for event in events {
        let Some(id) = event.text("gen_ai.conversation.id") else {
            continue;
        };
        let first = *begun.entry(id).or_insert(event.time);
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
        ("agent_call", Some("ide")) => "by the IDE's agent, with the person's keys",
        ("agent_call", _) => "by its command line, with the person's keys",
        ("pass_request", _) => "is handed the person's request",
        _ => "on the person's behalf",
    };
    // Padded before it is coloured: a terminal's codes have no width.
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
    paint.heading(text, "Delivered more than once by CloudTrail");
    for (id, arrived) in by_id {
        let in_trail = in_trail.get(id).copied().unwrap_or_default();
        if in_trail < 2 && arrived.len() < 2 {
            continue;
        }
        let ids: BTreeSet<_> = arrived.iter().map(|e| (e.trace_id, e.span_id)).collect();
        let sent = match (arrived.len(), ids.len()) {
            (1, _) => "sent once".to_owned(),
            (times, 1) => format!("sent {times} times, equal ids"),
            (times, _) => format!("sent {times} times, DIFFERENT ids"),
        };
        line(
            text,
            &format!("  event {id}: {in_trail} times in the trail, {sent}"),
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
                    "    record {}, byte {} of the inflated file; its {} bytes are kept for `qtrail replay`",
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
        &format!(
            "  and {skipped} file that is no log file, recognized and left alone (a digest file)"
        ),
    );
    if read != exported + filtered + duplicate + dead_lettered {
        line(text, &format!("  {}", paint.red("IT DOES NOT BALANCE")));
    }
    if exported != arrived {
        let lost = format!("BUT {arrived} LOG RECORDS ARRIVED");
        line(text, &format!("  {}", paint.red(&lost)));
    }
}

fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

/// As wide as asked, whatever the content.
fn column(content: &str, width: usize) -> String {
    if content.chars().count() > width {
        let kept: String = content.chars().take(width - 1).collect();
        return format!("{kept}…");
    }
    format!("{content:<width$}")
}

/// A paragraph, indented, broken at spaces.
fn wrapped(text: &mut String, paragraph: &str) {
    let mut column = COLUMNS;
    for word in paragraph.split_whitespace() {
        if column + 1 + word.chars().count() > COLUMNS {
            let first = column == COLUMNS;
            text.push_str(if first { "    " } else { "\n    " });
            column = 4;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.push('\n');
}

/// Colours, where they may be used.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    fn heading(self, text: &mut String, title: &str) {
        let _ = writeln!(text, "\n{}", self.with("1;4", title));
    }
}

#[cfg(test)]
mod tests;
