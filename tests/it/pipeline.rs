//! A unit through the pipeline: what its report says, and what it never says.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use qtrail::ack::dead_letter::{self, DeadLetters};
use qtrail::ack::{Origin, Outcome};
use qtrail::convert::Options;
use qtrail::envelope::Limits;
use qtrail::event::amazon_q::{Lists, Select, Selector};
use qtrail::export::{Destination, Exporter, Settings};
use qtrail::pipeline::conversion::Conversion;
use qtrail::pipeline::{Content, Pipeline, Report, Truncation, Unit};
use qtrail::telemetry::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::support::program::{event, log_file};

pub struct Flow {
    pub pipeline: Pipeline,
    pub metrics: Arc<Metrics>,
    pub abort: CancellationToken,
}

/// A pipeline into `destination` that may hold `memory` bytes.
pub fn flow(destination: Destination, dead_letters: DeadLetters, memory: usize) -> Flow {
    let (metrics, abort) = (Arc::new(Metrics::default()), CancellationToken::new());
    let settings = Settings {
        destination,
        batch_events: 100,
        batch_bytes: 1 << 20,
        concurrency: 2,
        retry_initial: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        rate_limit: None,
    };
    let exporter = Exporter::start(
        settings,
        Arc::clone(&metrics),
        dead_letters.clone(),
        abort.clone(),
    )
    .unwrap();
    let conversion = Conversion {
        limits: Limits::default(),
        selector: Selector::new(Select::AmazonQ, &Lists::default()),
        options: Options::default(),
    };
    let pipeline = Pipeline::new(
        conversion,
        exporter,
        dead_letters,
        Arc::clone(&metrics),
        memory,
        abort.clone(),
    );
    Flow {
        pipeline,
        metrics,
        abort,
    }
}

fn discarding() -> Flow {
    flow(Destination::Discard, DeadLetters::none(), 1 << 20)
}

pub fn unit(content: impl Read + Send + 'static, truncation: Truncation) -> Unit {
    Unit {
        origin: Origin {
            input: "test",
            name: "unit".into(),
            observed: None,
        },
        content: Content::Whole(Box::new(content)),
        base: 1000,
        truncation,
        inflated_bytes: None,
    }
}

pub fn balanced(flow: &Flow, report: &Report) {
    let counts = report.counts;
    assert_eq!(
        counts.read,
        counts.exported + counts.filtered + counts.duplicate + counts.dead_lettered
    );
    assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
    assert_eq!(flow.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn a_unit_is_delivered_when_each_record_has_settled() {
    let flow = discarding();
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    let mut records: Vec<_> = (0..2000).map(|i| event(&i.to_string())).collect();
    records.extend([noise, bad]);
    let report = flow
        .pipeline
        .deliver(unit(Cursor::new(log_file(&records)), Truncation::Reject))
        .await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let counts = report.counts;
    assert_eq!(
        (
            counts.read,
            counts.exported,
            counts.filtered,
            counts.dead_lettered
        ),
        (2002, 2000, 1, 1)
    );
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|(index, reason)| (*index, reason.kind()))
        .collect();
    assert_eq!(refused, [(2001, "bad_time")]);
    balanced(&flow, &report);
}

#[tokio::test]
async fn an_end_in_the_middle_is_a_reject_or_waits_as_was_asked() {
    let lines = format!("{}\n{}\n", event("one"), event("two"));
    let cut = lines.len() - 30;
    let first = event("one").len() as u64 + 1;
    for (truncation, dead, truncated) in
        [(Truncation::Reject, 1, false), (Truncation::Defer, 0, true)]
    {
        let flow = discarding();
        let content = Cursor::new(lines.as_bytes()[..cut].to_vec());
        let report = flow.pipeline.deliver(unit(content, truncation)).await;
        assert_eq!(
            (report.counts.exported, report.counts.dead_lettered),
            (1, dead)
        );
        assert_eq!(report.truncated.is_some(), truncated);
        if truncated {
            assert_eq!(
                report.settled_offset,
                1000 + first,
                "the follower resumes at the second line"
            );
        }
        balanced(&flow, &report);
    }
}

/// Yields its bytes, then fails.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::Error::other("the disk is gone")),
            n => Ok(n),
        }
    }
}

#[tokio::test]
async fn a_reader_that_fails_is_no_delivery() {
    let flow = discarding();
    let content = Failing(Cursor::new(format!("{}\n", event("one")).into_bytes()));
    let report = flow
        .pipeline
        .deliver(unit(content, Truncation::Reject))
        .await;
    assert_eq!(report.outcome, Outcome::Retry(None));
    assert_eq!(report.read_error.as_deref(), Some("the disk is gone"));
    assert_eq!(report.counts.dead_lettered, 0);
    balanced(&flow, &report);
}

#[tokio::test]
async fn a_chunk_larger_than_the_whole_budget_still_passes() {
    let flow = flow(Destination::Discard, DeadLetters::none(), 1);
    let records: Vec<_> = (0..1500).map(|i| event(&i.to_string())).collect();
    let report = flow
        .pipeline
        .deliver(unit(Cursor::new(log_file(&records)), Truncation::Reject))
        .await;
    assert_eq!(report.counts.exported, 1500);
    balanced(&flow, &report);
}

#[tokio::test]
async fn what_is_aborted_is_abandoned_and_never_delivered() {
    // The dead letters cannot be written, so the unit cannot settle until the abort.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let abort = CancellationToken::new();
    let letters = DeadLetters::open(dead_letter::Settings::new(path), abort.clone()).unwrap();
    let flow = flow(Destination::Discard, letters, 1 << 20);
    let content = Cursor::new(log_file(&[
        event("good"),
        event("bad").replace("2024-", "x"),
    ]));
    let delivery = flow.pipeline.deliver(unit(content, Truncation::Reject));
    let stop = async {
        while flow.metrics.read.get() < 2 {
            tokio::task::yield_now().await;
        }
        flow.abort.cancel();
        abort.cancel();
    };
    let (report, ()) = tokio::join!(delivery, stop);
    assert_eq!(report.outcome, Outcome::Abandoned);
    assert_eq!(report.settled_offset, 1000);
}
