//! A bound on bytes in memory.
//!
//! Enters: how many bytes something takes. Leaves: a [`Reservation`], once there is room, or none at once.
//! What must hold: all reservations together stay within the bound; one that is dropped gives its bytes back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be in memory together. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    /// Bytes of one permit: the least that a reservation takes, so that many tiny things are bounded too.
    unit: usize,
    total: usize,
}

/// Bytes of a budget; given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    permits: OwnedSemaphorePermit,
    unit: usize,
}

impl Budget {
    /// A budget of so many bytes, counted in units of `unit` bytes.
    pub(crate) fn new(bytes: usize, unit: usize) -> Self {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let total = bytes.div_ceil(unit).clamp(1, most);
        Budget {
            permits: Arc::new(Semaphore::new(total)),
            unit,
            total,
        }
    }

    /// Waits for room for so many bytes; for more than the whole budget, until all of it is free. `None`
    /// is never returned: the semaphore is never closed.
    pub(crate) async fn acquire(&self, bytes: usize) -> Option<Reservation> {
        let permits = u32::try_from(self.units(bytes).min(self.total)).ok()?;
        let permits = Arc::clone(&self.permits).acquire_many_owned(permits).await;
        Some(self.reservation(permits.ok()?))
    }

    /// Room for so many bytes, if there is room now.
    pub(crate) fn try_acquire(&self, bytes: usize) -> Option<Reservation> {
        let permits = u32::try_from(self.units(bytes)).ok()?;
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(permits);
        Some(self.reservation(permits.ok()?))
    }

    /// Makes a reservation hold room for so many bytes, if there is room now.
    #[must_use]
    pub(crate) fn try_resize(&self, reservation: &mut Reservation, bytes: usize) -> bool {
        let needed = self.units(bytes) * self.unit;
        reservation.shrink_to(needed);
        if reservation.bytes() == needed {
            return true;
        }
        let missing = self.try_acquire(needed - reservation.bytes());
        missing.map(|missing| reservation.merge(missing)).is_some()
    }

    /// Bytes of the whole budget.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total * self.unit
    }

    /// Bytes that are taken now.
    pub(crate) fn taken_bytes(&self) -> usize {
        (self.total - self.permits.available_permits()) * self.unit
    }

    fn units(&self, bytes: usize) -> usize {
        bytes.div_ceil(self.unit).max(1)
    }

    fn reservation(&self, permits: OwnedSemaphorePermit) -> Reservation {
        let unit = self.unit;
        Reservation { permits, unit }
    }
}

impl Reservation {
    /// How many bytes it holds room for.
    pub(crate) fn bytes(&self) -> usize {
        self.permits.num_permits() * self.unit
    }

    /// Moves room for so many bytes out of it, or all that it has.
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Reservation> {
        let units = bytes.div_ceil(self.unit).min(self.permits.num_permits());
        let (permits, unit) = (self.permits.split(units)?, self.unit);
        Some(Reservation { permits, unit })
    }

    /// Adds another one of the same budget.
    pub(crate) fn merge(&mut self, other: Reservation) {
        self.permits.merge(other.permits);
    }

    /// Gives back all but the room for so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.bytes().saturating_sub(bytes) / self.unit;
        drop(self.permits.split(spare));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reservations_stay_within_the_budget_and_come_back() {
        let budget = Budget::new(100, 10);
        let first = budget.acquire(1).await.unwrap();
        assert_eq!((first.bytes(), budget.taken_bytes()), (10, 10));
        assert!(budget.try_acquire(91).is_none());
        let second = budget.try_acquire(90).unwrap();
        assert_eq!(budget.taken_bytes(), budget.total_bytes());
        drop((first, second));
        let all = budget.acquire(1000).await.unwrap();
        assert_eq!(all.bytes(), 100, "more than the budget takes all of it");
        assert!(budget.try_acquire(1).is_none());
    }

    #[tokio::test]
    async fn a_reservation_grows_shrinks_and_is_split() {
        let budget = Budget::new(100, 10);
        let mut held = budget.acquire(15).await.unwrap();
        assert!(budget.try_resize(&mut held, 95));
        assert_eq!((held.bytes(), budget.taken_bytes()), (100, 100));
        assert!(!budget.try_resize(&mut held, 101));
        assert_eq!(held.bytes(), 100, "it keeps what it has");
        let part = held.split(31).unwrap();
        assert_eq!((part.bytes(), held.bytes()), (40, 60));
        held.shrink_to(25);
        assert_eq!((held.bytes(), budget.taken_bytes()), (30, 70));
        held.merge(part);
        assert_eq!(held.split(1000).unwrap().bytes(), 70);
        assert_eq!(budget.taken_bytes(), 0);
    }
}
