//! The files that a listing leaves out, and why.
//!
//! What must hold: each file that is left out is counted; memory does not grow with the number
//! of files.

use std::collections::BTreeMap;

/// The number of examples for each reason.
const EXAMPLES: usize = 3;

/// Why a file or a folder is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It was delivered outside of the wanted time.
    Time,
    /// Its account is not wanted.
    Account,
    /// Its region is not wanted.
    Region,
    /// The command excludes it.
    Excluded,
    /// Its key has no account, region or time to compare.
    Unknown,
    /// An empty object whose key ends in a slash, as consoles create for an empty folder.
    Marker,
    /// A symbolic link that leads out of the directory, or nowhere.
    Link,
    /// A pipe, a socket or a device.
    Special,
    /// This backfill writes it.
    Written,
}

impl Why {
    /// Its name in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Time => "time",
            Why::Account => "account",
            Why::Region => "region",
            Why::Excluded => "excluded",
            Why::Unknown => "unknown",
            Why::Marker => "marker",
            Why::Link => "link",
            Why::Special => "special",
            Why::Written => "written",
        }
    }

    /// The same for people, after "left out: ".
    pub fn description(self) -> &'static str {
        match self {
            Why::Time => "of another time than --from and --to name",
            Why::Account => "of another account than --account names",
            Why::Region => "of another region than --region names",
            Why::Excluded => "that --exclude names",
            Why::Unknown => "whose path and name do not tell their account, region or time",
            Why::Marker => "that hold no bytes, made by a console for a folder",
            Why::Link => "that are symbolic links out of the directory or to nothing",
            Why::Special => "that are pipes, sockets or devices",
            Why::Written => "that this backfill writes",
        }
    }

    /// Whether the command asked for it.
    pub fn was_asked_for(self) -> bool {
        matches!(self, Why::Time | Why::Account | Why::Region | Why::Excluded)
    }
}

/// The files left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    /// Files.
    pub files: u64,
    /// Folders, with everything in them.
    pub folders: u64,
    /// The first few.
    pub examples: Vec<String>,
}

/// The files left out, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut(pub BTreeMap<Why, Sum>);

impl LeftOut {
    pub(super) fn file(&mut self, why: Why, name: impl FnOnce() -> String) {
        let sum = self.0.entry(why).or_default();
        sum.files += 1;
        sum.example(name);
    }

    pub(super) fn folder(&mut self, why: Why, name: impl FnOnce() -> String) {
        let sum = self.0.entry(why).or_default();
        sum.folders += 1;
        sum.example(name);
    }

    /// The number of files left out for this reason.
    pub fn files(&self, why: Why) -> u64 {
        self.0.get(&why).map_or(0, |sum| sum.files)
    }
}

impl Sum {
    fn example(&mut self, name: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(name());
        }
    }

    /// Both numbers, for people.
    pub fn shown(&self) -> String {
        let count = |n: u64, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        match (self.files, self.folders) {
            (files, 0) => count(files, "file"),
            (0, folders) => count(folders, "folder"),
            (files, folders) => format!("{}, {}", count(files, "file"), count(folders, "folder")),
        }
    }
}
