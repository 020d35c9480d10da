//! Why a request over HTTP failed, with its status.

use axum::http::StatusCode;

use crate::input::ingest::listen::auth::Unauthenticated;
use crate::input::ingest::{self, inflate, otlp};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It cannot be delivered now, or exceeds a limit.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// Its token is missing or wrong.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// It is not a request that the endpoint accepts.
    #[error("{1}")]
    Invalid(StatusCode, String),
}

impl Error {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Error::Invalid(StatusCode::BAD_REQUEST, message.into())
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Error::Invalid(status, _) => *status,
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Ingest(error) => match error {
                ingest::Error::CollectorUnavailable { .. }
                | ingest::Error::DeadLettersUnavailable { .. }
                | ingest::Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                ingest::Error::InFlightLimit { .. } => StatusCode::TOO_MANY_REQUESTS,
                ingest::Error::TooLarge { .. }
                | ingest::Error::InflatedTooLarge { .. }
                | ingest::Error::DecodedTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                ingest::Error::Unreadable { reason, .. } if reason.is_limit() => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                ingest::Error::Unreadable { .. } => StatusCode::BAD_REQUEST,
                ingest::Error::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            },
        }
    }
}

impl From<inflate::Error> for Error {
    fn from(error: inflate::Error) -> Self {
        match error {
            inflate::Error::Ingest(error) => error.into(),
            inflate::Error::Damaged(_) => Error::bad_request(error.to_string()),
        }
    }
}

impl From<otlp::Error> for Error {
    fn from(error: otlp::Error) -> Self {
        match error {
            otlp::Error::Ingest(error) => error.into(),
            otlp::Error::Malformed(_) => Error::bad_request(error.to_string()),
        }
    }
}
