//! The real binary, killed with SIGKILL again and again while a trail keeps arriving: no event is
//! lost, and a repeat is the same record.

mod ingest;
mod writer;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use qtrail_core::otlp::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::support::collector::{Collector, EVENT_ID, Reply, Seen};
use crate::support::manifests;
use crate::support::program::{attribute, event, gunzip, log_file, records};
use crate::support::repeats;
use crate::support::sidecar::{Place, Sidecar, balance, last_balance, value};

use writer::Writer;

/// How often it is killed.
const KILLS: usize = 42;

/// When it is killed, each as often as the others.
const MOMENTS: [Moment; 7] = [
    Moment::Starting,
    Moment::Anytime,
    Moment::Unanswered,
    Moment::Answered,
    Moment::Refused,
    Moment::Down,
    Moment::ManifestRefused,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Within the first 60 ms.
    Starting,
    /// Within the first 1.2 s.
    Anytime,
    /// When the collector has taken events and has not yet answered.
    Unanswered,
    /// Within 80 ms after the collector took events, about when the commit is written.
    Answered,
    /// While the collector answers UNAVAILABLE.
    Refused,
    /// While nothing listens.
    Down,
    /// While the collector takes events, and answers UNAVAILABLE to manifest records.
    ManifestRefused,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_loses_no_event_and_repeats_the_same_records() {
    crash("keep").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_deletes_no_file_before_it_was_delivered() {
    let trail = crash("delete").await;
    let files = walk(&trail.path("trail"));
    let kept = |f: &&PathBuf| f.extension().is_some_and(|e| e != "ndjson");
    for file in files.iter().filter(kept) {
        let mut text = fs::read(file).unwrap();
        if file.extension().is_some_and(|e| e == "gz") {
            text = gunzip(&text);
        }
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("broken-"),
            "{file:?} was delivered, and not deleted"
        );
    }
    assert!(
        files.iter().any(|f| kept(&f)),
        "a file with dead letters stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_whole_or_not_there_when_the_first_start_is_killed() {
    let collector = Collector::start().await;
    for n in 0..24 {
        let place = Place::new().with_env("QTRAIL_DIRECTORY_SETTLE", "10ms");
        place.add("a.json", &log_file(&[event("one")]));
        // Around the moments when its two files are made, on a fast machine and on a slow one.
        let sidecar = start(&place, &collector);
        let state = place.path("state");
        let first = [state.clone(), state.join("duplicates.redb")];
        for _ in 0..100_000 {
            if first[n as usize % 2].exists() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        tokio::time::sleep(Duration::from_micros(500 * n)).await;
        sidecar.kill();
        let (exit, said) = start_once(&place, &collector).exit().await;
        assert_eq!(exit, Some(0), "{said}");
        let left = fs::read_dir(state).unwrap();
        let left: BTreeSet<_> = left.map(|e| e.unwrap().file_name()).collect();
        let files = ["dead-letters.jsonl", "duplicates.redb", "state.redb"];
        assert_eq!(left, files.map(OsString::from).into());
    }
    assert!(collector.accepted(Signal::Logs).len() >= 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_file_holds_every_event_in_whole_lines_after_kills() {
    let mut rng = seeded();
    let place = Place::new();
    let output = place.path("otlp.jsonl");
    let run = || {
        let mut run = place.run();
        run.arg("--output").arg(&output);
        run
    };
    let writer = Writer::start(&place, rng.fork());
    for _ in 0..12 {
        let sidecar = Sidecar::start(&mut run());
        tokio::time::sleep(Duration::from_millis(rng.u64(0..1200))).await;
        sidecar.kill();
    }
    let written = writer.stop();
    let (exit, said) = Sidecar::start(run().arg("--once")).exit().await;
    let dead_lettered = last_balance(&said).dead_lettered > 0;
    assert_eq!(exit, Some(if dead_lettered { 3 } else { 0 }), "{said}");
    assert!(last_balance(&said).holds(), "{said}");

    let text = fs::read_to_string(&output).unwrap();
    assert!(text.ends_with('\n'), "half a line at the end");
    let (mut logs, mut spans) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let ids = |records: Vec<Value>| records.into_iter().filter_map(|r| attribute(&r, EVENT_ID));
        logs.extend(ids(records(
            &line,
            "resourceLogs",
            "scopeLogs",
            "logRecords",
        )));
        spans.extend(ids(records(&line, "resourceSpans", "scopeSpans", "spans")));
    }
    assert_eq!(logs, written.events);
    assert_eq!(spans, written.events);
    each_broken_record_is_a_dead_letter(&place.dead_letters(), &written.broken);
}

/// Kills it, then finds everything; `after` is what becomes of delivered files.
async fn crash(after: &str) -> Place {
    let mut rng = seeded();
    let place = Place::new()
        .with_env("QTRAIL_DIRECTORY_AFTER", after)
        .with_env("QTRAIL_MANIFEST", "true");
    let mut collector = Collector::start().await;
    let writer = Writer::start(&place, rng.fork());

    let unanswered = kill(&place, &mut collector, &MOMENTS, KILLS, &mut rng).await;
    let written = writer.stop();
    assert!(written.events.len() > 500, "too little was written");
    assert!(written.broken.len() > 10, "too little was broken");

    let sidecar = start(&place, &collector);
    let all = |signal| BTreeSet::from_iter(collector.accepted(signal)).is_superset(&written.events);
    // If it waits in vain, what is missing is said below.
    sidecar
        .eventually("/metrics", |_, text| {
            let idle = balance(text).in_flight == 0 && value(text, "qtrail_files_pending") == 0;
            idle && all(Signal::Logs) && all(Signal::Traces)
        })
        .await;
    sidecar.settled(0).await;
    assert_eq!(sidecar.stop().await.0, Some(0));

    all_arrived(&collector, &written.events, &unanswered);
    assert!(unanswered.len() >= KILLS / MOMENTS.len(), "{unanswered:?}");
    each_broken_record_is_a_dead_letter(&place.dead_letters(), &written.broken);
    let all = manifests::all(&collector.logs());
    manifests::cover(&all, &walk(&place.path("trail")));
    let counted = manifests::distinct(&all);
    let read: u64 = counted.iter().map(|m| m.number("read")).sum();
    assert_eq!(read as usize, written.events.len() + written.broken.len());
    let left: u64 = counted.iter().map(|m| m.number("dead_lettered")).sum();
    assert_eq!(left as usize, written.broken.len());
    println!("{} manifest records, {} count", all.len(), counted.len());

    let requests = collector.seen(Signal::Logs).len() + collector.seen(Signal::Traces).len();
    let (exit, said) = start_once(&place, &collector).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(last_balance(&said).read, 0, "{said}");
    let after = collector.seen(Signal::Logs).len() + collector.seen(Signal::Traces).len();
    assert_eq!(requests, after, "something was sent again");
    place
}

/// Printed, so that a run that failed can be repeated.
fn seeded() -> Rng {
    let seed = match std::env::var("QTRAIL_CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    };
    println!("QTRAIL_CRASH_SEED={seed}");
    Rng::with_seed(seed)
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(walk(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}

fn start(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

fn start_once(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--once", "--endpoint", &collector.url()]))
}

/// Starts it and kills it so many times, at these moments: the events that the collector took without an answer.
async fn kill(
    place: &Place,
    collector: &mut Collector,
    moments: &[Moment],
    kills: usize,
    rng: &mut Rng,
) -> BTreeSet<String> {
    let mut unanswered = BTreeSet::new();
    for &moment in moments.iter().cycle().take(kills) {
        let before = collector.seen(Signal::Logs).len();
        kill_once(place, collector, moment, rng).await;
        if moment == Moment::Unanswered {
            let seen = collector.seen(Signal::Logs).split_off(before);
            unanswered.extend(seen.into_iter().flat_map(|seen| seen.ids));
        }
    }
    unanswered
}

/// Starts it and kills it. What random pauses decide here is nothing but the moment of the kill.
async fn kill_once(place: &Place, collector: &mut Collector, moment: Moment, rng: &mut Rng) {
    let requests = |c: &Collector| c.seen(Signal::Logs).len() + c.seen(Signal::Traces).len();
    let before = requests(collector);
    let got_one = |c: &Collector| requests(c) > before;
    let pause = |rng: &mut Rng, most| tokio::time::sleep(Duration::from_millis(rng.u64(0..most)));
    match moment {
        Moment::Starting | Moment::Anytime | Moment::Answered => {
            collector.reply_with(|_| Reply::Accept);
        }
        Moment::Unanswered => collector.reply_with(|_| Reply::Late(CancellationToken::new())),
        Moment::Refused => collector.reply_with(|_| Reply::Grpc(Status::unavailable("later"))),
        Moment::Down => collector.close(),
        Moment::ManifestRefused => collector.reply_with(|seen| match of_records(seen) {
            true => Reply::Grpc(Status::unavailable("later")),
            false => Reply::Accept,
        }),
    }
    let sidecar = start(place, collector);
    match moment {
        Moment::Starting => pause(rng, 60).await,
        Moment::Anytime => pause(rng, 1200).await,
        Moment::Unanswered => {
            let logs = collector.seen(Signal::Logs).len();
            let taken = |c: &Collector| {
                let mut seen = c.seen(Signal::Logs).into_iter().skip(logs);
                seen.any(|seen| !seen.ids.is_empty())
            };
            collector.until("events are taken", taken).await;
            pause(rng, 5).await;
        }
        Moment::Answered => {
            collector.until("events are taken", got_one).await;
            pause(rng, 80).await;
        }
        Moment::Refused => {
            collector.until("events are refused", got_one).await;
            pause(rng, 300).await;
        }
        Moment::Down => {
            sidecar.until_said("events wait").await;
            pause(rng, 300).await;
        }
        Moment::ManifestRefused => {
            let logs = collector.seen(Signal::Logs).len();
            let refused = |c: &Collector| c.seen(Signal::Logs)[logs..].iter().any(of_records);
            collector.until("records are refused", refused).await;
            pause(rng, 300).await;
        }
    }
    sidecar.kill();
    if moment == Moment::Down {
        collector.open().await;
    }
    collector.reply_with(|_| Reply::Accept);
}

/// Whether a request has manifest records alone.
fn of_records(seen: &Seen) -> bool {
    seen.signal == Signal::Logs && seen.ids.is_empty()
}

/// Each of these events is there in both signals, nothing else is, and those that went unanswered came
/// again.
fn all_arrived(collector: &Collector, events: &BTreeSet<String>, unanswered: &BTreeSet<String>) {
    let (logs, spans) = (repeats::logs(collector), repeats::spans(collector));
    for arrived in [&logs, &spans] {
        let arrived = BTreeSet::from_iter(arrived.keys().cloned());
        let lost = Vec::from_iter(events.difference(&arrived));
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert_eq!(arrived.len(), events.len(), "something was invented");
    }
    let repeats = logs.values().filter(|times| **times > 1).count();
    println!("{} events, {repeats} more than once", events.len());
    for id in unanswered {
        assert!(logs[id] > 1, "{id} was not acknowledged, but not repeated");
    }
}

fn each_broken_record_is_a_dead_letter(file: &Path, broken: &BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "half a line at the end");
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let letter: Value = serde_json::from_str(line).unwrap();
        let record = letter["record"].as_str().unwrap();
        found.extend(broken.iter().filter(|id| record.contains(*id)).cloned());
    }
    assert_eq!(found, *broken);
}
