//! `run --assemble` with the real binary: conversations become trees while files arrive.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::assemble::{FIRST, assembled, call, message, tool, trail};
use crate::support::program::{attribute, gzip, json_lines, log_file, qtrail, records};
use crate::support::sidecar::{Place, Sidecar, balance, last_balance, value};

/// A long window: nothing is decided before the test wants it.
const LONG: &str = "1h";

fn place(window: &str) -> Place {
    Place::new()
        .with_env("QTRAIL_DIRECTORY_SETTLE", "50ms")
        .with_env("QTRAIL_ASSEMBLY_WINDOW", window)
        .with_env("QTRAIL_ASSEMBLY_IDLE", window)
        .with_env("QTRAIL_SELECT", "agents")
}

fn start(place: &Place, arguments: &[&str]) -> Sidecar {
    let mut run = place.run();
    run.arg("--assemble").args(arguments);
    Sidecar::start(run.arg("--output").arg(place.path("otlp.jsonl")))
}

async fn run_once(place: &Place) -> String {
    let (exit, said) = start(place, &["--once"]).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(last_balance(&said).holds(), "{said}");
    said
}

/// All spans that were written, in the order of their ids.
fn spans(place: &Place) -> Vec<Value> {
    let written = fs::read(place.path("otlp.jsonl")).unwrap_or_default();
    let lines = json_lines(&written);
    let each = lines.iter();
    let mut spans: Vec<_> = each
        .flat_map(|line| records(line, "resourceSpans", "scopeSpans", "spans"))
        .collect();
    spans.sort_by_key(|span| span["spanId"].to_string());
    spans
}

fn by_event(spans: &[Value]) -> HashMap<String, &Value> {
    let id = |span: &Value| attribute(span, "aws.cloudtrail.event_id");
    spans
        .iter()
        .filter_map(|span| Some((id(span)?, span)))
        .collect()
}

async fn held(sidecar: &Sidecar, events: u64) {
    let is_held = |_, text: &str| value(text, "qtrail_assembly_held") == events;
    sidecar.until("/metrics", is_held).await;
}

/// Waits until so many events were delivered. A conversation may be on its way.
async fn exported(sidecar: &Sidecar, events: u64) {
    let is_exported = |_, text: &str| balance(text).exported == events;
    sidecar.until("/metrics", is_exported).await;
}

/// The spans that `convert --assemble` makes of the same records.
fn converted(records: &[String]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), log_file(records)).unwrap();
    assembled(folder.path())
}

#[tokio::test]
async fn a_directory_that_is_read_once_has_the_tree_of_all_its_files() {
    let place = place(LONG);
    for (number, record) in trail().iter().rev().enumerate() {
        let name = format!("{number}.json.gz");
        place.add(name, &gzip(log_file(&[record])));
    }
    run_once(&place).await;
    assert_eq!(spans(&place), converted(&trail()));
    // Nothing is left to be sent.
    run_once(&place).await;
    assert_eq!(spans(&place).len(), 8 + 2);
}

#[tokio::test]
async fn events_wait_for_their_window_and_the_conversation_until_it_is_quiet() {
    let place = place("1s");
    let sidecar = start(&place, &[]);
    place.add("a.json", &log_file(&[call("c1", 12, "q.amazonaws.com")]));
    held(&sidecar, 1).await;
    assert_eq!(spans(&place).len(), 0);
    place.add("b.json", &log_file(&[message("m1", 10, FIRST)]));
    let roots = || {
        spans(&place)
            .iter()
            .any(|span| span["name"] == "conversation")
    };
    exported(&sidecar, 2).await;
    sidecar.until("/metrics", |_, _| roots()).await;
    let spans = spans(&place);
    let events = by_event(&spans);
    assert_eq!(events["c1"]["parentSpanId"], events["m1"]["spanId"]);
    assert_eq!(spans.len(), 3);
}

#[tokio::test]
async fn a_tools_call_and_its_request_meet_across_a_kill() {
    let (request, called) = (
        call("c3", 898, "aws-mcp.amazonaws.com"),
        tool("t", 900, "c3"),
    );
    for [first, second] in [[&request, &called], [&called, &request]] {
        let place = place(LONG);
        let sidecar = start(&place, &[]);
        place.add("a.json", &log_file(&[first]));
        held(&sidecar, 1).await;
        sidecar.kill();
        assert_eq!(
            spans(&place).len(),
            0,
            "it was not acknowledged, and not sent"
        );
        place.add("b.json", &log_file(&[second]));
        run_once(&place).await;
        let alone = converted(&[request.clone(), called.clone()]);
        assert_eq!(spans(&place), alone);
        let events = by_event(&alone);
        assert_eq!(events["c3"]["parentSpanId"], events["t"]["spanId"]);
    }
}

#[tokio::test]
async fn what_was_decided_is_known_to_the_next_process() {
    let place = place(LONG);
    place.add("a.json", &log_file(&[message("m1", 10, FIRST)]));
    run_once(&place).await;
    place.add("b.json", &log_file(&[call("c1", 12, "q.amazonaws.com")]));
    run_once(&place).await;
    let late = spans(&place);
    let events = by_event(&late);
    assert_eq!(events["c1"]["parentSpanId"], events["m1"]["spanId"]);
    assert_eq!(events["c1"]["traceId"], events["m1"]["traceId"]);
    // One root, which the late call does not change.
    assert_eq!(late.len(), 3);
}

#[tokio::test]
async fn a_repeat_gets_the_same_place() {
    let place = place(LONG).with_env("QTRAIL_DUPLICATES_DROP", "false");
    let (m1, c1) = (message("m1", 10, FIRST), call("c1", 12, "q.amazonaws.com"));
    place.add("a.json", &log_file(&[&m1, &c1]));
    run_once(&place).await;
    // With this one, the call would be nearer to another message.
    let nearer = message("m2", 11, "b298ec0d-0a49-4d2e-92bd-7d6e629b4619");
    place.add("b.json", &log_file(&[&nearer, &c1, &m1]));
    run_once(&place).await;
    let spans = spans(&place);
    let of = |id: &str| {
        let is_it =
            |span: &&Value| attribute(span, "aws.cloudtrail.event_id").as_deref() == Some(id);
        spans.iter().filter(is_it).collect::<Vec<_>>()
    };
    for id in ["m1", "c1"] {
        let copies = of(id);
        assert_eq!(copies.len(), 2);
        assert_eq!(copies[0], copies[1]);
    }
}

#[tokio::test]
async fn what_is_held_at_the_stop_is_read_again() {
    let place = place(LONG);
    let sidecar = start(&place, &[]);
    place.add("a.json", &log_file(&trail()));
    held(&sidecar, 8).await;
    sidecar.signal(Signal::TERM);
    let (exit, said) = sidecar.exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(place.path("state/assembly.redb").exists());
    assert_eq!(spans(&place).len(), 0);
    run_once(&place).await;
    assert_eq!(spans(&place), converted(&trail()));
}

#[tokio::test]
async fn too_many_held_events_are_decided_early_and_counted() {
    let place = place(LONG).with_env("QTRAIL_ASSEMBLY_MAX_HELD", "4");
    let sidecar = start(&place, &[]);
    for number in 0..5 {
        let record = message(&format!("m{number}"), 10 + number, FIRST);
        place.add(format!("{number}.json"), &log_file(&[record]));
    }
    sidecar.settled(3).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_assembly_early_total"), 3);
    assert_eq!(value(&metrics, "qtrail_assembly_held"), 2);
}

#[tokio::test]
async fn a_state_of_the_assembly_that_cannot_be_written_holds_everything_back() {
    let place = place("1s");
    let mut run = place.run_on_a_small_disk();
    run.arg("--assemble");
    let sidecar = Sidecar::start(run.arg("--output").arg(place.path("otlp.jsonl")));
    place.add("a.json", &log_file(&[message("m1", 10, FIRST)]));
    exported(&sidecar, 1).await;
    sidecar.room(Some(4096));
    place.add("b.json", &log_file(&[message("m2", 11, FIRST)]));
    sidecar
        .until_said("no event of a conversation is delivered")
        .await;
    let of_the_event = |span: &Value| attribute(span, "aws.cloudtrail.event_id").is_some();
    assert_eq!(
        spans(&place)
            .iter()
            .filter(|span| of_the_event(span))
            .count(),
        1
    );
    sidecar.room(None);
    exported(&sidecar, 2).await;
}

#[test]
fn inputs_that_cannot_wait_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let refused = |text: &str| {
        fs::write(&config, text).unwrap();
        let output = qtrail()
            .arg("run")
            .arg(Path::new("trail"))
            .arg("--config")
            .arg(&config)
            .output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let error = refused("assemble: true\ningest:\n  http:\n    listen: 127.0.0.1:0\n");
    assert!(
        error.contains("assemble: holds events for minutes"),
        "{error}"
    );
    let error = refused("assemble: true\ntraces:\n  classes: [on_behalf_of]\n");
    assert!(error.contains("each can be a parent"), "{error}");
    let error = refused("assemble: true\nassembly:\n  window: 20m\n");
    assert!(
        error.contains("assembly.idle: must not be shorter"),
        "{error}"
    );
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_gives_each_event_one_place() {
    const KILLS: usize = 12;
    let mut rng = fastrand::Rng::with_seed(7);
    let place = place("300ms")
        .with_env("QTRAIL_DUPLICATES_DROP", "false")
        .with_env("QTRAIL_SELECT", "all");
    let trail = qtrail_sample::conversation_trail(3, 40);
    let parts = trail.files.len().div_ceil(KILLS);
    for (round, files) in trail.files.chunks(parts).enumerate() {
        for (number, (_, bytes)) in files.iter().enumerate() {
            place.add(format!("{round}-{number}.json.gz"), bytes);
        }
        let sidecar = start(&place, &[]);
        tokio::time::sleep(Duration::from_millis(rng.u64(0..1500))).await;
        sidecar.kill();
        if rng.bool() {
            // As if the kill had come between each delivery and its commit.
            let _ = fs::remove_file(place.path("state/state.redb"));
        }
    }
    run_once(&place).await;
    let mut places: HashMap<String, Value> = HashMap::new();
    for span in spans(&place) {
        let id = span["spanId"].as_str().unwrap().to_owned();
        let known = places.entry(id).or_insert_with(|| span.clone());
        assert_eq!(*known, span, "two places");
    }
    let arrived: Vec<_> = places.values().cloned().collect();
    let arrived = by_event(&arrived);
    for event in trail.truth.iter().filter(|event| event.arrives) {
        assert!(arrived.contains_key(&event.id), "{} is missing", event.id);
    }
    for span in places.values() {
        let parent = span["parentSpanId"].as_str().unwrap_or_default();
        if let Some(parent) = places.get(parent) {
            assert_eq!(span["traceId"], parent["traceId"]);
        }
    }
}

#[tokio::test]
async fn check_and_run_name_a_state_that_cannot_be_used() {
    let place = place(LONG);
    fs::create_dir_all(place.path("state")).unwrap();
    fs::write(place.path("state/assembly.redb"), "no database").unwrap();
    let output = qtrail()
        .arg("check")
        .arg(place.path("trail"))
        .env("QTRAIL_STATE", place.path("state"))
        .env("QTRAIL_ASSEMBLE", "true")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("places of assembled events"));
    assert!(line.unwrap_or_default().contains("assembly.redb"), "{text}");
    let (exit, said) = start(&place, &[]).exit().await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("assembly.redb"), "{said}");
}

#[tokio::test]
async fn what_is_redacted_now_is_not_shown_because_it_was_before() {
    let place = place(LONG);
    place.add("a.json", &log_file(&[message("m1", 10, FIRST)]));
    run_once(&place).await;
    fs::remove_file(place.path("otlp.jsonl")).unwrap();
    place.add("b.json", &log_file(&[call("c1", 12, "q.amazonaws.com")]));
    let place = place.with_env("QTRAIL_REDACT_KEYS", "conversationId");
    run_once(&place).await;
    let written = fs::read_to_string(place.path("otlp.jsonl")).unwrap();
    assert!(written.contains("c1"), "{written}");
    for id in [FIRST.to_owned(), FIRST.replace('-', "")] {
        assert!(!written.contains(&id), "{written}");
    }
}

#[tokio::test]
async fn a_copy_of_a_file_that_waits_does_not_wait_for_a_window_of_its_own() {
    let place = place(LONG);
    let records = [message("m1", 10, FIRST), call("c1", 12, "q.amazonaws.com")];
    for name in ["a.json", "b.json", "c.json"] {
        place.add(name, &log_file(&records));
    }
    run_once(&place).await;
    assert_eq!(spans(&place), converted(&records));
}

#[tokio::test]
async fn a_file_that_is_rewritten_while_it_waits_is_delivered_as_it_is_then() {
    let place = place("2s").with_env("QTRAIL_DUPLICATES_DROP", "false");
    let sidecar = start(&place, &[]);
    // Too large to be kept in memory.
    let records = |from: u32| -> Vec<_> {
        let id = |number: u32| format!("m{number}");
        (from..from + 300)
            .map(|number| message(&id(number), 10, FIRST))
            .collect()
    };
    place.add("a.json", &log_file(&records(0)));
    held(&sidecar, 300).await;
    fs::write(place.path("trail/a.json"), log_file(&records(1_000))).unwrap();
    let all = |spans: &[Value]| {
        let events = by_event(spans);
        (1_000..1_300).all(|number| events.contains_key(&format!("m{number}")))
    };
    sidecar.until("/metrics", |_, _| all(&spans(&place))).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics).dead_lettered, 0, "{}", sidecar.said());
    let spans = spans(&place);
    for span in spans.iter().filter(|span| span["name"] != "conversation") {
        assert!(span["parentSpanId"].is_string(), "it has no place: {span}");
    }
}
