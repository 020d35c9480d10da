//! Which folders have a trail's files.
//!
//! `[prefix/]AWSLogs/[o-<organization>/]<account>/CloudTrail-Digest/<region>/YYYY/MM/DD/`, and `CloudTrail` beside.
//!
//! Enters: a source. Leaves: its regions, and the days of each. What must hold: folders that cannot have a file of
//! the trail are not listed; every file below the two folders of a region is found, wherever it is.

use std::collections::BTreeMap;

use jiff::civil::Date;
use qtrail_core::convert::is_account;

use super::names::{DigestName, file_of};
use super::source::{Error, Listed, Source};

const DIGESTS: &str = "CloudTrail-Digest";
const LOG_FILES: &str = "CloudTrail";

/// The files of one account in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region {
    /// The key of the account's folder.
    pub(crate) folder: String,
    /// Empty, if the folders above are not in the source.
    pub(crate) account: String,
    pub(crate) name: String,
    /// Files beside the regions.
    pub(crate) strays: Vec<String>,
}

impl Region {
    pub(crate) fn digests(&self) -> String {
        format!("{}{DIGESTS}/{}/", self.folder, self.name)
    }

    pub(super) fn log_files(&self) -> String {
        format!("{}{LOG_FILES}/{}/", self.folder, self.name)
    }
}

/// The region of a digest, by the key of its object, and the end of what it covers.
#[cfg_attr(
    not(any(feature = "aws", test)),
    expect(dead_code, reason = "only queues announce digests")
)]
pub(crate) fn digest(key: &str) -> Option<(Region, i64)> {
    // The file, the day, the month, the year.
    let mut folders = key.rsplitn(5, '/').skip(4);
    let (above, region) = folders.next()?.rsplit_once('/')?;
    let folder = above.strip_suffix(DIGESTS)?;
    let name = DigestName::parse(key, region)?;
    (folder.is_empty() || folder.ends_with('/')).then(|| {
        let region = Region {
            folder: folder.to_owned(),
            account: name.chain.account,
            name: region.to_owned(),
            strays: Vec::new(),
        };
        (region, name.end)
    })
}

/// All regions of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    /// In the order of their folders.
    pub(crate) regions: Vec<Region>,
    /// Folders above them that cannot be listed, and why.
    pub(crate) unlisted: Vec<(String, Error)>,
}

/// All regions of all accounts.
///
/// # Errors
/// The first folder cannot be listed.
pub(crate) fn regions(source: &dyn Source) -> Result<Regions, (String, Error)> {
    let (mut found, mut unlisted) = (Found::new(), Vec::new());
    let top = source.top();
    let listed = source.list(top).map_err(|error| (top.to_owned(), error))?;
    descend(source, top, listed, &mut found, &mut unlisted);
    Ok(Regions {
        regions: found.into_values().collect(),
        unlisted,
    })
}

type Found = BTreeMap<(String, String), Region>;

fn descend(
    source: &dyn Source,
    folder: &str,
    listed: Listed,
    found: &mut Found,
    unlisted: &mut Vec<(String, Error)>,
) {
    for child in listed.folders {
        let name = name_of(&child);
        let is_product = matches!(name, DIGESTS | LOG_FILES);
        if !is_product && !leads_on(folder, name) {
            continue;
        }
        match source.list(&child) {
            Err(error) => unlisted.push((child, error)),
            Ok(listed) if is_product => product(folder, listed, found),
            Ok(listed) => descend(source, &child, listed, found, unlisted),
        }
    }
}

/// Notes the regions of one of an account's folders.
fn product(account: &str, listed: Listed, found: &mut Found) {
    let mut region = |name: &str| {
        let key = (account.to_owned(), name.to_owned());
        found.entry(key).or_insert_with(|| Region {
            folder: account.to_owned(),
            account: match name_of(account) {
                name if is_account(name) => name.to_owned(),
                _ => String::new(),
            },
            name: name.to_owned(),
            strays: Vec::new(),
        });
    };
    for child in &listed.folders {
        region(name_of(child));
    }
    if !listed.files.is_empty() {
        region("");
        let beside = (account.to_owned(), String::new());
        if let Some(beside) = found.get_mut(&beside) {
            beside.strays.extend(listed.files);
        }
    }
}

/// Whether a folder in `parent` can hold folders of accounts.
fn leads_on(parent: &str, name: &str) -> bool {
    let parent = name_of(parent);
    let holds_accounts = parent == "AWSLogs" || parent.starts_with("o-");
    match () {
        () if is_account(parent) => false,
        () if holds_accounts => is_account(name) || name.starts_with("o-") || name == "AWSLogs",
        () => true,
    }
}

/// The name of a folder.
fn name_of(folder: &str) -> &str {
    file_of(folder.strip_suffix('/').unwrap_or(folder))
}

/// The folders of days.
#[derive(Debug, Default)]
pub(super) struct Days {
    /// Oldest first.
    pub(super) days: Vec<(Date, String)>,
    /// There are days before the first wanted one.
    pub(super) has_earlier: bool,
    /// Files that are in no folder of a day.
    pub(super) strays: Vec<String>,
}

/// The days below a region's folder, within a range.
pub(super) fn days(
    source: &dyn Source,
    region: &str,
    first: Date,
    last: Date,
) -> Result<Days, (String, Error)> {
    let mut found = Days::default();
    let mut folders = vec![(region.to_owned(), Vec::new())];
    while let Some((folder, date)) = folders.pop() {
        let listed = source.list(&folder).map_err(|e| (folder.clone(), e))?;
        found.strays.extend(listed.files);
        for child in listed.folders {
            let Some(date) = part(&date, name_of(&child)) else {
                found.strays.extend(all(source, &child)?);
                continue;
            };
            let least = civil(&date, 1, 1);
            let most = civil(&date, 12, 31);
            match (least, most) {
                (_, Some(most)) if most < first => found.has_earlier = true,
                (Some(least), _) if least > last => {}
                (Some(day), _) if date.len() == 3 => found.days.push((day, child)),
                (Some(_), Some(_)) => folders.push((child, date)),
                _ => found.strays.extend(all(source, &child)?),
            }
        }
    }
    found.days.sort_unstable();
    found.strays.sort_unstable();
    Ok(found)
}

/// The year, the month or the day that a folder stands for, after those above it.
fn part(above: &[i16], name: &str) -> Option<Vec<i16>> {
    let length = if above.is_empty() { 4 } else { 2 };
    let is_number = name.len() == length && name.bytes().all(|b| b.is_ascii_digit());
    let number: i16 = is_number.then(|| name.parse().ok())??;
    Some([above, &[number]].concat())
}

/// The first or the last day of a year, a month or a day.
fn civil(date: &[i16], month: i8, day: i8) -> Option<Date> {
    let month = date.get(1).map_or(Some(month), |m| i8::try_from(*m).ok())?;
    let first = Date::new(*date.first()?, month, 1).ok()?;
    match date.get(2) {
        Some(day) => Date::new(first.year(), month, i8::try_from(*day).ok()?).ok(),
        None => Date::new(first.year(), month, day.min(first.days_in_month())).ok(),
    }
}

/// All files below a folder.
pub(super) fn all(source: &dyn Source, folder: &str) -> Result<Vec<String>, (String, Error)> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let listed = source.list(&folder).map_err(|e| (folder.clone(), e))?;
        files.extend(listed.files);
        folders.extend(listed.folders);
    }
    Ok(files)
}
