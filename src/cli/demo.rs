//! `qtrail demo`.
