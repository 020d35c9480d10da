//! The observed time of a record: when its file was delivered.

use jiff::Timestamp;

/// Length of the time in a CloudTrail file's name, `20240410T1410Z`.
const LENGTH: usize = 14;
/// The same in a digest file's name, `20240410T141000Z`.
const LENGTH_WITH_SECONDS: usize = 16;

/// The time at which CloudTrail delivered a file, in nanoseconds since 1970: the time in the file's name
/// (`<account>_CloudTrail_<region>_<YYYYMMDDThhmmZ>_<16 characters>.json.gz`), else `modified`.
///
/// It never comes from the clock, because a record that is read again must give the same bytes.
///
/// ```
/// use qtrail_core::convert::observed_time;
///
/// let name = "111122223333_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz";
/// assert_eq!(observed_time(name, None), Some(1_712_758_200_000_000_000));
/// assert_eq!(observed_time("events.json", Some(7)), Some(7));
/// ```
pub fn observed_time(name: &str, modified: Option<i64>) -> Option<i64> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let named = file
        .split_once("_CloudTrail")
        .and_then(|(_, rest)| rest.split('_').find_map(time));
    named.or(modified)
}

fn time(part: &str) -> Option<i64> {
    // The time may be the last part of the name.
    let part = part.split('.').next()?;
    let is_time = matches!(part.len(), LENGTH | LENGTH_WITH_SECONDS)
        && part.as_bytes()[8] == b'T'
        && part.ends_with('Z');
    let time: Timestamp = is_time.then(|| part.parse().ok())??;
    let nanoseconds = i64::try_from(time.as_nanosecond()).ok()?;
    (nanoseconds >= 0).then_some(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloudtrail_files_name_tells_when_it_was_delivered() {
        let at = Some(1_712_758_200_000_000_000);
        for name in [
            "123456789012_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz",
            "/t/AWSLogs/o-x/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json",
            "s3://b/123456789012_CloudTrail-Insight_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz",
            "123456789012_CloudTrail-Digest_us-east-1_trail_us-east-1_20240410T141000Z.json.gz",
            "123456789012_CloudTrail_us-east-1_20240410T1410Z.json",
        ] {
            assert_eq!(observed_time(name, Some(7)), at, "{name}");
        }
    }

    #[test]
    fn any_other_name_leaves_it_to_the_files_own_time() {
        for name in [
            "",
            "events.json",
            "20240410T1410Z",
            "a_CloudTrail_b_20249910T1410Z_c",
            "a_CloudTrail_b_20240410X1410Z_c",
            "a_CloudTrail_éééééééé_c",
            "1_CloudTrail_us-east-1_20240410T1410Z_A/events.json",
        ] {
            assert_eq!(observed_time(name, Some(7)), Some(7), "{name}");
            assert_eq!(observed_time(name, None), None, "{name}");
        }
    }
}
