//! `POST /v1/logs`: OTLP log records that hold CloudTrail events.
//!
//! Enters: an export request as protobuf or JSON, gzip or not. Leaves: OTLP's answer in the same encoding, or a
//! `google.rpc.Status`. What must hold: if a repeat may succeed, the status is 429 or 503. OTLP senders repeat
//! requests only after 429, 502, 503 and 504, and otherwise drop them.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use serde_json::json;
use tonic::Code;

use super::answer::{self, respond, to_json};
use super::error::Error;
use super::{Service, body, log_error, name};
use crate::input::ingest::inflate::{Bounds, inflate};
use crate::input::ingest::otlp::{self, Encoding};
use crate::input::ingest::{self, Limits};

/// Answers a request.
pub(super) async fn export(State(service): State<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let encoding = encoding(&head.headers);
    match service.logs(&head, encoding, body).await {
        Ok(response) => {
            let encoding = encoding.unwrap_or(Encoding::Protobuf);
            respond(
                StatusCode::OK,
                content_type(encoding),
                encode(encoding, &response),
            )
        }
        Err(error) => {
            log_error(&head, &error);
            error_response(encoding.unwrap_or(Encoding::Json), error)
        }
    }
}

impl Service {
    async fn logs(
        &self,
        head: &Parts,
        encoding: Option<Encoding>,
        body: Body,
    ) -> Result<ExportLogsServiceResponse, Error> {
        let (sender, _active) = self.admit(head)?;
        let encoding = encoding.ok_or_else(|| {
            let message = "content-type must be application/x-protobuf or application/json";
            Error::Invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned())
        })?;
        let gzip = body::is_gzip(&head.headers)?;
        let (mut bytes, mut reserved) = body::read(&self.ingest, body).await?;
        if gzip {
            let bounds = bounds(self.ingest.limits(), bytes.len());
            (bytes, reserved) = inflate(&self.ingest, bytes, reserved, bounds).await?;
        }
        let reserved = reserved.sent_by(sender);
        let answer = otlp::export(&self.ingest, name(head), encoding, bytes, reserved);
        Ok(answer.await?)
    }
}

/// The limits on inflating a request of `compressed` bytes.
fn bounds(limits: &Limits, compressed: usize) -> Bounds {
    let inflated = usize::try_from(limits.inflated_bytes).unwrap_or(usize::MAX);
    let in_flight = limits.in_flight_bytes.saturating_sub(compressed);
    let too_large = match inflated <= in_flight {
        true => ingest::Error::InflatedTooLarge {
            limit: limits.inflated_bytes,
        },
        false => ingest::Error::DecodedTooLarge {
            limit: limits.in_flight_bytes,
        },
    };
    Bounds {
        limit: inflated.min(in_flight),
        too_large,
        beside: compressed,
    }
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

fn content_type(encoding: Encoding) -> HeaderValue {
    match encoding {
        Encoding::Protobuf => HeaderValue::from_static("application/x-protobuf"),
        Encoding::Json => answer::JSON,
    }
}

fn encode(encoding: Encoding, response: &ExportLogsServiceResponse) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => response.encode_to_vec(),
        Encoding::Json => to_json(&match &response.partial_success {
            None => json!({}),
            Some(partial) => json!({"partialSuccess": {
                // 64-bit integers are strings in protobuf's JSON.
                "rejectedLogRecords": partial.rejected_log_records.to_string(),
                "errorMessage": partial.error_message,
            }}),
        }),
    }
}

fn error_response(encoding: Encoding, error: Error) -> Response {
    let code = code(error.status()) as i32;
    let message = error.to_string();
    let body = match encoding {
        Encoding::Protobuf => {
            let details = Vec::new();
            let status = tonic_types::Status {
                code,
                message,
                details,
            };
            status.encode_to_vec()
        }
        Encoding::Json => to_json(&json!({"code": code, "message": message})),
    };
    let status = match error.status() {
        StatusCode::REQUEST_TIMEOUT => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    error.response(status, content_type(encoding), body)
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::InvalidArgument,
    }
}
