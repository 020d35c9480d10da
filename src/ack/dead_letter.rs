//! The file of records that were refused, one JSON line each, durable before anything is
//! acknowledged.

use std::path::PathBuf;

use super::Origin;
use crate::reject::Reject;

/// Where dead letters go, and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file; rotated ones get `.1`, `.2`, … appended.
    pub path: PathBuf,
    /// Bytes of one file before it is rotated. Default 64 MiB.
    pub max_bytes: u64,
    /// Rotated files kept. Default 10.
    pub keep: u32,
    /// Bytes of a record that are kept; of a larger one, its place and SHA-256. Default 2 MiB.
    pub max_record_bytes: usize,
}

/// One refused record with its source. An uncertain partial success is one entry of several
/// records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it came from.
    pub origin: Origin,
    /// `eventID`, where it is known.
    pub event_id: Option<String>,
    /// Position, reason, bytes.
    pub reject: Reject,
}

/// The open file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {}

impl DeadLetters {
    /// Opens or creates the file (mode 0600).
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(_settings: Settings) -> std::io::Result<Self> {
        unimplemented!()
    }

    /// Appends entries, each a line of its own; returns when they are on disk. A full disk is
    /// waited out, with back-off and a log line.
    ///
    /// # Errors
    /// [`Stopped`] when `stop` came first; nothing may be acknowledged then.
    pub async fn write(&self, _entries: Vec<Entry>) -> Result<(), Stopped> {
        unimplemented!()
    }

    /// Appends one entry for the several records of an uncertain partial success.
    ///
    /// # Errors
    /// As [`DeadLetters::write`].
    pub async fn write_uncertain(&self, _entries: Vec<Entry>) -> Result<(), Stopped> {
        unimplemented!()
    }
}

/// The process is shutting down.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped before the dead letters could be written")]
pub struct Stopped;
