//! The log files of a region that no digest has named yet, day by day.
//!
//! What must hold: only a few days are in memory, those that the digests of the moment can name.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;

use super::layout::{self, Days};
use super::names::{file_of, folder_of};
use super::source::{Error, Source};

/// The days of a region.
pub(super) struct LogDays {
    days: std::vec::IntoIter<(Date, String)>,
    next: Option<(Date, String)>,
    /// By folder: the names that are left. A folder's name has its day.
    open: BTreeMap<String, (Date, HashSet<String>)>,
    /// Files that are in no folder of a day.
    strays: Vec<String>,
}

impl LogDays {
    pub(super) fn new(found: Days) -> LogDays {
        let mut days = found.days.into_iter();
        LogDays {
            next: days.next(),
            days,
            open: BTreeMap::new(),
            strays: found.strays,
        }
    }

    /// Takes files out that are in no folder of a day.
    pub(super) fn take_strays(&mut self) -> Vec<String> {
        std::mem::take(&mut self.strays)
    }

    /// Lists the days up to this one.
    pub(super) fn load(&mut self, source: &dyn Source, day: Date) -> Result<(), (String, Error)> {
        while let Some((next, folder)) = self.next.take_if(|(next, _)| *next <= day) {
            self.next = self.days.next();
            let listed = source.list(&folder).map_err(|e| (folder.clone(), e))?;
            for child in listed.folders {
                self.strays.extend(layout::all(source, &child)?);
            }
            let names = listed.files.iter().map(|key| file_of(key).to_owned());
            self.open.insert(folder, (next, names.collect()));
        }
        Ok(())
    }

    /// The day of the next one to list.
    pub(super) fn next(&self) -> Option<Date> {
        self.next.as_ref().map(|(day, _)| *day)
    }

    /// A digest names this file.
    pub(super) fn named(&mut self, key: &str) {
        if let Some((_, names)) = self.open.get_mut(folder_of(key)) {
            names.remove(file_of(key));
        }
    }

    /// Takes the files out that are left of days before this one.
    pub(super) fn close_before(&mut self, day: Date) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(first) = self.open.first_entry()
            && first.get().0 < day
        {
            let (folder, (_, names)) = first.remove_entry();
            let start = left.len();
            left.extend(names.into_iter().map(|name| format!("{folder}{name}")));
            left[start..].sort_unstable();
        }
        left
    }
}
