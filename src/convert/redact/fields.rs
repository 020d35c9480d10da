//! Which fields say who, where and which: what AWS fills, and what names a resource.
//!
//! What must hold: a value that a caller can choose hides none of them. So copies of secrets are
//! masked in neither, and shapes of secrets not in what AWS fills.

use std::borrow::Cow;

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

/// The fields of a record that AWS fills, with all below them. (`errorMessage` quotes the caller;
/// `userAgent` and `tlsDetails.clientProvidedHostHeader` are the caller's own.)
pub(super) const FILLED: &[&str] = &[
    "addendum",
    "apiVersion",
    "awsRegion",
    "errorCode",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "resources",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "userIdentity",
    "vpcEndpointAccountId",
    "vpcEndpointId",
];

/// The same of `tlsDetails`.
const FILLED_TLS: &[&str] = &["cipherSuite", "keyExchange", "tlsVersion"];

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

/// Whether AWS fills this value of a record: a direct child of the record's, or of `tlsDetails`.
pub(super) fn is_filled(parent: Option<&[u8]>, key: &[u8]) -> bool {
    let list = match parent {
        None => FILLED,
        Some(b"tlsDetails") => FILLED_TLS,
        Some(_) => return false,
    };
    list.iter().any(|name| name.as_bytes() == key)
}

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
    let is_last = |word: &&str| {
        key.len().checked_sub(word.len()).is_some_and(|at| {
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
    fn what_aws_fills_stands_where_it_stands_alone() {
        assert!(is_filled(None, b"awsRegion"));
        assert!(is_filled(Some(b"tlsDetails"), b"tlsVersion"));
        for (parent, key) in [
            (None, "errorMessage"),
            (None, "requestParameters"),
            (Some(b"requestParameters".as_slice()), "awsRegion"),
            (Some(b"tlsDetails"), "clientProvidedHostHeader"),
        ] {
            assert!(!is_filled(parent, key.as_bytes()), "{key}");
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
