//! How a delivery ended.

use std::time::Duration;

/// How the delivery of a request or a unit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every record was accepted, or is durable in the dead letters.
    Delivered,
    /// The collector cannot accept it now; retry, after this time if it gave one.
    Retry(Option<Duration>),
    /// The set-up is wrong, not the event; with the remedy.
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
