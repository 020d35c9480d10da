//! The integration tests, as one binary.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests are tests, which clippy.toml cannot know; a binary has no public items"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../e2e/mod.rs"]
mod e2e;

mod backfill;
mod bad_input;
mod cli;
mod crash;
mod directory;
mod duplicates;
mod envelope;
mod event_history;
mod export;
mod grpc;
mod http;
mod ingest;
mod listen;
mod oracle;
mod organization;
mod otlp_in;
mod pipeline;
mod properties;
mod redaction;
mod run;
