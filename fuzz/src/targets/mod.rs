//! What must hold of any bytes, one module a target.
//!
//! Enters: bytes. Leaves: how many things were looked at, so that a replay can tell a test from an
//! empty one; or a panic, where a property does not hold. libFuzzer calls these functions with bytes
//! that it makes up, `cargo test` with those of `fuzz/corpus`.

pub mod conversion;
pub mod envelope;
pub mod ingest;
pub mod log_file;
#[cfg(feature = "aws")]
pub mod notices;
pub mod record;
pub mod redaction;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use qtrail_core::convert::{self, Options, Placement};
use qtrail_core::event::Event;
use qtrail_core::otlp::{Encoded, Encoder, Flat};
use serde_json::value::RawValue;

/// Levels of nesting in an event, as by default.
const DEPTH: u32 = 64;

/// What one event becomes.
struct Made {
    encoded: Encoded,
    flat: Vec<u8>,
    logs: ExportLogsServiceRequest,
    spans: ExportTraceServiceRequest,
}

impl Made {
    /// Of a record that is an event; `None` of one that is none.
    fn of(record: &[u8], options: &Options) -> Option<Self> {
        let event = || Event::parse(record, DEPTH).ok();
        let placement = Placement::of(&event()?);
        let mut encoder = Encoder::new(options);
        convert::convert(event()?, &placement, None, options, &mut encoder);
        let mut flat = Flat::new(options);
        convert::convert(event()?, &placement, None, options, &mut flat);
        let encoded = encoder.take();
        Some(Made {
            logs: ExportLogsServiceRequest::decode(encoded.logs.encode()).expect("OTLP's logs"),
            spans: ExportTraceServiceRequest::decode(encoded.spans.encode()).expect("OTLP's spans"),
            flat: flat.take(),
            encoded,
        })
    }

    /// The one log record.
    fn log(&self) -> &LogRecord {
        let groups = self.logs.resource_logs.iter().flat_map(|r| &r.scope_logs);
        let mut records = groups.flat_map(|scope| &scope.log_records);
        let record = records.next().expect("a log record");
        assert!(records.next().is_none(), "more than one log record");
        record
    }

    /// The one span.
    fn span(&self) -> &Span {
        let groups = self
            .spans
            .resource_spans
            .iter()
            .flat_map(|r| &r.scope_spans);
        let mut spans = groups.flat_map(|scope| &scope.spans);
        let span = spans.next().expect("a span");
        assert!(spans.next().is_none(), "more than one span");
        span
    }

    /// All that leaves the machine, in each of its forms.
    fn output(&self) -> [Vec<u8>; 5] {
        [
            self.encoded.logs.encode().to_vec(),
            self.encoded.spans.encode().to_vec(),
            self.encoded.logs.to_json(),
            self.encoded.spans.to_json(),
            self.flat.clone(),
        ]
    }
}

/// Whether a text is JSON, by another parser's judgement of its grammar.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The levels of nesting in JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}
