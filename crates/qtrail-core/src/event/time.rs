//! CloudTrail's times.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a time as nanoseconds since 1970: RFC 3339, also with fractional seconds, an offset, a
/// space for the `T`, without a zone, which means UTC, or in ISO 8601's basic form. `None` for all else, for
/// times before 1970 and for those that 64 bits cannot hold.
pub(crate) fn parse(text: &str) -> Option<i64> {
    usual(text).or_else(|| unusual(&extended(text)))
}

/// A time in ISO 8601's basic form, `20131102T010628Z`, as `2013-11-02T01:06:28Z`; any other text as it is.
pub(crate) fn extended(text: &str) -> Cow<'_, str> {
    let digits =
        |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let is_basic =
        text.as_bytes().get(8) == Some(&b'T') && digits(text.get(..8)) && digits(text.get(9..15));
    if !is_basic {
        return Cow::Borrowed(text);
    }
    let (date, time) = (&text[..8], &text[9..15]);
    let zone = &text[15..];
    Cow::Owned(format!(
        "{}-{}-{}T{}:{}:{}{zone}",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..],
    ))
}

/// The form of nearly every event, `2024-04-10T14:07:55Z`, in a few nanoseconds.
fn usual(text: &str) -> Option<i64> {
    let b: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let punctuation = [b[4], b[7], b[10], b[13], b[16], b[19]];
    if punctuation != *b"--T::Z" {
        return None;
    }
    let two = |at: usize| -> Option<i64> {
        let (tens, ones) = (b[at].wrapping_sub(b'0'), b[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
    };
    let year = two(0)? * 100 + two(2)?;
    let (month, day) = (two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    // Days from the 29th on, and leap seconds, take the calendar: `unusual` parses them.
    let plain = (1970..2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    plain.then(|| {
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        seconds * 1_000_000_000
    })
}

/// Days since 1970-01-01 of a date from 1970 on. The year begins in March here, so that the day
/// that leap years add is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

fn unusual(text: &str) -> Option<i64> {
    let text = text.trim();
    // A date alone is no time.
    if !text.contains(':') {
        return None;
    }
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        text.parse::<DateTime>()
            .and_then(|civil| TimeZone::UTC.to_timestamp(civil))
    });
    let nanoseconds = i64::try_from(timestamp.ok()?.as_nanosecond()).ok()?;
    (nanoseconds >= 0).then_some(nanoseconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: i64 = 1_712_758_075_000_000_000;

    #[test]
    fn the_forms_seen_in_the_wild_are_one_time() {
        for text in [
            "2024-04-10T14:07:55Z",
            "2024-04-10 14:07:55Z",
            "2024-04-10T14:07:55",
            "2024-04-10 14:07:55",
            "2024-04-10T14:07:55.000000000Z",
            "2024-04-10T16:07:55+02:00",
            "2024-04-10T14:07:55.000",
            "20240410T140755Z",
            "20240410T140755",
        ] {
            assert_eq!(parse(text), Some(AT), "{text}");
        }
        assert_eq!(parse("2024-04-10T14:07:55.25Z"), Some(AT + 250_000_000));
    }

    #[test]
    fn what_is_no_time_after_1970_is_none() {
        for text in [
            "",
            "yesterday",
            "2024-04-10",
            "2024-13-10T14:07:55Z",
            "2023-02-29T14:07:55Z",
            "2024-04-10T24:07:55Z",
            "1969-12-31T23:59:59Z",
            "2500-01-01T00:00:00Z",
            "1712758075",
            "20240410",
            "20240410T1407Z",
            "2024041éT140755Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_calendar(seconds in 0i64..9_000_000_000) {
            let text = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            prop_assert_eq!(unusual(&text), parse(&text));
        }

        #[test]
        fn the_short_way_takes_no_other_text_than_the_calendar(
            text in "(19|20|21)[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z",
        ) {
            prop_assert_eq!(unusual(&text), parse(&text));
        }
    }
}
