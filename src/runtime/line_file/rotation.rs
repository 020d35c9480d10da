//! Rotation: a full file gets a numbered name, and another file is opened.
//!
//! What must hold: a file whose lines may not be erased is never erased; if no number is free
//! for it, it grows further, and its owner must stop writing.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{BUFFER, Kind, LineFile, Open};

/// When a file is rotated, and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Bytes of one file before another one begins.
    pub(crate) max_bytes: u64,
    /// Files that are kept beside it, numbered from 1, the newest.
    pub(crate) keep: u32,
    /// Whether the oldest is erased where all numbers are taken.
    pub(crate) erases: bool,
}

impl LineFile {
    /// Opens a file, or creates it. What a regular file holds is put aside first, if it may be; how many
    /// lines were erased for that.
    ///
    /// # Errors
    /// As [`LineFile::open`].
    pub(crate) fn put_aside(path: &Path, kind: Kind) -> io::Result<(Self, u64)> {
        let mut file = LineFile::open(path, kind)?;
        let erased = match file.open {
            Some(Open::Regular { end: 1.., .. }) => file.rotate()?,
            _ => return Ok((file, 0)),
        };
        if matches!(file.open, Some(Open::Regular { end: 0, .. })) {
            let path = path.display();
            tracing::warn!("{path} is overwritten: its earlier content is now in {path}.1");
        }
        Ok((file, erased))
    }

    /// Opens another file, if the open one may be rotated; returns how many lines were erased.
    pub(super) fn rotate(&mut self) -> io::Result<u64> {
        let Some(rotation) = &self.kind.rotation else {
            return Ok(0);
        };
        // If the path is a link, the file is rotated in the folder of its target.
        let real = self.path.canonicalize()?;
        let is_free = |n: &u32| numbered(&real, *n).symlink_metadata().is_err();
        let (last, erased) = match (1..=rotation.keep).find(is_free) {
            Some(free) => (free, 0),
            None if !rotation.erases => return Ok(0),
            None => (rotation.keep, count_lines(&numbered(&real, rotation.keep))),
        };
        for n in (0..last).rev() {
            rename_if_there(&numbered(&real, n), &numbered(&real, n + 1))?;
        }
        if last == 0 {
            std::fs::remove_file(&real)?;
        }
        // It stays locked until the next one is.
        let _before = self.open.take();
        self.open = Some(self.reopen()?);
        Ok(erased)
    }
}

/// The name of a rotated file; 0: its own.
pub(crate) fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    if n > 0 {
        name.push(format!(".{n}"));
    }
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// How many lines a file holds that is about to be erased, as far as it can be read.
fn count_lines(path: &Path) -> u64 {
    let count = || -> io::Result<u64> {
        let (mut file, mut block, mut lines) = (File::open(path)?, vec![0; BUFFER], 0);
        loop {
            match file.read(&mut block)? {
                0 => return Ok(lines),
                read => lines += memchr::memchr_iter(b'\n', &block[..read]).count() as u64,
            }
        }
    };
    count().unwrap_or_default()
}

/// Bytes of a file and of its rotated files.
pub(crate) fn bytes_on_disk(path: &Path, keep: u32) -> u64 {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let bytes = |n| {
        let there = numbered(&real, n).metadata();
        there.map_or(0, |there| if there.is_file() { there.len() } else { 0 })
    };
    (0..=keep).map(bytes).sum()
}
