//! What a collector's answer means for the events of a request.
//!
//! Enters: a gRPC status with its details, or an HTTP status with headers and body. Leaves: an
//! [`Answer`]. What must hold: only an answer about *these records* may cost a record; a
//! wrong set-up, a busy server and an unknown code cost none; only an OTLP answer counts as success.

mod code;
mod text;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use prost::Message;
use tonic::Code;

use super::body::Body;
use super::response::{self, ExportResponse, RpcStatus};
use super::{End, Protocol};
use text::{grpc_name, location, shown};

pub(super) use code::AnswerCode;
pub(super) use text::clean;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// All records were taken; perhaps with a remark.
    Accepted { remark: Option<String> },
    /// Some were not taken, and OTLP does not say which.
    Partial { rejected: u64, message: String },
    /// Not now.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
    /// The server failed on this request, perhaps because of a record in it: worth several tries,
    /// and only a server that takes other records meanwhile makes these the guilty ones.
    Fault { status: String, message: String },
    /// The set-up is wrong: what failed, and the remedy.
    Blocked { reason: String },
    /// At least one of these records is refused for good. `in_otlp`: in OTLP's own terms; else it may
    /// be something on the way that refuses whatever comes.
    Rejected {
        status: String,
        message: String,
        in_otlp: bool,
    },
    /// The request is too large. Not `certain` where the same status may also mean a quota.
    TooLarge {
        status: String,
        message: String,
        certain: bool,
    },
    /// Nothing more can be written.
    End(End),
}

impl Answer {
    /// All records were taken.
    pub(super) const ACCEPTED: Answer = Answer::Accepted { remark: None };

    /// Not now, without a hint.
    pub(super) fn retry(reason: impl Into<String>) -> Self {
        Answer::Retry {
            after: None,
            reason: reason.into(),
        }
    }

    pub(super) fn blocked(reason: impl Into<String>) -> Self {
        Answer::Blocked {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Accepted { .. } => f.write_str("accepted"),
            Answer::Partial { rejected, message } => write!(f, "{rejected} rejected: {message}"),
            Answer::Retry { reason, .. }
            | Answer::Blocked { reason }
            | Answer::End(End::Failed(reason)) => f.write_str(reason),
            Answer::End(End::Unread) => f.write_str("its reader has exited"),
            Answer::Fault { status, message }
            | Answer::Rejected {
                status, message, ..
            }
            | Answer::TooLarge {
                status, message, ..
            } => write!(f, "{status}: {message}"),
        }
    }
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// An answer of success. A count below 0 is no answer: it does not tell how many records were accepted.
fn success(protocol: Protocol, response: ExportResponse) -> Answer {
    let Some(partial) = response.partial_success else {
        return Answer::ACCEPTED;
    };
    let message = clean(&partial.error_message);
    match u64::try_from(partial.rejected) {
        Ok(0) => Answer::Accepted {
            remark: Some(message).filter(|message| !message.is_empty()),
        },
        Ok(rejected) => Answer::Partial { rejected, message },
        Err(_) => {
            let rejected = partial.rejected;
            no_answer(
                protocol,
                &format!(
                    "it accepted the request and reports that it rejected {rejected} records: {message}"
                ),
            )
        }
    }
}

/// A gRPC status; `details` is `grpc-status-details-bin`, decoded from base64. `message` is what came
/// with it, or why there is none: then OK is no answer.
///
/// The retryable codes are OTLP's table. `INTERNAL`, `UNKNOWN` and the rest, which OTLP calls not
/// retryable, are faults here: what a server answers when it is broken must not empty a trail into
/// the dead letters. `OUT_OF_RANGE` is one too, since servers made with tonic say so of a request that
/// is too large for them.
pub(super) fn grpc(
    code: Code,
    words: &str,
    details: &[u8],
    message: Result<Bytes, &str>,
) -> Answer {
    let retry_info = retry_delay(details);
    let status = format!("gRPC {}", grpc_name(code));
    let words = clean(words);
    match code {
        Code::Ok => match message.map(ExportResponse::decode) {
            Ok(Ok(response)) => success(Protocol::Grpc, response),
            Ok(Err(_)) => no_answer(
                Protocol::Grpc,
                &format!("{status} with a message of another kind"),
            ),
            Err(what) => no_answer(Protocol::Grpc, &format!("{status} {what}")),
        },
        Code::ResourceExhausted if retry_info.is_none() => Answer::TooLarge {
            status,
            message: words,
            certain: false,
        },
        Code::OutOfRange if retry_info.is_none() => Answer::Fault {
            status,
            message: words,
        },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted => Answer::Retry {
            after: retry_info,
            reason: format!("{status}: {words}"),
        },
        Code::Unauthenticated => Answer::blocked(format!(
            "{status}: {words}; correct the credentials in export.headers"
        )),
        Code::PermissionDenied => Answer::blocked(format!(
            "{status}: {words}; give the credentials in export.headers the right to write"
        )),
        Code::Unimplemented => Answer::blocked(format!(
            "{status}: {words}; nothing there takes OTLP over gRPC for this signal (or not \
             compressed): correct the endpoint's URL, protocol or compression"
        )),
        Code::InvalidArgument => Answer::Rejected {
            status,
            message: words,
            in_otlp: true,
        },
        Code::Unknown
        | Code::Internal
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition => Answer::Fault {
            status,
            message: words,
        },
    }
}

/// An HTTP answer to a request of `protocol`; one over gRPC is here where it has no status of gRPC's.
/// `now` turns a date in `Retry-After` into a wait.
pub(super) fn http(
    protocol: Protocol,
    status: StatusCode,
    headers: &HeaderMap,
    body: &Body,
    now: SystemTime,
) -> Answer {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = format!("HTTP {status}");
    if status.is_success() {
        let response = match protocol {
            // A gRPC server answers 200 to every request, and rejects it in its own status.
            _ if headers.contains_key("grpc-status") => None,
            Protocol::Grpc => None,
            Protocol::HttpProtobuf | Protocol::HttpJson => body
                .whole()
                .and_then(|body| response::success(content_type, body)),
        };
        return match response {
            Some(response) => success(protocol, response),
            None => no_answer(
                protocol,
                &format!("{name} with {}", shown(content_type, body)),
            ),
        };
    }
    let bytes = body.whole().unwrap_or_default();
    let words = response::refusal(content_type, bytes);
    let in_otlp = words.is_some();
    let message = clean(&words.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned()));
    let text = format!("{name}: {message}");
    match status.as_u16() {
        408 | 425 | 429 | 502 | 503 | 504 => Answer::Retry {
            after: retry_after(headers, now),
            reason: text,
        },
        413 => Answer::TooLarge {
            status: name,
            message,
            certain: true,
        },
        400 | 422 => Answer::Rejected {
            status: name,
            message,
            in_otlp,
        },
        401 | 407 => Answer::blocked(format!("{text}; correct the credentials in export.headers")),
        402 | 403 => Answer::blocked(format!(
            "{text}; give the credentials in export.headers the right to write"
        )),
        300..=399 => Answer::blocked(format!(
            "{text}; redirected to {}: redirects are not followed, set the endpoint's URL to where \
             it ends",
            location(headers)
        )),
        404 | 405 | 410 | 501 => no_answer(protocol, &text),
        406 | 411 | 415 | 426 | 431 | 505 => Answer::blocked(format!(
            "{text}; the receiver does not take requests of this form: correct the endpoint's \
             protocol, compression or headers"
        )),
        // 500, which OTLP calls not retryable, among them.
        _ => Answer::Fault {
            status: name,
            message,
        },
    }
}

/// What answers there is no receiver of OTLP.
fn no_answer(protocol: Protocol, what: &str) -> Answer {
    let remedy = match protocol {
        Protocol::Grpc => {
            "nothing there takes OTLP over gRPC for this signal, or something between drops its \
             trailers: correct the endpoint's URL or protocol (port 4317 is usually gRPC's, 4318 \
             http/protobuf's)"
        }
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            "nothing there takes OTLP over HTTP for this signal: correct the endpoint's URL (the path \
             is usually /v1/logs or /v1/traces)"
        }
    };
    Answer::blocked(format!("{what}; {remedy}"))
}

/// The wait that `RetryInfo` asks for.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let any = status
        .details
        .iter()
        .find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let info = RetryInfo::decode(any.value.as_slice()).ok()?;
    let delay = info.retry_delay.unwrap_or_default();
    Some(Duration::new(
        u64::try_from(delay.seconds).unwrap_or(0),
        u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999),
    ))
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(value)
        .ok()?;
    Some(
        SystemTime::from(date)
            .duration_since(now)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
