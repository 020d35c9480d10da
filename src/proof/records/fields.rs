//! The attributes of records about a trail's integrity. `docs/proof.md` lists them.

use qtrail_core::convert::{Field, On};

use crate::proof::attributes::field;

pub(super) static SOURCE: Field = both("qtrail.integrity.source");
pub(super) static KIND: Field = both("qtrail.integrity.kind");
pub(super) static FAILURE: Field = both("qtrail.integrity.failure");
pub(super) static OBJECT: Field = both("qtrail.integrity.object");
pub(super) static COUNT: Field = both("qtrail.integrity.count");
pub(super) static VERIFIED: Field = both("qtrail.integrity.verified");
pub(super) static FAILURES: Field = both("qtrail.integrity.failures");
pub(super) static DIGESTS: Field = both("qtrail.integrity.digests");
pub(super) static LOG_FILES: Field = both("qtrail.integrity.log_files");
pub(super) static NOT_YET: Field = both("qtrail.integrity.not_yet");
pub(super) static LEFT_OUT: Field = both("qtrail.integrity.left_out");
pub(super) static COVERED_FROM: Field = both("qtrail.integrity.covered_from");
pub(super) static COVERED_TO: Field = both("qtrail.integrity.covered_to");

const fn both(name: &'static str) -> Field {
    field(On::Both, name)
}
