//! How the reading of a unit ended.

use std::io;

use crate::dead_letter::Full;
use crate::proof::manifest::Measured;
use qtrail_core::reject::Reason;

/// How the reading ended.
#[derive(Default)]
pub(in crate::pipeline) struct ReadEnd {
    pub(in crate::pipeline) truncated: Option<Reason>,
    pub(in crate::pipeline) read_error: Option<String>,
    /// Why it ended early.
    pub(in crate::pipeline) stopped: Option<Stopped>,
    /// The unit is refused: the number of the record, and why.
    pub(in crate::pipeline) unreadable: Option<(u64, Reason)>,
    /// What was seen of the unit's bytes.
    pub(in crate::pipeline) measured: Measured,
}

/// Why a reader ends before its unit does.
pub(in crate::pipeline) enum Stopped {
    /// The steps are no longer received, or it would have to wait and must not.
    Abandoned,
    /// Its dead letters do not fit.
    LettersFull(Full),
    /// The place of an event cannot be read.
    Unplaced(io::Error),
}

impl ReadEnd {
    pub(in crate::pipeline) fn failed(error: String) -> Self {
        ReadEnd {
            read_error: Some(error),
            ..ReadEnd::default()
        }
    }

    pub(super) fn stopped(mut self, why: Stopped) -> Self {
        self.stopped = Some(why);
        self
    }
}
