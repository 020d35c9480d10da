//! Encodes a log record's fields except its attributes.

use super::{SAMPLED, value, wire};
use crate::convert::{Head, Severity};

/// `LogRecord.attributes`
pub(super) const ATTRIBUTE: u8 = 0x32;

const TIME: u8 = 0x09;
const SEVERITY_NUMBER: u8 = 0x10;
const SEVERITY_TEXT: u8 = 0x1a;
const BODY: u8 = 0x2a;
const FLAGS: u8 = 0x45;
const TRACE_ID: u8 = 0x4a;
const SPAN_ID: u8 = 0x52;
const OBSERVED_TIME: u8 = 0x59;
const EVENT_NAME: u8 = 0x62;

/// Writes a `LogRecord` without its attributes.
pub(super) fn head(out: &mut Vec<u8>, head: &Head<'_>) {
    wire::fixed64(out, TIME, unix_nano(head.time));
    wire::fixed64(out, OBSERVED_TIME, unix_nano(head.observed));
    out.extend_from_slice(&[SEVERITY_NUMBER, head.severity as u8]);
    wire::bytes(out, SEVERITY_TEXT, severity_text(head.severity).as_bytes());
    wire::fixed32(out, FLAGS, SAMPLED);
    wire::bytes(out, TRACE_ID, &head.trace_id);
    wire::bytes(out, SPAN_ID, &head.span_id);
    wire::bytes(out, EVENT_NAME, head.name.as_bytes());
    if let Some(body) = &head.body {
        value::body(out, BODY, body);
    }
}

/// OTLP's name of a severity, such as `INFO`.
pub(super) fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Warn => "WARN",
        Severity::Error => "ERROR",
    }
}

/// OTLP's times are unsigned, and 0 means unknown: a time before 1970 becomes 0.
pub(super) fn unix_nano(time: i64) -> u64 {
    time.max(0) as u64
}
