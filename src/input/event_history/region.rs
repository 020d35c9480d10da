//! Reads the Event history of one region.
//!
//! Enters: pages. Leaves: a unit per event, and the end of each settled slice, in the state. What must hold: a slice is
//! recorded once all of its pages were delivered; no requests are made while the collector is unavailable; no error ends
//! the loop.

mod errors;
mod progress;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::Settings;
use super::lookup::{self, Lookup, Page, Question};
use super::pace::Pace;
use super::slices::{Slice, slices};
use crate::aws::error::Remedy;
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Pipeline, Truncation, Unit};
use crate::runtime::health::Health;
use crate::runtime::times::Times;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;

/// The parts that all regions share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) pipeline: Pipeline,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) state: Arc<Times>,
    /// One permit for each page in memory.
    pub(super) pages: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

/// A region.
pub(super) struct Region<L> {
    shared: Shared,
    name: Arc<str>,
    lookup: L,
    pace: Pace,
    log_throttle: LogThrottle,
    dead_lettered: DeadLettered,
}

/// Events that went to the dead letters, with the end of their slice: their ids are not among the
/// duplicate ids, so each overlap brings them again.
type DeadLettered = Arc<Mutex<HashMap<String, i64>>>;

/// Stop: no more requests.
pub(super) struct Stopped;

/// How the requests for a slice ended.
enum SliceEnd {
    /// The last page was read.
    Complete,
    /// The slice must be requested again.
    Restart,
    Stopped,
}

impl<L: Lookup> Region<L> {
    pub(super) fn new(shared: Shared, name: &str, lookup: L) -> Self {
        Region {
            shared,
            name: name.into(),
            lookup,
            pace: Pace::default(),
            log_throttle: LogThrottle::default(),
            dead_lettered: DeadLettered::default(),
        }
    }

    /// Reads new events at intervals until the stop, or once.
    pub(super) async fn run(mut self) {
        let settings = Arc::clone(&self.shared.settings);
        let mut sources: Vec<Option<Arc<str>>> = Vec::new();
        sources.extend(
            settings
                .event_sources
                .iter()
                .map(|s| Some(s.as_str().into())),
        );
        if sources.is_empty() {
            sources.push(None);
        }
        loop {
            let begun = Instant::now();
            for source in &sources {
                if self.catch_up(source.clone()).await.is_err() {
                    self.shared
                        .metrics
                        .undelivered
                        .add(u64::from(settings.once));
                    return;
                }
            }
            let next = tokio::time::sleep_until(begun + settings.interval);
            if settings.once || self.unless_stopped(next).await.is_err() {
                return;
            }
        }
    }

    /// Reads one event source up to now.
    async fn catch_up(&mut self, source: Option<Arc<str>>) -> Result<(), Stopped> {
        let settings = Arc::clone(&self.shared.settings);
        let key = source.clone().unwrap_or_default();
        let done = self.delivered(&key).await?;
        let now = self.lookup.now();
        if done.is_none() {
            let region = &*self.name;
            info!(region, source = &*key, start = ?settings.start, "the event history's first run");
        }
        let mut noted = done.filter(|done| *done <= now);
        let mut slices = slices(done, now, settings.start, settings.overlap).peekable();
        if let Some(oldest) = slices.peek() {
            lock(&self.dead_lettered).retain(|_, to| *to >= oldest.from);
        }
        for slice in slices {
            self.read(&source, slice).await?;
            if noted.is_none_or(|noted| noted < slice.to) {
                self.note(&key, slice.to).await;
                noted = Some(slice.to);
            }
        }
        Ok(())
    }

    /// Reads a slice until all of its events were delivered.
    async fn read(&mut self, source: &Option<Arc<str>>, slice: Slice) -> Result<(), Stopped> {
        let question = Question {
            source: source.clone(),
            slice,
        };
        loop {
            let mut units = JoinSet::new();
            let asked = self.ask(&question, &mut units).await;
            // Also at a stop: requested pages are delivered.
            let delivered = units
                .join_all()
                .await
                .into_iter()
                .all(|delivered| delivered);
            match asked {
                SliceEnd::Stopped => return Err(Stopped),
                SliceEnd::Complete if delivered => return Ok(()),
                SliceEnd::Complete if self.shared.stop.is_cancelled() => return Err(Stopped),
                SliceEnd::Complete => self.pace.failed(fastrand::f64()),
                SliceEnd::Restart => {}
            }
            debug!(region = &*self.name, %slice, "asked for again");
        }
    }

    /// Requests all pages of a slice, and delivers each.
    async fn ask(&mut self, question: &Question, units: &mut JoinSet<bool>) -> SliceEnd {
        let mut token = None;
        let mut number = 0;
        loop {
            let (page, permit) = match self.page(question, token.as_deref()).await {
                Ok(Ok(page)) => page,
                Ok(Err(lookup::Error::Token)) => {
                    self.pace.failed(fastrand::f64());
                    return SliceEnd::Restart;
                }
                Ok(Err(lookup::Error::Aws(error))) => {
                    self.pace.failed(fastrand::f64());
                    self.log_error(&error);
                    // In `--once` mode a wrong set-up is reported, not retried.
                    if self.shared.settings.once && error.remedy != Remedy::Retry {
                        return SliceEnd::Stopped;
                    }
                    continue;
                }
                Err(Stopped) => return SliceEnd::Stopped,
            };
            self.pace.answered();
            let stalls = &self.shared.metrics.stalls;
            stalls.clear(Cause::EventHistoryUnreadable, &self.name);
            number += 1;
            self.warn_if_too_many(question.slice, number);
            token = page.next;
            let permit = Arc::new(permit);
            for (id, event) in self.without_dead_lettered(page.events) {
                let pipeline = self.shared.pipeline.clone();
                // Each event is a unit of its own, so that a dead letter has its id.
                let unit = self.unit(question, &id, &event, number);
                let (dead_lettered, to) = (Arc::clone(&self.dead_lettered), question.slice.to);
                let permit = Arc::clone(&permit);
                units.spawn(async move {
                    let report = pipeline.deliver(unit).await;
                    drop(permit);
                    if !report.refused.is_empty() && !id.is_empty() {
                        lock(&dead_lettered).insert(id, to);
                    }
                    report.outcome == Outcome::Delivered
                });
            }
            if token.is_none() {
                return SliceEnd::Complete;
            }
        }
    }

    /// Makes one call, once the rate, the collector and the memory allow it. Memory comes last, so that a
    /// region that waits for the rate keeps none.
    async fn page(
        &mut self,
        question: &Question,
        token: Option<&str>,
    ) -> Result<Result<(Page, Option<OwnedSemaphorePermit>), lookup::Error>, Stopped> {
        let stop = self.shared.stop.clone();
        let pages = Arc::clone(&self.shared.pages);
        let mut health = self.shared.health.clone();
        let asked = async {
            self.pace.turn().await;
            // The exporter has ended.
            let _ = health.wait_for(|health| *health == Health::Up).await;
            // It is never closed.
            let permit = pages.acquire_owned().await.ok();
            self.pace.called();
            self.shared.metrics.event_history_requests.add(1);
            let page = self.lookup.page(question, token).await?;
            Ok((page, permit))
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Stopped),
            page = asked => Ok(page),
        }
    }

    /// A page's events without those that have a dead letter already.
    fn without_dead_lettered(&self, events: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let dead_lettered = lock(&self.dead_lettered);
        let fresh = |(id, _): &(String, Value)| id.is_empty() || !dead_lettered.contains_key(id);
        events.into_iter().filter(fresh).collect()
    }

    /// The unit of an event, named by the event id, or by the page if it has none.
    fn unit(&self, question: &Question, id: &str, event: &Value, page: u64) -> Unit {
        let mut name = format!("event-history/{}/", self.name);
        if let Some(source) = &question.source {
            name += &format!("{source}/");
        }
        name += &match id {
            "" => format!("{}#{page}", question.slice),
            id => format!("{}#{id}", question.slice),
        };
        Unit {
            origin: Origin {
                input: "event_history",
                name: name.into(),
                observed: None,
                on_damage: OnDamage::NamePlace,
            },
            content: Content::Bytes(json!({ "Events": [event] }).to_string().into()),
            base: 0,
            truncation: Truncation::Reject,
            inflated_bytes: None,
        }
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Err(Stopped),
            value = future => Ok(value),
        }
    }
}

fn lock(dead_lettered: &DeadLettered) -> MutexGuard<'_, HashMap<String, i64>> {
    dead_lettered.lock().unwrap_or_else(PoisonError::into_inner)
}
