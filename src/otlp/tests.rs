//! Everything that is encoded is decoded again with `opentelemetry-proto` and compared with the
//! messages that it should be.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Link as ProtoLink;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::convert::{
    Field, Head, Kind, Link, On, Options, ResourceKey, Severity, Sink, Stability, Value,
};
use crate::envelope::json::{Document, REDACTED};

const fn field(name: &'static str, on: On) -> Field {
    Field {
        name,
        on,
        from: "",
        stability: Stability::Qtrail,
    }
}

static FIELDS: [Field; 4] = [
    field("test.both", On::Both),
    field("test.log.alone", On::Log),
    field("s", On::Span),
    field(
        "test.both.with_a_long_name.of_more_than_127_bytes.so_that_its_own_length_takes_two_bytes.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        On::Both,
    ),
];

/// An event to say, with values that own what they hold.
#[derive(Debug, Clone)]
struct Event {
    head: Head<'static>,
    attributes: Vec<(&'static Field, Said)>,
    body: Option<Said>,
}

#[derive(Debug, Clone)]
enum Said {
    Plain(Value<'static>),
    Json(serde_json::Value),
}

impl Event {
    fn say(&self, sink: &mut impl Sink) {
        let with = |said: &Said, then: &mut dyn FnMut(&Value<'_>)| match said {
            Said::Plain(value) => then(value),
            Said::Json(json) => {
                let text = serde_json::to_string_pretty(json).expect("JSON");
                let document = Document::parse(&text, 64).expect("JSON");
                then(&Value::Json(document.root()));
            }
        };
        match &self.body {
            None => sink.begin(&self.head),
            Some(body) => with(body, &mut |value| {
                let mut head: Head<'_> = self.head.clone();
                head.body = Some(value.clone());
                sink.begin(&head);
            }),
        }
        for (field, said) in &self.attributes {
            with(said, &mut |value| sink.attribute(field, value));
        }
        sink.end();
    }
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> AnyValue {
    any(Any::StringValue(text.to_owned()))
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn array(values: Vec<AnyValue>) -> AnyValue {
    any(Any::ArrayValue(ArrayValue { values }))
}

fn map(values: Vec<KeyValue>) -> AnyValue {
    any(Any::KvlistValue(KeyValueList { values }))
}

fn expected_json(json: &serde_json::Value) -> AnyValue {
    use serde_json::Value as Json;
    match json {
        Json::Null => AnyValue { value: None },
        Json::Bool(value) => any(Any::BoolValue(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => any(Any::IntValue(number)),
            (None, Some(_)) => text(&number.to_string()),
            _ => any(Any::DoubleValue(number.as_f64().expect("a double"))),
        },
        Json::String(string) => text(string),
        Json::Array(items) => array(items.iter().map(expected_json).collect()),
        Json::Object(entries) => map(entries
            .iter()
            .map(|(key, value)| pair(key, expected_json(value)))
            .collect()),
    }
}

fn expected_plain(value: &Value<'_>) -> AnyValue {
    match value {
        Value::Str(string) => text(string),
        Value::Bool(value) => any(Any::BoolValue(*value)),
        Value::Int(number) => any(Any::IntValue(*number)),
        Value::Double(number) => any(Any::DoubleValue(*number)),
        Value::Strs(texts) => array(texts.iter().map(|string| text(string)).collect()),
        Value::Array(values) => array(values.iter().map(expected_plain).collect()),
        Value::Map(entries) => map(entries
            .iter()
            .map(|(key, value)| pair(key, expected_plain(value)))
            .collect()),
        Value::Json(_) => unreachable!("said as Said::Json"),
    }
}

fn expected_value(said: &Said) -> AnyValue {
    match said {
        Said::Plain(value) => expected_plain(value),
        Said::Json(json) => expected_json(json),
    }
}

fn expected_attributes(event: &Event, ons: [On; 2]) -> Vec<KeyValue> {
    let on = event
        .attributes
        .iter()
        .filter(|(field, _)| ons.contains(&field.on));
    on.map(|(field, said)| pair(field.name, expected_value(said)))
        .collect()
}

fn expected_log(event: &Event) -> LogRecord {
    let head = &event.head;
    let (severity_number, severity_text) = match head.severity {
        Severity::Info => (9, "INFO"),
        Severity::Warn => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    };
    LogRecord {
        time_unix_nano: head.time as u64,
        observed_time_unix_nano: head.observed as u64,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: event.body.as_ref().map(expected_value),
        attributes: expected_attributes(event, [On::Both, On::Log]),
        dropped_attributes_count: 0,
        flags: 1,
        trace_id: head.trace_id.to_vec(),
        span_id: head.span_id.to_vec(),
        event_name: head.name.to_string(),
    }
}

fn expected_span(event: &Event) -> Span {
    let head = &event.head;
    Span {
        trace_id: head.trace_id.to_vec(),
        span_id: head.span_id.to_vec(),
        parent_span_id: head.parent.map(Vec::from).unwrap_or_default(),
        flags: 1,
        name: head.name.to_string(),
        kind: match head.kind {
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: head.start as u64,
        end_time_unix_nano: head.time as u64,
        attributes: expected_attributes(event, [On::Both, On::Span]),
        links: head
            .link
            .iter()
            .map(|link| ProtoLink {
                trace_id: link.trace_id.to_vec(),
                span_id: link.span_id.to_vec(),
                flags: 1,
                ..ProtoLink::default()
            })
            .collect(),
        status: head.error.as_ref().map(|message| Status {
            message: message.to_string(),
            code: 2,
        }),
        ..Span::default()
    }
}

fn expected_resource(key: &ResourceKey<'_>) -> Resource {
    let mut attributes = vec![
        pair("service.name", text(&key.service_name)),
        pair("service.namespace", text("aws.cloudtrail")),
        pair("cloud.provider", text("aws")),
    ];
    attributes.extend(
        key.account_id
            .iter()
            .map(|id| pair("cloud.account.id", text(id))),
    );
    attributes.extend(
        key.region
            .iter()
            .map(|region| pair("cloud.region", text(region))),
    );
    attributes.push(pair("deployment.environment.name", text("test")));
    Resource {
        attributes,
        ..Resource::default()
    }
}

const SCHEMA_URL: &str = opentelemetry_semantic_conventions::SCHEMA_URL;

fn expected_scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "qtrail".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        attributes: vec![pair("encoding.format", text("aws.cloudtrail"))],
        dropped_attributes_count: 0,
    })
}

/// The events of each resource, in the order in which they were first said.
fn by_resource(events: &[Event], signal: Signal) -> Vec<(ResourceKey<'static>, Vec<&Event>)> {
    let mut groups: Vec<(ResourceKey<'static>, Vec<&Event>)> = Vec::new();
    for event in events {
        let key = &event.head.resource;
        let at = groups
            .iter()
            .position(|(other, _)| other == key)
            .unwrap_or_else(|| {
                groups.push((key.clone(), Vec::new()));
                groups.len() - 1
            });
        if match signal {
            Signal::Logs => event.head.log,
            Signal::Traces => event.head.span,
        } {
            groups[at].1.push(event);
        }
    }
    groups.retain(|(_, events)| !events.is_empty());
    groups
}

fn expected_logs(events: &[Event]) -> ExportLogsServiceRequest {
    let groups = by_resource(events, Signal::Logs).into_iter();
    let resource_logs = groups
        .map(|(key, events)| ResourceLogs {
            resource: Some(expected_resource(&key)),
            scope_logs: vec![ScopeLogs {
                scope: expected_scope(),
                log_records: events.into_iter().map(expected_log).collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }
}

fn expected_spans(events: &[Event]) -> ExportTraceServiceRequest {
    let groups = by_resource(events, Signal::Traces).into_iter();
    let resource_spans = groups
        .map(|(key, events)| ResourceSpans {
            resource: Some(expected_resource(&key)),
            scope_spans: vec![ScopeSpans {
                scope: expected_scope(),
                spans: events.into_iter().map(expected_span).collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn options() -> Options {
    Options {
        resource: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        ..Options::default()
    }
}

fn encode(events: &[Event]) -> Encoded {
    let mut encoder = Encoder::new(&options());
    for event in events {
        event.say(&mut encoder);
    }
    encoder.take()
}

/// Texts of the lengths at which a length takes a byte more, and others.
fn sized_text() -> impl Strategy<Value = String> {
    let length = prop_oneof![
        6 => 0_usize..40,
        1 => 100_usize..130,
        1 => 16_300_usize..16_400,
    ];
    prop_oneof![length.prop_map(|length| "x".repeat(length)), ".{0,12}",]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any_of::<bool>(),
        any_of::<i64>(),
        any_of::<u64>(),
        any_of::<i32>(),
        proptest::prelude::any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
        sized_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(".{1,5}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_of<T: Arbitrary + Into<serde_json::Value> + 'static>()
-> impl Strategy<Value = serde_json::Value> {
    proptest::prelude::any::<T>().prop_map(Into::into)
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        4 => sized_text().prop_map(|text| Value::Str(text.into())),
        1 => proptest::prelude::any::<bool>().prop_map(Value::Bool),
        1 => proptest::prelude::any::<i64>().prop_map(Value::Int),
        1 => proptest::prelude::any::<i32>().prop_map(|eighths| Value::Double(f64::from(eighths) / 8.0)),
        1 => prop::collection::vec(".{0,9}".prop_map(Cow::Owned), 0..40).prop_map(Value::Strs),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((".{1,5}".prop_map(Cow::Owned), inner), 0..4)
                .prop_map(Value::Map),
        ]
    })
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        3 => value().prop_map(Said::Plain),
        1 => json().prop_map(Said::Json),
    ]
}

fn head() -> impl Strategy<Value = Head<'static>> {
    let key = (
        0_u8..3,
        prop::option::of(0_u8..2),
        prop::option::of(0_u8..2),
    );
    let times = (1..i64::MAX, 1..i64::MAX, 1..i64::MAX);
    let ids = (
        proptest::prelude::any::<([u8; 16], [u8; 8])>(),
        proptest::prelude::any::<Option<[u8; 8]>>(),
        proptest::prelude::any::<Option<([u8; 16], [u8; 8])>>(),
    );
    let kinds = (
        prop::sample::select(vec![Severity::Info, Severity::Warn, Severity::Error]),
        prop::sample::select(vec![Kind::Server, Kind::Client]),
        prop::option::of(sized_text()),
    );
    (
        key,
        times,
        ids,
        kinds,
        "[a-z.]{1,9}",
        prop::sample::select(vec![
            (true, true),
            (true, true),
            (true, false),
            (false, true),
        ]),
    )
        .prop_map(
            |(key, times, (ids, parent, link), (severity, kind, error), name, (log, span))| Head {
                resource: ResourceKey {
                    service_name: format!("service-{}", key.0).into(),
                    account_id: key.1.map(|id| format!("{id:012}").into()),
                    region: key.2.map(|region| format!("eu-west-{region}").into()),
                },
                time: times.0,
                observed: times.1,
                start: times.2,
                name: name.into(),
                severity,
                kind,
                error: error.map(Cow::Owned),
                trace_id: ids.0,
                span_id: ids.1,
                parent,
                link: link.map(|(trace_id, span_id)| Link { trace_id, span_id }),
                body: None,
                log,
                span,
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let attribute = (
        prop::sample::select(FIELDS.iter().collect::<Vec<_>>()),
        said(),
    );
    (
        head(),
        prop::collection::vec(attribute, 0..8),
        prop::option::of(said()),
    )
        .prop_map(|(head, attributes, body)| Event {
            head,
            attributes,
            body,
        })
}

fn events(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), count)
}

/// A record's resource and itself, as bytes that can be sorted.
type Record = (Vec<u8>, Vec<u8>);

fn records(payload: &Payload) -> Vec<Record> {
    let bytes = payload.encode();
    assert_eq!(bytes.len(), payload.encoded_len());
    match payload.signal() {
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(bytes).expect("a request");
            let groups = request.resource_logs.into_iter();
            groups
                .flat_map(|group| {
                    let resource = group.resource.expect("a resource").encode_to_vec();
                    let scopes = group
                        .scope_logs
                        .into_iter()
                        .flat_map(|scope| scope.log_records);
                    scopes
                        .map(move |record| (resource.clone(), record.encode_to_vec()))
                        .collect::<Vec<_>>()
                })
                .collect()
        }
        Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(bytes).expect("a request");
            let groups = request.resource_spans.into_iter();
            groups
                .flat_map(|group| {
                    let resource = group.resource.expect("a resource").encode_to_vec();
                    let scopes = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
                    scopes
                        .map(move |record| (resource.clone(), record.encode_to_vec()))
                        .collect::<Vec<_>>()
                })
                .collect()
        }
    }
}

/// A payload's records by their event's number.
fn numbered(payload: &Payload) -> Vec<(u32, Record)> {
    let records = records(payload);
    assert_eq!(records.len(), payload.len());
    assert_eq!(payload.events().count(), payload.len());
    let mut numbered: Vec<_> = payload.events().zip(records).collect();
    numbered.sort();
    numbered
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_encoded_decodes_to_what_was_said(events in events(0..6)) {
        let encoded = encode(&events);
        prop_assert_eq!(encoded.events as usize, events.len());

        let (logs, expected) = (encoded.logs.encode(), expected_logs(&events));
        prop_assert_eq!(&ExportLogsServiceRequest::decode(logs.clone()).unwrap(), &expected);
        prop_assert_eq!(logs.len(), expected.encoded_len());
        prop_assert_eq!(logs.len(), encoded.logs.encoded_len());

        let (spans, expected) = (encoded.spans.encode(), expected_spans(&events));
        prop_assert_eq!(&ExportTraceServiceRequest::decode(spans.clone()).unwrap(), &expected);
        prop_assert_eq!(spans.len(), expected.encoded_len());
        prop_assert_eq!(spans.len(), encoded.spans.encoded_len());
    }

    #[test]
    fn json_reads_as_the_wire_form_does(events in events(1..5)) {
        let encoded = encode(&events);
        if !encoded.logs.is_empty() {
            let json = encoded.logs.to_json();
            prop_assert!(!json.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<ExportLogsServiceRequest>(&json).unwrap(), expected_logs(&events));
        }
        if !encoded.spans.is_empty() {
            let json = encoded.spans.to_json();
            prop_assert!(!json.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<ExportTraceServiceRequest>(&json).unwrap(), expected_spans(&events));
        }
    }

    #[test]
    fn appended_payloads_are_as_if_encoded_at_once(events in events(1..10), at: prop::sample::Index) {
        let whole = encode(&events);
        let at = at.index(events.len());
        let (mut first, second) = (encode(&events[..at]), encode(&events[at..]));
        first.logs.append(second.logs, at as u32);
        first.spans.append(second.spans, at as u32);
        prop_assert_eq!(numbered(&first.logs), numbered(&whole.logs));
        prop_assert_eq!(numbered(&first.spans), numbered(&whole.spans));
        prop_assert_eq!(first.logs.encoded_len(), whole.logs.encoded_len());
        prop_assert_eq!(first.logs.times(), whole.logs.times());
    }

    #[test]
    fn halves_hold_every_record_once_under_its_own_resource(events in events(0..10)) {
        for whole in [encode(&events).logs, encode(&events).spans] {
            let expected = numbered(&whole);
            let mut found = Vec::new();
            let mut left = vec![whole];
            while let Some(payload) = left.pop() {
                if payload.len() < 2 {
                    found.extend(numbered(&payload));
                    continue;
                }
                let (first, second) = payload.split();
                prop_assert!(!first.is_empty() && !second.is_empty());
                left.extend([first, second]);
            }
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_flat_line_is_one_json_object_without_repeated_names(events in events(1..4)) {
        let mut flat = Flat::new(&options());
        for event in &events {
            let mut event = event.clone();
            event.attributes.sort_by_key(|(field, _)| field.name);
            event.attributes.dedup_by_key(|(field, _)| field.name);
            event.say(&mut flat);
        }
        let lines = String::from_utf8(flat.take()).unwrap();
        prop_assert_eq!(lines.lines().count(), events.len());
        for (line, event) in lines.lines().zip(&events) {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(&read["trace_id"], &hex::encode(event.head.trace_id));
            let document = Document::parse(line, 64).unwrap();
            prop_assert_eq!(document.root().children().count(), read.as_object().unwrap().len());
            if let Some(Said::Json(body)) = &event.body {
                prop_assert_eq!(&read["body"], body);
            }
        }
    }
}

fn plain_event() -> Event {
    Event {
        head: Head {
            resource: ResourceKey {
                service_name: "amazon-q".into(),
                account_id: Some("111122223333".into()),
                region: None,
            },
            time: 1_700_000_000_250_000_000,
            observed: 1_700_000_200_000_000_000,
            start: 1_700_000_000_000_000_000,
            name: "q.SendMessage".into(),
            severity: Severity::Warn,
            kind: Kind::Client,
            error: Some("denied\n".into()),
            trace_id: [0xab; 16],
            span_id: [0xcd; 8],
            parent: None,
            link: None,
            body: Some(Value::Str("{\"a\":\n1}".into())),
            log: true,
            span: true,
        },
        attributes: vec![(&FIELDS[0], Said::Plain(Value::Int(i64::MAX)))],
        body: None,
    }
}

#[test]
fn otlp_json_is_as_the_specification_has_it() {
    let json = String::from_utf8(encode(&[plain_event()]).logs.to_json()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        r#"{"resourceLogs":[{"resource":{"attributes":["#,
        r#"{"key":"service.name","value":{"stringValue":"amazon-q"}},"#,
        r#"{"key":"service.namespace","value":{"stringValue":"aws.cloudtrail"}},"#,
        r#"{"key":"cloud.provider","value":{"stringValue":"aws"}},"#,
        r#"{"key":"cloud.account.id","value":{"stringValue":"111122223333"}},"#,
        r#"{"key":"deployment.environment.name","value":{"stringValue":"test"}}]},"#,
        &format!(r#""scopeLogs":[{{"scope":{{"name":"qtrail","version":"{version}","#),
        r#""attributes":[{"key":"encoding.format","value":{"stringValue":"aws.cloudtrail"}}]},"#,
        r#""logRecords":[{"timeUnixNano":"1700000000250000000","observedTimeUnixNano":"1700000200000000000","#,
        r#""severityNumber":13,"severityText":"WARN","flags":1,"#,
        r#""traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd","eventName":"q.SendMessage","#,
        r#""body":{"stringValue":"{\"a\":\n1}"},"#,
        r#""attributes":[{"key":"test.both","value":{"intValue":"9223372036854775807"}}]}],"#,
        &format!(r#""schemaUrl":"{SCHEMA_URL}"}}],"schemaUrl":"{SCHEMA_URL}"}}]}}"#),
    ]
    .concat();
    assert_eq!(json, expected);
}

#[test]
fn a_number_that_json_lacks_has_protobufs_name() {
    let mut event = plain_event();
    for (number, name) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        event.attributes = vec![(&FIELDS[0], Said::Plain(Value::Double(number)))];
        let json = String::from_utf8(encode(&[event.clone()]).spans.to_json()).unwrap();
        assert!(
            json.contains(&format!("{{\"doubleValue\":\"{name}\"}}")),
            "{json}"
        );
    }
}

/// What an attribute of this JSON decodes to.
fn decoded(json: &str, redact: Option<&str>) -> AnyValue {
    let mut document = Document::parse(json, 64).expect("JSON");
    let redacted = redact
        .and_then(|key| document.root().get(key))
        .map(|node| node.id());
    redacted.into_iter().for_each(|id| document.redact(id));
    let mut encoder = Encoder::new(&Options::default());
    encoder.begin(&plain_event().head);
    encoder.attribute(&FIELDS[0], &Value::Json(document.root()));
    encoder.end();
    let request =
        ExportTraceServiceRequest::decode(encoder.take().spans.encode()).expect("a request");
    let span = request.resource_spans[0].scope_spans[0].spans[0].clone();
    span.attributes[0].value.clone().expect("a value")
}

#[test]
fn a_number_keeps_all_its_digits_or_becomes_its_text() {
    for (json, expected) in [
        ("9223372036854775807", any(Any::IntValue(i64::MAX))),
        ("-9223372036854775808", any(Any::IntValue(i64::MIN))),
        ("9223372036854775808", text("9223372036854775808")),
        (
            "1234567890123456789012345678901234567890",
            text("1234567890123456789012345678901234567890"),
        ),
        ("1.0", any(Any::DoubleValue(1.0))),
        ("1e3", any(Any::DoubleValue(1000.0))),
        ("1e999", text("1e999")),
    ] {
        assert_eq!(decoded(json, None), expected, "{json}");
    }
}

#[test]
fn the_last_of_equal_keys_and_no_redacted_value_is_encoded() {
    let value = decoded(r#"{"a":1,"b":{"c":"secret"},"a":"\ud83d"}"#, Some("b"));
    assert_eq!(
        value,
        map(vec![pair("b", text(REDACTED)), pair("a", text("\u{fffd}"))])
    );
}

#[test]
fn what_is_empty_stays() {
    let value = decoded(r#"{"":"","a":[],"b":{},"c":null}"#, None);
    let expected = [
        ("", text("")),
        ("a", array(vec![])),
        ("b", map(vec![])),
        ("c", AnyValue { value: None }),
    ];
    assert_eq!(
        value,
        map(expected.map(|(key, value)| pair(key, value)).to_vec())
    );
}

#[test]
fn what_nests_deeper_than_decoders_allow_is_text() {
    let deep =
        |levels: u32| r#"{"a":"#.repeat(levels as usize) + "1" + &"}".repeat(levels as usize);
    let mut value = decoded(&deep(63), None);
    for _ in 0..VALUE_DEPTH {
        let Some(Any::KvlistValue(mut list)) = value.value else {
            panic!("{value:?}");
        };
        value = list.values.remove(0).value.expect("a value");
    }
    assert_eq!(value, text(&deep(63 - VALUE_DEPTH)));
}

#[test]
fn the_users_resource_attributes_replace_ours() {
    let user = [("service.name", "a"), ("team", "b"), ("service.name", "c")];
    let mut encoder = Encoder::new(&Options {
        resource: user
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    });
    plain_event().say(&mut encoder);
    let request = ExportLogsServiceRequest::decode(encoder.take().logs.encode()).unwrap();
    let resource = request.resource_logs[0].resource.clone().unwrap();
    let names: Vec<_> = resource
        .attributes
        .iter()
        .map(|pair| pair.key.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "service.namespace",
            "cloud.provider",
            "cloud.account.id",
            "team",
            "service.name"
        ]
    );
    assert_eq!(resource.attributes[4].value, Some(text("c")));
}

#[test]
fn an_encoder_starts_anew_after_take() {
    let mut encoder = Encoder::new(&options());
    plain_event().say(&mut encoder);
    assert!(encoder.encoded_len() > 0);
    let first = encoder.take();
    assert_eq!(encoder.encoded_len(), 0);
    plain_event().say(&mut encoder);
    let second = encoder.take();
    assert_eq!(first.logs.encode(), second.logs.encode());
    assert_eq!(second.logs.events().collect::<Vec<_>>(), [0]);
    assert_eq!(encoder.take().events, 0);
}

#[test]
fn halves_are_of_about_equal_size() {
    let events = vec![plain_event(); 1000];
    let (first, second) = encode(&events).logs.split();
    assert!(
        first.len().abs_diff(second.len()) <= 2,
        "{} and {}",
        first.len(),
        second.len()
    );
}

#[test]
fn a_flat_line_says_the_event_on_one_line() {
    let mut flat = Flat::new(&Options {
        resource: vec![("time".to_owned(), "x".to_owned())],
        ..Options::default()
    });
    plain_event().say(&mut flat);
    let line = String::from_utf8(flat.take()).unwrap();
    assert_eq!(
        line,
        concat!(
            r#"{"time":"2023-11-14T22:13:20.25Z","observed_time":"2023-11-14T22:16:40Z","#,
            r#""start_time":"2023-11-14T22:13:20Z","name":"q.SendMessage","severity":"WARN","kind":"CLIENT","#,
            r#""trace_id":"abababababababababababababababab","span_id":"cdcdcdcdcdcdcdcd","#,
            r#""status":"ERROR","status_message":"denied\n","#,
            r#""service.name":"amazon-q","service.namespace":"aws.cloudtrail","cloud.provider":"aws","#,
            r#""cloud.account.id":"111122223333","resource.time":"x","#,
            r#""test.both":9223372036854775807,"body":"{\"a\":\n1}"}"#,
            "\n"
        )
    );
}
