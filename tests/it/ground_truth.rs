//! `convert --assemble` on a trail whose truth is known: each place is the one that a script, which shares nothing with
//! qtrail, finds by the same rules; no exact relation is wrong; the docs say how often the guess is right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use qtrail_sample::{ConversationTrail, Happened, Kind, conversation_trail};
use serde_json::{Value, json};

use crate::support::program::{Converted, convert_path, json_lines};

const CONVERSATIONS: u32 = 200;

/// A trail, and what qtrail makes of it.
struct Assembled {
    trail: ConversationTrail,
    folder: tempfile::TempDir,
    converted: Converted,
}

impl Assembled {
    /// Made once for all tests.
    fn get() -> &'static Assembled {
        static MADE: OnceLock<Assembled> = OnceLock::new();
        MADE.get_or_init(|| {
            let trail = conversation_trail(0, CONVERSATIONS);
            let folder = tempfile::tempdir().unwrap();
            write(&trail, folder.path());
            let converted = convert_path(folder.path(), &["--assemble", "--select", "all"]);
            assert_eq!(converted.exit, 0, "{}", converted.stderr);
            Assembled {
                trail,
                folder,
                converted,
            }
        })
    }

    /// What happened, by the event's id.
    fn truth(&self) -> HashMap<&str, &Happened> {
        let events = self.trail.truth.iter();
        events.map(|event| (&*event.id, event)).collect()
    }

    /// The parent of each event that has one and a correlation: child, parent, correlation.
    fn relations(&self) -> Vec<(String, String, String)> {
        let spans = &self.converted.spans;
        let id = |span: &Value| {
            let id = value(span, "aws.cloudtrail.event_id")?;
            Some(id.as_str()?.to_owned())
        };
        let by_span: HashMap<_, _> = spans
            .iter()
            .filter_map(|span| Some((span["spanId"].as_str()?, id(span)?)))
            .collect();
        let of = |span: &Value| {
            let correlation = value(span, "qtrail.correlation")?.as_str()?.to_owned();
            let parent = by_span[span["parentSpanId"].as_str()?].clone();
            Some((id(span)?, parent, correlation))
        };
        let all: BTreeSet<_> = spans.iter().filter_map(of).collect();
        all.into_iter().collect()
    }
}

pub(crate) fn write(trail: &ConversationTrail, folder: &Path) {
    for (path, bytes) in &trail.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The value of an attribute: a text or a number.
fn value(record: &Value, key: &str) -> Option<Value> {
    let attributes = record["attributes"].as_array()?;
    let value = &attributes.iter().find(|a| a["key"] == key)?["value"];
    match value["intValue"].as_str() {
        Some(number) => Some(number.parse::<i64>().unwrap().into()),
        None => Some(value["stringValue"].clone()),
    }
}

/// What is compared of a span, by its id.
fn place(span: &Value) -> (String, Value) {
    let number = |key: &str| span[key].as_str().unwrap().parse::<i64>().unwrap();
    let mut place = json!({
        "span": span["spanId"], "trace": span["traceId"], "parent": span["parentSpanId"],
        "event": value(span, "aws.cloudtrail.event_id"),
        "conversation": value(span, "gen_ai.conversation.id"),
        "start": number("startTimeUnixNano"), "end": number("endTimeUnixNano"),
    });
    let more = match place["event"].is_null() {
        true => vec![
            ("messages", value(span, "qtrail.conversation.messages")),
            ("calls", value(span, "qtrail.conversation.calls")),
            ("denied", value(span, "qtrail.conversation.denied")),
        ],
        false => vec![
            ("correlation", value(span, "qtrail.correlation")),
            ("delta_ms", value(span, "qtrail.correlation.delta_ms")),
            (
                "derived",
                Some((value(span, "qtrail.span.extent") == Some("derived".into())).into()),
            ),
        ],
    };
    for (name, value) in more {
        place[name] = value.into();
    }
    (place["span"].as_str().unwrap().to_owned(), place)
}

/// The lines that the script prints, by span; `None` where there is no Python, which is said.
fn by_the_script(folder: &Path, test: &str) -> Option<BTreeMap<String, Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ground_truth/tree.py");
    let output = match Command::new("python3").arg(script).arg(folder).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "python3: {error}");
            let line = format!("ground_truth::{test} skipped: python3: {error}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
    };
    let diagnostics = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{diagnostics}");
    let lines = json_lines(&output.stdout).into_iter();
    Some(
        lines
            .map(|line| (line["span"].as_str().unwrap().to_owned(), line))
            .collect(),
    )
}

#[test]
fn each_event_is_where_an_independent_script_puts_it() {
    let assembled = Assembled::get();
    let test = "each_event_is_where_an_independent_script_puts_it";
    let Some(expected) = by_the_script(assembled.folder.path(), test) else {
        return;
    };
    let spans = &assembled.converted.spans;
    let mut found = BTreeMap::new();
    for (id, place) in spans.iter().map(place) {
        if let Some(before) = found.insert(id, place.clone()) {
            assert_eq!(before, place, "a repeat is in another place");
        }
    }
    for (id, expected) in &expected {
        assert_eq!(found.get(id), Some(expected));
    }
    assert_eq!(found.len(), expected.len());
    for log in &assembled.converted.logs {
        let span = &found[log["spanId"].as_str().unwrap()];
        assert_eq!(log["traceId"], span["trace"], "{log}");
    }
}

/// The first of the events that caused an event.
fn root<'t>(truth: &HashMap<&str, &'t Happened>, event: &'t Happened) -> &'t str {
    match &event.cause {
        Some(cause) => root(truth, truth[&**cause]),
        None => &event.id,
    }
}

#[test]
fn an_exact_relation_is_never_wrong() {
    let assembled = Assembled::get();
    let truth = assembled.truth();
    let mut seen = BTreeMap::<String, u32>::new();
    for (child, parent, correlation) in assembled.relations() {
        let (event, above) = (truth[&*child], truth[&*parent]);
        *seen.entry(correlation.clone()).or_default() += 1;
        match &*correlation {
            "heuristic" => continue,
            "request_id" => assert_eq!(event.cause.as_ref(), Some(&parent), "{event:?}"),
            // One grant may stand for another that never came, but not for that of another client.
            _ => assert_eq!(
                root(&truth, event),
                root(&truth, above),
                "{correlation}: {event:?} under {above:?}"
            ),
        }
    }
    let names: Vec<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["approval_id", "heuristic", "request_id", "sign_in_session"]
    );
}

#[test]
fn the_trail_has_what_makes_it_hard() {
    let assembled = Assembled::get();
    let trail = &assembled.trail;
    let lost = |kind| {
        let is_lost = |event: &&Happened| event.kind == kind && !event.arrives;
        trail.truth.iter().filter(is_lost).count()
    };
    for kind in [
        Kind::Message,
        Kind::ToolCall,
        Kind::Grant,
        Kind::Approval,
        Kind::Call,
    ] {
        assert!(lost(kind) > 0, "no {kind:?} is lost");
    }
    let named = trail.truth.iter().filter_map(|e| e.conversation.as_ref());
    assert!(named.collect::<BTreeSet<_>>().len() > 150);
    assert!(trail.files.len() > 500);
    let arrived = trail.truth.iter().filter(|event| event.arrives).count();
    let repeats = assembled.converted.count("read") - arrived as u64;
    assert!(repeats > 50, "{repeats} repeats");
}

/// How often the nearest message is right.
#[derive(Debug, Default)]
struct Guesses {
    right: u32,
    same_conversation: u32,
    other_conversation: u32,
    alone_without: u32,
    alone: u32,
    /// Those whose message is in the trail.
    possible: u32,
}

impl Guesses {
    fn of(assembled: &Assembled) -> Self {
        let truth = assembled.truth();
        let mut guesses = Guesses::default();
        let parents = assembled.relations().into_iter();
        let parents: HashMap<_, _> = parents
            .filter(|(.., correlation)| correlation == "heuristic")
            .map(|(child, parent, _)| (child, parent))
            .collect();
        for event in truth.values().filter(|event| event.arrives) {
            let cause = event.cause.as_ref().map(|id| truth[&**id]);
            let message = cause.filter(|cause| cause.kind == Kind::Message);
            guesses.possible += u32::from(message.is_some_and(|message| message.arrives));
            let count = match (message, parents.get(&event.id)) {
                (None, None) => continue,
                (Some(message), None) if message.arrives => &mut guesses.alone,
                (Some(_), None) => &mut guesses.alone_without,
                (Some(message), Some(parent)) if message.id == *parent => &mut guesses.right,
                (Some(message), Some(parent))
                    if truth[&**parent].conversation == message.conversation =>
                {
                    &mut guesses.same_conversation
                }
                (_, Some(_)) => &mut guesses.other_conversation,
            };
            *count += 1;
        }
        guesses
    }

    /// As a table in the docs.
    fn table(&self) -> String {
        let joined = self.right + self.same_conversation + self.other_conversation;
        let percent =
            |part: u32, of: u32| format!("{:.1} %", f64::from(part * 100) / f64::from(of));
        let conversation = self.right + self.same_conversation;
        format!(
            "| | events |
| --- | --- |
| joined to the message that caused it | {} |
| joined to another message of the right conversation | {} |
| joined to a message of another conversation | {} |
| left alone, and its message is not in the trail | {} |
| left alone, although its message is in the trail | {} |
| precision: joined events that have the right message (the right conversation) | {} ({}) |
| recall: events whose message is in the trail that have the right message | {} |
",
            self.right,
            self.same_conversation,
            self.other_conversation,
            self.alone_without,
            self.alone,
            percent(self.right, joined),
            percent(conversation, joined),
            percent(self.right, self.possible),
        )
    }
}

#[test]
fn the_docs_say_how_often_the_nearest_message_is_right() {
    let table = Guesses::of(Assembled::get()).table();
    let docs = include_str!("../../docs/agents.md");
    assert!(docs.contains(&table), "docs/agents.md needs:\n{table}");
}
