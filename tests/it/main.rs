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

#[path = "../soak/mod.rs"]
mod soak;

mod agents;
mod answers;
mod assemble;
mod assembly;
mod backfill;
mod bad_input;
mod check;
mod cli;
mod corpus;
mod crash;
mod damage;
mod demo;
mod directory;
mod duplicates;
mod envelope;
mod event_history;
mod exits;
mod export;
mod forgery;
pub(crate) mod ground_truth;
mod grpc;
mod http;
mod ingest;
mod larger_than_memory;
mod letters;
mod line_files;
mod lint_trail;
mod listen;
mod log_file;
mod manifest;
mod memory;
mod metrics;
mod oracle;
mod organization;
mod otlp_in;
mod outcome;
mod own_files;
mod people;
mod pipeline;
mod properties;
mod proxy;
mod readiness;
mod redaction;
mod replay;
mod report;
mod rooms;
mod run;
mod status;
mod unread;
mod verify;
