//! The memory of a reader, reserved before it is used.
//!
//! Enters: bytes that are about to be held. Leaves: reservations, which go on with the step that holds
//! the bytes. What must hold: a reader that waits for memory holds nothing that is not sent, so that
//! whatever could free memory never waits for it; one that waits for memory for its window has none for
//! a window either.

use std::io::Read;

use super::{Reached, Reader, Stopped};
use crate::runtime::budget::{Budget, Reservation};
use qtrail_core::envelope::Records;

/// A record takes up to so many times its bytes, once it is encoded for both signals and while they
/// are sent, and so many bytes beside.
const RECORD_FACTOR: usize = 8;
const RECORD_BYTES: usize = 4 << 10;
/// Bytes that are reserved at once, so that it is done seldom; less where the budget is small.
const GRAIN: usize = 256 << 10;
const GRAINS: usize = 8;

/// The window that every reader may have.
const SMALL_WINDOW: usize = 256 << 10;
/// One that takes [`MEDIUM_BYTES`] of the windows' budget, with what is made of its values.
const MEDIUM_WINDOW: usize = 1 << 20;
const MEDIUM_BYTES: usize = 4 << 20;
/// A window without a bound takes so many times the bytes of the largest event.
const LARGE_FACTOR: usize = 16;

/// What a reader has reserved.
pub(super) struct Memory {
    /// For what the next step holds.
    step: Option<Reservation>,
    /// For a window that is not small.
    window: Option<Reservation>,
    /// How large the window may be.
    pub(super) window_bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            step: None,
            window: None,
            window_bytes: SMALL_WINDOW,
        }
    }
}

impl Reader {
    /// Reserves `more` bytes beside what is held. Where there is no room, what is held is sent first.
    pub(super) fn reserve(&mut self, reached: Reached, more: usize) -> Result<(), Stopped> {
        let reserved = self.memory.step.as_ref().map_or(0, Reservation::bytes);
        let wanted = self.held_bytes() + more;
        if wanted <= reserved {
            return Ok(());
        }
        let (missing, grain) = (wanted - reserved, self.grain());
        for bytes in [missing.max(grain), missing] {
            if let Some(room) = self.pipeline.budget.try_acquire(bytes) {
                match &mut self.memory.step {
                    Some(step) => step.merge(room),
                    none => *none = Some(room),
                }
                return Ok(());
            }
        }
        self.hold_nothing(reached)?;
        self.memory.step = Some(self.wait_for(&self.pipeline.budget, more.max(grain))?);
        Ok(())
    }

    /// Reserves what a record takes, whatever it becomes.
    pub(super) fn reserve_for_record(
        &mut self,
        reached: Reached,
        bytes: usize,
    ) -> Result<(), Stopped> {
        self.reserve(reached, RECORD_FACTOR * bytes + RECORD_BYTES)
    }

    /// Gives back most of the memory that a large record did not take after all.
    pub(super) fn give_back_spare(&mut self) {
        let needed = self.held_bytes() + self.grain();
        if let Some(step) = &mut self.memory.step
            && step.bytes() > 2 * needed
        {
            step.shrink_to(needed);
        }
    }

    /// Bytes that are reserved at once.
    fn grain(&self) -> usize {
        GRAIN.min(self.pipeline.budget.total_bytes() / GRAINS)
    }

    /// Reserves a larger window. It is held until the unit ends.
    pub(super) fn enlarge_window<R: Read>(
        &mut self,
        records: &mut Records<R>,
        wanted: usize,
    ) -> Result<(), Stopped> {
        let large = LARGE_FACTOR.saturating_mul(self.conversion.limits.event_bytes);
        let (bytes, window) = match wanted <= MEDIUM_WINDOW {
            true => (MEDIUM_BYTES.min(large), MEDIUM_WINDOW),
            false => (large, usize::MAX),
        };
        self.hold_nothing(Reached::of(records))?;
        self.memory.window = None;
        self.memory.window = Some(self.wait_for(&self.pipeline.windows, bytes)?);
        self.memory.window_bytes = window;
        records.allow_window(window);
        Ok(())
    }

    /// Sends what is held, and gives back the memory that is left. Rejects that may not leave yet stay,
    /// beside the request that they are a part of; their number and bytes are bounded.
    pub(super) fn hold_nothing(&mut self, reached: Reached) -> Result<(), Stopped> {
        if !self.chunk.is_empty() || !self.rejects.is_empty() {
            self.send(reached)?;
        }
        self.memory.step = None;
        Ok(())
    }

    fn wait_for(&self, budget: &Budget, bytes: usize) -> Result<Reservation, Stopped> {
        self.output.wait(async {
            tokio::select! {
                room = budget.acquire(bytes) => room.ok_or(Stopped::Abandoned),
                () = self.pipeline.abort.cancelled() => Err(Stopped::Abandoned),
                () = self.output.closed() => Err(Stopped::Abandoned),
            }
        })
    }

    /// The memory that goes with the next step: of its events, and of its rejects, where they leave. The
    /// rest is given back.
    pub(super) fn take_memory(
        &mut self,
        rejects_leave: bool,
    ) -> (Option<Reservation>, Option<Reservation>) {
        let mut step = self.memory.step.take();
        let mut take = |bytes| step.as_mut()?.split(bytes);
        let events = take(self.chunk.memory_bytes());
        let rejects = take(self.rejects.memory_bytes());
        if rejects_leave {
            return (events, rejects);
        }
        self.memory.step = rejects;
        (events, None)
    }

    fn held_bytes(&self) -> usize {
        self.chunk.memory_bytes() + self.rejects.memory_bytes()
    }
}
