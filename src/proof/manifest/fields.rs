//! The attributes of a manifest record. `docs/proof.md` lists them.

use qtrail_core::convert::{Field, On};

use crate::proof::attributes::field;

const fn log(name: &'static str) -> Field {
    field(On::Log, name)
}

pub(super) static OBJECT: Field = log("qtrail.manifest.object");
pub(super) static INPUT: Field = log("qtrail.manifest.input");
pub(super) static OFFSET: Field = log("qtrail.manifest.offset");
pub(super) static SIZE: Field = log("qtrail.manifest.size");
pub(super) static INFLATED_SIZE: Field = log("qtrail.manifest.inflated_size");
pub(super) static SHA256: Field = log("qtrail.manifest.sha256");
pub(super) static FIRST_EVENT: Field = log("qtrail.manifest.first_event");
pub(super) static LAST_EVENT: Field = log("qtrail.manifest.last_event");
pub(super) static DELIVERY_TIME: Field = log("qtrail.manifest.delivery_time");
pub(super) static DIGEST_STATE: Field = log("qtrail.manifest.digest_state");
pub(super) static OUTCOME: Field = log("qtrail.manifest.outcome");
pub(super) static READ: Field = log("qtrail.manifest.read");
pub(super) static EXPORTED: Field = log("qtrail.manifest.exported");
pub(super) static FILTERED: Field = log("qtrail.manifest.filtered");
pub(super) static DUPLICATE: Field = log("qtrail.manifest.duplicate");
pub(super) static DEAD_LETTERED: Field = log("qtrail.manifest.dead_lettered");
pub(super) static SKIPPED: Field = log("qtrail.manifest.skipped");
