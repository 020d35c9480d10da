//! Deletes settled messages, in batches.
//!
//! Enters: numbers of messages. Leaves: deletes. What must hold: a message is in flight until the queue has answered for
//! it; an answer applies only to the message that it names.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{Keeper, answer_to, slow};
use crate::aws::error::Remedy;
use crate::input::s3::queue::{BATCH, Entry, Queue};
use crate::input::s3::waits;
use crate::telemetry::stalls::Cause;

/// How long a delete waits for others to fill its batch.
const LINGER: Duration = Duration::from_millis(100);

impl<Q: Queue> Keeper<Q> {
    pub(super) async fn delete_all(&self) {
        let mut failures = 0;
        while let Some(batch) = self.gather().await {
            match self.delete_some(batch).await {
                true => failures = 0,
                false => {
                    failures += 1;
                    sleep(waits(failures)).await;
                }
            }
        }
    }

    /// The next batch of deletes, once there is one; `None` after the last.
    async fn gather(&self) -> Option<Vec<u64>> {
        let _gathering = self.gathering.lock().await;
        loop {
            let (waiting, closed) = {
                let state = self.state();
                (state.done.len(), state.closed)
            };
            if waiting > 0 {
                if waiting < BATCH && !closed {
                    self.linger().await;
                }
                let mut state = self.state();
                let count = state.done.len().min(BATCH);
                return Some(state.done.drain(..count).collect());
            }
            if self.is_over() {
                return None;
            }
            self.delete.notified().await;
        }
    }

    /// Waits for a full batch, for a short time.
    async fn linger(&self) {
        let full = async {
            loop {
                self.delete.notified().await;
                let state = self.state();
                if state.closed || state.done.len() >= BATCH {
                    return;
                }
            }
        };
        let _ = timeout(LINGER, full).await;
    }

    /// The name of the stall while nothing can be deleted.
    fn deletes(&self) -> String {
        format!("{} (deletes)", self.queue.url())
    }

    /// Deletes a batch; `true` if the queue answered for each message.
    async fn delete_some(&self, numbers: Vec<u64>) -> bool {
        // Messages that are no longer in flight have ended.
        let entries = self.entries(&numbers);
        if entries.is_empty() {
            return true;
        }
        let answer = timeout(self.visibility, self.queue.delete(&entries)).await;
        let answers = match answer.unwrap_or_else(|_| Err(slow())) {
            Ok(answers) => {
                self.metrics
                    .stalls
                    .clear(Cause::QueueUnreadable, &self.deletes());
                answers
            }
            Err(error) if error.remedy == Remedy::Gone => {
                self.log_error("delete", &error);
                entries.iter().for_each(|entry| self.end(entry.number));
                return true;
            }
            Err(error) => {
                self.log_error("delete", &error);
                let (queue, passes) = (self.queue.url(), error.remedy == Remedy::Retry);
                let reason = format!("cannot delete messages of {queue}: {error}");
                let stalls = &self.metrics.stalls;
                stalls.set_error(Cause::QueueUnreadable, &self.deletes(), passes, reason);
                let numbers = entries.iter().map(|entry| entry.number);
                self.state().done.extend(numbers);
                return false;
            }
        };
        let mut all = true;
        for Entry { number, .. } in entries {
            match answer_to(&answers, number) {
                Ok(()) => {
                    self.metrics.s3_messages_deleted.add(1);
                    self.end(number);
                }
                Err(error) if error.permanent => {
                    warn!(
                        queue = self.queue.url(),
                        "a message was not deleted, and may be received again: {}", error.message
                    );
                    self.end(number);
                }
                Err(error) => {
                    debug!(queue = self.queue.url(), "not deleted: {}", error.message);
                    self.state().done.push(number);
                    all = false;
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::aws;
    use crate::input::s3::queue::{Answers, Attributes, EntryError, Message};

    /// A queue that deletes all but one message, and remembers the receipts.
    struct Deleting {
        refuses: &'static str,
        deleted: Mutex<Vec<Arc<str>>>,
    }

    impl Queue for Deleting {
        fn url(&self) -> &str {
            "http://queue/1/trail"
        }

        async fn receive(
            &self,
            _: usize,
            _: Duration,
            _: Duration,
        ) -> Result<Vec<Message>, aws::Error> {
            pending().await
        }

        async fn hide(&self, _: &[(Entry, Duration)]) -> Result<Answers, aws::Error> {
            pending().await
        }

        async fn delete(&self, entries: &[Entry]) -> Result<Answers, aws::Error> {
            let refused = || {
                Err(EntryError {
                    permanent: false,
                    message: "InternalError".to_owned(),
                })
            };
            let mut deleted = self.deleted.lock().unwrap();
            let answers = entries.iter().map(|entry| {
                if &*entry.receipt == self.refuses {
                    return (entry.number, refused());
                }
                deleted.push(Arc::clone(&entry.receipt));
                (entry.number, Ok(()))
            });
            Ok(answers.collect())
        }

        async fn attributes(&self) -> Result<Attributes, aws::Error> {
            pending().await
        }
    }

    #[tokio::test]
    async fn an_answer_is_for_its_own_message_whatever_is_missing_before_it() {
        let queue = Arc::new(Deleting {
            refuses: "receipt c",
            deleted: Mutex::default(),
        });
        let keeper = Keeper::new(Arc::clone(&queue), Duration::from_secs(60), Arc::default());
        let permit = Arc::new(Semaphore::new(9));
        let mut numbers = Vec::new();
        for id in ["a", "b", "c", "d"] {
            let message = Message {
                id: id.into(),
                receipt: format!("receipt {id}").into(),
                body: String::new(),
                receives: 1,
            };
            let permit = Arc::clone(&permit).acquire_owned().await.unwrap();
            let mut ticket = keeper.hold(&message, permit);
            numbers.extend(ticket.number.take());
        }
        // The first has ended some other way.
        keeper.end(numbers[0]);
        assert!(!keeper.delete_some(numbers.clone()).await);
        let deleted = queue.deleted.lock().unwrap().clone();
        assert_eq!(deleted, ["receipt b".into(), "receipt d".into()]);
        // What was refused is still held, and is deleted next; nothing else is.
        let in_flight: Vec<u64> = keeper.state().in_flight.keys().copied().collect();
        assert_eq!(in_flight, [numbers[2]]);
        assert_eq!(keeper.state().done, [numbers[2]]);
        assert_eq!(keeper.metrics.s3_messages_deleted.get(), 2);
    }
}
