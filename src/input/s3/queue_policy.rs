//! The policies of a queue: its redrive policy, and the buckets that may announce objects.
//!
//! Enters: the queue's attributes, read at intervals. Leaves: the redrive policy, and whether a bucket may be read. What
//! must hold: before the first answer, no bucket may be read; an answer stays valid until the next one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use super::buckets::Buckets;
use super::consume::Consumer;
use super::context::{Fetch, Flow};
use super::queue::{Queue, Redrive};
use crate::aws::error::Remedy;
use crate::telemetry::stalls::Cause;

/// How often the attributes are read.
const EVERY: Duration = Duration::from_secs(300);
/// How often, while the redrive policy is unknown.
const EVERY_UNKNOWN: Duration = Duration::from_secs(60);
/// After this time, an unknown bucket makes qtrail read the attributes again: the policy may have changed.
const AGAIN: Duration = Duration::from_secs(15);

/// Whether a bucket may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Allowed,
    /// The policy names other buckets only.
    Denied,
    /// The attributes could not be read yet.
    Unknown,
}

/// The policies of a queue, as last read.
#[derive(Default)]
pub(super) struct QueuePolicy(Mutex<State>);

#[derive(Default)]
struct State {
    redrive: Option<Redrive>,
    /// The buckets that its policy names; none if qtrail may not read it.
    buckets: Option<Buckets>,
    asked: Option<Instant>,
    /// Whether these warnings were logged: that qtrail may not read the attributes, and that nothing names the buckets.
    warned_denied: bool,
    warned_open: bool,
}

impl QueuePolicy {
    pub(super) fn redrive(&self) -> Redrive {
        self.state().redrive.unwrap_or(Redrive::Unknown)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Queue, F: Fetch, P: Flow> Consumer<Q, F, P> {
    /// Whether a message of this queue may announce objects of a bucket. For an unknown bucket, the policy is read
    /// again, because it may have changed.
    pub(super) async fn access(&self, bucket: &str) -> Access {
        let set = &self.context.settings.buckets;
        if !set.is_empty() {
            return match set.contains(bucket) {
                true => Access::Allowed,
                false => Access::Denied,
            };
        }
        let before = self.access_by_policy(bucket);
        if before == Access::Allowed || !self.may_ask_again() {
            return before;
        }
        self.learn().await;
        self.access_by_policy(bucket)
    }

    fn access_by_policy(&self, bucket: &str) -> Access {
        match &self.policy.state().buckets {
            None => Access::Unknown,
            Some(buckets) if buckets.names_none() || buckets.contains(bucket) => Access::Allowed,
            Some(_) => Access::Denied,
        }
    }

    fn may_ask_again(&self) -> bool {
        let asked = self.policy.state().asked;
        asked.is_none_or(|asked| asked.elapsed() >= AGAIN)
    }

    /// Reads the attributes at intervals.
    pub(super) async fn learn_again(&self) {
        loop {
            sleep(match self.policy.redrive() {
                Redrive::Unknown => EVERY_UNKNOWN,
                Redrive::After(_) | Redrive::Never => EVERY,
            })
            .await;
            self.learn().await;
        }
    }

    /// Reads the attributes.
    pub(super) async fn learn(&self) {
        self.policy.state().asked = Some(Instant::now());
        let asked = tokio::select! {
            asked = self.queue.attributes() => asked,
            () = self.context.stop.cancelled() => return,
        };
        // Without an answer, no bucket may be read.
        let (stalls, of) = (
            &self.context.metrics.stalls,
            format!("{} (policies)", self.queue.url()),
        );
        if asked.is_ok() {
            stalls.clear(Cause::QueueUnreadable, &of);
        }
        match asked {
            Ok(attributes) => {
                let mut state = self.policy.state();
                state.redrive = Some(attributes.redrive);
                state.buckets = Some(attributes.buckets);
            }
            // The receiving side logs this error.
            Err(error) if error.remedy == Remedy::Gone => {}
            Err(error) if error.remedy == Remedy::Denied => {
                stalls.clear(Cause::QueueUnreadable, &of);
                let mut state = self.policy.state();
                // This lasts until the permission is granted.
                state.buckets.get_or_insert_default();
                let is_news = state.redrive.is_none();
                if is_news && !std::mem::replace(&mut state.warned_denied, true) {
                    warn!(
                        queue = self.queue.url(),
                        "cannot ask for the queue's policies, and act as if it had none: a message that fails goes to the dead letters here ({error}; sqs:GetQueueAttributes allows it)"
                    );
                }
            }
            Err(error) => {
                if self.policy.state().buckets.is_none() {
                    let reason = format!(
                        "cannot ask for the policies of {}: {error}",
                        self.queue.url()
                    );
                    let passes = error.remedy == Remedy::Retry;
                    stalls.set_error(Cause::QueueUnreadable, &of, passes, reason);
                }
                if let Some(left_out) = self.context.log_throttle.due("attributes") {
                    warn!(
                        queue = self.queue.url(),
                        left_out, "cannot ask for the queue's policies, trying again: {error}"
                    );
                }
            }
        }
        self.warn_open();
    }

    /// Warns once that nothing names the buckets.
    fn warn_open(&self) {
        if !self.context.settings.buckets.is_empty() {
            return;
        }
        let mut state = self.policy.state();
        let open = state.buckets.as_ref().is_some_and(Buckets::names_none);
        if open && !std::mem::replace(&mut state.warned_open, true) {
            warn!(queue = self.queue.url(), "{OPEN}");
        }
    }
}

/// The warning for a queue whose messages may announce objects of any bucket.
pub(crate) const OPEN: &str = "nothing names the buckets that its messages may have read: whoever may send \
     to the queue can have any object read that qtrail's role may read; name them in s3.buckets, or in \
     the queue's policy by aws:SourceArn";
