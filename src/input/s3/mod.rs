//! S3 objects that SQS messages announce.
//!
//! Enters: messages of one or more queues. Leaves: units for the pipeline, and deleted messages once
//! all of a message's objects have settled. What must hold: no message is deleted before; the visibility of a
//! message is extended exactly while it is in work; while the collector is unavailable, no message is
//! received; a body that cannot be read is never deleted without a dead letter.

#[cfg(feature = "aws")]
mod attempts;
mod buckets;
#[cfg(feature = "aws")]
mod consume;
#[cfg(feature = "aws")]
mod context;
#[cfg(feature = "aws")]
mod message;
#[cfg(feature = "aws")]
#[doc(hidden)]
pub mod notice;
#[cfg(feature = "aws")]
mod object;
#[cfg(feature = "aws")]
mod queue;
#[cfg(feature = "aws")]
mod queue_policy;
#[cfg(feature = "aws")]
mod sqs;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;
#[cfg(feature = "aws")]
mod visibility;

#[cfg(feature = "aws")]
use std::sync::Arc;
use std::time::Duration;

use globset::GlobSet;
#[cfg(feature = "aws")]
use tokio_util::sync::CancellationToken;

#[cfg(feature = "aws")]
use crate::proof::announced::Announced;
pub use buckets::{Buckets, is_pattern};
#[cfg(feature = "aws")]
pub(crate) use queue_policy::OPEN;

/// How long an object, or a queue, is waited for before the next try.
#[cfg(feature = "aws")]
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How queues are read. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URLs of the queues.
    pub queues: Vec<String>,
    /// Buckets that messages may have read; empty means those that the queue's own policy names.
    pub buckets: Buckets,
    /// Whether events in the messages themselves are read.
    pub inline_events: bool,
    /// Objects to read, by key; empty means all.
    pub include: GlobSet,
    /// Objects to leave alone.
    pub exclude: GlobSet,
    /// Objects that are worked on at once. Default 16.
    pub fetchers: usize,
    /// Bytes of objects held in memory. Default 64 MiB.
    pub in_flight_bytes: usize,
    /// Bytes of one object as it is stored. Default 1 GiB.
    pub object_bytes: u64,
    /// How long a message stays hidden; whole seconds, at most 12 hours. Default 60 s.
    pub visibility: Duration,
    /// How often a message may fail by its own error. Default 5.
    pub max_receives: u32,
    /// Read until the queues are empty, then return. Default: for ever.
    pub once: bool,
}

/// Why the queues cannot be read at all. All else is waited out.
#[cfg(feature = "aws")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such queue.
    #[error("{queue}: {message}")]
    Queue {
        /// Its URL.
        queue: String,
        /// What SQS said, and the remedy.
        message: String,
    },
}

/// Reads the queues, and verifies the digests that they announce, until `stop`: then nothing is received, what is worked on is awaited, and what
/// was not begun is given back. A queue that does not exist cancels `stop`, so that what is awaited
/// then has its deadline.
///
/// # Errors
/// A queue that does not exist.
#[cfg(feature = "aws")]
pub async fn run(
    settings: Settings,
    aws: &crate::aws::Aws,
    downstream: super::Downstream,
    verifier: Option<Announced>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let queues = settings.queues.clone();
    let metrics = downstream.metrics;
    let verifier = verifier.map(Arc::new);
    let mut context = context::Context::new(
        settings,
        context::S3 {
            aws: aws.clone(),
            abort: downstream.abort.clone(),
        },
        downstream.pipeline,
        downstream.health,
        Arc::clone(&metrics),
        (stop.clone(), downstream.abort),
    );
    context.verifier.clone_from(&verifier);
    let context = Arc::new(context);
    let ended = stop.child_token();
    let watched = verifier.map(|verifier| tokio::spawn(verifier.watch(ended.clone())));
    let mut running = tokio::task::JoinSet::new();
    for url in queues {
        let queue = sqs::Sqs::new(aws.sqs_for(&url), url, Arc::clone(&metrics));
        running.spawn(consume::consume(Arc::clone(&context), queue));
    }
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(error) => result = error,
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }
    ended.cancel();
    if let Some(watched) = watched {
        // It has ended, or ends at once.
        let _ = watched.await;
    }
    context.log_undelivered();
    result
}

/// How long to wait after so many failures in a row.
#[cfg(feature = "aws")]
fn waits(failures: u32) -> Duration {
    waits_up_to(LONGEST_WAIT, failures)
}

#[cfg(feature = "aws")]
fn waits_up_to(max: Duration, failures: u32) -> Duration {
    let schedule = crate::runtime::retry::Schedule {
        initial: Duration::from_secs(1),
        max,
    };
    schedule.wait(failures, None, fastrand::f64())
}
