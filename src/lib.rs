//! The sidecar's parts, for its own tests and benches; no version number promises them.
pub mod aws;
pub mod cli;
pub mod config;
pub mod dead_letter;
pub mod export;
pub mod input;
mod integrity;
mod lint;
#[cfg_attr(
    not(feature = "aws"),
    expect(dead_code, reason = "without AWS, names are only read")
)]
mod names;
pub mod pipeline;
mod proof;
pub mod runtime;
pub mod sidecar;
pub mod telemetry;
pub(crate) mod view;
