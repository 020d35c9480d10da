//! The limit on connections to one listener, and the eviction of idle ones.
//!
//! Enters: each new connection, whether its peer is identified, and its requests. Leaves: a [`Slot`], or none. What
//! must hold: there are never more connections than slots; a new connection evicts an idle one, those of unidentified
//! peers first. So idle connections and requests that need no token keep no sender out.

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

/// Whether the peer is identified, then the order in which its connection became idle.
type Rank = (bool, u64);

/// The idle connections; the first is evicted first.
#[derive(Default)]
struct Idle {
    next: u64,
    connections: BTreeMap<Rank, CancellationToken>,
}

/// The slot of a connection: an extension of its requests. Dropping it frees the slot.
pub(super) struct Slot {
    slots: Arc<ConnectionLimit>,
    state: watch::Sender<State>,
    evicted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    /// Requests without a complete answer.
    requests: usize,
    /// There was a request.
    has_request: bool,
    /// The peer is identified, or needs no authentication.
    identified: bool,
    /// The number of [`ActiveGuard`]s.
    active: usize,
    /// Its key in [`Idle`], while it is idle.
    rank: Option<Rank>,
}

/// A request in progress, until it is dropped.
pub(super) struct RequestGuard(Arc<Slot>);

/// Keeps its connection from being evicted, until it is dropped.
pub struct ActiveGuard(Arc<Slot>);

/// The result of asking for a slot.
pub(super) enum Admission {
    /// A slot was free.
    Free(Arc<Slot>),
    /// An idle connection was evicted for it.
    Evicted(Arc<Slot>),
    /// No connection is idle.
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

    /// A slot for a new connection.
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

    /// Evicts the first idle connection; `false` if there is none.
    pub(super) fn evict_idle(&self) -> bool {
        // Under the lock, so that an evicted connection does not become idle again.
        let mut idle = self.idle();
        let first = idle.connections.pop_first();
        first.map(|(_, evicted)| evicted.cancel()).is_some()
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

/// Keeps the connection of the request with these extensions from being evicted.
pub fn keep_active(extensions: &Extensions) -> Option<ActiveGuard> {
    extensions.get::<Arc<Slot>>().map(Slot::keep_active)
}

impl Slot {
    /// Counts a request that has started.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.state.send_modify(|state| {
            state.requests += 1;
            state.has_request = true;
        });
        RequestGuard(Arc::clone(self))
    }

    /// The peer is identified from now on.
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
            state.active += 1;
            self.unmark_idle(state);
            false
        });
        ActiveGuard(Arc::clone(self))
    }

    /// Whether there ever was a request.
    pub(super) fn has_request(&self) -> bool {
        self.state.borrow().has_request
    }

    /// Returns once another connection needs the slot.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Returns if no request starts within this time.
    pub(super) async fn no_request_within(&self, limit: Duration) {
        let mut state = self.state.subscribe();
        if tokio::time::timeout(limit, state.wait_for(|state| state.has_request))
            .await
            .is_ok()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once no request has been in progress for this time.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut state = self.state.subscribe();
        loop {
            // Neither fails: the sender is in `self`.
            let _ = state.wait_for(|state| state.requests == 0).await;
            let next = state.wait_for(|state| state.requests > 0);
            if tokio::time::timeout(time, next).await.is_err() {
                return;
            }
        }
    }

    /// Adds it to the idle connections, as the last of its kind.
    fn mark_idle(&self, state: &mut State) {
        let mut idle = self.slots.idle();
        if self.evicted.is_cancelled() {
            return;
        }
        let rank = (state.identified, idle.next);
        idle.next += 1;
        idle.connections.insert(rank, self.evicted.clone());
        state.rank = Some(rank);
    }

    /// Removes it from the idle connections.
    fn unmark_idle(&self, state: &mut State) {
        if let Some(rank) = state.rank.take() {
            self.slots.idle().connections.remove(&rank);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(rank) = self.state.borrow().rank {
            self.slots.idle().connections.remove(&rank);
        }
        self.slots.metrics.ingest_connections.sub(1);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.requests -= 1);
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            state.active -= 1;
            if state.active == 0 {
                self.0.mark_idle(state);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(admission: Admission) -> Arc<Slot> {
        match admission {
            Admission::Free(slot) => slot,
            _ => panic!("none was free"),
        }
    }

    #[tokio::test]
    async fn the_longest_idle_connection_is_evicted() {
        let metrics = Arc::new(Metrics::default());
        let slots = ConnectionLimit::new(3, Arc::clone(&metrics));
        let first = free(slots.take().await);
        let second = free(slots.take().await);
        let third = free(slots.take().await);
        assert_eq!(metrics.ingest_connections.get(), 3);
        // A connection that was active becomes the last idle one; an active one is not idle. A request
        // alone changes nothing.
        drop(first.keep_active());
        let (guard, call) = (second.keep_active(), third.begin_request());
        let fourth = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        third.evicted().await;
        assert!(!fourth.is_finished());
        drop((third, call));
        let Admission::Evicted(fourth) = fourth.await.unwrap() else {
            panic!("no connection was evicted");
        };
        assert!(!first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        let guards = [first.keep_active(), guard, fourth.keep_active()];
        assert!(matches!(slots.take().await, Admission::Full));
        drop((first, second, fourth));
        assert_eq!(metrics.ingest_connections.get(), 3);
        drop(guards);
        assert_eq!(metrics.ingest_connections.get(), 0);
        free(slots.take().await);
    }

    #[tokio::test]
    async fn unidentified_peers_are_evicted_before_identified_ones() {
        let slots = ConnectionLimit::new(3, Arc::default());
        let identified = free(slots.take().await);
        let unidentified = [free(slots.take().await), free(slots.take().await)];
        identified.mark_identified();
        // A request identifies nobody, and does not change the order.
        drop(unidentified[0].begin_request());
        for other in &unidentified {
            assert!(slots.evict_idle());
            assert!(other.evicted.is_cancelled() && !identified.evicted.is_cancelled());
        }
        let guard = identified.keep_active();
        assert!(!slots.evict_idle());
        drop(guard);
        assert!(slots.evict_idle() && identified.evicted.is_cancelled());
        assert!(!slots.evict_idle());
        drop((identified, unidentified));
        assert!(slots.idle().connections.is_empty());
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
    async fn a_connection_has_a_time_limit_until_its_first_request() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(ConnectionLimit::new(1, Arc::default()).take().await);
        slot.no_request_within(TIME).await;
        assert!(!slot.has_request());
        drop(slot.begin_request());
        let second = tokio::time::timeout(TIME * 2, slot.no_request_within(TIME)).await;
        assert!(second.is_err() && slot.has_request());
    }
}
