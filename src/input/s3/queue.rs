//! A queue, as the consumer sees it.
//!
//! Enters: what to receive, extend, delete. Leaves: messages, and answers by the number of the entry.
//! What must hold: see [`Queue`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use crate::aws;

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

/// A message in a call.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its number among those that are held: answers go by it.
    pub(super) number: u64,
    /// Its receipt.
    pub(super) receipt: Arc<str>,
}

/// Why the queue refused one entry of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryError {
    /// A repeat would fail too: the receipt is stale, or the message was hidden for 12 hours.
    pub(super) permanent: bool,
    /// The queue's message.
    pub(super) message: String,
}

/// The results of a call by entry. An entry without a result may or may not have been applied.
pub(super) type Answers = HashMap<u64, Result<(), EntryError>>;

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

/// What a queue says of itself.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) redrive: Redrive,
    /// The buckets that its policy lets announce objects.
    pub(super) buckets: Buckets,
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
    ) -> impl Future<Output = Result<Vec<Message>, aws::Error>> + Send;

    /// Hides up to [`BATCH`] messages, each for so long from now; zero shows it.
    fn hide(
        &self,
        entries: &[(Entry, Duration)],
    ) -> impl Future<Output = Result<Answers, aws::Error>> + Send;

    /// Deletes up to [`BATCH`] messages.
    fn delete(&self, entries: &[Entry])
    -> impl Future<Output = Result<Answers, aws::Error>> + Send;

    /// What the queue says of itself.
    fn attributes(&self) -> impl Future<Output = Result<Attributes, aws::Error>> + Send;
}
