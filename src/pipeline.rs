//! The whole flow on one screen: a unit in, its records converted and delivered, one report out.

use std::io::Read;

use crate::ack::{Origin, Outcome};
use crate::reject::Reason;

/// A readable thing full of records.
pub struct Unit {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, compressed or not.
    pub content: Box<dyn Read + Send>,
    /// Where `content` starts in the unit: positions count from there.
    pub base: u64,
    /// What an end in the middle of a record means.
    pub truncation: Truncation,
    /// Hears offsets up to which everything has settled, while the unit is still being read.
    pub commits: Option<tokio::sync::mpsc::UnboundedSender<u64>>,
}

/// What an end in the middle of a record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// The unit is complete: the rest is a reject.
    Reject,
    /// More may come: the rest is left unread, and the report says so.
    Defer,
}

/// What became of a unit, once each of its records has settled.
#[derive(Debug, Clone)]
pub struct Report {
    /// Delivered: the unit may be committed. Anything else: it may not.
    pub outcome: Outcome,
    /// The counts.
    pub counts: Counts,
    /// Offset (base included) up to which every record has settled, on a boundary of records.
    pub settled_offset: u64,
    /// The unit ended in the middle of a record, and [`Truncation::Defer`] was asked for.
    pub truncated: Option<Reason>,
    /// What the reader answered, if it failed.
    pub read_error: Option<String>,
    /// The first refused records, at most 100: their number in the unit, and why.
    pub refused: Vec<(u64, Reason)>,
    /// Of the dead letters, how many are uncertain, among how many.
    pub uncertain: Option<(u64, u64)>,
}

/// Events counted. `read = exported + filtered + duplicate + dead_lettered` once all has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records found.
    pub read: u64,
    /// Every enabled signal was accepted.
    pub exported: u64,
    /// Not selected.
    pub filtered: u64,
    /// Delivered before.
    pub duplicate: u64,
    /// In the dead letters.
    pub dead_lettered: u64,
    /// Things that are no records: digest files, notices, …
    pub skipped: u64,
    /// Inflated bytes.
    pub bytes: u64,
}

/// The flow. Cheap to clone; shared by all inputs.
#[derive(Clone)]
pub struct Pipeline {}

impl Pipeline {
    /// Reads one unit to its end, converts its records and delivers them. Returns when each has
    /// settled. Dropping the future abandons the unit.
    pub async fn deliver(&self, _unit: Unit) -> Report {
        unimplemented!()
    }
}
