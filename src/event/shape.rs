//! Which types a field may have, and what becomes of an event with a field of another one.
//!
//! Enters: fields. Leaves: those that nothing reads, and what they leave open. What must hold: a field that
//! says something is read or told; an event is never taken for somebody's, or for nobody's, because
//! the field that says so cannot be read.

use super::{Event, Key};
use crate::envelope::json::{Node, Type};
use crate::reject::Reason;

/// Texts in the place of a value that is absent.
const NOTHING: [&str; 4] = ["", "-", "none", "null"];

/// Fields that tell whether an event is Amazon Q's.
const DECIDING: [(Key, &str); 6] = [
    (Key::UserIdentity, "userIdentity"),
    (Key::EventSource, "eventSource"),
    (Key::SessionContext, "userIdentity.sessionContext"),
    (Key::InvokedBy, "userIdentity.invokedBy"),
    (Key::SessionInvokedBy, "userIdentity.sessionContext.invokedBy"),
    (Key::UserAgent, "userAgent"),
];

/// Whether a field's row reads values of this type.
pub(super) fn takes(key: Key, kind: Type) -> bool {
    match key {
        Key::AdditionalEventData
        | Key::Addendum
        | Key::Attributes
        | Key::ConversationState
        | Key::CurrentMessage
        | Key::EventContext
        | Key::InsightDetails
        | Key::Metadata
        | Key::OnBehalfOf
        | Key::RequestParameters
        | Key::ResponseElements
        | Key::Result
        | Key::ServiceEventDetails
        | Key::SessionContext
        | Key::SessionIssuer
        | Key::TelemetryEvent
        | Key::TelemetryKind
        | Key::TlsDetails
        | Key::UserContext
        | Key::UserIdentity
        | Key::UserInputMessage
        | Key::WebIdFederationData => kind == Type::Object,
        Key::Resources => kind == Type::Array,
        Key::DryRun
        | Key::ManagementEvent
        | Key::MfaAuthenticated
        | Key::ReadOnly
        | Key::SessionCredentialFromConsole => matches!(kind, Type::Bool | Type::String),
        // An `eventTime` of another type is refused where it is read.
        Key::EventTime => true,
        Key::ErrorCode | Key::TelemetryLatency => matches!(kind, Type::Number | Type::String),
        _ => kind == Type::String,
    }
}

/// Whether a value of another type says nothing, or is an array of the one value that is read.
pub(super) fn is_readable(key: Key, node: Node<'_>) -> bool {
    match node.kind() {
        Type::Null => true,
        Type::Bool => node.raw() == "false" && takes(key, Type::String),
        Type::Number => false,
        Type::String => node.as_str().is_none_or(|text| {
            let text = text.trim().to_ascii_lowercase();
            NOTHING.contains(&&*text)
        }),
        Type::Object => node.children().next().is_none(),
        Type::Array => {
            let mut items = node.items();
            match (items.next(), items.next()) {
                (None, _) => true,
                (Some(only), None) => {
                    super::key::has_fields(key) && only.kind() == Type::Object
                }
                _ => false,
            }
        }
    }
}

/// Refuses an event whose identity nothing reads.
pub(super) fn check_identity(event: &Event<'_>) -> Result<(), Reason> {
    match event.is_unreadable(Key::UserIdentity) {
        true => Err(refused(event, Key::UserIdentity, "userIdentity", "")),
        false => Ok(()),
    }
}

/// Refuses an event that may be Amazon Q's, for all that nothing reads the field that tells.
/// `may_name_one`: whether there can be the name of one of its services or clients in a JSON text.
pub(super) fn check_class(
    event: &Event<'_>,
    may_name_one: impl Fn(&[u8]) -> bool,
) -> Result<(), Reason> {
    let is_open = |key| {
        let node = event.get(key).filter(|_| event.is_unreadable(key));
        node.is_some_and(|node| may_name_one(node.raw().as_bytes()))
    };
    match DECIDING.iter().find(|(key, _)| is_open(*key)) {
        Some((key, name)) => {
            let so = ", and so nothing tells whether the event is Amazon Q's";
            Err(refused(event, *key, name, so))
        }
        None => Ok(()),
    }
}

fn refused(event: &Event<'_>, key: Key, field: &'static str, so: &str) -> Reason {
    let is = match event.get(key).map(Node::kind) {
        Some(Type::Array) => "an array",
        Some(Type::Object) => "an object",
        Some(Type::String) => "a text",
        Some(Type::Number) => "a number",
        _ => "a literal",
    };
    Reason::BadField {
        field,
        detail: format!("it is {is}{so}"),
    }
}
