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
mod known;
mod learnt;
mod mapping;
mod observed;
mod options;
mod organization;
mod owner;
mod people;
mod pseudonym;
mod redact;
pub(crate) mod semconv;
mod severity;
mod summary;
mod table;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::event::amazon_q::Class;
use crate::event::{Event, Key};

pub(crate) use agents::sign_in_session;
pub(crate) use amazon_q::is_chat;
pub use attributes::{
    Attribute, Field, Head, Link, On, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
pub(crate) use identity::{enduser, known_person};
pub use learnt::Names;
pub(crate) use mapping::extent;
pub use observed::observed_time;
pub use options::{Body, Hide, Options, Redaction, ServiceName};
pub use organization::organization;
pub use owner::{is_account, is_region, owner};
pub use people::{Claimed, People, Person};
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
    let mut derived = Derived::of(&event, placement, options);
    let redacted = redact(event.document_mut(), &options.redaction);
    let event = &event;
    derived.shown = derived
        .known
        .map(|known| known::shown(event, known, &options.redaction));
    if let Some(names) = &options.names
        && derived.shown_name().is_none()
    {
        derived.user = learnt::user(event, &options.redaction);
        derived.learnt = derived.user.as_ref().and_then(|user| names.find(user));
    }
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
/// their values, except within hashes and as the user's own table has them.
struct Derived<'o> {
    span_id: [u8; 8],
    link: Option<Link>,
    outcome: Outcome,
    error_code: bool,
    identity: Option<&'static str>,
    credential: Option<&'static str>,
    invoked_by_service: Option<bool>,
    operation: Option<&'static str>,
    channel: Option<&'static str>,
    /// By the user's table.
    known: Option<&'o Person>,
    /// What is shown of that person.
    shown: Option<known::Shown<'o>>,
    /// A user of an identity store whom the table does not name, if names are learnt.
    user: Option<String>,
    /// Their name, as it was learnt.
    learnt: Option<&'o str>,
    person: Option<u64>,
    conversation: Option<[u8; 16]>,
}

impl<'o> Derived<'o> {
    /// `enduser.id` by the user's table.
    fn shown_id(&self) -> Option<&str> {
        self.shown.as_ref()?.id.as_deref()
    }

    /// `user.name` by the user's table.
    fn shown_name(&self) -> Option<&str> {
        self.shown.as_ref()?.name
    }

    fn of(event: &Event<'_>, placement: &Placement, options: &'o Options) -> Self {
        use crate::event::identity;
        let known = self::identity::known_person(event, &options.identities);
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
            known,
            shown: None,
            user: None,
            learnt: None,
            person: match event.class() {
                Class::Other => None,
                _ => self::identity::enduser_hash(event, known),
            },
            conversation: ids::conversation(event).map(|_| placement.trace_id),
        }
    }
}

fn head<'e>(
    event: &'e Event<'_>,
    placement: &Placement,
    derived: &Derived<'_>,
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
