//! Which connections may stay: those of one listener, bounded.
//!
//! Enters: each new connection, who its peer turns out to be, and when it works for it. Leaves: a
//! [`Slot`], or none. What must hold: there are never more connections than slots; a connection that
//! is not worked for gives way to a new one, those of strangers first, so that idle connections and
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
    wanted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    /// Requests without a complete answer.
    under_way: usize,
    /// There was a request.
    begun: bool,
    /// The peer has shown who it is, where that is asked for.
    known: bool,
    /// Things that are done for the peer.
    busy: usize,
    /// Its key in [`Idle`], while there are none.
    rank: Option<Rank>,
}

/// A request under way, until it is dropped.
pub(super) struct Call(Arc<Slot>);

/// As long as it is held, its connection does not give way.
pub struct Busy(Arc<Slot>);

/// What came of asking for a slot.
pub(super) enum Place {
    /// One was free.
    Free(Arc<Slot>),
    /// An idle connection was closed for it.
    Vacated(Arc<Slot>),
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

    /// Closes the first of the idle connections; whether there was one.
    pub(super) fn vacate(&self) -> bool {
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
            wanted: CancellationToken::new(),
            _permit: permit,
        };
        slot.state.send_modify(|state| slot.rest(state));
        Arc::new(slot)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the connection of a request, whose extensions these are, from giving way to another one.
pub fn busy(extensions: &Extensions) -> Option<Busy> {
    extensions.get::<Arc<Slot>>().map(Slot::busy)
}

impl Slot {
    /// Notes that a request has begun.
    pub(super) fn begin(self: &Arc<Self>) -> Call {
        self.state.send_modify(|state| {
            state.under_way += 1;
            state.begun = true;
        });
        Call(Arc::clone(self))
    }

    /// Notes that the peer has shown who it is, where that is asked for.
    pub(super) fn known(&self) {
        self.state.send_if_modified(|state| {
            if !std::mem::replace(&mut state.known, true) && state.rank.is_some() {
                self.rise(state);
                self.rest(state);
            }
            false
        });
    }

    fn busy(self: &Arc<Self>) -> Busy {
        self.state.send_if_modified(|state| {
            state.busy += 1;
            self.rise(state);
            false
        });
        Busy(Arc::clone(self))
    }

    /// Whether a request has ever begun.
    pub(super) fn begun(&self) -> bool {
        self.state.borrow().begun
    }

    /// Returns once another connection wants the slot.
    pub(super) async fn wanted(&self) {
        self.wanted.cancelled().await;
    }

    /// Returns if no request has begun within this time.
    pub(super) async fn silent(&self, limit: Duration) {
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
    fn rest(&self, state: &mut State) {
        let mut idle = self.slots.idle();
        if self.wanted.is_cancelled() {
            return;
        }
        let rank = (state.known, idle.next);
        idle.next += 1;
        idle.wanted.insert(rank, self.wanted.clone());
        state.rank = Some(rank);
    }

    /// Is not idle any more.
    fn rise(&self, state: &mut State) {
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

impl Drop for Call {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.under_way -= 1);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            state.busy -= 1;
            if state.busy == 0 {
                self.0.rest(state);
            }
            false
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
        let slots = ConnectionLimit::new(3, Arc::clone(&metrics));
        let first = free(slots.take().await);
        let second = free(slots.take().await);
        let third = free(slots.take().await);
        assert_eq!(metrics.ingest_connections.get(), 3);
        // One that was worked for is at the end of the row, and one that is, is not in it. A request
        // alone changes nothing.
        drop(first.busy());
        let (work, call) = (second.busy(), third.begin());
        let fourth = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        third.wanted().await;
        assert!(!fourth.is_finished());
        drop((third, call));
        let Place::Vacated(fourth) = fourth.await.unwrap() else {
            panic!("it was not vacated");
        };
        assert!(!first.wanted.is_cancelled() && !second.wanted.is_cancelled());
        let work = [first.busy(), work, fourth.busy()];
        assert!(matches!(slots.take().await, Place::Full));
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
        let strangers = [free(slots.take().await), free(slots.take().await)];
        known.known();
        // Asking does not make a stranger known, nor does it bring its turn later.
        drop(strangers[0].begin());
        for stranger in &strangers {
            assert!(slots.vacate());
            assert!(stranger.wanted.is_cancelled() && !known.wanted.is_cancelled());
        }
        let work = known.busy();
        assert!(!slots.vacate());
        drop(work);
        assert!(slots.vacate() && known.wanted.is_cancelled());
        assert!(!slots.vacate());
        drop((known, strangers));
        assert!(slots.idle().wanted.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_between_requests() {
        const TIME: Duration = Duration::from_secs(1);
        let slot = free(ConnectionLimit::new(1, Arc::default()).take().await);
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
        let slot = free(ConnectionLimit::new(1, Arc::default()).take().await);
        slot.silent(TIME).await;
        assert!(!slot.begun());
        drop(slot.begin());
        let silent = tokio::time::timeout(TIME * 2, slot.silent(TIME)).await;
        assert!(silent.is_err() && slot.begun());
    }
}
