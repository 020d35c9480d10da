//! The names of digests and log files.
//!
//! `<account>_CloudTrail-Digest_<region>_<trail>_<home region>_<end>[_backfill].json.gz` and
//! `<account>_CloudTrail_<region>_<time>_<16 characters>.json.gz`.
//!
//! Enters: keys. Leaves: the parts of their names; times are in seconds since 1970.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use qtrail_core::convert::{is_account, observed_time};

/// Seconds of an hour: what a digest covers.
pub(super) const HOUR: i64 = 3600;

/// What the name of a digest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DigestName {
    pub(crate) chain: ChainName,
    /// The end of what it covers.
    pub(crate) end: i64,
}

/// The digests that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChainName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) trail: String,
    /// The region that the trail was made in: its keys sign.
    pub(crate) home: String,
    /// Digests of log files that came too late for their hour's digest.
    pub(super) is_backfill: bool,
}

impl DigestName {
    /// Reads the name of a digest of this region.
    pub(crate) fn parse(key: &str, region: &str) -> Option<DigestName> {
        let name = file_of(key).strip_suffix(".json.gz")?;
        let (name, is_backfill) = match name.strip_suffix("_backfill") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (account, rest) = name.split_once("_CloudTrail-Digest_")?;
        let rest = rest.strip_prefix(region)?.strip_prefix('_')?;
        let (rest, end) = rest.rsplit_once('_')?;
        // Names of trails may hold underscores.
        let (trail, home) = rest.rsplit_once('_')?;
        let end = (is_account(account) && !trail.is_empty()).then(|| time(end))??;
        Some(DigestName {
            chain: ChainName {
                account: account.to_owned(),
                region: region.to_owned(),
                trail: trail.to_owned(),
                home: home.to_owned(),
                is_backfill,
            },
            end,
        })
    }
}

impl ChainName {
    /// The name of the digest that ends then, below `CloudTrail-Digest/REGION/`.
    pub(super) fn digest(&self, end: i64) -> String {
        let day = date(end).strftime("%Y/%m/%d");
        let end = timestamp(end).strftime("%Y%m%dT%H%M%SZ");
        let ChainName {
            account,
            region,
            trail,
            home,
            ..
        } = self;
        format!("{day}/{account}_CloudTrail-Digest_{region}_{trail}_{home}_{end}.json.gz")
    }
}

/// When CloudTrail wrote a file, by its name.
pub(crate) fn time_of(key: &str) -> Option<i64> {
    observed_time(file_of(key), None).map(|time| time.div_euclid(1_000_000_000))
}

/// `20150817T150131Z`.
fn time(text: &str) -> Option<i64> {
    let is_time = text.len() == 16 && text.as_bytes().get(8) == Some(&b'T') && text.ends_with('Z');
    let time: Timestamp = is_time.then(|| text.parse().ok())??;
    Some(time.as_second())
}

/// A time of RFC 3339.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_second())
}

/// A key's last part.
pub(super) fn file_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, file)| file)
}

/// A key's other parts, with the `/` at their end.
pub(super) fn folder_of(key: &str) -> &str {
    &key[..key.len() - file_of(key).len()]
}

/// The day of a time, in UTC.
pub(super) fn date(time: i64) -> Date {
    timestamp(time).to_zoned(TimeZone::UTC).date()
}

/// A time for people and JSON.
pub(crate) fn rfc3339(time: i64) -> String {
    timestamp(time).to_string()
}

fn timestamp(time: i64) -> Timestamp {
    let least = Timestamp::MIN.as_second() + 1;
    let most = Timestamp::MAX.as_second() - 1;
    Timestamp::from_second(time.clamp(least, most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str =
        "111122223333_CloudTrail-Digest_us-east-2_my_trail-1_eu-west-1_20150817T150131Z";

    #[test]
    fn a_digests_name_has_its_trail_and_its_time() {
        for (suffix, is_backfill) in [(".json.gz", false), ("_backfill.json.gz", true)] {
            let key = format!("a/b/{NAME}{suffix}");
            let name = DigestName::parse(&key, "us-east-2").unwrap();
            assert_eq!(name.chain.trail, "my_trail-1");
            assert_eq!(name.chain.home, "eu-west-1");
            assert_eq!(name.chain.is_backfill, is_backfill);
            assert_eq!(rfc3339(name.end), "2015-08-17T15:01:31Z");
        }
    }

    #[test]
    fn the_name_of_a_digest_at_a_time_is_that_of_the_digest() {
        let key = format!("2015/08/17/{NAME}.json.gz");
        let name = DigestName::parse(&key, "us-east-2").unwrap();
        assert_eq!(name.chain.digest(name.end), key);
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "",
            ".json.gz",
            "111122223333_CloudTrail-Digest_us-east-2_t_eu-west-1_20150817T150131Z.json",
            "111122223333_CloudTrail-Digest_us-east-2_t_eu-west-1_20151317T150131Z.json.gz",
            "111122223333_CloudTrail-Digest_us-east-2_t_20150817T150131Z.json.gz",
            "111122223333_CloudTrail-Digest_us-east-1_t_eu-west-1_20150817T150131Z.json.gz",
            "11112222333x_CloudTrail-Digest_us-east-2_t_eu-west-1_20150817T150131Z.json.gz",
            "111122223333_CloudTrail_us-east-2_20150817T1450Z_Abcdefghijklmnop.json.gz",
            "111122223333_CloudTrail-Digest_us-east-2_t_eu-west-1_日20150817T15013.json.gz",
        ] {
            assert_eq!(DigestName::parse(name, "us-east-2"), None, "{name}");
        }
    }

    #[test]
    fn any_time_can_be_shown() {
        for time in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!rfc3339(time).is_empty());
            date(time);
        }
    }
}
