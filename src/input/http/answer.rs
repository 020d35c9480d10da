//! What a sender is told.
//!
//! Enters: a report, or a refusal. Leaves: a status, headers, JSON. What must hold: a sender that
//! should send again can tell from the status; a limit is named with the key that raises it.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::input::ingest::Refusal;
use crate::input::listen::auth::Unauthenticated;
use crate::pipeline::Report;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a request is not answered with success.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: String,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Problem {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, message)
    }

    /// The same with a status that makes the sender try again.
    pub(super) fn again_after(&mut self, status: StatusCode, wait: Duration) {
        self.status = status;
        self.retry_after = Some(wait);
    }

    /// As `{"error": "…"}`.
    pub(super) fn into_json(self) -> Response {
        let body = to_json(&json!({ "error": self.message }));
        self.into_response(JSON, body)
    }

    /// With a body that an endpoint's protocol asks for.
    pub(super) fn into_response(self, content_type: HeaderValue, body: Vec<u8>) -> Response {
        let mut response = respond(self.status, content_type, body);
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Away { .. } | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::TooLarge { .. } | Refusal::InflatedTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Refusal::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        };
        Problem {
            status,
            retry_after: refusal.retry_after(),
            message: refusal.to_string(),
        }
    }
}

impl From<Unauthenticated> for Problem {
    fn from(error: Unauthenticated) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, error.to_string())
    }
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
    let rejection = |(index, reason): &(u64, crate::reject::Reason)| Rejection {
        index: *index,
        reason: format!("{}: {reason}", reason.kind()),
    };
    let counts = report.counts;
    let body = to_json(&Settled {
        read: counts.read,
        exported: counts.exported,
        filtered: counts.filtered,
        duplicate: counts.duplicate,
        dead_lettered: counts.dead_lettered,
        rejections: report.refused.iter().map(rejection).collect(),
        uncertain: report
            .uncertain
            .map(|(rejected, of)| Uncertain { rejected, of }),
    });
    respond(StatusCode::OK, JSON, body)
}

pub(super) fn respond(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
