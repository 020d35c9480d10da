//! What OTLP's answers say, in protobuf and in JSON.
//!
//! Enters: the bytes of an answer, and its content type. Leaves: the [`ExportResponse`], or the words
//! of a refusal. What must hold: what is no answer of OTLP's is not taken for one, since then a server
//! that knows nothing of OTLP would swallow a trail.

use prost::Message;
use serde_json::Value;

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
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// The kind of body that a content type names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Protobuf,
    Json,
    Text,
    /// Nothing, or that it is bytes.
    Unknown,
}

impl Kind {
    fn of(content_type: &str) -> Kind {
        let essence = content_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        match essence.rsplit(['/', '+']).next().unwrap_or_default() {
            "x-protobuf" | "protobuf" | "vnd.google.protobuf" | "proto" => Kind::Protobuf,
            "json" => Kind::Json,
            "" | "octet-stream" => Kind::Unknown,
            _ => Kind::Text,
        }
    }
}

/// The answer of success that a body holds. Unknown fields are passed over, but an object of JSON that
/// has no other is not an answer.
pub(super) fn success(content_type: &str, body: &[u8]) -> Option<ExportResponse> {
    if body.is_empty() {
        return Some(ExportResponse::default());
    }
    let kind = Kind::of(content_type);
    // No answer in protobuf begins so.
    if let Some(object) = object(body) {
        return json(object);
    }
    let protobuf = ExportResponse::decode(body).ok();
    match kind {
        Kind::Protobuf => protobuf,
        // Some texts happen to be protobuf with unknown fields.
        Kind::Unknown => protobuf.filter(|response| response.partial_success.is_some()),
        Kind::Json | Kind::Text => None,
    }
}

/// The words of a refusal: those of a `google.rpc.Status`, else none.
pub(super) fn refusal(content_type: &str, body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    if let Some(object) = object(body) {
        let value: Value = serde_json::from_slice(object).ok()?;
        return Some(value.get("message")?.as_str()?.to_owned());
    }
    match Kind::of(content_type) {
        Kind::Protobuf => RpcStatus::decode(body).ok().map(|status| status.message),
        _ => None,
    }
}

/// What may be an object of JSON: it begins as one, after spaces and a byte order mark.
fn object(body: &[u8]) -> Option<&[u8]> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    body.trim_ascii_start().starts_with(b"{").then_some(body)
}

/// Protobuf's JSON, its keys in either spelling.
fn json(object: &[u8]) -> Option<ExportResponse> {
    let Ok(Value::Object(response)) = serde_json::from_slice(object) else {
        return None;
    };
    let keys = ["partialSuccess", "partial_success"];
    let Some(partial) = keys.into_iter().find_map(|key| response.get(key)) else {
        return response.is_empty().then(ExportResponse::default);
    };
    let partial = match partial {
        Value::Object(partial) => partial,
        Value::Null => return Some(ExportResponse::default()),
        _ => return None,
    };
    let field = |keys: &[&str]| {
        let mut found = keys.iter().filter_map(|key| partial.get(*key));
        found.find(|value| !value.is_null())
    };
    let rejected = field(&[
        "rejectedLogRecords",
        "rejected_log_records",
        "rejectedSpans",
        "rejected_spans",
    ]);
    let error_message = field(&["errorMessage", "error_message"]);
    Some(ExportResponse {
        partial_success: Some(PartialSuccess {
            rejected: match rejected {
                Some(rejected) => whole_number(rejected)?,
                None => 0,
            },
            error_message: match error_message {
                Some(message) => message.as_str()?.to_owned(),
                None => String::new(),
            },
        }),
    })
}

/// A 64-bit integer: text in protobuf's JSON; some servers write a number.
fn whole_number(value: &Value) -> Option<i64> {
    let number = match value {
        Value::String(text) => return text.parse().ok().or_else(|| whole(text.parse().ok()?)),
        Value::Number(number) => number,
        _ => return None,
    };
    number.as_i64().or_else(|| whole(number.as_f64()?))
}

/// `3.0` and `1e2` are whole numbers, too.
fn whole(number: f64) -> Option<i64> {
    /// Beyond it, not each whole number has a value of its own.
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOBUF: &str = "application/x-protobuf";

    fn partial(rejected: i64, error_message: &str) -> Option<ExportResponse> {
        Some(ExportResponse {
            partial_success: Some(PartialSuccess {
                rejected,
                error_message: error_message.to_owned(),
            }),
        })
    }

    #[test]
    fn json_is_read_in_either_spelling() {
        for (body, rejected) in [
            (
                r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"m"}}"#,
                3,
            ),
            (
                r#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":"m"}}"#,
                3,
            ),
            (
                r#"{"partial_success":{"rejected_log_records":3,"error_message":"m"}}"#,
                3,
            ),
            (
                r#"{"partial_success":{"rejected_spans":"3","error_message":"m"}}"#,
                3,
            ),
            (
                r#"{"partialSuccess":{"rejected_spans":3.0,"error_message":"m"}}"#,
                3,
            ),
            (
                r#"{"partialSuccess":{"rejectedSpans":"3e0","errorMessage":"m"}}"#,
                3,
            ),
            (
                r#"{"partialSuccess":{"rejectedSpans":null,"rejected_spans":3,"errorMessage":"m"}}"#,
                3,
            ),
            (
                "\u{feff} {\"partialSuccess\": {\"errorMessage\": \"m\"}, \"new\": [{}]}\n",
                0,
            ),
            (
                r#"{"id":7,"partialSuccess":{"errorMessage":"m","new":1,"rejectedSpans":null}}"#,
                0,
            ),
        ] {
            for content_type in [
                "application/json; charset=utf-8",
                "",
                "text/plain",
                PROTOBUF,
            ] {
                let read = success(content_type, body.as_bytes());
                assert_eq!(read, partial(rejected, "m"), "{content_type}: {body}");
            }
        }
        for body in ["{}", r#"{"partialSuccess":null}"#] {
            let read = success("application/json", body.as_bytes());
            assert_eq!(read, Some(ExportResponse::default()), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for body in [
            "OK",
            "ok\n",
            " ",
            "<!DOCTYPE html><html></html>",
            "null",
            "[]",
            "true",
            "{",
            "{}{}",
            r#"{"status":"ok"}"#,
            r#"{"message":"Hello"}"#,
            r#"{"partialSuccess":"no"}"#,
            r#"{"partialSuccess":[]}"#,
            r#"{"partialSuccess":{"rejectedSpans":"many"}}"#,
            r#"{"partialSuccess":{"rejectedSpans":true}}"#,
            r#"{"partialSuccess":{"rejectedSpans":1.5}}"#,
            r#"{"partialSuccess":{"rejectedSpans":1e300}}"#,
            r#"{"partialSuccess":{"errorMessage":1}}"#,
        ] {
            for content_type in ["application/json", "", "text/html", "text/plain", PROTOBUF] {
                let read = success(content_type, body.as_bytes());
                assert_eq!(read, None, "{content_type}: {body}");
            }
        }
        // They happen to be protobuf: one unknown field, and its value.
        for body in ["accepted\n", "x1", "123456789"] {
            assert!(ExportResponse::decode(body.as_bytes()).is_ok(), "{body}");
            for content_type in [
                "",
                "text/plain",
                "application/octet-stream",
                "application/json",
            ] {
                assert_eq!(success(content_type, body.as_bytes()), None, "{body}");
            }
        }
    }

    #[test]
    fn protobuf_is_read_whatever_it_is_called() {
        let expected = partial(3, "m");
        let body = expected.as_ref().map(Message::encode_to_vec).unwrap();
        for content_type in [
            PROTOBUF,
            "Application/X-Protobuf; messageType=\"x\"",
            "application/protobuf",
            "application/vnd.google.protobuf",
            "application/octet-stream",
            "",
        ] {
            assert_eq!(success(content_type, &body), expected, "{content_type}");
            assert_eq!(success(content_type, b""), Some(ExportResponse::default()));
        }
        // A field that is not known yet.
        let newer = [&body[..], &[0x12, 1, b'x']].concat();
        assert_eq!(success(PROTOBUF, &newer), expected);
        for end in 1..body.len() {
            assert_eq!(success(PROTOBUF, &body[..end]), None, "cut off at {end}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words_or_not_at_all() {
        let status = RpcStatus {
            code: 3,
            message: "bad".to_owned(),
            details: Vec::new(),
        };
        let bad = Some("bad".to_owned());
        assert_eq!(refusal(PROTOBUF, &status.encode_to_vec()), bad);
        let json = br#"{"code":3,"message":"bad","details":[]}"#;
        assert_eq!(refusal("application/json", json), bad);
        for (content_type, body) in [
            ("text/plain", "bad"),
            ("text/html", "<html>"),
            ("application/json", r#"{"errors":["bad"]}"#),
            (PROTOBUF, ""),
            (PROTOBUF, "<html>"),
        ] {
            assert_eq!(refusal(content_type, body.as_bytes()), None, "{body}");
        }
    }
}
