//! What holds of the library as a whole, whatever a trail holds and however it is packed.

mod lost;
mod redacted;

use std::convert::Infallible;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use qtrail_core::convert::{Options, Placement, observed_time, organization};
use qtrail_core::envelope::{self, Item, Limits};
use qtrail_core::event::Event;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::otlp::{Encoded, Encoder};
use qtrail_core::reject::{Evidence, Position, Reject};
use qtrail_core::{Converter, RecordOutcome};

use crate::support::program::gzip;
use crate::support::trail::{self, Container, ODDITIES};

/// When every file of these tests was delivered.
const OBSERVED: i64 = 1_768_478_400_000_000_000;

pub(super) fn conversion(select: Select, options: Options) -> Converter {
    Converter {
        limits: Limits::default(),
        selector: Selector::new(select, &Lists::default()),
        options,
    }
}

/// Names of units that hold the same events: of an account's trail, of organizations' trails, of
/// other inputs. Each tells another delivery.
const WAYS: [&str; 5] = [
    "AWSLogs/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz",
    "AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1410Z_Qrstuvwxyzabcdef.json.gz",
    "s3://bucket/AWSLogs/o-anotherone1/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1420Z_Abcdefghijklmnop.json.gz",
    "/var/trail/123456789012_CloudTrail_us-east-1_20240410T1425Z_Abcdefghijklmnop.json",
    "http/1",
];

/// What became of a unit.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Each converted event alone, as its two requests.
    pub(super) events: Vec<(Bytes, Bytes)>,
    pub(super) rejects: Vec<Reject>,
    pub(super) read: u64,
    pub(super) filtered: u64,
}

impl Run {
    /// What was exported, whatever its order.
    fn as_set(&self) -> Vec<(Bytes, Bytes)> {
        let mut events = self.events.clone();
        events.sort();
        events
    }
}

pub(super) fn run(unit: &[u8], conversion: &Converter) -> Run {
    run_from("events.json", Some(OBSERVED), unit, conversion)
}

/// What becomes of a unit of this name that was modified then.
fn run_from(name: &str, modified: Option<i64>, unit: &[u8], conversion: &Converter) -> Run {
    let (organization, observed) = (organization(name), observed_time(name, modified));
    let place =
        |event: &Event<'_>| Ok::<_, Infallible>(Placement::of(event).within(organization.as_ref()));
    let mut run = Run::default();
    let mut encoder = Encoder::new(&conversion.options);
    let mut records = envelope::open(unit, &conversion.limits);
    while let Some(item) = records.next().unwrap() {
        match item {
            Item::Record { position, bytes } => {
                run.read += 1;
                match conversion.convert_record_with(bytes, position, observed, place, &mut encoder)
                {
                    RecordOutcome::Converted { .. } => run.events.push(requests(encoder.take())),
                    RecordOutcome::Filtered => run.filtered += 1,
                    RecordOutcome::Rejected(reject) => run.rejects.push(reject),
                }
            }
            Item::Reject(reject) => {
                run.read += 1;
                run.rejects.push(reject);
            }
            Item::Skipped(_) => {}
        }
    }
    run
}

fn requests(encoded: Encoded) -> (Bytes, Bytes) {
    (encoded.logs.encode(), encoded.spans.encode())
}

/// The one log record of a request.
pub(super) fn log_of(request: &Bytes) -> (Vec<KeyValue>, LogRecord) {
    let request = ExportLogsServiceRequest::decode(request.clone()).unwrap();
    let [group] = &request.resource_logs[..] else {
        panic!("{request:?}");
    };
    let [scope] = &group.scope_logs[..] else {
        panic!("{request:?}");
    };
    let [record] = &scope.log_records[..] else {
        panic!("{request:?}");
    };
    let resource = group.resource.clone().unwrap_or_default();
    (resource.attributes, record.clone())
}

/// The one span of a request.
pub(super) fn span_of(request: &Bytes) -> Span {
    let request = ExportTraceServiceRequest::decode(request.clone()).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    let mut spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    assert_eq!(spans.len(), 1);
    spans.remove(0).clone()
}

/// A text attribute.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A trail's records; some of them odd, some of them twice.
pub(super) fn trail() -> impl Strategy<Value = Vec<String>> {
    let odd = prop::collection::vec((any::<Index>(), select(ODDITIES)), 0..12);
    let twice = prop::collection::vec(any::<Index>(), 0..3);
    let share = select(&[0.0, 30.0, 100.0][..]);
    (any::<u64>(), 1..24_u64, share, odd, twice).prop_map(|(seed, events, share, odd, twice)| {
        let mut records = trail::records(seed, events, share);
        for (index, (pointer, json)) in odd {
            let at = index.index(records.len());
            records[at] = trail::put(&records[at], pointer, json);
        }
        for index in twice {
            records.push(records[index.index(records.len())].clone());
        }
        records
    })
}

/// Ways to damage bytes: change one, drop some, repeat some, cut the rest off.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    Byte(Index, u8),
    Drop(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![select(&b"{}[],:\"\\\n\0 x9\xff"[..]), any::<u8>()];
    prop_oneof![
        4 => (any::<Index>(), byte).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => (any::<Index>(), 1..2000_usize).prop_map(|(at, length)| Damage::Drop(at, length)),
        1 => (any::<Index>(), 1..2000_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

impl Damage {
    pub(super) fn to(&self, unit: &mut Vec<u8>) {
        if unit.is_empty() {
            return;
        }
        let length = unit.len();
        let upto = |at: usize, bytes: usize| (at + bytes).min(length);
        match self {
            Damage::Byte(at, byte) => unit[at.index(length)] = *byte,
            Damage::Drop(at, bytes) => {
                let at = at.index(length);
                unit.drain(at..upto(at, *bytes));
            }
            Damage::Repeat(at, bytes) => {
                let at = at.index(length);
                let again = unit[at..upto(at, *bytes)].to_vec();
                unit.splice(at..at, again);
            }
            Damage::Cut(at) => unit.truncate(at.index(length)),
        }
    }
}

fn selects() -> impl Strategy<Value = Select> {
    select(&[Select::AmazonQ, Select::All][..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// And so whatever the damage, nothing panics.
    #[test]
    fn what_is_read_is_converted_filtered_or_rejected(
        records in trail(), container in select(&Container::ALL[..]),
        damages in prop::collection::vec(damage(), 0..4), zipped: bool, which in selects(),
    ) {
        let mut unit = container.around(&records);
        if zipped {
            unit = gzip(&unit);
        }
        for damage in &damages {
            damage.to(&mut unit);
        }
        let run = run(&unit, &conversion(which, Options::default()));
        prop_assert_eq!(run.read, run.events.len() as u64 + run.filtered + run.rejects.len() as u64);
        if damages.is_empty() {
            prop_assert_eq!(run.read, records.len() as u64);
        }
        if which == Select::All {
            prop_assert_eq!(run.filtered, 0);
        }
        for (log, span) in &run.events {
            let ((_, log), span) = (log_of(log), span_of(span));
            prop_assert_eq!(log.trace_id.len(), 16);
            prop_assert_eq!(log.span_id.len(), 8);
            prop_assert!(log.trace_id.iter().any(|byte| *byte != 0));
            prop_assert_eq!((log.trace_id, log.span_id), (span.trace_id, span.span_id));
            prop_assert!(span.start_time_unix_nano < span.end_time_unix_nano);
        }
    }

    #[test]
    fn the_container_compression_and_order_change_no_byte_of_an_event(
        records in trail(), seed in any::<Index>(), which in selects(),
    ) {
        let conversion = conversion(which, Options::default());
        let expected = run(&Container::LogFile.around(&records), &conversion);
        let mut moved = records.clone();
        moved.rotate_left(seed.index(records.len()));
        moved.reverse();
        for container in Container::ALL {
            let unit = container.around(&moved);
            for unit in [gzip(&unit), unit] {
                let run = run(&unit, &conversion);
                prop_assert_eq!(run.as_set(), expected.as_set(), "{:?}", container);
                prop_assert_eq!((run.read, run.filtered), (expected.read, expected.filtered));
                prop_assert_eq!(kept(&run), kept(&expected), "{:?}", container);
            }
        }
    }

    #[test]
    fn the_span_and_its_resource_are_the_events_alone(
        records in trail(), container in select(&Container::ALL[..]), which in selects(),
        modified in prop::option::of(1..i64::MAX),
    ) {
        let conversion = conversion(which, Options::default());
        let unit = container.around(&records);
        let [account, others @ ..] = WAYS.map(|name| run_from(name, modified, &unit, &conversion));
        let spans = |run: &Run| run.events.iter().map(|(_, span)| span.clone()).collect::<Vec<_>>();
        for (name, other) in WAYS[1..].iter().zip(&others) {
            prop_assert_eq!(spans(other), spans(&account), "{}", name);
            let differ = account.events.iter().zip(&other.events).all(|(one, two)| one.0 != two.0);
            prop_assert!(differ, "the log record tells of its way: {}", name);
        }
    }

    #[test]
    fn an_event_alone_is_the_same_as_among_others(records in trail()) {
        let conversion = conversion(Select::All, Options::default());
        let together = run(&Container::LogFile.around(&records), &conversion);
        let alone: Vec<_> = records
            .iter()
            .flat_map(|record| run(record.as_bytes(), &conversion).events)
            .collect();
        prop_assert_eq!(together.events, alone);
    }

    #[test]
    fn one_payload_of_all_events_decodes_to_each_of_them(records in trail()) {
        let conversion = conversion(Select::All, Options::default());
        let mut encoder = Encoder::new(&conversion.options);
        let mut expected = Vec::new();
        for record in &records {
            let (bytes, position) = (record.as_bytes(), Position::default());
            let mut alone = Encoder::new(&conversion.options);
            if let RecordOutcome::Converted { .. } = conversion.convert_record(bytes, position, None, &mut encoder) {
                conversion.convert_record(bytes, position, None, &mut alone);
                let (log, span) = requests(alone.take());
                expected.push((log_of(&log).1, span_of(&span)));
            }
        }
        let (logs, spans) = requests(encoder.take());
        let logs = ExportLogsServiceRequest::decode(logs).unwrap();
        let spans = ExportTraceServiceRequest::decode(spans).unwrap();
        for group in &logs.resource_logs {
            let resource = &group.resource.as_ref().unwrap().attributes;
            for log in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                let source = text(&log.attributes, "aws.cloudtrail.event_source");
                let service = text(resource, "service.name").unwrap();
                prop_assert!(service == "amazon-q" || Some(service) == source || source.is_none());
            }
        }
        let mut seen: Vec<LogRecord> = logs.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect();
        let mut seen_spans: Vec<Span> = spans.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect();
        let (mut logs, mut spans): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
        // By resource, they are in another order.
        seen.sort_by_cached_key(Message::encode_to_vec);
        logs.sort_by_cached_key(Message::encode_to_vec);
        seen_spans.sort_by_cached_key(Message::encode_to_vec);
        spans.sort_by_cached_key(Message::encode_to_vec);
        prop_assert_eq!(seen, logs);
        prop_assert_eq!(seen_spans, spans);
    }
}

/// The bytes of the refused records.
fn kept(run: &Run) -> Vec<Vec<u8>> {
    let bytes = |reject: &Reject| match &reject.evidence {
        Evidence::Bytes(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    let mut kept: Vec<_> = run.rejects.iter().map(bytes).collect();
    kept.sort();
    kept
}

/// A value's own text, where it is a scalar.
fn scalar(value: &AnyValue) -> Option<String> {
    Some(match value.value.as_ref()? {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::BoolValue(value) => value.to_string(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        _ => return None,
    })
}
