//! The fields that AWS fills: who called, what, when and where.
//!
//! What must hold: a value that a caller chooses hides none of them. Neither copies nor shapes of
//! secrets are masked in them.

use std::borrow::Cow;

use super::shapes::Signs;
use crate::json::{Node, Type};

/// Whether AWS fills a field of a record, with everything in it. (Not `errorMessage`, which quotes the
/// caller, nor `userAgent`, which the caller writes.)
pub(super) fn is_filled(field: &[u8]) -> bool {
    matches!(
        field,
        b"addendum"
            | b"apiVersion"
            | b"awsRegion"
            | b"errorCode"
            | b"eventCategory"
            | b"eventID"
            | b"eventId"
            | b"eventName"
            | b"eventSource"
            | b"eventTime"
            | b"eventType"
            | b"eventVersion"
            | b"managementEvent"
            | b"readOnly"
            | b"recipientAccountId"
            | b"requestID"
            | b"requestId"
            | b"resources"
            | b"sessionCredentialFromConsole"
            | b"sharedEventID"
            | b"sourceIPAddress"
            | b"userIdentity"
            | b"vpcEndpointAccountId"
            | b"vpcEndpointId"
    )
}

/// Whether AWS fills a member of a field: `tlsDetails`, except for the host that the caller names.
pub(super) fn is_filled_in(field: &[u8], key: &[u8]) -> bool {
    field == b"tlsDetails" && matches!(key, b"cipherSuite" | b"keyExchange" | b"tlsVersion")
}

/// Whether AWS fills a condition in the context of a call. The caller chooses some conditions.
pub(super) fn is_filled_in_context(field: &[u8], context: &[u8], key: &[u8]) -> bool {
    const CHOSEN: &[&[u8]] = &[b"agent", b"referer"];
    let chosen = || {
        let at = |word: &&[u8]| key.len().checked_sub(word.len());
        let ends = |word: &&[u8]| at(word).is_some_and(|at| key[at..].eq_ignore_ascii_case(word));
        CHOSEN.iter().any(ends) || memchr::memchr(b'/', key).is_some()
    };
    field == b"eventContext" && context == b"requestContext" && !chosen()
}

/// The parts of a record's field that AWS fills.
pub(super) fn filled<'d>(field: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let key = field.raw_key().unwrap_or_default();
    let context = (key == b"eventContext").then(|| field.get("requestContext"));
    let conditions = context.flatten().into_iter().flat_map(move |context| {
        context.children().filter(move |condition| {
            let condition = condition.raw_key();
            condition
                .is_some_and(|condition| is_filled_in_context(key, b"requestContext", condition))
        })
    });
    is_filled(key)
        .then_some(field)
        .into_iter()
        .chain(conditions)
}

/// The signs of secrets in a field and the fields after it, up to the next one that AWS fills, and the
/// id of the first node after these.
pub(super) fn signs(record: Node<'_>, field: Node<'_>) -> (u32, Signs) {
    let (end, text) = unfilled(record, field);
    (end, Signs::of(text))
}

/// The text of a field and the fields after it, up to the next one that AWS fills, and the id of the first
/// node after these.
pub(super) fn unfilled<'d>(record: Node<'d>, field: Node<'d>) -> (u32, &'d str) {
    let fills = |field: Node<'_>| field.raw_key().is_some_and(is_filled);
    let mut last = field;
    while last.end_id() < record.end_id() && !fills(record.with_id(last.end_id())) {
        last = record.with_id(last.end_id());
    }
    let text = &record.text()[field.entry_start()..last.span().end];
    (last.end_id(), text)
}

/// A text that AWS filled and the parts between its separators, such as a person's name and an account
/// number in an ARN.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let whole = text.trim();
    // The resource of an ARN, and the session of a `principalId`.
    let resource = whole.splitn(6, ':').nth(5);
    let session = whole.split_once(':').map(|(_, session)| session);
    let pieces = whole.split([':', '/', ' ', ',']);
    [Some(whole), resource, session]
        .into_iter()
        .flatten()
        .chain(pieces)
}

/// The texts below a value.
pub(super) fn texts<'d>(node: Node<'d>) -> impl Iterator<Item = (u32, Cow<'d, str>)> {
    (node.id()..node.end_id()).filter_map(move |id| {
        let node = node.with_id(id);
        let text = match node.kind() {
            Type::String => node.as_str()?,
            Type::Number => Cow::Borrowed(node.raw()),
            _ => return None,
        };
        Some((id, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_and_a_principal_have_their_names_as_parts() {
        let of = |text: &'static str| parts(text).collect::<Vec<_>>();
        let arn = of("arn:aws:sts::111122223333:assumed-role/Role/alice@example.com");
        for part in [
            "111122223333",
            "Role",
            "alice@example.com",
            "assumed-role/Role/alice@example.com",
        ] {
            assert!(arn.contains(&part), "{part}: {arn:?}");
        }
        assert!(of("AROAEXAMPLE:a:b").contains(&"a:b"));
    }
}
