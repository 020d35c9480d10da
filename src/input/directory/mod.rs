//! A watched directory.
//!
//! Enters: files that appear, grow, are renamed, vanish. Leaves: units for the pipeline, oldest
//! first, and commits in the state store once a unit has settled.

use std::path::PathBuf;
use std::time::Duration;

use globset::GlobSet;

/// How a directory is read. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory.
    pub root: PathBuf,
    /// Files to read, by path below the root; empty means all.
    pub include: GlobSet,
    /// Files to leave alone.
    pub exclude: GlobSet,
    /// How long a file must be quiet before it counts as complete, unless its writer closed it or
    /// renamed it in. Default 5 s.
    pub settle: Duration,
    /// How often the whole tree is listed, beside notifications. Default 60 s; where
    /// notifications cannot work, every `settle`.
    pub rescan: Duration,
    /// Don't use notifications at all.
    pub poll: bool,
    /// What a first run reads.
    pub start: Start,
    /// What becomes of a file once all of it was delivered.
    pub after: After,
    /// The folder of the state file.
    pub state: PathBuf,
    /// Files read at once. Default: the number of processors, at most 4.
    pub workers: usize,
    /// Files without one wanted event before the warning. Default 1,000.
    pub idle_files_warning: u64,
}

/// What a first run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Everything that is there.
    #[default]
    Beginning,
    /// Only what comes after the start.
    End,
    /// What was delivered at this time or later, in nanoseconds since 1970.
    Since(i64),
}

/// What becomes of a file once all of it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum After {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted, unless it has dead letters.
    Delete,
    /// It is moved below this directory, its path below the root kept.
    Move(PathBuf),
}
