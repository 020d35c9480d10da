//! Events that senders push: a request becomes a unit, and the unit's report becomes the answer.
//!
//! Enters: a request's bytes, from gRPC, HTTP or OTLP, and the memory reserved for them. Leaves: a [`Report`],
//! or an [`Error`] that says when to try again. What must hold: nothing is acknowledged before the pipeline has
//! settled it; bytes in flight stay within the limit; while the collector is unavailable, senders get an error
//! at once instead of waiting.
//!
//! After such an error, the unit still settles in the background. When the sender repeats the request, the
//! pipeline drops the events that were delivered meanwhile as duplicates.
//!
//! ```text
//! listen ─▶ grpc ──┬──────────▶ Ingest ─▶ pipeline
//!        └▶ http ──┴▶ otlp ───▶
//! ```

mod availability;
mod error;
pub mod grpc;
pub mod http;
mod inflate;
pub mod listen;
mod memory;
pub mod otlp;
mod settings;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::availability::Availability;
pub use self::error::Error;
use self::error::RETRY_AFTER;
use self::memory::BUDGET_UNIT;
pub use self::memory::Reserved;
pub use self::settings::{Limits, Listen, ServerTls, Settings};
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Pipeline, Report, Truncation, Unit};
use crate::runtime::budget::Budget;
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;
use qtrail_core::convert::observed_time;
use qtrail_core::reject::Reason;

/// A sender's request.
pub struct Request {
    /// The input: `grpc`, `otlp`, `http`, `firehose`.
    pub input: &'static str,
    /// Its name in dead letters, if `source` is `None`.
    pub name: String,
    /// The file or object that the bytes came from, if the sender names it.
    pub source: Option<String>,
    /// Its bytes.
    pub content: Content,
    /// What happens to bytes that cannot be read.
    pub on_damage: OnDamage,
    /// The memory for them, until they have settled.
    pub reserved: Reserved,
}

/// Delivers requests. Cheap to clone; all listeners share it.
#[derive(Clone)]
pub struct Ingest {
    pipeline: Pipeline,
    availability: Availability,
    limits: Arc<Limits>,
    budget: Budget,
    units: TaskTracker,
    metrics: Arc<Metrics>,
}

impl Ingest {
    /// Delivers requests to `pipeline`, until `stop`.
    pub fn new(
        pipeline: Pipeline,
        collector: watch::Receiver<Health>,
        limits: Limits,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        Ingest {
            availability: Availability {
                collector,
                dead_letters: pipeline.dead_letters().watch_failure(),
                stop,
            },
            pipeline,
            budget: Budget::new(limits.in_flight_bytes, BUDGET_UNIT),
            limits: Arc::new(limits),
            units: TaskTracker::new(),
            metrics,
        }
    }

    /// The limits on requests.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Cancelled when qtrail stops.
    pub fn stop(&self) -> &CancellationToken {
        &self.availability.stop
    }

    /// Whether events can be accepted now.
    ///
    /// # Errors
    /// [`Error::CollectorUnavailable`], [`Error::DeadLettersUnavailable`], [`Error::Stopping`].
    pub fn available(&self) -> Result<(), Error> {
        self.availability.check()
    }

    /// Whether events of any sender can be accepted now. Dead letters may be full for some senders only.
    pub fn serves(&self) -> bool {
        self.available().is_ok() && !self.pipeline.dead_letters().look()
    }

    /// Returns once [`available`](Ingest::available) differs from `available`, or qtrail stops.
    pub async fn changed(&self, available: bool) {
        self.availability.changed(available).await;
    }

    /// Delivers a request's events; returns when each has settled.
    ///
    /// # Errors
    /// Those of [`available`](Ingest::available), [`Error::InflatedTooLarge`], [`Error::Unreadable`]: nothing
    /// is acknowledged.
    pub async fn deliver(&self, request: Request) -> Result<Report, Error> {
        self.available()?;
        self.metrics.ingest_requests.add(1);
        let source = request.source.as_deref();
        let unit = Unit {
            origin: Origin {
                input: request.input,
                observed: source.and_then(|source| observed_time(source, None)),
                name: request.source.unwrap_or(request.name).into(),
                on_damage: request.on_damage,
            },
            content: request.content,
            base: 0,
            truncation: Truncation::Reject,
            inflated_bytes: Some(self.limits.inflated_bytes),
        };
        let reserved = request.reserved;
        let sender = reserved.sender.clone();
        let pipeline = self
            .pipeline
            .of_sender(sender.unwrap_or_else(|| request.input.into()));
        let unit = self.units.spawn(async move {
            let report = pipeline.deliver(unit).await;
            drop(reserved);
            report
        });
        let report = tokio::select! {
            report = unit => report.map_err(|_| Error::Stopping)?,
            error = self.availability.lasting_outage() => return Err(error),
        };
        self.acknowledge(report)
    }

    /// The report of a unit, if its sender may forget the request.
    fn acknowledge(&self, report: Report) -> Result<Report, Error> {
        match report.outcome {
            Outcome::Delivered => match report.unreadable {
                None => Ok(report),
                Some((_, Reason::InflatedTooLarge { .. })) => Err(Error::InflatedTooLarge {
                    limit: self.limits.inflated_bytes,
                }),
                Some((index, reason)) => Err(Error::Unreadable { index, reason }),
            },
            Outcome::Abandoned => Err(Error::Stopping),
            Outcome::Retry(after) => Err(Error::CollectorUnavailable {
                reason: report.read_error.unwrap_or_default(),
                retry_after: after.unwrap_or(RETRY_AFTER),
            }),
            Outcome::Blocked(reason) => Err(Error::DeadLettersUnavailable { reason }),
        }
    }

    /// Waits until every unit has settled. No request may be delivered after this call.
    pub async fn settled(&self) {
        self.units.close();
        self.units.wait().await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
