//! The parts that all queues share, and two traits: the source of objects, and the receiver of units.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::attempts::Attempts;
use crate::aws;
use crate::aws::Aws;
use crate::aws::object::{BUDGET_UNIT, Location};
use crate::dead_letter::Origin;
use crate::export::Outcome;
use crate::pipeline::{Content, Pipeline, Report, Unit};
use crate::proof::announced::Announced;
use crate::runtime::budget::Budget;
use crate::runtime::health::Health;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use qtrail_core::reject::{Evidence, Reason};

/// An object whose headers S3 has sent.
pub(super) struct Opened {
    /// Its stored size, in bytes.
    pub(super) bytes: u64,
    /// When it was last modified.
    pub(super) modified: Option<i64>,
    /// Memory that `content` takes.
    pub(super) held_bytes: usize,
    /// Reads it.
    pub(super) content: Reading,
}

/// The future of an object's content.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<Content, aws::Error>> + Send>>;

/// The source of objects: S3.
pub(super) trait Fetch: Send + Sync + 'static {
    /// Asks for an object of at most `limit` bytes.
    fn open(
        &self,
        location: &Location,
        limit: u64,
    ) -> impl Future<Output = Result<Opened, aws::Error>> + Send;
}

/// S3 itself.
pub(super) struct S3 {
    pub(super) aws: Aws,
    /// Cancels the reading of objects.
    pub(super) abort: CancellationToken,
}

impl Fetch for S3 {
    async fn open(&self, location: &Location, limit: u64) -> Result<Opened, aws::Error> {
        let object = self.aws.open(location, limit).await?;
        Ok(Opened {
            bytes: object.bytes,
            modified: object.modified,
            held_bytes: object.held_bytes(),
            content: {
                let abort = self.abort.clone();
                Box::pin(async move { object.content(&abort).await.map(Content::from) })
            },
        })
    }
}

/// The receiver of units: the pipeline.
pub(super) trait Flow: Send + Sync + 'static {
    /// Returns when every record of the unit has settled.
    fn deliver(&self, unit: Unit) -> impl Future<Output = Report> + Send;

    /// Writes dead letters for objects and messages that cannot be read at all.
    fn refuse(
        &self,
        origin: Origin,
        reason: Reason,
        evidence: Evidence,
    ) -> impl Future<Output = Outcome> + Send;
}

impl Flow for Pipeline {
    fn deliver(&self, unit: Unit) -> impl Future<Output = Report> + Send {
        Pipeline::deliver(self, unit)
    }

    fn refuse(
        &self,
        origin: Origin,
        reason: Reason,
        evidence: Evidence,
    ) -> impl Future<Output = Outcome> + Send {
        Pipeline::refuse(self, origin, reason, evidence)
    }
}

/// The parts that all queues share.
pub(super) struct Context<F, P> {
    pub(super) settings: Settings,
    pub(super) fetch: F,
    pub(super) flow: P,
    pub(super) health: watch::Receiver<Health>,
    pub(super) metrics: Arc<Metrics>,
    /// One permit for each object in work.
    pub(super) fetchers: Semaphore,
    /// How often S3 sent an object: S3 is reachable, and the credentials work.
    pub(super) answered: AtomicU64,
    /// Memory for objects, and for messages that are events themselves.
    pub(super) budget: Budget,
    pub(super) attempts: Attempts,
    /// Verifies digests, if they are to be verified.
    pub(super) verifier: Option<Arc<Announced>>,
    pub(super) log_throttle: LogThrottle,
    /// Stop: no new work begins.
    pub(super) stop: CancellationToken,
    /// Abort: nothing waits any longer.
    pub(super) abort: CancellationToken,
}

impl<F, P> Context<F, P> {
    pub(super) fn new(
        settings: Settings,
        fetch: F,
        flow: P,
        health: watch::Receiver<Health>,
        metrics: Arc<Metrics>,
        (stop, abort): (CancellationToken, CancellationToken),
    ) -> Self {
        Context {
            fetch,
            flow,
            health,
            metrics,
            fetchers: Semaphore::new(settings.fetchers.clamp(1, Semaphore::MAX_PERMITS)),
            answered: AtomicU64::new(0),
            budget: Budget::new(settings.in_flight_bytes, BUDGET_UNIT),
            attempts: Attempts::default(),
            verifier: None,
            log_throttle: LogThrottle::default(),
            stop,
            abort,
            settings,
        }
    }

    /// Logs what a `--once` run has left undelivered.
    pub(super) fn log_undelivered(&self) {
        let left = self.attempts.unfinished();
        if self.settings.once && left > 0 {
            tracing::warn!("{left} messages could not be finished, and were left to their queue");
            self.metrics.undelivered.add(left as u64);
        }
    }

    /// Whether an object is to be read.
    pub(super) fn reads(&self, location: &Location) -> bool {
        let Settings {
            include, exclude, ..
        } = &self.settings;
        if self.verifier.is_some() && Announced::is_digest(location) {
            return true;
        }
        (include.is_empty() || include.is_match(&location.key)) && !exclude.is_match(&location.key)
    }
}
