//! The types that a field may have, and what happens to an event with a field of another type.
//!
//! Enters: fields. Leaves: those of an unread type, and the reasons to refuse their event. What must hold: a
//! field with a value is read or reported; no event gets the wrong identity, or none, because a field of
//! the identity cannot be read.

use super::{Event, Key, key};
use crate::json::{Node, Type};
use crate::reject::Reason;

/// Texts that stand for an absent value.
const NOTHING: [&str; 4] = ["", "-", "none", "null"];

/// Fields that decide whether an event is Amazon Q's.
const DECIDING: [(Key, &str); 6] = [
    (Key::UserIdentity, "userIdentity"),
    (Key::EventSource, "eventSource"),
    (Key::SessionContext, "userIdentity.sessionContext"),
    (Key::InvokedBy, "userIdentity.invokedBy"),
    (
        Key::SessionInvokedBy,
        "userIdentity.sessionContext.invokedBy",
    ),
    (Key::UserAgent, "userAgent"),
];

/// The objects that an identity is made of.
const IDENTITY: [(Key, &str); 6] = [
    (Key::UserIdentity, "userIdentity"),
    (Key::OnBehalfOf, "userIdentity.onBehalfOf"),
    (Key::SessionContext, "userIdentity.sessionContext"),
    (Key::Attributes, "userIdentity.sessionContext.attributes"),
    (
        Key::SessionIssuer,
        "userIdentity.sessionContext.sessionIssuer",
    ),
    (
        Key::WebIdFederationData,
        "userIdentity.sessionContext.webIdFederationData",
    ),
];

/// Names of fields that AWS fills, of more than one word: tables write them in lower case.
const FILLED: [&str; 48] = [
    "accessKeyId",
    "accountId",
    "apiVersion",
    "awsRegion",
    "cipherSuite",
    "clientProvidedHostHeader",
    "creationDate",
    "credentialId",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "federatedProvider",
    "identityProvider",
    "identityStoreArn",
    "invokedBy",
    "invokedByDelegate",
    "keyExchange",
    "managementEvent",
    "mcpEventDetails",
    "mfaAuthenticated",
    "onBehalfOf",
    "principalId",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "responseElements",
    "sessionContext",
    "sessionIssuer",
    "sharedEventID",
    "signInSessionArn",
    "sourceIPAddress",
    "sourceIdentity",
    "tlsDetails",
    "tlsVersion",
    "userAgent",
    "userId",
    "userIdentity",
    "userName",
    "vpcEndpointAccountId",
    "vpcEndpointId",
    "webIdFederationData",
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
        | Key::InvokedByDelegate
        | Key::McpEventDetails
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
        Key::ErrorCode | Key::McpExecutionTime | Key::TelemetryLatency => {
            matches!(kind, Type::Number | Type::String)
        }
        _ => kind == Type::String,
    }
}

/// Whether a value of another type is empty, or is an array of the one object that is read.
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
                (Some(only), None) => key::below(key).is_some() && only.kind() == Type::Object,
                _ => false,
            }
        }
    }
}

/// Whether the field is in a request or its response: in another service's event, it may be anything.
pub(super) fn is_of_call(key: Key) -> bool {
    key as usize >= Key::ConversationId as usize
}

/// Whether names in an object are the caller's, or those of the service that is called.
pub(super) fn is_of_caller(key: Key) -> bool {
    matches!(
        key,
        Key::AdditionalEventData | Key::RequestParameters | Key::ResponseElements
    )
}

/// Whether a name is one of a field that AWS fills, but for its case, as tables write it.
pub(super) fn is_in_another_case(name: &str) -> bool {
    let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    lower && FILLED.iter().any(|field| field.eq_ignore_ascii_case(name))
        || name.eq_ignore_ascii_case("userIdentity")
}

/// Refuses an event with a part of its identity that cannot be read.
pub(super) fn check_identity(event: &Event<'_>) -> Result<(), Reason> {
    if event.reads_all() {
        return Ok(());
    }
    match IDENTITY.iter().find(|(key, _)| event.is_unreadable(*key)) {
        Some((key, name)) => Err(refused(event, *key, name, "")),
        None => Ok(()),
    }
}

/// Refuses an event that may be Amazon Q's, where a deciding field cannot be read. `may_name_one`: whether
/// a JSON text may hold the name of one of its services or clients.
pub(super) fn check_class(
    event: &Event<'_>,
    may_name_one: impl Fn(&[u8]) -> bool,
) -> Result<(), Reason> {
    let is_open = |key| {
        let mut nodes = event.unreadable_of(key);
        nodes.any(|node| may_name_one(node.raw().as_bytes()))
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
        Some(Type::Object) if key == Key::UserIdentity => "in a record with names in another case",
        Some(Type::Array) => "an array of more or other than one object",
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
