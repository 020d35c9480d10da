//! Converts AWS CloudTrail records of Amazon Q Developer to OpenTelemetry log records and spans: bytes in,
//! OTLP requests out. It does no I/O and reads no clock, no random number and no environment variable; it
//! needs no async runtime.
//!
//! One call converts a file:
//!
//! ```
//! use qtrail_core::Converter;
//!
//! let file = br#"{"Records": [{"eventVersion": "1.08", "eventTime": "2024-04-10T14:07:55Z",
//!     "eventSource": "q.amazonaws.com", "eventName": "SendMessage", "eventID": "b1"}]}"#;
//! // CloudTrail's name of the file holds the time of delivery, which becomes the observed time.
//! let name = "1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz";
//! let converted = Converter::default().convert_file(file, name);
//! assert_eq!((converted.exported, converted.rejects.len()), (1, 0));
//! // Each element is the body of one request to an OTLP/HTTP collector.
//! for request in &converted.logs {
//!     println!("POST /v1/logs, {} bytes of protobuf", request.len());
//! }
//! for request in &converted.spans {
//!     println!("POST /v1/traces, {} bytes of protobuf", request.len());
//! }
//! ```
//!
//! The same file always gives the same bytes, with the same trace and span ids, on any machine. Secrets
//! are masked. A record that cannot be read never fails the file: it is in [`Converted::rejects`] with its
//! [reason](reject::Reason), position and bytes.
//!
//! # Stability
//!
//! Semantic versioning covers [`Converter::convert_file`], [`Converted`] and the types of their fields. The
//! modules are public for the sidecar `qtrail` and for programs that need only one step. They may change in
//! any version. In the order in which an event passes them:
//!
//! 1. [`envelope`]: takes records out of their container (gzip, `Records`, NDJSON, …), with a reject for
//!    each one that cannot be read.
//! 2. [`json`]: parses a record without copying it.
//! 3. [`event`]: a parsed record; decides which events are Amazon Q's.
//! 4. [`convert`]: maps fields to attributes, and masks secrets.
//! 5. [`otlp`]: encodes OTLP, grouped by resource.
//!
//! [`assemble`] finds the parents of events, for conversations as trees; [`sorted`] sorts what does not fit into memory.

pub mod assemble;
mod blocks;
pub mod convert;
mod converter;
pub mod envelope;
pub mod event;
pub mod json;
pub mod otlp;
pub mod reject;
pub mod sorted;

pub use converter::{Converted, Converter, REQUEST_BYTES, RecordOutcome};
