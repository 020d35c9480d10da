//! An event becomes one log record and one span that any decoder reads, with the ids that the mapping
//! gives it, whatever the options and however often.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use qtrail_core::convert::{Body, Options, Placement, convert};
use qtrail_core::event::Event;
use qtrail_core::otlp::Encoder;
use serde_json::Value;

use super::{DEPTH, Made};
use crate::oracle::naive;

/// Converts a record in each way.
pub fn check(data: &[u8]) -> usize {
    // A record goes from `{` to `}`: ids that are hashes of its bytes count no white space around it.
    let data = data.trim_ascii();
    let mut first: Option<Made> = None;
    for body in [Body::Original, Body::Map, Body::None] {
        for maps in [false, true] {
            let options = Options {
                body,
                maps,
                ..Options::default()
            };
            let Some(made) = Made::of(data, &options) else {
                assert!(first.is_none(), "an event by some options alone");
                return 0;
            };
            signals_hold(&made);
            let again = Made::of(data, &options).expect("it was an event before");
            assert_eq!(again.output(), made.output(), "converted again");
            if let Some(first) = &first {
                assert_eq!(head(first), head(&made), "by {body:?}, maps: {maps}");
            } else {
                original_body_holds(data, &made);
            }
            first.get_or_insert(made);
        }
    }
    if let Some(made) = &first {
        ids_are_the_naive_ones(data, made);
        a_payload_is_cut_between_events(data);
    }
    1
}

/// What does not depend on what an event carries along.
fn head(made: &Made) -> impl PartialEq + std::fmt::Debug {
    let (log, span) = (made.log(), made.span());
    (
        (
            log.trace_id.clone(),
            log.span_id.clone(),
            log.time_unix_nano,
        ),
        (log.event_name.clone(), log.severity_number),
        (
            span.trace_id.clone(),
            span.span_id.clone(),
            span.parent_span_id.clone(),
        ),
        (
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.kind,
        ),
        span.links.clone(),
    )
}

fn signals_hold(made: &Made) {
    let (log, span) = (made.log(), made.span());
    assert_eq!((log.trace_id.len(), log.span_id.len()), (16, 8));
    assert!(
        log.trace_id.iter().any(|byte| *byte != 0),
        "a trace id of zeros"
    );
    assert!(
        log.span_id.iter().any(|byte| *byte != 0),
        "a span id of zeros"
    );
    assert_eq!(
        (&log.trace_id, &log.span_id),
        (&span.trace_id, &span.span_id)
    );
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    for attributes in [&log.attributes, &span.attributes] {
        unique_and_said(attributes);
    }
    let json: ExportLogsServiceRequest =
        serde_json::from_slice(&made.encoded.logs.to_json()).expect("OTLP's JSON");
    assert_eq!(json, made.logs, "JSON and protobuf differ");
    let json: ExportTraceServiceRequest =
        serde_json::from_slice(&made.encoded.spans.to_json()).expect("OTLP's JSON");
    assert_eq!(json, made.spans, "JSON and protobuf differ");
    let line: Value = serde_json::from_slice(&made.flat).expect("a line of JSON");
    assert_eq!(line["trace_id"], hex::encode(&log.trace_id));
    assert_eq!(line["span_id"], hex::encode(&log.span_id));
    assert_eq!(
        made.flat.iter().filter(|byte| **byte == b'\n').count(),
        1,
        "more than one line"
    );
}

/// Each attribute once, and none that says nothing.
fn unique_and_said(attributes: &[KeyValue]) {
    let mut names = HashSet::new();
    for attribute in attributes {
        assert!(names.insert(&attribute.key), "{} twice", attribute.key);
        let value = attribute
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref());
        let Some(value) = value else {
            panic!("{} says nothing", attribute.key);
        };
        if let any_value::Value::StringValue(text) = value {
            assert!(!text.is_empty(), "{} is empty", attribute.key);
        }
    }
}

/// The original body is the record's own text, unless something in it is masked.
fn original_body_holds(data: &[u8], made: &Made) {
    let log = made.log();
    let body = log.body.as_ref().and_then(|body| body.value.as_ref());
    let Some(any_value::Value::StringValue(body)) = body else {
        panic!("no text: {body:?}");
    };
    let masked = log.attributes.iter().any(|a| a.key == "qtrail.redacted");
    assert!(
        masked || body.as_bytes() == data,
        "the body is not the record"
    );
}

fn ids_are_the_naive_ones(data: &[u8], made: &Made) {
    let mut naive = naive::convert(data, true, &naive::Known::default()).exported;
    let (Some(naive), true) = (naive.pop(), naive.is_empty()) else {
        return;
    };
    let log = made.log();
    assert_eq!(log.time_unix_nano, naive.time);
    assert_eq!(hex::encode(&log.trace_id), naive.trace_id);
    assert_eq!(hex::encode(&log.span_id), naive.span_id);
}

/// A payload of three events, cut, holds the same three.
fn a_payload_is_cut_between_events(data: &[u8]) {
    let options = Options::default();
    let mut encoder = Encoder::new(&options);
    for _ in 0..3 {
        let event = Event::parse(data, DEPTH).expect("it was an event before");
        let placement = Placement::of(&event);
        convert(event, &placement, None, &options, &mut encoder);
    }
    let encoded = encoder.take();
    assert_eq!(encoded.events, 3);
    let whole = ExportLogsServiceRequest::decode(encoded.logs.encode()).expect("OTLP's logs");
    let (first, second) = encoded.logs.split();
    let mut records = Vec::new();
    for half in [first, second] {
        let half = ExportLogsServiceRequest::decode(half.encode()).expect("OTLP's logs");
        records.extend(log_records(&half));
    }
    assert_eq!(records, log_records(&whole));
    assert_eq!(records.len(), 3);
}

fn log_records(request: &ExportLogsServiceRequest) -> Vec<Vec<u8>> {
    let scopes = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
    let records = scopes.flat_map(|scope| &scope.log_records);
    records.map(Message::encode_to_vec).collect()
}
