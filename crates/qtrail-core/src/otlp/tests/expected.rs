//! The messages that events should be, built with `opentelemetry-proto`.

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

use super::events::{Event, TestValue};
use crate::convert::{On, ResourceKey, Severity, SpanKind, Value};
use crate::otlp::Signal;

pub(super) fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(super) fn text(text: &str) -> AnyValue {
    any(Any::StringValue(text.to_owned()))
}

pub(super) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

pub(super) fn array(values: Vec<AnyValue>) -> AnyValue {
    any(Any::ArrayValue(ArrayValue { values }))
}

pub(super) fn map(values: Vec<KeyValue>) -> AnyValue {
    any(Any::KvlistValue(KeyValueList { values }))
}

pub(super) fn expected_json(json: &serde_json::Value) -> AnyValue {
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

pub(super) fn expected_plain(value: &Value<'_>) -> AnyValue {
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
        Value::Json(_) => unreachable!("sent as TestValue::Json"),
    }
}

pub(super) fn expected_value(value: &TestValue) -> AnyValue {
    match value {
        TestValue::Plain(value) => expected_plain(value),
        TestValue::Json(json) => expected_json(json),
    }
}

pub(super) fn expected_attributes(event: &Event, ons: [On; 2]) -> Vec<KeyValue> {
    let on = event
        .attributes
        .iter()
        .filter(|(field, _)| ons.contains(&field.on));
    on.map(|(field, value)| pair(field.name, expected_value(value)))
        .collect()
}

pub(super) fn expected_log(event: &Event) -> LogRecord {
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

pub(super) fn expected_span(event: &Event) -> Span {
    let head = &event.head;
    Span {
        trace_id: head.trace_id.to_vec(),
        span_id: head.span_id.to_vec(),
        parent_span_id: head.parent.map(Vec::from).unwrap_or_default(),
        flags: 1,
        name: head.name.to_string(),
        kind: match head.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
        start_time_unix_nano: head.start as u64,
        end_time_unix_nano: head.end as u64,
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

pub(super) fn expected_resource(key: &ResourceKey<'_>) -> Resource {
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

pub(super) const SCHEMA_URL: &str = opentelemetry_semantic_conventions::SCHEMA_URL;

pub(super) fn expected_scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "qtrail".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        attributes: vec![pair("encoding.format", text("aws.cloudtrail"))],
        dropped_attributes_count: 0,
    })
}

/// The events of each resource, in the order in which the sink first received them.
pub(super) fn by_resource(
    events: &[Event],
    signal: Signal,
) -> Vec<(ResourceKey<'static>, Vec<&Event>)> {
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

pub(super) fn expected_logs(events: &[Event]) -> ExportLogsServiceRequest {
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

pub(super) fn expected_spans(events: &[Event]) -> ExportTraceServiceRequest {
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
