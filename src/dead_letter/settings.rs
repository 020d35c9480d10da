//! The file of dead letters, and its bounds.

use std::io;
use std::path::PathBuf;

use super::letter::LINE_START;
use crate::runtime::line_file::{self, LineFile, Rotation, bytes_on_disk, numbered};

/// The file of dead letters, and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file; rotated files have `.1`, `.2`, … appended. A character device is not rotated.
    pub path: PathBuf,
    /// The size at which a file is rotated, in bytes. Default 64 MiB.
    pub max_bytes: u64,
    /// The number of rotated files. Default 10.
    pub keep: u32,
    /// What happens when all files are full.
    pub when_full: WhenFull,
    /// The largest record that is kept, in bytes; a larger one that can be read again is kept as its position and
    /// SHA-256. Default 2 MiB.
    pub max_record_bytes: usize,
    /// The most letters of one unit; one more letter counts the rest. Default 1,000.
    pub unit_letters: u64,
    /// The most bytes of one unit's records; the rest are kept as position and SHA-256. Default 16 MiB.
    pub unit_bytes: u64,
    /// What happens to letters that are in the file already.
    pub begin: Begin,
    /// Whether to wait for a disk that cannot be written. Default: yes.
    pub waits: bool,
}

/// What happens when the files are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Delivery stops until files are removed.
    Wait,
    /// The oldest file is erased, which is logged and counted.
    Rotate,
}

/// What happens to letters that are in the file already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// New letters are appended.
    Append,
    /// The file is overwritten: its letters are renamed, as a rotated file.
    Anew,
    /// The same; a missing file is created with its first letter.
    AnewWithFirst,
}

impl Settings {
    /// The defaults for a file, which is rotated.
    pub fn new(path: PathBuf) -> Self {
        Settings {
            path,
            max_bytes: 64 << 20,
            keep: 10,
            when_full: WhenFull::Rotate,
            max_record_bytes: 2 << 20,
            unit_letters: 1000,
            unit_bytes: 16 << 20,
            begin: Begin::Append,
            waits: true,
        }
    }

    /// The names of rotated files.
    pub(crate) fn rotated(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let real = self
            .path
            .canonicalize()
            .unwrap_or_else(|_| self.path.clone());
        (1..=self.keep).map(move |n| numbered(&real, n))
    }

    /// The bound of all files together, in bytes.
    pub(super) fn capacity(&self) -> u64 {
        self.max_bytes.saturating_mul(u64::from(self.keep) + 1)
    }

    /// Whether letters could be written, without leaving a trace. The folder must exist.
    ///
    /// # Errors
    /// The file cannot be opened, or all files are full and may not be erased.
    pub fn check(&self) -> io::Result<&'static str> {
        let (held, capacity) = (bytes_on_disk(&self.path, self.keep), self.capacity());
        if self.when_full == WhenFull::Wait && held >= capacity {
            let full = format!("they hold {held} of {capacity} bytes");
            return Err(io::Error::other(self.remedy(&full)));
        }
        line_file::check(&self.path, &self.kind())
    }

    /// The remedy if they are full.
    pub(super) fn remedy(&self, full: &str) -> String {
        let path = self.path.display();
        format!(
            "the dead letters {path} are full: {full}; replay {path}.1 and the others and move them away, raise dead_letters.keep, or set dead_letters.when_full: rotate"
        )
    }

    /// Opens the file; returns how many letters were erased to rotate earlier ones.
    pub(super) fn open(&self) -> io::Result<(LineFile, u64)> {
        let (path, kind) = (&self.path, self.kind());
        match self.begin {
            Begin::AnewWithFirst if !path.exists() => Ok((LineFile::later(path, kind), 0)),
            Begin::Append => Ok((LineFile::open(path, kind)?, 0)),
            Begin::Anew | Begin::AnewWithFirst => LineFile::put_aside(path, kind),
        }
    }

    pub(super) fn kind(&self) -> line_file::Kind {
        line_file::Kind {
            line_start: LINE_START,
            mode: 0o600,
            makes_folder: true,
            rotation: Some(Rotation {
                max_bytes: self.max_bytes,
                keep: self.keep,
                erases: self.when_full == WhenFull::Rotate,
            }),
        }
    }
}
