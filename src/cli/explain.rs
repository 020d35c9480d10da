//! `qtrail explain`.
