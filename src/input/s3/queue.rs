//! The interface to a queue.
//!
//! Enters: calls to receive, extend and delete. Leaves: messages, and one result for each entry.
//! What must hold: see [`Queue`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use crate::aws;

/// The most messages in one call of any kind.
pub(super) const BATCH: usize = 10;

/// A received message.
#[derive(Clone)]
pub(super) struct Message {
    /// Equal each time that the message is received.
    pub(super) id: Arc<str>,
    /// New each time; extends and deletes it. Never logged.
    pub(super) receipt: Arc<str>,
    /// Its body.
    pub(super) body: String,
    /// How often it was received by any receiver, this time included.
    pub(super) receives: u32,
}

/// A message in a call.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its number among the messages in flight, to find its result.
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

/// What the queue does with a message that is received too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redrive {
    /// Moves it to a dead-letter queue after so many receives.
    After(u32),
    /// Nothing.
    Never,
    /// Unknown.
    Unknown,
}

/// The attributes of a queue.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) redrive: Redrive,
    /// The buckets that may announce objects, by its policy.
    pub(super) buckets: Buckets,
}

/// A queue with visibility timeouts. Its contract:
///
/// - A received message is hidden for `visibility`. Then any receiver may receive it again, with
///   another receipt; the old one may be refused from then on.
/// - A message may come twice, and messages come in any order.
/// - A message is deleted only once the queue has confirmed it.
/// - A dropped call may or may not have been applied.
pub(super) trait Queue: Send + Sync + 'static {
    /// The queue's URL, which names it.
    fn url(&self) -> &str;

    /// Receives up to `most` messages, [`BATCH`] at most; none if none came within `wait`.
    fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Message>, aws::Error>> + Send;

    /// Hides up to [`BATCH`] messages, each for its time from now; zero makes it visible.
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
