//! What a sender's request becomes: one unit, answered once all of it has settled.
//!
//! Enters: a request's bytes, from gRPC, HTTP or OTLP, and the room that was reserved for them.
//! Leaves: a [`Report`], or a [`Refusal`] that says when to try again. What must hold: nothing is
//! acknowledged before the pipeline has settled it; bytes in flight stay within the limit; while the
//! collector is away a sender is told so at once instead of being kept waiting.
//!
//! A unit whose sender was sent away is not given up: it settles in the background, and the repeat
//! that the sender was asked for is dropped by its duplicate id.

pub mod grpc;
pub mod http;
mod inflate;
pub mod listen;
pub mod otlp;
mod refusal;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Pipeline, Report, Truncation, Unit};
use crate::runtime::budget::{Budget, Reservation};
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;
use qtrail_core::convert::observed_time;
use qtrail_core::reject::Reason;
pub use refusal::Refusal;
pub use settings::{Limits, Listen, ServerTls, Settings};

/// How long a request under way still waits once the collector is away.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to try again, where the collector did not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The budget counts in units of this many bytes, so that many tiny requests are bounded too.
const BUDGET_UNIT: usize = 4096;

/// Room for a request's bytes; given back when it is dropped.
#[derive(Debug)]
pub struct Reserved {
    memory: Reservation,
    sender: Option<Arc<str>>,
}

impl Reserved {
    /// The same, on the account of this sender.
    pub fn sent_by(self, sender: Arc<str>) -> Self {
        Reserved {
            sender: Some(sender),
            ..self
        }
    }
}

impl From<Reservation> for Reserved {
    fn from(memory: Reservation) -> Self {
        Reserved {
            memory,
            sender: None,
        }
    }
}

/// A sender's request.
pub struct Request {
    /// The way in: `grpc`, `otlp`, `http`, `firehose`.
    pub input: &'static str,
    /// What dead letters call it, where it names no source of its own.
    pub name: String,
    /// The file or object that the bytes came from, if the sender says so.
    pub source: Option<String>,
    /// Its bytes.
    pub content: Content,
    /// What becomes of those that cannot be read.
    pub on_damage: OnDamage,
    /// The room for them, held until they have settled.
    pub reserved: Reserved,
}

/// Takes requests. Cheap to clone; shared by all listeners.
#[derive(Clone)]
pub struct Ingest {
    pipeline: Pipeline,
    health: watch::Receiver<Health>,
    /// Why dead letters cannot be written, while they cannot.
    letters: watch::Receiver<Option<String>>,
    limits: Arc<Limits>,
    budget: Budget,
    units: TaskTracker,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Ingest {
    /// Takes requests for `pipeline`; new ones are refused after `stop`.
    pub fn new(
        pipeline: Pipeline,
        health: watch::Receiver<Health>,
        limits: Limits,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let budget = Budget::new(limits.in_flight_bytes, BUDGET_UNIT);
        Ingest {
            letters: pipeline.dead_letters().watch_failure(),
            pipeline,
            health,
            limits: Arc::new(limits),
            budget,
            units: TaskTracker::new(),
            stop,
            metrics,
        }
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Room for a request of so many bytes, now or not at all: for senders that are told to come
    /// again.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Busy`], and what [`Ingest::available`] says.
    pub fn try_reserve(&self, bytes: usize) -> Result<Reserved, Refusal> {
        self.available()?;
        self.fits(bytes)?;
        let memory = self.budget.try_acquire(bytes);
        memory.map(Reserved::from).ok_or_else(|| self.busy())
    }

    /// Room for a message of so many bytes, once there is: for streams, whose senders are slowed by
    /// flow control.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Stopping`]; [`Refusal::Away`] where there is no room, and
    /// will not be before the collector is back.
    pub async fn reserve(&self, bytes: usize) -> Result<Reserved, Refusal> {
        self.fits(bytes)?;
        tokio::select! {
            biased;
            memory = self.budget.acquire(bytes) => {
                memory.map(Reserved::from).ok_or(Refusal::Stopping)
            }
            () = self.stop.cancelled() => Err(Refusal::Stopping),
            refusal = self.sent_away() => Err(refusal),
        }
    }

    /// Makes the room fit so many bytes, now or not at all: for a body that grows as it is read, or
    /// a message that was inflated. It does not wait, for it would wait for others that wait as it
    /// does.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub fn resize(&self, reserved: &mut Reserved, bytes: usize) -> Result<(), Refusal> {
        match self.budget.try_resize(&mut reserved.memory, bytes) {
            true => Ok(()),
            false => Err(self.busy()),
        }
    }

    /// The same, but room that is there already is kept.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub fn grow(&self, reserved: &mut Reserved, bytes: usize) -> Result<(), Refusal> {
        match reserved.memory.bytes() < bytes {
            true => self.resize(reserved, bytes),
            false => Ok(()),
        }
    }

    fn busy(&self) -> Refusal {
        Refusal::Busy {
            limit: self.limits.in_flight_bytes,
        }
    }

    fn fits(&self, bytes: usize) -> Result<(), Refusal> {
        let limit = self.limits.request_bytes;
        match bytes > limit {
            true => Err(Refusal::TooLarge { limit }),
            false => Ok(()),
        }
    }

    /// Whether events can be taken now.
    ///
    /// # Errors
    /// [`Refusal::Away`], [`Refusal::LettersFull`], [`Refusal::Stopping`].
    pub fn available(&self) -> Result<(), Refusal> {
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        match self.away() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// Whether any sender's events can be taken now: as [`Ingest::available`], and the dead letters are not full
    /// for everyone.
    pub fn serves(&self) -> bool {
        self.available().is_ok() && !self.pipeline.dead_letters().look()
    }

    fn away(&self) -> Option<Refusal> {
        let stuck = |reason: &String| Refusal::LettersFull {
            reason: reason.clone(),
        };
        away(&self.health.borrow()).or_else(|| self.letters.borrow().as_ref().map(stuck))
    }

    /// Returns once events can be taken, or cannot, other than `now`; or when qtrail stops.
    pub async fn changed(&self, now: bool) {
        tokio::select! {
            () = self.turned(now) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Returns once events cannot be taken, if `away`; else once they can.
    async fn turned(&self, away: bool) {
        let (mut health, mut letters) = (self.health.clone(), self.letters.clone());
        loop {
            health.mark_unchanged();
            letters.mark_unchanged();
            if self.away().is_some() == away {
                return;
            }
            // Where nothing tells any more, nothing changes.
            tokio::select! {
                Ok(()) = health.changed() => {}
                Ok(()) = letters.changed() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Cancelled when qtrail stops.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Delivers a request's events; returns when each has settled.
    ///
    /// # Errors
    /// [`Refusal::Away`], [`Refusal::LettersFull`], [`Refusal::Stopping`],
    /// [`Refusal::InflatedTooLarge`], [`Refusal::Unreadable`]: nothing is acknowledged.
    pub async fn deliver(&self, request: Request) -> Result<Report, Refusal> {
        self.available()?;
        self.metrics.ingest_requests.add(1);
        let observed = request
            .source
            .as_deref()
            .and_then(|source| observed_time(source, None));
        let unit = Unit {
            origin: Origin {
                input: request.input,
                name: request.source.unwrap_or(request.name).into(),
                observed,
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
            report = unit => report.map_err(|_| Refusal::Stopping)?,
            refusal = self.sent_away() => return Err(refusal),
        };
        match report.outcome {
            Outcome::Delivered => match report.unreadable {
                None => Ok(report),
                Some((_, Reason::InflatedTooLarge { .. })) => Err(Refusal::InflatedTooLarge {
                    limit: self.limits.inflated_bytes,
                }),
                Some((index, reason)) => Err(Refusal::Unreadable { index, reason }),
            },
            Outcome::Abandoned => Err(Refusal::Stopping),
            Outcome::Retry(after) => Err(Refusal::Away {
                reason: report.read_error.unwrap_or_default(),
                retry_after: after.unwrap_or(RETRY_AFTER),
            }),
            Outcome::Blocked(reason) => Err(Refusal::LettersFull { reason }),
        }
    }

    /// Returns once events could not be taken for too long.
    async fn sent_away(&self) -> Refusal {
        loop {
            self.turned(true).await;
            if tokio::time::timeout(PATIENCE, self.turned(false))
                .await
                .is_err()
                && let Some(refusal) = self.away()
            {
                return refusal;
            }
        }
    }

    /// Waits until every unit that was taken has settled. No request may be taken meanwhile.
    pub async fn settled(&self) {
        self.units.close();
        self.units.wait().await;
    }
}

fn away(health: &Health) -> Option<Refusal> {
    match health {
        Health::Up => None,
        Health::Down {
            reason,
            retry_after,
        } => Some(Refusal::Away {
            reason: reason.clone(),
            retry_after: (*retry_after).max(RETRY_AFTER),
        }),
        Health::Blocked { reason } => Some(Refusal::Away {
            reason: reason.clone(),
            retry_after: RETRY_AFTER,
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
