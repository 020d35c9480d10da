//! How long to wait before the next try: a pure schedule.
//!
//! Enters: how many tries failed in a row, what the collector asked for, a random number. Leaves: a
//! wait. What must hold: no wait is longer than [`Schedule::max`], unless the collector asked for
//! more, and then not longer than [`LONGEST_HINT`]; a hint is never undercut.

use std::time::Duration;

/// The longest wait that a collector may ask for (`RetryInfo`, `Retry-After`).
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// Doubling waits with jitter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Before the first retry.
    pub(crate) initial: Duration,
    /// Before any later one.
    pub(crate) max: Duration,
}

impl Schedule {
    /// The wait after `failures` failures in a row (1 for the first). `random` is in `0.0..1.0`.
    ///
    /// Half of the wait is fixed and half is random, so that replicas that failed together don't
    /// come back together. A hint is extended by up to a tenth, for the same reason.
    pub(crate) fn wait(&self, failures: u32, hint: Option<Duration>, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        let own = full.mul_f64(0.5 + random / 2.0);
        match hint {
            Some(hint) => own.max(hint.min(LONGEST_HINT).mul_f64(1.0 + random / 10.0)),
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SCHEDULE: Schedule = Schedule {
        initial: Duration::from_secs(1),
        max: Duration::from_secs(30),
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (1..=7)
            .map(|failures| SCHEDULE.wait(failures, None, 1.0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_hint_is_honoured_and_bounded() {
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(SCHEDULE.wait(1, hour, 0.0), LONGEST_HINT);
        let minute = Some(Duration::from_secs(60));
        assert_eq!(SCHEDULE.wait(1, minute, 0.0), Duration::from_secs(60));
    }

    proptest! {
        #[test]
        fn a_wait_is_at_least_half_and_at_most_whole(failures in 1u32.., random in 0.0..1.0f64) {
            let wait = SCHEDULE.wait(failures, None, random);
            prop_assert!(wait >= SCHEDULE.initial / 2);
            prop_assert!(wait <= SCHEDULE.max);
        }

        #[test]
        fn a_hint_is_never_undercut(failures in 1u32.., hint in 0u64..300, random in 0.0..1.0f64) {
            let hint = Duration::from_secs(hint);
            prop_assert!(SCHEDULE.wait(failures, Some(hint), random) >= hint);
        }
    }
}
