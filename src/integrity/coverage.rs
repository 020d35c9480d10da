//! The range of time to verify, and what digests cover of it.
//!
//! Times are in seconds since 1970.

use super::names::{HOUR, rfc3339};

/// A log file is delivered so long after the time in its name, at most.
pub(super) const LATE: i64 = HOUR / 4;
/// A digest is delivered so long after what it covers, at most.
pub(super) const DIGEST_LATE: i64 = HOUR;

/// The range of time to verify. A log file is in it by the time in its name, a digest by what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// `None`: from the first digest.
    pub(crate) from: Option<i64>,
    /// `None`: to the last digest.
    pub(crate) to: Option<i64>,
    /// What time it is: what ended just now may not be delivered yet.
    pub(crate) now: i64,
}

impl Range {
    pub(super) fn first(&self) -> i64 {
        self.from.unwrap_or(i64::MIN)
    }

    pub(super) fn end(&self) -> i64 {
        self.to.unwrap_or(i64::MAX)
    }

    /// Whether a log file of that time is to be verified.
    pub(super) fn has(&self, time: i64) -> bool {
        (self.first()..self.end()).contains(&time)
    }

    /// Where digests begin that name no log file of the range.
    pub(super) fn last_start(&self) -> i64 {
        self.end().saturating_add(LATE)
    }

    /// Up to when digests must be there, if the range has an end.
    pub(super) fn covered_to(&self) -> Option<i64> {
        self.to.map(|to| to.min(self.delivered()))
    }

    /// Up to when each trail's digests have been delivered: the first one of a new trail, too.
    pub(super) fn delivered(&self) -> i64 {
        self.now.saturating_sub(HOUR + DIGEST_LATE)
    }
}

/// Where a time is, as seen from the digests of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The digest of that time should name it.
    Inside,
    /// The next digest should.
    NotYet,
    /// No digest covers it.
    Outside,
}

/// What the digests of a region cover, also where some of them are missing.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    spans: Vec<(i64, i64)>,
    /// Up to when the digests of each trail that still writes some are there, once that is known.
    common: Option<i64>,
}

/// Up to when the digests of all trails are there, by the end of the last one of each. A trail whose digests end long
/// before those of another one is over.
pub(super) fn common_end(ends: &[i64]) -> Option<i64> {
    let newest = *ends.iter().max()?;
    let is_current = |end: &&i64| **end + HOUR + DIGEST_LATE > newest;
    ends.iter().filter(is_current).min().copied()
}

impl Coverage {
    /// Adds what a digest covers. `after`: the end of the one before it, which it continues.
    pub(super) fn add(&mut self, start: i64, end: i64, after: Option<i64>) {
        let spans = &mut self.spans;
        let span = after.and_then(|after| spans.iter_mut().find(|span| span.1 == after));
        match span {
            Some(span) => span.1 = span.1.max(end),
            None => spans.push((start, end)),
        }
    }

    /// There are no more digests; those of each trail end then.
    pub(super) fn close(&mut self, ends: &[i64]) {
        self.common = common_end(ends);
    }

    /// Where a time is.
    pub(super) fn place(&self, time: i64) -> Place {
        let Some(last) = self.last() else {
            return Place::Outside;
        };
        let first_open = self.common.unwrap_or(last).saturating_sub(LATE);
        let is_next = (first_open..last + HOUR + DIGEST_LATE).contains(&time);
        let is_inside = |(start, end): &(i64, i64)| (*start..*end).contains(&time);
        match self.spans.iter().any(is_inside) {
            _ if is_next => Place::NotYet,
            true => Place::Inside,
            false => Place::Outside,
        }
    }

    /// The end of the last digest.
    pub(super) fn last(&self) -> Option<i64> {
        self.spans.iter().map(|(_, end)| *end).max()
    }
}

/// A span of time in words.
pub(super) fn span(from: i64, to: i64) -> String {
    format!("{} to {}", rfc3339(from), rfc3339(to))
}

/// How many digests cover a span, at least one.
pub(super) fn hours(from: i64, to: i64) -> u64 {
    let rounded = (to.saturating_sub(from)).saturating_add(HOUR / 2) / HOUR;
    u64::try_from(rounded).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_inside_of_what_follows_each_other_and_outside_of_a_stop() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.place(0), Place::Outside);
        coverage.add(0, HOUR, None);
        // Two hours are missing.
        coverage.add(3 * HOUR, 4 * HOUR, Some(HOUR));
        // The trail was stopped.
        coverage.add(9 * HOUR, 10 * HOUR, None);
        for (time, place) in [
            (-1, Place::Outside),
            (0, Place::Inside),
            (2 * HOUR, Place::Inside),
            (4 * HOUR, Place::Outside),
            (9 * HOUR - 1, Place::Outside),
            (9 * HOUR, Place::Inside),
            (10 * HOUR - LATE - 1, Place::Inside),
            (10 * HOUR - LATE, Place::NotYet),
            (12 * HOUR - 1, Place::NotYet),
            (12 * HOUR, Place::Outside),
        ] {
            assert_eq!(coverage.place(time), place, "{time}");
        }
    }

    #[test]
    fn the_slower_of_two_trails_may_still_name_a_file() {
        let mut coverage = Coverage::default();
        coverage.add(0, 2 * HOUR, None);
        let slower = 2 * HOUR - HOUR / 2;
        coverage.add(0, slower, None);
        coverage.close(&[2 * HOUR, slower]);
        assert_eq!(coverage.place(slower - LATE - 1), Place::Inside);
        assert_eq!(coverage.place(slower - LATE), Place::NotYet);
        // A trail that was deleted names none.
        coverage.close(&[2 * HOUR, -HOUR]);
        assert_eq!(coverage.place(slower), Place::Inside);
        assert_eq!(coverage.place(2 * HOUR - LATE), Place::NotYet);
    }

    #[test]
    fn what_ended_just_now_need_not_be_there() {
        let now = 100 * HOUR;
        let range = |to| Range {
            from: None,
            to,
            now,
        };
        assert_eq!(range(None).covered_to(), None);
        assert_eq!(range(Some(90 * HOUR)).covered_to(), Some(90 * HOUR));
        assert_eq!(range(Some(100 * HOUR)).covered_to(), Some(98 * HOUR));
        assert_eq!(range(Some(i64::MAX)).covered_to(), Some(98 * HOUR));
    }

    #[test]
    fn a_span_has_the_digests_of_its_hours() {
        assert_eq!(hours(0, 3 * HOUR), 3);
        assert_eq!(hours(0, 3 * HOUR - 5), 3);
        assert_eq!(hours(0, 1), 1);
        assert_eq!(hours(5, 0), 1);
    }
}
