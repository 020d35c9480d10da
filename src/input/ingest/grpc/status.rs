//! Errors as gRPC statuses.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::input::ingest;
use qtrail_proto::v1::Failure;

/// Characters of a message. It may quote the collector's error, and clients limit the headers that carry it.
const MESSAGE_CHARS: usize = 1000;

/// The status of a failed call.
pub(super) fn of(error: &ingest::Error) -> Status {
    let (code, message) = (code(error), message(error));
    match error.retry_after() {
        None => Status::new(code, message),
        delay => Status::with_error_details(code, message, ErrorDetails::with_retry_info(delay)),
    }
}

/// The answer to a failed message of a stream, which continues.
pub(super) fn failure(error: &ingest::Error) -> Failure {
    Failure {
        code: code(error).into(),
        message: message(error),
        retry_delay: error.retry_after().and_then(|delay| delay.try_into().ok()),
    }
}

/// The first [`MESSAGE_CHARS`] of a text.
pub(super) fn truncate(text: String) -> String {
    match text.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn code(error: &ingest::Error) -> Code {
    match error {
        ingest::Error::CollectorUnavailable { .. }
        | ingest::Error::DeadLettersUnavailable { .. }
        | ingest::Error::Stopping => Code::Unavailable,
        ingest::Error::InFlightLimit { .. }
        | ingest::Error::TooLarge { .. }
        | ingest::Error::InflatedTooLarge { .. }
        | ingest::Error::DecodedTooLarge { .. } => Code::ResourceExhausted,
        ingest::Error::Unreadable { reason, .. } if reason.is_limit() => Code::ResourceExhausted,
        ingest::Error::Unreadable { .. } => Code::InvalidArgument,
        ingest::Error::TooSlow { .. } => Code::DeadlineExceeded,
    }
}

fn message(error: &ingest::Error) -> String {
    truncate(error.to_string())
}
