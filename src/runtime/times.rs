//! Times up to which something was done: one embedded database.
//!
//! Enters: a time, by two names. Leaves: the same, after a restart. What must hold: everything before a recorded time
//! was done.

use std::path::Path;

use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::database::{Definition, Error, Observer, Store};

/// By two names: the second since 1970 up to which everything was done.
const DELIVERED: TableDefinition<(&str, &str), i64> = TableDefinition::new("delivered");

/// The tables of such a database.
pub(crate) fn tables(write: &WriteTransaction) -> Result<(), TableError> {
    write.open_table(DELIVERED).map(drop)
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Times(Store);

impl Times {
    /// Opens or creates it in `folder`.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn open(folder: &Path, definition: &'static Definition) -> Result<Times, Error> {
        Ok(Times(Store::open(folder, definition)?))
    }

    /// Tells the observer of errors, and of their end.
    pub(crate) fn observed(self, observer: Observer) -> Times {
        Times(self.0.observed(observer))
    }

    /// The second up to which everything was done; `None` at first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn get(&self, names: (&str, &str)) -> Result<Option<i64>, Error> {
        self.0.read(|database| {
            let table = database.begin_read()?.open_table(DELIVERED)?;
            Ok(table.get(names)?.map(|value| value.value()))
        })
    }

    /// All of them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<(String, String, i64)>, Error> {
        self.0.read(|database| {
            let table = database.begin_read()?.open_table(DELIVERED)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (names, second) = row?;
                let (first, other) = names.value();
                all.push((first.to_owned(), other.to_owned(), second.value()));
            }
            Ok(all)
        })
    }

    /// Records that everything up to `second` was done; durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(crate) fn set(&self, names: (&str, &str), second: i64) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            write.open_table(DELIVERED)?.insert(names, second)?;
            write.commit()?;
            Ok(())
        })
    }
}
