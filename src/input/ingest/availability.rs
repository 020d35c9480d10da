//! Whether events can be accepted now.
//!
//! Enters: the health of the collector and of the dead letters, and `stop`. Leaves: the [`Error`] that
//! senders get while events cannot be accepted. What must hold: an outage shorter than [`GRACE`] fails no
//! request in progress.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::{Error, RETRY_AFTER};
use crate::runtime::health::Health;

/// How long a request in progress still waits after the collector became unavailable.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Watches everything that a delivery depends on.
#[derive(Clone)]
pub(super) struct Availability {
    pub(super) collector: watch::Receiver<Health>,
    /// Why dead letters cannot be written, while they cannot.
    pub(super) dead_letters: watch::Receiver<Option<String>>,
    pub(super) stop: CancellationToken,
}

impl Availability {
    /// Whether events can be accepted now.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.stop.is_cancelled() {
            return Err(Error::Stopping);
        }
        self.outage().map_or(Ok(()), Err)
    }

    /// Returns once [`check`](Availability::check) differs from `available`, or qtrail stops.
    pub(super) async fn changed(&self, available: bool) {
        tokio::select! {
            () = self.until(!available) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Returns once an outage has lasted for [`GRACE`].
    pub(super) async fn lasting_outage(&self) -> Error {
        loop {
            self.until(false).await;
            if timeout(GRACE, self.until(true)).await.is_err()
                && let Some(error) = self.outage()
            {
                return error;
            }
        }
    }

    async fn until(&self, available: bool) {
        let (mut collector, mut dead_letters) = (self.collector.clone(), self.dead_letters.clone());
        loop {
            collector.mark_unchanged();
            dead_letters.mark_unchanged();
            if self.outage().is_none() == available {
                return;
            }
            // Without senders, nothing changes any more.
            tokio::select! {
                Ok(()) = collector.changed() => {}
                Ok(()) = dead_letters.changed() => {}
                else => pending().await,
            }
        }
    }

    fn outage(&self) -> Option<Error> {
        let collector = match &*self.collector.borrow() {
            Health::Up => None,
            Health::Down {
                reason,
                retry_after,
            } => Some((reason.clone(), (*retry_after).max(RETRY_AFTER))),
            Health::Blocked { reason } => Some((reason.clone(), RETRY_AFTER)),
        };
        if let Some((reason, retry_after)) = collector {
            return Some(Error::CollectorUnavailable {
                reason,
                retry_after,
            });
        }
        let reason = self.dead_letters.borrow().clone()?;
        Some(Error::DeadLettersUnavailable { reason })
    }
}
