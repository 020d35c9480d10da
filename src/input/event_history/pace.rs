//! When a region is asked again.
//!
//! Enters: each call. Leaves: when it may be made. What must hold: between two calls of a region
//! there is [`PAUSE`] at least, whatever they ask for: LookupEvents allows two a second for an
//! account and region.

use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::retry::Schedule;

/// Between two calls of a region.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// After failures.
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

    /// A call is made.
    pub(super) fn called(&mut self) {
        self.next = Some(Instant::now() + PAUSE);
    }

    /// A call was answered.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// A call failed: the next one waits. `random` is in `0.0..1.0`.
    pub(super) fn failed(&mut self, random: f64) {
        self.failures = self.failures.saturating_add(1);
        let wait = WAITS.wait(self.failures, None, random);
        self.next = Some(Instant::now() + wait.max(PAUSE));
    }
}
