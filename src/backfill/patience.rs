//! Tries again what may pass.
//!
//! Enters: trouble. Leaves: whether to try again, after a wait.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::source::Trouble;
use crate::telemetry::seldom::Seldom;

/// Tries, the first one included. With these waits, the last is more than a minute after the first.
const TRIES: u32 = 7;
const LONGEST: Duration = Duration::from_secs(30);

/// Tries of one thing.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

/// What all tries share.
#[derive(Debug)]
pub(super) struct Patience {
    /// Nothing is begun any more.
    pub(super) stop: CancellationToken,
    seldom: Seldom,
}

impl Patience {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Patience {
            stop,
            seldom: Seldom::default(),
        }
    }

    /// Whether to try again; returns when it is time to.
    pub(super) async fn again(&self, tries: &mut Tries, what: &str, trouble: &Trouble) -> bool {
        let Trouble::Passing(message) = trouble else {
            return false;
        };
        tries.0 += 1;
        if tries.0 >= TRIES {
            return false;
        }
        if self.seldom.due("again").is_some() {
            tracing::warn!("{what}: {message}; it is tried again");
        }
        let wait = Duration::from_secs(1 << (tries.0 - 1)).min(LONGEST);
        self.wait(wait).await
    }

    /// Waits; false when it was stopped meanwhile.
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

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_for_a_minute_and_all_else_once() {
        let patience = Patience::new(CancellationToken::new());
        let begun = tokio::time::Instant::now();
        let (mut tries, mut made) = (Tries::default(), 1);
        let passing = Trouble::Passing("503".to_owned());
        while patience.again(&mut tries, "x", &passing).await {
            made += 1;
        }
        assert_eq!(made, TRIES);
        assert!(begun.elapsed() >= Duration::from_secs(60));
        let refused = Trouble::Refused("403".to_owned());
        assert!(!patience.again(&mut Tries::default(), "x", &refused).await);
        patience.stop.cancel();
        assert!(!patience.again(&mut Tries::default(), "x", &passing).await);
    }
}
