//! A directory, or one file.
//!
//! What must hold: no file outside of the root is read; links and special files are not opened.

use std::fs::{DirEntry, Metadata, ReadDir};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::left_out::Why;
use super::plan::Entry;
use super::source::{self, Found, Opened, Page, Root, Source};
use super::{STATE, Status};
use crate::dead_letter::{OnDamage, Origin};
use crate::input::directory::file_id::{self, FileId, Section, Stat, shown};
use crate::pipeline::Content;
use crate::runtime::line_file::is_ours;
use qtrail_core::convert::observed_time;

/// Files of one page.
const PAGE: usize = 1000;

/// A directory.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The path as given.
    given: PathBuf,
    /// The canonical path.
    root: PathBuf,
    /// The one file to read, if a file was given.
    only: Option<PathBuf>,
    /// The backfill's own state, which may not exist yet.
    state: PathBuf,
    /// Existing files that the backfill writes, by their canonical names.
    written: Arc<[FileId]>,
}

impl Folder {
    /// The files at `path`, except those in `state` and those that are `written`.
    pub(crate) fn new(path: &Path, state: &Path, written: &[PathBuf]) -> io::Result<Folder> {
        let metadata = std::fs::metadata(path)?;
        // The argument may be a link; a file that is found in a folder may not.
        let path = match path.is_symlink() && metadata.is_file() {
            true => &path.canonicalize()?,
            false => path,
        };
        let (given, only) = match (metadata.is_dir(), path.parent(), path.file_name()) {
            (false, Some(parent), Some(name)) => (parent.to_owned(), Some(name.into())),
            _ => (path.to_owned(), None),
        };
        let root = match given.as_os_str().is_empty() {
            true => Path::new(".").canonicalize()?,
            false => given.canonicalize()?,
        };
        Ok(Folder {
            state: state.to_owned(),
            written: ids(written),
            given,
            root,
            only,
        })
    }
}

impl Source for Folder {
    const LISTERS: usize = 4;

    fn base(&self) -> String {
        format!("{}/", self.root.to_string_lossy())
    }

    fn name(&self, key: &[u8]) -> String {
        shown(&self.given.join(path(key)))
    }

    async fn root(&self, _: &Status) -> Result<Root, source::Error> {
        let Some(only) = &self.only else {
            return Ok(Root {
                folder: Some(Vec::new()),
                files: Vec::new(),
            });
        };
        let file = file_id::open(&self.root, only).and_then(|file| file.metadata());
        let metadata = file.map_err(|error| source_error(&error))?;
        if !metadata.is_file() {
            return Err(source::Error::Denied(
                "neither a directory nor a regular file: `qtrail convert` reads it".to_owned(),
            ));
        }
        if self.written.contains(&Stat::of(&metadata).id) {
            return Err(source::Error::Denied(
                "it would be read and written at once: choose other dead letters, or another output".to_owned(),
            ));
        }
        Ok(Root {
            folder: None,
            files: vec![found(only, &metadata)],
        })
    }

    async fn page(
        &self,
        folder: &[u8],
        _: Option<String>,
        status: &Status,
    ) -> Result<Page, source::Error> {
        status.requests.fetch_add(1, Ordering::Relaxed);
        let folder = path(folder).to_owned();
        let entries = self.root.join(&folder).read_dir();
        let listing = Listing {
            root: self.root.clone(),
            given: self.given.clone(),
            ours: self.state.canonicalize().ok(),
            written: Arc::clone(&self.written),
            entries: entries.map_err(|error| source_error(&error))?,
            folder,
        };
        let (pages, rest) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || listing.send(&pages));
        Ok(Page {
            rest: Some(rest),
            ..Page::default()
        })
    }

    async fn open(&self, file: &Entry, _: &CancellationToken) -> Result<Opened, source::Error> {
        let (root, key) = (self.root.clone(), path(&file.position.1).to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            let file = file_id::open(&root, &key)?;
            let metadata = file.metadata()?;
            match metadata.is_file() {
                _ if is_ours(&metadata) => Err(io::Error::other("it is what qtrail writes")),
                true => Ok((file, metadata)),
                false => Err(io::Error::other("it is no regular file any more")),
            }
        });
        let (content, metadata) = opened
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| source_error(&error))?;
        let name = self.name(&file.position.1);
        Ok(Opened {
            origin: Origin {
                input: "backfill",
                observed: observed_time(&name, Some(Stat::of(&metadata).modified)),
                name: name.into(),
                on_damage: OnDamage::NamePlace,
            },
            content: Content::twice(Section::new(Arc::new(content), 0, u64::MAX)),
            _memory: None,
        })
    }
}

/// A folder that is listed on a blocking thread.
struct Listing {
    root: PathBuf,
    given: PathBuf,
    ours: Option<PathBuf>,
    written: Arc<[FileId]>,
    folder: PathBuf,
    entries: ReadDir,
}

impl Listing {
    fn send(mut self, pages: &mpsc::Sender<Result<Page, source::Error>>) {
        let mut page = Page::default();
        while let Some(entry) = self.entries.next() {
            let looked = entry.and_then(|entry| self.look(&entry, &mut page));
            if let Err(error) = looked.or_else(vanished) {
                let _ = pages.blocking_send(Err(source_error(&error)));
                return;
            }
            if page.files.len() + page.folders.len() + page.left_out.len() >= PAGE
                && pages.blocking_send(Ok(std::mem::take(&mut page))).is_err()
            {
                return;
            }
        }
        let _ = pages.blocking_send(Ok(page));
    }

    fn look(&self, entry: &DirEntry, page: &mut Page) -> io::Result<()> {
        let path = self.folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !self.is_ours(&path) {
                let mut key = key_of(path);
                key.push(b'/');
                page.folders.push(key);
            }
        } else if kind.is_file() {
            let metadata = entry.metadata()?;
            match self.written.contains(&Stat::of(&metadata).id) {
                true => page.left_out.push((Why::Written, key_of(path))),
                false => page.files.push(found(&path, &metadata)),
            }
        } else if !kind.is_symlink() {
            let name = shown(&self.given.join(&path));
            tracing::warn!("{name} is a pipe, socket or device; skipped");
            page.left_out.push((Why::Special, key_of(path)));
        } else if !self.leads_inside(&path) {
            let name = shown(&self.given.join(&path));
            tracing::warn!(
                "{name} is a symbolic link that leads out of the directory or nowhere; skipped"
            );
            page.left_out.push((Why::Link, key_of(path)));
        }
        Ok(())
    }

    /// Whether a folder is the state, or a backfill's folder in it if the state is the root.
    fn is_ours(&self, folder: &Path) -> bool {
        let folder = self.root.join(folder);
        let is = |ours: &PathBuf| folder == *ours || folder == ours.join(STATE);
        self.ours.as_ref().is_some_and(is)
    }

    /// Whether a link's target is below the root: then it is read there, under its own name.
    fn leads_inside(&self, link: &Path) -> bool {
        let target = self.root.join(link).canonicalize();
        target.is_ok_and(|target| target.starts_with(&self.root))
    }
}

/// The files that exist.
fn ids(paths: &[PathBuf]) -> Arc<[FileId]> {
    let there = paths.iter().filter_map(|path| path.metadata().ok());
    there.map(|metadata| Stat::of(&metadata).id).collect()
}

fn vanished(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn key_of(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}

fn path(key: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(key))
}

fn found(path: &Path, metadata: &Metadata) -> Found {
    let stat = Stat::of(metadata);
    Found {
        key: path.as_os_str().as_bytes().to_owned(),
        bytes: stat.size,
        modified: Some(stat.modified),
        identity: stat.modified.to_be_bytes().to_vec(),
    }
}

fn source_error(error: &io::Error) -> source::Error {
    use rustix::io::Errno;
    // The error of openat2(2) for a path out of the root, or through a link.
    let away = [Errno::LOOP, Errno::XDEV].map(|errno| Some(errno.raw_os_error()));
    match error.kind() {
        io::ErrorKind::NotFound => source::Error::Gone(error.to_string()),
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => source::Error::Denied(error.to_string()),
        _ if away.contains(&error.raw_os_error()) => source::Error::Denied(error.to_string()),
        // Errors of network file systems and full tables are temporary.
        _ => source::Error::Passing(error.to_string()),
    }
}
