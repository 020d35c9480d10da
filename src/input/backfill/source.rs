//! What files are listed and read from.
//!
//! Enters: folders, files. Leaves: what is in them. What must hold: an error that may pass is told as
//! one, and what is said of a thing names it.

use std::fmt;
use std::future::Future;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Status;
use super::left_out::Why;
use super::plan::Entry;
use crate::dead_letter::Origin;
use crate::pipeline::Content;
use crate::runtime::budget::Reservation;

/// A directory or a bucket.
pub(crate) trait Source: Send + Sync + 'static {
    /// Folders that are listed at once.
    const LISTERS: usize;

    /// What is before each key, for the layout.
    fn base(&self) -> String;

    /// What a file or folder is called, for people and as the name of its unit.
    fn name(&self, key: &[u8]) -> String;

    /// What was asked for.
    fn root(&self, status: &Status) -> impl Future<Output = Result<Root, Error>> + Send;

    /// What a page of a folder holds. The first page is asked for with no token.
    fn page(
        &self,
        folder: &[u8],
        token: Option<String>,
        status: &Status,
    ) -> impl Future<Output = Result<Page, Error>> + Send;

    /// Opens a file. After `abort`, its content ends with an error.
    fn open(
        &self,
        file: &Entry,
        abort: &CancellationToken,
    ) -> impl Future<Output = Result<Opened, Error>> + Send;
}

/// What was asked for: a folder, a file, or both, where they have one name.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub(crate) folder: Option<Vec<u8>>,
    pub(crate) files: Vec<Found>,
}

/// A part of what a folder holds: the rest comes with `next`, or through `rest`.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Keys that end in a slash.
    pub(crate) folders: Vec<Vec<u8>>,
    pub(crate) files: Vec<Found>,
    /// Keys of what is no file to be read.
    pub(crate) left_out: Vec<(Why, Vec<u8>)>,
    pub(crate) next: Option<String>,
    /// What is read from one open folder cannot be asked for again.
    pub(crate) rest: Option<mpsc::Receiver<Result<Page, Error>>>,
}

/// A file that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) key: Vec<u8>,
    pub(crate) bytes: u64,
    /// In nanoseconds since 1970.
    pub(crate) modified: Option<i64>,
    /// Equal as long as its bytes are the same.
    pub(crate) identity: Vec<u8>,
}

/// A file to be delivered.
pub(crate) struct Opened {
    pub(crate) origin: Origin,
    pub(crate) content: Content,
    /// The memory that it takes.
    pub(crate) _memory: Option<Reservation>,
}

/// Why something could not be listed or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// It may pass.
    Passing(String),
    /// It may pass once credentials, clock or endpoint are mended: nothing is wrong with the thing.
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(dead_code, reason = "a directory takes none")
    )]
    Setup(String),
    /// There is no such thing.
    Gone(String),
    /// It stays until something is mended.
    Denied(String),
}

impl Error {
    /// Whether another try may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Error::Passing(_) | Error::Setup(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Passing(text) | Error::Setup(text) | Error::Gone(text) | Error::Denied(text) => {
                f.write_str(text)
            }
        }
    }
}
