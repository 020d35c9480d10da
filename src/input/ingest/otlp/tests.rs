use std::fmt::Write as _;

use base64::Engine as _;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::arbitrary::any as arbitrary;
use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};
use prost::Message;
use serde_json::json;

use super::*;
use crate::input::ingest::Limits;
use crate::input::ingest::tests::bench;

/// What a request's log records hold: number, source, text.
type Read = Vec<(u64, Option<String>, Vec<u8>)>;

fn read_within(
    limits: Limits,
    encoding: Encoding,
    request: impl Into<Bytes>,
) -> Result<Read, Error> {
    let (bench, request) = (bench(limits), request.into());
    let reserved = bench.ingest.try_reserve(request.len())?;
    let texts = Texts::new(bench.ingest.clone(), reserved, request.len());
    let (mut texts, _reserved) = decode(encoding, &request, texts)?;
    texts.sort_by_key(|text| text.number);
    let read = |text: Text| {
        let source = text.source.map(|source| source.to_string());
        (text.number, source, text.bytes.to_vec())
    };
    Ok(texts.into_iter().map(read).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn read(encoding: Encoding, request: impl Into<Bytes>) -> Result<Read, Error> {
    read_within(Limits::default(), encoding, request)
}

/// The same request in both forms.
fn read_both(request: &ExportLogsServiceRequest) -> Read {
    let protobuf = read(Encoding::Protobuf, request.encode_to_vec()).unwrap();
    let json = read(Encoding::Json, serde_json::to_vec(request).unwrap()).unwrap();
    assert_eq!(protobuf, json);
    protobuf
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(Value::StringValue(value.to_owned()))),
        ..KeyValue::default()
    }
}

fn record(body: Option<AnyValue>, attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        time_unix_nano: 1,
        trace_id: vec![1; 16],
        body,
        attributes,
        ..LogRecord::default()
    }
}

fn resource(attributes: Vec<KeyValue>, scopes: Vec<Vec<LogRecord>>) -> ResourceLogs {
    let scope = |log_records| ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    };
    ResourceLogs {
        resource: Some(Resource {
            attributes,
            ..Resource::default()
        }),
        scope_logs: scopes.into_iter().map(scope).collect(),
        ..ResourceLogs::default()
    }
}

fn one(body: AnyValue) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![resource(vec![], vec![vec![record(Some(body), vec![])]])],
    }
}

/// The JSON text of a value, written the simple way.
fn naive(value: &AnyValue) -> String {
    match &value.value {
        None | Some(Value::StringValueStrindex(_)) => "null".to_owned(),
        Some(Value::StringValue(text)) => json!(text).to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => json!(number).to_string(),
        Some(Value::BytesValue(bytes)) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            json!(text).to_string()
        }
        Some(Value::ArrayValue(list)) => {
            let elements: Vec<_> = list.values.iter().map(naive).collect();
            format!("[{}]", elements.join(","))
        }
        Some(Value::KvlistValue(map)) => {
            let mut entries = Vec::new();
            for entry in &map.values {
                let value = entry.value.clone().unwrap_or_default();
                let mut text = json!(entry.key).to_string();
                write!(text, ":{}", naive(&value)).unwrap();
                entries.push(text);
            }
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn values() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::default()),
        "[a-c\"\\\\\n\u{1}é😀]{0,6}".prop_map(|text| any(Value::StringValue(text))),
        arbitrary::<bool>().prop_map(|value| any(Value::BoolValue(value))),
        arbitrary::<i64>().prop_map(|number| any(Value::IntValue(number))),
        (-1e300..1e300f64).prop_map(|number| any(Value::DoubleValue(number))),
        arbitrary::<i8>().prop_map(|number| any(Value::DoubleValue(f64::from(number)))),
        prop::collection::vec(arbitrary::<u8>(), 0..5).prop_map(|b| any(Value::BytesValue(b))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let entry = ("[a-c\"]{0,2}", prop::option::of(inner.clone()));
        let entry = entry.prop_map(|(key, value)| KeyValue {
            key,
            value,
            ..KeyValue::default()
        });
        prop_oneof![
            prop::collection::vec(inner, 0..4)
                .prop_map(|values| any(Value::ArrayValue(ArrayValue { values }))),
            prop::collection::vec(entry, 0..4)
                .prop_map(|values| any(Value::KvlistValue(KeyValueList { values }))),
        ]
    })
}

proptest! {
    #[test]
    fn a_body_reads_as_its_own_json_in_both_forms(body in values()) {
        let read = read_both(&one(body.clone()));
        let expected = match &body.value {
            None => Vec::new(),
            Some(Value::StringValue(text)) => text.clone().into(),
            Some(Value::BytesValue(bytes)) => bytes.clone(),
            Some(_) => naive(&body).into(),
        };
        prop_assert_eq!(read, vec![(0, None, expected)]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(arbitrary::<u8>(), 0..60)) {
        let _ = read(Encoding::Protobuf, bytes.clone());
        let _ = read(Encoding::Json, bytes);
    }
}

#[test]
fn log_records_are_numbered_through_the_request_and_named_by_their_best_source() {
    let body = || Some(any(Value::StringValue("x".to_owned())));
    let by = |key: &str, value: &str| vec![attribute(key, value)];
    let two = vec![
        attribute("aws.s3.key", "key"),
        attribute("log.file.name", "name"),
        attribute("log.file.path", ""),
    ];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![
            resource(
                by("log.file.path", "/shared"),
                vec![
                    vec![record(body(), vec![]), record(body(), two)],
                    vec![record(None, by("log.file.name", "other"))],
                ],
            ),
            resource(by("service.name", "s"), vec![vec![record(body(), vec![])]]),
        ],
    };
    let read = read_both(&request);
    let read: Vec<_> = read
        .iter()
        .map(|(n, s, t)| (*n, s.as_deref(), &t[..]))
        .collect();
    assert_eq!(
        read,
        [
            (0, Some("/shared"), &b"x"[..]),
            (1, Some("name"), b"x"),
            (2, Some("other"), b""),
            (3, None, b"x"),
        ]
    );
}

#[test]
fn json_may_leave_out_what_protobufs_json_leaves_out() {
    let body = |body: &str| {
        let request = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{body}}}]}}]}}]}}"#
        );
        let read = read(Encoding::Json, request);
        read.map(|read| read[0].2.clone())
    };
    for (value, expected) in [
        (r#"{"arrayValue":{}}"#, "[]"),
        (r#"{"kvlistValue":{"values":null}}"#, "{}"),
        (
            r#"{"kvlistValue":{"values":[{},{"key":"a"},{"key":"b","value":{}}]}}"#,
            r#"{"":null,"a":null,"b":null}"#,
        ),
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            "-9223372036854775808",
        ),
        (r#"{"intValue":7}"#, "7"),
        (r#"{"doubleValue":7}"#, "7.0"),
        (r#"{"doubleValue":"-Infinity"}"#, "\"-Infinity\""),
        (r#"{"boolValue":true,"someday":[1]}"#, "true"),
        (r#"{"bytesValue":"aGk"}"#, "hi"),
        (r#"{"bytesValue":"aGk="}"#, "hi"),
        (r#"{"bytesValue":"aT8_Pg"}"#, "i??>"),
        (r#"{"stringValue":"\ud83e\udd80"}"#, "🦀"),
        (r#"{"stringValue":null}"#, ""),
        ("{}", ""),
        ("null", ""),
    ] {
        assert_eq!(body(value).unwrap(), expected.as_bytes(), "{value}");
    }
    for value in [
        r#"{"stringValue":7}"#,
        r#"{"intValue":"7}"}"#,
        r#"{"intValue":1.5}"#,
        r#"{"boolValue":"true"}"#,
        r#"{"bytesValue":"%"}"#,
        r#"{"arrayValue":[]}"#,
        r#"{"kvlistValue":{"values":{}}}"#,
        r#""text""#,
    ] {
        assert!(body(value).is_err(), "{value}");
    }
}

#[tokio::test]
async fn what_a_request_is_decoded_into_has_its_room() {
    let limits = |in_flight_bytes| Limits {
        in_flight_bytes,
        ..Limits::default()
    };
    let too_large = |limit| Err(Error::Ingest(ingest::Error::DecodedTooLarge { limit }));
    // Two bytes each, and as a tree two hundred.
    let records = vec![LogRecord::default(); 100_000];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![resource(vec![], vec![records])],
    };
    let protobuf = request.encode_to_vec();
    assert!(protobuf.len() < 300_000);
    let read = read_within(limits(4 << 20), Encoding::Protobuf, protobuf.clone());
    assert_eq!(read, too_large(4 << 20));
    let read = read_within(limits(16 << 20), Encoding::Protobuf, protobuf).unwrap();
    assert_eq!(read.len(), 100_000);
    // So is JSON's.
    let json = format!(r#"{{"unknown":[{}1]}}"#, "1,".repeat(100_000));
    let read = read_within(limits(4 << 20), Encoding::Json, json.clone());
    assert_eq!(read, too_large(4 << 20));
    assert_eq!(
        read_within(limits(16 << 20), Encoding::Json, json),
        Ok(vec![])
    );
}

#[tokio::test]
async fn room_that_is_taken_by_others_is_waited_for_by_the_sender() {
    let bench = bench(Limits::default());
    let limit = bench.ingest.limits().in_flight_bytes;
    let request: Bytes = one(any(Value::ArrayValue(ArrayValue {
        values: vec![AnyValue::default(); 100_000],
    })))
    .encode_to_vec()
    .into();
    let reserved = bench.ingest.try_reserve(request.len()).unwrap();
    let mut others = bench.ingest.try_reserve(1).unwrap();
    bench
        .ingest
        .resize(&mut others, limit - request.len() - 8192)
        .unwrap();
    let texts = Texts::new(bench.ingest.clone(), reserved, request.len());
    let refused = decode(Encoding::Protobuf, &request, texts).map(|(texts, _)| texts.len());
    assert_eq!(
        refused,
        Err(Error::Ingest(ingest::Error::InFlightLimit { limit }))
    );
    drop(others);
    let reserved = bench.ingest.try_reserve(request.len()).unwrap();
    let texts = Texts::new(bench.ingest.clone(), reserved, request.len());
    assert!(decode(Encoding::Protobuf, &request, texts).is_ok());
}

#[test]
fn a_value_may_nest_as_deep_as_it_will() {
    // An array in an array, 5,000 times: each adds its keys and lengths.
    let mut value = Vec::new();
    for _ in 0..5_000 {
        for key in [0x0a, 0x2a] {
            let mut outer = vec![key];
            prost::encode_length_delimiter(value.len(), &mut outer).unwrap();
            outer.append(&mut value);
            value = outer;
        }
    }
    let mut request = value;
    for key in [0x2a, 0x12, 0x12, 0x0a] {
        let mut outer = vec![key];
        prost::encode_length_delimiter(request.len(), &mut outer).unwrap();
        outer.append(&mut request);
        request = outer;
    }
    let read = read(Encoding::Protobuf, request).unwrap();
    assert_eq!(read[0].2.len(), 10_000 + "null".len());
}

/// Written by the collector itself (pdata 1.66.0).
const COLLECTORS: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"scope":{"name":"scope"},"logRecords":[{"timeUnixNano":"1712758075000000000","observedTimeUnixNano":"1712758075000000001","severityNumber":9,"body":{"kvlistValue":{"values":[{"key":"eventVersion","value":{"stringValue":"1.08"}},{"key":"int","value":{"intValue":"-9007199254740993"}},{"key":"double","value":{"doubleValue":2.5}},{"key":"five","value":{"doubleValue":5}},{"key":"big","value":{"doubleValue":1e+21}},{"key":"yes","value":{"boolValue":true}},{"key":"no","value":{"boolValue":false}},{"key":"nil","value":{}},{"key":"none","value":{"arrayValue":{}}},{"key":"empty","value":{"kvlistValue":{}}},{"key":"blank","value":{"stringValue":""}},{"key":"zero","value":{"intValue":"0"}},{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{},{"intValue":"1"}]}}},{"key":"bytes","value":{"bytesValue":"//4="}}]}},"attributes":[{"key":"log.file.name","value":{"stringValue":"f.json"}},{"key":"b","value":{"bytesValue":"AQL/"}}],"flags":1,"traceId":"01020000000000000000000000000000","spanId":"0300000000000000"},{"body":{"stringValue":"text 🦀"}},{"body":{}}]}]}]}"#;

#[test]
fn the_collectors_own_json_is_read() {
    let map = r#"{"eventVersion":"1.08","int":-9007199254740993,"double":2.5,"five":5.0,"big":1e+21,"yes":true,"no":false,"nil":null,"none":[],"empty":{},"blank":"","zero":0,"list":["a",null,1],"bytes":"//4="}"#;
    let expected = [
        (0, Some("f.json".to_owned()), map.into()),
        (1, None, "text 🦀".into()),
        (2, None, vec![]),
    ];
    assert_eq!(read(Encoding::Json, COLLECTORS).unwrap(), expected);
}
