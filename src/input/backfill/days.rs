//! Days in UTC, and times in nanoseconds since 1970.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The first nanosecond of a day in UTC.
pub(crate) fn start_of(day: Date) -> Option<i64> {
    let time: Timestamp = TimeZone::UTC
        .to_timestamp(day.to_datetime(jiff::civil::Time::midnight()))
        .ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// The day of a time, in UTC.
pub(super) fn day_of(time: i64) -> Date {
    let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    time.to_zoned(TimeZone::UTC).date()
}

/// A time for people, to the second.
pub(crate) fn shown(time: i64) -> String {
    let time = Timestamp::from_second(time.div_euclid(1_000_000_000)).unwrap_or_default();
    time.to_string()
}
