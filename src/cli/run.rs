//! `qtrail run`.
