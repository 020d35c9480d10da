//! Before a call reaches its service: is it one, and who makes it.
//!
//! Enters: an HTTP request. Leaves: the same request, with its [`Sender`] and a [`Guarded`] body; or
//! its refusal.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tonic::{Code, Status};

use super::body::Guarded;
use super::sender::Sender;
use crate::input::ingest::Ingest;
use crate::input::listen::audit;
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
    let token = match call {
        Call::Health => None,
        _ => match audit::admit(&auth, request.headers(), request.extensions()) {
            Ok(token) => token,
            Err(error) => return Status::unauthenticated(error.to_string()).into_http(),
        },
    };
    if call == Call::Stream {
        // An answer on the stream is a few bytes, which grow when they are compressed.
        request.headers_mut().remove("grpc-accept-encoding");
    }
    let sender = Sender::new(ingest, request.extensions().clone(), token);
    request.extensions_mut().insert(sender.clone());
    let guarded = |body| Body::new(Guarded::new(body, call, sender.clone()));
    let response = next.run(request.map(guarded)).await;
    let code = response.headers().get(Status::GRPC_STATUS);
    let code = code.map(|code| Code::from_bytes(code.as_bytes()));
    match code.and_then(|code| sender.outgrown(code)) {
        Some(status) => status.into_http(),
        None => response,
    }
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
