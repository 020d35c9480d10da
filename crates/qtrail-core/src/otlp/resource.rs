//! Encodes what surrounds the records: the resource, the scope, the schema.

use std::sync::LazyLock;

use bytes::Bytes;
pub(super) use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::attribute::{
    CLOUD_ACCOUNT_ID, CLOUD_PROVIDER, CLOUD_REGION, SERVICE_NAME, SERVICE_NAMESPACE,
};

use super::{value, wire};
use crate::convert::ResourceKey;

/// `Resource.attributes`
const RESOURCE_ATTRIBUTE: u8 = 0x0a;
// InstrumentationScope
const SCOPE_NAME: u8 = 0x0a;
const SCOPE_VERSION: u8 = 0x12;
const SCOPE_ATTRIBUTE: u8 = 0x1a;

/// The encoded `InstrumentationScope`, the same for all records.
pub(super) static SCOPE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut out = Vec::new();
    wire::bytes(&mut out, SCOPE_NAME, b"qtrail");
    wire::bytes(
        &mut out,
        SCOPE_VERSION,
        env!("CARGO_PKG_VERSION").as_bytes(),
    );
    value::key_text(
        &mut out,
        SCOPE_ATTRIBUTE,
        "encoding.format",
        "aws.cloudtrail",
    );
    out.into()
});

/// A resource's attributes: the event's own, then the added ones. An added attribute replaces the
/// event's own of the same name; of two added ones with the same name, the last one counts.
pub(super) fn attributes<'a>(
    key: &'a ResourceKey<'_>,
    added: &'a [(String, String)],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = [
        (SERVICE_NAME, Some(key.service_name.as_ref())),
        (SERVICE_NAMESPACE, Some("aws.cloudtrail")),
        (CLOUD_PROVIDER, Some("aws")),
        (CLOUD_ACCOUNT_ID, key.account_id.as_deref()),
        (CLOUD_REGION, key.region.as_deref()),
    ];
    let is_added_from =
        move |first: usize, name: &str| added[first..].iter().any(|(other, _)| other == name);
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(move |(name, _)| !is_added_from(0, name));
    let added = added
        .iter()
        .enumerate()
        .filter(move |(index, (name, _))| !is_added_from(index + 1, name))
        .map(|(_, (name, value))| (name.as_str(), value.as_str()));
    own.chain(added)
}

/// The encoded `Resource`.
pub(super) fn encode(key: &ResourceKey<'_>, added: &[(String, String)]) -> Bytes {
    let mut out = Vec::new();
    for (name, text) in attributes(key, added) {
        value::key_text(&mut out, RESOURCE_ATTRIBUTE, name, text);
    }
    out.into()
}
