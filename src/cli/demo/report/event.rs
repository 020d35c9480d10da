//! The events that arrived: each log record with its span.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use crate::cli::demo::collector::Received;

/// A log record with its span.
pub(super) struct Event<'a> {
    attributes: &'a [KeyValue],
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
    /// The span's duration, if there is a span.
    pub(super) milliseconds: Option<u64>,
}

impl Event<'_> {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|a| a.key == key)?;
        match attribute.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn class(&self) -> &str {
        self.text("qtrail.event.class").unwrap_or("?")
    }

    pub(super) fn person(&self) -> &str {
        let name = self.text("user.name").or_else(|| self.text("enduser.id"));
        name.unwrap_or("?")
    }

    pub(super) fn id(&self) -> &str {
        self.text("log.record.uid").unwrap_or("?")
    }

    pub(super) fn name(&self) -> &str {
        self.text("aws.cloudtrail.event_name").unwrap_or("?")
    }

    pub(super) fn service(&self) -> &str {
        let source = self.text("aws.cloudtrail.event_source").unwrap_or("?");
        source.strip_suffix(".amazonaws.com").unwrap_or(source)
    }

    /// The time of day.
    pub(super) fn clock(&self) -> String {
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.time)).unwrap_or_default();
        time.strftime("%H:%M:%S").to_string()
    }
}

/// The log records by time, each with its span's duration.
pub(super) fn events(received: &Received) -> Vec<Event<'_>> {
    let spans = received.traces.iter().flat_map(|r| &r.resource_spans);
    let spans = spans.flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
    let durations: BTreeMap<&[u8], u64> = spans
        .map(|s| {
            let nanos = s.end_time_unix_nano.saturating_sub(s.start_time_unix_nano);
            (s.span_id.as_slice(), nanos / 1_000_000)
        })
        .collect();
    let logs = received.logs.iter().flat_map(|r| &r.resource_logs);
    let logs = logs
        .flat_map(|r| &r.scope_logs)
        .flat_map(|s| &s.log_records);
    let mut events: Vec<_> = logs
        .map(|log| Event {
            attributes: &log.attributes,
            time: log.time_unix_nano,
            trace_id: &log.trace_id,
            span_id: &log.span_id,
            milliseconds: durations.get(log.span_id.as_slice()).copied(),
        })
        .collect();
    events.sort_by_key(|e| e.time);
    events
}
