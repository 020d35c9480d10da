//! `qtrail replay`.
