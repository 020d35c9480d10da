//! The source of a unit, which decides what its dead letters keep.

use std::sync::Arc;

use qtrail_core::reject::Evidence;

/// The source of a unit. Plain data: it can be stored, cloned and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The input: `directory`, `convert`, `grpc`, `http`, `s3`, …
    pub input: &'static str,
    /// The unit's name: a path, an object's URL, a request's id. Bytes that are not UTF-8 are replaced.
    pub name: Arc<str>,
    /// When the unit was delivered to where it was read (see [`qtrail_core::convert::observed_time`]).
    pub observed: Option<i64>,
    /// What happens to bytes that cannot be read.
    pub on_damage: OnDamage,
}

/// What happens to unreadable bytes of a unit; it depends on who still has them after the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// The source still has them: a dead letter has the position, and the hash instead of a large record.
    NamePlace,
    /// The sender keeps what is refused: the unit is refused if they exceed the record size that a
    /// dead letter keeps.
    Refuse,
    /// The sender stops at a refusal: a damaged element of the unit is kept whole, and the other elements
    /// are delivered.
    KeepElements,
    /// The sender forgets what is refused: a damaged text or unit is kept whole.
    KeepWhole,
}

impl Origin {
    /// The part of a record from here that its dead letter keeps.
    pub fn keep(&self, evidence: Evidence) -> Evidence {
        match self.on_damage {
            OnDamage::NamePlace => evidence,
            _ => evidence.whole(),
        }
    }
}
