//! `qtrail completions`.
