//! Where dead letters go, and how much of them is kept.

use std::io;
use std::path::PathBuf;

use super::letter::LINE_START;
use crate::runtime::line_file::{self, LineFile, Rotation, bytes_on_disk, numbered};

/// Where dead letters go, and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file; rotated ones get `.1`, `.2`, … appended. A character device is written as it is.
    pub path: PathBuf,
    /// Bytes of one file before it is rotated. Default 64 MiB.
    pub max_bytes: u64,
    /// Rotated files kept. Default 10.
    pub keep: u32,
    /// What happens when all of them are full.
    pub when_full: WhenFull,
    /// Bytes of a record that are kept; of a larger one that can be read again, its place and
    /// SHA-256. Default 2 MiB.
    pub max_record_bytes: usize,
    /// Letters of one unit; what is refused beyond is counted in one more. Default 1,000.
    pub unit_letters: u64,
    /// Bytes of one unit's records that are kept; of those beyond, place and SHA-256. Default 16 MiB.
    pub unit_bytes: u64,
    /// What becomes of letters that are there already.
    pub begin: Begin,
    /// Whether a disk that refuses is waited for. Default: it is.
    pub waits: bool,
}

/// What happens when the files are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is delivered until somebody makes room.
    Wait,
    /// The oldest file is erased, which is logged and counted.
    Rotate,
}

/// What becomes of letters that the file holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// New ones stand after them.
    Append,
    /// The file is overwritten: its letters are renamed, as a rotated file.
    Anew,
    /// The same; where there is no file, it is made with its first letter.
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

    /// The files that a full one may become.
    pub(crate) fn rotated(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let real = self
            .path
            .canonicalize()
            .unwrap_or_else(|_| self.path.clone());
        (1..=self.keep).map(move |n| numbered(&real, n))
    }

    /// Bytes of all files together.
    pub(super) fn capacity(&self) -> u64 {
        self.max_bytes.saturating_mul(u64::from(self.keep) + 1)
    }

    /// Whether letters could be written, found out without leaving a trace. The folder has to be there.
    ///
    /// # Errors
    /// The file cannot be opened, or all files are full and none may be erased.
    pub fn check(&self) -> io::Result<&'static str> {
        let (held, capacity) = (bytes_on_disk(&self.path, self.keep), self.capacity());
        if self.when_full == WhenFull::Wait && held >= capacity {
            let full = format!("they hold {held} of {capacity} bytes");
            return Err(io::Error::other(self.remedy(&full)));
        }
        line_file::check(&self.path, &self.kind())
    }

    /// What to do where they are full.
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
