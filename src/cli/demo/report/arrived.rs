//! The log records that arrived, as events of a report.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use crate::cli::demo::collector::Received;
use crate::view::event::{Builder, Event};

/// The attributes of an event that assembly has joined to a conversation.
const CORRELATION: &str = "qtrail.correlation";
const CONVERSATION: &str = "gen_ai.conversation.id";

/// A log record.
pub(super) struct Arrived<'a> {
    pub(super) event: Event,
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
}

/// All log records, in the order of arrival.
pub(super) fn arrived(received: &Received) -> Vec<Arrived<'_>> {
    let mut builder = Builder::default();
    let mut arrived = Vec::new();
    for resource in received.logs.iter().flat_map(|r| &r.resource_logs) {
        let of_resource = resource.resource.iter().flat_map(|r| &r.attributes);
        let records = resource.scope_logs.iter().flat_map(|s| &s.log_records);
        for log in records {
            let time = i64::try_from(log.time_unix_nano).unwrap_or(i64::MAX);
            let span_id = log.span_id.as_slice().try_into().unwrap_or_default();
            builder.begin(time, span_id);
            let is_joined = log.attributes.iter().any(|a| a.key == CORRELATION);
            // The report joins it itself, and says how sure that is.
            let is_hidden = |a: &&KeyValue| is_joined && a.key == CONVERSATION;
            let attributes = of_resource.clone().chain(&log.attributes);
            for attribute in attributes.filter(|a| !is_hidden(a)) {
                add(&mut builder, attribute);
            }
            arrived.push(Arrived {
                event: builder.finish(),
                trace_id: &log.trace_id,
                span_id: &log.span_id,
            });
        }
    }
    arrived
}

fn add(builder: &mut Builder, attribute: &KeyValue) {
    let key = attribute.key.as_str();
    match value(attribute.value.as_ref()) {
        Some(Value::StringValue(text)) => builder.text(key, text),
        Some(Value::BoolValue(flag)) => builder.flag(key, *flag),
        Some(Value::ArrayValue(values)) => {
            let texts = values
                .values
                .iter()
                .filter_map(|item| match value(Some(item)) {
                    Some(Value::StringValue(text)) => Some(text.as_str()),
                    _ => None,
                });
            builder.text(key, &texts.collect::<Vec<_>>().join(", "));
        }
        _ => {}
    }
}

fn value(value: Option<&AnyValue>) -> Option<&Value> {
    value?.value.as_ref()
}
