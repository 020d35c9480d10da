//! The sinks that write OTLP's wire form, grouped by resource.
//!
//! Enters: what [`crate::convert`] says. Leaves: a [`Payload`] for each signal: encoded records,
//! grouped by resource, with their boundaries; or flat JSON ([`Flat`]). What must hold: the bytes
//! decode with `opentelemetry-proto`; a payload can be cut at any record without encoding anything
//! again; no record sits under another one's resource.

mod encoder;
mod flat;
pub mod json;
mod log;
mod payload;
mod resource;
mod span;
#[cfg(test)]
mod tests;
mod value;
mod wire;

pub use encoder::{Encoded, Encoder};
pub use flat::Flat;
pub use payload::Payload;

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

/// The flags of log records, spans and links: sampled (W3C trace flags).
const SAMPLED: u32 = 1;

/// Levels of maps and arrays inside one value; what lies deeper is said as JSON text. Protobuf
/// decoders refuse more than 100 nested messages, of which each map level takes three.
const VALUE_DEPTH: u32 = 24;
