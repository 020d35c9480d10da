//! Saying a thing once.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Paths that are remembered.
const PATHS: usize = 100_000;

/// The paths that a warning was given for.
#[derive(Debug, Default)]
pub(super) struct Warned {
    seed: RandomState,
    paths: Mutex<HashSet<u64>>,
}

impl Warned {
    /// Whether this is the first warning for the path. When there are too many to remember, all
    /// may be said once more.
    pub(super) fn first(&self, path: &Path) -> bool {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() >= PATHS {
            paths.clear();
        }
        paths.insert(self.seed.hash_one(path))
    }
}
