//! Retries requests after temporary errors.
//!
//! Enters: errors and successes. Leaves: whether to try again, after a wait. What must
//! hold: if a wrong set-up makes every request fail, the backfill stops without trying every file.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::source;
use crate::runtime::retry::Schedule;
use crate::telemetry::log_throttle::LogThrottle;

/// The most tries, the first one included: over about a minute.
const TRIES: u32 = 8;
const WAITS: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(30),
};
/// Failures because of the set-up without a success in between.
const IN_VAIN: u32 = 8;

/// The tries of one request.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

/// The state that all requests share.
#[derive(Debug)]
pub(super) struct Retry {
    /// Stop: no more tries.
    pub(super) stop: CancellationToken,
    log_throttle: LogThrottle,
    /// Whether a request ever succeeded, so that the set-up was right.
    began: AtomicBool,
    in_vain: AtomicU32,
}

impl Retry {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Retry {
            stop,
            log_throttle: LogThrottle::default(),
            began: AtomicBool::new(false),
            in_vain: AtomicU32::new(0),
        }
    }

    /// Records a success.
    pub(super) fn went_well(&self) {
        self.began.store(true, Ordering::Relaxed);
        self.in_vain.store(0, Ordering::Relaxed);
    }

    /// Whether to try again; returns when it is time.
    pub(super) async fn again(&self, tries: &mut Tries, what: &str, error: &source::Error) -> bool {
        let unset = matches!(error, source::Error::Setup(_)) && !self.began.load(Ordering::Relaxed);
        if unset || !error.may_pass() {
            return false;
        }
        tries.0 += 1;
        if tries.0 >= TRIES {
            self.gave_up(error);
            return false;
        }
        if self.log_throttle.due("again").is_some() {
            tracing::warn!("{what}: {error}; it is tried again");
        }
        self.wait(WAITS.wait(tries.0, None, fastrand::f64())).await
    }

    fn gave_up(&self, error: &source::Error) {
        if let source::Error::Setup(message) = error
            && self.in_vain.fetch_add(1, Ordering::Relaxed) + 1 == IN_VAIN
        {
            tracing::error!("stopping: nothing can be read until this is corrected: {message}");
            self.stop.cancel();
        }
    }

    /// Waits; `false` if it was stopped meanwhile.
    pub(super) async fn wait(&self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tried(retry: &Retry, error: &source::Error) -> u32 {
        let (mut tries, mut made) = (Tries::default(), 1);
        while retry.again(&mut tries, "x", error).await {
            made += 1;
        }
        made
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_for_a_while_and_all_else_once() {
        let retry = Retry::new(CancellationToken::new());
        let begun = tokio::time::Instant::now();
        let passing = source::Error::Passing("503".to_owned());
        assert_eq!(tried(&retry, &passing).await, TRIES);
        assert!(begun.elapsed() >= Duration::from_secs(40));
        let refused = source::Error::Denied("403".to_owned());
        assert_eq!(tried(&retry, &refused).await, 1);
        retry.stop.cancel();
        assert_eq!(tried(&retry, &passing).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_set_up_is_wrong_all_is_stopped() {
        let retry = Retry::new(CancellationToken::new());
        let expired = source::Error::Setup("ExpiredToken".to_owned());
        let passing = source::Error::Passing("503".to_owned());
        assert_eq!(tried(&retry, &expired).await, 1, "nothing was had yet");
        retry.went_well();
        for round in 1..IN_VAIN {
            tried(&retry, &expired).await;
            tried(&retry, &passing).await;
            assert!(!retry.stop.is_cancelled(), "{round}");
        }
        retry.went_well();
        for round in 1..=IN_VAIN {
            assert!(!retry.stop.is_cancelled(), "{round}");
            tried(&retry, &expired).await;
        }
        assert!(retry.stop.is_cancelled());
    }
}
