//! Which conversations have a delivered event.
//!
//! Enters: the conversations of delivered events. Leaves: how many of them are new. What must hold: memory is bounded; a
//! conversation stays known for [`AGE`] after its first event, also over a restart if there is a journal.

use std::collections::BTreeSet;

use super::ids::{Id, Ids};
use super::{Dedup, second};

/// Conversations that are known at most: 2.7 MB. The oldest are forgotten first.
const MOST: u32 = 100_000;
/// Seconds that a conversation is known: 30 days.
const AGE: i64 = 30 * 86_400;

/// The conversations with a delivered event.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Conversations(pub(super) Ids);

impl Conversations {
    /// Notes that these have a delivered event; returns how many had none before.
    pub(in crate::pipeline) fn begin(&mut self, conversations: &BTreeSet<Id>) -> u64 {
        let now = second();
        let new = conversations.iter().filter(|id| self.0.add(**id, now));
        let new = new.count() as u64;
        self.0.forget(now - AGE, MOST);
        new
    }
}

impl Dedup {
    /// As [`Conversations::begin`], and the journal keeps them.
    pub(in crate::pipeline) fn begin(&self, conversations: &BTreeSet<Id>) -> u64 {
        let mut state = self.0.lock();
        let differed = state.differs();
        let new = state.conversations.begin(conversations);
        self.0.unlock(state, differed);
        new
    }
}
