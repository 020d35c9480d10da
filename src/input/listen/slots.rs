//! Who may stay: the connections of one listener, bounded.
//!
//! Enters: each new connection, and when its requests begin and end. Leaves: a [`Slot`], or none.
//! What must hold: there are never more connections than slots; a connection without a request
//! under way gives way to a new one, the longest idle first, so that idle connections, however
//! many, keep no sender out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// The slots of a listener.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
    metrics: Arc<Metrics>,
}

/// The connections without a request under way, by the order in which they became so.
#[derive(Default)]
struct Idle {
    next: u64,
    wanted: BTreeMap<u64, CancellationToken>,
}

/// A connection's place. Given back when it is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    calls: watch::Sender<Calls>,
    wanted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// The requests of a connection.
#[derive(Default)]
struct Calls {
    under_way: usize,
    begun: bool,
    /// Its key in [`Idle`], while none is under way.
    idle: Option<u64>,
}

/// A request under way, until it is dropped.
pub(super) struct Call(Arc<Slot>);

/// What came of asking for a slot.
pub(super) enum Place {
    /// One was free.
    Free(Arc<Slot>),
    /// An idle connection was closed for it.
    Vacated(Arc<Slot>),
    /// Each connection has a request under way.
    Full,
}

impl Slots {
    pub(super) fn new(connections: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Slots {
            free: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            idle: Mutex::default(),
            metrics,
        })
    }

    /// A place for a new connection.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Place::Free(self.slot(permit));
        }
        if !self.vacate() {
            return Place::Full;
        }
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => Place::Vacated(self.slot(permit)),
            Err(_) => Place::Full,
        }
    }

    /// Closes the connection that has been idle for longest; whether there was one.
    pub(super) fn vacate(&self) -> bool {
        match self.idle().wanted.pop_first() {
            Some((_, wanted)) => {
                wanted.cancel();
                true
            }
            None => false,
        }
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Arc<Slot> {
        self.metrics.ingest_connections.add(1);
        let slot = Slot {
            slots: Arc::clone(self),
            calls: watch::Sender::default(),
            wanted: CancellationToken::new(),
            _permit: permit,
        };
        slot.calls
            .send_modify(|calls| calls.idle = Some(slot.rest()));
        Arc::new(slot)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Notes that a request has begun.
    pub(super) fn begin(self: &Arc<Self>) -> Call {
        self.calls.send_modify(|calls| {
            calls.under_way += 1;
            calls.begun = true;
            if let Some(key) = calls.idle.take() {
                self.slots.idle().wanted.remove(&key);
            }
        });
        Call(Arc::clone(self))
    }

    /// Whether a request has ever begun.
    pub(super) fn begun(&self) -> bool {
        self.calls.borrow().begun
    }

    /// Returns once another connection wants the slot.
    pub(super) async fn wanted(&self) {
        self.wanted.cancelled().await;
    }

    /// Returns if no request has begun within this time.
    pub(super) async fn silent(&self, limit: Duration) {
        let mut calls = self.calls.subscribe();
        if tokio::time::timeout(limit, calls.wait_for(|calls| calls.begun))
            .await
            .is_ok()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once no request has been under way for this time.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut calls = self.calls.subscribe();
        loop {
            // Neither fails: the sender is in `self`.
            let _ = calls.wait_for(|calls| calls.under_way == 0).await;
            let busy = calls.wait_for(|calls| calls.under_way > 0);
            if tokio::time::timeout(time, busy).await.is_err() {
                return;
            }
        }
    }

    /// Takes its place at the end of the idle ones.
    fn rest(&self) -> u64 {
        let mut idle = self.slots.idle();
        let key = idle.next;
        idle.next += 1;
        idle.wanted.insert(key, self.wanted.clone());
        key
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(key) = self.calls.borrow().idle {
            self.slots.idle().wanted.remove(&key);
        }
        self.slots.metrics.ingest_connections.sub(1);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.send_modify(|calls| {
            calls.under_way -= 1;
            if calls.under_way == 0 {
                calls.idle = Some(self.0.rest());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(place: Place) -> Arc<Slot> {
        match place {
            Place::Free(slot) => slot,
            _ => panic!("none was free"),
        }
    }

    #[tokio::test]
    async fn the_connection_that_was_idle_for_longest_gives_way() {
        let metrics = Arc::new(Metrics::default());
        let slots = Slots::new(3, Arc::clone(&metrics));
        let first = free(slots.take().await);
        let second = free(slots.take().await);
        let third = free(slots.take().await);
        assert_eq!(metrics.ingest_connections.get(), 3);
        // Who just had a request is at the end of the row, and who has one is not in it.
        drop(first.begin());
        let call = second.begin();
        let fourth = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        third.wanted().await;
        assert!(!fourth.is_finished());
        drop(third);
        let Place::Vacated(fourth) = fourth.await.unwrap() else {
            panic!("it was not vacated");
        };
        assert!(!first.wanted.is_cancelled() && !second.wanted.is_cancelled());
        let calls = [first.begin(), call, fourth.begin()];
        assert!(matches!(slots.take().await, Place::Full));
        drop((first, second, fourth));
        assert_eq!(metrics.ingest_connections.get(), 3);
        drop(calls);
        assert_eq!(metrics.ingest_connections.get(), 0);
        free(slots.take().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_between_requests() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(Slots::new(1, Arc::default()).take().await);
        let (one, two) = (slot.begin(), slot.begin());
        let idle = tokio::spawn({
            let slot = Arc::clone(&slot);
            async move { slot.idle_for(TIME).await }
        });
        drop(one);
        tokio::time::sleep(TIME * 2).await;
        drop(two);
        tokio::time::sleep(TIME / 2).await;
        let three = slot.begin();
        tokio::time::sleep(TIME * 2).await;
        assert!(!idle.is_finished());
        drop(three);
        tokio::time::sleep(TIME * 2).await;
        assert!(idle.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_silent_until_its_first_request() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(Slots::new(1, Arc::default()).take().await);
        slot.silent(TIME).await;
        assert!(!slot.begun());
        drop(slot.begin());
        let silent = tokio::time::timeout(TIME * 2, slot.silent(TIME)).await;
        assert!(silent.is_err() && slot.begun());
    }
}
