//! qtrail turns what Amazon Q Developer did, as AWS CloudTrail recorded it, into OpenTelemetry log
//! records and spans.
//!
//! A guided tour, in the order in which an event passes the rooms:
//!
//! 1. [`envelope`]: bytes in any container (gzip, `Records`, NDJSON, …) become records and rejects.
//! 2. [`event`]: one record, parsed once; which events are Amazon Q's.
//! 3. [`convert`]: the one description of which field becomes which attribute, spoken to a sink.
//! 4. [`otlp`]: the sinks that write OTLP's wire form, grouped by resource.
//!
//! These four are plain functions without I/O, and all that an embedder needs
//! (`default-features = false` leaves the rest out). Around them, for the sidecar:
//! `input` feeds them, `export` carries the result to a collector, `ack` turns its answers into
//! commits and dead letters, and `pipeline` is the whole flow on one screen.
//!
//! # In your own program
//!
//! ```
//! use qtrail::convert::{Options, Placement, convert, observed_time};
//! use qtrail::event::amazon_q::{Lists, Select, Selector};
//! use qtrail::otlp::Encoder;
//!
//! let record = br#"{"eventVersion": "1.08", "eventTime": "2024-04-10T14:07:55Z",
//!     "eventSource": "q.amazonaws.com", "eventName": "SendMessage", "eventID": "b1"}"#;
//! let options = Options::default();
//! let selector = Selector::new(Select::AmazonQ, &Lists::default());
//! let mut encoder = Encoder::new(&options);
//! if let Some(event) = selector.select(record, 64)? {
//!     let placement = Placement::of(&event);
//!     // CloudTrail's file name tells when the event was delivered.
//!     let observed = observed_time("1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz", None);
//!     convert(event, &placement, observed, &options, &mut encoder);
//! }
//! let encoded = encoder.take();
//! // What an OTLP/HTTP collector takes at /v1/logs and /v1/traces.
//! let (logs, traces) = (encoded.logs.encode(), encoded.spans.encode());
//! assert!(encoded.events == 1 && !logs.is_empty() && !traces.is_empty());
//! # Ok::<(), qtrail::reject::Reason>(())
//! ```
//!
//! [`envelope::open`] finds the records in a file; `examples/convert_one.rs` has both together.

pub mod convert;
pub mod envelope;
pub mod event;
pub mod otlp;
pub mod reject;

#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod ack;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod aws;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod backfill;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "sidecar")]
mod codec;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod config;
#[cfg(feature = "sidecar")]
mod database;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod export;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod input;
#[cfg(feature = "sidecar")]
mod no_proxy;
#[cfg(feature = "sidecar")]
mod pem;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod pipeline;
#[cfg(feature = "sidecar")]
pub mod proto;
#[cfg(feature = "sidecar")]
mod reload;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod sample;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod shutdown;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod sidecar;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod telemetry;
