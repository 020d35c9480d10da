//! Records waiting for another copy of the same event to be delivered.
//!
//! Enters: records. Leaves: duplicates, and records that are delivered instead of the other copy. What must
//! hold: the waiting records are bounded; a reader that waits has sent all that it has claimed, so that waiting
//! never goes in a circle, and stops waiting when the work is aborted.

use std::collections::HashSet;

use super::{Reached, Reader, Stopped};
use crate::pipeline::dedup::{Dedup, Id};
use qtrail_core::reject::Position;

/// Records that wait at most.
const RECORDS: usize = 512;
/// Bytes of records that wait at most.
const BYTES: usize = 256 << 10;

/// The records of one unit that wait.
#[derive(Debug, Default)]
pub(super) struct PendingDuplicates {
    bytes: Vec<u8>,
    records: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: Id,
    position: Position,
    /// Where it ends in `bytes`.
    end: usize,
}

impl PendingDuplicates {
    pub(super) fn put(&mut self, id: Id, position: Position, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.records.push(Waiting {
            id,
            position,
            end: self.bytes.len(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.bytes.len() >= BYTES
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        self.records.iter().map(|waiting| waiting.id)
    }

    /// The records in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, Position, &[u8])> {
        let mut start = 0;
        self.records.iter().map(move |waiting| {
            let from = std::mem::replace(&mut start, waiting.end);
            let bytes = &self.bytes[from..waiting.end];
            (waiting.id, waiting.position, bytes)
        })
    }
}

impl Reader {
    /// Waits for the other copies. Where one was delivered, ours is a duplicate; where it was not, ours is
    /// delivered instead, in a chunk that is yet to be sent.
    pub(super) fn settle_pending_duplicates(&mut self, reached: Reached) -> Result<(), Stopped> {
        let Some(window) = self.pipeline.dedup.clone() else {
            return Ok(());
        };
        while !self.pending_duplicates.is_empty() {
            // Others may wait for what is claimed here, or for its room.
            self.hold_nothing(reached)?;
            let settled = self.twins_settled(&window)?;
            self.reserve_for_record(reached, self.pending_duplicates.bytes.len())?;
            let waiting = std::mem::take(&mut self.pending_duplicates);
            for (id, position, bytes) in waiting.iter() {
                match settled.contains(&id) {
                    true => self.record(bytes, position)?,
                    false => self.pending_duplicates.put(id, position, bytes),
                }
            }
        }
        Ok(())
    }

    /// Waits until another copy of a waiting record has settled; the ids of those that have.
    fn twins_settled(&self, window: &Dedup) -> Result<HashSet<Id>, Stopped> {
        let mut changes = window.settled();
        loop {
            changes.mark_unchanged();
            let settled = window.not_in_flight(self.pending_duplicates.ids());
            if !settled.is_empty() {
                return Ok(settled);
            }
            self.output.wait(async {
                tokio::select! {
                    _ = changes.changed() => Ok(()),
                    () = self.pipeline.abort.cancelled() => Err(Stopped::Abandoned),
                    () = self.output.closed() => Err(Stopped::Abandoned),
                }
            })?;
        }
    }
}
