//! Against a history that behaves as AWS documents its own, and a clock that jumps.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::lookup::{self, Lookup, Page, Question};
use super::pace::PAUSE;
use super::region::{Region, Shared};
use super::state;
use crate::aws;
use crate::aws::error::Remedy;
use crate::dead_letter::DeadLetters;
use crate::export::{self, Destination, Exporter, Health};
use crate::pipeline::Pipeline;
use crate::pipeline::dedup::{self, Dedup};
use crate::runtime::times::Times;
use crate::telemetry::metrics::Metrics;
use qtrail_core::Converter;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};

/// The second at which each test begins.
const BEGIN: i64 = 1_700_000_000;
const MINUTE: i64 = 60;
const REGION: &str = "eu-central-1";
const Q: &str = "q.amazonaws.com";
const WHISPERER: &str = "codewhisperer.amazonaws.com";

/// A region's history: newest first, 50 a page; a token is bound to its question; an event is seen
/// some time after it happened.
#[derive(Clone)]
struct History(Arc<Mutex<Model>>);

struct Model {
    begun: Instant,
    events: Vec<Happened>,
    /// When it was asked what.
    calls: Vec<(Instant, Question, Option<String>)>,
    /// What goes wrong with the next calls, if anything.
    faults: VecDeque<Option<lookup::Error>>,
    /// The number of the call that is never answered.
    silent_from: usize,
}

#[derive(Clone)]
struct Happened {
    time: i64,
    seen: i64,
    id: String,
    source: &'static str,
}

impl History {
    fn new() -> Self {
        History(Arc::new(Mutex::new(Model {
            begun: Instant::now(),
            events: Vec::new(),
            calls: Vec::new(),
            faults: VecDeque::new(),
            silent_from: usize::MAX,
        })))
    }

    /// Something happens `at` this second after the beginning, and is seen `late` seconds later.
    fn happens(&self, id: String, at: i64, late: i64, source: &'static str) {
        self.0.lock().unwrap().events.push(Happened {
            time: BEGIN + at,
            seen: BEGIN + at + late,
            id,
            source,
        });
    }

    fn fails(&self, troubles: impl IntoIterator<Item = lookup::Error>) {
        let troubles = troubles.into_iter().map(Some);
        self.0.lock().unwrap().faults.extend(troubles);
    }

    fn silent_from(&self, call: usize) {
        self.0.lock().unwrap().silent_from = call;
    }

    fn calls(&self) -> Vec<(Instant, Question, Option<String>)> {
        self.0.lock().unwrap().calls.clone()
    }

    /// Between calls, in milliseconds.
    fn pauses(&self) -> Vec<u128> {
        let calls = self.calls();
        let pairs = calls.windows(2);
        pairs
            .map(|pair| (pair[1].0 - pair[0].0).as_millis())
            .collect()
    }

    fn ids(&self) -> Vec<String> {
        let model = self.0.lock().unwrap();
        let mut ids: Vec<_> = model.events.iter().map(|event| event.id.clone()).collect();
        ids.sort();
        ids
    }
}

impl Lookup for History {
    async fn page(&self, question: &Question, token: Option<&str>) -> Result<Page, lookup::Error> {
        let now = self.now();
        let answer = {
            let mut model = self.0.lock().unwrap();
            let call = (Instant::now(), question.clone(), token.map(str::to_owned));
            model.calls.push(call);
            match model.faults.pop_front() {
                _ if model.calls.len() > model.silent_from => None,
                Some(Some(trouble)) => Some(Err(trouble)),
                _ => Some(Ok(model.page(question, token, now))),
            }
        };
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn now(&self) -> i64 {
        let begun = self.0.lock().unwrap().begun;
        BEGIN + begun.elapsed().as_secs() as i64
    }
}

impl Model {
    fn page(&self, question: &Question, token: Option<&str>, now: i64) -> Page {
        let of = format!("{question:?}");
        let after = token.map(|token| {
            let (asked, after) = token.rsplit_once('|').unwrap();
            assert_eq!(asked, of, "a token for another question");
            let (time, id) = after.split_once(' ').unwrap();
            (time.parse::<i64>().unwrap(), id.to_owned())
        });
        let slice = question.slice;
        assert!(slice.from <= slice.to, "AWS refuses such a question");
        let mut found: Vec<_> = self
            .events
            .iter()
            .filter(|event| (slice.from..=slice.to).contains(&event.time) && event.seen <= now)
            .filter(|event| question.source.as_deref().is_none_or(|s| s == event.source))
            .filter(|e| {
                after
                    .as_ref()
                    .is_none_or(|after| (e.time, e.id.clone()) < *after)
            })
            .collect();
        found.sort_by_key(|event| std::cmp::Reverse((event.time, &event.id)));
        let more = found.len() > 50;
        found.truncate(50);
        let last = found
            .last()
            .map(|event| format!("{of}|{} {}", event.time, event.id));
        let told = |event: &&Happened| (event.id.clone(), event.container());
        Page {
            events: found.iter().map(told).collect(),
            next: last.filter(|_| more),
        }
    }
}

impl Happened {
    fn container(&self) -> serde_json::Value {
        let time = jiff::Timestamp::from_second(self.time).unwrap();
        let event = serde_json::json!({
            "eventVersion": "1.08",
            "eventTime": match self.id.starts_with("broken") {
                true => "some day".to_owned(),
                false => time.to_string(),
            },
            "eventSource": self.source,
            "eventName": "SendMessage",
            "eventID": self.id,
        });
        // One that holds no record: the numbers of records are not those of events.
        let text = match self.id.starts_with("empty") {
            true => r#"{"Records":[]}"#.to_owned(),
            false => event.to_string(),
        };
        serde_json::json!({"EventId": self.id, "CloudTrailEvent": text})
    }
}

/// A pipeline with duplicate ids, into a file, and a state.
struct Bench {
    folder: tempfile::TempDir,
    pipeline: Pipeline,
    metrics: Arc<Metrics>,
    health: watch::Sender<Health>,
    state: Arc<Times>,
    settings: Settings,
    stop: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::default());
        let settings = export::Settings {
            destination: Destination::File(folder.path().join("out.jsonl")),
            batch_events: 100,
            batch_bytes: 1 << 20,
            batch_spread: None,
            concurrency: 1,
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            give_up_after: None,
            write_errors_end: false,
            rate_limit: None,
        };
        let aborted = CancellationToken::new();
        let exporter =
            Exporter::start(settings, Arc::clone(&metrics), None, aborted.clone()).unwrap();
        let conversion = Converter {
            limits: qtrail_core::envelope::Limits::default(),
            selector: Selector::new(Select::AmazonQ, &Lists::default()),
            options: qtrail_core::convert::Options::default(),
        };
        let none = DeadLetters::none();
        let pipeline = Pipeline::new(
            conversion,
            exporter,
            none,
            Arc::clone(&metrics),
            8 << 20,
            aborted,
        );
        let settings = dedup::Settings {
            folder: folder.path().to_owned(),
            max_ids: 100_000,
            max_age: Duration::from_secs(24 * 3600),
        };
        let (window, _) = Dedup::open(settings, Arc::clone(&metrics)).unwrap();
        Bench {
            pipeline: pipeline.with_dedup(window),
            metrics,
            health: watch::channel(Health::Up).0,
            state: Arc::new(state::open(folder.path()).unwrap()),
            settings: Settings {
                regions: Vec::new(),
                event_sources: Vec::new(),
                start: Duration::from_secs(3600),
                interval: Duration::from_secs(60),
                overlap: Duration::from_secs(1800),
                state: PathBuf::new(),
                once: true,
            },
            stop: CancellationToken::new(),
            folder,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn region(&self, name: &str, history: &History) -> Region<History> {
        let shared = Shared {
            settings: Arc::new(self.settings.clone()),
            pipeline: self.pipeline.clone(),
            metrics: Arc::clone(&self.metrics),
            health: self.health.subscribe(),
            state: Arc::clone(&self.state),
            pages: Arc::new(Semaphore::new(4)),
            stop: self.stop.clone(),
        };
        Region::new(shared, name, history.clone())
    }

    fn start(&self, history: &History) -> JoinHandle<()> {
        tokio::spawn(self.region(REGION, history).run())
    }

    /// Reads it up to now.
    async fn once(&self, history: &History) {
        self.region(REGION, history).run().await;
    }

    fn delivered_up_to(&self, source: &str) -> Option<i64> {
        self.state.get((REGION, source)).unwrap()
    }

    /// How often each event is among the log records.
    fn log_records(&self) -> BTreeMap<String, usize> {
        let text = std::fs::read_to_string(self.path().join("out.jsonl")).unwrap();
        let mut found = BTreeMap::new();
        for line in text.lines().filter(|line| line.contains("resourceLogs")) {
            for rest in line.split("\"key\":\"log.record.uid\"").skip(1) {
                let id = rest.split('"').nth(5).unwrap().to_owned();
                *found.entry(id).or_default() += 1;
            }
        }
        found
    }

    fn assert_exactly_once(&self, history: &History) {
        let found = self.log_records();
        assert_eq!(found.keys().cloned().collect::<Vec<_>>(), history.ids());
        assert!(found.values().all(|times| *times == 1), "{found:?}");
        assert!(!found.is_empty());
    }
}

fn throttled() -> lookup::Error {
    error(Remedy::Retry, "ThrottlingException: Rate exceeded")
}

fn error(remedy: Remedy, message: &str) -> lookup::Error {
    lookup::Error::Aws(aws::Error {
        remedy,
        message: message.to_owned(),
    })
}

/// So many events in the hour before the beginning.
fn past(events: i64) -> History {
    let history = History::new();
    for number in 0..events {
        history.happens(format!("e{number:05}"), -(number % 3500) - 10, 5, Q);
    }
    history
}

#[tokio::test(start_paused = true)]
async fn each_event_arrives_once_over_many_polls_however_late_it_is_seen() {
    let mut bench = Bench::new();
    bench.settings.once = false;
    let history = past(130);
    for number in 0..400 {
        // Two hours; late by up to half an hour, less the time between two questions.
        let late = (number * 7919) % (28 * MINUTE);
        history.happens(format!("l{number:05}"), number * 18, late, Q);
    }
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    bench.stop.cancel();
    reading.await.unwrap();
    bench.assert_exactly_once(&history);
    assert!(bench.metrics.duplicate.get() > 400, "nothing overlapped");
    assert_eq!(
        bench.metrics.event_history_requests.get(),
        history.calls().len() as u64
    );
    let pauses = history.pauses();
    assert!(pauses.iter().all(|pause| *pause >= PAUSE.as_millis()));
    // Once a minute, when there is nothing more to ask.
    assert_eq!(
        history.calls().last().unwrap().1.slice.seconds(),
        1800 + 60 + 1
    );
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_pages_repeats_the_slice_and_loses_nothing() {
    let bench = Bench::new();
    let history = past(120);
    history.silent_from(2);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(60)).await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    assert_eq!(bench.log_records().len(), 100);
    assert_eq!(
        bench.delivered_up_to(""),
        None,
        "not all of it was delivered"
    );

    history.silent_from(usize::MAX);
    bench.once(&history).await;
    bench.assert_exactly_once(&history);
    assert_eq!(bench.delivered_up_to(""), Some(BEGIN + 60));
}

#[tokio::test(start_paused = true)]
async fn a_first_run_over_days_keeps_its_progress() {
    let mut bench = Bench::new();
    bench.settings.start = Duration::from_secs(10 * 24 * 3600);
    let history = History::new();
    for hour in 1..240 {
        history.happens(format!("h{hour:03}"), -hour * 3600, 60, Q);
    }
    history.silent_from(100);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(120)).await;
    reading.abort();
    // A hundred slices of an hour were answered; the oldest came first.
    let done = bench.delivered_up_to("").unwrap();
    assert_eq!(done, BEGIN - 140 * 3600);
    history.silent_from(usize::MAX);
    let before = history.calls().len();
    bench.once(&history).await;
    assert_eq!(history.calls()[before].1.slice.from, done - 1800);
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn throttling_backs_off_and_loses_nothing() {
    let bench = Bench::new();
    let history = past(120);
    history.fails((0..8).map(|_| throttled()));
    bench.once(&history).await;
    let pauses = history.pauses();
    assert_eq!(pauses.len(), 10);
    for (pause, least) in pauses
        .iter()
        .zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    {
        assert!((least..=2 * least + 1).contains(pause), "{pauses:?}");
    }
    // Where it was left off; what was answered is not asked for again.
    assert_eq!(pauses[8..], [500, 500]);
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_a_dead_letter_once_however_often_it_comes_again() {
    let mut bench = Bench::new();
    bench.settings.once = false;
    let history = past(1);
    history.happens("broken".to_owned(), 0, 0, Q);
    // Newer, and so before it in the page.
    history.happens("empty".to_owned(), 1, 0, Q);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    bench.stop.cancel();
    reading.await.unwrap();
    assert!(bench.metrics.duplicate.get() > 1, "nothing overlapped");
    assert_eq!(bench.metrics.dead_lettered.get(), 1);
    assert!(bench.metrics.balance().holds());
}

#[tokio::test(start_paused = true)]
async fn rights_that_come_late_end_nothing() {
    let mut bench = Bench::new();
    bench.settings.once = false;
    let history = past(10);
    let denied = "AccessDeniedException: not authorized to perform: cloudtrail:LookupEvents";
    history.fails((0..20).map(|_| error(Remedy::Denied, denied)));
    history.fails([error(Remedy::Setup, "UnrecognizedClientException")]);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told = bench.metrics.stalls.not_ready().unwrap();
    assert!(told.contains("takes cloudtrail:LookupEvents"), "{told}");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(bench.metrics.stalls.not_ready(), None);
    bench.stop.cancel();
    reading.await.unwrap();
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn reading_once_waits_for_no_rights_and_says_what_it_left() {
    let bench = Bench::new();
    let history = past(10);
    history.fails([throttled(), error(Remedy::Denied, "AccessDeniedException")]);
    bench.once(&history).await;
    assert_eq!(bench.metrics.undelivered.get(), 1);
    assert_eq!(bench.delivered_up_to(""), None);
    bench.once(&history).await;
    assert_eq!(bench.metrics.undelivered.get(), 1, "nothing more");
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_begins_the_slice_anew() {
    let bench = Bench::new();
    let history = past(120);
    history.0.lock().unwrap().faults.push_back(None);
    history.fails([lookup::Error::Token]);
    bench.once(&history).await;
    let tokens: Vec<_> = history
        .calls()
        .iter()
        .map(|call| call.2.is_some())
        .collect();
    assert_eq!(tokens, [false, true, false, true, true]);
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn the_state_remembers_each_source() {
    let mut bench = Bench::new();
    let history = past(60);
    history.happens("w".to_owned(), -5, 0, WHISPERER);
    history.happens("s3".to_owned(), -5, 0, "s3.amazonaws.com");
    bench.settings.event_sources = vec![Q.to_owned()];
    bench.once(&history).await;
    bench.settings.event_sources.push(WHISPERER.to_owned());
    // As after a restart.
    bench.state = Arc::new({
        let folder = bench.path().to_owned();
        bench.state = Arc::new(state::open(&folder.join("aside")).unwrap());
        state::open(&folder).unwrap()
    });
    let before = history.calls();
    bench.once(&history).await;
    let calls = history.calls().split_off(before.len());
    let asked = calls.iter();
    let asked: Vec<_> = asked
        .map(|call| (call.1.source.as_deref(), call.1.slice.from))
        .collect();
    let done = before.last().unwrap().1.slice.to;
    assert_eq!(asked[0], (Some(Q), done - 1800));
    assert_eq!(asked.last().unwrap().0, Some(WHISPERER));
    let first = calls
        .iter()
        .find(|c| c.1.source.as_deref() == Some(WHISPERER))
        .unwrap();
    assert!(
        first.1.slice.from < BEGIN - 3590,
        "the first run begins at the start"
    );
    let found = bench.log_records();
    assert_eq!(found.len(), 61);
    assert!(found.contains_key("w") && !found.contains_key("s3"));
    let pauses = history.pauses();
    let within = |calls: &[u128]| calls.iter().all(|pause| *pause >= PAUSE.as_millis());
    assert!(within(&pauses[..before.len() - 1]) && within(&pauses[before.len()..]));
}

#[tokio::test(start_paused = true)]
async fn regions_are_read_beside_each_other_each_at_its_own_pace() {
    let bench = Bench::new();
    let (here, there) = (past(200), History::new());
    for number in 0..200 {
        there.happens(format!("t{number}"), -number, 0, Q);
    }
    let begun = Instant::now();
    let regions = [("a", &here), ("b", &there)];
    let reading = regions.map(|(name, history)| tokio::spawn(bench.region(name, history).run()));
    for region in reading {
        region.await.unwrap();
    }
    assert_eq!(bench.log_records().len(), 400);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "one after the other"
    );
    for name in ["a", "b"] {
        assert_eq!(bench.state.get((name, "")).unwrap(), Some(BEGIN));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_collector_is_away_nothing_is_asked_for() {
    let bench = Bench::new();
    let history = past(60);
    let away = Health::Blocked {
        reason: "a wrong token".to_owned(),
    };
    bench.health.send_replace(away);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(history.calls().is_empty());
    bench.health.send_replace(Health::Up);
    reading.await.unwrap();
    assert!(
        history
            .pauses()
            .iter()
            .all(|pause| *pause >= PAUSE.as_millis())
    );
    bench.assert_exactly_once(&history);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_question_that_is_not_answered_and_keeps_what_came() {
    let bench = Bench::new();
    let history = past(60);
    history.silent_from(1);
    let reading = bench.start(&history);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.stop.cancel();
    reading.await.unwrap();
    assert_eq!(bench.log_records().len(), 50);
    assert_eq!(bench.delivered_up_to(""), None);
    assert_eq!(history.calls().len(), 2);
}
