//! The real binary, killed with SIGKILL again and again while a trail keeps arriving: no event is
//! lost, and a repeat is the same record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use qtrail::otlp::Signal;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::support::collector::{Collector, Reply, log_id, span_id};
use crate::support::program::{event, gzip, log_file};
use crate::support::sidecar::{Place, Sidecar, balance, last_balance, value};

/// How often it is killed.
const KILLS: usize = 36;

/// When it is killed, each as often as the others.
const MOMENTS: [Moment; 6] = [
    Moment::Starting,
    Moment::Anytime,
    Moment::Unanswered,
    Moment::Answered,
    Moment::Refused,
    Moment::Down,
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_loses_no_event_and_repeats_the_same_records() {
    let seed = match std::env::var("QTRAIL_CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    };
    println!("QTRAIL_CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let place = Place::new();
    let mut collector = Collector::start().await;
    let writer = Writer::start(&place, rng.fork());

    let mut unanswered = BTreeSet::new();
    for n in 0..KILLS {
        let before = collector.seen(Signal::Logs).len();
        let moment = MOMENTS[n % MOMENTS.len()];
        kill_once(&place, &mut collector, moment, &mut rng).await;
        if moment == Moment::Unanswered {
            let seen = collector.seen(Signal::Logs).split_off(before);
            unanswered.extend(seen.into_iter().flat_map(|seen| seen.ids));
        }
    }
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

    let logs = same_records(logs(&collector));
    let spans = same_records(spans(&collector));
    for arrived in [&logs, &spans] {
        let arrived = BTreeSet::from_iter(arrived.keys().cloned());
        let lost = Vec::from_iter(written.events.difference(&arrived));
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert_eq!(
            arrived.len(),
            written.events.len(),
            "something was invented"
        );
    }
    let repeats = logs.values().filter(|times| **times > 1).count();
    let events = written.events.len();
    println!("{events} events, {repeats} more than once, {KILLS} kills");
    for id in &unanswered {
        assert!(logs[id] > 1, "{id} was not acknowledged, but not repeated");
    }
    assert!(unanswered.len() >= KILLS / MOMENTS.len(), "{unanswered:?}");
    each_broken_record_is_a_dead_letter(&place.dead_letters(), &written.broken);

    let requests = collector.seen(Signal::Logs).len() + collector.seen(Signal::Traces).len();
    let (exit, said) = start_once(&place, &collector).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(last_balance(&said).read, 0, "{said}");
    let after = collector.seen(Signal::Logs).len() + collector.seen(Signal::Traces).len();
    assert_eq!(requests, after, "something was sent again");
}

fn start(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

fn start_once(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--once", "--endpoint", &collector.url()]))
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
    }
    let sidecar = start(place, collector);
    match moment {
        Moment::Starting => pause(rng, 60).await,
        Moment::Anytime => pause(rng, 1200).await,
        Moment::Unanswered => {
            let logs = collector.seen(Signal::Logs).len();
            let taken = |c: &Collector| c.seen(Signal::Logs).len() > logs;
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
    }
    sidecar.kill();
    if moment == Moment::Down {
        collector.open().await;
    }
    collector.reply_with(|_| Reply::Accept);
}

/// The ids with how often each came, after each repeat was found equal to the first.
fn same_records(records: Vec<(String, Vec<u8>)>) -> BTreeMap<String, usize> {
    let mut first = BTreeMap::new();
    let mut times = BTreeMap::new();
    for (id, bytes) in records {
        let known = first.entry(id.clone()).or_insert_with(|| bytes.clone());
        assert_eq!(*known, bytes, "{id} is not what it was before");
        *times.entry(id).or_default() += 1;
    }
    times
}

/// Each log record: its event, and all of its bytes with its resource and scope.
fn logs(collector: &Collector) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for resource in collector.logs().iter().flat_map(|r| &r.resource_logs) {
        for scope in &resource.scope_logs {
            let around = around(&resource.resource, &scope.scope);
            let records = scope.log_records.iter();
            all.extend(records.map(|r| (log_id(r), [&around[..], &r.encode_to_vec()].concat())));
        }
    }
    all
}

/// Likewise each span.
fn spans(collector: &Collector) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for resource in collector.traces().iter().flat_map(|r| &r.resource_spans) {
        for scope in &resource.scope_spans {
            let around = around(&resource.resource, &scope.scope);
            let spans = scope.spans.iter();
            all.extend(spans.map(|s| (span_id(s), [&around[..], &s.encode_to_vec()].concat())));
        }
    }
    all
}

fn around(resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Vec<u8> {
    let resource = resource.as_ref().unwrap().encode_to_vec();
    [resource, scope.as_ref().unwrap().encode_to_vec()].concat()
}

fn each_broken_record_is_a_dead_letter(file: &Path, broken: &BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "half a line at the end");
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let record = letter["record"].as_str().unwrap();
        found.extend(broken.iter().filter(|id| record.contains(*id)).cloned());
    }
    assert_eq!(found, *broken);
}

/// What was put into the trail.
#[derive(Default)]
struct Written {
    events: BTreeSet<String>,
    broken: BTreeSet<String>,
}

/// Adds to a trail until it is stopped, as CloudTrail's tools and slow copies do.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
}

impl Writer {
    fn start(place: &Place, rng: Rng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut pen = Pen {
            trail: place.path("trail"),
            aside: place.path("aside"),
            rng,
            number: 0,
            written: Written::default(),
            slow: Vec::new(),
        };
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                pen.step();
            }
            while !pen.slow.is_empty() {
                pen.push();
            }
            pen.written
        });
        Writer { stop, thread }
    }

    /// What was written in all, once everything is complete.
    fn stop(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

struct Pen {
    trail: PathBuf,
    aside: PathBuf,
    rng: Rng,
    number: u32,
    written: Written,
    slow: Vec<Slow>,
}

/// A file that is being written in place.
struct Slow {
    path: PathBuf,
    file: File,
    /// What is to come, the last piece first.
    pieces: Vec<Vec<u8>>,
}

impl Pen {
    fn step(&mut self) {
        self.number += 1;
        let folder = self.trail.join(format!("{}", self.rng.u8(0..4)));
        fs::create_dir_all(&folder).unwrap();
        match self.rng.u8(0..5) {
            0 => {
                // Renamed in, under a name that says nothing.
                let records = self.records();
                fs::write(&self.aside, gzip(&log_file(&records))).unwrap();
                let name = format!("{}.json.gz", self.number);
                fs::rename(&self.aside, folder.join(name)).unwrap();
            }
            1 => {
                let records = self.records();
                self.begin(&folder.join(self.name("json")), &log_file(&records));
            }
            2 => {
                let records = self.records();
                self.begin(
                    &folder.join(self.name("json.gz")),
                    &gzip(&log_file(&records)),
                );
            }
            _ => {
                // One append after the other, so that lines don't mix.
                let name = format!("app-{}.ndjson", self.rng.u8(0..3));
                let path = self.trail.join(name);
                if self.slow.iter().all(|slow| slow.path != path) {
                    let lines = self.records().join("\n") + "\n";
                    self.begin(&path, lines.as_bytes());
                }
            }
        }
        self.push();
    }

    /// A name as CloudTrail gives them, whose time counts.
    fn name(&self, extension: &str) -> String {
        let number = self.number;
        format!("111122223333_CloudTrail_us-east-1_20240410T1410Z_{number:016}.{extension}")
    }

    /// A few records; now and then, one of them is broken.
    fn records(&mut self) -> Vec<String> {
        let mut records = Vec::new();
        for n in 0..self.rng.usize(1..6) {
            let id = format!("event-{}-{n}.", self.number);
            records.push(event(&id));
            self.written.events.insert(id);
        }
        if self.rng.u8(0..6) == 0 {
            let id = format!("broken-{}.", self.number);
            let broken = event(&id).replace("2024-04-10T14:07:55Z", "yesterday");
            records.insert(self.rng.usize(0..=records.len()), broken);
            self.written.broken.insert(id);
        }
        records
    }

    /// Opens a file to be written in a few pieces.
    fn begin(&mut self, path: &Path, bytes: &[u8]) {
        let size = bytes.len().div_ceil(self.rng.usize(1..5));
        self.slow.push(Slow {
            path: path.to_owned(),
            file: File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap(),
            pieces: bytes.chunks(size).rev().map(<[u8]>::to_vec).collect(),
        });
    }

    /// Writes the next piece of each file.
    fn push(&mut self) {
        for slow in &mut self.slow {
            if let Some(piece) = slow.pieces.pop() {
                slow.file.write_all(&piece).unwrap();
            }
        }
        self.slow.retain(|slow| !slow.pieces.is_empty());
        // A slow writer, well within the time after which a file counts as complete.
        std::thread::sleep(Duration::from_millis(self.rng.u64(5..25)));
    }
}
