//! Which fields say who, where and which: what AWS fills, and what names a resource.
//!
//! What must hold: a value that a caller can choose hides none of them. So copies of secrets are
//! masked in neither, and shapes of secrets not in what AWS fills.

use std::borrow::Cow;

use super::shapes::Signs;
use crate::envelope::json::{Node, Type};

/// How a value may be masked beside its key's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Free text: shapes of secrets, and copies of secrets.
    Text,
    /// What names a resource in a request or an answer: shapes of secrets alone.
    Name,
    /// What AWS fills: neither.
    Filled,
}

/// Whether AWS fills a field of a record, with all below it. (`errorMessage` quotes the caller;
/// `userAgent` is the caller's own.)
pub(super) fn is_filled(field: &[u8]) -> bool {
    matches!(
        field,
        b"addendum"
            | b"apiVersion"
            | b"awsRegion"
            | b"errorCode"
            | b"eventCategory"
            | b"eventID"
            | b"eventName"
            | b"eventSource"
            | b"eventTime"
            | b"eventType"
            | b"eventVersion"
            | b"managementEvent"
            | b"readOnly"
            | b"recipientAccountId"
            | b"requestID"
            | b"resources"
            | b"sessionCredentialFromConsole"
            | b"sharedEventID"
            | b"sourceIPAddress"
            | b"userIdentity"
            | b"vpcEndpointAccountId"
            | b"vpcEndpointId"
    )
}

/// The same of what stands in a field: of `tlsDetails`, but for the host that the caller names.
pub(super) fn is_filled_in(field: &[u8], key: &[u8]) -> bool {
    field == b"tlsDetails" && matches!(key, b"cipherSuite" | b"keyExchange" | b"tlsVersion")
}

/// The signs of secrets in a field and the fields after it, up to the next one that AWS fills, and
/// the number of the first node after these.
pub(super) fn signs(record: Node<'_>, field: Node<'_>) -> (u32, Signs) {
    let fills = |field: Node<'_>| field.raw_key().is_some_and(is_filled);
    let mut last = field;
    while last.end_id() < record.end_id() && !fills(record.with_id(last.end_id())) {
        last = record.with_id(last.end_id());
    }
    let text = &record.text()[field.entry_start()..last.span().end];
    (last.end_id(), Signs::of(text))
}

/// Last words of keys, in requests and answers, of what names a resource.
const NAMES: &[&str] = &[
    "account",
    "accounts",
    "address",
    "alias",
    "arn",
    "arns",
    "bucket",
    "cidr",
    "cluster",
    "database",
    "date",
    "domain",
    "function",
    "group",
    "groups",
    "host",
    "id",
    "identifier",
    "identifiers",
    "ids",
    "instance",
    "ip",
    "name",
    "names",
    "principal",
    "queue",
    "region",
    "regions",
    "repository",
    "resource",
    "resources",
    "role",
    "service",
    "stack",
    "subnet",
    "table",
    "time",
    "topic",
    "user",
    "vpc",
];

/// Where a value under such a key stands, if AWS does not fill it.
pub(super) fn place(key: &[u8]) -> Place {
    if names_a_resource(key) {
        Place::Name
    } else {
        Place::Text
    }
}

/// Whether the key's last word, by humps or by what is no letter, is one of [`NAMES`]; `key` is the
/// key of an object in S3, and that of KMS.
fn names_a_resource(key: &[u8]) -> bool {
    let starts_word = |at: usize| {
        at == 0 || !key[at - 1].is_ascii_alphabetic() || {
            key[at].is_ascii_uppercase() && key[at - 1].is_ascii_lowercase()
        }
    };
    let last = key.last().map(u8::to_ascii_lowercase);
    let is_last = |word: &&str| {
        word.as_bytes().last().copied() == last
            && key.len().checked_sub(word.len()).is_some_and(|at| {
                // `instanceID`, `ARN`: a word in capitals alone after a small letter starts there too.
                key[at..].eq_ignore_ascii_case(word.as_bytes()) && starts_word(at)
            })
    };
    key.eq_ignore_ascii_case(b"key") || NAMES.iter().any(is_last)
}

/// What a text that AWS filled consists of: itself, and what its separators part, such as a
/// person's name and an account's number in an ARN.
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
    fn keys_of_names_are_told_by_their_last_word() {
        for key in [
            "bucketName",
            "BucketName",
            "bucket",
            "instanceId",
            "instanceID",
            "dBInstanceIdentifier",
            "resourceArn",
            "ARN",
            "arn",
            "roleSessionName",
            "Host",
            "key",
            "Key",
            "region",
            "account_id",
            "conversationId",
            "cluster",
            "userName",
        ] {
            assert_eq!(place(key.as_bytes()), Place::Name, "{key}");
        }
        for key in [
            "note",
            "message",
            "url",
            "command",
            "grid",
            "valid",
            "description",
            "value",
            "policy",
            "primaryKey",
            "rename",
            "uploadUrl",
        ] {
            assert_eq!(place(key.as_bytes()), Place::Text, "{key}");
        }
    }

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
