//! Encodes a span's fields except its attributes.

use super::log::unix_nano;
use super::{SAMPLED, wire};
use crate::convert::{Head, Link};

/// `Span.attributes`
pub(super) const ATTRIBUTE: u8 = 0x4a;

const TRACE_ID: u8 = 0x0a;
const SPAN_ID: u8 = 0x12;
const PARENT_SPAN_ID: u8 = 0x22;
const NAME: u8 = 0x2a;
const KIND: u8 = 0x30;
const START_TIME: u8 = 0x39;
const END_TIME: u8 = 0x41;
const LINK: u8 = 0x6a;
const STATUS: u8 = 0x7a;
/// `Span.flags` is field 16, whose key takes two bytes.
const FLAGS: [u8; 2] = [0x85, 0x01];
// Span.Link; its ids have the keys of the span's ids.
const LINK_FLAGS: u8 = 0x35;
// Status
const STATUS_MESSAGE: u8 = 0x12;
const STATUS_CODE: u8 = 0x18;
/// `STATUS_CODE_ERROR`
const ERROR: u8 = 2;

/// Writes a `Span` without its attributes.
pub(super) fn head(out: &mut Vec<u8>, head: &Head<'_>) {
    wire::bytes(out, TRACE_ID, &head.trace_id);
    wire::bytes(out, SPAN_ID, &head.span_id);
    if let Some(parent) = &head.parent {
        wire::bytes(out, PARENT_SPAN_ID, parent);
    }
    wire::bytes(out, NAME, head.name.as_bytes());
    out.extend_from_slice(&[KIND, head.kind as u8]);
    wire::fixed64(out, START_TIME, unix_nano(head.start));
    wire::fixed64(out, END_TIME, unix_nano(head.end));
    if let Some(span_link) = &head.link {
        link(out, span_link);
    }
    if let Some(message) = &head.error {
        status(out, message);
    }
    out.push(FLAGS[0]);
    wire::fixed32(out, FLAGS[1], SAMPLED);
}

fn link(out: &mut Vec<u8>, link: &Link) {
    let message = wire::open(out, LINK, size_of::<Link>());
    wire::bytes(out, TRACE_ID, &link.trace_id);
    wire::bytes(out, SPAN_ID, &link.span_id);
    wire::fixed32(out, LINK_FLAGS, SAMPLED);
    wire::close(out, message);
}

fn status(out: &mut Vec<u8>, message: &str) {
    let status = wire::open(out, STATUS, message.len() + 4);
    if !message.is_empty() {
        wire::bytes(out, STATUS_MESSAGE, message.as_bytes());
    }
    out.extend_from_slice(&[STATUS_CODE, ERROR]);
    wire::close(out, status);
}
