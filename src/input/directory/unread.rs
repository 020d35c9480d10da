//! Whether files can be read: what `/readyz` says of them.
//!
//! Enters: files that cannot be read, and files that can. Leaves: a stall while the newest file cannot be read
//! and none could be read since. What must hold: one bad file among good ones makes nothing unready.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file_id::shown;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;

/// The file that could not be read last, if none could be read since.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<Option<Arc<Path>>>);

impl Unread {
    /// A file below `root` cannot be read, for the first time.
    pub(super) fn failed(&self, metrics: &Metrics, root: &Path, path: &Arc<Path>, error: &str) {
        let file = shown(&root.join(path));
        let reason = format!(
            "{file} cannot be read, and no file could be read since: {error}: let qtrail's user read it, or name it in directory.exclude"
        );
        let mut unread = self.lock();
        *unread = Some(Arc::clone(path));
        metrics
            .stalls
            .set(Cause::FilesUnreadable, &shown(root), reason);
    }

    /// A file could be read.
    pub(super) fn read(&self, metrics: &Metrics, root: &Path) {
        let mut unread = self.lock();
        if unread.take().is_some() {
            metrics.stalls.clear(Cause::FilesUnreadable, &shown(root));
        }
    }

    /// A file is not to be read any more.
    pub(super) fn removed(&self, metrics: &Metrics, root: &Path, path: &Path) {
        if self.lock().as_deref() == Some(path) {
            self.read(metrics, root);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Path>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_file_decides_until_another_can_be_read() {
        let (unread, metrics, root) = (Unread::default(), Metrics::default(), Path::new("/trail"));
        let [a, b] = ["a", "b"].map(|name| Arc::from(Path::new(name)));
        unread.failed(&metrics, root, &a, "Permission denied");
        let reason = metrics.stalls.not_ready().unwrap();
        assert!(
            reason.contains("/trail/a") && reason.contains("directory.exclude"),
            "{reason}"
        );
        unread.removed(&metrics, root, &b);
        assert!(metrics.stalls.not_ready().is_some());
        unread.removed(&metrics, root, &a);
        assert_eq!(metrics.stalls.not_ready(), None);
        unread.failed(&metrics, root, &b, "Permission denied");
        unread.read(&metrics, root);
        assert_eq!(metrics.stalls.not_ready(), None);
    }
}
