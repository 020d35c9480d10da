//! The times that a user names.
//!
//! Enters: `2026-11-01T06:00:00Z`, `2026-11-01`, `7d`. Leaves: the first and the last moment that it
//! means, in nanoseconds since 1970.

use std::time::Duration;

use jiff::civil::Date;

use crate::config::value;
use crate::input::backfill::days::start_of;

const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// A time, as it was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A moment.
    Time(i64),
    /// A whole day of UTC: its first moment.
    Day(i64),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<When, String> {
        let wrong = || {
            format!(
                "{text:?} is no time: write a day (2026-01-31), a time (2026-01-31T06:00:00Z), or how long ago (7d, 36h)"
            )
        };
        if let Ok(age) = value::duration(text) {
            return Ok(When::Ago(age));
        }
        if let Ok(time) = value::time(text) {
            return Ok(When::Time(time));
        }
        let is_day = text.len() == "2026-01-31".len();
        let day: Date = text.parse().ok().filter(|_| is_day).ok_or_else(wrong)?;
        start_of(day).map(When::Day).ok_or_else(wrong)
    }

    /// The first moment that is meant.
    pub fn first(self, now: i64) -> i64 {
        match self {
            When::Time(time) | When::Day(time) => time,
            When::Ago(age) => now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// The moment after the last one that is meant: a day is meant to its end.
    pub fn end(self, now: i64) -> i64 {
        match self {
            When::Day(time) => time.saturating_add(DAY),
            When::Time(_) | When::Ago(_) => self.first(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::backfill::days::shown;

    /// 2026-11-23T01:00:00Z.
    const NOW: i64 = 1_795_395_600_000_000_000;

    #[test]
    fn a_day_is_meant_from_its_first_moment_to_its_last() {
        let day = When::parse("2026-11-01").unwrap();
        assert_eq!(shown(day.first(NOW)), "2026-11-01T00:00:00Z");
        assert_eq!(shown(day.end(NOW)), "2026-11-02T00:00:00Z");
    }

    #[test]
    fn a_time_and_an_age_are_one_moment() {
        for (text, moment) in [
            ("2026-11-01T06:00:00Z", "2026-11-01T06:00:00Z"),
            ("2026-11-01T06:00:00+02:00", "2026-11-01T04:00:00Z"),
            ("7d", "2026-11-16T01:00:00Z"),
            ("1d12h", "2026-11-21T13:00:00Z"),
        ] {
            let when = When::parse(text).unwrap();
            assert_eq!(shown(when.first(NOW)), moment, "{text}");
            assert_eq!(when.first(NOW), when.end(NOW), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_remedy() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11",
            "2026-11-01T06:00:00",
            "7",
        ] {
            let error = When::parse(text).unwrap_err();
            assert!(
                error.contains("2026-01-31") && error.contains("7d"),
                "{error}"
            );
        }
    }
}
