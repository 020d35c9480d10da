//! What leaves the pipeline: a [`Report`] for each unit.
//!
//! Enters: how each step settled, in any order, and how the reading ended. Leaves: the outcome, the counts and
//! the settled offset. What must hold: a step that was lost never lets its unit be committed.

use super::reader::{ReadEnd, Stopped};
use super::settle::Settled;
use super::tracker::Tracker;
use crate::export::Outcome;
use crate::proof::manifest::Measured;
use qtrail_core::reject::Reason;

/// Refused records that a report names.
pub(super) const REFUSED_IN_REPORT: usize = 1000;

/// What became of a unit, once each of its records has settled.
#[derive(Debug, Clone)]
pub struct Report {
    /// Delivered: the unit may be committed. Anything else: it may not.
    pub outcome: Outcome,
    /// The counts.
    pub counts: Counts,
    /// Offset (base included) up to which every record has settled, on a boundary of records.
    pub settled_offset: u64,
    /// The unit ended in the middle of a record, and [`Truncation::Defer`](super::Truncation::Defer) was asked for.
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
    /// What was seen of its bytes, for its manifest record.
    pub measured: Measured,
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
    /// Of [`Content::Texts`](super::Content::Texts), those that are none of CloudTrail's. Not counted as read.
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

impl Report {
    /// Whether any of its records is in the dead letters, or may be.
    pub fn has_dead_letters(&self) -> bool {
        self.counts.dead_lettered > 0 || self.uncertain.is_some()
    }

    pub(super) fn abandoned(base: u64) -> Self {
        Report::empty(Outcome::Abandoned, base)
    }

    /// The report of a unit without a record, which has settled up to this offset.
    pub fn empty(outcome: Outcome, base: u64) -> Self {
        Report {
            outcome,
            counts: Counts::default(),
            settled_offset: base,
            truncated: None,
            read_error: None,
            refused: Vec::new(),
            unreadable: None,
            uncertain: None,
            measured: Measured::default(),
        }
    }

    fn worsen(&mut self, outcome: Outcome) {
        self.outcome = std::mem::replace(&mut self.outcome, Outcome::Delivered).worst(outcome);
    }
}

/// A report that is not complete yet.
pub(super) struct Gathering {
    report: Report,
    tracker: Tracker,
    /// Steps that have settled.
    settled: u64,
}

impl Gathering {
    /// Of a unit whose bytes start at `base`.
    pub(super) fn new(base: u64) -> Self {
        Gathering {
            report: Report::empty(Outcome::Delivered, base),
            tracker: Tracker::default(),
            settled: 0,
        }
    }

    /// Takes a step that has settled.
    pub(super) fn take(&mut self, step: Settled) {
        let report = &mut self.report;
        self.settled += 1;
        if step.outcome == Outcome::Delivered
            && let Some(offset) = self.tracker.settle(step.number, step.offset)
        {
            report.settled_offset = offset;
        }
        report.counts.add(&step.counts);
        report.worsen(step.outcome);
        report.refused.extend(step.refused);
        if report.refused.len() > REFUSED_IN_REPORT {
            // Steps settle in any order.
            report.refused.sort_by_key(|(number, _)| *number);
            report.refused.truncate(REFUSED_IN_REPORT);
        }
        if let Some((rejected, of)) = step.uncertain {
            let (r, o) = report.uncertain.unwrap_or_default();
            report.uncertain = Some((r + rejected, o + of));
        }
    }

    /// The report, once `steps` steps were read. Where fewer have settled, a task was lost (a panic), and
    /// with it the right to commit.
    pub(super) fn finish(self, end: ReadEnd, steps: u64) -> Report {
        let mut report = self.report;
        report.refused.sort_by_key(|(number, _)| *number);
        report.truncated = end.truncated;
        report.read_error = end.read_error;
        report.unreadable = end.unreadable;
        report.measured = end.measured;
        if report.read_error.is_some() {
            report.worsen(Outcome::Retry(None));
        }
        match end.stopped {
            None => {}
            Some(Stopped::Unplaced(error)) => {
                report.read_error = Some(error.to_string());
                report.worsen(Outcome::Retry(None));
            }
            Some(Stopped::LettersFull(full)) => report.worsen(Outcome::Blocked(full.0)),
            Some(Stopped::Abandoned) => report.outcome = Outcome::Abandoned,
        }
        if self.settled < steps {
            report.outcome = Outcome::Abandoned;
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_not_delivered_when_a_step_was_never_heard_of_again() {
        for (steps, outcome) in [(0, Outcome::Delivered), (1, Outcome::Abandoned)] {
            let report = Gathering::new(0).finish(ReadEnd::default(), steps);
            assert_eq!(report.outcome, outcome);
        }
    }
}
