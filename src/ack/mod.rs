//! From a collector's answers to commits and dead letters.

pub mod dead_letter;
pub(crate) mod line_file;
pub mod tracker;

use std::sync::Arc;
use std::time::Duration;

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

/// What becomes of bytes of a unit that cannot be read, by who has them once it is acknowledged.
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

/// How the delivery of a request or a unit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every record was accepted, or is durable in the dead letters.
    Delivered,
    /// The collector cannot take it now; try again, after this time if it said so.
    Retry(Option<Duration>),
    /// The set-up is wrong, not the event: what to mend.
    Blocked(String),
    /// Nobody waits for the answer any more (shutdown). Never success.
    Abandoned,
}

impl Outcome {
    /// The one that decides when both signals have answered.
    pub fn worst(self, other: Outcome) -> Outcome {
        fn rank(outcome: &Outcome) -> u8 {
            match outcome {
                Outcome::Delivered => 0,
                Outcome::Retry(_) => 1,
                Outcome::Blocked(_) => 2,
                Outcome::Abandoned => 3,
            }
        }
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}
