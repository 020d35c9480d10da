//! The state of the collector, which the exporter reports to the inputs.

use std::time::Duration;

/// The state of the collector, for `/readyz`, logs, and inputs that refuse work while it is unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last request was answered.
    Up,
    /// Requests fail for now.
    Down {
        /// The last failure.
        reason: String,
        /// The wait.
        retry_after: Duration,
    },
    /// The set-up is wrong.
    Blocked {
        /// The last failure, and the remedy.
        reason: String,
    },
}
