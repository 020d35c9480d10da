//! Where units come from.

pub mod backfill;
pub mod directory;
pub mod event_history;
pub mod ingest;
pub mod s3;
