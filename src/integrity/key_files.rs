//! Public keys in files: CloudTrail takes a new key from time to time.

use std::path::PathBuf;
use std::sync::Arc;

use super::keys::KnownKeys;
use crate::runtime::reload::Reloaded;

/// The largest file of keys, in bytes.
const LARGEST: u64 = 16 << 20;

/// Files of keys, which are read again when they change.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    paths: Vec<PathBuf>,
    keys: Reloaded<KnownKeys>,
}

impl KeyFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// The file, and why it cannot be used.
    pub(crate) fn open(paths: Vec<PathBuf>) -> Result<KeyFiles, String> {
        let keys = Reloaded::load("public keys", paths.clone(), || read(&paths))?;
        Ok(KeyFiles { paths, keys })
    }

    /// The keys of the files as they are now, if they can be used.
    pub(crate) fn current(&self) -> Arc<KnownKeys> {
        self.keys.current(|| read(&self.paths))
    }
}

/// The keys in files.
///
/// # Errors
/// The file, and why it cannot be used.
pub(crate) fn read(paths: &[PathBuf]) -> Result<KnownKeys, String> {
    let mut keys = KnownKeys::default();
    for path in paths {
        let problem = |why: &str| format!("{}: {why}", path.display());
        let metadata = std::fs::metadata(path).map_err(|error| problem(&error.to_string()))?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            let why = "it is no answer of `aws cloudtrail list-public-keys`";
            return Err(problem(why));
        }
        let answer = std::fs::read(path).map_err(|error| problem(&error.to_string()))?;
        keys.add(&answer).map_err(|why| problem(&why))?;
    }
    Ok(keys)
}
