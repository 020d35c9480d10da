//! An embedded database: one file, created whole, used by one process at a time.
//!
//! Enters: its folder and its definition. Leaves: the open database, or an error with the remedy.
//! What must hold: a process killed while it creates the file leaves no half file; of two processes
//! one gets it; a file of another version is refused and left alone.

mod error;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Builder, Database, ReadableTable, TableDefinition, WriteTransaction};

pub(crate) use error::Remedies;
pub use error::{Error, Kind};

/// Numbers by name: `schema`, and those of the database's owner.
pub(crate) const META: TableDefinition<&str, i64> = TableDefinition::new("meta");

/// One of qtrail's databases.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The file's name.
    pub(crate) file: &'static str,
    /// The version of the tables. Raised when their meaning changes.
    pub(crate) schema: i64,
    /// Memory for pages.
    pub(crate) cache_bytes: usize,
    /// Creates the tables that are missing.
    pub(crate) tables: fn(&WriteTransaction) -> Result<(), redb::TableError>,
    /// For errors.
    pub(crate) remedies: Remedies,
}

/// Receives the database's file, and the error while it cannot be used.
pub(crate) type Observer = Box<dyn Fn(&Path, Option<&Error>) + Send + Sync>;

/// An open database.
pub(crate) struct Store {
    /// `None` only while it cannot be opened again.
    database: RwLock<Option<Database>>,
    /// Something failed: it is opened again before its next use.
    failed: AtomicBool,
    /// The last write failed.
    unwritten: AtomicBool,
    /// Receives after each use whether the database can be used.
    observer: Option<Observer>,
    definition: &'static Definition,
    path: PathBuf,
    pid: PathBuf,
}

impl Store {
    /// Opens or creates the database in `folder` (0700, the file 0600).
    pub(crate) fn open(folder: &Path, definition: &'static Definition) -> Result<Store, Error> {
        let path = folder.join(definition.file);
        let pid = path.with_extension("pid");
        let database = open(folder, &path, &pid, definition)
            .map_err(|kind| Error::new(&path, definition, kind))?;
        // Only for the message that another process gets.
        if let Err(error) = std::fs::write(&pid, std::process::id().to_string()) {
            tracing::debug!(%error, "cannot write {}", pid.display());
        }
        Ok(Store {
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            observer: None,
            definition,
            path,
            pid,
        })
    }

    /// The same; `observer` receives whether the database can be used.
    pub(crate) fn observed(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Reads from the open database.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let result = self.with(f);
        // A database that can be read may still fail to be written.
        if result.is_err() || !self.unwritten.load(Ordering::Relaxed) {
            self.report(result.as_ref().err());
        }
        result
    }

    /// Changes the open database.
    pub(crate) fn write<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let result = self.with(f);
        self.unwritten.store(result.is_err(), Ordering::Relaxed);
        self.report(result.as_ref().err());
        result
    }

    fn with<T>(&self, f: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        // After an error redb refuses everything until the file is opened again.
        let reopened = match self.failed.swap(false, Ordering::Relaxed) {
            true => self.reopen(),
            false => Ok(()),
        };
        let result = reopened.and_then(|()| {
            let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = guard.as_ref().ok_or(redb::Error::DatabaseClosed)?;
            catch_panic(|| f(database))
        });
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result.map_err(|error| self.error(error.into()))
    }

    fn reopen(&self) -> Result<(), redb::Error> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *guard = None;
        *guard = Some(open_file(&self.path, self.definition)?);
        Ok(())
    }

    fn report(&self, error: Option<&Error>) {
        if let Some(observer) = &self.observer {
            observer(&self.path, error);
        }
    }

    /// An error of this database.
    pub(crate) fn error(&self, kind: Kind) -> Error {
        Error::new(&self.path, self.definition, kind)
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.path).finish()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It may be absent.
        let _ = std::fs::remove_file(&self.pid);
    }
}

/// Opens the file, or creates it. `pid`: where the process that uses it wrote its number.
fn open(folder: &Path, path: &Path, pid: &Path, definition: &Definition) -> Result<Database, Kind> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    if !path.try_exists()? {
        create(path, definition)?;
    }
    let database = open_file(path, definition).map_err(|error| match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            let pid = std::fs::read_to_string(pid).unwrap_or_else(|_| "unknown".to_owned());
            Kind::Locked { pid }
        }
        other => other.into(),
    })?;
    let found = catch_panic(|| schema(&database, definition))?;
    if found != definition.schema {
        let ours = definition.schema;
        return Err(Kind::Schema { found, ours });
    }
    remove_unfinished(folder, definition);
    Ok(database)
}

/// Creates an empty database under a temporary name, then gives it its own name: a process killed
/// meanwhile leaves no half file, and of two that do this at once, one wins.
fn create(path: &Path, definition: &Definition) -> Result<(), redb::Error> {
    let name = format!("{}{:016x}", unfinished(definition), fastrand::u64(..));
    let new = path.with_file_name(name);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    schema(&Builder::new().create(&new)?, definition)?;
    // Where there are no hard links, it is renamed.
    std::fs::hard_link(&new, path).or_else(|_| match path.try_exists()? {
        true => Ok(()),
        false => std::fs::rename(&new, path),
    })?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Removes the temporary files of killed processes. A process that is creating one now finds that the
/// database exists.
fn remove_unfinished(folder: &Path, definition: &Definition) {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&unfinished(definition))
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::debug!(%error, "cannot remove {}", entry.path().display());
        }
    }
}

/// How the temporary names begin.
fn unfinished(definition: &Definition) -> String {
    format!("{}.new-", definition.file)
}

fn open_file(path: &Path, definition: &Definition) -> Result<Database, redb::Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(definition.cache_bytes);
    catch_panic(|| Ok(builder.open(path)?))
}

/// On some damaged files, redb panics.
fn catch_panic<T>(f: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it makes no sense".to_owned())))
}

/// The schema of the tables; that of `definition`, with its tables, is written into a new file.
fn schema(database: &Database, definition: &Definition) -> Result<i64, redb::Error> {
    let write = database.begin_write()?;
    let found = {
        let mut meta = write.open_table(META)?;
        let found = meta.get("schema")?.map(|v| v.value());
        if found.is_none() {
            meta.insert("schema", definition.schema)?;
        }
        found.unwrap_or(definition.schema)
    };
    if found == definition.schema {
        (definition.tables)(&write)?;
        write.commit()?;
    }
    Ok(found)
}
