//! The files that a command reads once.
//!
//! Enters: files, directories, `-`. Leaves: [`Source`]s in the order of the arguments; those of a directory
//! by name, which is by time in the layout of CloudTrail's buckets. What must hold: memory stays within the
//! names of one directory per level.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::stoppable::Stoppable;
use crate::dead_letter;
use crate::dead_letter::{OnDamage, Origin};
use crate::input::directory::file_id::Section;
use crate::runtime::line_file::is_ours;
use qtrail_core::convert::observed_time;
use qtrail_core::envelope::{Again, Store};

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Device and inode.
type FileId = (u64, u64);

/// The files that a command writes while it reads.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// Paths, which need not exist yet.
    pub(super) paths: Vec<PathBuf>,
    /// Standard output, if it is a file.
    open: Option<FileId>,
}

impl Outputs {
    /// Adds the file of dead letters and its rotated names.
    pub(super) fn add_dead_letters(&mut self, letters: &dead_letter::Settings) {
        self.paths.push(letters.path.clone());
        self.paths.extend(letters.rotated());
    }

    /// Adds standard output.
    pub(super) fn add_stdout(&mut self) {
        let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let metadata = file.and_then(|file| file.metadata());
        self.open = metadata
            .ok()
            .filter(Metadata::is_file)
            .map(|file| id(&file));
    }

    fn contains(&self, file: &Metadata) -> bool {
        let is_same =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|other| id(&other) == id(file));
        self.open == Some(id(file)) || is_ours(file) || self.paths.iter().any(is_same)
    }

    /// Rejects an input file that is also an output.
    ///
    /// # Errors
    /// The file, with the remedy.
    pub(super) fn reject(&self, name: &Path, file: &Metadata) -> anyhow::Result<()> {
        anyhow::ensure!(
            !(file.is_file() && self.contains(file)),
            "{} would be read and written at the same time: choose another output or another file for dead letters",
            name.display()
        );
        Ok(())
    }
}

/// Sources in their order, or why one is not listed.
pub(super) type Listed = Box<dyn Iterator<Item = anyhow::Result<Source>> + Send>;

/// An iterator over the files that `paths` name.
pub(super) struct Sources {
    paths: VecDeque<PathBuf>,
    outputs: Outputs,
    /// The remaining names of each open directory, innermost last, in reverse order.
    open: Vec<Vec<PathBuf>>,
}

/// The sources that `paths` name. `outputs` are skipped in directories.
///
/// # Errors
/// A path that does not exist or is one of `outputs`, before anything is read.
pub(super) fn sources(paths: &[PathBuf], outputs: Outputs) -> anyhow::Result<Sources> {
    for path in paths {
        let metadata = match path.as_os_str() == "-" {
            true => stdin_metadata(),
            false => std::fs::metadata(path),
        };
        let metadata = metadata.with_context(|| format!("cannot read {}", path.display()))?;
        outputs.reject(path, &metadata)?;
    }
    Ok(Sources {
        paths: paths.iter().cloned().collect(),
        outputs,
        open: Vec::new(),
    })
}

/// Whether a path cannot be read twice: standard input, a pipe.
pub(super) fn is_read_once(path: &Path) -> bool {
    let is_pipe = |file: Metadata| !file.is_file() && !file.is_dir();
    path.as_os_str() == "-" || path.metadata().is_ok_and(is_pipe)
}

impl Iterator for Sources {
    type Item = anyhow::Result<Source>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let inside = self.open.last_mut().map(Vec::pop);
            let path = match inside {
                Some(Some(path)) => path,
                Some(None) => {
                    self.open.pop();
                    continue;
                }
                None => {
                    let path = self.paths.pop_front()?;
                    if path.as_os_str() == "-" {
                        return Some(Ok(Source::Stdin));
                    }
                    path
                }
            };
            let below = !self.open.is_empty();
            match kind(&path, below, &self.outputs) {
                Ok(Kind::Directory(names)) => self.open.push(names),
                Ok(Kind::File) => return Some(Ok(Source::File(path))),
                Ok(Kind::Written) => {
                    tracing::warn!(path = %path.display(), "skipped: it is being written by this command");
                }
                Ok(Kind::Other) => {
                    tracing::warn!(path = %path.display(), "skipped: neither a file nor a directory");
                }
                Err(e) => {
                    return Some(Err(e).with_context(|| format!("cannot read {}", path.display())));
                }
            }
        }
    }
}

enum Kind {
    Directory(Vec<PathBuf>),
    File,
    Written,
    Other,
}

fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// The kind of a path. Links are followed if they are arguments, but not inside a directory, where they could
/// lead anywhere, or in a circle. An argument may also be a pipe (`<(…)`).
fn kind(path: &Path, below: bool, outputs: &Outputs) -> io::Result<Kind> {
    let metadata = if below {
        std::fs::symlink_metadata(path)?
    } else {
        std::fs::metadata(path)?
    };
    if metadata.is_dir() {
        let mut names = std::fs::read_dir(path)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Kind::Directory(names))
    } else if below && outputs.contains(&metadata) {
        Ok(Kind::Written)
    } else if metadata.is_file() || !below {
        Ok(Kind::File)
    } else {
        Ok(Kind::Other)
    }
}

impl Source {
    /// Opens the source: its origin, its bytes until `stop`, and a way to read them again. `wrap` sees every
    /// byte read, for a progress bar.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(
        &self,
        stop: &CancellationToken,
        wrap: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> anyhow::Result<(Origin, Box<dyn Read + Send>, Again)> {
        let (name, observed, (content, again)) = match self {
            Source::Stdin => ("-".into(), None, stdin(true, stop)?),
            Source::File(path) => {
                let cannot = || format!("cannot read {}", path.display());
                let file = File::open(path).with_context(cannot)?;
                let name = path.to_string_lossy();
                let observed =
                    observed_time(&name, file.metadata().ok().as_ref().and_then(modified));
                (
                    name.into_owned(),
                    observed,
                    read(file, true, stop).with_context(cannot)?,
                )
            }
        };
        let origin = Origin {
            input: "files",
            name: name.into(),
            observed,
            on_damage: OnDamage::NamePlace,
        };
        Ok((origin, wrap(content), again))
    }
}

/// The metadata of standard input.
pub(super) fn stdin_metadata() -> io::Result<Metadata> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    File::from(input).metadata()
}

/// The bytes of standard input until `stop`, and a way to read them again.
pub(super) fn stdin(
    reports_idle: bool,
    stop: &CancellationToken,
) -> anyhow::Result<(Box<dyn Read + Send>, Again)> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    input
        .and_then(|input| read(input.into(), reports_idle, stop))
        .context("cannot read standard input")
}

/// The bytes of a file until `stop`, and a way to read them again: bytes read ahead of a pipe are kept in a
/// temporary file. `reports_idle`: whether a pipe reports when it is idle.
pub(super) fn read(
    mut file: File,
    reports_idle: bool,
    stop: &CancellationToken,
) -> io::Result<(Box<dyn Read + Send>, Again)> {
    if !file.metadata()?.is_file() {
        let pipe = Stoppable::pipe(file, reports_idle, stop.clone())?;
        return Ok((Box::new(pipe), Again::Store(Box::new(temporary))));
    }
    let from = file.stream_position()?;
    let section = Section::new(Arc::new(file), from, u64::MAX);
    let content = Stoppable::new(section.clone(), stop.clone());
    Ok((Box::new(content), Again::clones(section)))
}

fn temporary() -> io::Result<Box<dyn Store>> {
    let file = tempfile::tempfile().map_err(|error| {
        let folder = std::env::temp_dir();
        io::Error::other(format!(
            "cannot keep the bytes after a broken record in {}: {error} (set TMPDIR to another directory)",
            folder.display()
        ))
    })?;
    Ok(Box::new(file))
}

/// A file's modification time, in nanoseconds since 1970.
fn modified(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_by_name_and_depth_first_without_following_links() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "2024/01/b.json",
            "2024/01/a.json",
            "2023/12/z.json",
            "top.json",
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("circle")).unwrap();
        let listed: Vec<_> = sources(&[root.path().to_path_buf(), "-".into()], Outputs::default())
            .unwrap()
            .map(|s| match s.unwrap() {
                Source::File(path) => path
                    .strip_prefix(root.path())
                    .unwrap()
                    .display()
                    .to_string(),
                Source::Stdin => "-".to_owned(),
            })
            .collect();
        assert_eq!(
            listed,
            [
                "2023/12/z.json",
                "2024/01/a.json",
                "2024/01/b.json",
                "top.json",
                "-"
            ]
        );
    }

    #[test]
    fn a_path_that_does_not_exist_is_an_error_before_anything_is_read() {
        let error = sources(&["-".into(), "/nowhere/at.all".into()], Outputs::default())
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nowhere/at.all"), "{error:#}");
    }

    #[test]
    fn outputs_are_not_read() {
        let root = tempfile::tempdir().unwrap();
        let (input, output) = (root.path().join("in"), root.path().join("out"));
        std::fs::write(&input, "{}").unwrap();
        let outputs = || Outputs {
            paths: vec![output.clone()],
            open: None,
        };
        let listed = sources(&[root.path().to_path_buf()], outputs()).unwrap();
        // It is created after the listing has begun.
        std::fs::write(&output, "").unwrap();
        let listed: Vec<_> = listed.map(Result::unwrap).collect();
        assert_eq!(listed, [Source::File(input)]);
        let error = sources(std::slice::from_ref(&output), outputs())
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("choose another output"),
            "{error:#}"
        );
    }
}
