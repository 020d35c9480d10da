//! What a error is in gRPC's words.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::input::ingest;
use qtrail_proto::v1::Failure;

/// Characters of a message. It may quote a collector, and travels in a header, for which clients
/// have limits of their own.
const MESSAGE_CHARS: usize = 1000;

/// The status of a call.
pub(super) fn of(error: &ingest::Error) -> Status {
    let (code, message) = (code(error), message(error));
    match error.retry_after() {
        None => Status::new(code, message),
        delay => Status::with_error_details(code, message, ErrorDetails::with_retry_info(delay)),
    }
}

/// The same in a stream, which goes on.
pub(super) fn failure(error: &ingest::Error) -> Failure {
    Failure {
        code: code(error).into(),
        message: message(error),
        retry_delay: error.retry_after().and_then(|delay| delay.try_into().ok()),
    }
}

/// A text's beginning.
pub(super) fn cut(text: String) -> String {
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
    cut(error.to_string())
}
