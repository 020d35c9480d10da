//! All files below a folder, compared with the state.
//!
//! Enters: a folder, the filter, the state. Leaves: the oldest files that have to be looked at, at
//! most as many as asked for. What must hold: a settled file costs a stat and a look-up, and no
//! memory; links and special files are never opened; a folder that cannot be listed is said once,
//! and the walk is then not complete. Files that the first run leaves out are opened once, unless
//! they are compressed.

use std::collections::BinaryHeap;
use std::fs::{DirEntry, ReadDir};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::after::{self, PutAside};
use super::checkpoint::{FileEntry, FirstRun, Op, Store};
use super::decide::left_out;
use super::file_id::{self, Stat, shown};
use super::filter::Filter;
use super::lines;
use super::sweep::Sweep;
use super::warned::Warned;
use crate::runtime::line_file::is_ours;

/// Files that are looked up in the state at once.
const BATCH: usize = 4096;
/// Levels of folders.
const DEPTH: usize = 128;
/// What is said of a file that is our own dead letters or output, under whatever name.
pub(super) const WRITTEN: &str = "is what qtrail writes; skipped";

/// The time in a file's name, or its mtime: see [`qtrail_core::convert::observed_time`].
pub(super) type ObservedTime = fn(&str, Option<i64>) -> Option<i64>;

/// A file's place in the order of reading: delivery time, then path.
pub(super) type OrderKey = (i64, Arc<Path>);

/// One walk.
pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) filter: &'a Filter,
    pub(super) store: &'a Store,
    pub(super) first_run: FirstRun,
    pub(super) observed: ObservedTime,
    pub(super) warned: &'a Warned,
    pub(super) put_aside: &'a PutAside,
    pub(super) cancel: &'a CancellationToken,
    /// Files to return.
    pub(super) keep: usize,
    /// Return files after this one only.
    pub(super) after: Option<OrderKey>,
    /// Hears of every file.
    pub(super) seen: Option<Sweep>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Files to look at, oldest first.
    pub(super) found: Vec<Found>,
    /// There are more after these.
    pub(super) more: bool,
    /// Every folder could be listed, every file looked up.
    pub(super) complete: bool,
    /// Folders that could not be listed.
    pub(super) unlisted: u64,
    /// The last of them, and why.
    pub(super) last_unlisted: Option<String>,
    /// Files that are read, done or not.
    pub(super) files: u64,
    pub(super) seen: Option<Sweep>,
}

/// A file that is not as it was when it settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: OrderKey,
    pub(super) stat: Stat,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A file's place in the order of reading.
pub(super) fn place(observed: ObservedTime, path: &Path, modified: i64) -> OrderKey {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let time = observed(&name, Some(modified)).unwrap_or(modified);
    (time, Arc::from(path))
}

impl Walk<'_> {
    /// Walks the folder `from` (below the root; empty for all).
    pub(super) fn run(mut self, from: &Path) -> Walked {
        let mut walked = Walked {
            complete: true,
            ..Walked::default()
        };
        let mut oldest = BinaryHeap::new();
        let mut batch = Vec::new();
        let mut folders = Vec::new();
        self.enter(from.to_owned(), &mut folders, &mut walked);
        while let Some((folder, entries)) = folders.last_mut() {
            if self.cancel.is_cancelled() {
                walked.complete = false;
                break;
            }
            match entries.next() {
                None => {
                    folders.pop();
                }
                Some(Err(error)) => {
                    self.unlisted(folder, &format!("cannot be listed: {error}"), &mut walked);
                    folders.pop();
                }
                Some(Ok(entry)) => {
                    let path = folder.join(entry.file_name());
                    match self.sort(&entry, path) {
                        Sorted::Folder(path) => self.enter(path, &mut folders, &mut walked),
                        Sorted::File(path) => batch.push((entry.ino(), path)),
                        Sorted::Nothing => {}
                    }
                }
            }
            if batch.len() >= BATCH {
                self.look_up(&mut batch, &mut oldest, &mut walked);
            }
        }
        self.look_up(&mut batch, &mut oldest, &mut walked);
        walked.found = oldest.into_sorted_vec();
        walked.seen = self.seen;
        walked
    }

    fn enter(&self, path: PathBuf, folders: &mut Vec<(PathBuf, ReadDir)>, walked: &mut Walked) {
        if folders.len() >= DEPTH {
            self.unlisted(&path, "is deeper than 128 folders; skipped", walked);
            return;
        }
        match self.root.join(&path).read_dir() {
            Ok(entries) => folders.push((path, entries)),
            // It vanished meanwhile. Without the first one, nothing was walked.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                walked.complete &= !folders.is_empty();
            }
            Err(error) => {
                self.unlisted(&path, &format!("cannot be listed: {error}"), walked);
            }
        }
    }

    fn unlisted(&self, path: &Path, what: &str, walked: &mut Walked) {
        walked.complete = false;
        walked.unlisted += 1;
        walked.last_unlisted = Some(format!("{} {what}", shown(&self.root.join(path))));
        self.warn(path, what);
    }

    fn sort(&self, entry: &DirEntry, path: PathBuf) -> Sorted {
        let Ok(kind) = entry.file_type() else {
            return Sorted::Nothing;
        };
        if kind.is_dir() {
            return match self.filter.enters(&path) {
                true => Sorted::Folder(path),
                false => Sorted::Nothing,
            };
        }
        if kind.is_file() && after::original(&path).is_some() {
            return self.recover(path);
        }
        if !self.filter.wants(&path) {
            return Sorted::Nothing;
        }
        if kind.is_file() {
            return Sorted::File(path);
        }
        if !kind.is_symlink() {
            self.warn(&path, "is a pipe, socket or device; skipped");
        } else if !self.leads_inside(&path) {
            self.warn(
                &path,
                "is a symbolic link that leads out of the directory or nowhere; skipped",
            );
        }
        Sorted::Nothing
    }

    /// A file that was put aside by a process that was killed: it is read as it was called then, or
    /// where it is, if its name was taken meanwhile.
    fn recover(&self, aside: PathBuf) -> Sorted {
        let (path, wanted) = match self.put_aside.recover(self.root, &aside) {
            Ok(None) => return Sorted::Nothing,
            Ok(Some(path)) => (path.clone(), path),
            Err(error) if error.kind() == ErrorKind::NotFound => return Sorted::Nothing,
            Err(error) => {
                let name = after::original(&aside).unwrap_or_default();
                let what = format!(
                    "was put aside, and does not get its name {} back: {error}; it is read where it is",
                    shown(Path::new(name))
                );
                self.warn(&aside, &what);
                (aside.clone(), aside.with_file_name(name))
            }
        };
        match self.filter.wants(&wanted) {
            true => Sorted::File(path),
            false => Sorted::Nothing,
        }
    }

    /// Whether a link's target is below the root: then it is read there, under its own name.
    fn leads_inside(&self, link: &Path) -> bool {
        let target = self.root.join(link).canonicalize();
        let root = self.root.canonicalize();
        matches!((target, root), (Ok(target), Ok(root)) if target.starts_with(&root))
    }

    fn look_up(
        &mut self,
        batch: &mut Vec<(u64, PathBuf)>,
        oldest: &mut BinaryHeap<Found>,
        walked: &mut Walked,
    ) {
        // By inode: neighbours on disk, and in the state.
        batch.sort_unstable();
        walked.files += batch.len() as u64;
        let mut files = Vec::with_capacity(batch.len());
        for (_, path) in batch.drain(..) {
            match self.root.join(&path).symlink_metadata() {
                Ok(metadata) if is_ours(&metadata) => self.warn(&path, WRITTEN),
                Ok(metadata) if metadata.is_file() => files.push((path, Stat::of(&metadata))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    walked.complete = false;
                    self.warn(&path, &format!("cannot be looked at: {error}"));
                }
            }
        }
        let ids: Vec<_> = files.iter().map(|(_, stat)| stat.id).collect();
        let entries = match self.store.files(&ids) {
            Ok(entries) => entries,
            Err(error) => {
                walked.complete = false;
                tracing::warn!("{error}");
                return;
            }
        };
        let mut marks = Vec::new();
        for ((path, stat), entry) in files.into_iter().zip(entries) {
            if let Some(found) = self.compare(&path, stat, entry, &mut marks) {
                oldest.push(found);
                if oldest.len() > self.keep {
                    oldest.pop();
                    walked.more = true;
                }
            }
        }
        if !marks.is_empty()
            && let Err(error) = self.store.apply(&marks)
        {
            walked.complete = false;
            tracing::warn!("{error}");
        }
    }

    fn compare(
        &mut self,
        path: &Path,
        stat: Stat,
        entry: Option<FileEntry>,
        marks: &mut Vec<Op>,
    ) -> Option<Found> {
        if let Some(seen) = &mut self.seen {
            seen.saw(stat.id, entry.as_ref());
        }
        if entry.is_some_and(|entry| entry.settles(&stat)) {
            return None;
        }
        let place = place(self.observed, path, stat.modified);
        if entry.is_none() && left_out(&self.first_run, &stat, Some(place.0)) {
            marks.extend(self.leave_out(path, stat));
            return None;
        }
        let later = self.after.as_ref().is_none_or(|after| place > *after);
        later.then_some(Found { place, stat })
    }

    /// Compressed files are not looked into: no line is appended to one.
    fn leave_out(&self, path: &Path, stat: Stat) -> Vec<Op> {
        let name = path.file_name().unwrap_or_default();
        if name.as_bytes().ends_with(b".gz") {
            return lines::leave_out_unseen(stat);
        }
        file_id::open(self.root, path)
            .and_then(|file| lines::leave_out(name, &Arc::new(file), stat))
            .unwrap_or_else(|_| lines::leave_out_unseen(stat))
    }

    fn warn(&self, path: &Path, what: &str) {
        let path = self.root.join(path);
        if self.warned.first(&path) {
            tracing::warn!("{} {what}", shown(&path));
        }
    }
}

enum Sorted {
    Folder(PathBuf),
    File(PathBuf),
    Nothing,
}
