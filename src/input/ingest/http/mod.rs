//! Events over HTTP.
//!
//! Enters: requests. Leaves: answers, in the form of each endpoint's protocol. What must hold: only
//! a settled request is answered with success; who may not send costs no memory; a body is held
//! only in room that was reserved for it.
//!
//! | path | what | answers |
//! | --- | --- | --- |
//! | `/v1/events` | events in any container; EventBridge's API destinations | counts and rejections |
//! | `/v1/firehose` | Amazon Data Firehose's HTTP endpoint protocol | its `requestId` |
//! | `/v1/logs` | OTLP log records, protobuf or JSON | OTLP's, partial success included |

mod answer;
mod body;
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
use answer::Error;

/// What every endpoint needs.
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
    let message = format!("{} takes no {method}: send POST", uri.path());
    Error::Invalid(StatusCode::METHOD_NOT_ALLOWED, message).json()
}

async fn not_found(uri: Uri) -> Response {
    let message = format!(
        "there is nothing at {}: send to /v1/events, /v1/firehose or /v1/logs",
        uri.path()
    );
    Error::Invalid(StatusCode::NOT_FOUND, message).json()
}

impl Service {
    /// Lets a sender in, or not, and has it logged; whose account its requests are on. Its connection
    /// does not give way to another one as long as the second is held.
    fn admit(&self, head: &Parts) -> Result<(Arc<str>, Option<ActiveGuard>), Error> {
        // A browser lets any page on the web send to a loopback address, and says which page it was.
        if head.headers.contains_key(ORIGIN) {
            let message = "web pages may not send events (the request has an Origin header)";
            return Err(Error::Invalid(StatusCode::FORBIDDEN, message.to_owned()));
        }
        let token = audit::admit(&self.auth, &head.headers, &head.extensions)?;
        let peer = head.extensions.get::<Peer>();
        let account = peer.map_or(NOBODY.into(), |peer| peer.account(token.as_deref()));
        Ok((account, listen::keep_active(&head.extensions)))
    }
}

/// Has it logged that a request was turned away.
fn log_error(head: &Parts, error: &Error) {
    match error {
        Error::Ingest(error) => audit::log_refusal(&head.extensions, error),
        Error::Invalid(status, message) => {
            tracing::debug!(
                status = status.as_u16(),
                path = head.uri.path(),
                "a request was not understood: {message}"
            );
        }
        // Who is not let in was told of there.
        Error::Unauthenticated(_) => {}
    }
}

/// What dead letters call a request that names no source.
fn name(head: &Parts) -> String {
    let peer = head.extensions.get::<Peer>();
    format!("http:{}", peer.map_or("unknown", |peer| &peer.address))
}
