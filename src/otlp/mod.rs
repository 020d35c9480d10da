//! The sinks that write OTLP's wire form, grouped by resource.
//!
//! Enters: what [`crate::convert`] says. Leaves: a [`Payload`] for each signal: encoded records,
//! grouped by resource, with their boundaries. What must hold: the bytes decode with
//! `opentelemetry-proto`; a payload can be cut at any record without encoding anything again; no
//! record sits under another one's resource.

mod log;
mod payload;
mod span;
mod wire;

pub use payload::{Encoded, Encoder, Payload};

/// An OTLP signal that qtrail emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

impl Signal {
    /// The name in metrics, configuration and OTLP/HTTP paths: `logs`, `traces`.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }
}
