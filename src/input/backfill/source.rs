//! The source of files: a directory or a bucket.
//!
//! Enters: folders, files. Leaves: their content. What must hold: temporary errors are distinguished from permanent
//! ones, and each error names its file or folder.

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
    /// The number of folders that are listed at once.
    const LISTERS: usize;

    /// The prefix of each key, for the layout.
    fn base(&self) -> String;

    /// The name of a file or folder, for people and for its unit.
    fn name(&self, key: &[u8]) -> String;

    /// What the command names.
    fn root(&self, status: &Status) -> impl Future<Output = Result<Root, Error>> + Send;

    /// Requests a page of a folder. The first page has no token.
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

/// What the command names: a folder, a file, or both if they have the same name.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub(crate) folder: Option<Vec<u8>>,
    pub(crate) files: Vec<Found>,
}

/// A part of the content of a folder: the rest comes with `next`, or through `rest`.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Keys that end in a slash.
    pub(crate) folders: Vec<Vec<u8>>,
    pub(crate) files: Vec<Found>,
    /// Keys that are no regular files.
    pub(crate) left_out: Vec<(Why, Vec<u8>)>,
    pub(crate) next: Option<String>,
    /// The rest of an open folder, which can be read only once.
    pub(crate) rest: Option<mpsc::Receiver<Result<Page, Error>>>,
}

/// A listed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) key: Vec<u8>,
    pub(crate) bytes: u64,
    /// In nanoseconds since 1970.
    pub(crate) modified: Option<i64>,
    /// Equal while its bytes are the same.
    pub(crate) identity: Vec<u8>,
}

/// An open file, to deliver.
pub(crate) struct Opened {
    pub(crate) origin: Origin,
    pub(crate) content: Content,
    /// The memory that its content takes.
    pub(crate) _memory: Option<Reservation>,
}

/// Why something could not be listed or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// Temporary.
    Passing(String),
    /// Credentials, clock or endpoint are wrong; the file itself is fine.
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(dead_code, reason = "a directory takes none")
    )]
    Setup(String),
    /// It does not exist.
    Gone(String),
    /// Permanent.
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
