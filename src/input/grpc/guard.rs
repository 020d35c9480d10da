//! Before a call reaches its service: is it one, who makes it.
//!
//! Enters: an HTTP request. Leaves: the same request, whose body is [`Guarded`], or its refusal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tonic::{Code, Status};

use super::body::Guarded;
use super::status::status;
use crate::input::ingest::{Ingest, Refusal, Reserved};
use crate::input::listen::auth::Auth;

/// Lets a call pass to its service.
pub(super) async fn guard(
    State((ingest, auth)): State<(Ingest, Auth)>,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_grpc(&request) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let call = Call::of(request.uri().path());
    if call != Call::Health
        && let Err(error) = auth.check(request.headers())
    {
        return Status::unauthenticated(error.to_string()).into_http();
    }
    if call == Call::Stream {
        // An answer on the stream is a few bytes, which grow when they are compressed.
        request.headers_mut().remove("grpc-accept-encoding");
    }
    let room = Room::default();
    request.extensions_mut().insert(room.clone());
    let guarded = |body| Guarded::new(body, call, ingest.clone(), room.clone());
    let response = next.run(request.map(|body| Body::new(guarded(body)))).await;
    let code = response.headers().get(Status::GRPC_STATUS);
    match code.map(|code| Code::from_bytes(code.as_bytes())) {
        Some(code) if room.is_outgrown(code) => too_large(&ingest).into_http(),
        _ => response,
    }
}

/// The refusal of a message that is too large once it is inflated.
pub(super) fn too_large(ingest: &Ingest) -> Status {
    status(&Refusal::TooLarge {
        limit: ingest.limits().request_bytes,
    })
}

/// Other content types are no calls, and a web page could send them to a loopback address.
fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Asks how the services are. Everybody may.
    Health,
    /// Asks, on a stream, what the services are.
    Reflection,
    /// Brings one message of events.
    Unary,
    /// Brings many.
    Stream,
}

impl Call {
    fn of(path: &str) -> Self {
        match path {
            "/qtrail.v1.IngestService/IngestStream" => Call::Stream,
            _ if path.starts_with("/grpc.health.") => Call::Health,
            _ if path.starts_with("/grpc.reflection.") => Call::Reflection,
            _ => Call::Unary,
        }
    }

    pub(super) fn is_stream(self) -> bool {
        matches!(self, Call::Stream | Call::Reflection)
    }
}

/// The room of the message that is read: from where its length is seen to where it is delivered. The
/// next message begins only then.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Option<Reserved>>>);

impl Room {
    pub(super) fn put(&self, reserved: Reserved) {
        *self.slot() = Some(reserved);
    }

    pub(super) fn take(&self) -> Option<Reserved> {
        self.slot().take()
    }

    /// Whether a call ended so because its message, for which there was room, was larger than a
    /// message may be once it was inflated. tonic says so in words of its own.
    pub(super) fn is_outgrown(&self, code: Code) -> bool {
        code == Code::ResourceExhausted && self.slot().is_some()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Reserved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
