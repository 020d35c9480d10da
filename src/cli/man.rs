//! `qtrail man`.
