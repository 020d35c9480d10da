//! What metrics count of an event.
//!
//! Enters: an event after redaction, and what was derived from it before. Leaves: a [`Summary`]. What must hold: no
//! redacted text is in it; of a redacted person or conversation there is a hash, which tells two of them apart.

use std::borrow::Cow;

use super::{Derived, Head, Outcome, amazon_q, name_of_service};
use crate::event::amazon_q::Class;
use crate::event::{Event, Key, has_mask};

/// What metrics count of an event.
#[derive(Debug, Clone)]
pub struct Summary<'e> {
    /// `eventTime`, in nanoseconds since 1970.
    pub time: i64,
    /// `qtrail.event.class`.
    pub class: Class,
    /// `qtrail.outcome`.
    pub outcome: Outcome,
    /// Whether it is a person's message to an agent: `gen_ai.operation.name` is `chat`.
    pub is_message: bool,
    /// The service that was called, as in `peer.service`.
    pub service: Option<Cow<'e, str>>,
    /// `errorCode`, if it is the code of an error.
    pub error_code: Option<Cow<'e, str>>,
    /// `cloud.account.id`.
    pub account_id: Option<&'e str>,
    /// `cloud.region`.
    pub region: Option<&'e str>,
    /// A hash of the person behind an agent's event.
    pub person: Option<u64>,
    /// Whether `enduser.id` is that of the user's table, which is the same in every account.
    pub is_known: bool,
    /// Whether `user.name` is that of the user's table.
    pub is_named: bool,
    /// The user of an identity store, as [`Names`](super::Names) writes them, if names are learnt.
    pub user: Option<&'e str>,
    /// Identifies the conversation that the event names.
    pub conversation: Option<[u8; 16]>,
}

impl<'e> Summary<'e> {
    pub(super) fn of(event: &'e Event<'_>, derived: &'e Derived<'_>, head: &'e Head<'_>) -> Self {
        Summary {
            time: head.time,
            class: event.class(),
            outcome: derived.outcome,
            is_message: derived.operation == Some(amazon_q::CHAT),
            service: event.shown(Key::EventSource).map(short),
            error_code: match derived.error_code {
                true => event
                    .scalar_of(Key::ErrorCode)
                    .filter(|code| !has_mask(code)),
                false => None,
            },
            account_id: head.resource.account_id.as_deref(),
            region: head.resource.region.as_deref(),
            person: derived.person,
            is_known: derived.shown_id().is_some(),
            is_named: derived.shown_name().is_some(),
            user: derived.user.as_deref(),
            conversation: derived.conversation,
        }
    }
}

fn short(source: Cow<'_, str>) -> Cow<'_, str> {
    match source {
        Cow::Borrowed(source) => Cow::Borrowed(name_of_service(source)),
        Cow::Owned(source) => Cow::Owned(name_of_service(&source).to_owned()),
    }
}
