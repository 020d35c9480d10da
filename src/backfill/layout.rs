//! What is worth reading, by the layout of CloudTrail's keys.
//!
//! `[prefix/]AWSLogs/[o-<organization>/]<account>/CloudTrail/<region>/YYYY/MM/DD/<file>`
//!
//! Enters: folders and files by their path, the range of times, accounts and regions that are
//! wanted. Leaves: which folders to enter, which files to read. What must hold: a folder that cannot
//! hold a wanted file is not entered; one that is not of this layout is, outside of `AWSLogs`.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;

use super::when::{day_of, start_of};
use crate::convert::observed_time;

/// Up to so many days are named by themselves, without asking for years, months and days.
const FEW_DAYS: i64 = 3;
const HOUR: i64 = 3_600_000_000_000;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Files delivered from this moment on, in nanoseconds since 1970.
    pub from: i64,
    /// And before this one.
    pub to: i64,
    /// Of these accounts; empty means all.
    pub accounts: BTreeSet<String>,
    /// Of these regions; empty means all.
    pub regions: BTreeSet<String>,
}

/// What is wanted of one source.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    wanted: Wanted,
    /// What is before each key.
    base: String,
    /// Now, in nanoseconds since 1970: no day after it is asked for by name.
    now: i64,
    /// The source itself is a folder of something else, which was asked for.
    free: bool,
}

/// Whether a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Yes.
    Read(Chosen),
    /// No: another time, account, region or product.
    Leave,
    /// Nothing tells its account, region or time, and these were asked for.
    Unknown,
}

/// A file to be read.
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
    /// `CloudTrail` of an account.
    Product,
    Region,
    Year,
    Month,
    Day,
    /// A folder below a region that is none of these.
    Inside,
    /// Another product's, or nobody's.
    Other,
}

/// A folder, understood.
#[derive(Debug)]
struct Place<'a> {
    level: Level,
    account: Option<&'a str>,
    region: Option<&'a str>,
    year: i16,
    month: i8,
    day: i8,
}

impl Layout {
    /// `base` is what is before each key, `source` the folder below it that was asked for.
    pub(super) fn new(wanted: Wanted, base: &str, source: &str, now: i64) -> Self {
        let named = format!("{base}{source}");
        Layout {
            wanted,
            free: place(&named).level == Level::Other,
            base: base.to_owned(),
            now,
        }
    }

    /// Whether a folder can hold wanted files.
    pub(super) fn enters(&self, folder: &str) -> bool {
        let path = self.path(folder);
        let place = place(&path);
        self.free
            || place.level != Level::Other
                && self.is_wanted(place.account, place.region) != Some(false)
                && self.overlaps(&place)
    }

    /// The folders of the few days that are wanted, where `folder` is a region's.
    pub(super) fn days(&self, folder: &str) -> Option<Vec<String>> {
        if self.free || place(&self.path(folder)).level != Level::Region {
            return None;
        }
        let end = self.wanted.to.min(self.now.saturating_add(HOUR));
        let (mut day, last) = (day_of(self.wanted.from), day_of(end.saturating_sub(1)));
        let mut days = Vec::new();
        while day <= last {
            if days.len() as i64 == FEW_DAYS {
                return None;
            }
            days.push(format!("{folder}{}/", day.strftime("%Y/%m/%d")));
            day = day.checked_add(1.day()).ok()?;
        }
        Some(days)
    }

    /// Whether a file is wanted. `modified`: for one whose name tells no time.
    pub(super) fn chooses(&self, key: &str, modified: Option<i64>) -> Choice {
        let path = self.path(key);
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let place = place(folder);
        // Digests and Insights have a name of their own wherever they were copied to.
        if !self.free && (place.level == Level::Other || name.contains("_CloudTrail-")) {
            return Choice::Leave;
        }
        let (account, region) = owner(name);
        let account = place.account.or(account);
        let region = place.region.or(region);
        let Some(time) = observed_time(name, modified) else {
            return Choice::Unknown;
        };
        if !(self.wanted.from..self.wanted.to).contains(&time) {
            return Choice::Leave;
        }
        match self.is_wanted(account, region) {
            Some(true) => Choice::Read(Chosen {
                time,
                account: account.map(str::to_owned),
                region: region.map(str::to_owned),
            }),
            Some(false) => Choice::Leave,
            None => Choice::Unknown,
        }
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.base)
    }

    /// `None`: it depends on what is not known yet.
    fn is_wanted(&self, account: Option<&str>, region: Option<&str>) -> Option<bool> {
        let one = |wanted: &BTreeSet<String>, is: Option<&str>| match is {
            _ if wanted.is_empty() => Some(true),
            Some(is) => Some(wanted.contains(is)),
            None => None,
        };
        match (
            one(&self.wanted.accounts, account),
            one(&self.wanted.regions, region),
        ) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    /// Whether the year, month or day of a folder has a moment of the range.
    fn overlaps(&self, place: &Place<'_>) -> bool {
        let Ok(first) = Date::new(place.year, place.month.max(1), place.day.max(1)) else {
            return place.year == 0;
        };
        let span = match (place.year, place.month, place.day) {
            (0, _, _) => return true,
            (_, 0, _) => 1.year(),
            (_, _, 0) => 1.month(),
            _ => 1.day(),
        };
        let end = first.checked_add(span).ok().and_then(start_of);
        start_of(first).is_none_or(|start| start < self.wanted.to)
            && end.is_none_or(|end| end > self.wanted.from)
    }
}

fn place(folder: &str) -> Place<'_> {
    let mut place = Place {
        level: Level::Free,
        account: None,
        region: None,
        year: 0,
        month: 0,
        day: 0,
    };
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        place.level = match place.level {
            Level::Free if part == "AWSLogs" => Level::Trails,
            // `AWSLogs` was given as the trail's prefix, too.
            Level::Trails if part == "AWSLogs" || part.starts_with("o-") => Level::Trails,
            Level::Trails if is_account(part) => {
                place.account = Some(part);
                Level::Account
            }
            Level::Account if part == "CloudTrail" => Level::Product,
            Level::Trails | Level::Account => Level::Other,
            Level::Product => {
                place.region = Some(part);
                Level::Region
            }
            Level::Region if digits(part, 4) => {
                place.year = part.parse().unwrap_or_default();
                Level::Year
            }
            Level::Year if digits(part, 2) => {
                place.month = part.parse().unwrap_or_default();
                Level::Month
            }
            Level::Month if digits(part, 2) => {
                place.day = part.parse().unwrap_or_default();
                Level::Day
            }
            Level::Region | Level::Year | Level::Month | Level::Day => Level::Inside,
            deeper @ (Level::Free | Level::Inside | Level::Other) => deeper,
        };
    }
    place
}

/// Account and region in `<account>_CloudTrail_<region>_<time>_…`.
fn owner(name: &str) -> (Option<&str>, Option<&str>) {
    match name.split_once("_CloudTrail_") {
        Some((account, rest)) if is_account(account) => (
            Some(account),
            rest.split('_').next().filter(|r| !r.is_empty()),
        ),
        _ => (None, None),
    }
}

fn is_account(part: &str) -> bool {
    digits(part, 12)
}

fn digits(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::when::When;
    use super::*;

    const A: &str = "111111111111";
    const B: &str = "222222222222";

    fn wanted(from: &str, to: &str) -> Wanted {
        Wanted {
            from: When::parse(from).unwrap().first(0),
            to: When::parse(to).unwrap().end(0),
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
        }
    }

    fn layout(wanted: Wanted) -> Layout {
        Layout::new(wanted, "", "", i64::MAX)
    }

    #[test]
    fn only_folders_that_can_hold_wanted_files_are_entered() {
        let mut wanted = wanted("2026-02-27", "2026-03-02");
        wanted.accounts.insert(A.to_owned());
        wanted.regions.insert("us-east-1".to_owned());
        let layout = layout(wanted);
        let trail = format!("p/AWSLogs/o-abc/{A}/CloudTrail/us-east-1/");
        for (folder, enters) in [
            ("", true),
            ("anything/at/all/", true),
            ("p/AWSLogs/", true),
            ("AWSLogs/AWSLogs/", true),
            ("p/AWSLogs/o-abc/", true),
            ("p/AWSLogs/vpc/", false),
            (&format!("AWSLogs/{A}/"), true),
            (&format!("AWSLogs/{B}/"), false),
            (&format!("AWSLogs/o-abc/{B}/CloudTrail/"), false),
            (&format!("AWSLogs/{A}/CloudTrail/"), true),
            (&format!("AWSLogs/{A}/CloudTrail-Digest/"), false),
            (&format!("AWSLogs/{A}/CloudTrail-Insight/us-east-1/"), false),
            (&format!("AWSLogs/{A}/Config/"), false),
            (&format!("AWSLogs/{A}/CloudTrail/eu-west-1/"), false),
            (&trail, true),
            (&format!("{trail}2025/"), false),
            (&format!("{trail}2026/"), true),
            (&format!("{trail}2027/"), false),
            (&format!("{trail}2026/01/"), false),
            (&format!("{trail}2026/02/"), true),
            (&format!("{trail}2026/03/"), true),
            (&format!("{trail}2026/04/"), false),
            (&format!("{trail}2026/02/26/"), false),
            (&format!("{trail}2026/02/27/"), true),
            (&format!("{trail}2026/03/02/"), true),
            (&format!("{trail}2026/03/03/"), false),
            (&format!("{trail}2026/99/"), false),
            (&format!("{trail}copies/"), true),
        ] {
            assert_eq!(layout.enters(folder), enters, "{folder}");
        }
    }

    #[test]
    fn a_file_is_chosen_by_the_time_in_its_name_else_by_its_own() {
        let mut wanted = wanted("2026-02-27T12:00:00Z", "2026-02-27T13:00:00Z");
        let at = wanted.from + 5 * 60_000_000_000;
        let layout_of_all = layout(wanted.clone());
        wanted.accounts.insert(A.to_owned());
        let layout_of_a = layout(wanted);
        let day = format!("AWSLogs/{A}/CloudTrail/us-east-1/2026/02/27/");
        let name = format!("{A}_CloudTrail_us-east-1_20260227T1205Z_abcdefghijklmnop.json.gz");
        let read = |account: Option<&str>, region: Option<&str>| {
            Choice::Read(Chosen {
                time: at,
                account: account.map(str::to_owned),
                region: region.map(str::to_owned),
            })
        };
        let known = read(Some(A), Some("us-east-1"));
        let other_day = format!("{day}{}", name.replace("0227T1205", "0226T1205"));
        let digest = name.replace("_CloudTrail_", "_CloudTrail-Digest_");
        for (key, modified, all, of_a) in [
            (format!("{day}{name}"), 0, known.clone(), known.clone()),
            (format!("copied/{name}"), 0, known.clone(), known),
            (other_day, at, Choice::Leave, Choice::Leave),
            (
                "copied/x.json".into(),
                at,
                read(None, None),
                Choice::Unknown,
            ),
            ("copied/x.json".into(), 5, Choice::Leave, Choice::Leave),
            (
                format!("{day}x.json"),
                at,
                read(Some(A), Some("us-east-1")),
                read(Some(A), Some("us-east-1")),
            ),
            (digest, at, Choice::Leave, Choice::Leave),
            (
                format!("AWSLogs/{A}/Config/{name}"),
                at,
                Choice::Leave,
                Choice::Leave,
            ),
            (
                format!("c/{}", name.replace(A, B)),
                0,
                read(Some(B), Some("us-east-1")),
                Choice::Leave,
            ),
        ] {
            assert_eq!(layout_of_all.chooses(&key, Some(modified)), all, "{key}");
            assert_eq!(layout_of_a.chooses(&key, Some(modified)), of_a, "{key}");
        }
        assert_eq!(layout_of_all.chooses("x", None), Choice::Unknown);
    }

    #[test]
    fn the_end_of_the_range_is_not_in_it() {
        let layout = layout(wanted("2026-02-27T12:00:00Z", "2026-02-27T13:00:00Z"));
        let chosen = |time: &str| {
            let key = format!("{A}_CloudTrail_us-east-1_{time}_abc.json.gz");
            matches!(layout.chooses(&key, None), Choice::Read(_))
        };
        assert!(chosen("20260227T1200Z") && chosen("20260227T1259Z"));
        assert!(!chosen("20260227T1159Z") && !chosen("20260227T1300Z"));
    }

    #[test]
    fn a_few_days_are_named_by_themselves() {
        let region = format!("AWSLogs/{A}/CloudTrail/us-east-1/");
        let days = |from: &str, to: &str| layout(wanted(from, to)).days(&region);
        let expected = ["2026/02/28/", "2026/03/01/"].map(|day| format!("{region}{day}"));
        assert_eq!(days("2026-02-28", "2026-03-01"), Some(expected.to_vec()));
        assert_eq!(days("2026-02-28", "2026-03-02").unwrap().len(), 3);
        assert_eq!(days("2026-02-28", "2026-03-03"), None);
        let open = Wanted {
            to: i64::MAX,
            ..wanted("2026-02-28", "2026-02-28")
        };
        let now = open.from + 30 * HOUR;
        let days = Layout::new(open, "", "", now).days(&region);
        assert_eq!(days, Some(expected.to_vec()), "no day of the future");
        let layout = layout(wanted("2026-02-28", "2026-02-28"));
        assert_eq!(layout.days("some/folder/"), None);
    }

    #[test]
    fn a_source_in_the_middle_of_the_layout_is_understood_by_what_is_above_it() {
        let wanted = wanted("2026-02-27", "2026-02-27");
        let base = format!("/data/AWSLogs/{A}/CloudTrail/us-east-1/");
        let layout = Layout::new(wanted.clone(), &base, "", i64::MAX);
        assert!(layout.enters("2026/") && !layout.enters("2025/"));
        let base = format!("/data/AWSLogs/{A}/CloudTrail-Insight/");
        let layout = Layout::new(wanted, &base, "", i64::MAX);
        assert!(layout.enters("us-east-1/2025/"), "it was asked for");
    }
}
