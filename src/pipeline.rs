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
//!         report: the outcome, the counts, and by the tracker the settled offset
//! ```

pub mod assembly;
mod conversion;
pub mod dedup;
mod letters;
mod manifest;
mod reader;
pub mod recent;
mod report;
mod settle;
pub mod tracker;
mod unit;

use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::dead_letter::{Before, DeadLetters, UnitLetters};
use crate::export::{Exporter, Outcome};
use crate::names::Queue;
use crate::proof::manifest::Manifest;
use crate::runtime::budget::Budget;
use crate::telemetry::agents::Feed;
use crate::telemetry::metrics::Metrics;
use dedup::{Conversations, Dedup};
use qtrail_core::Converter;
use qtrail_core::assemble::Tree;
use reader::log_file::Buffers;
use reader::{ReadEnd, Step};
use recent::Recent;
use report::Gathering;
use settle::STEPS_IN_FLIGHT;

pub use conversion::Conversion;
pub use report::{Counts, Report};
pub use unit::{Content, Text, Truncation, Unit};

/// Units that are read at a time; more wait. It leaves blocking threads to the exporter, without
/// which a reader that waits for the budget would wait for ever.
const READERS: usize = 64;
/// The budgets count in units of this many bytes.
const BUDGET_UNIT: usize = 1024;

/// The flow. Cheap to clone; shared by all inputs.
#[derive(Clone)]
pub struct Pipeline {
    conversion: Conversion,
    exporter: Exporter,
    dead_letters: DeadLetters,
    metrics: Arc<Metrics>,
    /// `limits.memory`.
    memory_bytes: usize,
    /// Records and payloads in flight.
    budget: Budget,
    /// Windows that are not small, and files that are read as a whole.
    windows: Budget,
    readers: Arc<Semaphore>,
    /// For files that are read as a whole.
    buffers: Buffers,
    /// The sender of the units, where they are sent.
    sender: Option<Arc<str>>,
    /// What the dead letters of the units said, where they are replayed.
    before: Option<Arc<Before>>,
    dedup: Option<Dedup>,
    /// Keeps the last events that were delivered.
    recent: Option<Recent>,
    /// People whose names are looked up.
    names: Option<Queue>,
    /// The conversations of delivered events, without `dedup`.
    conversations: Arc<Mutex<Conversations>>,
    /// As what its events are counted.
    feed: Feed,
    /// The places of events in assembled conversations.
    tree: Option<Arc<Tree>>,
    /// Delivers a record of each file and object.
    manifest: Option<Manifest>,
    abort: CancellationToken,
}

impl Pipeline {
    /// A pipeline that holds at most `memory_bytes` of records and payloads in flight, and no more of them than the
    /// exporter can use. After `abort`, units end as [`Outcome::Abandoned`].
    pub fn new(
        conversion: Converter,
        exporter: Exporter,
        dead_letters: DeadLetters,
        metrics: Arc<Metrics>,
        memory_bytes: usize,
        abort: CancellationToken,
    ) -> Self {
        let windows = memory_bytes / 4;
        let events = (memory_bytes - windows).min(exporter.useful_bytes());
        Pipeline {
            conversion: Conversion::new(conversion),
            exporter,
            dead_letters,
            metrics,
            memory_bytes,
            budget: Budget::new(events, BUDGET_UNIT),
            windows: Budget::new(windows, BUDGET_UNIT),
            readers: Arc::new(Semaphore::new(READERS)),
            buffers: Buffers::default(),
            sender: None,
            before: None,
            dedup: None,
            recent: None,
            names: None,
            conversations: Arc::default(),
            feed: Feed::Live,
            tree: None,
            manifest: None,
            abort,
        }
    }

    /// How its units are converted.
    pub(crate) fn conversion(&self) -> &Conversion {
        &self.conversion
    }

    /// Counts events as a backfill's.
    pub fn for_backfill(self) -> Self {
        Pipeline {
            feed: Feed::Backfill,
            ..self
        }
    }

    /// Places events in assembled conversations.
    pub fn with_tree(self, tree: Arc<Tree>) -> Self {
        Pipeline {
            tree: Some(tree),
            ..self
        }
    }

    /// The same, but events that were delivered before are counted as duplicates, and not delivered.
    pub fn with_dedup(self, dedup: Dedup) -> Self {
        Pipeline {
            dedup: Some(dedup),
            ..self
        }
    }

    /// Has the names of the people in its events looked up.
    #[cfg(feature = "aws")]
    pub(crate) fn with_names(self, names: Queue) -> Self {
        Pipeline {
            names: Some(names),
            ..self
        }
    }

    /// Keeps the last events that were delivered.
    pub fn with_recent(self, recent: Recent) -> Self {
        Pipeline {
            recent: Some(recent),
            ..self
        }
    }

    /// Delivers a record of each file and object before it is committed.
    /// `verifies`: whether findings about the digests follow.
    pub fn with_manifest(self, verifies: bool) -> Self {
        let manifest = Manifest::new(&self.conversion.current().options, verifies);
        Pipeline {
            manifest: Some(manifest),
            ..self
        }
    }

    /// Reads one unit to its end, converts its records and delivers them. Returns when each has
    /// settled. Dropping the future abandons the unit.
    pub async fn deliver(&self, unit: Unit) -> Report {
        let origin = unit.origin.clone();
        let letters = self.letters_of(&unit);
        let truncation = unit.truncation;
        let base = unit.base;
        let report = match reader::at_once(self, &unit, &letters) {
            Some((step, end)) => self.deliver_step(base, step, end).await,
            None => self.deliver_steps(unit, &letters).await,
        };
        letters.tell_rest(&origin);
        let report = self.summarize(report, letters.summary(&origin)).await;
        let report = self.manifest_of(report, &origin, base, truncation).await;
        if report.outcome == Outcome::Delivered {
            self.metrics.units.add(1);
        }
        report
    }

    /// Reads a unit on a thread of its own, and settles its steps.
    async fn deliver_steps(&self, unit: Unit, letters: &UnitLetters) -> Report {
        let mut report = Gathering::new(unit.base);
        let Ok(reading) = Arc::clone(&self.readers).acquire_owned().await else {
            return Report::abandoned(unit.base);
        };
        let (steps_in, steps) = mpsc::channel(1);
        let (settled_in, mut settled) = mpsc::channel(STEPS_IN_FLIGHT);
        let reader = reader::spawn(self.clone(), unit, letters.clone(), steps_in, reading);
        let gather = async {
            while let Some(step) = settled.recv().await {
                report.take(step);
            }
        };
        let (count, ()) = tokio::join!(self.settle_each(steps, settled_in), gather);
        let end = reader
            .await
            .unwrap_or_else(|error| ReadEnd::failed(error.to_string()));
        report.finish(end, count)
    }

    /// Settles a unit that is one step.
    async fn deliver_step(&self, base: u64, step: Step, end: ReadEnd) -> Report {
        let mut report = Gathering::new(base);
        let this = self.clone();
        // A task of its own goes on to its end, and counts, when nobody waits any more.
        if let Ok(settled) = tokio::spawn(async move { this.settle_only(step).await }).await {
            report.take(settled);
        }
        report.finish(end, 1)
    }
}
