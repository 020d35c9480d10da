//! The integration tests, as one binary.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod cli;
mod crash;
mod directory;
mod envelope;
mod export;
mod pipeline;
