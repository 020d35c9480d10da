//! How the collector is doing, as the exporter tells the inputs.

use std::time::Duration;

/// How the collector is doing, for `/readyz`, logs, and inputs that refuse work meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last request was answered.
    Up,
    /// Requests fail for now: why, and how long to wait before trying again.
    Down {
        /// The last failure.
        reason: String,
        /// The wait.
        retry_after: Duration,
    },
    /// The set-up is wrong: what to mend.
    Blocked {
        /// The last failure, and the remedy.
        reason: String,
    },
}
