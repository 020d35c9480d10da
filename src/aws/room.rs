//! Memory for objects, counted in bytes.
//!
//! Enters: how many bytes an object takes. Leaves: room for them, once there is. What must hold: all
//! that was given out stays within the limit; what is larger than the limit takes all of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counted in units of this many bytes, so that many tiny objects are bounded too.
const UNIT: usize = 4096;

/// Room for objects in memory.
#[derive(Debug)]
pub(crate) struct Room {
    units: Arc<Semaphore>,
    all: usize,
}

impl Room {
    /// Room for so many bytes, all objects together.
    pub(crate) fn new(bytes: usize) -> Self {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let all = (bytes / UNIT).clamp(1, most);
        Room {
            units: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    /// Room for so many bytes, or all there is; given back when it is dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(UNIT).clamp(1, self.all);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // It is never closed.
        Arc::clone(&self.units).acquire_many_owned(units).await.ok()
    }
}
