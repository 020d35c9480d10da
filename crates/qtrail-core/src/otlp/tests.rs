//! Everything that is encoded is decoded again with `opentelemetry-proto` and compared with the
//! messages that it should be.

mod events;
mod expected;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use proptest::prelude::*;
use prost::Message;

use self::events::{Event, FIELDS, TestValue, events};
use self::expected::{SCHEMA_URL, any, array, expected_logs, expected_spans, map, pair, text};
use super::*;
use crate::convert::{Head, Options, ResourceKey, Severity, Sink, SpanKind, Value};
use crate::json::{Document, REDACTED};

fn options() -> Options {
    Options {
        resource: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        ..Options::default()
    }
}

fn encode(events: &[Event]) -> Encoded {
    let mut encoder = Encoder::new(&options());
    for event in events {
        event.send_to(&mut encoder);
    }
    encoder.take()
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
    fn what_is_encoded_decodes_to_what_the_sink_received(events in events(0..6)) {
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
    fn payloads_of_many_resources_are_one_group_each(event in events(1..2), accounts in prop::collection::vec(0_u32..60, 1..120)) {
        let events: Vec<Event> = accounts
            .iter()
            .map(|account| {
                let mut event = event[0].clone();
                event.head.resource.account_id = Some(account.to_string().into());
                event
            })
            .collect();
        let whole = encode(&events);
        let (mut logs, mut spans) = (Payload::empty(Signal::Logs), Payload::empty(Signal::Traces));
        for (number, event) in events.iter().enumerate() {
            let one = encode(std::slice::from_ref(event));
            logs.append(one.logs, number as u32);
            spans.append(one.spans, number as u32);
        }
        for (appended, whole) in [(logs, whole.logs), (spans, whole.spans)] {
            prop_assert_eq!(appended.encoded_len(), appended.encode().len());
            prop_assert_eq!(appended.encode(), whole.encode());
        }
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
    fn what_is_cut_by_time_is_narrow_and_holds_every_record_once(
        mut events in events(0..10),
        times in prop::collection::vec(0_i64..50, 10),
        spread in 0_i64..30,
    ) {
        for (event, time) in events.iter_mut().zip(&times) {
            event.head.time = *time;
        }
        for whole in [encode(&events).logs, encode(&events).spans] {
            let expected = numbered(&whole);
            let narrow = whole.times().is_none_or(|(from, to)| to - from <= spread);
            let parts = whole.split_by_time(spread);
            prop_assert!(parts.len() == 1 || !narrow);
            let mut found = Vec::new();
            let mut before = None;
            for part in &parts {
                if let Some((from, to)) = part.times() {
                    prop_assert!(to - from <= spread);
                    prop_assert!(before < Some(from), "not oldest first");
                    before = Some(to);
                }
                found.extend(numbered(part));
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
            event.send_to(&mut flat);
        }
        let lines = String::from_utf8(flat.take()).unwrap();
        prop_assert_eq!(lines.lines().count(), events.len());
        for (line, event) in lines.lines().zip(&events) {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(&read["trace_id"], &hex::encode(event.head.trace_id));
            let document = Document::parse(line, 64).unwrap();
            prop_assert_eq!(document.root().children().count(), read.as_object().unwrap().len());
            if let Some(TestValue::Json(body)) = &event.body {
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
            end: 1_700_000_000_250_000_000,
            name: "q.SendMessage".into(),
            severity: Severity::Warn,
            kind: SpanKind::Client,
            error: Some("denied\n".into()),
            trace_id: [0xab; 16],
            span_id: [0xcd; 8],
            parent: None,
            link: None,
            body: Some(Value::Str("{\"a\":\n1}".into())),
            log: true,
            span: true,
        },
        attributes: vec![(&FIELDS[0], TestValue::Plain(Value::Int(i64::MAX)))],
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
        event.attributes = vec![(&FIELDS[0], TestValue::Plain(Value::Double(number)))];
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
    plain_event().send_to(&mut encoder);
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
    plain_event().send_to(&mut encoder);
    assert!(encoder.encoded_len() > 0);
    let first = encoder.take();
    assert_eq!(encoder.encoded_len(), 0);
    plain_event().send_to(&mut encoder);
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
    plain_event().send_to(&mut flat);
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
