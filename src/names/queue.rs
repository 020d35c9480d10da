//! The users that are to be asked for.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Settings;
use super::cache::{self, Cache};

/// Users that wait at most. One for whom there is no room is asked for at a later event.
const WAITING: usize = 1000;

/// The users that are to be asked for, and the answers so far. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    work: Notify,
}

struct State {
    cache: Cache,
    waiting: VecDeque<String>,
    /// Those that wait, and the one that is being asked for.
    known: HashSet<String>,
}

impl Queue {
    /// An empty queue, with the answers of an earlier run.
    pub(crate) fn open(settings: &Settings) -> Queue {
        Queue(Arc::new(Shared {
            state: Mutex::new(State {
                cache: cache::load(settings),
                waiting: VecDeque::new(),
                known: HashSet::new(),
            }),
            work: Notify::new(),
        }))
    }

    /// An event has this user: they are asked for, unless that is known or under way. It never waits.
    pub(crate) fn saw(&self, user: &str) {
        let mut state = self.lock();
        let waits = state.known.contains(user) || state.waiting.len() >= WAITING;
        if !waits && !state.cache.is_fresh(user, now()) {
            state.known.insert(user.to_owned());
            state.waiting.push_back(user.to_owned());
            self.0.work.notify_one();
        }
    }

    /// The next user to ask for; waits for one.
    pub(super) async fn next(&self) -> String {
        loop {
            if let Some(user) = self.lock().waiting.pop_front() {
                return user;
            }
            self.0.work.notified().await;
        }
    }

    /// Takes the answer about a user; the answers so far, once nobody waits, or `even_so`.
    pub(super) fn answer(
        &self,
        user: String,
        name: Option<String>,
        even_so: bool,
    ) -> Option<Cache> {
        let mut state = self.lock();
        state.known.remove(&user);
        state.cache.put(user, name, now());
        if !state.waiting.is_empty() && !even_so {
            return None;
        }
        state.cache.forget(now());
        Some(state.cache.clone())
    }

    /// Nobody waits any more: whoever has an event later is asked for then.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.known.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
