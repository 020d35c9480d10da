//! What a report rests on: what was read, and what of it the report does not show.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::store::Stored;
use crate::cli::totals::Totals;
use crate::dead_letter::Origin;
use qtrail_core::reject::Reject;

/// Places of dead letters that a report lists.
const EXAMPLES: usize = 20;

/// Records that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeadLetters {
    pub(crate) count: u64,
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    /// The first ones by file and number of the record.
    pub(crate) examples: BTreeSet<DeadLetter>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadLetter {
    pub(crate) file: String,
    pub(crate) record: u64,
    pub(crate) offset: u64,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl DeadLetters {
    /// Adds a record.
    pub(crate) fn add(&mut self, origin: &Origin, reject: &Reject) {
        let reason = reject.reason.kind();
        self.count += 1;
        *self.reasons.entry(reason).or_default() += 1;
        self.examples.insert(DeadLetter {
            file: origin.name.to_string(),
            record: reject.position.index,
            offset: reject.position.offset,
            reason,
            message: reject.reason.to_string(),
        });
        if self.examples.len() > EXAMPLES {
            self.examples.pop_last();
        }
    }
}

/// What a report rests on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Basis {
    /// What was asked for.
    pub(crate) paths: Vec<String>,
    pub(crate) files: u64,
    pub(crate) records: u64,
    /// Whether every event was selected, not only those of agents.
    pub(crate) all: bool,
    /// Events that were selected, without repeats.
    pub(crate) events: u64,
    /// Records that are not selected.
    pub(crate) others: u64,
    /// Events that were read again.
    pub(crate) repeats: u64,
    pub(crate) dead_letters: DeadLetters,
    /// Files or parts of files without CloudTrail events, such as digest files.
    pub(crate) skipped: u64,
    /// Selected events outside `--from` and `--to`, repeats included.
    pub(crate) outside: u64,
    /// Events that do not fit into memory, repeats included, and the time from which they are missing.
    pub(crate) left_out: u64,
    pub(crate) end: Option<i64>,
    /// Times of the first and the last event, in nanoseconds since 1970.
    pub(crate) range: Option<(i64, i64)>,
    /// Some file could not be read.
    pub(crate) failed: bool,
    /// The filters, in words.
    pub(crate) filters: Vec<String>,
}

impl Basis {
    /// The facts after reading.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(crate) fn of(
        done: &Totals,
        stored: &Stored,
        dead_letters: DeadLetters,
        outside: u64,
    ) -> io::Result<Self> {
        let events = &stored.events;
        Ok(Basis {
            files: done.files,
            records: done.counts.read,
            events: events.len() as u64,
            others: done.counts.filtered,
            repeats: events.repeats,
            dead_letters,
            skipped: done.counts.skipped,
            outside,
            left_out: stored.left_out,
            end: stored.end,
            range: events.range()?,
            failed: done.failed,
            ..Basis::default()
        })
    }

    /// Whether something that the report should show may be missing.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.failed || self.left_out > 0
    }
}
