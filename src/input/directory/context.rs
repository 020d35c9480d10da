//! What the readings of all files share.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::after::StagedFiles;
use super::away::Remembered;
use super::checkpoint::{FirstRun, Op, Store};
use super::commits::Commits;
use super::file_id::{Digest, shown};
use super::filter::Filter;
use super::followed::Followed;
use super::schedule::{Attempt, Candidate};
use super::unread::Unread;
use super::walk::ObservedTime;
use super::warned::Warned;
use super::writers::Writers;
use super::{Deliver, Settings};
use crate::dead_letter::{OnDamage, Origin};
use crate::pipeline::Report;
use crate::runtime::clock;
use crate::runtime::database;
use crate::telemetry::metrics::Metrics;

/// Limits and sources that tests replace.
#[derive(Clone)]
pub(super) struct Tuning {
    /// Files that are remembered as pending.
    pub(super) capacity: usize,
    /// The clock, in nanoseconds since 1970.
    pub(super) now: fn() -> i64,
    pub(super) observed: ObservedTime,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            capacity: 100_000,
            now: clock::now,
            observed: qtrail_core::convert::observed_time,
        }
    }
}

/// What the readings of all files share.
pub(super) struct Context<D> {
    pub(super) settings: Settings,
    /// The root, absolute.
    pub(super) root: PathBuf,
    pub(super) filter: Filter,
    pub(super) store: Arc<Store>,
    pub(super) commits: Commits,
    pub(super) first_run: FirstRun,
    pub(super) deliver: D,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tuning: Tuning,
    pub(super) warned: Warned,
    pub(super) followed: Followed,
    pub(super) staged_files: StagedFiles,
    pub(super) settled: Remembered,
    pub(super) writers: Arc<Writers>,
    /// That a file is kept for want of knowledge was told.
    pub(super) warned_kept: AtomicBool,
    /// No new reading begins.
    pub(super) stop: CancellationToken,
    /// Nobody waits any more.
    pub(super) cancel: CancellationToken,
    pub(super) claims: Claims,
    pub(super) idle: Idle,
    pub(super) unread: Unread,
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    State(#[from] database::Error),
}

impl<D: Deliver> Context<D> {
    /// Where a unit comes from. `modified` is for a file whose name tells no time.
    pub(super) fn origin(&self, path: &Path, modified: Option<i64>) -> Origin {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Origin {
            input: "directory",
            name: Arc::from(shown(&self.settings.root.join(path))),
            observed: (self.tuning.observed)(&name, modified),
            on_damage: OnDamage::NamePlace,
        }
    }

    /// Warns once about a file.
    pub(super) fn warn(&self, path: &Path, what: &str) {
        let path = self.root.join(path);
        if self.warned.first(&path) {
            tracing::warn!("{} {what}", shown(&path));
        }
    }

    /// Makes changes durable.
    pub(super) async fn commit(&self, ops: Vec<Op>) -> bool {
        self.commits.write(ops).await.is_ok()
    }

    /// What a failed reading leads to.
    pub(super) fn failed(&self, candidate: &Candidate, error: &ReadError) -> Attempt {
        use std::io::ErrorKind;
        let path = &candidate.path;
        let gone = || self.unread.removed(&self.metrics, &self.root, path);
        match error {
            ReadError::Io(error) if error.kind() == ErrorKind::NotFound => {
                tracing::debug!("{} vanished", shown(path));
                gone();
                Attempt::Done
            }
            // What openat2(2) answers for a way out of the root, or through a link.
            ReadError::Io(error)
                if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
                    || error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error()) =>
            {
                self.warn(path, "leads through a symbolic link; skipped");
                gone();
                Attempt::Done
            }
            _ => {
                self.warn(path, &format!("cannot be read: {error}; it is tried again"));
                // The state tells for itself.
                if let (ReadError::Io(error), true) = (error, candidate.failures == 0) {
                    let (metrics, error) = (&self.metrics, error.to_string());
                    self.unread.failed(metrics, &self.root, path, &error);
                }
                Attempt::Failed(None)
            }
        }
    }

    /// Counts a unit that settled, and warns when wanted events never come.
    pub(super) fn count(&self, report: &Report) {
        let counts = &report.counts;
        if counts.read == 0 {
            return;
        }
        if counts.exported + counts.dead_lettered + counts.duplicate > 0 {
            self.idle.found();
            return;
        }
        self.metrics.files_without_events.add(1);
        if let Some(files) = self.idle.missed(self.settings.idle_files_warning) {
            tracing::warn!(
                "{files} files in a row held no Amazon Q event: are CodeWhisperer data events selected in the trail (AWS::CodeWhisperer::Profile, AWS::CodeWhisperer::Customization)?"
            );
        }
    }
}

/// Content that is being read: the same under another name waits.
#[derive(Debug, Default, Clone)]
pub(super) struct Claims(Arc<Claimed>);

#[derive(Debug, Default)]
struct Claimed {
    digests: Mutex<HashSet<Digest>>,
    /// Wakes those that wait for a content.
    freed: Notify,
}

/// Gives the content free when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    digest: Digest,
}

impl Claims {
    pub(super) fn take(&self, digest: Digest) -> Option<Claim> {
        self.0.lock().insert(digest).then(|| Claim {
            claims: self.clone(),
            digest,
        })
    }

    /// Waits until a content is not being read.
    pub(super) async fn until_free(&self, digest: &Digest) {
        loop {
            let freed = self.0.freed.notified();
            if !self.0.lock().contains(digest) {
                return;
            }
            freed.await;
        }
    }
}

impl Claimed {
    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.0.lock().remove(&self.digest);
        self.claims.0.freed.notify_waiters();
    }
}

/// Files in a row without a wanted event.
#[derive(Debug, Default)]
pub(super) struct Idle {
    files: AtomicU64,
    said: AtomicBool,
}

impl Idle {
    fn found(&self) {
        self.files.store(0, Ordering::Relaxed);
        self.said.store(false, Ordering::Relaxed);
    }

    /// How many there are, when it is time to say so.
    fn missed(&self, limit: u64) -> Option<u64> {
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        (files >= limit && !self.said.swap(true, Ordering::Relaxed)).then_some(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lack_of_events_is_said_once_until_one_is_found() {
        let idle = Idle::default();
        let said = |idle: &Idle| (0..5).filter_map(|_| idle.missed(3)).collect::<Vec<_>>();
        assert_eq!(said(&idle), [3]);
        assert!(said(&idle).is_empty());
        idle.found();
        assert_eq!(said(&idle), [3]);
    }

    #[test]
    fn one_content_is_claimed_by_one_reader() {
        let claims = Claims::default();
        let first = claims.take([1; 32]);
        assert!(first.is_some());
        assert!(claims.take([1; 32]).is_none());
        assert!(claims.take([2; 32]).is_some());
        drop(first);
        assert!(claims.take([1; 32]).is_some());
    }
}
