//! Responses, in the forms that the endpoints share.
//!
//! Enters: a report, or an [`Error`]. Leaves: a status, headers, a body.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::error::Error;
use crate::pipeline::Report;
use qtrail_core::reject::Reason;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Error {
    /// The response `{"error": "…"}`.
    pub(super) fn json(&self) -> Response {
        let body = to_json(&json!({ "error": self.to_string() }));
        self.response(self.status(), JSON, body)
    }

    /// A response with the status and the body of an endpoint's protocol.
    pub(super) fn response(
        &self,
        status: StatusCode,
        content_type: HeaderValue,
        body: Vec<u8>,
    ) -> Response {
        let mut response = respond(status, content_type, body);
        let headers = response.headers_mut();
        if let Error::Ingest(error) = self
            && let Some(delay) = error.retry_after()
        {
            headers.insert(RETRY_AFTER, whole_seconds(delay).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Seconds for `Retry-After`, rounded up.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

/// The answer to a request whose events have settled.
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

/// Answers a request whose events have settled.
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

/// Encodes strings and numbers, which cannot fail.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
