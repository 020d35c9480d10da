//! Texts become durations, sizes and times.
//!
//! `jiff` wants units from largest to smallest; `humantime` reads `5M` as five months; `bytesize` reads `64k`
//! as 64,000 and an overflow as the largest size. Each would change what a configuration means.

use std::time::Duration;

/// A size in bytes: `512`, `64KiB`, `10MB`, `2 GiB`.
///
/// # Errors
/// The text is invalid; the error names a valid form.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("k", 1 << 10),
        ("kib", 1 << 10),
        ("kb", 1_000),
        ("mib", 1 << 20),
        ("mb", 1_000_000),
        ("gib", 1 << 30),
        ("gb", 1_000_000_000),
        ("tib", 1 << 40),
    ];
    let wrong = || format!("{text:?} is not a size: write bytes, or a number with KiB, MiB or GiB");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(u, _)| *u == unit).ok_or_else(wrong)?;
    number
        .checked_mul(*factor)
        .ok_or_else(|| format!("{text:?} is too large: at most 2^64 - 1 bytes"))
}

/// A time span: `500ms`, `5s`, `1m30s`, `2h`, `7d`.
///
/// # Errors
/// The text is invalid; the error names a valid form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: write it like 500ms, 5s, 1m30s, 2h or 7d");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = split(rest).ok_or_else(wrong)?;
        let end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).ok_or_else(wrong)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(wrong)?;
        rest = tail.trim_start();
    }
    Ok(total)
}

/// An RFC 3339 time, in nanoseconds since 1970.
///
/// # Errors
/// The text is invalid; the error names a valid form.
pub fn time(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not a time: write it like 2026-01-31T00:00:00Z");
    let time: jiff::Timestamp = text.trim().parse().map_err(|_| wrong())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| wrong())
}

/// A leading number and the rest, trimmed.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64KiB", 65_536),
            ("2 MiB", 2 << 20),
            ("1GB", 1_000_000_000),
            ("4gib", 4 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_remedy() {
        for text in ["", "MiB", "-1", "1.5GiB", "12 parsecs", "99999999999GiB"] {
            let error = size(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
        assert!(size("1 furlong").unwrap_err().contains("KiB, MiB or GiB"));
    }

    #[test]
    fn durations_are_sums_of_their_parts() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("1h 5m", 3_900_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_remedy() {
        for text in [
            "",
            "5",
            "s",
            "5 parsecs",
            "1.5s",
            "-1s",
            "99999999999999999d",
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains("1m30s"), "{error}");
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert_eq!(time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(time("yesterday").unwrap_err().contains("2026-01-31"));
    }
}
