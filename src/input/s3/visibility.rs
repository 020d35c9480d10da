//! Messages in flight: keeps them hidden, and deletes or releases them at their end.
//!
//! Enters: messages, then for each its end: deleted or released. Leaves: calls to the queue, in batches. What must hold:
//! the visibility of a message in flight is extended before half of it has passed, and never after its end; one task
//! extends and releases, so that neither undoes the other; a delete is repeated until the queue has answered, and the
//! message stays in flight meanwhile.
//!
//! SQS hides a message for at most 12 hours. After that, the message is logged once and its work continues. Another
//! receiver of the message delivers only events that the pipeline can recognize as duplicates.

mod deleting;
mod extending;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::queue::{Answers, Entry, EntryError, Message, Queue};
use crate::aws;
use crate::aws::error::Remedy;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;

/// The messages in flight of one queue.
pub(super) struct Keeper<Q> {
    queue: Arc<Q>,
    visibility: Duration,
    state: Mutex<State>,
    /// Wakes the task that extends and releases.
    hide: Notify,
    /// Wakes a task that deletes.
    delete: Notify,
    /// Only one task gathers a batch of deletes at a time, so that batches are full.
    gathering: tokio::sync::Mutex<()>,
    /// The number of messages in flight.
    left: watch::Sender<usize>,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
}

#[derive(Default)]
struct State {
    last: u64,
    in_flight: HashMap<u64, InFlight>,
    released: Vec<(u64, InFlight, Duration)>,
    /// When all released messages are visible again.
    shown: Option<Instant>,
    done: Vec<u64>,
    closed: bool,
}

struct InFlight {
    id: Arc<str>,
    receipt: Arc<str>,
    /// When to extend its visibility; `None` after the queue has refused that for good.
    due: Option<Instant>,
    /// Its permit: the number of messages in flight is bounded.
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    fn entry(&self, number: u64) -> Entry {
        Entry {
            number,
            receipt: Arc::clone(&self.receipt),
        }
    }
}

/// A message in flight. If dropped, its visibility is no longer extended.
pub(super) struct Ticket<Q: Queue> {
    keeper: Arc<Keeper<Q>>,
    number: Option<u64>,
}

impl<Q: Queue> Ticket<Q> {
    /// Deletes the message: all of its objects have settled.
    pub(super) fn delete(mut self) {
        if let Some(number) = self.number.take() {
            self.keeper.state().done.push(number);
            self.keeper.delete.notify_one();
        }
    }

    /// Releases the message: it becomes visible after this time.
    pub(super) fn release(mut self, after: Duration) {
        if let Some(number) = self.number.take() {
            let mut state = self.keeper.state();
            if let Some(in_flight) = state.in_flight.remove(&number) {
                state.released.push((number, in_flight, after));
            }
            drop(state);
            self.keeper.hide.notify_one();
        }
    }
}

impl<Q: Queue> Drop for Ticket<Q> {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            let in_flight = self.keeper.state().in_flight.remove(&number);
            self.keeper.ended(usize::from(in_flight.is_some()));
        }
    }
}

impl<Q: Queue> Keeper<Q> {
    pub(super) fn new(queue: Arc<Q>, visibility: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Keeper {
            queue,
            visibility,
            state: Mutex::default(),
            hide: Notify::new(),
            delete: Notify::new(),
            gathering: tokio::sync::Mutex::default(),
            left: watch::Sender::new(0),
            metrics,
            log_throttle: LogThrottle::default(),
        })
    }

    /// Adds a message that was just received.
    pub(super) fn hold(
        self: &Arc<Self>,
        message: &Message,
        permit: OwnedSemaphorePermit,
    ) -> Ticket<Q> {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        let in_flight = InFlight {
            id: Arc::clone(&message.id),
            receipt: Arc::clone(&message.receipt),
            due: Some(self.next_due()),
            _permit: permit,
        };
        state.in_flight.insert(number, in_flight);
        drop(state);
        self.left.send_modify(|left| *left += 1);
        self.metrics.s3_messages_held.add(1);
        self.hide.notify_one();
        Ticket {
            keeper: Arc::clone(self),
            number: Some(number),
        }
    }

    /// Returns once no message is in flight and all released ones are visible again; `true` if that was so at the call.
    pub(super) async fn idle(&self) -> bool {
        let busy = *self.left.borrow() > 0;
        // The sender lives as long as `self`.
        let _ = self.left.subscribe().wait_for(|left| *left == 0).await;
        let shown = self.state().shown.take();
        if let Some(shown) = shown {
            sleep_until(shown).await;
        }
        !busy && shown.is_none()
    }

    /// No more messages will be added.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.hide.notify_one();
        self.delete.notify_one();
    }

    /// Runs until it is closed and no message is in flight, or until `abort`.
    pub(super) async fn run(&self, abort: &CancellationToken) {
        // Several batches at once: each is a round trip to SQS.
        let deletes = async {
            let delete = || self.delete_all();
            tokio::join!(delete(), delete(), delete(), delete())
        };
        tokio::select! {
            _ = async { tokio::join!(self.hide_all(), deletes) } => {}
            () = abort.cancelled() => {}
        }
    }

    /// After a third of the visibility, so that half of it remains even if the next batch is late.
    fn next_due(&self) -> Instant {
        Instant::now() + self.visibility / 3
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, messages: usize) {
        self.left.send_modify(|left| *left -= messages);
        self.metrics.s3_messages_held.sub(messages as u64);
        if messages > 0 && self.state().closed {
            self.hide.notify_one();
            self.delete.notify_one();
        }
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.closed && *self.left.borrow() == 0
    }

    /// The messages of these that are still in flight.
    fn entries(&self, numbers: &[u64]) -> Vec<Entry> {
        let state = self.state();
        let entry = |number: &u64| Some(state.in_flight.get(number)?.entry(*number));
        numbers.iter().filter_map(entry).collect()
    }

    fn end(&self, number: u64) {
        let in_flight = self.state().in_flight.remove(&number);
        self.ended(usize::from(in_flight.is_some()));
    }

    fn log_error(&self, what: &'static str, error: &aws::Error) {
        if let Some(left_out) = self.log_throttle.due(what) {
            warn!(
                queue = self.queue.url(),
                left_out, "cannot {what} messages, trying again: {error}"
            );
        }
    }
}

/// The queue's answer for a message.
fn answer_to(answers: &Answers, number: u64) -> Result<(), EntryError> {
    answers.get(&number).cloned().unwrap_or_else(|| {
        Err(EntryError {
            permanent: false,
            message: "no answer".to_owned(),
        })
    })
}

fn slow() -> aws::Error {
    aws::Error {
        remedy: Remedy::Retry,
        message: "no answer in time".to_owned(),
    }
}
