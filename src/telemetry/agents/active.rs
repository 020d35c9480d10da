//! How many different people or conversations there were in the last hour.
//!
//! Enters: an id with the time of its event. Leaves: their number. What must hold: memory is bounded, and so is the work
//! for an id, also when there are more than [`MOST`].

use std::collections::HashMap;
use std::hash::Hash;

/// Ids that are counted. If there are more, the number is this one.
pub(in crate::telemetry) const MOST: usize = 10_000;
/// How long an id counts, in nanoseconds.
const WINDOW: i64 = 3_600 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// The ids of the last hour, each with the time of its newest event.
#[derive(Debug)]
pub(super) struct Active<T> {
    newest: HashMap<T, i64>,
    /// When old ids were last removed.
    cleaned: i64,
}

impl<T> Default for Active<T> {
    fn default() -> Self {
        Active {
            newest: HashMap::new(),
            cleaned: 0,
        }
    }
}

impl<T: Hash + Eq> Active<T> {
    /// Notes an id of an event at `time`. Times are in nanoseconds since 1970.
    pub(super) fn saw(&mut self, id: T, time: i64, now: i64) {
        if !is_recent(time, now) {
            return;
        }
        if let Some(newest) = self.newest.get_mut(&id) {
            *newest = time.max(*newest);
            return;
        }
        if self.newest.len() >= MOST && now.saturating_sub(self.cleaned) >= SECOND {
            self.newest.retain(|_, newest| is_recent(*newest, now));
            self.cleaned = now;
        }
        if self.newest.len() < MOST {
            self.newest.insert(id, time);
        }
    }

    /// How many there were in the hour before `now`.
    pub(super) fn count(&self, now: i64) -> u64 {
        let recent = self.newest.values().filter(|time| is_recent(**time, now));
        recent.count() as u64
    }
}

fn is_recent(time: i64, now: i64) -> bool {
    now.saturating_sub(time) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000 * SECOND;

    #[test]
    fn each_counts_once_for_an_hour_after_its_newest_event() {
        let mut active = Active::default();
        for (id, age) in [(1, 0), (1, 30), (2, 59), (2, 20), (3, 59), (4, 60)] {
            active.saw(id, NOW - age * 60 * SECOND, NOW);
        }
        assert_eq!(active.count(NOW), 3);
        assert_eq!(active.count(NOW + 60 * SECOND), 2);
        assert_eq!(active.count(NOW + 40 * 60 * SECOND), 1);
        assert_eq!(active.count(NOW + WINDOW), 0);
    }

    #[test]
    fn at_the_limit_new_ones_count_once_old_ones_have_gone() {
        let mut active = Active::default();
        for id in 0..2 * MOST {
            active.saw(id, NOW, NOW);
        }
        assert_eq!(active.count(NOW), MOST as u64);
        let later = NOW + WINDOW;
        for id in 0..5 {
            active.saw(id + 5 * MOST, later, later);
        }
        assert_eq!(active.count(later), 5);
        assert_eq!(active.newest.len(), 5);
    }
}
