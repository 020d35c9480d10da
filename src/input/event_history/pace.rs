//! The rate of requests to a region.
//!
//! Enters: each call. Leaves: the time of the next one. What must hold: calls to a region are at least
//! [`PAUSE`] apart, for all event sources together: LookupEvents allows two a second for an
//! account and region.

use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::retry::Schedule;

/// The least time between two calls to a region.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// The waits after failures.
const WAITS: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(60),
};

/// When the next call may be made.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
    failures: u32,
}

impl Pace {
    /// Returns once a call may be made.
    pub(super) async fn turn(&self) {
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
    }

    /// Records a call.
    pub(super) fn called(&mut self) {
        self.next = Some(Instant::now() + PAUSE);
    }

    /// Records an answer.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// Records a failure: the next call waits. `random` is in `0.0..1.0`.
    pub(super) fn failed(&mut self, random: f64) {
        self.failures = self.failures.saturating_add(1);
        let wait = WAITS.wait(self.failures, None, random);
        self.next = Some(Instant::now() + wait.max(PAUSE));
    }
}
