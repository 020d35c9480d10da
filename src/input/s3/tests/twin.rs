//! A queue in memory, whose messages reappear by the test's clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::aws;
use crate::aws::queue_policy;
use crate::input::s3::Buckets;
use crate::input::s3::queue::{
    Answers, Attributes, BATCH, Entry, EntryError, Message, Queue, Redrive,
};

/// SQS hides no message for longer, from its receipt on.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

#[derive(Clone, Default)]
pub(super) struct Twin(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) messages: Vec<Stored>,
    /// Ids of what was received too often.
    pub(super) dead: Vec<String>,
    pub(super) redrive: Option<Result<Redrive, aws::Error>>,
    /// The queue's own policy.
    pub(super) policy: String,
    /// How often it was asked for its attributes.
    pub(super) asked: u64,
    /// What goes wrong with the next questions for its attributes.
    pub(super) fail_attributes: VecDeque<aws::Error>,
    pub(super) received: u64,
    /// Each call's entries: how long they are to be hidden.
    pub(super) hidden: Vec<Vec<Duration>>,
    pub(super) deletes: Vec<usize>,
    pub(super) fail_receive: VecDeque<aws::Error>,
    pub(super) fail_delete: VecDeque<Option<aws::Error>>,
}

pub(super) struct Stored {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) visible: Instant,
    pub(super) receives: u32,
    received: Instant,
    receipt: String,
}

impl Twin {
    pub(super) fn send(&self, id: &str, body: impl Into<String>) {
        self.state().messages.push(Stored {
            id: id.to_owned(),
            body: body.into(),
            visible: Instant::now(),
            receives: 0,
            received: Instant::now(),
            receipt: String::new(),
        });
        self.0.changed.notify_waiters();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().messages.is_empty()
    }

    /// Messages that anyone could receive now.
    pub(super) fn visible(&self) -> usize {
        let now = Instant::now();
        let state = self.state();
        state.messages.iter().filter(|m| m.visible <= now).count()
    }

    fn take(&self, most: usize, visibility: Duration) -> Vec<Message> {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(Ok(Redrive::After(most))) = state.redrive {
            let (dead, alive) = std::mem::take(&mut state.messages)
                .into_iter()
                .partition::<Vec<_>, _>(|m| m.visible <= now && m.receives >= most);
            state.messages = alive;
            state.dead.extend(dead.into_iter().map(|m| m.id));
        }
        let visible = state.messages.iter_mut().filter(|m| m.visible <= now);
        let taken: Vec<_> = visible
            .take(most)
            .map(|stored| {
                stored.receives += 1;
                stored.received = now;
                stored.visible = now + visibility;
                stored.receipt = format!("{} {}", stored.id, stored.receives);
                Message {
                    id: stored.id.as_str().into(),
                    receipt: stored.receipt.as_str().into(),
                    body: stored.body.clone(),
                    receives: stored.receives,
                }
            })
            .collect();
        state.received += taken.len() as u64;
        taken
    }
}

fn stale() -> EntryError {
    EntryError {
        permanent: true,
        message: "ReceiptHandleIsInvalid".to_owned(),
    }
}

impl Queue for Twin {
    fn url(&self) -> &str {
        "http://queue/1/trail"
    }

    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, aws::Error> {
        assert!((1..=BATCH).contains(&most));
        let end = Instant::now() + wait;
        loop {
            let changed = self.0.changed.notified();
            if let Some(error) = self.state().fail_receive.pop_front() {
                return Err(error);
            }
            let taken = self.take(most, visibility);
            if !taken.is_empty() || Instant::now() >= end {
                return Ok(taken);
            }
            let now = Instant::now();
            let next = {
                let state = self.state();
                let later = state.messages.iter().map(|m| m.visible);
                later.filter(|visible| *visible > now).min()
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(next.unwrap_or(end).min(end)) => {}
            }
        }
    }

    async fn hide(&self, entries: &[(Entry, Duration)]) -> Result<Answers, aws::Error> {
        assert!((1..=BATCH).contains(&entries.len()));
        let mut state = self.state();
        let times = entries.iter().map(|(_, time)| *time).collect();
        state.hidden.push(times);
        let now = Instant::now();
        let mut hide = |receipt: &str, time: Duration| {
            let is_it = |m: &&mut Stored| m.receipt == receipt && m.visible > now;
            let stored = state.messages.iter_mut().find(is_it).ok_or_else(stale)?;
            if now + time > stored.received + LONGEST {
                return Err(EntryError {
                    permanent: true,
                    message: "InvalidParameterValue: beyond the limit".to_owned(),
                });
            }
            stored.visible = now + time;
            Ok(())
        };
        let answers = entries.iter();
        let answers = answers
            .map(|(entry, time)| (entry.number, hide(&entry.receipt, *time)))
            .collect();
        self.0.changed.notify_waiters();
        Ok(answers)
    }

    async fn delete(&self, entries: &[Entry]) -> Result<Answers, aws::Error> {
        assert!((1..=BATCH).contains(&entries.len()));
        let mut state = self.state();
        state.deletes.push(entries.len());
        let per_entry = match state.fail_delete.pop_front() {
            Some(Some(error)) => return Err(error),
            Some(None) => true,
            None => false,
        };
        let mut delete = |receipt: &str| {
            if per_entry {
                return Err(EntryError {
                    permanent: false,
                    message: "InternalError".to_owned(),
                });
            }
            let before = state.messages.len();
            state.messages.retain(|m| m.receipt != receipt);
            match state.messages.len() < before {
                true => Ok(()),
                false => Err(stale()),
            }
        };
        let answers = entries.iter();
        Ok(answers
            .map(|entry| (entry.number, delete(&entry.receipt)))
            .collect())
    }

    async fn attributes(&self) -> Result<Attributes, aws::Error> {
        let mut state = self.state();
        state.asked += 1;
        if let Some(error) = state.fail_attributes.pop_front() {
            return Err(error);
        }
        Ok(Attributes {
            redrive: state.redrive.clone().unwrap_or(Ok(Redrive::Never))?,
            buckets: Buckets::new(queue_policy::buckets(&state.policy)),
        })
    }
}
