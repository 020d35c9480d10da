//! What shows that a trail arrived whole and unchanged: log records and spans of qtrail's own.
//!
//! Enters: findings of `integrity`, and what became of units. Leaves: records that were delivered. What must hold:
//! such a record is never counted as an event; what it says is delivered before its input is committed.

pub(crate) mod manifest;
