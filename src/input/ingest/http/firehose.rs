//! `POST /v1/firehose`: Amazon Data Firehose's HTTP endpoint protocol, version 1.0.
//!
//! Enters: Firehose's request. Leaves: `{"requestId","timestamp"}`, with `errorMessage` beside them
//! on failure. What must hold: Firehose tries again whatever is answered but 200 and 413, and gives
//! what it cannot deliver to its backup bucket, but not what was answered with 413; so 413 is never
//! answered.
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

use super::answer::{self, Error, respond, to_json};
use super::{Service, body, log_error};
use crate::dead_letter::OnDamage;
use crate::input::ingest;
use crate::pipeline::Content;

const VERSION: HeaderName = HeaderName::from_static("x-amz-firehose-protocol-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-firehose-request-id");
/// Characters of an error message at most.
const MESSAGE_CHARS: usize = 8192;
/// Bytes of a body, compressed and inflated, in which its request id is looked for.
const BEGINNING: usize = 1024;

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
        let (sender, _busy) = self.admit(head)?;
        check(&head.headers)?;
        let gzip = body::is_gzip(&head.headers)?;
        let (bytes, reserved) = body::read(&self.ingest, body).await?;
        if let Some(other) = request_id(&beginning(&bytes, gzip))
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

/// Whether these are the headers of a request that is understood.
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
fn beginning(body: &[u8], gzip: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let body = &body[..body.len().min(BEGINNING)];
    let limit = BEGINNING as u64;
    // What cannot be read is the pipeline's to log_error.
    let _ = match gzip {
        true => GzDecoder::new(body).take(limit).read_to_end(&mut bytes),
        false => body.take(limit).read_to_end(&mut bytes),
    };
    bytes
}

/// The `requestId` before a body's records, if it is there.
fn request_id(beginning: &[u8]) -> Option<String> {
    let records = memmem::find(beginning, b"\"records\"").unwrap_or(beginning.len());
    let before = &beginning[..records];
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
    fn a_bodys_request_id_stands_before_its_records() {
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
    fn an_error_message_is_cut_to_what_firehose_takes() {
        let reply: serde_json::Value =
            serde_json::from_slice(&reply("i", Some(&"ü".repeat(9000)))).unwrap();
        let message = reply["errorMessage"].as_str().unwrap();
        assert_eq!(message.chars().count(), MESSAGE_CHARS);
    }
}
