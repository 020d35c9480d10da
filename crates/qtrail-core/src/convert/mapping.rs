//! The mapping: which CloudTrail field becomes which attribute.
//!
//! Enters: a redacted event and the values derived from it before redaction. Leaves: each attribute,
//! written once. What must hold: a field that the record does not carry gives no attribute; with
//! [`Body::None`], every field that it carries is in some attribute.

use std::borrow::Cow;
use std::net::IpAddr;

use super::attribute_writer::AttributeWriter;
use super::attributes::{Sink, SpanKind, Value};
use super::redact::listed;
use super::semconv as names;
use super::{Body, Derived, Options, Placement, agents, amazon_q, identity, name_of_service};
use crate::event::amazon_q::Class;
use crate::event::{Event, Key};
use crate::json::Type;

/// `service.namespace` of every resource: the decoder that made the record.
pub(super) const NAMESPACE: &str = "aws.cloudtrail";

/// Length, in nanoseconds, of a span whose duration is unknown. Jaeger treats a span that ends at its
/// start as one of negative duration: it warns, and stores each repeat separately.
const NO_DURATION: i64 = 1;

/// Writes every attribute of an event.
pub(super) fn write_attributes<S: Sink>(
    event: &Event<'_>,
    placement: &Placement,
    derived: &Derived<'_>,
    redacted: &[String],
    options: &Options,
    sink: &mut S,
) {
    let complete = options.body == Body::None;
    let mut writer = AttributeWriter::new(event, sink, complete);
    call(&mut writer, derived);
    for attribute in &placement.extra {
        writer.value(attribute.field, attribute.value.clone());
    }
    identity::write(&mut writer, derived);
    amazon_q::write(&mut writer, derived, options);
    if let Some(link) = &derived.link {
        let mut digits = [0; 32];
        // Two digits for each byte.
        if hex::encode_to_slice(link.trace_id, &mut digits).is_ok()
            && let Ok(digits) = str::from_utf8(&digits)
        {
            writer.str(&names::SESSION_TRACE_ID, digits);
        }
    }
    if !redacted.is_empty() {
        let pointers = redacted.iter().map(|pointer| Cow::Borrowed(&**pointer));
        writer.value(&names::REDACTED, Value::Strs(pointers.collect()));
    }
    let unreadable = event.unreadable();
    if !unreadable.is_empty() {
        let pointers = listed(event.document(), unreadable);
        let pointers = pointers.into_iter().map(Cow::Owned);
        writer.value(&names::UNREADABLE, Value::Strs(pointers.collect()));
    }
    if options.maps || complete {
        objects(&mut writer);
    }
    if complete {
        // The head carries these.
        for key in [Key::EventTime, Key::AwsRegion, Key::RecipientAccountId] {
            if event.shown(key).is_some() {
                writer.mark_mapped(key);
            }
        }
        if let Some(unmapped) = writer.unmapped() {
            writer.value(&names::UNMAPPED, unmapped);
        }
    }
}

/// Writes the attributes of the call itself.
fn call<S: Sink>(writer: &mut AttributeWriter<'_, S>, derived: &Derived<'_>) {
    let event = writer.event;
    writer.id(&names::LOG_RECORD_UID, &[Key::EventId]);
    writer.text(&names::EVENT_ID, Key::EventId);
    writer.text(&names::EVENT_NAME, Key::EventName);
    writer.text(&names::EVENT_SOURCE, Key::EventSource);
    writer.text(&names::EVENT_TYPE, Key::EventType);
    writer.text(&names::EVENT_VERSION, Key::EventVersion);
    writer.text(&names::API_VERSION, Key::ApiVersion);
    writer.text(&names::EVENT_CATEGORY, Key::EventCategory);
    writer.flag(&names::READ_ONLY, Key::ReadOnly);
    writer.flag(&names::MANAGEMENT, Key::ManagementEvent);
    writer.text(&names::REQUEST_ID, Key::RequestId);
    if let Some(id) = agents::extended_request_id(event) {
        writer.value(&names::EXTENDED_REQUEST_ID, Value::Str(id));
    }
    writer.text(&names::SHARED_EVENT_ID, Key::SharedEventId);
    writer.text(&names::VPC_ENDPOINT_ID, Key::VpcEndpointId);
    writer.text(&names::VPC_ENDPOINT_ACCOUNT_ID, Key::VpcEndpointAccountId);
    if event.text_of(Key::EventType).as_deref() == Some("AwsApiCall") {
        writer.str(&names::RPC_SYSTEM_NAME, "aws-api");
        if let Some(source) = event.text_of(Key::EventSource)
            && let Some(name) = event.text_of(Key::EventName)
        {
            writer.str(&names::RPC_METHOD, &[&*source, "/", &*name].concat());
        }
    }
    writer.text(&names::SOURCE_ADDRESS, Key::SourceIpAddress);
    if let Some(addresses) = event.text_of(Key::SourceIpAddress)
        && let Some(address) = first_address(&addresses)
    {
        writer.str(&names::CLIENT_ADDRESS, address);
    }
    writer.str(&names::OUTCOME, derived.outcome.as_str());
    if kind(event) == SpanKind::Client
        && let Some(source) = event.text_of(Key::EventSource)
    {
        let service = name_of_service(&source);
        writer.str(&names::PEER_SERVICE, service);
        writer.str(&names::SERVICE_PEER_NAME, service);
    }
    writer.text(&names::USER_AGENT_ORIGINAL, Key::UserAgent);
    if derived.error_code {
        writer.scalar(&names::ERROR_TYPE, Key::ErrorCode);
    }
    writer.scalar(&names::ERROR_CODE, Key::ErrorCode);
    writer.text(&names::ERROR_MESSAGE, Key::ErrorMessage);
    if let Some(version) = event.text_of(Key::TlsVersion) {
        writer.mark_mapped(Key::TlsVersion);
        let number = version.strip_prefix("TLSv").unwrap_or(&version);
        writer.str(&names::TLS_PROTOCOL_VERSION, number);
    }
    writer.text(&names::TLS_CIPHER, Key::CipherSuite);
    writer.text(&names::TLS_CURVE, Key::TlsKeyExchange);
    writer.text(&names::SERVER_ADDRESS, Key::ClientProvidedHostHeader);
    writer.flag(&names::SESSION_CONSOLE, Key::SessionCredentialFromConsole);
}

/// The first IP address of a list: behind proxies, the client's own is followed by theirs.
fn first_address(addresses: &str) -> Option<&str> {
    let is_address = |part: &&str| part.parse::<IpAddr>().is_ok();
    // Nearly always there is one.
    let whole = Some(addresses).filter(is_address);
    whole.or_else(|| addresses.split([',', ' ', '\t']).find(is_address))
}

/// Writes the objects as maps.
fn objects<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    writer.map(&names::REQUEST_PARAMETERS, Key::RequestParameters);
    writer.map(&names::RESPONSE_ELEMENTS, Key::ResponseElements);
    writer.map(&names::ADDITIONAL_EVENT_DATA, Key::AdditionalEventData);
    writer.map(&names::SERVICE_EVENT_DETAILS, Key::ServiceEventDetails);
    writer.map(&names::EVENT_CONTEXT, Key::EventContext);
    writer.map(&names::ADDENDUM, Key::Addendum);
    writer.map(&names::INSIGHT_DETAILS, Key::InsightDetails);
    resources(writer);
}

/// Attribute names of a resource's parts.
const RESOURCE: [(&str, &str); 3] = [
    ("accountId", "account.id"),
    ("type", "type"),
    ("ARN", "arn"),
];

fn resources<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    let event = writer.event;
    let Some(node) = event.get(Key::Resources) else {
        return;
    };
    if node.is_redacted() {
        return writer.text(&names::RESOURCES, Key::Resources);
    }
    let mut maps = Vec::new();
    for resource in node.items().filter(|node| node.kind() == Type::Object) {
        let mut map = Vec::with_capacity(RESOURCE.len());
        for (key, name) in RESOURCE {
            let Some(part) = resource.get(key) else {
                continue;
            };
            if let Some(text) = part.as_str().filter(|text| !text.is_empty()) {
                writer.mark_node_mapped(part);
                map.push((Cow::Borrowed(name), Value::Str(text)));
            }
        }
        if !map.is_empty() {
            maps.push(Value::Map(map));
        }
    }
    if !maps.is_empty() {
        writer.value(&names::RESOURCES, Value::Array(maps));
    }
}

/// Calls that an agent made are client spans, drawn from the agent to the called service. CloudTrail
/// records every other call at the service that answers it.
pub(super) fn kind(event: &Event<'_>) -> SpanKind {
    if event.class().is_call() {
        SpanKind::Client
    } else {
        SpanKind::Server
    }
}

/// The span's start and end. S3 records both. For any other event, `eventTime` is when the request was completed;
/// only a telemetry event of Amazon Q's clients and a tool's call carry a duration before it, in milliseconds. Without
/// one the span ends [`NO_DURATION`] after `eventTime`.
pub(crate) fn extent(event: &Event<'_>) -> (i64, i64) {
    let time = event.time();
    if let Some((start, end)) = agents::recorded_extent(event) {
        return (start, end.max(start.saturating_add(NO_DURATION)));
    }
    let latency = event.get(Key::TelemetryLatency).filter(|_| event.is_own());
    let execution = || {
        event
            .get(Key::McpExecutionTime)
            .filter(|_| event.class() == Class::ToolCall)
    };
    let duration = latency
        .or_else(execution)
        .and_then(|node| node.as_number())
        .and_then(|text| text.parse::<f64>().ok())
        // A float that is too large saturates, and the subtraction below then gives no start.
        .map(|milliseconds| (milliseconds * 1e6).round() as i64)
        .filter(|nanoseconds| *nanoseconds > 0);
    match duration.and_then(|duration| time.checked_sub(duration)) {
        Some(start) if start >= 0 => (start, time),
        _ => (time, time.saturating_add(NO_DURATION)),
    }
}

#[cfg(test)]
mod tests;
