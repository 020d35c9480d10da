//! Where a unit came from, and what that means for its dead letters.

use std::sync::Arc;

use qtrail_core::reject::Evidence;

/// Where a unit came from. Plain data: it can be kept, cloned and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The input: `directory`, `convert`, `grpc`, `http`, `s3`, …
    pub input: &'static str,
    /// The unit's name: a path, an object's URL, a request's id. Lossy where it is not UTF-8.
    pub name: Arc<str>,
    /// When the unit was delivered to where it was read (see [`qtrail_core::convert::observed_time`]).
    pub observed: Option<i64>,
    /// What becomes of bytes that cannot be read.
    pub on_damage: OnDamage,
}

/// What happens to unreadable bytes of a unit; it depends on who still has them after the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// They stay where they are: a dead letter names the place, and a large record by its hash.
    NamePlace,
    /// Nobody has them, but the sender keeps what is refused: the unit is refused where they are more
    /// than a record that a dead letter keeps.
    Refuse,
    /// The same, but a damaged element of the unit is kept whole and costs no other: the sender stops
    /// at a refusal.
    KeepElements,
    /// Nobody has them, and the sender forgets what is refused: a damaged text, or unit, is kept whole.
    KeepWhole,
}

impl Origin {
    /// What a dead letter keeps of a record from here.
    pub fn keep(&self, evidence: Evidence) -> Evidence {
        match self.on_damage {
            OnDamage::NamePlace => evidence,
            _ => evidence.whole(),
        }
    }
}
