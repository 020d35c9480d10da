//! Which folders and files to read, by the layout of CloudTrail's keys.
//!
//! `[prefix/]AWSLogs/[o-<organization>/]<account>/CloudTrail/<region>/YYYY/MM/DD/<file>`
//!
//! Enters: folders and files by their path, and the wanted times, accounts and regions. Leaves: which folders to
//! enter, which files to read, and why not the others. What must hold: a key gives only the time, the account and
//! the region of a file; its content decides whether it has events.

use std::collections::BTreeSet;

use globset::GlobSet;
use jiff::ToSpan;
use jiff::civil::Date;

use super::days::start_of;
use super::left_out::Why;
use qtrail_core::convert::{is_account, is_region, observed_time, owner};

/// The files to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Files delivered at or after this time, in nanoseconds since 1970.
    pub from: i64,
    /// Files delivered before this time.
    pub to: i64,
    /// Their accounts; empty means all.
    pub accounts: BTreeSet<String>,
    /// Their regions; empty means all.
    pub regions: BTreeSet<String>,
    /// Excluded files, by key.
    pub exclude: GlobSet,
}

impl Wanted {
    /// All files.
    #[cfg(feature = "aws")]
    pub(crate) fn everything() -> Self {
        Wanted {
            from: i64::MIN,
            to: i64::MAX,
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
            exclude: GlobSet::empty(),
        }
    }
}

/// The files to read from one source.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    wanted: Wanted,
    /// The prefix of each key.
    base: String,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// When it was delivered, in nanoseconds since 1970.
    pub(super) time: i64,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

/// How deep in the layout a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Above `AWSLogs`, or without it.
    Free,
    /// `AWSLogs`, or an organization in it.
    Trails,
    Account,
    /// `CloudTrail`, `CloudTrail-NetworkActivity`, … of an account.
    Product,
    Region,
    Year,
    Month,
    Day,
    /// Any other folder below a region.
    Inside,
}

/// A folder and its place in the layout.
#[derive(Debug)]
struct Position<'a> {
    level: Level,
    account: Option<&'a str>,
    region: Option<&'a str>,
    year: i16,
    month: i8,
    day: i8,
}

impl Layout {
    /// `base` is the prefix of each key.
    pub(super) fn new(wanted: Wanted, base: &str) -> Self {
        Layout {
            wanted,
            base: base.to_owned(),
        }
    }

    /// Whether a folder can hold wanted files, or why not.
    pub(super) fn enters(&self, folder: &str) -> Result<(), Why> {
        let named = folder.trim_end_matches('/');
        let exclude = &self.wanted.exclude;
        if exclude.is_match(folder) || exclude.is_match(named) {
            return Err(Why::Excluded);
        }
        let path = self.path(folder);
        let position = position(&path);
        match self.is_wanted(position.account, position.region) {
            Ok(()) | Err(Why::Unknown) => {}
            Err(why) => return Err(why),
        }
        match position.span() {
            Some(span) if !self.overlaps(span) => Err(Why::Time),
            _ => Ok(()),
        }
    }

    /// Whether a file is wanted, or why not. Its time is that of its name; else `modified`, unless
    /// its folder is another day; else that day.
    pub(super) fn chooses(&self, key: &str, modified: Option<i64>) -> Result<Chosen, Why> {
        if self.wanted.exclude.is_match(key) {
            return Err(Why::Excluded);
        }
        let path = self.path(key);
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let position = position(folder);
        let (account, region) = owner(name);
        let account = position.account.or(account);
        let region = position.region.or(region);
        let of_folder = |time: &i64| {
            let within = |(start, end)| (start..end).contains(time);
            position.span().is_none_or(within)
        };
        let own = observed_time(name, None).or(modified.filter(of_folder));
        let (time, is_in_range) = match (own, position.span()) {
            (Some(time), _) => (time, (self.wanted.from..self.wanted.to).contains(&time)),
            (None, Some(span)) => (span.0, self.overlaps(span)),
            (None, None) => return Err(Why::Unknown),
        };
        if !is_in_range {
            return Err(Why::Time);
        }
        self.is_wanted(account, region)?;
        Ok(Chosen {
            time,
            account: account.map(str::to_owned),
            region: region.map(str::to_owned),
        })
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.base)
    }

    /// [`Why::Unknown`]: it depends on parts of the key that are not known yet.
    fn is_wanted(&self, account: Option<&str>, region: Option<&str>) -> Result<(), Why> {
        let one = |wanted: &BTreeSet<String>, is: Option<&str>, other| match is {
            _ if wanted.is_empty() => Ok(()),
            Some(is) if wanted.contains(is) => Ok(()),
            Some(_) => Err(other),
            None => Err(Why::Unknown),
        };
        let account = one(&self.wanted.accounts, account, Why::Account);
        let region = one(&self.wanted.regions, region, Why::Region);
        match (account, region) {
            (Err(Why::Unknown), Err(why)) => Err(why),
            (account, region) => account.and(region),
        }
    }

    /// Whether a span of time overlaps the range.
    fn overlaps(&self, (start, end): (i64, i64)) -> bool {
        start < self.wanted.to && end > self.wanted.from
    }
}

impl Position<'_> {
    /// The start and the end of the year, month or day that a folder stands for. `None` if it stands for
    /// none.
    fn span(&self) -> Option<(i64, i64)> {
        let span = match (self.year, self.month, self.day) {
            (0, _, _) => return None,
            (_, 0, _) => 1.year(),
            (_, _, 0) => 1.month(),
            _ => 1.day(),
        };
        let first = Date::new(self.year, self.month.max(1), self.day.max(1)).ok()?;
        let end = first.checked_add(span).ok()?;
        Some((start_of(first)?, start_of(end)?))
    }
}

fn position(folder: &str) -> Position<'_> {
    let mut position = Position {
        level: Level::Free,
        account: None,
        region: None,
        year: 0,
        month: 0,
        day: 0,
    };
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        position.level = match position.level {
            Level::Free if part == "AWSLogs" => Level::Trails,
            // The trail's prefix is also `AWSLogs`.
            Level::Trails if part == "AWSLogs" || part.starts_with("o-") => Level::Trails,
            Level::Trails if is_account(part) => {
                position.account = Some(part);
                Level::Account
            }
            Level::Trails => Level::Free,
            Level::Account => Level::Product,
            Level::Product if is_region(part) => {
                position.region = Some(part);
                Level::Region
            }
            Level::Region if digits(part, 4) => {
                position.year = part.parse().unwrap_or_default();
                Level::Year
            }
            Level::Year if digits(part, 2) => {
                position.month = part.parse().unwrap_or_default();
                Level::Month
            }
            Level::Month if digits(part, 2) => {
                position.day = part.parse().unwrap_or_default();
                Level::Day
            }
            Level::Region | Level::Year | Level::Month | Level::Day => Level::Inside,
            deeper @ (Level::Free | Level::Product | Level::Inside) => deeper,
        };
    }
    position
}

fn digits(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::when::When;

    const A: &str = "111111111111";
    const B: &str = "222222222222";
    const MINUTE: i64 = 60_000_000_000;

    fn wanted(from: &str, to: &str) -> Wanted {
        Wanted {
            from: When::parse(from).unwrap().first(0),
            to: When::parse(to).unwrap().end(0),
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
            exclude: GlobSet::empty(),
        }
    }

    fn layout(wanted: Wanted) -> Layout {
        Layout::new(wanted, "")
    }

    fn chosen(time: i64, account: Option<&str>, region: Option<&str>) -> Result<Chosen, Why> {
        Ok(Chosen {
            time,
            account: account.map(str::to_owned),
            region: region.map(str::to_owned),
        })
    }

    #[test]
    fn only_folders_that_can_hold_wanted_files_are_entered() {
        let mut wanted = wanted("2026-02-27", "2026-03-02");
        wanted.accounts.insert(A.to_owned());
        wanted.regions.insert("us-east-1".to_owned());
        let layout = layout(wanted);
        let trail = format!("p/AWSLogs/o-abc/{A}/CloudTrail/us-east-1/");
        let (account, region, time) = (Err(Why::Account), Err(Why::Region), Err(Why::Time));
        for (folder, enters) in [
            ("", Ok(())),
            ("anything/at/all/", Ok(())),
            ("p/AWSLogs/", Ok(())),
            ("AWSLogs/AWSLogs/", Ok(())),
            ("p/AWSLogs/o-abc/", Ok(())),
            ("p/AWSLogs/vpc/", Ok(())),
            (&format!("AWSLogs/{A}/"), Ok(())),
            (&format!("AWSLogs/{B}/"), account),
            (&format!("AWSLogs/o-abc/{B}/CloudTrail/"), account),
            (&format!("o-abc/AWSLogs/o-abc/{B}/CloudTrail/"), account),
            (&format!("AWSLogs/{A}/CloudTrail/"), Ok(())),
            // What is in them decides, not what they are called.
            (&format!("AWSLogs/{A}/CloudTrail-Digest/"), Ok(())),
            (&format!("AWSLogs/{A}/CloudTrail-NetworkActivity/"), Ok(())),
            (
                &format!("AWSLogs/{A}/CloudTrail-Aggregated/us-east-1/"),
                Ok(()),
            ),
            (
                &format!("AWSLogs/{A}/CloudTrail-Insight/us-east-1/2026/03/01/"),
                Ok(()),
            ),
            (
                &format!("AWSLogs/{A}/CloudTrail-Insight/us-east-1/2026/03/09/"),
                time,
            ),
            (
                &format!("AWSLogs/{A}/Something/CloudTrail/us-east-1/2026/"),
                Ok(()),
            ),
            (&format!("AWSLogs/{A}/CloudTrail/eu-west-1/"), region),
            (
                &format!("AWSLogs/{A}/CloudTrail-NetworkActivity/eu-west-1/"),
                region,
            ),
            (&trail, Ok(())),
            (&format!("{trail}2025/"), time),
            (&format!("{trail}2026/"), Ok(())),
            (&format!("{trail}2027/"), time),
            (&format!("{trail}2026/01/"), time),
            (&format!("{trail}2026/02/"), Ok(())),
            (&format!("{trail}2026/03/"), Ok(())),
            (&format!("{trail}2026/04/"), time),
            (&format!("{trail}2026/02/26/"), time),
            (&format!("{trail}2026/02/27/"), Ok(())),
            (&format!("{trail}2026/03/02/"), Ok(())),
            (&format!("{trail}2026/03/03/"), time),
            // No month, and so no time.
            (&format!("{trail}2026/99/"), Ok(())),
            (&format!("{trail}2026/3/"), Ok(())),
            (&format!("{trail}copies/"), Ok(())),
        ] {
            assert_eq!(layout.enters(folder), enters, "{folder}");
        }
    }

    #[test]
    fn a_file_is_chosen_by_the_time_in_its_name_else_by_its_own() {
        let mut wanted = wanted("2026-02-27T12:00:00Z", "2026-02-27T13:00:00Z");
        let at = wanted.from + 5 * MINUTE;
        let all = layout(wanted.clone());
        wanted.accounts.insert(A.to_owned());
        let of_a = layout(wanted);
        let day = format!("AWSLogs/{A}/CloudTrail/us-east-1/2026/02/27/");
        let name = format!("{A}_CloudTrail_us-east-1_20260227T1205Z_abcdefghijklmnop.json.gz");
        let known = || chosen(at, Some(A), Some("us-east-1"));
        let other_day = format!("{day}{}", name.replace("0227T1205", "0226T1205"));
        let digest =
            format!("{A}_CloudTrail-Digest_us-east-1_t_us-east-1_20260227T120500Z.json.gz");
        let network = name.replace("_CloudTrail_", "_CloudTrail-NetworkActivity_");
        for (key, modified, expected, expected_of_a) in [
            (format!("{day}{name}"), 0, known(), known()),
            (format!("copied/{name}"), 0, known(), known()),
            (
                format!("copied/{}", name.replace(".gz", "")),
                0,
                known(),
                known(),
            ),
            (format!("copied/{network}"), 0, known(), known()),
            (format!("copied/{digest}"), 0, known(), known()),
            (
                format!("AWSLogs/{A}/CloudTrail-Aggregated/us-east-1/{name}"),
                0,
                known(),
                known(),
            ),
            (format!("AWSLogs/{A}/Config/{name}"), 0, known(), known()),
            (other_day, at, Err(Why::Time), Err(Why::Time)),
            (
                "copied/x.json".into(),
                at,
                chosen(at, None, None),
                Err(Why::Unknown),
            ),
            ("copied/x.json".into(), 5, Err(Why::Time), Err(Why::Time)),
            (format!("{day}x.json"), at, known(), known()),
            (
                format!("c/{}", name.replace(A, B)),
                0,
                chosen(at, Some(B), Some("us-east-1")),
                Err(Why::Account),
            ),
        ] {
            assert_eq!(all.chooses(&key, Some(modified)), expected, "{key}");
            assert_eq!(of_a.chooses(&key, Some(modified)), expected_of_a, "{key}");
        }
        assert_eq!(all.chooses("x", None), Err(Why::Unknown));
    }

    #[test]
    fn a_file_that_was_copied_is_of_the_day_of_its_folder() {
        let layout = layout(wanted("2026-02-27T12:00:00Z", "2026-02-27T13:00:00Z"));
        let region = format!("AWSLogs/{A}/CloudTrail/us-east-1/");
        let midnight = When::parse("2026-02-27").unwrap().first(0);
        let owned = chosen(midnight, Some(A), Some("us-east-1"));
        let years_later = midnight + 1000 * 24 * 60 * MINUTE;
        for (folder, expected) in [
            ("2026/02/27/", owned.clone()),
            ("2026/02/27/more/", owned),
            ("2026/02/26/", Err(Why::Time)),
            ("", Err(Why::Time)),
        ] {
            let key = format!("{region}{folder}events.ndjson");
            assert_eq!(layout.chooses(&key, Some(years_later)), expected, "{key}");
        }
    }

    #[test]
    fn what_is_excluded_is_neither_entered_nor_chosen() {
        let glob = |text: &str| {
            let mut glob = globset::GlobBuilder::new(text);
            glob.literal_separator(true).build().unwrap()
        };
        let globs = ["**/Config/**", "**/vpcflowlogs", "*.txt"].map(glob);
        let layout = layout(Wanted {
            exclude: GlobSet::new(globs).unwrap(),
            ..wanted("2026-02-27", "2026-02-28")
        });
        let now = Some(layout.wanted.from);
        for folder in ["AWSLogs/1/Config/", "AWSLogs/1/vpcflowlogs/", "a/Config/b/"] {
            assert_eq!(layout.enters(folder), Err(Why::Excluded), "{folder}");
        }
        assert_eq!(layout.enters("AWSLogs/1/"), Ok(()));
        for key in ["AWSLogs/1/Config/x.json", "README.txt"] {
            assert_eq!(layout.chooses(key, now), Err(Why::Excluded), "{key}");
        }
        assert!(layout.chooses("a/b.txt", now).is_ok());
    }

    #[test]
    fn the_end_of_the_range_is_not_in_it() {
        let layout = layout(wanted("2026-02-27T12:00:00Z", "2026-02-27T13:00:00Z"));
        let reads = |time: &str| {
            let key = format!("{A}_CloudTrail_us-east-1_{time}_abc.json.gz");
            layout.chooses(&key, None).is_ok()
        };
        assert!(reads("20260227T1200Z") && reads("20260227T1259Z"));
        assert!(!reads("20260227T1159Z") && !reads("20260227T1300Z"));
    }

    #[test]
    fn a_source_in_the_middle_of_the_layout_is_understood_by_what_is_above_it() {
        let wanted = wanted("2026-02-27", "2026-02-27");
        for product in ["CloudTrail", "CloudTrail-Insight"] {
            let base = format!("/data/AWSLogs/{A}/{product}/us-east-1/");
            let layout = Layout::new(wanted.clone(), &base);
            assert_eq!(layout.enters("2026/"), Ok(()));
            assert_eq!(layout.enters("2025/"), Err(Why::Time));
        }
    }
}
