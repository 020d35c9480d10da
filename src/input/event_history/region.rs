//! One region's history, read for ever.
//!
//! Enters: pages. Leaves: a unit for the pipeline for each event, and the end of each slice that has settled, in the
//! state. What must hold: a slice is noted once all its pages were delivered; while the collector is
//! away nothing is asked for; no fault ends it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Settings;
use super::lookup::{self, Lookup, PAGE, Page, Question};
use super::pace::{PAUSE, Pace};
use super::slices::{Slice, slices};
use super::state::State;
use crate::aws;
use crate::aws::error::Remedy;
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Pipeline, Truncation, Unit};
use crate::runtime::database;
use crate::runtime::health::Health;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;

/// What all regions share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) pipeline: Pipeline,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) state: Arc<State>,
    /// One for each page in memory.
    pub(super) pages: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

/// A region.
pub(super) struct Region<L> {
    shared: Shared,
    name: Arc<str>,
    lookup: L,
    pace: Pace,
    said: LogThrottle,
    refused: Refused,
}

/// Events that went to the dead letters, with the end of their slice: their ids are not among the
/// duplicate ids, so each overlap brings them again.
type Refused = Arc<Mutex<HashMap<String, i64>>>;

/// Nothing more is to be asked for.
pub(super) struct Stopped;

/// How the asking for a slice ended.
enum Asked {
    /// There is no further page.
    Whole,
    /// It has to be asked for again.
    Anew,
    Stopped,
}

impl<L: Lookup> Region<L> {
    pub(super) fn new(shared: Shared, name: &str, lookup: L) -> Self {
        Region {
            shared,
            name: name.into(),
            lookup,
            pace: Pace::default(),
            said: LogThrottle::default(),
            refused: Refused::default(),
        }
    }

    /// Reads what is new, again and again, until the stop; or once.
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
                    self.shared.metrics.left.add(u64::from(settings.once));
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
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.retain(|_, to| *to >= oldest.from);
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

    /// Reads a slice until all of it was delivered.
    async fn read(&mut self, source: &Option<Arc<str>>, slice: Slice) -> Result<(), Stopped> {
        let question = Question {
            source: source.clone(),
            slice,
        };
        loop {
            let mut units = JoinSet::new();
            let asked = self.ask(&question, &mut units).await;
            // Also at a stop: what was asked for is brought to its end.
            let delivered = units
                .join_all()
                .await
                .into_iter()
                .all(|delivered| delivered);
            match asked {
                Asked::Stopped => return Err(Stopped),
                Asked::Whole if delivered => return Ok(()),
                Asked::Whole if self.shared.stop.is_cancelled() => return Err(Stopped),
                Asked::Whole => self.pace.failed(fastrand::f64()),
                Asked::Anew => {}
            }
            debug!(region = &*self.name, %slice, "asked for again");
        }
    }

    /// Asks for all pages of a slice, and hands each on.
    async fn ask(&mut self, question: &Question, units: &mut JoinSet<bool>) -> Asked {
        let mut token = None;
        let mut number = 0;
        loop {
            let (page, permit) = match self.page(question, token.as_deref()).await {
                Ok(Ok(page)) => page,
                Ok(Err(lookup::Error::Token)) => {
                    self.pace.failed(fastrand::f64());
                    return Asked::Anew;
                }
                Ok(Err(lookup::Error::Aws(fault))) => {
                    self.pace.failed(fastrand::f64());
                    self.tell(&fault);
                    // A run that reads once does not wait until a set-up is mended.
                    if self.shared.settings.once && fault.remedy != Remedy::Retry {
                        return Asked::Stopped;
                    }
                    continue;
                }
                Err(Stopped) => return Asked::Stopped,
            };
            self.pace.answered();
            let stalls = &self.shared.metrics.stalls;
            stalls.clear(Cause::EventHistoryUnreadable, &self.name);
            number += 1;
            self.tell_if_too_many(question.slice, number);
            token = page.next;
            let permit = Arc::new(permit);
            for (id, event) in self.not_refused(page.events) {
                let pipeline = self.shared.pipeline.clone();
                // Each is a unit of its own, so that what is refused is known by its id.
                let unit = self.unit(question, &id, &event, number);
                let (refused, to) = (Arc::clone(&self.refused), question.slice.to);
                let permit = Arc::clone(&permit);
                units.spawn(async move {
                    let report = pipeline.deliver(unit).await;
                    drop(permit);
                    if !report.refused.is_empty() && !id.is_empty() {
                        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                        refused.insert(id, to);
                    }
                    report.outcome == Outcome::Delivered
                });
            }
            if token.is_none() {
                return Asked::Whole;
            }
        }
    }

    /// One call, when it is its turn, the collector is there, and so is memory: a region that waits
    /// for its turn takes none from others.
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
            // Without an exporter there is nothing to wait for.
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

    /// A page's events without those that are in the dead letters already.
    fn not_refused(&self, events: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(id, _): &(String, Value)| id.is_empty() || !refused.contains_key(id);
        events.into_iter().filter(fresh).collect()
    }

    /// An event of a page, named by its id, or by the page where it has none.
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

    /// What the state says, however often it has to be asked.
    async fn delivered(&mut self, source: &str) -> Result<Option<i64>, Stopped> {
        loop {
            match self.shared.state.delivered(&self.name, source) {
                Ok(done) => return Ok(done),
                Err(error) => {
                    self.tell_of_state(&error);
                    self.pace.failed(fastrand::f64());
                    let stop = self.shared.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => return Err(Stopped),
                        () = self.pace.turn() => {}
                    }
                }
            }
        }
    }

    /// Notes how far it was delivered. Where that fails, as much is asked for again after a restart.
    async fn note(&self, source: &str, second: i64) {
        let state = Arc::clone(&self.shared.state);
        let (region, source) = (Arc::clone(&self.name), source.to_owned());
        let written =
            tokio::task::spawn_blocking(move || state.set(&region, &source, second)).await;
        if let Ok(Err(error)) = written {
            self.tell_of_state(&error);
        }
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Err(Stopped),
            value = future => Ok(value),
        }
    }

    fn tell(&self, fault: &aws::Error) {
        let (kind, remedy) = match fault.remedy {
            Remedy::Retry => ("retry", ""),
            Remedy::Denied => ("denied", "it takes cloudtrail:LookupEvents; "),
            _ => ("mend", ""),
        };
        let (region, passes) = (&*self.name, fault.remedy == Remedy::Retry);
        let reason = format!("the event history of {region} cannot be read: {remedy}{fault}");
        let stalls = &self.shared.metrics.stalls;
        stalls.set_fault(Cause::EventHistoryUnreadable, region, passes, reason);
        if let Some(left_out) = self.said.due(kind) {
            let again = match self.shared.settings.once && fault.remedy != Remedy::Retry {
                true => "the next run tries it again",
                false => "it is tried again",
            };
            warn!(region, left_out, "event history: {fault}; {remedy}{again}");
        }
    }

    fn tell_of_state(&self, error: &database::Error) {
        if let Some(left_out) = self.said.due("state") {
            warn!(left_out, "{error}; it is tried again");
        }
    }

    /// Two pages a second are all there is.
    fn tell_if_too_many(&self, slice: Slice, pages: u64) {
        let seconds = pages as f64 * PAUSE.as_secs_f64();
        if seconds > slice.seconds() as f64
            && let Some(left_out) = self.said.due("too many")
        {
            let most = f64::from(PAGE) / PAUSE.as_secs_f64();
            warn!(
                region = &*self.name,
                left_out,
                "there are more events than the {most} a second that LookupEvents gives: \
                 name event_history.event_sources, or make a trail"
            );
        }
    }
}
