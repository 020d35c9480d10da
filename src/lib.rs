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
pub mod cli;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod config;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod export;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod input;
#[cfg(feature = "sidecar")]
#[doc(hidden)]
pub mod pipeline;
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
