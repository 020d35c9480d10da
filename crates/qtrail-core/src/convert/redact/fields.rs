//! Which fields say who, where and which: what AWS fills, and what names a resource.
//!
//! What must hold: a value that a caller can choose hides none of them. So copies of secrets are
//! masked in neither, and shapes of secrets not in what AWS fills.

use std::borrow::Cow;

use super::shapes::Signs;
use crate::json::{Node, Type};

/// How a value may be masked beside its key's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Free text: shapes of secrets, and copies of secrets.
    Text,
    /// A URL in a request or an answer: copies of secrets after its path alone.
    Link,
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

/// The same of what stands in the context of a call: conditions, of which the caller chooses some.
pub(super) fn is_filled_in_context(field: &[u8], context: &[u8], key: &[u8]) -> bool {
    const CHOSEN: &[&[u8]] = &[b"agent", b"referer"];
    let chosen = || {
        let at = |word: &&[u8]| key.len().checked_sub(word.len());
        let ends = |word: &&[u8]| at(word).is_some_and(|at| key[at..].eq_ignore_ascii_case(word));
        CHOSEN.iter().any(ends) || memchr::memchr(b'/', key).is_some()
    };
    field == b"eventContext" && context == b"requestContext" && !chosen()
}

/// What AWS fills of a field of a record.
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

/// Last words of keys, in requests and answers, of what names a resource, a person, a place or a
/// kind: who, where and which.
const NAMES: &[&str] = &[
    "account",
    "accounts",
    "action",
    "actions",
    "actor",
    "address",
    "addresses",
    "alias",
    "aliases",
    "app",
    "application",
    "arn",
    "arns",
    "assignee",
    "attributes",
    "az",
    "branch",
    "bucket",
    "buckets",
    "catalog",
    "channel",
    "cidr",
    "class",
    "cluster",
    "clusters",
    "columns",
    "container",
    "database",
    "date",
    "destination",
    "device",
    "dimensions",
    "directory",
    "distribution",
    "domain",
    "domains",
    "email",
    "environment",
    "file",
    "filename",
    "files",
    "fleet",
    "folder",
    "function",
    "functions",
    "grantee",
    "group",
    "groups",
    "host",
    "hostname",
    "hosts",
    "id",
    "identifier",
    "identifiers",
    "identity",
    "ids",
    "image",
    "instance",
    "instances",
    "ip",
    "ips",
    "job",
    "key",
    "keys",
    "keyspace",
    "kind",
    "layer",
    "login",
    "member",
    "members",
    "mode",
    "name",
    "names",
    "namespace",
    "network",
    "notaction",
    "number",
    "object",
    "operation",
    "operations",
    "org",
    "organization",
    "origin",
    "ou",
    "owner",
    "owners",
    "partition",
    "path",
    "paths",
    "permission",
    "permissions",
    "pipeline",
    "prefix",
    "principal",
    "principals",
    "privileges",
    "project",
    "projects",
    "queue",
    "queues",
    "realm",
    "recipient",
    "recipients",
    "region",
    "regions",
    "repository",
    "resource",
    "resources",
    "role",
    "roles",
    "rule",
    "schema",
    "scope",
    "scopes",
    "sender",
    "serial",
    "server",
    "service",
    "services",
    "share",
    "site",
    "snapshot",
    "source",
    "stack",
    "stage",
    "state",
    "status",
    "stream",
    "streams",
    "sub",
    "subject",
    "subnet",
    "subnets",
    "table",
    "tables",
    "target",
    "targets",
    "task",
    "tenant",
    "time",
    "topic",
    "topics",
    "trail",
    "type",
    "types",
    "user",
    "username",
    "users",
    "vault",
    "version",
    "view",
    "volume",
    "vpc",
    "workflow",
    "workgroup",
    "workspace",
    "zone",
    "zones",
];

/// The same in keys whose words nothing parts: `username`, `QUEUENAME`.
const UNPARTED: &[&str] = &[
    "account",
    "accountid",
    "address",
    "alias",
    "bucket",
    "cluster",
    "clusterid",
    "database",
    "domain",
    "email",
    "function",
    "group",
    "groupid",
    "hostname",
    "identifier",
    "instanceid",
    "keyid",
    "name",
    "names",
    "objectkey",
    "principalid",
    "queue",
    "queueurl",
    "region",
    "repository",
    "resource",
    "resourceid",
    "rolearn",
    "stack",
    "subnetid",
    "topic",
    "userid",
    "vpcid",
    "zone",
];

/// Last words of keys of URLs, whose host and path name a resource.
const LINKS: &[&str] = &[
    "endpoint",
    "endpoints",
    "link",
    "location",
    "uri",
    "uris",
    "url",
    "urls",
];

/// Where a value under such a key stands, if AWS does not fill it.
pub(super) fn place(key: &[u8]) -> Place {
    // `subnetId1`, `bucket_2`.
    let letters = key.iter().rposition(u8::is_ascii_alphabetic);
    let key = &key[..letters.map_or(0, |last| last + 1)];
    if ends_in_word(key, LINKS) {
        Place::Link
    } else if ends_in_word(key, NAMES) || is_unparted(key) && ends_in(key, UNPARTED) {
        Place::Name
    } else {
        Place::Text
    }
}

/// Whether the key's last word, by humps or by what is no letter, is one of these.
fn ends_in_word(key: &[u8], words: &[&str]) -> bool {
    let starts_word = |at: usize| {
        at == 0 || !key[at - 1].is_ascii_alphabetic() || {
            key[at].is_ascii_uppercase() && key[at - 1].is_ascii_lowercase()
        }
    };
    // `instanceID`, `ARN`: a word in capitals alone after a small letter starts there too.
    endings(key, words).any(|word| starts_word(key.len() - word.len()))
}

fn ends_in(key: &[u8], words: &[&str]) -> bool {
    endings(key, words).next().is_some()
}

/// Those of the words in which the key ends.
fn endings<'w>(key: &[u8], words: &'w [&str]) -> impl Iterator<Item = &'w str> {
    let last = key.last().map(u8::to_ascii_lowercase);
    words.iter().copied().filter(move |word| {
        word.as_bytes().last().copied() == last
            && key
                .len()
                .checked_sub(word.len())
                .is_some_and(|at| key[at..].eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Whether a key is of small letters alone, or of capitals alone.
fn is_unparted(key: &[u8]) -> bool {
    key.iter().all(u8::is_ascii_lowercase) || key.iter().all(u8::is_ascii_uppercase)
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
            "username",
            "USERNAME",
            "availabilityZone",
            "objectKey",
            "s3Key",
            "primaryKey",
            "copySource",
            "x-amz-copy-source",
            "hostname",
            "email",
            "path",
            "owner",
            "keyspace",
            "pipeline",
            "project",
            "subnetId1",
            "bucket_2",
            "Action",
            "tagKeys",
            "queueurl",
            "grantTypes",
        ] {
            assert_eq!(place(key.as_bytes()), Place::Name, "{key}");
        }
        for key in [
            "note",
            "message",
            "command",
            "grid",
            "valid",
            "description",
            "value",
            "policy",
            "curl",
            "learn",
            "",
            "17",
        ] {
            assert_eq!(place(key.as_bytes()), Place::Text, "{key}");
        }
        for key in ["url", "uploadUrl", "queueUrl", "QueueURL", "uri"] {
            assert_eq!(place(key.as_bytes()), Place::Link, "{key}");
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
