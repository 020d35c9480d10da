//! Which connections may stay: those of one listener, bounded.
//!
//! Enters: each new connection, who its peer turns out to be, and when it works for it. Leaves: a
//! [`Slot`], or none. What must hold: there are never more connections than slots; a connection that
//! is not worked for gives way to a new one, those of unidentified first, so that idle connections and
//! what anyone may ask, however many, keep no sender out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// The slots of a listener.
pub(super) struct ConnectionLimit {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
    metrics: Arc<Metrics>,
}

/// Whether the peer is known, then the order in which its connection became idle.
type Rank = (bool, u64);

/// The connections that are not worked for; the first gives way first.
#[derive(Default)]
struct Idle {
    next: u64,
    wanted: BTreeMap<Rank, CancellationToken>,
}

/// A connection's place: an extension of its requests. Given back when it is dropped.
pub(super) struct Slot {
    slots: Arc<ConnectionLimit>,
    state: watch::Sender<State>,
    evicted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    /// Requests without a complete answer.
    under_way: usize,
    /// There was a request.
    begun: bool,
    /// The peer has shown who it is, where that is asked for.
    identified: bool,
    /// Things that are done for the peer.
    busy: usize,
    /// Its key in [`Idle`], while there are none.
    rank: Option<Rank>,
}

/// A request under way, until it is dropped.
pub(super) struct RequestGuard(Arc<Slot>);

/// As long as it is held, its connection does not give way.
pub struct ActiveGuard(Arc<Slot>);

/// What came of asking for a slot.
pub(super) enum Admission {
    /// One was free.
    Free(Arc<Slot>),
    /// An idle connection was closed for it.
    Evicted(Arc<Slot>),
    /// Each connection is worked for.
    Full,
}

impl ConnectionLimit {
    pub(super) fn new(connections: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(ConnectionLimit {
            free: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            idle: Mutex::default(),
            metrics,
        })
    }

    /// A place for a new connection.
    pub(super) async fn take(self: &Arc<Self>) -> Admission {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Admission::Free(self.slot(permit));
        }
        if !self.evict_idle() {
            return Admission::Full;
        }
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => Admission::Evicted(self.slot(permit)),
            Err(_) => Admission::Full,
        }
    }

    /// Closes the first of the idle connections; whether there was one.
    pub(super) fn evict_idle(&self) -> bool {
        // Under the lock, so that one that goes does not come back.
        let mut idle = self.idle();
        let first = idle.wanted.pop_first();
        first.map(|(_, wanted)| wanted.cancel()).is_some()
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Arc<Slot> {
        self.metrics.ingest_connections.add(1);
        let slot = Slot {
            slots: Arc::clone(self),
            state: watch::Sender::default(),
            evicted: CancellationToken::new(),
            _permit: permit,
        };
        slot.state.send_modify(|state| slot.mark_idle(state));
        Arc::new(slot)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the connection of a request, whose extensions these are, from giving way to another one.
pub fn keep_active(extensions: &Extensions) -> Option<ActiveGuard> {
    extensions.get::<Arc<Slot>>().map(Slot::keep_active)
}

impl Slot {
    /// Notes that a request has begun.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.state.send_modify(|state| {
            state.under_way += 1;
            state.begun = true;
        });
        RequestGuard(Arc::clone(self))
    }

    /// Notes that the peer has shown who it is, where that is asked for.
    pub(super) fn mark_identified(&self) {
        self.state.send_if_modified(|state| {
            if !std::mem::replace(&mut state.identified, true) && state.rank.is_some() {
                self.unmark_idle(state);
                self.mark_idle(state);
            }
            false
        });
    }

    fn keep_active(self: &Arc<Self>) -> ActiveGuard {
        self.state.send_if_modified(|state| {
            state.busy += 1;
            self.unmark_idle(state);
            false
        });
        ActiveGuard(Arc::clone(self))
    }

    /// Whether a request has ever begun.
    pub(super) fn has_request(&self) -> bool {
        self.state.borrow().begun
    }

    /// Returns once another connection wants the slot.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Returns if no request has begun within this time.
    pub(super) async fn no_request_within(&self, limit: Duration) {
        let mut state = self.state.subscribe();
        if tokio::time::timeout(limit, state.wait_for(|state| state.begun))
            .await
            .is_ok()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once no request has been under way for this time.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut state = self.state.subscribe();
        loop {
            // Neither fails: the sender is in `self`.
            let _ = state.wait_for(|state| state.under_way == 0).await;
            let busy = state.wait_for(|state| state.under_way > 0);
            if tokio::time::timeout(time, busy).await.is_err() {
                return;
            }
        }
    }

    /// Takes its place at the end of the idle ones of its kind.
    fn mark_idle(&self, state: &mut State) {
        let mut idle = self.slots.idle();
        if self.evicted.is_cancelled() {
            return;
        }
        let rank = (state.identified, idle.next);
        idle.next += 1;
        idle.wanted.insert(rank, self.evicted.clone());
        state.rank = Some(rank);
    }

    /// Is not idle any more.
    fn unmark_idle(&self, state: &mut State) {
        if let Some(rank) = state.rank.take() {
            self.slots.idle().wanted.remove(&rank);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(rank) = self.state.borrow().rank {
            self.slots.idle().wanted.remove(&rank);
        }
        self.slots.metrics.ingest_connections.sub(1);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.under_way -= 1);
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            state.busy -= 1;
            if state.busy == 0 {
                self.0.mark_idle(state);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(place: Admission) -> Arc<Slot> {
        match place {
            Admission::Free(slot) => slot,
            _ => panic!("none was free"),
        }
    }

    #[tokio::test]
    async fn the_connection_that_was_idle_for_longest_gives_way() {
        let metrics = Arc::new(Metrics::default());
        let slots = ConnectionLimit::new(3, Arc::clone(&metrics));
        let first = free(slots.take().await);
        let second = free(slots.take().await);
        let third = free(slots.take().await);
        assert_eq!(metrics.ingest_connections.get(), 3);
        // One that was worked for is at the end of the row, and one that is, is not in it. A request
        // alone changes nothing.
        drop(first.keep_active());
        let (work, call) = (second.keep_active(), third.begin_request());
        let fourth = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        third.evicted().await;
        assert!(!fourth.is_finished());
        drop((third, call));
        let Admission::Evicted(fourth) = fourth.await.unwrap() else {
            panic!("it was not vacated");
        };
        assert!(!first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        let work = [first.keep_active(), work, fourth.keep_active()];
        assert!(matches!(slots.take().await, Admission::Full));
        drop((first, second, fourth));
        assert_eq!(metrics.ingest_connections.get(), 3);
        drop(work);
        assert_eq!(metrics.ingest_connections.get(), 0);
        free(slots.take().await);
    }

    #[tokio::test]
    async fn strangers_give_way_before_known_peers() {
        let slots = ConnectionLimit::new(3, Arc::default());
        let known = free(slots.take().await);
        let unidentified = [free(slots.take().await), free(slots.take().await)];
        known.mark_identified();
        // Asking does not make a other known, nor does it bring its turn later.
        drop(unidentified[0].begin_request());
        for other in &unidentified {
            assert!(slots.evict_idle());
            assert!(other.evicted.is_cancelled() && !known.evicted.is_cancelled());
        }
        let work = known.keep_active();
        assert!(!slots.evict_idle());
        drop(work);
        assert!(slots.evict_idle() && known.evicted.is_cancelled());
        assert!(!slots.evict_idle());
        drop((known, unidentified));
        assert!(slots.idle().wanted.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_between_requests() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(ConnectionLimit::new(1, Arc::default()).take().await);
        let (one, two) = (slot.begin_request(), slot.begin_request());
        let idle = tokio::spawn({
            let slot = Arc::clone(&slot);
            async move { slot.idle_for(TIME).await }
        });
        drop(one);
        tokio::time::sleep(TIME * 2).await;
        drop(two);
        tokio::time::sleep(TIME / 2).await;
        let three = slot.begin_request();
        tokio::time::sleep(TIME * 2).await;
        assert!(!idle.is_finished());
        drop(three);
        tokio::time::sleep(TIME * 2).await;
        assert!(idle.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_silent_until_its_first_request() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(ConnectionLimit::new(1, Arc::default()).take().await);
        slot.no_request_within(TIME).await;
        assert!(!slot.has_request());
        drop(slot.begin_request());
        let silent = tokio::time::timeout(TIME * 2, slot.no_request_within(TIME)).await;
        assert!(silent.is_err() && slot.has_request());
    }
}
