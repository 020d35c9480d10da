//! A collector's words and codes, for one line of a log.

use http::{HeaderMap, header};
use tonic::Code;

use crate::export::body::{ANSWER_BYTES, Body};

/// Characters kept of a collector's own words.
const MESSAGE_CHARS: usize = 300;
/// Characters kept of what is no answer.
const EXCERPT_CHARS: usize = 60;

/// What a body is that is no answer of OTLP's, for one line of a log.
pub(super) fn shown(content_type: &str, body: &Body) -> String {
    let of = match content_type {
        "" => String::new(),
        content_type => format!(" of {}", clean(content_type)),
    };
    match body {
        Body::TooLong => {
            format!("more than {ANSWER_BYTES} bytes{of}, which is no answer of OTLP's")
        }
        Body::NotGzip => format!("broken gzip{of}, which is no answer of OTLP's"),
        Body::Whole(bytes) => {
            let text: String = std::str::from_utf8(bytes)
                .unwrap_or_default()
                .trim()
                .chars()
                .take(EXCERPT_CHARS)
                .collect();
            let text = match text.is_empty() {
                true => String::new(),
                false => format!(" ({:?})", text),
            };
            format!(
                "{} bytes{of}{text}, which is no answer of OTLP's",
                bytes.len()
            )
        }
    }
}

/// Where a redirect points, without what may be secret in it.
pub(super) fn location(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(header::LOCATION) else {
        return "nowhere".to_owned();
    };
    let text = clean(&String::from_utf8_lossy(value.as_bytes()));
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A collector's words, fit for one line of a log: bounded, control characters escaped.
pub(in crate::export) fn clean(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == MESSAGE_CHARS {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The code as the gRPC specification writes it.
pub(super) fn grpc_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
