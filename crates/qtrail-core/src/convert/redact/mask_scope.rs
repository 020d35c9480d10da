//! How far a value may be masked, by the last word of its key.

/// What may be masked in a value, besides a value whose own key names a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskScope {
    /// Free text: shapes of secrets, and copies of secrets.
    Text,
    /// A URL in a request or an answer: copies of secrets only after its path.
    Url,
    /// The name of a resource in a request or an answer: only shapes of secrets.
    Name,
    /// A value that AWS fills: nothing.
    Filled,
}

/// How far a value under this key may be masked, if AWS does not fill it.
pub(super) fn mask_scope(key: &[u8]) -> MaskScope {
    // `subnetId1`, `bucket_2`.
    let letters = key.iter().rposition(u8::is_ascii_alphabetic);
    let key = &key[..letters.map_or(0, |last| last + 1)];
    if ends_in_word(key, URLS) {
        MaskScope::Url
    } else if ends_in_word(key, NAMES) || is_unparted(key) && ends_in(key, UNPARTED) {
        MaskScope::Name
    } else {
        MaskScope::Text
    }
}

/// Whether the key's last word, which a capital or a non-letter starts, is one of these.
fn ends_in_word(key: &[u8], words: &[&str]) -> bool {
    let starts_word = |at: usize| {
        at == 0 || !key[at - 1].is_ascii_alphabetic() || {
            key[at].is_ascii_uppercase() && key[at - 1].is_ascii_lowercase()
        }
    };
    // `instanceID`, `ARN`: a word in capitals after a small letter starts there too.
    endings(key, words).any(|word| starts_word(key.len() - word.len()))
}

/// Whether the key ends in one of these words, in any case.
pub(super) fn ends_in(key: &[u8], words: &[&str]) -> bool {
    endings(key, words).next().is_some()
}

/// The words that the key ends in.
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

/// Whether a key has only small letters, or only capitals.
fn is_unparted(key: &[u8]) -> bool {
    key.iter().all(u8::is_ascii_lowercase) || key.iter().all(u8::is_ascii_uppercase)
}

/// Last words of keys in requests and answers whose value names a resource, a person, a location or a
/// type.
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

/// The same for keys without a boundary between words: `username`, `QUEUENAME`.
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

/// Last words of keys whose value is a URL; its host and path name a resource.
const URLS: &[&str] = &[
    "endpoint",
    "endpoints",
    "link",
    "location",
    "uri",
    "uris",
    "url",
    "urls",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_key_decides() {
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
            assert_eq!(mask_scope(key.as_bytes()), MaskScope::Name, "{key}");
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
            assert_eq!(mask_scope(key.as_bytes()), MaskScope::Text, "{key}");
        }
        for key in ["url", "uploadUrl", "queueUrl", "QueueURL", "uri"] {
            assert_eq!(mask_scope(key.as_bytes()), MaskScope::Url, "{key}");
        }
    }
}
