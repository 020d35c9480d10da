//! A bucket, a destination and a collector's health, as a test wants them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use globset::GlobSet;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::twin::Twin;
use crate::aws;
use crate::aws::error::Remedy;
use crate::aws::object::Location;
use crate::dead_letter::Origin;
use crate::export::Health;
use crate::export::Outcome;
use crate::input::s3::consume::consume;
use crate::input::s3::context::{Context, Fetch, Flow, Opened};
use crate::input::s3::{Buckets, Error, Settings};
use crate::pipeline::{Content, Report, Unit};
use crate::telemetry::metrics::Metrics;
use qtrail_core::reject::{Evidence, Reason};

pub(super) fn aws_error(remedy: Remedy) -> aws::Error {
    aws::Error {
        remedy,
        message: "said the service".to_owned(),
    }
}

pub(super) fn report(outcome: Outcome) -> Report {
    Report::empty(outcome, 0)
}

/// Objects of 10 bytes, unless a key is to fail first.
#[derive(Default)]
pub(super) struct Bucket {
    pub(super) faults: Mutex<HashMap<String, VecDeque<aws::Error>>>,
    pub(super) opened: Mutex<Vec<String>>,
    pub(super) held_bytes: usize,
    /// How many objects panic while they are read.
    pub(super) panics: Mutex<usize>,
}

impl Fetch for Arc<Bucket> {
    async fn open(&self, location: &Location, _: u64) -> Result<Opened, aws::Error> {
        self.opened.lock().unwrap().push(location.key.clone());
        let mut faults = self.faults.lock().unwrap();
        if let Some(error) = faults.get_mut(&location.key).and_then(VecDeque::pop_front) {
            return Err(error);
        }
        let mut panics = self.panics.lock().unwrap();
        let panic = *panics > 0;
        *panics = panics.saturating_sub(1);
        Ok(Opened {
            bytes: 10,
            modified: None,
            held_bytes: self.held_bytes,
            content: Box::pin(async move {
                assert!(!panic, "as the test wants");
                Ok(Content::Bytes(Bytes::new()))
            }),
        })
    }
}

/// A destination that takes what the test lets pass.
pub(super) struct Sink {
    pub(super) open: watch::Sender<bool>,
    pub(super) takes: Duration,
    pub(super) reports: Mutex<VecDeque<Report>>,
    pub(super) delivered: Mutex<Vec<String>>,
    pub(super) refused: Mutex<Vec<(Origin, Reason, Evidence)>>,
    pub(super) now: AtomicUsize,
    pub(super) peak: AtomicUsize,
}

impl Default for Sink {
    fn default() -> Self {
        Sink {
            open: watch::Sender::new(true),
            takes: Duration::ZERO,
            reports: Mutex::default(),
            delivered: Mutex::default(),
            refused: Mutex::default(),
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }
}

impl Flow for Arc<Sink> {
    async fn deliver(&self, unit: Unit) -> Report {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        sleep(self.takes).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        if let Some(report) = self.reports.lock().unwrap().pop_front() {
            return report;
        }
        self.delivered
            .lock()
            .unwrap()
            .push(unit.origin.name.to_string());
        report(Outcome::Delivered)
    }

    async fn refuse(&self, origin: Origin, reason: Reason, evidence: Evidence) -> Outcome {
        let refused = (origin, reason, evidence);
        self.refused.lock().unwrap().push(refused);
        Outcome::Delivered
    }
}

pub(super) struct Bench {
    pub(super) queue: Twin,
    pub(super) bucket: Arc<Bucket>,
    pub(super) sink: Arc<Sink>,
    pub(super) health: watch::Sender<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    pub(super) abort: CancellationToken,
    pub(super) settings: Settings,
}

impl Default for Bench {
    fn default() -> Self {
        Bench {
            queue: Twin::default(),
            bucket: Arc::default(),
            sink: Arc::default(),
            health: watch::Sender::new(Health::Up),
            metrics: Arc::default(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            settings: Settings {
                queues: Vec::new(),
                buckets: Buckets::default(),
                inline_events: false,
                include: GlobSet::empty(),
                exclude: GlobSet::empty(),
                fetchers: 4,
                in_flight_bytes: 1 << 20,
                object_bytes: 1 << 20,
                visibility: Duration::from_secs(60),
                max_receives: 3,
                once: false,
            },
        }
    }
}

impl Bench {
    /// Reads the queue into the sink.
    pub(super) fn start(&self) -> JoinHandle<Result<(), Error>> {
        self.start_into(Arc::clone(&self.sink))
    }

    pub(super) fn start_into<P: Flow>(&self, flow: P) -> JoinHandle<Result<(), Error>> {
        let context = self.context(flow);
        tokio::spawn(consume(context, self.queue.clone()))
    }

    pub(super) fn context<P: Flow>(&self, flow: P) -> Arc<Context<Arc<Bucket>, P>> {
        Arc::new(Context::new(
            self.settings.clone(),
            Arc::clone(&self.bucket),
            flow,
            self.health.subscribe(),
            Arc::clone(&self.metrics),
            (self.stop.clone(), self.abort.clone()),
        ))
    }

    pub(super) fn fail(&self, key: &str, faults: impl IntoIterator<Item = Remedy>) {
        let faults = faults.into_iter().map(aws_error).collect();
        let mut all = self.bucket.faults.lock().unwrap();
        all.insert(key.to_owned(), faults);
    }

    pub(super) fn delivered(&self) -> Vec<String> {
        self.sink.delivered.lock().unwrap().clone()
    }

    pub(super) fn opened(&self) -> Vec<String> {
        self.bucket.opened.lock().unwrap().clone()
    }

    /// Name and reason of what is in the dead letters.
    pub(super) fn refused(&self) -> Vec<(String, &'static str)> {
        let refused = self.sink.refused.lock().unwrap();
        refused
            .iter()
            .map(|(origin, reason, _)| (origin.name.to_string(), reason.kind()))
            .collect()
    }
}

/// A notice of CloudTrail's own.
pub(super) fn notice(keys: &[&str]) -> String {
    serde_json::json!({"s3Bucket": "b", "s3ObjectKey": keys}).to_string()
}

/// Waits, on the test's clock, until something holds.
pub(super) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..500_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
    panic!("it never held");
}

pub(super) async fn pass(time: Duration) {
    sleep(time).await;
}
