//! The duplicate ids in the pipeline: each event reaches the collector once, whoever brings
//! it, and no failure is taken for a delivery.

use std::io::{Cursor, Read};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use qtrail::dead_letter::DeadLetters;
use qtrail::export::Outcome;
use qtrail::export::{Destination, Protocol};
use qtrail::pipeline::dedup::{Dedup, Settings, Writer};
use qtrail::pipeline::{Content, Counts, Report, Truncation, Unit};
use qtrail::telemetry::metrics::{Balance, Metrics};
use qtrail_core::otlp::Signal;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::pipeline::{balanced, texts, unit};
use crate::support::collector::{Collector, Reply};
use crate::support::flow::{Flow, flow};
use crate::support::program::{event, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar, last_balance, value};

/// What never ends is found out within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than enough of memory in flight.
const MEMORY: usize = 64 << 20;

/// A window, and the folder of its file.
struct Room {
    folder: TempDir,
    window: Dedup,
    writer: Writer,
}

impl Room {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(folder: TempDir) -> Self {
        let settings = Settings {
            folder: folder.path().to_owned(),
            max_ids: 100_000,
            max_age: Duration::from_secs(3600),
        };
        let (window, writer) = Dedup::open(settings, Arc::new(Metrics::default())).unwrap();
        Room {
            folder,
            window,
            writer,
        }
    }

    /// A pipeline with this window.
    fn flow(&self, destination: Destination, memory: usize) -> Flow {
        let flow = flow(destination, DeadLetters::none(), memory);
        Flow {
            pipeline: flow.pipeline.with_dedup(self.window.clone()),
            ..flow
        }
    }

    fn flow_to(&self, collector: &Collector) -> Flow {
        let destination = collector.destination(Protocol::Grpc, |_| {});
        self.flow(destination, MEMORY)
    }

    /// The window after the process was stopped in good order, and started again.
    async fn restart(self) -> Self {
        self.writer.close().await;
        Room::at(self.folder)
    }
}

impl Flow {
    async fn deliver(&self, ids: &[&str]) -> Report {
        self.deliver_unit(of(ids)).await
    }

    async fn deliver_unit(&self, unit: Unit) -> Report {
        let delivery = self.pipeline.deliver(unit);
        let ended = tokio::time::timeout(PATIENCE, delivery).await;
        ended.expect("the unit never settled")
    }
}

fn of(ids: &[&str]) -> Unit {
    let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
    unit(Cursor::new(log_file(&events)), Truncation::Reject)
}

fn lines(ids: &[String]) -> String {
    ids.iter().map(|id| event(id) + "\n").collect()
}

/// Read, exported, duplicate.
fn told(report: &Report) -> (u64, u64, u64) {
    assert_eq!(report.outcome, Outcome::Delivered);
    let Counts {
        read,
        exported,
        duplicate,
        ..
    } = report.counts;
    (read, exported, duplicate)
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Whether these events arrived once, in both signals.
fn arrived_once(collector: &Collector, ids: &[String]) {
    for signal in [Signal::Logs, Signal::Traces] {
        assert_eq!(sorted(collector.accepted(signal)), sorted(ids.to_vec()));
    }
}

#[tokio::test]
async fn what_comes_again_is_counted_and_not_sent_also_after_a_restart() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    assert_eq!(told(&flow.deliver(&["a", "b"]).await), (2, 2, 0));
    let report = flow.deliver(&["b", "c", "a"]).await;
    assert_eq!(told(&report), (3, 1, 2));
    balanced(&flow, &report);
    assert_eq!(flow.metrics.duplicate.get(), 2);

    let room = room.restart().await;
    let flow = room.flow_to(&collector);
    let report = flow.deliver(&["d", "c", "b", "a"]).await;
    assert_eq!(told(&report), (4, 1, 3));
    balanced(&flow, &report);
    arrived_once(&collector, &["a", "b", "c", "d"].map(str::to_owned));
}

#[tokio::test]
async fn of_a_unit_that_is_delivered_twice_at_once_each_event_arrives_once() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    let answer = CancellationToken::new();
    let late = answer.clone();
    collector.reply_with(move |_| Reply::Late(late.clone()));
    let ids = ["a", "b", "c"];
    let answering = async {
        collector.until_seen(Signal::Traces, 1).await;
        answer.cancel();
    };
    let (one, two, ()) = tokio::join!(flow.deliver(&ids), flow.deliver(&ids), answering);
    let (one, two) = (told(&one), told(&two));
    assert_eq!((one.0, two.0), (3, 3));
    assert_eq!((one.1 + two.1, one.2 + two.2), (3, 3));
    assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
    arrived_once(&collector, &ids.map(str::to_owned));
}

#[tokio::test]
async fn events_that_a_unit_holds_several_times_are_sent_once() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    let report = flow.deliver(&["a", "a", "b", "a"]).await;
    assert_eq!(told(&report), (4, 2, 2));
    balanced(&flow, &report);

    // In several chunks, and more often than may wait at a time.
    let ids: Vec<String> = (0..3000).map(|n| format!("{}", n % 700)).collect();
    let content = Cursor::new(lines(&ids));
    let report = flow.deliver_unit(unit(content, Truncation::Reject)).await;
    assert_eq!(told(&report), (3000, 700, 2300));
    balanced(&flow, &report);
    let mut expected = vec!["a".to_owned(), "b".to_owned()];
    expected.extend_from_slice(&ids[..700]);
    arrived_once(&collector, &expected);
}

#[tokio::test]
async fn texts_that_are_equal_are_one_event() {
    let room = Room::new();
    let flow = room.flow(Destination::Discard, MEMORY);
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    let bodies = [event("a"), event("a"), bad, event("a"), event("b")];
    let unit = texts(bodies.map(String::into_bytes));
    let report = flow.deliver_unit(unit).await;
    assert_eq!(told(&report), (5, 2, 2));
    assert_eq!(report.refused[0].0, 102);
    balanced(&flow, &report);
}

/// What is small and in memory is read at once, unless it would have to wait.
#[tokio::test(flavor = "multi_thread")]
async fn small_units_drop_what_they_hold_twice_and_what_came_before() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    let small = |ids: &[&str]| {
        let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        Unit {
            content: Content::Bytes(log_file(&events).into()),
            ..of(&[])
        }
    };
    let report = flow.deliver_unit(small(&["a", "b", "a"])).await;
    assert_eq!(told(&report), (3, 2, 1));
    balanced(&flow, &report);
    let report = flow.deliver_unit(small(&["b", "c", "a"])).await;
    assert_eq!(told(&report), (3, 1, 2));
    balanced(&flow, &report);

    let mut delivering = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (pipeline, unit) = (
            flow.pipeline.clone(),
            small(&["x", &n.to_string(), "y", "z"]),
        );
        delivering.spawn(async move { pipeline.deliver(unit).await });
    }
    let reports = tokio::time::timeout(PATIENCE, delivering.join_all()).await;
    let mut counts = Counts::default();
    for report in reports.expect("they wait in a circle") {
        assert_eq!(report.outcome, Outcome::Delivered);
        counts.add(&report.counts);
    }
    let Counts {
        read,
        exported,
        duplicate,
        ..
    } = counts;
    assert_eq!((read, exported, duplicate), (160, 43, 117));
    assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
    assert_eq!(flow.metrics.in_flight.get(), 0);
    let mut all: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    all.extend(["a", "b", "c", "x", "y", "z"].map(str::to_owned));
    arrived_once(&collector, &all);
}

/// Everybody waits for everybody: with much memory, and with room for one chunk at a time.
#[tokio::test(flavor = "multi_thread")]
async fn units_with_the_same_events_in_other_orders_all_end() {
    for memory in [MEMORY, 1] {
        let (room, collector) = (Room::new(), Collector::start().await);
        let flow = room.flow(collector.destination(Protocol::Grpc, |_| {}), memory);
        let ids: Vec<String> = (0..1000).map(|n| format!("{n}")).collect();
        let units = (0..4).map(|n| {
            let mut ids = ids.clone();
            match n {
                0 => {}
                1 => ids.reverse(),
                _ => fastrand::Rng::with_seed(n).shuffle(&mut ids),
            }
            unit(Cursor::new(lines(&ids)), Truncation::Reject)
        });
        let mut delivering = tokio::task::JoinSet::new();
        for unit in units {
            let pipeline = flow.pipeline.clone();
            delivering.spawn(async move { pipeline.deliver(unit).await });
        }
        let reports = tokio::time::timeout(PATIENCE, delivering.join_all()).await;
        let mut counts = Counts::default();
        for report in reports.expect("they wait in a circle") {
            assert_eq!(report.outcome, Outcome::Delivered);
            counts.add(&report.counts);
        }
        assert_eq!(
            (counts.read, counts.exported, counts.duplicate),
            (4 * 1000, 1000, 3 * 1000)
        );
        assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
        assert_eq!(flow.metrics.in_flight.get(), 0);
        arrived_once(&collector, &ids);
    }
}

/// Two pipelines on one window: what one has in flight, the other waits for.
struct Two {
    _room: Room,
    /// Its collector never answers.
    stuck: Flow,
    deaf: Collector,
    other: Flow,
    collector: Collector,
}

impl Two {
    async fn start() -> Self {
        let (room, deaf, collector) = (
            Room::new(),
            Collector::start().await,
            Collector::start().await,
        );
        deaf.reply_with(|_| Reply::Hang);
        Two {
            stuck: room.flow_to(&deaf),
            other: room.flow_to(&collector),
            _room: room,
            deaf,
            collector,
        }
    }

    /// Returns when the first pipeline has these in flight.
    async fn hold(&self, ids: &[&str]) -> tokio::task::JoinHandle<Report> {
        let (pipeline, unit) = (self.stuck.pipeline.clone(), of(ids));
        let held = tokio::spawn(async move { pipeline.deliver(unit).await });
        self.deaf.until_seen(Signal::Logs, 1).await;
        held
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        self.other.abort.cancel();
    }
}

#[tokio::test]
async fn a_twin_takes_over_when_the_first_is_given_up() {
    let two = Two::start().await;
    let held = two.hold(&["twin"]).await;
    let failing = async {
        // What is not waited for is sent before.
        two.collector.until_seen(Signal::Logs, 1).await;
        assert_eq!(two.collector.accepted(Signal::Logs), ["own"]);
        assert_eq!(two.other.metrics.read.get(), 1, "who waits is not counted");
        two.stuck.abort.cancel();
    };
    let (report, ()) = tokio::join!(two.other.deliver(&["twin", "own"]), failing);
    assert_eq!(told(&report), (2, 2, 0));
    balanced(&two.other, &report);
    assert_eq!(two.collector.accepted(Signal::Logs), ["own", "twin"]);
    assert_eq!(held.await.unwrap().outcome, Outcome::Abandoned);
    assert!(two.stuck.metrics.balance().holds());
}

#[tokio::test]
async fn waiting_for_a_twin_ends_with_the_abort_and_commits_nothing_of_it() {
    let two = Two::start().await;
    let _held = two.hold(&["twin"]).await;
    let mut ids: Vec<String> = (0..1200).map(|n| format!("{n}")).collect();
    ids.insert(600, "twin".to_owned());
    let content = Cursor::new(lines(&ids));
    let all_but_the_twin = async {
        let all = |c: &Collector| c.accepted(Signal::Traces).len() == 1200;
        two.collector.until("all else has arrived", all).await;
        while two.other.metrics.exported.get() < 1200 {
            tokio::task::yield_now().await;
        }
        two.other.abort.cancel();
    };
    let delivery = two.other.deliver_unit(unit(content, Truncation::Defer));
    let (report, ()) = tokio::join!(delivery, all_but_the_twin);
    assert_eq!(report.outcome, Outcome::Abandoned);
    assert_eq!((report.counts.read, report.counts.exported), (1200, 1200));
    assert!(two.other.metrics.balance().holds());
    // What was sent before the twin, and nothing after.
    let twin = 1000 + lines(&ids[..600]).len() as u64;
    let settled = report.settled_offset;
    assert!((1001..=twin).contains(&settled), "{settled} of {twin}");
}

#[tokio::test]
async fn once_the_twin_has_settled_the_offset_moves_on() {
    let two = Two::start().await;
    let _held = two.hold(&["twin"]).await;
    let mut ids: Vec<String> = (0..700).map(|n| format!("{n}")).collect();
    ids.insert(0, "twin".to_owned());
    let text = lines(&ids);
    let freeing = async {
        two.collector.until_seen(Signal::Logs, 1).await;
        two.stuck.abort.cancel();
    };
    let unfinished = text.clone() + "{\"eventVersion\"";
    let delivery = two
        .other
        .deliver_unit(unit(Cursor::new(unfinished), Truncation::Defer));
    let (report, ()) = tokio::join!(delivery, freeing);
    assert_eq!(told(&report), (701, 701, 0));
    assert!(report.truncated.is_some());
    assert_eq!(report.settled_offset, 1000 + text.len() as u64);
    balanced(&two.other, &report);
}

#[tokio::test]
async fn a_unit_that_nobody_waits_for_settles_and_its_events_are_known() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    let answer = CancellationToken::new();
    let late = answer.clone();
    collector.reply_with(move |_| Reply::Late(late.clone()));
    tokio::select! {
        _ = flow.deliver(&["a", "b"]) => panic!("nothing was answered"),
        () = collector.until_seen(Signal::Traces, 1) => {}
    }
    answer.cancel();
    let report = flow.deliver(&["b", "a"]).await;
    assert_eq!(told(&report), (2, 0, 2));
    assert!(flow.metrics.balance().holds());
    arrived_once(&collector, &["a".to_owned(), "b".to_owned()]);
}

/// A record, and no more until the test lets go.
struct Held {
    first: Cursor<Vec<u8>>,
    reached: mpsc::Sender<()>,
    let_go: mpsc::Receiver<()>,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.first.read(buffer)? {
            0 => {
                let _ = self.reached.send(());
                let _ = self.let_go.recv();
                Ok(0)
            }
            read => Ok(read),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_abandoned_reader_had_claimed_is_free_again() {
    let room = Room::new();
    let flow = room.flow(Destination::Discard, MEMORY);
    let ((reached, here), (let_go, held)) = (mpsc::channel(), mpsc::channel());
    let content = Held {
        first: Cursor::new(lines(&["a".to_owned()]).into_bytes()),
        reached,
        let_go: held,
    };
    let pipeline = flow.pipeline.clone();
    let unit = unit(content, Truncation::Reject);
    let abandoned = tokio::spawn(async move { pipeline.deliver(unit).await });
    tokio::task::spawn_blocking(move || here.recv().unwrap())
        .await
        .unwrap();
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    drop(let_go);
    let report = flow.deliver(&["a"]).await;
    assert_eq!(told(&report), (1, 1, 0));
    balanced(&flow, &report);
}

/// Tells when its last byte was read, and when it is dropped.
struct Watched(Cursor<Vec<u8>>, UnboundedSender<&'static str>);

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        if self.0.position() == self.0.get_ref().len() as u64 {
            let _ = self.1.send("read");
        }
        Ok(read)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.1.send("dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_twin_ends_when_nobody_waits_for_the_unit() {
    let two = Two::start().await;
    let _held = two.hold(&["twin"]).await;
    // More than may be put aside, so that it is still being read.
    let text = lines(&vec!["twin".to_owned(); 600]);
    let (told, mut heard) = unbounded_channel();
    let content = Watched(Cursor::new(text.into_bytes()), told);
    let (pipeline, unit) = (
        two.other.pipeline.clone(),
        unit(content, Truncation::Reject),
    );
    let waiting = tokio::spawn(async move { pipeline.deliver(unit).await });
    assert_eq!(heard.recv().await, Some("read"));
    waiting.abort();
    let ended = async { while heard.recv().await != Some("dropped") {} };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    ended.expect("it waits for ever");
}

#[tokio::test]
async fn a_refused_event_is_sent_again_when_it_comes_again_and_its_neighbours_are_not() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    collector.reply_with(|seen| {
        match seen.signal == Signal::Traces && seen.ids.iter().any(|id| id == "bad") {
            true => Reply::Grpc(Status::invalid_argument("no such span")),
            false => Reply::Accept,
        }
    });
    let report = flow.deliver(&["good", "bad", "fine"]).await;
    assert_eq!(told(&report), (3, 2, 0));
    assert_eq!(report.counts.dead_lettered, 1);
    balanced(&flow, &report);
    collector.reply_with(|_| Reply::Accept);
    let report = flow.deliver(&["good", "bad", "fine"]).await;
    assert_eq!(told(&report), (3, 1, 2));
    balanced(&flow, &report);
    let count = |id: &str| {
        let ids = collector.accepted(Signal::Traces);
        ids.iter().filter(|seen| *seen == id).count()
    };
    assert_eq!(["good", "bad", "fine"].map(count), [1, 1, 1]);
}

#[tokio::test]
async fn events_of_an_uncertain_partial_success_stay_out() {
    let (room, collector) = (Room::new(), Collector::start().await);
    let flow = room.flow_to(&collector);
    collector.reply_next(Signal::Logs, [Reply::Partial(1, "one is bad")]);
    let report = flow.deliver(&["a", "b", "c"]).await;
    assert_eq!(report.uncertain, Some((1, 3)));
    balanced(&flow, &report);
    let report = flow.deliver(&["a", "b", "c"]).await;
    assert_eq!(told(&report), (3, 3, 0));
    balanced(&flow, &report);
    assert_eq!(told(&flow.deliver(&["a", "b", "c"]).await), (3, 0, 3));
}

#[tokio::test]
async fn an_event_without_an_id_is_never_a_duplicate() {
    let room = Room::new();
    let flow = room.flow(Destination::Discard, MEMORY);
    let nameless = event("x").replace(r#""eventID":"x","#, "");
    let content = || Cursor::new(log_file(&[nameless.clone(), nameless.clone()]));
    for _ in 0..2 {
        let report = flow.deliver_unit(unit(content(), Truncation::Reject)).await;
        assert_eq!(told(&report), (2, 2, 0));
    }
}

// The program

fn run(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--once", "--endpoint", &collector.url()]))
}

const TWICE: [&str; 2] = ["a.json", "b.json"];

/// The same events in two files of different bytes.
fn twice(place: &Place) {
    for (name, last) in TWICE.into_iter().zip(["\n", "\n\n"]) {
        let mut file = log_file(&["1", "2", "3"].map(event));
        file.extend_from_slice(last.as_bytes());
        place.add(name, &file);
    }
}

#[tokio::test]
async fn two_files_with_the_same_events_are_delivered_once_or_twice_as_configured() {
    for (drop, expected) in [("true", (3, 3)), ("false", (6, 0))] {
        let (place, collector) = (Place::new(), Collector::start().await);
        let place = place.with_env("QTRAIL_DUPLICATES_DROP", drop);
        twice(&place);
        let (exit, said) = run(&place, &collector).exit().await;
        assert_eq!(exit, Some(0), "{said}");
        let balance = last_balance(&said);
        assert_eq!((balance.exported, balance.duplicate), expected, "{said}");
        assert!(balance.holds());
        let arrived = collector.accepted(Signal::Logs).len() as u64;
        assert_eq!(arrived, expected.0);
        let file = place.path("state/duplicates.redb");
        assert_eq!(file.exists(), drop == "true");
    }
}

#[tokio::test]
async fn a_state_that_is_lost_costs_no_repeats_while_the_window_is_there() {
    let (place, collector) = (Place::new(), Collector::start().await);
    twice(&place);
    let (_, said) = run(&place, &collector).exit().await;
    assert_eq!(last_balance(&said).exported, 3);
    std::fs::remove_file(place.path("state/state.redb")).unwrap();
    let (_, said) = run(&place, &collector).exit().await;
    let expected = Balance {
        read: 6,
        exported: 0,
        filtered: 0,
        duplicate: 6,
        dead_lettered: 0,
        in_flight: 0,
    };
    assert_eq!(last_balance(&said), expected);
    for file in ["state.redb", "duplicates.redb"] {
        std::fs::remove_file(place.path("state").join(file)).unwrap();
    }
    let (_, said) = run(&place, &collector).exit().await;
    assert_eq!(last_balance(&said).exported, 3);
    assert_eq!(collector.accepted(Signal::Logs).len(), 6);
}

#[tokio::test]
async fn what_is_on_disk_is_known_after_a_kill() {
    let (place, collector) = (Place::new(), Collector::start().await);
    twice(&place);
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    sidecar.settled(6).await;
    sidecar
        .until("/metrics", |_, text| {
            value(text, "qtrail_duplicates_unwritten") == 0
        })
        .await;
    sidecar.kill();
    std::fs::remove_file(place.path("state/state.redb")).unwrap();
    let (_, said) = run(&place, &collector).exit().await;
    assert_eq!(last_balance(&said).duplicate, 6, "{said}");
    arrived_once(&collector, &["1", "2", "3"].map(str::to_owned));
}

#[tokio::test]
async fn what_is_known_shows_in_the_metrics() {
    let (place, collector) = (Place::new(), Collector::start().await);
    twice(&place);
    let mut command = place.run();
    command
        .args(["--endpoint", &collector.url()])
        .env("QTRAIL_DUPLICATES_MAX_IDS", "2");
    let sidecar = Sidecar::start(&mut command);
    sidecar.settled(6).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_duplicates_ids"), 2);
    assert!(value(&metrics, "qtrail_duplicates_crowded_out_total") >= 1);
}

#[tokio::test]
async fn a_window_that_is_damaged_is_an_error_that_names_it() {
    let (place, collector) = (Place::new(), Collector::start().await);
    twice(&place);
    let (_, said) = run(&place, &collector).exit().await;
    assert_eq!(last_balance(&said).exported, 3);
    let file = place.path("state/duplicates.redb");
    std::fs::write(&file, "no database").unwrap();
    let (exit, said) = run(&place, &collector).exit().await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert!(said.contains("delete it"), "{said}");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(run(&place, &collector).exit().await.0, Some(0));
}

#[test]
fn the_demo_tells_what_the_trail_delivered_twice_and_sends_it_once() {
    let output = qtrail().args(["demo"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("2 times in the trail, sent once"), "{said}");
    assert!(said.contains(" = exported 20 + filtered 46 + duplicate 1 + dead-lettered 1\n"));
    assert!(!said.contains("BALANCE") && !said.contains("BUT"), "{said}");
}
