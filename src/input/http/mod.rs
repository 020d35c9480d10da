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
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;

use super::ingest::Ingest;
use super::listen::Peer;
use super::listen::auth::Auth;
use answer::Problem;

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
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let message = format!("{method} is not what {} takes: send POST", uri.path());
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, message).into_json()
        })
        .fallback(async |uri: Uri| -> Response {
            let message = format!(
                "nothing is at {}: send to /v1/events, /v1/firehose or /v1/logs",
                uri.path()
            );
            Problem::new(StatusCode::NOT_FOUND, message).into_json()
        })
        .with_state(Service {
            ingest: ingest.clone(),
            auth: auth.clone(),
        })
}

impl Service {
    /// Lets a sender in: its name, if it has one.
    fn admit(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
        Ok(self.auth.check(headers)?)
    }
}

/// What dead letters call a request that names no source.
fn name(extensions: &axum::http::Extensions) -> String {
    match extensions.get::<Peer>() {
        Some(peer) => format!("http:{}", peer.address),
        None => "http".to_owned(),
    }
}
