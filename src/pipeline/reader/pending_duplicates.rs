//! Records of which a twin is in flight, until that has settled.
//!
//! Enters: records. Leaves: duplicates, and records that take their twin's place. What must hold:
//! what waits is bounded; who waits has sent all that it has claimed, so that waiting never goes in a
//! circle, and stops waiting when the work is aborted.

use std::collections::HashSet;

use super::{Abandoned, Reached, Reader};
use crate::pipeline::dedup::{Id, Window};
use qtrail_core::reject::Position;

/// Records beyond which no more are put aside.
const RECORDS: usize = 512;
/// Bytes of records beyond which no more are put aside.
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
    /// Waits for the twins of what was put aside. Where one was delivered, ours is a duplicate; where
    /// it was not, ours takes its place, in a chunk that is yet to be sent.
    pub(super) fn settle_pending_duplicates(&mut self, reached: Reached) -> Result<(), Abandoned> {
        let Some(window) = self.pipeline.window.clone() else {
            return Ok(());
        };
        while !self.pending_duplicates.is_empty() {
            // Others may wait for what is claimed here, or for its room.
            self.hold_nothing(reached)?;
            let settled = self.twins_settled(&window)?;
            self.make_room_for_record(reached, self.pending_duplicates.bytes.len())?;
            let pending_duplicates = std::mem::take(&mut self.pending_duplicates);
            for (id, position, bytes) in pending_duplicates.iter() {
                match settled.contains(&id) {
                    true => self.record(bytes, position),
                    false => self.pending_duplicates.put(id, position, bytes),
                }
            }
        }
        Ok(())
    }

    /// Waits until a twin of what was put pending_duplicates has settled; the ids of those that have.
    fn twins_settled(&self, window: &Window) -> Result<HashSet<Id>, Abandoned> {
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
                    () = self.pipeline.abort.cancelled() => Err(Abandoned),
                    () = self.output.closed() => Err(Abandoned),
                }
            })?;
        }
    }
}
