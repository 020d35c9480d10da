//! The exporter against a collector that misbehaves: nothing is lost, nothing is sent twice that was
//! accepted, and only what is bad costs a record.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use qtrail::dead_letter::{self, DeadLetters, UnitLetters};
use qtrail::dead_letter::{OnDamage, Origin};
use qtrail::export::Outcome;
use qtrail::export::{
    Chunk, Delivery, Destination, End, Endpoint, Exporter, Health, Original, Originals, Protocol,
    Settings,
};
use qtrail::telemetry::metrics::Metrics;
use qtrail_core::convert::{
    Field, Head, On, Options, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
use qtrail_core::otlp::{Encoder, Signal};
use qtrail_core::reject::{Position, Reason};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::collector::{Collector, EVENT_ID, Reply, Seen};

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
const SIGNALS: [Signal; 2] = [Signal::Logs, Signal::Traces];

/// What a test awaits comes within this time, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

static ID: Field = Field {
    name: EVENT_ID,
    on: On::Both,
    from: "eventID",
    stability: Stability::Collector,
};

/// An exporter with its dead letters, made for tests: it waits milliseconds where a real one waits
/// seconds.
struct Bench {
    exporter: Exporter,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    letters: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(destination: Destination) -> Self {
        Self::with(settings(destination))
    }

    fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let letters = folder.path().join("dead-letters.jsonl");
        let stop = CancellationToken::new();
        let dead_letters =
            DeadLetters::open(dead_letter::Settings::new(letters.clone()), stop.clone()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let exporter =
            Exporter::start(settings, Arc::clone(&metrics), dead_letters, stop.clone()).unwrap();
        Bench {
            exporter,
            metrics,
            stop,
            letters,
            _folder: folder,
        }
    }

    /// Submits a chunk with events of these ids, in a task of its own.
    fn submit(&self, ids: &[&str]) -> tokio::task::JoinHandle<Delivery> {
        let (exporter, chunk) = (self.exporter.clone(), chunk(ids, 0));
        tokio::spawn(async move { exporter.submit(chunk).await })
    }

    async fn deliver(&self, ids: &[&str]) -> Delivery {
        within(self.submit(ids)).await.unwrap()
    }

    fn dead_letters(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.letters).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn until_health(&self, holds: impl FnMut(&Health) -> bool) -> Health {
        let mut health = self.exporter.health();
        let waiting = tokio::time::timeout(PATIENCE, health.wait_for(holds)).await;
        let found = waiting.map(|health| health.unwrap().clone());
        found.unwrap_or_else(|_| panic!("the health stays {:?}", self.exporter.health().borrow()))
    }
}

/// What is awaited comes soon, or the test fails.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it never came")
}

pub fn settings(destination: Destination) -> Settings {
    Settings {
        destination,
        batch_events: 2000,
        batch_bytes: 2 << 20,
        concurrency: 4,
        retry_initial: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        give_up_after: None,
        write_errors_end: false,
        batch_spread: None,
        rate_limit: None,
    }
}

/// Events of these ids; each record's text names its id, and is `padding` bytes longer.
pub fn chunk(ids: &[&str], padding: usize) -> Chunk {
    chunk_at(ids, padding, |_| 1_700_000_000_000_000_000)
}

/// The same, at times that go by the number of the event.
fn chunk_at(ids: &[&str], padding: usize, time: impl Fn(usize) -> i64) -> Chunk {
    let mut encoder = Encoder::new(&Options::default());
    let mut originals = Originals::default();
    for (index, id) in ids.iter().enumerate() {
        let record = format!(
            "{{\"eventID\":\"{id}\",\"pad\":\"{}\"}}",
            "x".repeat(padding)
        );
        encoder.begin(&Head {
            resource: ResourceKey {
                service_name: Cow::Borrowed("amazon-q"),
                account_id: None,
                region: None,
            },
            time: time(index),
            observed: time(index),
            start: time(index),
            end: time(index) + 1,
            name: Cow::Borrowed("q.SendMessage"),
            severity: Severity::Info,
            kind: SpanKind::Server,
            error: None,
            trace_id: [1; 16],
            span_id: [2; 8],
            parent: None,
            link: None,
            body: Some(Value::Str(Cow::Borrowed(&record))),
            log: true,
            span: true,
        });
        encoder.attribute(&ID, &Value::Str(Cow::Borrowed(*id)));
        encoder.end();
        originals.bytes.extend_from_slice(record.as_bytes());
        originals.records.push(Original {
            position: Position {
                index: 100 + index as u64,
                offset: 0,
                length: record.len() as u64,
            },
            event_id: Some((*id).to_owned()),
            end: originals.bytes.len(),
        });
    }
    Chunk {
        origin: Origin {
            input: "test",
            name: "unit".into(),
            observed: None,
            on_damage: OnDamage::NamePlace,
        },
        encoded: encoder.take(),
        originals,
        letters: UnitLetters::default(),
        permit: None,
    }
}

/// The failure that a protocol's server would answer.
fn failure(protocol: Protocol, code: Code, status: u16, message: &'static str) -> Reply {
    match protocol {
        Protocol::Grpc => Reply::Grpc(tonic::Status::new(code, message)),
        _ => Reply::Http(status, vec![("content-type", "text/plain")], message),
    }
}

/// A refusal with a wait.
fn come_back(protocol: Protocol, code: Code, status: u16) -> Reply {
    match protocol {
        Protocol::Grpc => {
            // google.rpc.Status { code, details: [Any { RetryInfo { 1 ns } }] }, by hand.
            let url = b"type.googleapis.com/google.rpc.RetryInfo";
            let info = [0x0a, 0x02, 0x10, 0x01];
            let mut any = vec![0x0a, url.len() as u8];
            any.extend_from_slice(url);
            any.extend_from_slice(&[0x12, info.len() as u8]);
            any.extend_from_slice(&info);
            let mut details = vec![0x08, code as u8, 0x1a, any.len() as u8];
            details.extend_from_slice(&any);
            Reply::Grpc(tonic::Status::with_details(code, "later", details.into()))
        }
        _ => Reply::Http(status, vec![("retry-after", "0")], "later"),
    }
}

/// Refuses requests that hold a record with this id.
fn refuse_if(id: &'static str, reply: Reply) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        if seen.ids.iter().any(|seen| seen == id) {
            reply.clone()
        } else {
            Reply::Accept
        }
    }
}

fn all_exported(delivery: &Delivery, events: u64) {
    assert_eq!(delivery.outcome, Outcome::Delivered);
    assert_eq!((delivery.exported, delivery.dead_lettered), (events, 0));
}

#[tokio::test]
async fn both_signals_of_each_event_arrive_once() {
    for protocol in PROTOCOLS {
        for gzip in [false, true] {
            let collector = Collector::start().await;
            let bench = Bench::new(collector.destination(protocol, |e| e.gzip = gzip));
            all_exported(&bench.deliver(&["a", "b", "c"]).await, 3);
            for signal in SIGNALS {
                assert_eq!(collector.accepted(signal), ["a", "b", "c"]);
                let encoding = collector.seen(signal)[0].headers.clone();
                let name = match protocol {
                    Protocol::Grpc => "grpc-encoding",
                    _ => "content-encoding",
                };
                assert_eq!(encoding.contains_key(name), gzip, "{protocol:?}");
            }
            assert_eq!(bench.metrics.export_requests.get(), 2);
        }
    }
}

#[tokio::test]
async fn headers_and_the_user_agent_go_with_each_request() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let authorize = |endpoint: &mut Endpoint| {
            let token = "Bearer secret".to_owned();
            endpoint.headers.insert("Authorization".to_owned(), token);
        };
        let bench = Bench::new(collector.destination(protocol, authorize));
        all_exported(&bench.deliver(&["a"]).await, 1);
        for signal in SIGNALS {
            let headers = &collector.seen(signal)[0].headers;
            assert_eq!(headers["authorization"], "Bearer secret");
            let agent = headers["user-agent"].to_str().unwrap();
            assert!(agent.starts_with("qtrail/"), "{agent}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_down_at_start_gets_everything_when_it_comes() {
    for protocol in PROTOCOLS {
        let mut collector = Collector::start().await;
        collector.close();
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.submit(&["a", "b"]);
        bench
            .until_health(|health| matches!(health, Health::Down { .. }))
            .await;
        collector.open().await;
        all_exported(&within(delivery).await.unwrap(), 2);
        bench.until_health(|health| *health == Health::Up).await;
        assert_eq!(collector.accepted(Signal::Logs), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_collector_that_goes_away_for_a_while_loses_nothing() {
    for protocol in PROTOCOLS {
        let mut collector = Collector::start().await;
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        all_exported(&bench.deliver(&["a"]).await, 1);
        collector.close();
        let delivery = bench.submit(&["b"]);
        bench
            .until_health(|health| matches!(health, Health::Down { .. }))
            .await;
        collector.open().await;
        all_exported(&within(delivery).await.unwrap(), 1);
        for signal in SIGNALS {
            assert_eq!(collector.accepted(signal), ["a", "b"]);
        }
    }
}

#[tokio::test]
async fn a_wrong_token_costs_no_event_and_says_what_to_mend() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let refusal = failure(protocol, Code::Unauthenticated, 401, "who are you?");
        collector.reply_with(move |_| refusal.clone());
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.submit(&["a", "b"]);
        let health = bench
            .until_health(|health| matches!(health, Health::Blocked { .. }))
            .await;
        let Health::Blocked { reason } = health else {
            unreachable!()
        };
        assert!(reason.contains("who are you?"), "{reason}");
        assert!(reason.contains("credentials"), "{reason}");
        collector.until_seen(Signal::Logs, 5).await;
        collector.reply_with(|_| Reply::Accept);
        all_exported(&within(delivery).await.unwrap(), 2);
        bench.until_health(|health| *health == Health::Up).await;
        assert!(bench.dead_letters().is_empty());
    }
}

#[tokio::test]
async fn what_a_busy_server_refuses_is_sent_again_and_only_that() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        collector.reply_next(
            Signal::Traces,
            [
                failure(protocol, Code::Unavailable, 503, "busy"),
                come_back(protocol, Code::ResourceExhausted, 429),
                failure(protocol, Code::Internal, 500, "oops"),
                Reply::Reset,
            ],
        );
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        all_exported(&bench.deliver(&["a", "b"]).await, 2);
        assert_eq!(collector.seen(Signal::Traces).len(), 5, "{protocol:?}");
        assert_eq!(collector.seen(Signal::Logs).len(), 1, "{protocol:?}");
        assert_eq!(bench.metrics.export_retries.get(), 4);
        let bytes: Vec<_> = collector
            .seen(Signal::Traces)
            .iter()
            .map(|s| s.bytes)
            .collect();
        assert!(bytes.iter().all(|b| *b == bytes[0]), "{bytes:?}");
    }
}

#[tokio::test]
async fn the_collectors_own_wait_is_honoured() {
    let collector = Collector::start().await;
    collector.reply_next(
        Signal::Logs,
        [Reply::Http(429, vec![("retry-after", "120")], "slow down")],
    );
    let bench = Bench::new(collector.destination(Protocol::HttpProtobuf, |_| ()));
    let delivery = bench.submit(&["a"]);
    let health = bench.until_health(|health| *health != Health::Up).await;
    let Health::Down { retry_after, .. } = health else {
        panic!("{health:?}");
    };
    assert!(retry_after >= Duration::from_secs(120), "{retry_after:?}");
    bench.stop.cancel();
    assert_eq!(within(delivery).await.unwrap().outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn a_request_that_hangs_is_given_up_and_sent_again() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        collector.reply_next(Signal::Logs, [Reply::Hang]);
        let impatient = |endpoint: &mut Endpoint| endpoint.timeout = Duration::from_millis(500);
        let bench = Bench::new(collector.destination(protocol, impatient));
        all_exported(&bench.deliver(&["a"]).await, 1);
        assert!(collector.seen(Signal::Logs).len() >= 2, "{protocol:?}");
    }
}

#[tokio::test]
async fn one_bad_record_of_many_costs_one_record() {
    let ids: Vec<String> = (0..50).map(|n| format!("e{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let refusal = failure(protocol, Code::InvalidArgument, 400, "bad name");
        collector.reply_with(refuse_if("e17", refusal));
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.deliver(&ids).await;
        assert_eq!(delivery.outcome, Outcome::Delivered);
        assert_eq!((delivery.exported, delivery.dead_lettered), (49, 1));
        let [(117, Reason::Refused { message, .. })] = &delivery.refused[..] else {
            panic!("{:?}", delivery.refused);
        };
        assert_eq!(message, "bad name");
        for signal in SIGNALS {
            let mut accepted = collector.accepted(signal);
            accepted.sort_unstable();
            accepted.dedup();
            assert_eq!(accepted.len(), 49);
        }
        let letters = bench.dead_letters();
        assert_eq!(letters.len(), 1);
        let text = letters[0].to_string();
        assert!(text.contains("e17") && !text.contains("e18"), "{text}");
    }
}

#[tokio::test]
async fn a_bad_record_that_comes_alone_is_told_from_a_bad_set_up() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let refusal = failure(protocol, Code::InvalidArgument, 400, "bad name");
        collector.reply_with(refuse_if("bad", refusal.clone()));
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.deliver(&["bad"]).await;
        assert_eq!((delivery.exported, delivery.dead_lettered), (0, 1));

        // A receiver that refuses whatever comes blames no record.
        let collector = Collector::start().await;
        collector.reply_with(move |_| refusal.clone());
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.submit(&["a", "b"]);
        bench
            .until_health(|health| matches!(health, Health::Blocked { .. }))
            .await;
        collector.reply_with(|_| Reply::Accept);
        all_exported(&within(delivery).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_storm_of_server_errors_costs_no_event() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let refusal = failure(protocol, Code::Internal, 500, "disk gone");
        collector.reply_with(move |_| refusal.clone());
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.submit(&["a", "b", "c", "d"]);
        collector.until_seen(Signal::Logs, 25).await;
        collector.reply_with(|_| Reply::Accept);
        all_exported(&within(delivery).await.unwrap(), 4);
        assert!(bench.dead_letters().is_empty());
    }
}

#[tokio::test]
async fn a_record_that_breaks_the_server_costs_one_record() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let refusal = failure(protocol, Code::Internal, 500, "panicked");
        collector.reply_with(refuse_if("c", refusal));
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.deliver(&["a", "b", "c", "d"]).await;
        assert_eq!((delivery.exported, delivery.dead_lettered), (3, 1));
        assert_eq!(delivery.refused.len(), 1);
    }
}

#[tokio::test]
async fn a_partial_success_is_not_retried_and_is_written_off_once() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        collector.reply_next(Signal::Logs, [Reply::Partial(2, "too old")]);
        collector.reply_next(Signal::Traces, [Reply::Partial(1, "too old")]);
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.deliver(&["a", "b", "c"]).await;
        assert_eq!(delivery.outcome, Outcome::Delivered);
        assert_eq!((delivery.exported, delivery.dead_lettered), (1, 2));
        assert_eq!(delivery.uncertain, Some((2, 3)));
        for signal in SIGNALS {
            assert_eq!(collector.seen(signal).len(), 1, "{protocol:?}");
        }
        let letters = bench.dead_letters();
        assert_eq!(letters.len(), 1);
        let text = letters[0].to_string();
        assert!(
            text.contains("too old") && text.contains("uncertain"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut_and_a_record_that_is_too_large_is_refused() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let too_large = match protocol {
            // What a server made with Go says.
            Protocol::Grpc => Reply::Grpc(tonic::Status::resource_exhausted(
                "grpc: received message larger than max (9 vs. 8)",
            )),
            _ => Reply::Http(413, vec![], "too large"),
        };
        collector.reply_with(move |seen| match seen.bytes {
            ..100_000 => Reply::Accept,
            _ => too_large.clone(),
        });
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        all_exported(
            &within(bench.exporter.submit(chunk(&ids, 20_000))).await,
            12,
        );

        // What is smaller than any receiver's limit would meet a quota, and wait.
        let large = within(bench.exporter.submit(chunk(&["large"], 200_000))).await;
        assert_eq!((large.exported, large.dead_lettered), (0, 1));
        assert_eq!(bench.dead_letters().len(), 1);
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_blocks_and_costs_no_event() {
    let collector = Collector::start().await;
    collector.reply_with(|_| Reply::Grpc(tonic::Status::resource_exhausted("quota exceeded")));
    let bench = Bench::new(collector.destination(Protocol::Grpc, |_| ()));
    let delivery = bench.submit(&["a", "b", "c"]);
    bench
        .until_health(|health| matches!(health, Health::Blocked { .. }))
        .await;
    collector.reply_with(|_| Reply::Accept);
    all_exported(&within(delivery).await.unwrap(), 3);
}

#[tokio::test]
async fn chunks_that_wait_leave_in_one_request_and_large_ones_in_several() {
    let collector = Collector::start().await;
    let mut settings = settings(collector.destination(Protocol::Grpc, |_| ()));
    settings.batch_events = 4;
    settings.concurrency = 1;
    let bench = Bench::with(settings);
    collector.reply_next(
        Signal::Logs,
        [Reply::Grpc(tonic::Status::unavailable("busy"))],
    );
    let large = bench.deliver(&["1", "2", "3", "4", "5", "6", "7"]).await;
    all_exported(&large, 7);
    let requests = collector.seen(Signal::Logs);
    assert!(requests.iter().all(|seen| seen.ids.len() <= 4));

    // While the only slot is busy, two chunks come to wait, and leave together.
    let before = collector.seen(Signal::Logs).len();
    collector.reply_with(|seen| match seen.ids[..] {
        [ref only] if only == "first" => Reply::Grpc(tonic::Status::unavailable("busy")),
        _ => Reply::Accept,
    });
    let first = bench.submit(&["first"]);
    collector.until_seen(Signal::Logs, before + 1).await;
    let chunks = [chunk(&["x", "y"], 0), chunk(&["z"], 0)];
    let both = chunks.map(|chunk| {
        let exporter = bench.exporter.clone();
        tokio::spawn(async move { exporter.submit(chunk).await })
    });
    // Both tasks have run up to their wait once this one is scheduled again on the same thread.
    tokio::task::yield_now().await;
    collector.reply_with(|_| Reply::Accept);
    all_exported(&within(first).await.unwrap(), 1);
    for delivery in both {
        assert_eq!(within(delivery).await.unwrap().outcome, Outcome::Delivered);
    }
    let last = collector.seen(Signal::Logs).pop().unwrap();
    assert_eq!(last.ids, ["x", "y", "z"]);
}

#[tokio::test]
async fn events_that_lie_far_apart_leave_in_requests_of_their_own() {
    const HOUR: i64 = 3_600_000_000_000;
    let collector = Collector::start().await;
    let mut settings = settings(collector.destination(Protocol::Grpc, |_| ()));
    settings.batch_spread = Some(Duration::from_secs(24 * 3600));
    settings.concurrency = 1;
    let bench = Bench::with(settings);
    collector.reply_with(|seen| match seen.ids[..] {
        [ref only] if only == "first" => Reply::Grpc(tonic::Status::unavailable("busy")),
        _ => Reply::Accept,
    });
    let first = bench.submit(&["first"]);
    collector.until_seen(Signal::Logs, 1).await;
    // While the only slot is busy, these come to wait: two days, then one that is wide by itself.
    let chunks = [
        chunk_at(&["a"], 0, |_| 125 * HOUR),
        chunk_at(&["b", "c"], 0, |_| 100 * HOUR),
        chunk_at(&["d"], 0, |_| 124 * HOUR),
        chunk_at(&["e", "f", "g", "h"], 0, |index| match index % 2 {
            0 => 300 * HOUR,
            _ => 200 * HOUR,
        }),
    ];
    let all = chunks.map(|chunk| {
        let exporter = bench.exporter.clone();
        tokio::spawn(async move { exporter.submit(chunk).await })
    });
    tokio::task::yield_now().await;
    collector.reply_with(|_| Reply::Accept);
    all_exported(&within(first).await.unwrap(), 1);
    for (delivery, events) in all.into_iter().zip([1, 2, 1, 4]) {
        all_exported(&within(delivery).await.unwrap(), events);
    }
    for signal in SIGNALS {
        let seen = collector.seen(signal);
        let sent: Vec<_> = seen.iter().filter(|seen| seen.ids != ["first"]).collect();
        let sent: Vec<_> = sent.iter().map(|seen| seen.ids.join("")).collect();
        assert_eq!(sent, ["a", "bcd", "fh", "eg"], "{signal:?}");
    }
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_retry_abandons() {
    for protocol in PROTOCOLS {
        let mut collector = Collector::start().await;
        collector.close();
        let bench = Bench::new(collector.destination(protocol, |_| ()));
        let delivery = bench.submit(&["a"]);
        bench
            .until_health(|health| matches!(health, Health::Down { .. }))
            .await;
        bench.stop.cancel();
        let delivery = within(delivery).await.unwrap();
        assert_eq!(delivery.outcome, Outcome::Abandoned);
        assert_eq!((delivery.exported, delivery.dead_lettered), (0, 0));
        let late = bench.deliver(&["b"]).await;
        assert_eq!(late.outcome, Outcome::Abandoned);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let collector = Collector::start().await;
    let elsewhere = Collector::start().await;
    let target: &'static str =
        format!("http://localhost:{}/v1/logs", elsewhere.address.port()).leak();
    collector.reply_with(|_| Reply::Http(307, vec![("location", "http://elsewhere/")], ""));
    collector.reply_next(
        Signal::Logs,
        [Reply::Http(307, vec![("location", target)], "")],
    );
    let bench = Bench::new(collector.destination(Protocol::HttpProtobuf, |_| ()));
    let _delivery = bench.submit(&["a"]);
    bench
        .until_health(
            |health| matches!(health, Health::Blocked { reason } if reason.contains("redirect")),
        )
        .await;
    assert!(elsewhere.seen(Signal::Logs).is_empty());
}

#[tokio::test]
async fn the_rate_limit_holds_back_what_is_beyond_it() {
    let collector = Collector::start().await;
    let mut settings = settings(collector.destination(Protocol::Grpc, |_| ()));
    settings.rate_limit = Some(2);
    let start = tokio::time::Instant::now();
    let bench = Bench::with(settings);
    // The bucket holds two events; the third waits until half a second has filled it again.
    all_exported(&bench.deliver(&["a", "b"]).await, 2);
    all_exported(&bench.deliver(&["c"]).await, 1);
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn a_file_gets_both_signals_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let bench = Bench::new(Destination::File(path.clone()));
    all_exported(&bench.deliver(&["a", "b"]).await, 2);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut keys: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line.as_object().unwrap().keys().next().unwrap().clone())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, ["resourceLogs", "resourceSpans"]);
    for id in ["a", "b"] {
        assert_eq!(
            text.matches(&format!("{{\"stringValue\":\"{id}\"}}"))
                .count(),
            2
        );
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_exporter() {
    let (reader, writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    let bench = Bench::new(Destination::File(path.into()));
    all_exported(&bench.deliver(&["a"]).await, 1);
    assert_eq!(bench.exporter.end(), None);
    drop(reader);
    assert_eq!(bench.deliver(&["b"]).await.outcome, Outcome::Abandoned);
    assert_eq!(bench.exporter.end(), Some(End::Unread));
}

#[tokio::test]
async fn discard_takes_everything() {
    let bench = Bench::new(Destination::Discard);
    all_exported(&bench.deliver(&["a", "b"]).await, 2);
}

#[tokio::test]
async fn a_probe_says_whether_the_collector_can_be_reached() {
    for protocol in PROTOCOLS {
        let mut collector = Collector::start().await;
        let settings = settings(collector.destination(protocol, |_| ()));
        let signals = [Signal::Logs, Signal::Traces];
        let results = qtrail::export::probe(&settings, &signals).await.unwrap();
        let takes = || Ok("takes OTLP".to_owned());
        assert_eq!(results, signals.map(|signal| (signal, takes())));
        collector.close();
        let results = qtrail::export::probe(&settings, &signals).await.unwrap();
        assert!(
            results.iter().all(|(_, result)| result.is_err()),
            "{results:?}"
        );
    }
}

pub mod certificates {
    //! TLS, mutual TLS, and certificates that change.

    use std::path::Path;

    use qtrail::export::Tls;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};

    use super::*;

    pub type Authority = CertifiedIssuer<'static, KeyPair>;

    pub fn authority() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate and its key, signed.
    fn signed(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, authority).unwrap(), key)
    }

    pub fn server(authority: &Authority, name: &str, clients: Option<&Authority>) -> ServerConfig {
        let (certificate, key) = signed(authority, name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    fn trusting(path: &Path, authority: &Authority) -> Tls {
        std::fs::write(path, authority.pem()).unwrap();
        Tls {
            ca_file: Some(path.to_owned()),
            ..Tls::default()
        }
    }

    #[tokio::test]
    async fn a_collector_is_trusted_by_the_ca_file_and_a_replaced_one_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for protocol in PROTOCOLS {
            let (right, wrong) = (authority(), authority());
            let tls = trusting(&path, &wrong);
            let config = server(&right, "localhost", None);
            let collector = Collector::start_with(Some(config)).await;
            let bench = Bench::new(collector.destination(protocol, |e| e.tls = tls.clone()));
            let delivery = bench.submit(&["a"]);
            let health = bench
                .until_health(|health| matches!(health, Health::Blocked { .. }))
                .await;
            assert!(format!("{health:?}").contains("tls.ca_file"), "{health:?}");
            trusting(&path, &right);
            all_exported(&within(delivery).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority();
        let tls = trusting(&folder.path().join("ca.pem"), &authority);
        for protocol in PROTOCOLS {
            let config = server(&authority, "elsewhere", None);
            let collector = Collector::start_with(Some(config)).await;
            let bench = Bench::new(collector.destination(protocol, |e| e.tls = tls.clone()));
            let _delivery = bench.submit(&["a"]);
            bench
                .until_health(|health| matches!(health, Health::Blocked { .. }))
                .await;
        }
    }

    #[tokio::test]
    async fn a_client_certificate_opens_the_door_and_without_it_the_door_is_blocked() {
        let folder = tempfile::tempdir().unwrap();
        let (servers, clients) = (authority(), authority());
        let anonymous = trusting(&folder.path().join("ca.pem"), &servers);
        let (certificate, key) = signed(&clients, "qtrail");
        let (cert_file, key_file) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let known = Tls {
            cert_file: Some(cert_file),
            key_file: Some(key_file),
            ..anonymous.clone()
        };
        for protocol in PROTOCOLS {
            let config = server(&servers, "localhost", Some(&clients));
            let collector = Collector::start_with(Some(config)).await;
            let bench = Bench::new(collector.destination(protocol, |e| e.tls = known.clone()));
            all_exported(&bench.deliver(&["a"]).await, 1);

            let bench = Bench::new(collector.destination(protocol, |e| e.tls = anonymous.clone()));
            let _delivery = bench.submit(&["b"]);
            bench
                .until_health(|health| matches!(health, Health::Blocked { .. }))
                .await;
            assert_eq!(collector.accepted(Signal::Logs), ["a"]);
        }
    }

    #[tokio::test]
    async fn plain_text_where_tls_is_spoken_blocks_or_waits_but_loses_nothing() {
        let authority = authority();
        let config = server(&authority, "localhost", None);
        let collector = Collector::start_with(Some(config)).await;
        let plain = |endpoint: &mut Endpoint| {
            let url = endpoint.url.to_string().replace("https://", "http://");
            endpoint.url = url.parse().unwrap();
        };
        for protocol in PROTOCOLS {
            let bench = Bench::new(collector.destination(protocol, plain));
            let delivery = bench.submit(&["a"]);
            bench.until_health(|health| *health != Health::Up).await;
            bench.stop.cancel();
            assert_eq!(within(delivery).await.unwrap().outcome, Outcome::Abandoned);
        }
    }
}
