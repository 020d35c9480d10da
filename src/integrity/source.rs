//! Where a trail's files are: a copy of the bucket, or the bucket.
//!
//! Keys begin where the copy does: they are the end of the keys in the bucket.

use std::io::Read;

/// Files of a trail. Calls block; several threads call at once.
pub(crate) trait Source: Sync {
    /// The bucket, if it is known.
    fn bucket(&self) -> Option<&str>;

    /// The first folder to list: empty, or with a `/` at its end.
    fn top(&self) -> &str;

    /// What a folder has; nothing, if it does not exist.
    ///
    /// # Errors
    /// It cannot be listed.
    fn list(&self, folder: &str) -> Result<Listed, Error>;

    /// Opens a digest.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open_digest(&self, key: &str) -> Result<OpenedDigest, Error>;

    /// Opens a log file of a bucket.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open_log_file(&self, bucket: &str, key: &str) -> Result<Bytes, Error>;

    /// The name of a file for people, as it is: it may hold any character.
    fn name(&self, key: &str) -> String;

    /// How to get the signature of a digest of this bucket, which has none.
    fn remedy(&self, bucket: &str, object: &str, key: &str) -> String;
}

/// The bytes of a file.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// What a folder has, in the order of its names.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Keys of folders, with a `/` at their ends.
    pub(crate) folders: Vec<String>,
    /// Keys of files.
    pub(crate) files: Vec<String>,
}

/// An open digest.
pub(crate) struct OpenedDigest {
    pub(crate) bytes: Bytes,
    /// The signature in the object's metadata, as hex, or why it cannot be read.
    pub(crate) signature: Result<Option<String>, String>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It does not exist.
    #[error("it does not exist")]
    Gone,
    /// Something else, with the remedy.
    #[error("{0}")]
    Failed(String),
}
