//! Maps an event to the fields and attributes of a log record and a span.
//!
//! Enters: an [`Event`], its [`Placement`] and [`Options`]. Leaves: a [`Head`] and each attribute,
//! passed once to a [`Sink`]; and a [`Summary`] for metrics. What must hold: the result depends only on the event and its source
//! (never on a clock, a random number or the order of events), so that converting an event again
//! gives the same bytes.
//!
//! [`convert`] is the only entry; [`FIELDS`] lists every attribute it can write.

mod agents;
mod amazon_q;
mod attribute_writer;
mod attributes;
mod identity;
pub mod ids;
mod mapping;
mod observed;
mod organization;
mod owner;
mod pseudonym;
mod redact;
pub(crate) mod semconv;
mod severity;
mod summary;
mod table;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use crate::event::amazon_q::Class;
use crate::event::{Event, Key};

pub(crate) use agents::sign_in_session;
pub(crate) use amazon_q::is_chat;
pub use attributes::{
    Attribute, Field, Head, Link, On, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
pub(crate) use identity::enduser;
pub(crate) use mapping::extent;
pub use observed::observed_time;
pub use organization::organization;
pub use owner::{is_account, is_region, owner};
pub use pseudonym::{Pseudonyms, ShortKey};
pub(crate) use redact::redact;
pub use severity::Outcome;
pub use summary::Summary;
pub use table::FIELDS;

/// The trace and parent of an event: those it has by itself, or those that the caller assigns.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The trace id.
    pub trace_id: [u8; 16],
    /// The parent span id, if any. A span with a parent has no link to its session, whose span does not exist.
    pub parent: Option<[u8; 8]>,
    /// The span's start and end, in nanoseconds since 1970, instead of the event's own.
    pub extent: Option<(i64, i64)>,
    /// Attributes that do not come from the record, such as the organization.
    pub extra: Vec<Attribute<'static>>,
}

/// How events are converted. Every combination of values is valid.
#[derive(Debug, Clone)]
pub struct Options {
    /// The content of the log record's body.
    pub body: Body,
    /// Whether `requestParameters`, `responseElements` and the other objects become map attributes
    /// too. With [`Body::None`] they always do.
    pub maps: bool,
    /// The source of `service.name`.
    pub service_name: ServiceName,
    /// Resource attributes to add, as names and values. They replace an event's own of the same name;
    /// of two with one name, the last one counts.
    pub resource: Vec<(String, String)>,
    /// `gen_ai.provider.name`.
    pub provider_name: String,
    /// Whether a tool's call has its arguments and its result as attributes.
    pub tool_content: bool,
    /// What to mask in addition to secrets, which are always masked.
    pub redaction: Redaction,
    /// `user.name` by `enduser.id`.
    pub identities: HashMap<String, String>,
    /// Whether events become log records.
    pub logs: bool,
    /// Whether events become spans.
    pub traces: bool,
    /// The classes whose events become spans; `None` means all.
    pub trace_classes: Option<BTreeSet<Class>>,
}

/// The content of a log record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// The record's own text, byte for byte except for redacted values.
    #[default]
    Original,
    /// The record as a map.
    Map,
    /// No body. Every field of the record is in an attribute instead.
    None,
}

/// The source of `service.name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceName {
    /// `amazon-q` for Amazon Q's events and the calls it made, a name for each other agent; `eventSource` for every
    /// other event.
    #[default]
    AmazonQ,
    /// `eventSource` for every event.
    EventSource,
}

/// What to mask in addition to secrets, which are always masked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redaction {
    /// Key names to mask wherever they occur, compared without case, `_` and `-`.
    pub keys: Vec<String>,
    /// JSON pointers to mask.
    pub pointers: Vec<String>,
    /// What becomes of `accessKeyId`.
    pub access_key_id: Hide,
    /// What becomes of `sourceIPAddress`.
    pub source_ip: Hide,
    /// What becomes of user names and ids.
    pub users: Hide,
}

/// What becomes of a kind of value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hide {
    /// It is shown.
    #[default]
    Keep,
    /// It is masked.
    Drop,
    /// A pseudonym stands for it.
    Hash(Pseudonyms),
}

impl Hide {
    /// Whether the original is hidden.
    pub(crate) fn hides(&self) -> bool {
        *self != Hide::Keep
    }
}

impl Redaction {
    /// Whether it masks any field that it is told to.
    pub(crate) fn names_fields(&self) -> bool {
        !self.keys.is_empty() || !self.pointers.is_empty()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            body: Body::Original,
            maps: false,
            service_name: ServiceName::AmazonQ,
            resource: Vec::new(),
            provider_name: "aws.q_developer".to_owned(),
            tool_content: false,
            redaction: Redaction::default(),
            identities: HashMap::new(),
            logs: true,
            traces: true,
            trace_classes: None,
        }
    }
}

impl Placement {
    /// The placement that follows from the event itself: see [`ids::trace`].
    pub fn of(event: &Event<'_>) -> Self {
        Placement {
            trace_id: ids::trace(event).0,
            parent: None,
            extent: None,
            extra: Vec::new(),
        }
    }

    /// Adds the organization that [`organization`] found in the source's name.
    pub fn within(mut self, organization: Option<&Attribute<'static>>) -> Self {
        self.extra.extend(organization.cloned());
        self
    }
}

/// Passes an event to a sink: `begin` with the head, `attribute` once for each attribute, `end`.
///
/// Takes the event by value because it redacts it. Read what you need of the original (its
/// [`Placement`], its id) before the call. `observed` is the time from [`observed_time`], in
/// nanoseconds since 1970; without it, the observed time is `eventTime`.
pub fn convert(
    mut event: Event<'_>,
    placement: &Placement,
    observed: Option<i64>,
    options: &Options,
    sink: &mut impl Sink,
) {
    let derived = Derived::of(&event, placement);
    let redacted = redact(event.document_mut(), &options.redaction);
    let event = &event;
    let mut head = head(event, placement, &derived, options);
    if !redacted.is_empty() {
        head.trace_id = ids::unrevealing(event, placement.trace_id);
    }
    head.observed = observed.unwrap_or(head.time);
    sink.begin(&head);
    sink.summary(&Summary::of(event, &derived, &head));
    mapping::write_attributes(event, placement, &derived, &redacted, options, sink);
    sink.end();
}

/// What follows from the original event, by fields that may be redacted afterwards. Holds none of
/// their values, except within hashes.
struct Derived {
    span_id: [u8; 8],
    link: Option<Link>,
    outcome: Outcome,
    error_code: bool,
    identity: Option<&'static str>,
    credential: Option<&'static str>,
    invoked_by_service: Option<bool>,
    operation: Option<&'static str>,
    channel: Option<&'static str>,
    person: Option<u64>,
    conversation: Option<[u8; 16]>,
}

impl Derived {
    fn of(event: &Event<'_>, placement: &Placement) -> Self {
        use crate::event::identity;
        let session = ids::Session::of(event);
        Derived {
            span_id: ids::span(event),
            link: session.and_then(|session| session.link_from(placement.trace_id)),
            outcome: Outcome::of(event),
            error_code: severity::has_error_code(event),
            identity: identity::class(event),
            credential: identity::credential(event),
            invoked_by_service: identity::is_present(event)
                .then(|| identity::invoking_service(event).is_some()),
            operation: amazon_q::operation(event),
            channel: agents::channel(event),
            person: match event.class() {
                Class::Other => None,
                _ => self::identity::enduser_hash(event),
            },
            conversation: ids::conversation(event).map(|_| placement.trace_id),
        }
    }
}

fn head<'e>(
    event: &'e Event<'_>,
    placement: &Placement,
    derived: &Derived,
    options: &Options,
) -> Head<'e> {
    let traced = |classes: &BTreeSet<Class>| classes.contains(&event.class());
    let (start, end) = placement.extent.unwrap_or_else(|| extent(event));
    Head {
        resource: resource(event, options),
        time: event.time(),
        observed: event.time(),
        start,
        end,
        name: name(event),
        severity: derived.outcome.severity(),
        kind: mapping::kind(event),
        error: derived
            .outcome
            .is_error()
            .then(|| event.text_of(Key::ErrorMessage).unwrap_or_default()),
        trace_id: placement.trace_id,
        span_id: derived.span_id,
        parent: placement.parent,
        link: derived.link.filter(|_| placement.parent.is_none()),
        body: match options.body {
            Body::Original => Some(Value::Str(event.document().redacted_text())),
            Body::Map => Some(Value::Json(event.document().root())),
            Body::None => None,
        },
        log: options.logs,
        span: options.traces && options.trace_classes.as_ref().is_none_or(traced),
    }
}

/// `service.name` of an event without `eventSource`, as the semantic conventions ask.
const UNKNOWN_SERVICE: &str = "unknown_service";

pub(crate) fn resource<'e>(event: &'e Event<'_>, options: &Options) -> ResourceKey<'e> {
    let by_agent = || match options.service_name {
        ServiceName::AmazonQ => agents::service_name(event),
        ServiceName::EventSource => None,
    };
    let account = event.first_shown(&[Key::RecipientAccountId, Key::AccountId]);
    ResourceKey {
        service_name: by_agent()
            .or_else(|| event.shown(Key::EventSource))
            .unwrap_or(Cow::Borrowed(UNKNOWN_SERVICE)),
        account_id: account.and_then(|key| event.text_of(key)),
        region: event.shown(Key::AwsRegion),
    }
}

/// An event source without its domain: `s3` of `s3.amazonaws.com`, `aws-mcp` of `aws-mcp.us-east-1.api.aws`.
fn name_of_service(source: &str) -> &str {
    match source.strip_suffix(".api.aws") {
        Some(name) => name.split('.').next().unwrap_or(name),
        None => source.strip_suffix(".amazonaws.com").unwrap_or(source),
    }
}

/// `<service>.<eventName>`, or whichever of the two the event has. An Insights event has neither and is
/// named by its `eventType`.
fn name<'e>(event: &'e Event<'_>) -> Cow<'e, str> {
    let source = event.text_of(Key::EventSource);
    match (source, event.text_of(Key::EventName)) {
        (Some(source), Some(name)) => Cow::Owned([name_of_service(&source), ".", &*name].concat()),
        (None, Some(name)) => name,
        (Some(source), None) => Cow::Owned(name_of_service(&source).to_owned()),
        (None, None) => event
            .text_of(Key::EventType)
            .unwrap_or(Cow::Borrowed(mapping::NAMESPACE)),
    }
}

#[cfg(test)]
mod tests;
