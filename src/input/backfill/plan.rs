//! The files to read and those that were read: one embedded database, `plan.redb`.
//!
//! Enters: listed files, and delivered ones. Leaves: the files still to read, oldest first. What must hold: memory does not grow with the number of files; a file is done only
//! as long as its bytes are the same; one process at a time.
//!
//! Each listing has a number. A row that the newest listing did not meet belongs to a file that was deleted or
//! is outside of what is wanted now.

use std::borrow::Borrow;
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use crate::runtime::database::{Definition, Error, META, Remedies, Store};

/// Delivery time, key.
type Key = (i64, &'static [u8]);
/// Size, number of the listing, whether it is done, the identity of its bytes.
type Row = (u64, i64, bool, &'static [u8]);

const FILES: TableDefinition<Key, Row> = TableDefinition::new("files");

static PLAN: Definition = Definition {
    file: "plan.redb",
    schema: 1,
    cache_bytes: 32 << 20,
    tables: |write| write.open_table(FILES).map(drop),
    remedies: Remedies {
        locked: "it runs the same backfill: wait for it, or stop it and run this again",
        deleted: "all files are then read again, with the same ids",
    },
};

/// A file's place in the order of reading.
pub(crate) type OrderKey = (i64, Vec<u8>);

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) position: OrderKey,
    pub(crate) bytes: u64,
    /// Identifies its bytes: equal as long as they are the same.
    pub(crate) identity: Vec<u8>,
}

/// One listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listing {
    number: i64,
    again: bool,
}

/// Whether a file was met before in the same listing, and whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Again,
    Left,
    Done,
}

/// The plan. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Plan(Arc<Store>);

impl Plan {
    /// Whether `folder` holds one.
    pub(crate) fn is_there(folder: &Path) -> bool {
        folder.join(PLAN.file).exists()
    }

    /// Opens or creates the plan in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Plan, Error> {
        Ok(Plan(Arc::new(Store::open(folder, &PLAN)?)))
    }

    /// Stores a number until it is removed. Returns the one that is stored already, if there is one.
    pub(crate) fn store(&self, name: &str, number: i64) -> Result<i64, Error> {
        self.0.write(|database| {
            let write = database.begin_write()?;
            let stored = {
                let mut meta = write.open_table(META)?;
                let stored = meta.get(name)?.map(|v| v.value());
                if stored.is_none() {
                    meta.insert(name, number)?;
                }
                stored.unwrap_or(number)
            };
            write.commit()?;
            Ok(stored)
        })
    }

    /// The number that is stored, if there is one.
    pub(crate) fn stored(&self, name: &str) -> Result<Option<i64>, Error> {
        self.0.write(|database| {
            let meta = database.begin_read()?.open_table(META)?;
            Ok(meta.get(name)?.map(|v| v.value()))
        })
    }

    /// Removes a stored number.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        self.0.write(|database| {
            let write = database.begin_write()?;
            write.open_table(META)?.remove(name)?;
            write.commit()?;
            Ok(())
        })
    }

    /// Begins a listing. `again`: what it meets is not done, whatever was before.
    pub(crate) fn begin(&self, again: bool) -> Result<Listing, Error> {
        self.0.write(|database| {
            let write = database.begin_write()?;
            let number = {
                let mut meta = write.open_table(META)?;
                let number = meta.get("listing")?.map_or(0, |v| v.value()) + 1;
                meta.insert("listing", number)?;
                number
            };
            write.commit()?;
            Ok(Listing { number, again })
        })
    }

    /// Adds the files that a listing met.
    pub(crate) fn found<E: Borrow<Entry>>(
        &self,
        listing: Listing,
        entries: Vec<E>,
    ) -> Result<Vec<(E, Met)>, Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            let mut met = Vec::with_capacity(entries.len());
            {
                let mut files = write.open_table(FILES)?;
                for item in entries {
                    let entry = item.borrow();
                    let key = (entry.position.0, &*entry.position.1);
                    let (done, again) = match files.get(key)? {
                        Some(row) => {
                            let (bytes, seen, done, identity) = row.value();
                            let same = bytes == entry.bytes && identity == entry.identity;
                            let known = seen == listing.number;
                            (done && same && (known || !listing.again), known)
                        }
                        None => (false, false),
                    };
                    files.insert(key, (entry.bytes, listing.number, done, &*entry.identity))?;
                    let how = match (again, done) {
                        (true, _) => Met::Again,
                        (false, true) => Met::Done,
                        (false, false) => Met::Left,
                    };
                    met.push((item, how));
                }
            }
            write.commit()?;
            Ok(met)
        })
    }

    /// What [`Plan::found`] would return, without adding anything.
    pub(crate) fn look<E: Borrow<Entry>>(&self, entries: Vec<E>) -> Result<Vec<(E, Met)>, Error> {
        self.0.write(|database| {
            let files = database.begin_read()?.open_table(FILES)?;
            let look = |item: E| {
                let entry = item.borrow();
                let row = files.get((entry.position.0, &*entry.position.1))?;
                let met = match row.as_ref().map(|row| row.value()) {
                    Some((bytes, _, true, identity))
                        if bytes == entry.bytes && identity == entry.identity =>
                    {
                        Met::Done
                    }
                    _ => Met::Left,
                };
                drop(row);
                Ok((item, met))
            };
            entries.into_iter().map(look).collect()
        })
    }

    /// The oldest files after `after` that the listing met, at most `most`, only those that are not done unless
    /// `all`; and where to go on, `None` at the end.
    pub(crate) fn next(
        &self,
        listing: Listing,
        all: bool,
        after: Option<&OrderKey>,
        most: usize,
    ) -> Result<(Vec<Entry>, Option<OrderKey>), Error> {
        self.0.write(|database| {
            let files = database.begin_read()?.open_table(FILES)?;
            let first = after.map_or((i64::MIN, &[][..]), |(time, key)| (*time, key));
            let mut entries = Vec::new();
            for row in files.range(first..)? {
                let (key, row) = row?;
                let (time, key) = key.value();
                if after.is_some_and(|(t, k)| (*t, &**k) == (time, key)) {
                    continue;
                }
                let (bytes, seen, done, identity) = row.value();
                if seen != listing.number || done && !all {
                    continue;
                }
                entries.push(Entry {
                    position: (time, key.to_owned()),
                    bytes,
                    identity: identity.to_owned(),
                });
                if entries.len() == most {
                    let last = entries.last().map(|entry| entry.position.clone());
                    return Ok((entries, last));
                }
            }
            Ok((entries, None))
        })
    }

    /// These files were delivered: durable when this returns.
    pub(crate) fn done(&self, delivered: &[Entry]) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            {
                let mut files = write.open_table(FILES)?;
                for entry in delivered {
                    let key = (entry.position.0, &*entry.position.1);
                    let listing = files.get(key)?.map_or(0, |row| row.value().1);
                    files.insert(key, (entry.bytes, listing, true, &*entry.identity))?;
                }
            }
            write.commit()?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::database::Kind;

    fn entry(time: i64, key: &str, identity: &str) -> Entry {
        Entry {
            position: (time, key.into()),
            bytes: 7,
            identity: identity.into(),
        }
    }

    fn met(met: Result<Vec<(Entry, Met)>, Error>) -> Vec<Met> {
        met.unwrap().into_iter().map(|(_, met)| met).collect()
    }

    fn keys(entries: &[Entry]) -> Vec<&str> {
        entries
            .iter()
            .map(|entry| std::str::from_utf8(&entry.position.1).unwrap())
            .collect()
    }

    #[test]
    fn files_come_oldest_first_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::open(folder.path()).unwrap();
        let listing = plan.begin(false).unwrap();
        let files = [
            entry(9, "a", "1"),
            entry(-4, "d", "1"),
            entry(5, "c", "1"),
            entry(5, "b", "1"),
        ];
        let found = plan.found(listing, files.to_vec());
        assert_eq!(met(found), [Met::Left; 4]);
        let (first, after) = plan.next(listing, false, None, 3).unwrap();
        assert_eq!(keys(&first), ["d", "b", "c"]);
        let (rest, end) = plan.next(listing, false, after.as_ref(), 3).unwrap();
        assert_eq!((keys(&rest), end), (vec!["a"], None));
    }

    #[test]
    fn what_was_done_stays_done_until_its_bytes_change() {
        let folder = tempfile::tempdir().unwrap();
        let files = [entry(1, "a", "1"), entry(2, "b", "1"), entry(3, "c", "1")];
        {
            let plan = Plan::open(folder.path()).unwrap();
            let listing = plan.begin(false).unwrap();
            plan.found(listing, files.to_vec()).unwrap();
            plan.done(&files[..2]).unwrap();
            let (left, _) = plan.next(listing, false, None, 9).unwrap();
            assert_eq!(keys(&left), ["c"]);
        }
        let plan = Plan::open(folder.path()).unwrap();
        let changed = [entry(1, "a", "1"), entry(2, "b", "2"), entry(4, "new", "1")];
        let expected = [Met::Done, Met::Left, Met::Left];
        assert_eq!(met(plan.look(changed.to_vec())), expected);
        let listing = plan.begin(false).unwrap();
        let found = || plan.found(listing, changed.to_vec());
        assert_eq!(met(found()), expected);
        assert_eq!(met(found()), [Met::Again; 3]);
        let (left, _) = plan.next(listing, false, None, 9).unwrap();
        assert_eq!(keys(&left), ["b", "new"], "c is gone");
    }

    #[test]
    fn what_is_read_again_goes_on_where_it_was_stopped_and_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::open(folder.path()).unwrap();
        let files = [entry(1, "a", "1"), entry(2, "b", "1"), entry(3, "c", "1")];
        let found = |listing, files: &[Entry]| met(plan.found(listing, files.to_vec()));
        found(plan.begin(false).unwrap(), &files);
        plan.done(&files).unwrap();
        let again = plan.begin(true).unwrap();
        assert_eq!(found(again, &files[..2]), [Met::Left; 2]);
        plan.done(&files[..1]).unwrap();
        assert_eq!(found(again, &files[..2]), [Met::Again; 2]);
        let listing = plan.begin(false).unwrap();
        let expected = [Met::Done, Met::Left, Met::Done];
        assert_eq!(found(listing, &files), expected);
    }

    #[test]
    fn a_number_is_stored_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::open(folder.path()).unwrap();
        assert_eq!(plan.stored("7d").unwrap(), None);
        assert_eq!(plan.store("7d", 5).unwrap(), 5);
        assert_eq!(plan.stored("7d").unwrap(), Some(5));
        assert_eq!(plan.store("7d", 6).unwrap(), 5);
        plan.remove("7d").unwrap();
        assert_eq!(plan.store("7d", 6).unwrap(), 6);
    }

    #[test]
    fn a_second_process_gets_an_error_with_the_first_ones_id() {
        let folder = tempfile::tempdir().unwrap();
        let _plan = Plan::open(folder.path()).unwrap();
        let error = Plan::open(folder.path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error.kind, Kind::Locked { .. }), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
    }
}
