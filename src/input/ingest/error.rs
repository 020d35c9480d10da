//! Why a request was not acknowledged, and when to send it again.

use std::time::Duration;

use qtrail_core::reject::Reason;

/// When to try again if the collector does not set a delay.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The collector does not accept events at the moment.
    #[error("the collector is unavailable: {reason}")]
    CollectorUnavailable {
        /// The exporter's error.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Dead letters are full or cannot be written.
    #[error("{reason}")]
    DeadLettersUnavailable {
        /// The error and its remedy.
        reason: String,
    },
    /// The requests in flight use all of their memory.
    #[error(
        "ingest.limits.in_flight_bytes ({limit}) are in use: send the request again after the delay"
    )]
    InFlightLimit {
        /// The limit.
        limit: usize,
    },
    /// The request is too large.
    #[error("the request is larger than {limit} bytes (ingest.limits.request_bytes raises it)")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The request cannot be read to its end, or no record of it can; what came before was delivered.
    #[error(
        "record {index} cannot be read: {reason}. The request is not acknowledged, but records before \
         this one may be delivered: correct it and send it again"
    )]
    Unreadable {
        /// The record's number in the request.
        index: u64,
        /// What is wrong.
        reason: Reason,
    },
    /// The request inflates to too many bytes; what came before the limit was delivered.
    #[error("inflates to more than {limit} bytes (ingest.limits.inflated_bytes raises it)")]
    InflatedTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The decoded request needs more memory than all requests may use.
    #[error(
        "needs more than {limit} bytes of memory when decoded: send smaller requests \
         (ingest.limits.in_flight_bytes raises the limit)"
    )]
    DecodedTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The request did not arrive in time.
    #[error("did not arrive within {} s (ingest.limits.body_timeout)", .limit.as_secs_f64())]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// qtrail is stopping.
    #[error("qtrail is stopping: send the request again")]
    Stopping,
}

impl Error {
    /// How long to wait before sending the same request again; `None` if it would fail again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::CollectorUnavailable { retry_after, .. } => Some(*retry_after),
            Error::DeadLettersUnavailable { .. }
            | Error::InFlightLimit { .. }
            | Error::Stopping => Some(RETRY_AFTER),
            Error::Unreadable { .. }
            | Error::TooLarge { .. }
            | Error::InflatedTooLarge { .. }
            | Error::DecodedTooLarge { .. }
            | Error::TooSlow { .. } => None,
        }
    }
}
