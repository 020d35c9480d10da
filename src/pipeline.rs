//! The whole flow on one screen: a unit in, its records converted and delivered, one report out.
//!
//! Enters: a [`Unit`], by [`Pipeline::deliver`]. Leaves: a [`Report`], once each of its records has
//! settled: accepted by the collector in every enabled signal, filtered, or durable in the dead
//! letters. What must hold: `read = exported + filtered + duplicate + dead_lettered + in flight`;
//! no outcome but [`Outcome::Delivered`] allows a commit; memory in flight stays within the budget.
//!
//! ```text
//! unit ─▶ reader (a blocking thread): open ─▶ parse ─▶ select ─▶ convert ─▶ encode
//!             │ steps: a chunk of encoded events, rejects, counts, the offset reached
//!             ▼
//!         settle: rejects ─▶ dead letters      chunk ─▶ exporter ─▶ collector
//!             │ in any order
//!             ▼
//!         tracker ─▶ the settled offset and, at the end, the report
//! ```

pub mod dedup;
mod letters;
mod reader;
pub mod tracker;

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::dead_letter::{Before, DeadLetters, UnitLetters};
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::export::{Delivery, Exporter};
use crate::pipeline::tracker::Tracker;
use crate::runtime::budget::Budget;
use crate::telemetry::metrics::Metrics;
use qtrail_core::envelope::Again;
use qtrail_core::reject::Reason;

use dedup::Window;
use qtrail_core::Converter;
use reader::{Step, Tail};

/// Steps of one unit that may be unsettled at a time.
const STEPS_IN_FLIGHT: usize = 64;
/// Refused records that a report names.
const REFUSED_IN_REPORT: usize = 1000;
/// Units that are read at a time; more wait. It leaves blocking threads to the exporter, without
/// which a reader that waits for the budget would wait for ever.
const READERS: usize = 64;

/// A readable thing full of records.
pub struct Unit {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, compressed or not.
    pub content: Content,
    /// Where `content` starts in the unit: positions count from there.
    pub base: u64,
    /// What an end in the middle of a record means.
    pub truncation: Truncation,
    /// Inflated bytes at most, where that is less than `limits.inflated_bytes`.
    pub inflated_bytes: Option<u64>,
}

/// A unit's bytes.
pub enum Content {
    /// One thing to read. What is none of CloudTrail's is refused.
    Whole(Box<dyn Read + Send>),
    /// The same, and how to have its bytes again, where they are damaged.
    Twice(Box<dyn Read + Send>, Again),
    /// The same, in memory: one that is small, inflated too, is read without a thread of its own.
    Bytes(Bytes),
    /// Texts of their own: a broken one spoils no other. What is none of CloudTrail's is told in the
    /// report, and not kept in the dead letters.
    Texts(Vec<Text>),
}

impl Content {
    /// What a reader and its clones read, each from the first byte on.
    pub fn twice(reader: impl Read + Clone + Send + 'static) -> Self {
        Content::Twice(Box::new(reader.clone()), Again::clones(reader))
    }

    /// All of its bytes, part by part, where they are in memory.
    fn in_memory(&self) -> Option<Vec<Bytes>> {
        match self {
            Content::Whole(_) | Content::Twice(..) => None,
            Content::Bytes(bytes) => Some(vec![bytes.clone()]),
            Content::Texts(texts) => Some(texts.iter().map(|text| text.bytes.clone()).collect()),
        }
    }
}

#[cfg(feature = "aws")]
impl From<crate::aws::object::Content> for Content {
    fn from(object: crate::aws::object::Content) -> Self {
        use crate::aws::object;
        match object {
            object::Content::Whole(bytes) => Content::Bytes(bytes),
            object::Content::Streamed(reader, again) => Content::Twice(reader, again),
        }
    }
}

/// One of a unit's texts.
#[derive(Debug)]
pub struct Text {
    /// The index of each record in it.
    pub number: u64,
    /// The file or object that it came from, where it is another than the unit's.
    pub source: Option<Arc<str>>,
    /// Its bytes, compressed or not.
    pub bytes: Bytes,
}

/// What an end in the middle of a record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// The unit is complete: the rest is a reject.
    Reject,
    /// More may come: the rest is left unread, and the report says so.
    Defer,
}

/// What became of a unit, once each of its records has settled.
#[derive(Debug, Clone)]
pub struct Report {
    /// Delivered: the unit may be committed. Anything else: it may not.
    pub outcome: Outcome,
    /// The counts.
    pub counts: Counts,
    /// Offset (base included) up to which every record has settled, on a boundary of records.
    pub settled_offset: u64,
    /// The unit ended in the middle of a record, and [`Truncation::Defer`] was asked for.
    pub truncated: Option<Reason>,
    /// What the reader answered, if it failed.
    pub read_error: Option<String>,
    /// The first refused records, at most 1,000, in order: their number in the unit, and why.
    pub refused: Vec<(u64, Reason)>,
    /// The unit is refused, since it cannot be read to its end: the number of the record, and why. What
    /// came before was delivered.
    pub unreadable: Option<(u64, Reason)>,
    /// Of the dead letters, how many are uncertain, among how many.
    pub uncertain: Option<(u64, u64)>,
}

/// Events counted. `read = exported + filtered + duplicate + dead_lettered` once all has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records found.
    pub read: u64,
    /// Every enabled signal was accepted.
    pub exported: u64,
    /// Not selected.
    pub filtered: u64,
    /// Delivered before.
    pub duplicate: u64,
    /// In the dead letters.
    pub dead_lettered: u64,
    /// Things that are no records: digest files, notices, …
    pub skipped: u64,
    /// Of [`Content::Texts`], those that are none of CloudTrail's. Not counted as read.
    pub foreign: u64,
    /// Inflated bytes.
    pub bytes: u64,
}

impl Counts {
    /// Adds another unit's counts.
    pub fn add(&mut self, other: &Counts) {
        self.read += other.read;
        self.exported += other.exported;
        self.filtered += other.filtered;
        self.duplicate += other.duplicate;
        self.dead_lettered += other.dead_lettered;
        self.skipped += other.skipped;
        self.foreign += other.foreign;
        self.bytes += other.bytes;
    }
}

/// The flow. Cheap to clone; shared by all inputs.
#[derive(Clone)]
pub struct Pipeline {
    conversion: Arc<Converter>,
    exporter: Exporter,
    dead_letters: DeadLetters,
    metrics: Arc<Metrics>,
    budget: Budget,
    /// Room for windows that are not small.
    windows: Budget,
    readers: Arc<Semaphore>,
    /// Who sends the units, where they are sent.
    sender: Option<Arc<str>>,
    /// What the letters of the units say, where they are replayed.
    before: Option<Arc<Before>>,
    window: Option<Window>,
    abort: CancellationToken,
}

/// The budget counts in units of this many bytes.
const BUDGET_UNIT: usize = 1024;

impl Pipeline {
    /// A pipeline that holds at most `memory_bytes` of records and payloads in flight. After `abort`, units end as
    /// [`Outcome::Abandoned`].
    pub fn new(
        conversion: Converter,
        exporter: Exporter,
        dead_letters: DeadLetters,
        metrics: Arc<Metrics>,
        memory_bytes: usize,
        abort: CancellationToken,
    ) -> Self {
        let windows = memory_bytes / 4;
        Pipeline {
            conversion: Arc::new(conversion),
            exporter,
            dead_letters,
            metrics,
            budget: Budget::new(memory_bytes - windows, BUDGET_UNIT),
            windows: Budget::new(windows, BUDGET_UNIT),
            readers: Arc::new(Semaphore::new(READERS)),
            sender: None,
            before: None,
            window: None,
            abort,
        }
    }

    /// The same, but events that the window knows are counted as duplicates, and not delivered.
    pub fn with_window(self, window: Window) -> Self {
        Pipeline {
            window: Some(window),
            ..self
        }
    }

    /// Reads one unit to its end, converts its records and delivers them. Returns when each has
    /// settled. Dropping the future abandons the unit.
    pub async fn deliver(&self, unit: Unit) -> Report {
        let origin = unit.origin.clone();
        let request = match origin.on_damage {
            OnDamage::NamePlace => None,
            _ => unit.content.in_memory(),
        };
        let letters = UnitLetters::new(&self.dead_letters, self.sender.clone(), request)
            .replaying(self.before.clone());
        let report = self.deliver_all(unit, &letters).await;
        letters.tell_rest(&origin);
        let report = self.summarize(report, letters.summary(&origin)).await;
        self.ended(report)
    }

    async fn deliver_all(&self, unit: Unit, letters: &UnitLetters) -> Report {
        if let Some(step) = reader::at_once(self, &unit, letters) {
            return self.deliver_step(unit.base, step).await;
        }
        let base = unit.base;
        let Ok(reading) = Arc::clone(&self.readers).acquire_owned().await else {
            return Report::abandoned(base);
        };
        let (steps_in, mut steps) = mpsc::channel(1);
        let reader = reader::spawn(self.clone(), unit, letters.clone(), steps_in, reading);
        let (settled_in, mut settled) = mpsc::channel(STEPS_IN_FLIGHT);
        let slots = Arc::new(Semaphore::new(STEPS_IN_FLIGHT));

        let settle_all = async {
            let mut number = 0;
            while let Some(mut step) = steps.recv().await {
                // Letters are written in the order of the records, whichever step settles first.
                let buried = self.bury(number, &mut step).await;
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                    break;
                };
                let (this, settled) = (self.clone(), settled_in.clone());
                tokio::spawn(async move {
                    let result = this.settle(buried, step).await;
                    // Nobody listens when the unit was abandoned.
                    let _ = settled.send(result).await;
                    drop(slot);
                });
                number += 1;
            }
            drop(settled_in);
            number
        };
        let gather = async {
            let mut tracker = Tracker::default();
            let mut report = Report::new(base);
            let mut heard = 0;
            while let Some(result) = settled.recv().await {
                if result.outcome == Outcome::Delivered
                    && let Some(offset) = tracker.settle(result.number, result.offset)
                {
                    report.settled_offset = offset;
                }
                report.take(result);
                heard += 1;
            }
            (report, heard)
        };
        let (begun, (mut report, heard)) = tokio::join!(settle_all, gather);
        let tail = reader.await.unwrap_or_else(|e| Tail::failed(e.to_string()));
        report.finish(tail, begun - heard);
        report
    }

    /// Delivers a unit that is one step.
    async fn deliver_step(&self, base: u64, step: Step) -> Report {
        let this = self.clone();
        // A task of its own goes on to its end, and counts, when nobody waits any more.
        let settled = tokio::spawn(async move {
            let mut step = step;
            let buried = this.bury(0, &mut step).await;
            this.settle(buried, step).await
        })
        .await;
        let mut report = Report::new(base);
        let unheard = u64::from(settled.is_err());
        if let Ok(settled) = settled {
            if settled.outcome == Outcome::Delivered {
                report.settled_offset = settled.offset;
            }
            report.take(settled);
        }
        report.finish(Tail::default(), unheard);
        report
    }

    fn ended(&self, report: Report) -> Report {
        if report.outcome == Outcome::Delivered {
            self.metrics.units.add(1);
        }
        report
    }

    /// Brings a step's rejects into the dead letters.
    async fn bury(&self, number: u64, step: &mut Step) -> Settled {
        let mut settled = Settled {
            number,
            offset: step.offset,
            outcome: Outcome::Delivered,
            counts: step.counts,
            refused: step
                .rejects
                .iter()
                .map(|e| (e.position.index, e.reason.clone()))
                .collect(),
            uncertain: None,
        };
        settled.refused.append(&mut step.told);
        let rejects = step.rejects.len() as u64;
        let letters = std::mem::take(&mut step.rejects);
        if self.dead_letters.write(letters).await.is_ok() {
            settled.counts.dead_lettered += rejects + step.suppressed.values().sum::<u64>();
            for (_, reason) in &settled.refused[..rejects as usize] {
                self.metrics.dead_letter_reasons.add(reason.kind(), 1);
            }
            for (kind, count) in &step.suppressed {
                self.metrics.dead_letter_reasons.add(kind, *count);
            }
        } else {
            settled.outcome = Outcome::Abandoned;
        }
        drop(std::mem::take(&mut step.reject_room));
        settled
    }

    /// Brings the rest of a step to its end: its chunk to the collector.
    async fn settle(&self, mut settled: Settled, step: Step) -> Settled {
        if let Some(chunk) = step.chunk {
            let newest = chunk.encoded.newest();
            let delivery = self.exporter.submit(chunk).await;
            if delivery.outcome == Outcome::Delivered {
                step.claims.delivered(&delivery.undelivered);
            }
            settled.counts.exported += delivery.exported;
            settled.counts.dead_lettered += delivery.dead_lettered;
            settled.outcome = settled.outcome.worst(delivery.outcome.clone());
            self.count(&delivery, newest);
            settled.refused.extend(delivery.refused);
            settled.uncertain = delivery.uncertain;
        }
        self.gauge_memory();
        self.metrics.exported.add(settled.counts.exported);
        self.metrics.dead_lettered.add(settled.counts.dead_lettered);
        self.metrics
            .in_flight
            .sub(settled.counts.exported + settled.counts.dead_lettered);
        settled
    }

    /// Counts what the exporter answered. `newest` is the time of the chunk's newest event.
    fn count(&self, delivery: &Delivery, newest: Option<i64>) {
        for (_, reason) in &delivery.refused {
            self.metrics.dead_letter_reasons.add(reason.kind(), 1);
        }
        if let Some((rejected, _)) = delivery.uncertain {
            self.metrics.dead_letter_reasons.add("uncertain", rejected);
        }
        if let Some(newest) = newest.filter(|_| delivery.exported > 0) {
            let now = jiff::Timestamp::now().as_nanosecond();
            let lag = (now - i128::from(newest)) / 1_000_000_000;
            self.metrics
                .lag_seconds
                .set(u64::try_from(lag).unwrap_or_default());
        }
    }

    fn gauge_memory(&self) {
        let taken = self.budget.taken_bytes();
        self.metrics.buffered_bytes.set(taken as u64);
    }
}

/// One step, settled.
struct Settled {
    number: u64,
    offset: u64,
    outcome: Outcome,
    counts: Counts,
    refused: Vec<(u64, Reason)>,
    uncertain: Option<(u64, u64)>,
}

impl Report {
    /// Whether any of its records is in the dead letters, or may be.
    pub fn has_dead_letters(&self) -> bool {
        self.counts.dead_lettered > 0 || self.uncertain.is_some()
    }

    fn new(base: u64) -> Self {
        Report {
            outcome: Outcome::Delivered,
            counts: Counts::default(),
            settled_offset: base,
            truncated: None,
            read_error: None,
            refused: Vec::new(),
            unreadable: None,
            uncertain: None,
        }
    }

    fn abandoned(base: u64) -> Self {
        Report {
            outcome: Outcome::Abandoned,
            ..Report::new(base)
        }
    }

    fn take(&mut self, settled: Settled) {
        self.counts.add(&settled.counts);
        self.outcome =
            std::mem::replace(&mut self.outcome, Outcome::Delivered).worst(settled.outcome);
        self.refused.extend(settled.refused);
        if self.refused.len() > REFUSED_IN_REPORT {
            self.sort_refused();
            self.refused.truncate(REFUSED_IN_REPORT);
        }
        if let Some((rejected, of)) = settled.uncertain {
            let (r, o) = self.uncertain.unwrap_or_default();
            self.uncertain = Some((r + rejected, o + of));
        }
    }

    /// Steps settle in any order.
    fn sort_refused(&mut self) {
        self.refused.sort_by_key(|(number, _)| *number);
    }

    /// `unheard` steps never told how they ended: their task was lost (a panic), and with it the
    /// right to commit.
    fn finish(&mut self, tail: Tail, unheard: u64) {
        self.sort_refused();
        self.truncated = tail.truncated;
        self.read_error = tail.read_error;
        self.unreadable = tail.unreadable;
        if self.read_error.is_some() {
            self.outcome = std::mem::replace(&mut self.outcome, Outcome::Delivered)
                .worst(Outcome::Retry(None));
        }
        if let Some(full) = tail.full {
            self.outcome = std::mem::replace(&mut self.outcome, Outcome::Delivered)
                .worst(Outcome::Blocked(full.0));
        } else if tail.abandoned {
            self.outcome = Outcome::Abandoned;
        }
        if unheard > 0 {
            self.outcome = Outcome::Abandoned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_not_delivered_when_a_step_was_never_heard_of_again() {
        for (unheard, outcome) in [(0, Outcome::Delivered), (1, Outcome::Abandoned)] {
            let mut report = Report::new(0);
            report.finish(Tail::default(), unheard);
            assert_eq!(report.outcome, outcome);
        }
    }
}
