//! The sidecar's parts, for its own tests and benches; no version number promises them.
pub mod ack;
pub mod aws;
pub mod backfill;
pub mod cli;
mod codec;
pub mod config;
mod database;
pub mod export;
pub mod input;
mod no_proxy;
mod pem;
pub mod pipeline;
mod reload;
pub mod shutdown;
pub mod sidecar;
pub mod telemetry;
