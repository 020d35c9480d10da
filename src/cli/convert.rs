//! `qtrail convert`.
