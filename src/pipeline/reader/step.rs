//! What was read becomes a step: events to deliver, rejects with their letters, counts.
//!
//! What must hold: each record is in exactly one step, and counted with it; a step whose dead letters
//! have no room is not sent, and so not read.

use std::collections::BTreeMap;

use super::{Abandoned, Reached, Reader, room};
use crate::dead_letter::{Entry, Taken};
use crate::export::Chunk;
use crate::pipeline::dedup::Claims;
use crate::pipeline::{Counts, REFUSED_IN_REPORT};
use crate::runtime::budget::Reservation;
use crate::telemetry::metrics::Metrics;
use qtrail_core::reject::{Reason, Reject};

/// What was read since the step before.
pub(in crate::pipeline) struct Step {
    /// Offset in the unit (base included) up to which this and the earlier steps reach.
    pub(in crate::pipeline) offset: u64,
    /// Read, filtered, duplicate, skipped, bytes: what needs no settling.
    pub(in crate::pipeline) counts: Counts,
    /// Refused records, with the room for them in the budget and among the letters.
    pub(in crate::pipeline) rejects: Vec<Entry>,
    pub(in crate::pipeline) reject_room: (Option<Reservation>, Taken),
    /// Refused records that have no letter of their own, by the kind of their reason.
    pub(in crate::pipeline) suppressed: BTreeMap<&'static str, u64>,
    /// What is told without a letter: numbers, of texts that are none of CloudTrail's too, and why.
    pub(in crate::pipeline) told: Vec<(u64, Reason)>,
    /// Events to deliver.
    pub(in crate::pipeline) chunk: Option<Chunk>,
    /// The claims on them.
    pub(in crate::pipeline) claims: Claims,
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

impl Reader {
    /// A record that cannot be had: its letter, if its unit may have one more. It is not counted as read
    /// before the letter leaves.
    pub(super) fn refuse(&mut self, mut reject: Reject) {
        self.rejected += 1;
        if self.output.is_one() {
            return;
        }
        reject.evidence = self.origin.keep(reject.evidence);
        let entry = Entry::new(self.origin.clone(), reject);
        let (index, reason) = (entry.position.index, entry.reason.clone());
        match self.letters.admit(entry) {
            Some(entry) => {
                self.reject_bytes += room::reject_bytes(entry.record.len());
                self.letter_bytes += entry.bytes();
                self.rejects.push(entry);
            }
            None => {
                *self.suppressed.entry(reason.kind()).or_default() += 1;
                if self.rejected <= REFUSED_IN_REPORT as u64 {
                    self.told.push((index, reason));
                }
            }
        }
    }

    /// Sends what was read since the step before, unless there is no room for its dead letters: an
    /// event may become one too.
    pub(super) fn send(&mut self, reached: Reached) -> Result<(), Abandoned> {
        let leave = self.letters_may_leave();
        let mut letters = Taken::default();
        if !self.originals.records.is_empty() || leave && !self.rejects.is_empty() {
            let bytes = if leave { self.letter_bytes } else { 0 };
            let room = self.pipeline.dead_letters.room(&self.sender, bytes);
            letters = room.map_err(|full| {
                self.full = Some(full);
                Abandoned
            })?;
        }
        let (events, reject_room) = self.take_room(leave);
        let (mut rejects, mut suppressed, mut told) = Default::default();
        if leave {
            rejects = std::mem::take(&mut self.rejects);
            suppressed = std::mem::take(&mut self.suppressed);
            told = std::mem::take(&mut self.told);
            (self.reject_bytes, self.letter_bytes) = (0, 0);
        }
        let mut counts = std::mem::take(&mut self.counts);
        counts.read += rejects.len() as u64 + suppressed.values().sum::<u64>();
        let inflated = self.inflated_before + reached.inflated;
        counts.bytes = inflated - self.sent_bytes;
        self.sent_bytes = inflated;
        if self.pending_duplicates.is_empty() {
            self.sent_offset = reached.offset;
        }
        let step = Step {
            offset: self.base + self.sent_offset,
            counts,
            chunk: self.take_chunk(events),
            rejects,
            reject_room: (reject_room, letters),
            suppressed,
            told,
            claims: self.claims.take(),
        };
        self.pipeline.gauge_memory();
        self.output.send(step, &self.pipeline.metrics)
    }

    fn take_chunk(&mut self, room: Option<Reservation>) -> Option<Chunk> {
        if self.originals.records.is_empty() {
            return None;
        }
        let originals = std::mem::take(&mut self.originals);
        self.originals.bytes.reserve(originals.bytes.len());
        Some(Chunk {
            origin: self.origin.clone(),
            encoded: self.encoder.take(),
            originals,
            letters: self.letters.clone(),
            permit: room,
        })
    }
}
