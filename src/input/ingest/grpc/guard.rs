//! Authenticates a call before it reaches its service.
//!
//! Enters: an HTTP request. Leaves: the same request with its [`Sender`] and a [`MessageBody`]; or an error.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tonic::Status;

use super::body::MessageBody;
use super::sender::Sender;
use super::stream_limit::StreamLimit;
use crate::input::ingest::Ingest;
use crate::input::ingest::listen::auth::Auth;
use crate::input::ingest::listen::{audit, keep_active};

/// The header that names the compression of a call's messages.
const ENCODING: &str = "grpc-encoding";

/// State of the guard.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) ingest: Ingest,
    pub(super) auth: Auth,
    pub(super) streams: StreamLimit,
}

/// Middleware in front of all services.
pub(super) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if !is_grpc(&request) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let call = Call::of(request.uri().path());
    let (headers, extensions) = (request.headers(), request.extensions());
    let (identified, token) = match call {
        Call::Check | Call::Watch => {
            let identified = audit::identify(&gate.auth, headers, extensions);
            (identified, None)
        }
        _ => match audit::admit(&gate.auth, headers, extensions) {
            Ok(token) => (true, token),
            Err(error) => return Status::unauthenticated(error.to_string()).into_http(),
        },
    };
    // A stream keeps its connection active only from a message's first byte to its answer.
    let _active = keep_active(extensions).filter(|_| call == Call::Unary);
    let permit = match call {
        Call::Watch | Call::Reflection => match gate.streams.try_acquire(identified) {
            Ok(permit) => Some(permit),
            Err(status) => return status.into_http(),
        },
        _ => None,
    };
    if call == Call::Stream {
        // Answers on a stream are so small that compression would make them larger.
        request.headers_mut().remove("grpc-accept-encoding");
    }
    let sender = Sender::new(gate.ingest, request.extensions().clone(), token);
    request.extensions_mut().insert(sender.clone());
    let gzip = request.headers().get(ENCODING).is_some_and(|e| e == "gzip");
    let with_limits = |body| Body::new(MessageBody::new(body, call, sender).inflating(gzip));
    let response = next.run(request.map(with_limits)).await;
    match permit {
        Some(permit) => response.map(|body| permit.limit(body)),
        None => response,
    }
}

/// A web page could send other content types to a loopback address.
fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A health check. Needs no token.
    Check,
    /// A stream of health changes. Needs no token.
    Watch,
    /// A stream of questions about the services.
    Reflection,
    /// One message of events.
    Unary,
    /// A stream of such messages.
    Stream,
}

impl Call {
    fn of(path: &str) -> Self {
        match path {
            "/qtrail.v1.IngestService/IngestStream" => Call::Stream,
            "/grpc.health.v1.Health/Watch" => Call::Watch,
            _ if path.starts_with("/grpc.health.") => Call::Check,
            _ if path.starts_with("/grpc.reflection.") => Call::Reflection,
            _ => Call::Unary,
        }
    }

    pub(super) fn is_stream(self) -> bool {
        matches!(self, Call::Stream | Call::Reflection)
    }
}
