//! Failed messages, as this process remembers them.
//!
//! Enters: failures, and settled objects. Leaves: how often a message failed here, and
//! which of its objects need not be read again. What must hold: memory is bounded; an entry that is
//! forgotten costs a repeat, never an object.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::aws::object::Location;

/// The most messages and objects that are remembered, together.
const REMEMBERED: usize = 20_000;

/// Messages by their id.
#[derive(Default)]
pub(super) struct Attempts(Mutex<State>);

#[derive(Default)]
struct State {
    messages: HashMap<Arc<str>, Message>,
    /// Oldest first; forgotten ones may still be in it.
    order: VecDeque<Arc<str>>,
    remembered: usize,
}

#[derive(Default)]
struct Message {
    failures: u32,
    given_up: u32,
    settled: HashSet<Location>,
}

impl Attempts {
    /// Counts a failure of the message; returns the number so far.
    pub(super) fn failed(&self, id: &Arc<str>) -> u32 {
        let mut state = self.state();
        let message = state.message(id);
        message.failures = message.failures.saturating_add(1);
        message.failures
    }

    /// Counts a release that is not the fault of the message; returns the number so far.
    pub(super) fn gave_up(&self, id: &Arc<str>) -> u32 {
        let mut state = self.state();
        let message = state.message(id);
        message.given_up = message.given_up.saturating_add(1);
        message.given_up
    }

    /// Remembers a settled object of the message.
    pub(super) fn settled(&self, id: &Arc<str>, object: &Location) {
        let mut state = self.state();
        if state.message(id).settled.insert(object.clone()) {
            state.remembered += 1;
            state.forget_oldest();
        }
    }

    /// Whether an object of the message has settled, as far as remembered.
    pub(super) fn has_settled(&self, id: &str, object: &Location) -> bool {
        let state = self.state();
        let message = state.messages.get(id);
        message.is_some_and(|message| message.settled.contains(object))
    }

    /// The number of messages that failed here and were not deleted since.
    pub(super) fn unfinished(&self) -> usize {
        self.state().messages.len()
    }

    /// Forgets a message that was deleted.
    pub(super) fn forget(&self, id: &str) {
        self.state().forget(id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn message(&mut self, id: &Arc<str>) -> &mut Message {
        if !self.messages.contains_key(id) {
            self.order.push_back(Arc::clone(id));
            self.remembered += 1;
            self.forget_oldest();
        }
        self.messages.entry(Arc::clone(id)).or_default()
    }

    fn forget(&mut self, id: &str) {
        if let Some(message) = self.messages.remove(id) {
            self.remembered -= 1 + message.settled.len();
        }
        // Ids of forgotten entries do not pile up.
        if self.order.len() > 2 * (self.messages.len() + 1) {
            let messages = &self.messages;
            self.order.retain(|id| messages.contains_key(id));
        }
    }

    fn forget_oldest(&mut self) {
        while self.remembered > REMEMBERED {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.forget(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: usize) -> Location {
        Location {
            bucket: "b".to_owned(),
            key: n.to_string(),
            region: None,
        }
    }

    #[test]
    fn failures_and_objects_are_remembered_until_the_message_is_gone() {
        let attempts = Attempts::default();
        let id: Arc<str> = "m".into();
        assert_eq!((attempts.failed(&id), attempts.failed(&id)), (1, 2));
        attempts.settled(&id, &object(1));
        assert!(attempts.has_settled("m", &object(1)) && !attempts.has_settled("m", &object(2)));
        assert_eq!(attempts.unfinished(), 1);
        attempts.forget("m");
        assert_eq!(attempts.unfinished(), 0);
        assert!(!attempts.has_settled("m", &object(1)));
        assert_eq!(attempts.failed(&id), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let attempts = Attempts::default();
        for n in 0..2 * REMEMBERED {
            attempts.failed(&n.to_string().into());
        }
        for n in 0..2 * REMEMBERED {
            attempts.settled(&"large".into(), &object(n));
        }
        for n in 0..1000 {
            let id: Arc<str> = format!("done {n}").into();
            attempts.failed(&id);
            attempts.forget(&id);
        }
        let state = attempts.state();
        assert!(state.remembered <= REMEMBERED);
        let counted: usize = state.messages.values().map(|m| 1 + m.settled.len()).sum();
        assert_eq!(counted, state.remembered);
        assert!(state.order.len() <= 2 * REMEMBERED);
    }
}
