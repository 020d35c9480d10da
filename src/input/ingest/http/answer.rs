//! What a sender is told.
//!
//! Enters: a report, or what is wrong. Leaves: a status, headers, a body. What must hold: a sender
//! that should send again can log_error from the status; a limit is named with the key that raises it.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::input::ingest;
use crate::input::ingest::listen::auth::Unauthenticated;
use crate::pipeline::Report;
use qtrail_core::reject::Reason;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a request is not answered with success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It may not be sent now, or not by this sender, or not so much.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// Its sender may not send.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// It is not what the endpoint takes.
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

    /// As `{"error": "…"}`.
    pub(super) fn json(&self) -> Response {
        let body = to_json(&json!({ "error": self.to_string() }));
        self.response(self.status(), JSON, body)
    }

    /// With the status and the body that an endpoint's protocol asks for.
    pub(super) fn response(
        &self,
        status: StatusCode,
        content_type: HeaderValue,
        body: Vec<u8>,
    ) -> Response {
        let mut response = respond(status, content_type, body);
        let headers = response.headers_mut();
        if let Error::Ingest(error) = self
            && let Some(wait) = error.retry_after()
        {
            headers.insert(RETRY_AFTER, seconds(wait).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Whole seconds, as `Retry-After` has them.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What became of a request's events.
#[derive(Serialize)]
struct Settled {
    read: u64,
    exported: u64,
    filtered: u64,
    duplicate: u64,
    dead_lettered: u64,
    rejections: Vec<Rejection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncertain: Option<Uncertain>,
}

#[derive(Serialize)]
struct Rejection {
    index: u64,
    reason: String,
}

#[derive(Serialize)]
struct Uncertain {
    rejected: u64,
    of: u64,
}

/// All has settled: so it did.
pub(super) fn settled(report: &Report) -> Response {
    let rejection = |(index, reason): &(u64, Reason)| Rejection {
        index: *index,
        reason: format!("{}: {reason}", reason.kind()),
    };
    let uncertain = |(rejected, of)| Uncertain { rejected, of };
    let counts = report.counts;
    let body = to_json(&Settled {
        read: counts.read,
        exported: counts.exported,
        filtered: counts.filtered,
        duplicate: counts.duplicate,
        dead_lettered: counts.dead_lettered,
        rejections: report.refused.iter().map(rejection).collect(),
        uncertain: report.uncertain.map(uncertain),
    });
    respond(StatusCode::OK, JSON, body)
}

pub(super) fn respond(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// What is written here has texts and numbers alone, which JSON can hold.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
