//! The files whose lines were followed lately, so that an append costs no hashing from the start.
//!
//! Enters: how far a file was delivered. Leaves: the same, at its next look. What must hold: memory is
//! bounded; what is forgotten stands in the state.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::consumed::Prefix;
use super::file_id::FileId;

/// Files that are known at a time.
const FOLLOWED: usize = 1024;

/// The files that were followed lately.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    entries: HashMap<FileId, FollowedFile>,
    paths: HashSet<Arc<Path>>,
}

#[derive(Debug, Clone)]
pub(super) struct FollowedFile {
    pub(super) at: Prefix,
    /// See [`super::checkpoint::LinesEntry::clean`].
    pub(super) clean: bool,
    /// When all of it is compared again.
    pub(super) due: Instant,
}

impl Followed {
    /// Whether a path was followed lately.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.lock().paths.contains(path)
    }

    pub(super) fn get(&self, id: FileId) -> Option<FollowedFile> {
        self.lock().entries.get(&id).cloned()
    }

    pub(super) fn put(&self, id: FileId, path: &Arc<Path>, entry: FollowedFile) {
        let mut files = self.lock();
        if files.entries.len() >= FOLLOWED || files.paths.len() >= FOLLOWED {
            // The state knows them all.
            *files = Files::default();
        }
        files.entries.insert(id, entry);
        files.paths.insert(Arc::clone(path));
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
