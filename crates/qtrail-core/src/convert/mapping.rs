//! The one description of which field becomes what.
//!
//! Enters: an event, redacted, and what was found out of it before. Leaves: each attribute, said
//! once. What must hold: what the record does not carry is not said; with [`Body::None`], what it
//! carries is said somewhere.

use std::borrow::Cow;
use std::net::IpAddr;

use super::attribute_writer::AttributeWriter;
use super::attributes::{Kind, Sink, Value};
use super::redact::listed;
use super::semconv as names;
use super::{Body, Options, Placement, Verdict, amazon_q, identity};
use crate::event::{Event, Key};
use crate::json::Type;

/// `service.namespace` of every resource: the decoder that made the record.
pub(super) const NAMESPACE: &str = "aws.cloudtrail";

/// Nanoseconds from start to end of a span whose duration is not known. Jaeger takes a span that
/// ends when it starts for one of negative duration: it warns, and keeps each repeat.
const NO_DURATION: i64 = 1;

/// Says every attribute of an event.
pub(super) fn write_attributes<S: Sink>(
    event: &Event<'_>,
    placement: &Placement,
    verdict: &Verdict,
    redacted: &[String],
    options: &Options,
    sink: &mut S,
) {
    let complete = options.body == Body::None;
    let mut say = AttributeWriter::new(event, sink, complete);
    call(&mut say, verdict);
    for attribute in &placement.extra {
        say.value(attribute.field, attribute.value.clone());
    }
    identity::say(&mut say, verdict, &options.identities);
    amazon_q::say(&mut say, verdict, options);
    if let Some(link) = &verdict.link {
        say.str(&names::SESSION_TRACE_ID, &hex::encode(link.trace_id));
    }
    if !redacted.is_empty() {
        let pointers = redacted.iter().map(|pointer| Cow::Borrowed(&**pointer));
        say.value(&names::REDACTED, Value::Strs(pointers.collect()));
    }
    let unreadable = event.unreadable();
    if !unreadable.is_empty() {
        let pointers = listed(event.document(), unreadable);
        let pointers = pointers.into_iter().map(Cow::Owned);
        say.value(&names::UNREADABLE, Value::Strs(pointers.collect()));
    }
    if options.maps || complete {
        objects(&mut say);
    }
    if complete {
        // These are in the head.
        for key in [Key::EventTime, Key::AwsRegion, Key::RecipientAccountId] {
            if event.shown(key).is_some() {
                say.count(key);
            }
        }
        if let Some(rest) = say.unsaid() {
            say.value(&names::UNMAPPED, rest);
        }
    }
}

/// The call itself.
fn call<S: Sink>(say: &mut AttributeWriter<'_, S>, verdict: &Verdict) {
    let event = say.event;
    say.id(&names::LOG_RECORD_UID, &[Key::EventId]);
    say.text(&names::EVENT_ID, Key::EventId);
    say.text(&names::EVENT_NAME, Key::EventName);
    say.text(&names::EVENT_SOURCE, Key::EventSource);
    say.text(&names::EVENT_TYPE, Key::EventType);
    say.text(&names::EVENT_VERSION, Key::EventVersion);
    say.text(&names::API_VERSION, Key::ApiVersion);
    say.text(&names::EVENT_CATEGORY, Key::EventCategory);
    say.flag(&names::READ_ONLY, Key::ReadOnly);
    say.flag(&names::MANAGEMENT, Key::ManagementEvent);
    say.text(&names::REQUEST_ID, Key::RequestId);
    say.text(&names::SHARED_EVENT_ID, Key::SharedEventId);
    say.text(&names::VPC_ENDPOINT_ID, Key::VpcEndpointId);
    say.text(&names::VPC_ENDPOINT_ACCOUNT_ID, Key::VpcEndpointAccountId);
    if event.text_of(Key::EventType).as_deref() == Some("AwsApiCall") {
        say.str(&names::RPC_SYSTEM_NAME, "aws-api");
        if let Some(source) = event.text_of(Key::EventSource)
            && let Some(name) = event.text_of(Key::EventName)
        {
            say.str(&names::RPC_METHOD, &[&*source, "/", &*name].concat());
        }
    }
    say.text(&names::SOURCE_ADDRESS, Key::SourceIpAddress);
    if let Some(addresses) = event.text_of(Key::SourceIpAddress)
        && let Some(address) = first_address(&addresses)
    {
        say.str(&names::CLIENT_ADDRESS, address);
    }
    say.str(&names::OUTCOME, verdict.outcome.as_str());
    if kind(event) == Kind::Client {
        say.text(&names::PEER_SERVICE, Key::EventSource);
    }
    say.text(&names::USER_AGENT_ORIGINAL, Key::UserAgent);
    if verdict.error_code {
        say.scalar(&names::ERROR_TYPE, Key::ErrorCode);
    }
    say.scalar(&names::ERROR_CODE, Key::ErrorCode);
    say.text(&names::ERROR_MESSAGE, Key::ErrorMessage);
    if let Some(version) = event.text_of(Key::TlsVersion) {
        say.count(Key::TlsVersion);
        let number = version.strip_prefix("TLSv").unwrap_or(&version);
        say.str(&names::TLS_PROTOCOL_VERSION, number);
    }
    say.text(&names::TLS_CIPHER, Key::CipherSuite);
    say.text(&names::SERVER_ADDRESS, Key::ClientProvidedHostHeader);
    say.flag(&names::SESSION_CONSOLE, Key::SessionCredentialFromConsole);
}

/// The first IP address of a list: behind proxies, the client's own is followed by theirs.
fn first_address(addresses: &str) -> Option<&str> {
    let parts = addresses.split([',', ' ', '\t']);
    parts
        .into_iter()
        .find(|part| part.parse::<IpAddr>().is_ok())
}

/// The objects, as maps.
fn objects<S: Sink>(say: &mut AttributeWriter<'_, S>) {
    say.map(&names::REQUEST_PARAMETERS, Key::RequestParameters);
    say.map(&names::RESPONSE_ELEMENTS, Key::ResponseElements);
    say.map(&names::ADDITIONAL_EVENT_DATA, Key::AdditionalEventData);
    say.map(&names::SERVICE_EVENT_DETAILS, Key::ServiceEventDetails);
    say.map(&names::EVENT_CONTEXT, Key::EventContext);
    say.map(&names::ADDENDUM, Key::Addendum);
    say.map(&names::INSIGHT_DETAILS, Key::InsightDetails);
    resources(say);
}

/// What the parts of a resource are called.
const RESOURCE: [(&str, &str); 3] = [
    ("accountId", "account.id"),
    ("type", "type"),
    ("ARN", "arn"),
];

fn resources<S: Sink>(say: &mut AttributeWriter<'_, S>) {
    let event = say.event;
    let Some(node) = event.get(Key::Resources) else {
        return;
    };
    if node.is_redacted() {
        return say.text(&names::RESOURCES, Key::Resources);
    }
    let mut maps = Vec::new();
    for resource in node.items().filter(|node| node.kind() == Type::Object) {
        let mut map = Vec::with_capacity(RESOURCE.len());
        for (key, name) in RESOURCE {
            let Some(part) = resource.get(key) else {
                continue;
            };
            if let Some(text) = part.as_str().filter(|text| !text.is_empty()) {
                say.count_node(part);
                map.push((Cow::Borrowed(name), Value::Str(text)));
            }
        }
        if !map.is_empty() {
            maps.push(Value::Map(map));
        }
    }
    if !maps.is_empty() {
        say.value(&names::RESOURCES, Value::Array(maps));
    }
}

/// A call that Amazon Q made is drawn from Amazon Q to the service; CloudTrail records all others
/// where they are served.
pub(super) fn kind(event: &Event<'_>) -> Kind {
    if event.class().is_call() {
        Kind::Client
    } else {
        Kind::Server
    }
}

/// The span's start and end. `eventTime` is when the request was completed; only a telemetry event
/// of Amazon Q's clients carries a duration before it, in milliseconds. Without one the span ends
/// [`NO_DURATION`] after `eventTime`.
pub(super) fn extent(event: &Event<'_>) -> (i64, i64) {
    let time = event.time();
    let duration = event
        .get(Key::TelemetryLatency)
        .filter(|_| event.class().is_own())
        .and_then(|node| node.as_number())
        .and_then(|text| text.parse::<f64>().ok())
        // A float that is too large becomes the largest integer, and then no start at all.
        .map(|milliseconds| (milliseconds * 1e6).round() as i64)
        .filter(|nanoseconds| *nanoseconds > 0);
    match duration.and_then(|duration| time.checked_sub(duration)) {
        Some(start) if start >= 0 => (start, time),
        _ => (time, time.saturating_add(NO_DURATION)),
    }
}

#[cfg(test)]
mod tests;
