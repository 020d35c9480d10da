//! An embedded database of ours: one file, made whole, held by one process.
//!
//! Enters: its path, the version of its tables, how they are made. Leaves: the open database, or why
//! it cannot be used. What must hold: who is killed while the file is made leaves none; of two
//! processes one has it; a file of another version is refused and left alone.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Builder, Database, ReadableTable, TableDefinition, WriteTransaction};

/// Facts about the database itself: `schema`, and what its owner adds.
pub(crate) const META: TableDefinition<&str, i64> = TableDefinition::new("meta");

/// What a database is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The file's name.
    pub(crate) file: &'static str,
    /// The version of the tables. Raised when their meaning changes.
    pub(crate) schema: i64,
    /// Memory for pages.
    pub(crate) cache_bytes: usize,
    /// Makes the tables that are not there yet.
    pub(crate) tables: fn(&WriteTransaction) -> Result<(), redb::TableError>,
}

/// Why a database cannot be used. Who opens it knows the remedy.
#[derive(Debug)]
pub(crate) enum Error {
    /// Another process has it: its pid, or `unknown`.
    Held { path: PathBuf, pid: String },
    /// Its tables are of another version.
    Schema {
        path: PathBuf,
        found: i64,
        ours: i64,
    },
    /// What the file system or the database said.
    Unusable { path: PathBuf, detail: String },
}

/// Receives the database's file, and the error while it cannot be used.
pub(crate) type Observer = Box<dyn Fn(&Path, Option<&redb::Error>) + Send + Sync>;

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
    kind: Kind,
    path: PathBuf,
    pid: PathBuf,
}

impl Store {
    /// Opens or creates the database in `folder` (0700, the file 0600).
    pub(crate) fn open(folder: &Path, kind: Kind) -> Result<Store, Error> {
        let path = folder.join(kind.file);
        let pid = path.with_extension("pid");
        let failed = |source: io::Error| unusable(&path, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        if !path.try_exists().map_err(failed)? {
            create(&path, &kind)?;
        }
        let database = open(&path, &pid, &kind)?;
        check_schema(&database, &path, &kind)?;
        remove_unfinished(folder, &kind);
        // Only for the message that another process gets.
        if let Err(error) = std::fs::write(&pid, std::process::id().to_string()) {
            tracing::debug!(%error, "cannot write {}", pid.display());
        }
        Ok(Store {
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            observer: None,
            kind,
            path,
            pid,
        })
    }

    /// The same; `observer` receives whether the database can be used.
    pub(crate) fn observed(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Runs something that changes nothing on the open database.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let result = self.with(f);
        // What can be read may still not be written.
        if result.is_err() || !self.unwritten.load(Ordering::Relaxed) {
            self.report(result.as_ref().err());
        }
        result
    }

    /// Runs something that changes it on the open database.
    pub(crate) fn write<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let result = self.with(f);
        self.unwritten.store(result.is_err(), Ordering::Relaxed);
        self.report(result.as_ref().err());
        result
    }

    fn with<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        // After an error the database refuses everything until it is opened again.
        if self.failed.swap(false, Ordering::Relaxed)
            && let Err(error) = self.reopen()
        {
            self.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let result = match guard.as_ref() {
            Some(database) => sound(|| f(database)),
            None => Err(redb::Error::DatabaseClosed),
        };
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn reopen(&self) -> Result<(), redb::Error> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *guard = None;
        *guard = Some(sound(|| open_file(&self.path, &self.kind))?);
        Ok(())
    }

    fn report(&self, error: Option<&redb::Error>) {
        if let Some(observer) = &self.observer {
            observer(&self.path, error);
        }
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

fn unusable(path: &Path, detail: impl ToString) -> Error {
    Error::Unusable {
        path: path.to_owned(),
        detail: detail.to_string(),
    }
}

/// How the names of files begin that are being made.
fn unfinished(kind: &Kind) -> String {
    format!("{}.new-", kind.file)
}

/// Makes an empty database under a name of its own, then gives it its name: who is killed meanwhile
/// leaves none, and of two who do this at once, one wins.
fn create(path: &Path, kind: &Kind) -> Result<(), Error> {
    let new = path.with_file_name(format!("{}{:016x}", unfinished(kind), fastrand::u64(..)));
    let named = || {
        // Where there are no hard links, it is renamed.
        std::fs::hard_link(&new, path).or_else(|_| match path.try_exists()? {
            true => Ok(()),
            false => std::fs::rename(&new, path),
        })?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new);
    made.map_err(|e| e.to_string())
        .and_then(|_| {
            let database = Builder::new().create(&new).map_err(|e| e.to_string())?;
            schema(&database, kind).map_err(|e| e.to_string())
        })
        .and_then(|_| named().map_err(|e| e.to_string()))
        .map_err(|detail| unusable(path, detail))
}

/// Removes what killed processes left of files that they were making. Who is making one right now
/// finds that there is one already.
fn remove_unfinished(folder: &Path, kind: &Kind) {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&unfinished(kind))
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::debug!(%error, "cannot remove {}", entry.path().display());
        }
    }
}

fn open(path: &Path, pid: &Path, kind: &Kind) -> Result<Database, Error> {
    sound(|| open_file(path, kind)).map_err(|error| match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Error::Held {
            path: path.to_owned(),
            pid: std::fs::read_to_string(pid).unwrap_or_else(|_| "unknown".to_owned()),
        },
        other => unusable(path, other),
    })
}

fn open_file(path: &Path, kind: &Kind) -> Result<Database, redb::Error> {
    Ok(Builder::new().set_cache_size(kind.cache_bytes).open(path)?)
}

/// On some damaged files, redb panics.
fn sound<T>(f: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it makes no sense".to_owned())))
}

/// Refuses a database of another version; writes ours into a new one.
fn check_schema(database: &Database, path: &Path, kind: &Kind) -> Result<(), Error> {
    let found = sound(|| schema(database, kind)).map_err(|error| unusable(path, error))?;
    if found == kind.schema {
        Ok(())
    } else {
        Err(Error::Schema {
            path: path.to_owned(),
            found,
            ours: kind.schema,
        })
    }
}

fn schema(database: &Database, kind: &Kind) -> Result<i64, redb::Error> {
    let write = database.begin_write()?;
    let found = {
        let mut meta = write.open_table(META)?;
        let found = meta.get("schema")?.map(|v| v.value());
        if found.is_none() {
            meta.insert("schema", kind.schema)?;
        }
        found.unwrap_or(kind.schema)
    };
    if found == kind.schema {
        (kind.tables)(&write)?;
        write.commit()?;
    }
    Ok(found)
}
