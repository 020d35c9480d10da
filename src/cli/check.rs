//! `qtrail check`.
