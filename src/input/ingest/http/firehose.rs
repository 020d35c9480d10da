//! `POST /v1/firehose`: Amazon Data Firehose's HTTP endpoint protocol, version 1.0.
//!
//! Enters: Firehose's request. Leaves: `{"requestId","timestamp"}`, and `errorMessage` on failure. What must
//! hold: no answer has the status 413. Firehose retries after any status except 200 and 413, and finally writes the
//! batch to its backup bucket; but after 413 it drops the batch.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>

use std::io::Read;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use flate2::read::GzDecoder;
use memchr::memmem;
use serde::Serialize;

use super::answer::{self, respond, to_json};
use super::error::Error;
use super::{Service, body, log_error};
use crate::dead_letter::OnDamage;
use crate::input::ingest;
use crate::pipeline::Content;

const VERSION: HeaderName = HeaderName::from_static("x-amz-firehose-protocol-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-firehose-request-id");
/// Characters of an error message at most.
const MESSAGE_CHARS: usize = 8192;
/// Bytes of a body, compressed and inflated, that are searched for its request id.
const HEAD_BYTES: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    request_id: &'a str,
    /// Milliseconds since 1970.
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
}

/// Answers a request.
pub(super) async fn deliver(State(service): State<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let id = text(&head.headers, &REQUEST_ID).unwrap_or_default();
    match service.firehose(&head, id, body).await {
        Ok(()) => {
            tracing::debug!(id, "a Firehose request was delivered");
            respond(StatusCode::OK, answer::JSON, reply(id, None))
        }
        Err(error) => {
            log_error(&head, &error);
            let body = reply(id, Some(&error.to_string()));
            let status = match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => StatusCode::BAD_REQUEST,
                status => status,
            };
            error.response(status, answer::JSON, body)
        }
    }
}

impl Service {
    async fn firehose(&self, head: &Parts, id: &str, body: Body) -> Result<(), Error> {
        let (sender, _active) = self.admit(head)?;
        check(&head.headers)?;
        let gzip = body::is_gzip(&head.headers)?;
        let (bytes, reserved) = body::read(&self.ingest, body).await?;
        if let Some(other) = request_id(&first_bytes(&bytes, gzip))
            && other != id
        {
            let message = format!("the body's requestId is {other:?}, the header's {id:?}");
            return Err(Error::bad_request(message));
        }
        let request = ingest::Request {
            input: "firehose",
            name: id.to_owned(),
            source: None,
            content: Content::Bytes(bytes),
            on_damage: OnDamage::KeepElements,
            reserved: reserved.sent_by(sender),
        };
        self.ingest.deliver(request).await?;
        Ok(())
    }
}

/// Checks the protocol version and the request id.
fn check(headers: &HeaderMap) -> Result<(), Error> {
    let version = text(headers, &VERSION).unwrap_or_default();
    let message = match text(headers, &REQUEST_ID) {
        None => "X-Amz-Firehose-Request-Id is missing".to_owned(),
        Some(_) if version == "1.0" => return Ok(()),
        Some(_) => format!("X-Amz-Firehose-Protocol-Version must be 1.0, not {version:?}"),
    };
    Err(Error::bad_request(message))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

/// A body's first bytes, inflated.
fn first_bytes(body: &[u8], gzip: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let body = &body[..body.len().min(HEAD_BYTES)];
    let limit = HEAD_BYTES as u64;
    // The pipeline reports bytes that cannot be read.
    let _ = match gzip {
        true => GzDecoder::new(body).take(limit).read_to_end(&mut bytes),
        false => body.take(limit).read_to_end(&mut bytes),
    };
    bytes
}

/// The `requestId` in front of a body's records, if present.
fn request_id(head: &[u8]) -> Option<String> {
    let records = memmem::find(head, b"\"records\"").unwrap_or(head.len());
    let before = &head[..records];
    let key = b"\"requestId\"";
    let after = &before[memmem::find(before, key)? + key.len()..];
    let value = after.trim_ascii_start().strip_prefix(b":")?;
    let mut strings = serde_json::Deserializer::from_slice(value).into_iter::<String>();
    strings.next()?.ok()
}

fn reply(id: &str, message: Option<&str>) -> Vec<u8> {
    let message = message.map(|message| match message.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => &message[..end],
        None => message,
    });
    to_json(&Reply {
        request_id: id,
        timestamp: jiff::Timestamp::now().as_millisecond(),
        error_message: message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_id_of_a_body_is_in_front_of_its_records() {
        for (body, expected) in [
            (
                r#"{"requestId":"a-1","timestamp":1,"records":[]}"#,
                Some("a-1"),
            ),
            (
                r#"{ "timestamp" : 1, "requestId" : "a\u002d1", "#,
                Some("a-1"),
            ),
            (r#"{"records":[{"requestId":"b"}]}"#, None),
            (r#"{"requestId":7}"#, None),
            (r#"{"requestId""#, None),
            ("", None),
        ] {
            assert_eq!(request_id(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn an_error_message_is_cut_to_firehoses_limit() {
        let reply: serde_json::Value =
            serde_json::from_slice(&reply("i", Some(&"ü".repeat(9000)))).unwrap();
        let message = reply["errorMessage"].as_str().unwrap();
        assert_eq!(message.chars().count(), MESSAGE_CHARS);
    }
}
