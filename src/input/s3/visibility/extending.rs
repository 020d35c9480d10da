//! Extends the visibility of messages in flight, and releases messages.
//!
//! Enters: messages in flight, and released ones. Leaves: calls that change their visibility, in batches. What must hold:
//! one task does both, so that neither undoes the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::{InFlight, Keeper, answer_to, slow};
use crate::input::s3::queue::{BATCH, EntryError, Queue};

impl<Q: Queue> Keeper<Q> {
    /// Extends messages in flight and releases others, until there are none.
    pub(super) async fn hide_all(&self) {
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
                "messages were not released: they reappear after their visibility timeout"
            );
        }
        let shown = longest.map(|after| Instant::now() + after);
        {
            let mut state = self.state();
            state.shown = state.shown.max(shown);
        }
        self.ended(released.len());
    }

    /// The messages to extend now or soon, in one batch; and when the next one is due.
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
        // There is time for another attempt before the message becomes visible.
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
                // If it has ended meanwhile, this is not an error.
                if let Some(id) = self.set_due(number, None) {
                    warn!(
                        queue = self.queue.url(),
                        message = &*id,
                        "a message cannot be hidden any longer, and may be received again while it is in progress: {}",
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

    /// Sets when to extend a message. Returns its id if it is still in flight.
    fn set_due(&self, number: u64, due: Option<Instant>) -> Option<Arc<str>> {
        let mut state = self.state();
        let in_flight = state.in_flight.get_mut(&number)?;
        in_flight.due = due;
        Some(Arc::clone(&in_flight.id))
    }
}
