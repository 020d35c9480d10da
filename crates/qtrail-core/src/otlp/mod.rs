//! The sinks that write OTLP, and flat JSON.
//!
//! Enters: the heads and attributes that [`crate::convert`] writes. Leaves: from an [`Encoder`], a
//! [`Payload`] for each signal: encoded records, grouped by resource, with their boundaries; from a
//! [`Flat`], JSON lines. What must hold: the bytes decode with `opentelemetry-proto`; a payload can be
//! split at any record without encoding it again; each record is under its own resource.
//!
//! ```
//! use qtrail_core::Converter;
//! use qtrail_core::otlp::Encoder;
//! use qtrail_core::reject::Position;
//!
//! let record = br#"{"eventTime": "2024-04-10T14:07:55Z", "eventSource": "q.amazonaws.com",
//!     "eventName": "SendMessage", "eventID": "b1"}"#;
//! let converter = Converter::default();
//! let mut encoder = Encoder::new(&converter.options);
//! converter.convert_record(record, Position::default(), None, &mut encoder);
//! let encoded = encoder.take();
//! assert_eq!((encoded.events, encoded.logs.len(), encoded.spans.len()), (1, 1, 1));
//! // Protobuf for /v1/logs, and the same as JSON.
//! let (protobuf, json) = (encoded.logs.encode(), encoded.logs.to_json());
//! assert_eq!(protobuf.len(), encoded.logs.encoded_len());
//! assert!(json.starts_with(br#"{"resourceLogs":"#));
//! ```

mod encoder;
mod flat;
pub mod json;
mod log;
mod parts;
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
    /// The name in metrics, configuration and OTLP/HTTP paths: `logs` or `traces`.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }
}

/// The flags of log records, spans and links: sampled (W3C trace flags).
const SAMPLED: u32 = 1;

/// Levels of maps and arrays inside one value; deeper ones are written as JSON text. Protobuf decoders
/// refuse more than 100 nested messages, and each map level takes three.
const VALUE_DEPTH: u32 = 24;
