//! The messages that are worked on, kept hidden; and what becomes of them then.
//!
//! Enters: messages, then for each its end: deleted, or given back. Leaves: calls to the queue, in
//! batches. What must hold: what is held is extended before half of its visibility has passed, and
//! never after its end; extending and giving back go through one task, so that neither undoes the
//! other; a delete is tried until the queue has answered, the message held meanwhile.
//!
//! A message that the queue will not hide any longer (12 hours are the most) is told of once, and
//! worked on: whoever receives it again delivers what can be told as a repeat.

mod deleting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::queue::{Answers, BATCH, Entry, EntryError, Message, Queue};
use crate::aws;
use crate::aws::error::Remedy;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;

/// Keeps messages of one queue hidden.
pub(super) struct Keeper<Q> {
    queue: Arc<Q>,
    visibility: Duration,
    state: Mutex<State>,
    /// Something is to be hidden, or there will be nothing more.
    hide: Notify,
    /// Something is to be deleted, or there will be nothing more.
    delete: Notify,
    /// One at a time gathers what is to be deleted, so that batches are full.
    gathering: tokio::sync::Mutex<()>,
    /// Messages that have not ended.
    left: watch::Sender<usize>,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
}

#[derive(Default)]
struct State {
    last: u64,
    in_flight: HashMap<u64, InFlight>,
    released: Vec<(u64, InFlight, Duration)>,
    /// When all that was given back is shown again.
    shown: Option<Instant>,
    done: Vec<u64>,
    closed: bool,
}

struct InFlight {
    id: Arc<str>,
    receipt: Arc<str>,
    /// When it is to be extended; never again once the queue refused.
    due: Option<Instant>,
    /// Its room among the messages that may be held.
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

/// A message that is held. Dropped, it is simply not extended any more.
pub(super) struct Ticket<Q: Queue> {
    keeper: Arc<Keeper<Q>>,
    number: Option<u64>,
}

impl<Q: Queue> Ticket<Q> {
    /// All of it has settled.
    pub(super) fn delete(mut self) {
        if let Some(number) = self.number.take() {
            self.keeper.state().done.push(number);
            self.keeper.delete.notify_one();
        }
    }

    /// It is shown again after this time.
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

    /// Holds a message that was just received.
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

    /// Returns once every message that was held has ended, and what was given back is shown again;
    /// at once, and `true`, if it was so before.
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

    /// No message will be held any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.hide.notify_one();
        self.delete.notify_one();
    }

    /// Does the work: until it was closed and nothing is left, or until `abort`.
    pub(super) async fn run(&self, abort: &CancellationToken) {
        // Several batches at once: each is a way to SQS and back.
        let deletes = async {
            let delete = || self.delete_all();
            tokio::join!(delete(), delete(), delete(), delete())
        };
        tokio::select! {
            _ = async { tokio::join!(self.hide_all(), deletes) } => {}
            () = abort.cancelled() => {}
        }
    }

    /// A third of the visibility: half of it is left even when the next batch is late.
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

    /// Extends what is held, shows what is given back.
    async fn hide_all(&self) {
        loop {
            let released = self.take_released();
            if !released.is_empty() {
                self.show(released).await;
                continue;
            }
            let (due, next) = self.due();
            if !due.is_empty() {
                self.extend(due).await;
                continue;
            }
            if self.is_over() {
                return;
            }
            let woken = self.hide.notified();
            match next {
                Some(next) => tokio::select! {
                    () = woken => {}
                    () = sleep_until(next) => {}
                },
                None => woken.await,
            }
        }
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.closed && *self.left.borrow() == 0
    }

    fn take_released(&self) -> Vec<(u64, InFlight, Duration)> {
        let mut state = self.state();
        let count = state.released.len().min(BATCH);
        state.released.drain(..count).collect()
    }

    async fn show(&self, released: Vec<(u64, InFlight, Duration)>) {
        let longest = released.iter().map(|(_, _, after)| *after).max();
        let entries: Vec<_> = released
            .iter()
            .map(|(number, in_flight, after)| (in_flight.entry(*number), *after))
            .collect();
        let answer = timeout(self.visibility / 6, self.queue.hide(&entries)).await;
        if !matches!(answer, Ok(Ok(_))) {
            debug!(
                queue = self.queue.url(),
                "messages were not given back: they reappear once their visibility has passed"
            );
        }
        let shown = longest.map(|after| Instant::now() + after);
        {
            let mut state = self.state();
            state.shown = state.shown.max(shown);
        }
        self.ended(released.len());
    }

    /// What is to be extended now, or so soon that it goes along; and when the next is.
    fn due(&self) -> (Vec<u64>, Option<Instant>) {
        let state = self.state();
        let (now, soon) = (Instant::now(), Instant::now() + self.visibility / 12);
        let mut all: Vec<_> = state
            .in_flight
            .iter()
            .filter_map(|(number, in_flight)| Some((in_flight.due?, *number)))
            .collect();
        all.sort_unstable();
        let next = all.first().map(|(due, _)| *due);
        if next.is_none_or(|next| next > now) {
            return (Vec::new(), next);
        }
        let due = all.iter().take_while(|(due, _)| *due <= soon).take(BATCH);
        (due.map(|(_, number)| *number).collect(), next)
    }

    async fn extend(&self, numbers: Vec<u64>) {
        let entries = self.entries(&numbers);
        let entries: Vec<_> = entries
            .into_iter()
            .map(|entry| (entry, self.visibility))
            .collect();
        if entries.is_empty() {
            return;
        }
        let next = self.next_due();
        let answer = timeout(self.visibility / 6, self.queue.hide(&entries)).await;
        let answer = answer.unwrap_or_else(|_| Err(slow()));
        // A hidden message has time for another try before it is shown.
        let again = Instant::now() + self.visibility / 12;
        match answer {
            Ok(answers) => {
                for (entry, _) in entries {
                    let answer = answer_to(&answers, entry.number);
                    self.extended(entry.number, answer, next, again);
                }
            }
            Err(error) => {
                self.log_error("extend", &error);
                for (entry, _) in entries {
                    self.set_due(entry.number, Some(again));
                }
            }
        }
    }

    fn extended(&self, number: u64, answer: Result<(), EntryError>, next: Instant, again: Instant) {
        match answer {
            Ok(()) => drop(self.set_due(number, Some(next))),
            Err(error) if error.permanent => {
                // Nothing is wrong where it has ended meanwhile.
                if let Some(id) = self.set_due(number, None) {
                    warn!(
                        queue = self.queue.url(),
                        message = &*id,
                        "a message cannot be kept hidden any longer, and may be received once more while it is worked on: {}",
                        error.message
                    );
                }
            }
            Err(error) => {
                debug!(queue = self.queue.url(), "not extended: {}", error.message);
                self.set_due(number, Some(again));
            }
        }
    }

    /// The message's id, if it is still held.
    fn set_due(&self, number: u64, due: Option<Instant>) -> Option<Arc<str>> {
        let mut state = self.state();
        let in_flight = state.in_flight.get_mut(&number)?;
        in_flight.due = due;
        Some(Arc::clone(&in_flight.id))
    }

    /// Those of these messages that are held.
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

/// What the queue said of a message.
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
