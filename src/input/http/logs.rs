//! `POST /v1/logs`: OTLP log records that hold CloudTrail events.
//!
//! Enters: an export request as protobuf or JSON, perhaps compressed. Leaves: OTLP's answer in the
//! same form, or a `google.rpc.Status`. What must hold: OTLP's senders try again after 429, 502, 503
//! and 504 alone, and drop what was answered otherwise; so what may succeed later is answered with
//! one of these.

use std::io::Read;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use serde_json::json;
use tonic::Code;

use super::answer::{self, Problem, respond, to_json};
use super::{Service, body, name};
use crate::input::ingest::{Ingest, Refusal, Reserved};
use crate::input::otlp;

/// How a request, and so its answer, is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// Answers a request.
pub(super) async fn export(State(service): State<Service>, request: Request) -> Response {
    let form = Form::of(request.headers());
    match service.logs(form, request).await {
        Ok(response) => {
            let form = form.unwrap_or(Form::Protobuf);
            respond(StatusCode::OK, form.content_type(), form.encode(&response))
        }
        Err(problem) => {
            service.ingest.count_refused();
            form.unwrap_or(Form::Json).refuse(problem)
        }
    }
}

impl Service {
    async fn logs(
        &self,
        form: Option<Form>,
        request: Request,
    ) -> Result<ExportLogsServiceResponse, Problem> {
        let (head, body) = request.into_parts();
        self.admit(&head.headers)?;
        let form = form.ok_or_else(|| {
            let message = "content-type must be application/x-protobuf or application/json";
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        })?;
        let gzip = body::is_gzip(&head.headers)?;
        let (bytes, reserved) = body::read(&self.ingest, body).await?;
        let ingest = self.ingest.clone();
        let decoding = tokio::task::spawn_blocking(move || {
            let (bytes, reserved) = match gzip {
                true => inflate(&ingest, &bytes, reserved)?,
                false => (bytes, reserved),
            };
            Ok::<_, Problem>((form.decode(&bytes)?, reserved))
        });
        let (request, reserved) = decoding
            .await
            .map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))??;
        let name = name(&head.extensions);
        Ok(otlp::export(&self.ingest, name, request, reserved).await?)
    }
}

/// A compressed body, inflated; and room for both.
fn inflate(
    ingest: &Ingest,
    body: &[u8],
    mut reserved: Reserved,
) -> Result<(Bytes, Reserved), Problem> {
    let limits = ingest.limits();
    let limit = usize::try_from(limits.inflated_bytes).unwrap_or(usize::MAX);
    let limit = limit.min(limits.in_flight_bytes.saturating_sub(body.len()));
    let mut reader = MultiGzDecoder::new(body);
    let mut bytes = Vec::new();
    let mut room = 0;
    loop {
        if bytes.len() == room {
            room = (2 * room).max(4 * body.len()).min(limit) + 1;
            ingest.resize(&mut reserved, body.len() + room)?;
            bytes.reserve_exact(room - bytes.len());
        }
        let some = (room - bytes.len()) as u64;
        match reader.by_ref().take(some).read_to_end(&mut bytes) {
            Ok(0) => return Ok((bytes.into(), reserved)),
            Ok(_) if bytes.len() <= limit => {}
            Ok(_) => {
                let limit = limit as u64;
                return Err(Refusal::InflatedTooLarge { limit }.into());
            }
            Err(e) => return Err(Problem::bad_request(format!("damaged gzip data: {e}"))),
        }
    }
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = value.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Form::Protobuf),
            "application/json" => Some(Form::Json),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        match self {
            Form::Protobuf => HeaderValue::from_static("application/x-protobuf"),
            Form::Json => answer::JSON,
        }
    }

    fn decode(self, bytes: &[u8]) -> Result<ExportLogsServiceRequest, Problem> {
        let bad = |e: &dyn std::fmt::Display| {
            Problem::bad_request(format!("not an ExportLogsServiceRequest: {e}"))
        };
        match self {
            Form::Protobuf => ExportLogsServiceRequest::decode(bytes).map_err(|e| bad(&e)),
            Form::Json => serde_json::from_slice(bytes).map_err(|e| bad(&e)),
        }
    }

    fn encode(self, response: &ExportLogsServiceResponse) -> Vec<u8> {
        match self {
            Form::Protobuf => response.encode_to_vec(),
            Form::Json => to_json(response),
        }
    }

    fn refuse(self, mut problem: Problem) -> Response {
        let code = code(problem.status);
        if problem.status == StatusCode::REQUEST_TIMEOUT {
            problem.again_after(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1));
        }
        let message = problem.message.clone();
        let body = match self {
            Form::Protobuf => tonic_types::Status {
                code: code as i32,
                message,
                details: Vec::new(),
            }
            .encode_to_vec(),
            Form::Json => to_json(&json!({"code": code as i32, "message": message})),
        };
        problem.into_response(self.content_type(), body)
    }
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::InvalidArgument,
    }
}
