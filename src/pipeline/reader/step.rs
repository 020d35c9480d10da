//! What was read becomes a step: events to deliver, rejects with their letters, counts.
//!
//! What must hold: each record is in exactly one step, and counted with it; a step whose dead letters
//! have no room is not sent, and so not read.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Reader, Stopped};
use crate::dead_letter::{Entry, Reserved};
use crate::export::Chunk;
use crate::pipeline::Counts;
use crate::pipeline::dedup::Claims;
use crate::runtime::budget::Reservation;
use crate::telemetry::agents::Facts;
use crate::telemetry::metrics::Metrics;
use qtrail_core::envelope::Records;
use qtrail_core::reject::Reason;

/// Inflated bytes after which a step is sent, so that a follower's commits move through noise.
const STEP_INFLATED: u64 = 32 << 20;

/// What was read since the step before.
pub(in crate::pipeline) struct Step {
    /// Offset in the unit (base included) up to which this and the earlier steps reach.
    pub(in crate::pipeline) offset: u64,
    /// Read, filtered, duplicate, skipped, bytes: what needs no settling.
    pub(in crate::pipeline) counts: Counts,
    /// Refused records, with the memory and the room among the letters that were reserved for them.
    pub(in crate::pipeline) rejects: Vec<Entry>,
    pub(in crate::pipeline) reject_memory: (Option<Reservation>, Reserved),
    /// Refused records that have no letter of their own, by the kind of their reason.
    pub(in crate::pipeline) suppressed: BTreeMap<&'static str, u64>,
    /// What is reported without a letter: numbers, of texts that are none of CloudTrail's too, and why.
    pub(in crate::pipeline) without_letter: Vec<(u64, Reason)>,
    /// Events to deliver.
    pub(in crate::pipeline) chunk: Option<Chunk>,
    /// The claims on them.
    pub(in crate::pipeline) claims: Claims,
    /// What is counted of them.
    pub(in crate::pipeline) facts: Facts,
}

impl Step {
    /// Counts what was read.
    pub(super) fn count(&self, metrics: &Metrics) {
        let counts = &self.counts;
        metrics.read.add(counts.read);
        metrics.filtered.add(counts.filtered);
        metrics.duplicate.add(counts.duplicate);
        metrics
            .in_flight
            .add(counts.read - counts.filtered - counts.duplicate);
        metrics.skipped.add(counts.foreign);
        metrics.inflated_bytes.add(counts.bytes);
    }
}

/// How far the reading of one thing has come.
#[derive(Clone, Copy, Default)]
pub(super) struct Reached {
    /// Inflated bytes.
    pub(super) inflated: u64,
    /// The same, with all that was inflated inside.
    pub(super) spent: u64,
    /// Where a follower resumes.
    pub(super) offset: u64,
}

impl Reached {
    pub(super) fn of<R: Read>(records: &Records<R>) -> Self {
        Reached {
            inflated: records.inflated_bytes(),
            spent: records.spent_bytes(),
            offset: records.resume_offset(),
        }
    }
}

/// How far the steps have come.
#[derive(Default)]
pub(super) struct Progress {
    /// Of the next step.
    pub(super) counts: Counts,
    /// Inflated bytes of the texts before the one that is read.
    pub(super) inflated_before: u64,
    /// Inflated bytes up to the last step.
    sent_bytes: u64,
    /// The offset up to which the last step reached.
    sent_offset: u64,
}

impl Progress {
    /// Whether the next step is due for its inflated bytes alone.
    pub(super) fn is_long(&self, reached: Reached) -> bool {
        self.inflated_before + reached.inflated - self.sent_bytes >= STEP_INFLATED
    }
}

impl Reader {
    /// Sends what was read since the step before, unless there is no room for its dead letters: an
    /// event may become one too.
    pub(super) fn send(&mut self, reached: Reached) -> Result<(), Stopped> {
        let leave = self.letters_may_leave();
        let mut reserved = Reserved::default();
        if !self.chunk.is_empty() || leave && !self.rejects.is_empty() {
            let bytes = if leave {
                self.rejects.letter_bytes()
            } else {
                0
            };
            let letters = &self.pipeline.dead_letters;
            let taken = letters.reserve(&self.rejects.account, bytes);
            reserved = taken.map_err(Stopped::LettersFull)?;
        }
        let (event_memory, reject_memory) = self.take_memory(leave);
        let rejects = match leave {
            true => self.rejects.take(),
            false => Default::default(),
        };
        let progress = &mut self.progress;
        let mut counts = std::mem::take(&mut progress.counts);
        counts.read += rejects.count();
        let inflated = progress.inflated_before + reached.inflated;
        counts.bytes = inflated - progress.sent_bytes;
        progress.sent_bytes = inflated;
        if self.pending_duplicates.is_empty() {
            progress.sent_offset = reached.offset;
        }
        let letters = self.rejects.letters.clone();
        let (chunk, claims, facts) = self.chunk.take(&self.source, letters, event_memory);
        let step = Step {
            offset: self.base + progress.sent_offset,
            counts,
            rejects: rejects.entries,
            reject_memory: (reject_memory, reserved),
            suppressed: rejects.suppressed,
            without_letter: rejects.without_letter,
            chunk,
            claims,
            facts,
        };
        self.pipeline.gauge_memory();
        self.output.send(step, &self.pipeline.metrics)
    }
}
