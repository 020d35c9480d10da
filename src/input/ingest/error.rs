//! Why a request was not acknowledged, and when to send it again.

use std::time::Duration;

use super::RETRY_AFTER;
use qtrail_core::reject::Reason;

/// Why a request was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The collector cannot take events now.
    #[error("the collector cannot take events now: {reason}")]
    CollectorUnavailable {
        /// The exporter's words.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no room for the dead letters that it could become.
    #[error("{reason}")]
    DeadLettersUnavailable {
        /// What to do.
        reason: String,
    },
    /// Too many bytes are in flight.
    #[error(
        "ingest.limits.in_flight_bytes ({limit}) are in flight already: send again after the delay"
    )]
    InFlightLimit {
        /// The limit.
        limit: usize,
    },
    /// The request is larger than one may be.
    #[error("larger than a request may be ({limit} bytes; ingest.limits.request_bytes raises it)")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The request cannot be read to its end, or nothing in it can; what came before was delivered.
    #[error(
        "record {index} cannot be read: {reason}. The request is not acknowledged, though what came \
         before may be delivered: mend it, and send it again"
    )]
    Unreadable {
        /// The record's number in the request.
        index: u64,
        /// What is wrong.
        reason: Reason,
    },
    /// The request inflates to more than it may; what came before was delivered.
    #[error("inflates to more than {limit} bytes (ingest.limits.inflated_bytes raises it)")]
    InflatedTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The request takes more memory, decoded, than all requests may together.
    #[error(
        "takes more than {limit} bytes of memory, decoded (ingest.limits.in_flight_bytes raises \
         it): send less at once"
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
    #[error("qtrail is stopping: send again")]
    Stopping,
}

impl Error {
    /// How long to wait before sending the same again; `None`: it would be refused again.
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
