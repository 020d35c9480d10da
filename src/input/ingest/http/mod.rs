//! Events over HTTP.
//!
//! Enters: requests. Leaves: answers in each endpoint's protocol. What must hold: only a settled request is
//! answered with success; senders are authenticated before their body takes memory; memory for a body is reserved
//! before it is used.
//!
//! | path | request | answer |
//! | --- | --- | --- |
//! | `/v1/events` | events in any container; EventBridge's API destinations | counts and rejections |
//! | `/v1/firehose` | Amazon Data Firehose's HTTP endpoint protocol | its `requestId` |
//! | `/v1/logs` | OTLP log records, protobuf or JSON | OTLP's, partial success included |

mod answer;
mod body;
mod error;
mod events;
mod firehose;
mod logs;

use std::sync::Arc;

use axum::Router;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;

use super::Ingest;
use super::listen::auth::Auth;
use super::listen::{self, ActiveGuard, NOBODY, Peer, audit};
use error::Error;

/// State of all endpoints.
#[derive(Clone)]
struct Service {
    ingest: Ingest,
    auth: Auth,
}

/// The services.
pub fn router(ingest: &Ingest, auth: &Auth) -> Router {
    Router::new()
        .route("/v1/events", post(events::deliver))
        .route("/v1/firehose", post(firehose::deliver))
        .route("/v1/logs", post(logs::export))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .with_state(Service {
            ingest: ingest.clone(),
            auth: auth.clone(),
        })
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not accept {method}: use POST", uri.path());
    Error::Invalid(StatusCode::METHOD_NOT_ALLOWED, message).json()
}

async fn not_found(uri: Uri) -> Response {
    let message = format!(
        "no such path: {}; use /v1/events, /v1/firehose or /v1/logs",
        uri.path()
    );
    Error::Invalid(StatusCode::NOT_FOUND, message).json()
}

impl Service {
    /// Authenticates a sender, and logs it. Returns the account that its dead letters are charged to, and the guard
    /// that keeps its connection from being evicted.
    fn admit(&self, head: &Parts) -> Result<(Arc<str>, Option<ActiveGuard>), Error> {
        // A browser lets any web page send to a loopback address, and then sets `Origin`.
        if head.headers.contains_key(ORIGIN) {
            let message = "web pages must not send events (the request has an Origin header)";
            return Err(Error::Invalid(StatusCode::FORBIDDEN, message.to_owned()));
        }
        let token = audit::admit(&self.auth, &head.headers, &head.extensions)?;
        let peer = head.extensions.get::<Peer>();
        let account = peer.map_or(NOBODY.into(), |peer| peer.account(token.as_deref()));
        Ok((account, listen::keep_active(&head.extensions)))
    }
}

/// Logs why a request failed.
fn log_error(head: &Parts, error: &Error) {
    match error {
        Error::Ingest(error) => audit::log_refusal(&head.extensions, error),
        Error::Invalid(status, message) => {
            tracing::debug!(
                status = status.as_u16(),
                path = head.uri.path(),
                "invalid request: {message}"
            );
        }
        // `audit::admit` has logged it.
        Error::Unauthenticated(_) => {}
    }
}

/// The name in dead letters of a request without a source.
fn name(head: &Parts) -> String {
    let peer = head.extensions.get::<Peer>();
    format!("http:{}", peer.map_or("unknown", |peer| &peer.address))
}
