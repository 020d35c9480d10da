//! What a refusal is in gRPC's words.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::input::ingest::Refusal;
use qtrail_proto::v1::Failure;

/// Characters of a message. It may quote a collector, and travels in a header, for which clients
/// have limits of their own.
const MESSAGE_CHARS: usize = 1000;

/// The status of a call.
pub(super) fn of(refusal: &Refusal) -> Status {
    let (code, message) = (code(refusal), message(refusal));
    match refusal.retry_after() {
        None => Status::new(code, message),
        delay => Status::with_error_details(code, message, ErrorDetails::with_retry_info(delay)),
    }
}

/// The same in a stream, which goes on.
pub(super) fn failure(refusal: &Refusal) -> Failure {
    Failure {
        code: code(refusal).into(),
        message: message(refusal),
        retry_delay: refusal
            .retry_after()
            .and_then(|delay| delay.try_into().ok()),
    }
}

/// A text's beginning.
pub(super) fn cut(text: String) -> String {
    match text.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Away { .. } | Refusal::LettersFull { .. } | Refusal::Stopping => Code::Unavailable,
        Refusal::Busy { .. }
        | Refusal::TooLarge { .. }
        | Refusal::InflatedTooLarge { .. }
        | Refusal::DecodedTooLarge { .. } => Code::ResourceExhausted,
        Refusal::Unreadable { reason, .. } if reason.is_limit() => Code::ResourceExhausted,
        Refusal::Unreadable { .. } => Code::InvalidArgument,
        Refusal::TooSlow { .. } => Code::DeadlineExceeded,
    }
}

fn message(refusal: &Refusal) -> String {
    cut(refusal.to_string())
}
