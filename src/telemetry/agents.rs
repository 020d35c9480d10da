//! What agents did, and how late qtrail heard of it, in numbers.
//!
//! Enters: the [`Facts`] of delivered events. Leaves: counters by labels, gauges over the last hour, the delay of delivery.
//! What must hold: an event counts once it was accepted in every enabled signal, and never for a try that failed; what
//! `backfill` reads moves no number that alerts look at; people are in no label.

mod active;
mod facts;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::{KeyValue, metrics};
use qtrail_core::convert::Outcome;
use qtrail_core::event::amazon_q::Class;

use super::histogram::Histogram;
use super::labelled::Labelled;
use active::Active;
pub use facts::{Conversation, Facts};
use facts::{Fact, Labels};

/// Series of `qtrail_agent_calls_total`.
const CALLS: usize = 256;
/// Series of `qtrail_agent_denials_total`.
const DENIALS: usize = 512;
/// Series of `qtrail_delivery_lag_seconds`, each of one account in one region.
const LAGS: usize = 256;
/// The bounds of their buckets: 10 s to 7 days.
pub(super) const LAG_BOUNDS: [f64; 14] = [
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0,
    259_200.0, 604_800.0,
];

/// How events came: the label `origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Feed {
    /// From an input, as they were recorded.
    #[default]
    Live,
    /// From a range of time in the past.
    Backfill,
}

impl Feed {
    const ALL: [Feed; 2] = [Feed::Live, Feed::Backfill];

    fn as_str(self) -> &'static str {
        match self {
            Feed::Live => "live",
            Feed::Backfill => "backfill",
        }
    }
}

/// The delay of the events of one account in one region.
#[derive(Debug, Clone)]
pub(super) struct Lag(pub(super) Arc<Histogram>);

impl Default for Lag {
    fn default() -> Self {
        Lag(Arc::new(Histogram::new(&LAG_BOUNDS)))
    }
}

/// What agents did.
#[derive(Debug)]
pub struct Agents {
    pub(super) messages: Labelled<1, u64>,
    pub(super) conversations_started: Labelled<1, u64>,
    pub(super) events: Labelled<3, u64>,
    pub(super) calls: Labelled<2, u64>,
    pub(super) denials: Labelled<3, u64>,
    pub(super) lag: Labelled<2, Lag>,
    /// The same for OTLP, whose SDK takes each value.
    pub(super) lag_over_otlp: OnceLock<metrics::Histogram<f64>>,
    live: Mutex<Live>,
}

/// What is known of live events.
#[derive(Debug, Default)]
struct Live {
    people: Active<u64>,
    conversations: Active<Conversation>,
    /// The time of the newest event, in nanoseconds since 1970.
    newest: Option<i64>,
}

impl Default for Agents {
    fn default() -> Self {
        let origins = || Feed::ALL.map(Feed::as_str).into_iter();
        let outcomes = |class: Class| {
            Outcome::ALL.into_iter().flat_map(move |outcome| {
                origins().map(move |origin| [class.as_str(), outcome.as_str(), origin])
            })
        };
        let by_origin = || Labelled::known(["origin"], origins().map(|origin| [origin]));
        Agents {
            messages: by_origin(),
            conversations_started: by_origin(),
            events: Labelled::known(
                ["class", "outcome", "origin"],
                Class::ALL.into_iter().flat_map(outcomes),
            ),
            calls: Labelled::new(["service", "origin"], 1, CALLS),
            denials: Labelled::new(["service", "error_code", "origin"], 2, DENIALS),
            lag: Labelled::new(["account", "region"], 2, LAGS),
            lag_over_otlp: OnceLock::new(),
            live: Mutex::default(),
        }
    }
}

impl Agents {
    /// Counts the events of a chunk that was delivered at `now` (nanoseconds since 1970), except `undelivered` (in
    /// order). `started`: conversations with their first event among them.
    pub fn count(&self, facts: &Facts, undelivered: &[u32], started: u64, feed: Feed, now: i64) {
        let mut counts = vec![0; facts.labels().len()];
        for fact in facts.delivered(undelivered) {
            counts[fact.labels as usize] += 1;
        }
        for (labels, count) in facts.labels().iter().zip(&counts) {
            if *count > 0 {
                self.count_alike(labels, *count, feed.as_str());
            }
        }
        self.conversations_started.add([feed.as_str()], started);
        if feed == Feed::Live {
            self.count_live(facts, undelivered, now);
        }
    }

    /// People with an event of an agent in the last hour.
    pub(super) fn active_people(&self, now: i64) -> u64 {
        self.live().people.count(now)
    }

    /// Conversations with an event in the last hour.
    pub(super) fn active_conversations(&self, now: i64) -> u64 {
        self.live().conversations.count(now)
    }

    /// The time of the newest live event, in nanoseconds since 1970.
    pub(super) fn newest(&self) -> Option<i64> {
        self.live().newest
    }

    /// Counts `n` events with these labels.
    fn count_alike(&self, labels: &Labels<'_>, n: u64, origin: &str) {
        let (class, outcome) = (labels.class, labels.outcome);
        self.events
            .add([class.as_str(), outcome.as_str(), origin], n);
        if labels.is_message {
            self.messages.add([origin], n);
        }
        if class.is_call() {
            self.calls.add([&labels.service, origin], n);
        }
        if class != Class::Other && outcome == Outcome::Denied {
            let denied = [&*labels.service, &*labels.error_code, origin];
            self.denials.add(denied, n);
        }
    }

    fn count_live(&self, facts: &Facts, undelivered: &[u32], now: i64) {
        let mut lags = vec![None; facts.labels().len()];
        let mut live = self.live();
        for fact in facts.delivered(undelivered) {
            // The clock of who recorded it may be ahead.
            let time = fact.time.min(now);
            live.saw(fact, time, now);
            let labels = fact.labels as usize;
            let (attributes, lag) =
                lags[labels].get_or_insert_with(|| self.lag_of(&facts.labels()[labels]));
            let delay = Duration::from_nanos(now.abs_diff(time));
            lag.0.record(delay);
            if let Some(lag) = self.lag_over_otlp.get() {
                lag.record(delay.as_secs_f64(), attributes);
            }
        }
    }

    /// Where the delays of events with these labels are counted, and as what in OTLP.
    fn lag_of(&self, labels: &Labels<'_>) -> ([KeyValue; 2], Lag) {
        let place = [&*labels.account_id, &*labels.region];
        self.lag.update(place, |[account, region], lag| {
            let account = KeyValue::new("account", account.clone());
            (
                [account, KeyValue::new("region", region.clone())],
                lag.clone(),
            )
        })
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn saw(&mut self, fact: &Fact, time: i64, now: i64) {
        if let Some(person) = fact.person {
            self.people.saw(person, time, now);
        }
        if let Some(conversation) = fact.conversation {
            self.conversations.saw(conversation, time, now);
        }
        self.newest = self.newest.max(Some(time));
    }
}

#[cfg(test)]
mod tests;
