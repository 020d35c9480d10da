//! CloudTrail's log file integrity: whether the files of a trail are complete and unchanged.
//!
//! CloudTrail signs a digest file every hour, for each account and region, that names the log files it delivered,
//! with their hashes, and the digest before it.
//!
//! ```text
//! source ─▶ layout ─▶ digest ─▶ chain ─▶ hash ─▶ Finding
//! (folder, bucket)    (parsed)  (signed,  (each log file
//!                                linked)   that it names)
//! ```
//!
//! Enters: a copy of a bucket, or the bucket; public keys; a range of time. Leaves: findings, always in the same
//! order, and counts. What must hold: `names`, `digest`, `keys`, `chain` and `coverage` do no I/O and read no clock;
//! only what a signed digest names, with its hash, is verified; memory does not grow with the number of files, but
//! with those of one day of a region.

#[cfg(feature = "aws")]
pub(crate) mod bucket;
mod chain;
pub(crate) mod coverage;
mod digest;
pub(crate) mod finding;
pub(crate) mod folder;
pub(crate) mod group;
mod hash;
pub(crate) mod key_files;
pub(crate) mod keys;
pub(crate) mod layout;
mod log_days;
mod log_file;
pub(crate) mod names;
mod parallel;
pub(crate) mod reach;
pub(crate) mod source;
#[cfg(test)]
mod tests;
pub(crate) mod verify;

pub(crate) use names::{DigestName, rfc3339};
