//! Values made from files, and made again when the files change.
//!
//! Enters: files, and a function that makes a value from them. Leaves: the value of the current files.
//! What must hold: a working value is never lost to an unusable replacement; that is logged once, and
//! the next change is tried again.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

/// Distinguishes versions of a file: a replaced file has another inode, a rewritten one another time
/// or size.
type Stamp = Option<(u64, i64, i64, u64)>;

/// A value made from files.
pub(crate) struct Reloaded<T> {
    /// What the log calls it.
    name: String,
    files: Vec<PathBuf>,
    loaded: Mutex<(Arc<T>, Vec<Stamp>)>,
}

impl<T> Reloaded<T> {
    /// Makes the value for the first time.
    pub(crate) fn load<E>(
        name: impl Into<String>,
        files: Vec<PathBuf>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Self, E> {
        let stamps = files.iter().map(|path| stamp(path)).collect();
        Ok(Reloaded {
            name: name.into(),
            files,
            loaded: Mutex::new((Arc::new(make()?), stamps)),
        })
    }

    /// The value of the files as they are now, if they can be used. `make` runs when they changed.
    pub(crate) fn current<E: fmt::Display>(&self, make: impl FnOnce() -> Result<T, E>) -> Arc<T> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, stamps) = &mut *loaded;
        let unchanged = (self.files.iter().map(|path| stamp(path))).eq(stamps.iter().copied());
        if !unchanged {
            *stamps = self.files.iter().map(|path| stamp(path)).collect();
            let name = &self.name;
            match make() {
                Ok(made) => {
                    *value = Arc::new(made);
                    info!("{name} changed and were read again");
                }
                Err(e) => warn!("{name} changed, and the old ones stay in use: {e}"),
            }
        }
        Arc::clone(value)
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    /// Not the value: it may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloaded").field(&self.files).finish()
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta: Metadata = path.metadata().ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}
