//! Memory stays within the budget, whatever is refused, and by how many at once.

use std::fs;
use std::io::Cursor;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use qtrail::dead_letter::{self, DeadLetters};
use qtrail::export::Destination;
use qtrail::export::Outcome;
use qtrail::pipeline::Truncation;
use qtrail::pipeline::dedup::{self, Dedup};
use qtrail_core::otlp::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::pipeline::unit;
use crate::support::collector::{Collector, Reply};
use crate::support::flow::flow;
use crate::support::program::{event, gzip, json_lines};
use crate::support::receiver::post;
use crate::support::sidecar::{Place, Sidecar, value};

/// What a sidecar takes beside what it holds of events: small windows, one large record, and what the
/// allocator keeps for each thread.
const BESIDE: u64 = 192 << 20;
const MEMORY: u64 = 32 << 20;

/// A gzip of `count` records of two megabytes that are one character over and over.
fn large(count: usize, record: impl Fn(usize) -> (String, String), with: u8) -> Vec<u8> {
    // Members in a row are legal gzip, and quick to make.
    let filling = gzip(vec![with; 2_000_000]);
    let mut content = gzip("{\"Records\":[");
    for n in 0..count {
        let (head, tail) = record(n);
        let comma = if n > 0 { "," } else { "" };
        content.extend(gzip(format!("{comma}{head}")));
        content.extend(&filling);
        content.extend(gzip(tail));
    }
    content.extend(gzip("]}"));
    content
}

/// An event cut in two, between which a text of any length can stand.
fn halves(id: String) -> (String, String) {
    let event = event(&id).replace("\"test\"", "\"@\"");
    let (head, tail) = event.split_once('@').unwrap();
    (head.to_owned(), tail.to_owned())
}

/// Without the colon after its first key, it is no JSON.
fn broken(n: usize) -> (String, String) {
    let (head, tail) = halves(n.to_string());
    (head.replace("\"userIdentity\":", "\"userIdentity\""), tail)
}

fn bad_time(n: usize) -> (String, String) {
    let (head, tail) = halves(n.to_string());
    (head.replace("2024-", "x"), tail)
}

fn place() -> Place {
    Place::new().with_env("QTRAIL_LIMITS_MEMORY", &MEMORY.to_string())
}

fn small(sidecar: &Sidecar) {
    let peak = sidecar.peak_memory();
    assert!(peak < MEMORY + BESIDE, "{} MiB", peak >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_refused_take_room_like_others() {
    let (place, collector) = (place(), Collector::start().await);
    let place = place.with_env("QTRAIL_DEAD_LETTERS_MAX_BYTES", "1GiB");
    // Control characters take six bytes each in a letter.
    place.add("broken.json.gz", &large(30, broken, 1));
    place.add("not-utf8.json.gz", &large(30, broken, 0xff));
    place.add("bad-time.json.gz", &large(30, bad_time, b'x'));
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let balance = sidecar.settled(90).await;
    assert_eq!(balance.dead_lettered, 90);
    small(&sidecar);
    assert_eq!(sidecar.stop().await.0, Some(0));
    let letters = json_lines(&fs::read(place.dead_letters()).unwrap());
    assert_eq!(letters.len(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_at_once_take_no_more() {
    let (place, collector) = (place(), Collector::start().await);
    let arguments = ["--endpoint", &collector.url(), "--http", "127.0.0.1:0"];
    let sidecar = Sidecar::start(place.run().args(arguments));
    let address = sidecar.listens("http").await;
    // A request of which nothing can be read is refused.
    let first_is_read = |n| if n == 0 { bad_time(n) } else { broken(n) };
    let body = large(4, first_is_read, b'x');
    let mut senders = JoinSet::new();
    for _ in 0..16 {
        let body = body.clone();
        senders.spawn(async move { post(address, "/v1/events", &[], body).await });
    }
    for answer in senders.join_all().await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.count("dead_lettered"), 4);
    }
    small(&sidecar);
    assert_eq!(sidecar.settled(16 * 4).await.dead_lettered, 16 * 4);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

/// All that is in flight becomes dead letters at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_refuses_takes_no_more() {
    const MEMORY: u64 = 128 << 20;
    for uncertain in [false, true] {
        let (place, collector) = (Place::new(), Collector::start().await);
        let (first, gathered) = (AtomicBool::new(true), CancellationToken::new());
        let until_gathered = gathered.clone();
        collector.reply_with(move |seen| {
            if seen.signal == Signal::Traces || seen.ids.is_empty() {
                Reply::Accept
            } else if first.swap(false, Ordering::Relaxed) {
                Reply::Late(until_gathered.clone())
            } else if uncertain {
                Reply::Partial(1, "one of them")
            } else {
                Reply::Grpc(tonic::Status::invalid_argument("no"))
            }
        });
        // Records are large, and what is sent of them is small: many are in one request.
        let place = place
            .with_env("QTRAIL_LIMITS_MEMORY", &MEMORY.to_string())
            .with_env("QTRAIL_BODY", "none")
            .with_env("QTRAIL_REDACT_POINTERS", "/userAgent")
            .with_env("QTRAIL_EXPORT_CONCURRENCY", "1")
            .with_env("QTRAIL_EXPORT_BATCH_BYTES", "64MiB")
            .with_env("QTRAIL_DEAD_LETTERS_UNIT_BYTES", "1GiB")
            .with_env("QTRAIL_DEAD_LETTERS_MAX_BYTES", "1GiB");
        place.add("good.json.gz", &large(60, |n| halves(n.to_string()), b'x'));
        let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
        let full = |_, text: &str| value(text, "qtrail_buffered_bytes") > MEMORY / 2;
        sidecar.until("/metrics", full).await;
        gathered.cancel();
        let balance = sidecar.settled(60).await;
        assert!(balance.dead_lettered > 0, "{balance}");
        let peak = sidecar.peak_memory();
        assert!(peak < MEMORY + BESIDE, "{} MiB", peak >> 20);
        assert_eq!(sidecar.stop().await.0, Some(0));
    }
}

/// Readers that wait for room, for a window or for a twin never wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn however_little_room_there_is_everything_settles() {
    for memory in [1, 300 << 10, 4 << 20] {
        let folder = tempfile::tempdir().unwrap();
        let letters = dead_letter::Settings::new(folder.path().join("dead.jsonl"));
        let letters = DeadLetters::open(letters, CancellationToken::new()).unwrap();
        let flow = flow(Destination::Discard, letters, memory);
        let settings = dedup::Settings {
            folder: folder.path().to_owned(),
            max_ids: 1000,
            max_age: std::time::Duration::from_secs(3600),
        };
        let (window, writer) = Dedup::open(settings, flow.metrics.clone()).unwrap();
        let pipeline = flow.pipeline.clone().with_dedup(window);
        let mut units = JoinSet::new();
        for n in 0..30_u32 {
            // The same events in other orders, and between them records that take large windows.
            let mut records: Vec<String> = (0..20).map(|id| event(&id.to_string())).collect();
            records.rotate_left(n as usize % 20);
            let (head, tail) = if n % 2 == 0 { broken(0) } else { bad_time(0) };
            let filling = "x".repeat([1_000, 300_000, 1_500_000][n as usize % 3]);
            records.insert(7, format!("{head}{filling}{tail}"));
            records.insert(14, event("bad").replace("2024-", "x"));
            let content = format!("{{\"Records\":[{}]}}", records.join(","));
            let pipeline = pipeline.clone();
            units.spawn(async move {
                let content = Cursor::new(content.into_bytes());
                pipeline.deliver(unit(content, Truncation::Reject)).await
            });
        }
        for report in units.join_all().await {
            assert_eq!(report.outcome, Outcome::Delivered);
            assert_eq!((report.counts.read, report.counts.dead_lettered), (22, 2));
            balanced_alone(&report);
        }
        assert_eq!(flow.metrics.exported.get(), 20);
        assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
        assert_eq!(flow.metrics.buffered_bytes.get(), 0);
        writer.close().await;
    }
}

fn balanced_alone(report: &qtrail::pipeline::Report) {
    let counts = report.counts;
    assert_eq!(
        counts.read,
        counts.exported + counts.filtered + counts.duplicate + counts.dead_lettered
    );
}
