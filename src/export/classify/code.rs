//! The code of an answer: the label `code` of `qtrail_export_errors_total`.

use std::fmt;

use http::StatusCode;

use super::text::grpc_name;

/// What answered, or why nothing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::export) enum AnswerCode {
    /// A gRPC status.
    Grpc(tonic::Code),
    /// An HTTP status, without one of gRPC.
    Http(StatusCode),
    /// There was no connection: refused, no such host, TLS, a proxy.
    Connect,
    /// The connection ended before the answer.
    Connection,
    /// There was no answer in time.
    Timeout,
    /// A file or standard output.
    Write,
}

impl AnswerCode {
    /// There was an error instead of an answer. `connecting`: there was no connection yet.
    pub(in crate::export) fn unanswered(connecting: bool) -> Self {
        match connecting {
            true => AnswerCode::Connect,
            false => AnswerCode::Connection,
        }
    }
}

impl fmt::Display for AnswerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerCode::Grpc(code) => f.write_str(grpc_name(*code)),
            AnswerCode::Http(status) => f.write_str(status.as_str()),
            AnswerCode::Connect => f.write_str("connect"),
            AnswerCode::Connection => f.write_str("connection"),
            AnswerCode::Timeout => f.write_str("timeout"),
            AnswerCode::Write => f.write_str("write"),
        }
    }
}
