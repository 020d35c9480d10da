//! The slices of time to request.
//!
//! Enters: the time up to which the history was delivered, the current time, the settings. Leaves: slices,
//! oldest first. What must hold: together they cover all time from an overlap before the delivered end until now; no
//! second is in two of them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// The longest slice: a kill in the middle repeats at most this.
const SLICE: i64 = 3600;
/// How far back the history goes, minus some time for differing clocks.
const LONGEST: i64 = 90 * 24 * 3600 - 300;

/// A span of time: whole seconds since 1970, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Slice {
    /// How long it is.
    pub(super) fn seconds(self) -> i64 {
        self.to - self.from + 1
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        write!(f, "{}..{}", time(self.from), time(self.to))
    }
}

/// The slices to request at `now` if everything up to `done` was delivered. Without `done`, in the first run,
/// they go back by `start`.
pub(super) fn slices(
    done: Option<i64>,
    now: i64,
    start: Duration,
    overlap: Duration,
) -> impl Iterator<Item = Slice> {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(LONGEST);
    let from = match done {
        // A wrong clock may have recorded a time in the future.
        Some(done) => done.min(now).saturating_sub(seconds(overlap)),
        None => now.saturating_sub(seconds(start)) + 1,
    };
    let mut next = from.max(now - LONGEST);
    std::iter::from_fn(move || {
        let slice = Slice {
            from: next,
            to: (next + SLICE - 1).min(now),
        };
        next = slice.to + 1;
        (slice.from <= slice.to).then_some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn all(done: Option<i64>, start: Duration, overlap: Duration) -> Vec<Slice> {
        let slices: Vec<_> = slices(done, NOW, start, overlap).collect();
        for pair in slices.windows(2) {
            assert_eq!(pair[0].to + 1, pair[1].from, "{pair:?}");
        }
        assert!(
            slices
                .iter()
                .all(|slice| (1..=SLICE).contains(&slice.seconds()))
        );
        assert_eq!(slices.last().unwrap().to, NOW);
        slices
    }

    #[test]
    fn the_first_run_begins_at_the_start() {
        let slices = all(None, 5 * HOUR, HOUR);
        assert_eq!(slices[0].from, NOW - 5 * SLICE + 1);
        assert_eq!(slices.len(), 5);
    }

    #[test]
    fn a_later_one_reaches_back_behind_what_was_delivered() {
        let slices = all(Some(NOW - 60), 5 * HOUR, HOUR / 2);
        assert_eq!(slices[0].from, NOW - 60 - 1800);
        assert_eq!(slices.len(), 1);
    }

    #[test]
    fn nothing_older_than_the_history_is_asked_for() {
        for (done, start) in [
            (None, 10_000 * HOUR),
            (Some(5), HOUR),
            (Some(i64::MIN), HOUR),
        ] {
            assert_eq!(all(done, start, HOUR)[0].from, NOW - LONGEST);
        }
    }

    #[test]
    fn a_clock_that_was_ahead_is_forgiven() {
        assert_eq!(all(Some(NOW + 9_000_000), HOUR, HOUR)[0].from, NOW - SLICE);
    }

    #[test]
    fn its_text_says_both_ends() {
        let slice = Slice {
            from: NOW,
            to: NOW + 59,
        };
        assert_eq!(
            slice.to_string(),
            "2023-11-14T22:13:20Z..2023-11-14T22:14:19Z"
        );
    }
}
