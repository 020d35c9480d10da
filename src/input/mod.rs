//! Where units come from.

pub mod directory;
pub mod event_history;
pub mod grpc;
pub mod http;
mod inflate;
pub mod ingest;
pub mod listen;
pub mod otlp;
pub mod s3;
