//! Turns what Amazon Q Developer did, as AWS CloudTrail recorded it, into OpenTelemetry log records and
//! spans: bytes in, OTLP requests out. No I/O, no clock, no random number, no async runtime.
//!
//! One call does the usual thing:
//!
//! ```
//! use qtrail_core::Converter;
//!
//! let file = br#"{"Records": [{"eventVersion": "1.08", "eventTime": "2024-04-10T14:07:55Z",
//!     "eventSource": "q.amazonaws.com", "eventName": "SendMessage", "eventID": "b1"}]}"#;
//! // CloudTrail's file name tells when the events were delivered.
//! let name = "1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz";
//! let converted = Converter::default().convert_file(file, name);
//! assert_eq!((converted.exported, converted.rejects.len()), (1, 0));
//! // What an OTLP/HTTP collector takes at /v1/logs and /v1/traces.
//! assert!(!converted.logs.is_empty() && !converted.spans.is_empty());
//! ```
//!
//! # What a version number promises
//!
//! [`Converter::convert_file`], [`Converted`] and the types in their fields. The modules are public for the
//! sidecar `qtrail` and for whoever needs a part alone, and may change in any version. In the order in which
//! an event passes them:
//!
//! 1. [`envelope`]: bytes in any container (gzip, `Records`, NDJSON, …) become records and rejects.
//! 2. [`json`]: one record's JSON, parsed without copies.
//! 3. [`event`]: one record, parsed once; which events are Amazon Q's.
//! 4. [`convert`]: the one description of which field becomes which attribute.
//! 5. [`otlp`]: the sinks that write OTLP's wire form, grouped by resource.
//!
//! [`reject`] says why a record is not exported.

pub mod convert;
mod converter;
pub mod envelope;
pub mod event;
pub mod json;
pub mod otlp;
pub mod reject;

pub use converter::{Converted, Converter, REQUEST_BYTES, Verdict};
