//! The one public door from an event to a log record and a span.
//!
//! Enters: an [`Event`], its [`Placement`] and [`Options`]. Leaves: a [`Head`] and each attribute,
//! said once, to a [`Sink`]. What must hold: the result depends on the event and its source alone
//! (never on a clock, a random number or an order), so that a repeat is equal byte for byte.

mod amazon_q;
mod attribute_writer;
mod attributes;
mod identity;
pub mod ids;
mod mapping;
mod observed;
mod organization;
mod redact;
mod semconv;
mod severity;
mod table;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use crate::event::amazon_q::Class;
use crate::event::{Event, Key};
use severity::Outcome;

pub use attributes::{
    Attribute, Field, Head, Kind, Link, On, ResourceKey, Severity, Sink, Stability, Value,
};
pub use observed::observed_time;
pub use organization::organization;
pub use table::FIELDS;

/// Where an event belongs: its own place, or the one that conversation assembly gives it.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The parent span, if any.
    pub parent: Option<[u8; 8]>,
    /// What the placing adds: attributes for both signals.
    pub extra: Vec<Attribute<'static>>,
}

/// How events are converted. Valid by construction.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a log record's body holds.
    pub body: Body,
    /// Whether the objects are carried as map attributes too. With [`Body::None`] they always are.
    pub maps: bool,
    /// What becomes `service.name`.
    pub service_name: ServiceName,
    /// Resource attributes that the user adds.
    pub resource: Vec<(String, String)>,
    /// `gen_ai.provider.name`.
    pub provider_name: String,
    /// What is masked.
    pub redaction: Redaction,
    /// Names of people by `enduser.id`.
    pub identities: HashMap<String, String>,
    /// Whether log records are made.
    pub logs: bool,
    /// Whether spans are made.
    pub traces: bool,
    /// Classes of which spans are made; `None` means all.
    pub trace_classes: Option<BTreeSet<Class>>,
}

/// What a log record's body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// The record's own text, byte for byte but for redaction.
    #[default]
    Original,
    /// The record as a map.
    Map,
    /// Nothing: every field is in an attribute.
    None,
}

/// What becomes `service.name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceName {
    /// `amazon-q` for what Amazon Q did, the event source for the rest.
    #[default]
    AmazonQ,
    /// The event source for every event.
    EventSource,
}

/// What is masked beyond what always is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redaction {
    /// Key names to mask wherever they occur, compared without case, `_` and `-`.
    pub keys: Vec<String>,
    /// JSON pointers to mask.
    pub pointers: Vec<String>,
    /// Mask `accessKeyId`.
    pub access_key_id: bool,
    /// Mask `sourceIPAddress`.
    pub source_ip: bool,
    /// Mask user names and ids.
    pub users: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            body: Body::Original,
            maps: false,
            service_name: ServiceName::AmazonQ,
            resource: Vec::new(),
            provider_name: "aws.q_developer".to_owned(),
            redaction: Redaction::default(),
            identities: HashMap::new(),
            logs: true,
            traces: true,
            trace_classes: None,
        }
    }
}

impl Placement {
    /// The event's own place: a function of the event alone.
    pub fn of(event: &Event<'_>) -> Self {
        Placement {
            trace_id: ids::trace(event).0,
            parent: None,
            extra: Vec::new(),
        }
    }

    /// The same, for an event whose source's name tells this [`organization`].
    pub fn within(mut self, organization: Option<&Attribute<'static>>) -> Self {
        self.extra.extend(organization.cloned());
        self
    }
}

/// Says what an event becomes: the head first, then each attribute once, then `end`.
///
/// The event is used up, since it is redacted on the way: what is to be known of the original
/// (its [`Placement`], its id) is asked for before. `observed` is the time from
/// [`observed_time`]; without it, `eventTime` stands in.
pub fn convert(
    mut event: Event<'_>,
    placement: &Placement,
    observed: Option<i64>,
    options: &Options,
    sink: &mut impl Sink,
) {
    let verdict = Verdict::of(&event, placement);
    let redacted = redact::redact(event.document_mut(), &options.redaction);
    let event = &event;
    let mut head = head(event, placement, &verdict, options);
    if !redacted.is_empty() {
        head.trace_id = ids::unrevealing(event, placement.trace_id);
    }
    head.observed = observed.unwrap_or(head.time);
    sink.begin(&head);
    mapping::write_attributes(event, placement, &verdict, &redacted, options, sink);
    sink.end();
}

/// What the original event says of itself, by fields that may be redacted afterwards. None of it
/// shows a value of theirs.
struct Verdict {
    span_id: [u8; 8],
    link: Option<Link>,
    outcome: Outcome,
    error_code: bool,
    identity: Option<&'static str>,
    credential: Option<&'static str>,
    invoked_by_service: Option<bool>,
    operation: Option<&'static str>,
    channel: Option<(&'static str, &'static str)>,
}

impl Verdict {
    fn of(event: &Event<'_>, placement: &Placement) -> Self {
        use crate::event::identity;
        let session = ids::Session::of(event);
        Verdict {
            span_id: ids::span(event),
            link: session.and_then(|session| session.link_from(placement.trace_id)),
            outcome: Outcome::of(event),
            error_code: severity::has_error_code(event),
            identity: identity::class(event),
            credential: identity::credential(event),
            invoked_by_service: identity::is_present(event)
                .then(|| identity::invoking_service(event).is_some()),
            operation: amazon_q::operation(event),
            channel: amazon_q::channel(event),
        }
    }
}

fn head<'e>(
    event: &'e Event<'_>,
    placement: &Placement,
    verdict: &Verdict,
    options: &Options,
) -> Head<'e> {
    let traced = |classes: &BTreeSet<Class>| classes.contains(&event.class());
    let (start, end) = mapping::extent(event);
    Head {
        resource: resource(event, options),
        time: event.time(),
        observed: event.time(),
        start,
        end,
        name: name(event),
        severity: verdict.outcome.severity(),
        kind: mapping::kind(event),
        error: verdict
            .outcome
            .is_error()
            .then(|| event.text_of(Key::ErrorMessage).unwrap_or_default()),
        trace_id: placement.trace_id,
        span_id: verdict.span_id,
        parent: placement.parent,
        link: verdict.link,
        body: match options.body {
            Body::Original => Some(Value::Str(event.document().redacted_text())),
            Body::Map => Some(Value::Json(event.document().root())),
            Body::None => None,
        },
        log: options.logs,
        span: options.traces && options.trace_classes.as_ref().is_none_or(traced),
    }
}

/// `service.name` of what Amazon Q did.
const AMAZON_Q: &str = "amazon-q";

/// `service.name` where there is no event source, as the semantic conventions ask.
const UNKNOWN_SERVICE: &str = "unknown_service";

fn resource<'e>(event: &'e Event<'_>, options: &Options) -> ResourceKey<'e> {
    let own = options.service_name == ServiceName::AmazonQ && event.class() != Class::Other;
    let account = event.first_shown(&[Key::RecipientAccountId, Key::AccountId]);
    ResourceKey {
        service_name: if own {
            Cow::Borrowed(AMAZON_Q)
        } else {
            event
                .shown(Key::EventSource)
                .unwrap_or(Cow::Borrowed(UNKNOWN_SERVICE))
        },
        account_id: account.and_then(|key| event.text_of(key)),
        region: event.shown(Key::AwsRegion),
    }
}

/// An event source without its domain: `s3` of `s3.amazonaws.com`.
fn name_of_service(source: &str) -> &str {
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

/// `<service>.<eventName>`, or the one that is there. An Insights event has neither, and takes its
/// `eventType`.
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
