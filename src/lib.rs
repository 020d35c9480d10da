//! qtrail
