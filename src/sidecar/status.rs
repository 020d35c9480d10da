//! What qtrail does now, in words and numbers, for people.
//!
//! Enters: the metrics, the stalls, the collector's health, the last events, the dead letters. Leaves: a [`Status`], which
//! the live page, `/status.json`, `qtrail status` and `qtrail top` show. What must hold: its texts are redacted, and their
//! number and length are bounded.

mod about;
mod blocked;
mod events;
mod letters;
mod rates;
mod summary;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::dead_letter::DeadLetters;
use crate::pipeline::Conversion;
use crate::pipeline::recent::Recent;
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;

pub use about::About;
pub use blocked::Blocked;
pub use events::Event;
pub use letters::{Letter, Letters};
pub(super) use rates::{INTERVAL, Rates};
pub(crate) use summary::balance_sentence;

/// The longest text of a record, in characters.
const TEXT: usize = 300;

/// What qtrail does now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The version of qtrail.
    pub version: String,
    /// When this was true (RFC 3339).
    pub now: String,
    /// When qtrail started (RFC 3339).
    pub started: String,
    /// Seconds since then.
    pub running_seconds: u64,
    /// Whether `/readyz` answers 200.
    pub ready: bool,
    /// How it is, in a sentence.
    pub summary: String,
    /// What is read, a sentence each.
    pub inputs: Vec<String>,
    /// Where events go.
    pub destination: String,
    /// The folder where qtrail remembers what it has delivered.
    pub state: String,
    /// How the destination is doing.
    pub collector: Collector,
    /// What became of the records.
    pub balance: Balance,
    /// How fast records move.
    pub rates: Rate,
    /// The last delivery, if there was one.
    pub last_delivery: Option<LastDelivery>,
    /// Files that are found and not delivered yet.
    pub files_pending: u64,
    /// Events that wait for their conversations (`assemble`).
    pub events_held: u64,
    /// What is blocked, and what mends it.
    pub blocked: Vec<Blocked>,
    /// The last events that were delivered, the newest first.
    pub events: Vec<Event>,
    /// The dead letters.
    pub dead_letters: Letters,
}

/// How the destination is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collector {
    /// `unused`, `up`, `away` or `blocked`.
    pub state: String,
    /// The last failure, while there is one.
    pub reason: Option<String>,
}

/// What became of the records: `read = exported + filtered + duplicate + dead_lettered + in_flight`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the metrics")]
#[serde(default)]
pub struct Balance {
    pub read: u64,
    pub exported: u64,
    pub filtered: u64,
    pub duplicate: u64,
    pub dead_lettered: u64,
    pub in_flight: u64,
    /// Whether the numbers add up. While records move, they may be from slightly different moments.
    pub holds: bool,
}

/// How fast records move.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// The seconds that the rates are an average of.
    pub seconds: u64,
    /// Records read a second.
    pub read_per_second: f64,
    /// Events exported a second.
    pub exported_per_second: f64,
}

/// The last delivery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastDelivery {
    /// When it was answered (RFC 3339).
    pub at: String,
    /// Seconds since then.
    pub seconds_ago: u64,
    /// The age of its newest event then, in seconds.
    pub lag_seconds: u64,
}

/// What a [`Status`] is made of.
pub struct Source {
    /// What runs.
    pub about: About,
    /// Counts, and why events do not move.
    pub metrics: Arc<Metrics>,
    /// How the collector is doing.
    pub health: watch::Receiver<Health>,
    /// The last events.
    pub recent: Recent,
    /// Converts and redacts them.
    pub conversion: Conversion,
    /// The dead letters.
    pub letters: DeadLetters,
}

/// How often counts are read until they add up.
const TRIES: usize = 20;

impl Source {
    /// What qtrail does now. Reads the end of the dead letters from disk.
    pub(super) fn status(&self, rates: &Rates) -> Status {
        self.letters.look();
        let metrics = &self.metrics;
        let balance = balance(metrics);
        let collector = self.collector();
        let blocked = blocked::of(metrics);
        let now = Timestamp::now();
        let seconds_since =
            |time: Timestamp| u64::try_from(now.duration_since(time).as_secs()).unwrap_or_default();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: to_second(now),
            started: to_second(self.about.started),
            running_seconds: seconds_since(self.about.started),
            ready: metrics.not_ready().is_none(),
            summary: String::new(),
            inputs: self.about.inputs.clone(),
            destination: self.about.destination.clone(),
            state: self.about.state.clone(),
            collector,
            balance,
            rates: rates.now(metrics),
            last_delivery: last_delivery(metrics, now),
            files_pending: metrics.files_pending.get(),
            events_held: metrics.assembly_held.get(),
            blocked,
            events: events::of(&self.recent, &self.conversion.current()),
            dead_letters: letters::of(&self.letters, &self.about),
        };
        status.summary = summary::of(&status, metrics.is_stopping());
        status
    }

    fn collector(&self) -> Collector {
        let (state, reason) = match &*self.health.borrow() {
            Health::Up if self.metrics.export_requests.get() == 0 => ("unused", None),
            Health::Up => ("up", None),
            Health::Down { reason, .. } => ("away", Some(reason.clone())),
            Health::Blocked { reason } => ("blocked", Some(reason.clone())),
        };
        Collector {
            state: state.to_owned(),
            reason,
        }
    }
}

/// The balance, of one moment if records allow it.
fn balance(metrics: &Metrics) -> Balance {
    let mut now = metrics.balance();
    for _ in 0..TRIES {
        if now.holds() {
            break;
        }
        std::thread::yield_now();
        now = metrics.balance();
    }
    Balance {
        read: now.read,
        exported: now.exported,
        filtered: now.filtered,
        duplicate: now.duplicate,
        dead_lettered: now.dead_lettered,
        in_flight: now.in_flight,
        holds: now.holds(),
    }
}

fn to_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn last_delivery(metrics: &Metrics, now: Timestamp) -> Option<LastDelivery> {
    let second = i64::try_from(metrics.last_export.get()).ok()?;
    let at = Timestamp::from_second(second).ok().filter(|_| second > 0)?;
    Some(LastDelivery {
        at: to_second(at),
        seconds_ago: u64::try_from(now.as_second() - second).unwrap_or_default(),
        lag_seconds: metrics.lag_seconds.get(),
    })
}

/// A text of at most [`TEXT`] characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
