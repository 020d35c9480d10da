//! `qtrail sample`.
