//! Reads existing files once: a directory or a bucket, between two times.
//!
//! Enters: a source, the range of times, accounts and regions. Leaves: units for the pipeline,
//! oldest first, and a plan on disk that knows which files are done.
//!
//! ```text
//! source ─▶ listing ─▶ layout ─▶ plan ─▶ deliver ─▶ the pipeline
//!  (folders, in parallel)  │ wanted?  ▲        │ report
//!                          │          └── done ◀┘
//! ```
//!
//! What must hold:
//! - Folders that cannot have a wanted file are not listed.
//! - A file is done only once all of its records were delivered, and only while its bytes are the same.
//! - Memory does not grow with the number of files.
//! - After a kill, the same command continues, and repeats at most the files in flight and those of the last second.

pub mod backend_limits;
#[cfg(feature = "aws")]
pub(crate) mod bucket;
pub(crate) mod days;
mod deliver;
pub(crate) mod folder;
pub mod layout;
pub mod left_out;
mod listing;
pub mod plan;
mod retry;
pub(crate) mod source;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::input::directory::Deliver;

pub use deliver::Delivered;
use layout::{Layout, Wanted};
use left_out::LeftOut;
use plan::{Listing, Plan};
use retry::Retry;
use source::Source;

/// Bounds on what is fetched from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLimits {
    /// Bytes of one object as it is stored. Default 1 GiB.
    pub object_bytes: u64,
    /// Bytes of objects held in memory. Default 64 MiB.
    pub in_flight_bytes: usize,
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A directory or a file.
    Path(PathBuf),
    /// A bucket, what is below a prefix of it, or one object.
    Bucket {
        /// Its name.
        bucket: String,
        /// The prefix or the key; empty for all.
        prefix: String,
    },
}

impl Named {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Named, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some(_) => Err(format!("{text:?} is neither a path nor s3://bucket/prefix")),
                None => Ok(Named::Path(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        match bucket.is_empty() {
            true => Err(format!(
                "{text:?} names no bucket: write s3://bucket/prefix"
            )),
            false => Ok(Named::Bucket {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            }),
        }
    }

    /// The same text for the same source, however it was written.
    pub fn identity(&self) -> String {
        match self {
            Named::Path(path) => path
                .canonicalize()
                .unwrap_or_else(|_| path.clone())
                .to_string_lossy()
                .into_owned(),
            Named::Bucket { bucket, prefix } => {
                format!("s3://{bucket}/{}", prefix.trim_end_matches('/'))
            }
        }
    }
}

/// Where backfills are remembered, in the folder of all state.
pub(crate) const STATE: &str = "backfill";

/// The folder of one backfill in `state`: of the same source, to the same place, of the same events.
pub fn folder(state: &Path, what: &[&str]) -> PathBuf {
    let mut hasher = Sha256::new();
    for part in what {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let name = hex::encode(&hasher.finalize()[..8]);
    state.join(STATE).join(name)
}

/// Files and their bytes, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Files to read.
    pub left: Tally,
    /// Files that were done before.
    pub done: Tally,
    /// When the oldest of those to read was delivered, in nanoseconds since 1970.
    pub oldest: Option<i64>,
    /// And the newest.
    pub newest: Option<i64>,
    /// Those to read, by their day in UTC.
    pub days: BTreeMap<Date, Tally>,
    /// Those to read, by account and region.
    pub owners: BTreeMap<(String, String), Tally>,
    /// What was left out.
    pub left_out: LeftOut,
    /// Folders that could not be listed; each was told.
    pub unlisted: u64,
    /// It was stopped before the end.
    pub stopped: bool,
}

/// How far it has come, to be shown.
#[derive(Debug, Default)]
pub struct Status {
    /// Requests that listed.
    pub requests: AtomicU64,
    /// Wanted files that were found.
    pub found: AtomicU64,
    /// Files that were read, or given up.
    pub files: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
}

impl Status {
    fn count(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan cannot be used.
    #[error(transparent)]
    Plan(#[from] crate::runtime::database::Error),
    /// The source itself cannot be listed.
    #[error("{name}: {message}")]
    Source {
        /// The source.
        name: String,
        /// Why.
        message: String,
    },
}

/// One backfill.
pub(crate) struct Backfill<S> {
    source: Arc<S>,
    plan: Option<Plan>,
    /// `None` for a dry run.
    listing: Option<Listing>,
    status: Arc<Status>,
    retry: Arc<Retry>,
}

impl<S: Source> Backfill<S> {
    /// `plan`: what is known of it; without one, nothing is done, and nothing is remembered.
    /// `listing`: see [`Plan::begin`]; without one, nothing is written.
    pub(crate) fn new(
        source: S,
        plan: Option<Plan>,
        listing: Option<Listing>,
        status: Arc<Status>,
        stop: CancellationToken,
    ) -> Self {
        Backfill {
            source: Arc::new(source),
            plan,
            listing,
            status,
            retry: Arc::new(Retry::new(stop)),
        }
    }

    /// Finds what is wanted.
    pub(crate) async fn list(&self, wanted: Wanted) -> Result<Listed, Error> {
        let source = |error: source::Error| Error::Source {
            name: self.source.name(b""),
            message: error.to_string(),
        };
        let root = listing::root(&*self.source, &self.retry)
            .await
            .map_err(source)?;
        let layout = Layout::new(wanted, &self.source.base());
        listing::run(self, root, Arc::new(layout)).await
    }

    /// Delivers what [`Backfill::list`] has found, several files at once.
    pub(crate) async fn deliver(
        &self,
        fetchers: usize,
        deliver: impl Deliver,
        abort: CancellationToken,
    ) -> Result<Delivered, Error> {
        self.pass(false, fetchers, deliver, abort).await
    }

    /// Passes all that [`Backfill::list`] has found to `deliver`, also what was done before. Nothing is done by it.
    pub(crate) async fn read_all(
        &self,
        fetchers: usize,
        deliver: impl Deliver,
        abort: CancellationToken,
    ) -> Result<Delivered, Error> {
        let read = self.pass(true, fetchers, deliver, abort).await;
        self.status.files.store(0, Ordering::Relaxed);
        self.status.bytes.store(0, Ordering::Relaxed);
        read
    }

    async fn pass(
        &self,
        all: bool,
        fetchers: usize,
        deliver: impl Deliver,
        abort: CancellationToken,
    ) -> Result<Delivered, Error> {
        match (&self.plan, self.listing) {
            (Some(plan), Some(listing)) => {
                deliver::run(self, plan, listing, all, fetchers, deliver, abort).await
            }
            _ => Ok(Delivered::default()),
        }
    }
}
