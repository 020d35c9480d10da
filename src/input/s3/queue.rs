//! A queue, as the consumer sees it.
//!
//! Enters: what to receive, extend, delete. Leaves: messages, and an answer for each entry. What must
//! hold: see [`Queue`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::aws::fault::Fault;

/// Messages in one call of any kind at most.
pub(super) const BATCH: usize = 10;

/// A message that was received.
#[derive(Clone)]
pub(super) struct Message {
    /// The same each time that the message is received.
    pub(super) id: Arc<str>,
    /// Another each time; what it is extended and deleted by. Never told.
    pub(super) receipt: Arc<str>,
    /// What it says.
    pub(super) body: String,
    /// How often it was received by anyone, this time included.
    pub(super) receives: u32,
}

/// Why one entry of a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The same would be refused again: the receipt is stale, or the message was hidden for as long
    /// as can be.
    pub(super) for_good: bool,
    /// The queue's own words.
    pub(super) message: String,
}

/// Of each entry of a call, in order, what became of it.
pub(super) type Answers = Vec<Result<(), Refused>>;

/// What the queue does with a message that is received again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redrive {
    /// It goes to a dead-letter queue after so many receives.
    After(u32),
    /// Nothing.
    Never,
    /// It does not say.
    Unknown,
}

/// A queue with visibility timeouts. Its contract:
///
/// - A message that was received is hidden for `visibility`. Then it is received again, by anyone,
///   with another receipt; the old one may be refused from then on.
/// - A message may come twice, and messages come in any order.
/// - A message is gone only once a delete of it was answered well.
/// - A call that is dropped may have been done or not.
pub(super) trait Queue: Send + Sync + 'static {
    /// The queue's URL, which names it.
    fn url(&self) -> &str;

    /// Up to `most` messages, [`BATCH`] at most; none where there were none for as long as `wait`.
    fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Message>, Fault>> + Send;

    /// Hides up to [`BATCH`] messages, each by its receipt, for so long from now; zero shows it.
    fn hide(
        &self,
        entries: &[(Arc<str>, Duration)],
    ) -> impl Future<Output = Result<Answers, Fault>> + Send;

    /// Deletes up to [`BATCH`] messages by their receipts.
    fn delete(&self, entries: &[Arc<str>]) -> impl Future<Output = Result<Answers, Fault>> + Send;

    /// What the queue does with a message that is received again and again.
    fn redrive(&self) -> impl Future<Output = Result<Redrive, Fault>> + Send;
}
