//! Room in the budget for what a reader holds.
//!
//! Enters: bytes that are about to be held. Leaves: permits, which go on with the step that holds
//! them. What must hold: a reader that waits for room holds nothing that is not sent, so that
//! whatever could make room never waits for it; one that waits for room for its window has none for
//! a window either.

use std::io::Read;

use super::{Abandoned, Reached, Reader};
use crate::dead_letter::Entry;
use crate::export::Original;
use crate::runtime::budget::{Budget, Reservation};
use qtrail_core::envelope::Records;

/// A record takes up to so many times its bytes, once it is encoded for both signals and while they
/// are sent, and so many bytes beside.
const RECORD_FACTOR: usize = 8;
const RECORD_BYTES: usize = 4 << 10;
/// Bytes that are asked for at once, so that it is done seldom; less where the budget is small.
const GRAIN: usize = 256 << 10;
const GRAINS: usize = 8;

/// The window that every reader may have.
pub(super) const SMALL_WINDOW: usize = 256 << 10;
/// One that takes [`MEDIUM_BYTES`] of the windows' room, with what is made of its values.
const MEDIUM_WINDOW: usize = 1 << 20;
const MEDIUM_BYTES: usize = 4 << 20;
/// A window without a bound takes so many times the bytes of the largest event.
const LARGE_FACTOR: usize = 16;

impl Reader {
    /// Room for `more` bytes beside what is held. Where there is none, what is held is sent first.
    pub(super) fn make_room(&mut self, reached: Reached, more: usize) -> Result<(), Abandoned> {
        let held = self.room.as_ref().map_or(0, Reservation::bytes);
        let wanted = self.held_bytes() + more;
        if wanted <= held {
            return Ok(());
        }
        let (missing, grain) = (wanted - held, self.grain());
        for bytes in [missing.max(grain), missing] {
            if let Some(room) = self.pipeline.budget.try_acquire(bytes) {
                match &mut self.room {
                    Some(held) => held.merge(room),
                    none => *none = Some(room),
                }
                return Ok(());
            }
        }
        self.hold_nothing(reached)?;
        self.room = Some(self.wait_for(&self.pipeline.budget, more.max(grain))?);
        Ok(())
    }

    /// Room for a record, of whatever it becomes.
    pub(super) fn make_room_for_record(
        &mut self,
        reached: Reached,
        bytes: usize,
    ) -> Result<(), Abandoned> {
        self.make_room(reached, RECORD_FACTOR * bytes + RECORD_BYTES)
    }

    /// Gives back most of the room that a large record did not take after all.
    pub(super) fn spare_room(&mut self) {
        let needed = self.held_bytes() + self.grain();
        if let Some(room) = &mut self.room
            && room.bytes() > 2 * needed
        {
            room.shrink_to(needed);
        }
    }

    /// Bytes that are asked for at once.
    fn grain(&self) -> usize {
        GRAIN.min(self.pipeline.budget.total_bytes() / GRAINS)
    }

    /// Room for a larger window. It is held until the unit ends.
    pub(super) fn make_window<R: Read>(
        &mut self,
        records: &mut Records<R>,
        wanted: usize,
    ) -> Result<(), Abandoned> {
        let large = LARGE_FACTOR.saturating_mul(self.pipeline.conversion.limits.event_bytes);
        let (bytes, window) = match wanted <= MEDIUM_WINDOW {
            true => (MEDIUM_BYTES.min(large), MEDIUM_WINDOW),
            false => (large, usize::MAX),
        };
        self.hold_nothing(Reached::of(records))?;
        self.window = None;
        self.window = Some(self.wait_for(&self.pipeline.windows, bytes)?);
        self.window_bytes = window;
        records.allow_window(window);
        Ok(())
    }

    /// Sends what is held, and gives back the room that is left. Rejects that may not leave yet stay,
    /// beside the request that they are a part of; [`super::STEP_REJECT_BYTES`] bounds them.
    pub(super) fn hold_nothing(&mut self, reached: Reached) -> Result<(), Abandoned> {
        if !self.originals.records.is_empty() || !self.rejects.is_empty() {
            self.send(reached)?;
        }
        self.room = None;
        Ok(())
    }

    fn wait_for(&self, budget: &Budget, bytes: usize) -> Result<Reservation, Abandoned> {
        self.output.wait(async {
            tokio::select! {
                room = budget.acquire(bytes) => room.ok_or(Abandoned),
                () = self.pipeline.abort.cancelled() => Err(Abandoned),
                () = self.output.closed() => Err(Abandoned),
            }
        })
    }

    /// The room that what is held takes: of the events, and of the rejects, where they leave. The rest is
    /// given back.
    pub(super) fn take_room(
        &mut self,
        rejects_leave: bool,
    ) -> (Option<Reservation>, Option<Reservation>) {
        let mut room = self.room.take();
        let mut take = |bytes| room.as_mut()?.split(bytes);
        let events = take(self.event_bytes());
        let rejects = take(self.reject_bytes);
        if rejects_leave {
            return (events, rejects);
        }
        self.room = rejects;
        (events, None)
    }

    fn held_bytes(&self) -> usize {
        self.event_bytes() + self.reject_bytes
    }

    /// While a request is under way, its bytes stand beside the records that they hold.
    fn event_bytes(&self) -> usize {
        let records = self.originals.records.len() * size_of::<Original>();
        self.originals.bytes.len() + records + 2 * self.encoder.encoded_len()
    }
}

/// Bytes that a reject takes whose record has so many.
pub(super) fn reject_bytes(record: usize) -> usize {
    record + size_of::<Entry>()
}
