//! Attribute names of assembled conversations.

use super::{both, span};
use crate::convert::attributes::Field;
use crate::convert::attributes::Stability::Qtrail;

pub(crate) const CORRELATION: Field = both(
    "qtrail.correlation",
    "with `assemble`: how the parent was found: `request_id`, `sign_in_session`, `approval_id` (recorded by AWS), `heuristic` (the nearest message of the same person)",
    Qtrail,
);
pub(crate) const CORRELATION_DELTA: Field = both(
    "qtrail.correlation.delta_ms",
    "with `assemble`, where the correlation is `heuristic`: milliseconds from the message to the event",
    Qtrail,
);
pub(crate) const SPAN_EXTENT: Field = span(
    "qtrail.span.extent",
    "with `assemble`: `derived` where the span is longer than the record says, to cover its children",
    Qtrail,
);
pub(crate) const MESSAGES: Field = span(
    "qtrail.conversation.messages",
    "on a conversation's own span: the messages in it (`chat`)",
    Qtrail,
);
pub(crate) const CALLS: Field = span(
    "qtrail.conversation.calls",
    "on a conversation's own span: API calls made for it",
    Qtrail,
);
pub(crate) const DENIED: Field = span(
    "qtrail.conversation.denied",
    "on a conversation's own span: its denied events",
    Qtrail,
);
