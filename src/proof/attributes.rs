//! What all records of qtrail's own have in common: names, values, ids.

use std::borrow::Cow;

use qtrail_core::convert::{Field, On, ResourceKey, Stability, Value};
use sha2::{Digest as _, Sha256};

/// `service.name`.
const SERVICE: &str = "qtrail";

/// An attribute's name. `docs/proof.md` lists them.
pub(super) const fn field(on: On, name: &'static str) -> Field {
    Field {
        name,
        on,
        from: "",
        stability: Stability::Qtrail,
    }
}

/// The resource of a record about an account and a region, as far as they are known.
pub(super) fn resource(account: Option<&str>, region: Option<&str>) -> ResourceKey<'static> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    ResourceKey {
        service_name: Cow::Borrowed(SERVICE),
        account_id: account.map(text),
        region: region.map(text),
    }
}

pub(super) fn text(text: impl Into<String>) -> Value<'static> {
    Value::Str(Cow::Owned(text.into()))
}

pub(super) fn number(number: u64) -> Value<'static> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An id that depends on these parts alone.
pub(super) fn id<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update((part.len() as u64).to_le_bytes());
        sha256.update(part);
    }
    let mut id = [0; N];
    id.copy_from_slice(&sha256.finalize()[..N]);
    id
}
