//! What a collector's answer means for the events of a request.
//!
//! Enters: a gRPC status with its details, or an HTTP status with headers and body, or the error
//! that came instead. Leaves: an [`Answer`]. What must hold: only what says that *these records*
//! are bad may cost a record; a set-up that is wrong, a busy server and a code that nobody has
//! heard of cost none.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use prost::Message;
use tonic::Code;

/// Characters kept of a collector's own words.
const MESSAGE_CHARS: usize = 300;

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
    /// At least one of these records is refused for good.
    Rejected { status: String, message: String },
    /// The request is too large. Not `certain` where the same status may also mean a quota.
    TooLarge {
        status: String,
        message: String,
        certain: bool,
    },
    /// Nobody reads the output any more (a closed pipe).
    Closed { reason: String },
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

    fn blocked(reason: impl Into<String>) -> Self {
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
            | Answer::Closed { reason } => f.write_str(reason),
            Answer::Fault { status, message }
            | Answer::Rejected { status, message }
            | Answer::TooLarge {
                status, message, ..
            } => write!(f, "{status}: {message}"),
        }
    }
}

/// `ExportLogsServiceResponse` and `ExportTraceServiceResponse`, which have the same wire form.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// What was not taken.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
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

/// An answer of success.
pub(super) fn response(response: ExportResponse) -> Answer {
    let Some(partial) = response.partial_success else {
        return Answer::ACCEPTED;
    };
    let message = clean(&partial.error_message);
    match u64::try_from(partial.rejected) {
        Ok(rejected @ 1..) => Answer::Partial { rejected, message },
        _ => Answer::Accepted {
            remark: Some(message).filter(|message| !message.is_empty()),
        },
    }
}

/// A gRPC status; `details` is `grpc-status-details-bin`, decoded from base64.
///
/// The retryable codes are OTLP's table. `INTERNAL`, `UNKNOWN` and the rest, which OTLP calls not
/// retryable, are faults here: what a server answers when it is broken must not empty a trail into
/// the dead letters.
pub(super) fn grpc(code: Code, message: &str, details: &[u8]) -> Answer {
    let retry_info = retry_delay(details);
    let status = format!("gRPC {}", grpc_name(code));
    let message = clean(message);
    let says_too_large = {
        let lower = message.to_ascii_lowercase();
        lower.contains("larger than max") || lower.contains("length too large")
    };
    match code {
        Code::Ok => Answer::ACCEPTED,
        // Servers made with tonic answer OUT_OF_RANGE, those made with Go RESOURCE_EXHAUSTED.
        Code::OutOfRange | Code::ResourceExhausted if says_too_large => Answer::TooLarge {
            status,
            message,
            certain: true,
        },
        Code::ResourceExhausted if retry_info.is_none() => Answer::TooLarge {
            status,
            message,
            certain: false,
        },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted => Answer::Retry {
            after: retry_info,
            reason: format!("{status}: {message}"),
        },
        Code::Unauthenticated => Answer::blocked(format!(
            "{status}: {message}; mend the credentials in export.headers"
        )),
        Code::PermissionDenied => Answer::blocked(format!(
            "{status}: {message}; give the credentials in export.headers the right to write"
        )),
        Code::Unimplemented => Answer::blocked(format!(
            "{status}: {message}; nothing there takes OTLP over gRPC for this signal (or not \
             compressed): mend the endpoint's URL, protocol or compression"
        )),
        Code::InvalidArgument => Answer::Rejected { status, message },
        Code::Unknown
        | Code::Internal
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition => Answer::Fault { status, message },
    }
}

/// An HTTP answer. `now` turns a date in `Retry-After` into a wait.
pub(super) fn http(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Answer {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if status.is_success() {
        if content_type.starts_with("text/html") {
            return Answer::blocked(format!(
                "HTTP {status} with a web page: mend the endpoint's URL, it is no OTLP receiver"
            ));
        }
        return response(decode_response(content_type, body));
    }
    let message = error_message(content_type, body);
    let name = format!("HTTP {status}");
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
        // What Go's server says to plain HTTP on a TLS port: no record is to blame.
        400 if message.contains("HTTP request to an HTTPS server") => {
            Answer::blocked(format!("{text}; the endpoint's URL must be https://"))
        }
        400 | 422 => Answer::Rejected {
            status: name,
            message,
        },
        401 | 407 => Answer::blocked(format!("{text}; mend the credentials in export.headers")),
        402 | 403 => Answer::blocked(format!(
            "{text}; give the credentials in export.headers the right to write"
        )),
        300..=399 => Answer::blocked(format!(
            "{text}; redirected to {}: redirects are not followed, set the endpoint's URL to where \
             it ends",
            location(headers)
        )),
        404 | 405 | 410 | 501 => Answer::blocked(format!(
            "{text}; nothing there takes OTLP over HTTP for this signal: mend the endpoint's URL \
             (the path is usually /v1/logs or /v1/traces)"
        )),
        406 | 411 | 415 | 426 | 431 | 505 => Answer::blocked(format!(
            "{text}; the receiver does not take requests of this form: mend the endpoint's \
             protocol, compression or headers"
        )),
        // 500, which OTLP calls not retryable, among them.
        _ => Answer::Fault {
            status: name,
            message,
        },
    }
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

/// A successful answer; one that cannot be read counts as empty: the status already said yes.
fn decode_response(content_type: &str, body: &[u8]) -> ExportResponse {
    if !content_type.starts_with("application/json") {
        return ExportResponse::decode(body).unwrap_or_default();
    }
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = &value["partialSuccess"];
    // 64-bit integers are strings in protobuf's JSON; some servers write numbers.
    let rejected = ["rejectedLogRecords", "rejectedSpans"]
        .iter()
        .find_map(|key| match &partial[key] {
            serde_json::Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        });
    ExportResponse {
        partial_success: Some(PartialSuccess {
            rejected: rejected.unwrap_or(0),
            error_message: partial["errorMessage"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }),
    }
}

/// The words of a failure: a `google.rpc.Status`, or the body as text.
fn error_message(content_type: &str, body: &[u8]) -> String {
    if content_type.starts_with("application/x-protobuf")
        && let Ok(status) = RpcStatus::decode(body)
    {
        return clean(&status.message);
    }
    if content_type.starts_with("application/json")
        && let Ok(value) = serde_json::from_slice::<serde_json::Value>(body)
        && let Some(message) = value["message"].as_str()
    {
        return clean(message);
    }
    clean(&String::from_utf8_lossy(body))
}

/// Where a redirect points, without what may be secret in it.
fn location(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(header::LOCATION) else {
        return "nowhere".to_owned();
    };
    let text = clean(&String::from_utf8_lossy(value.as_bytes()));
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A collector's words, fit for one line of a log: bounded, control characters escaped.
pub(super) fn clean(text: &str) -> String {
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
fn grpc_name(code: Code) -> &'static str {
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

#[cfg(test)]
mod tests;
