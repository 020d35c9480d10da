//! The one public door from an event to a log record and a span.
//!
//! Enters: an [`Event`], its [`Placement`] and [`Options`]. Leaves: a [`Head`] and each attribute,
//! said once, to a [`Sink`]. What must hold: the result depends on the event and its source alone
//! (never on a clock, a random number or an order), so that a repeat is equal byte for byte.

mod attributes;
mod mapping;
mod redact;

use std::collections::{BTreeSet, HashMap};

use crate::event::Event;
use crate::event::amazon_q::Class;

pub use attributes::{
    Attribute, Field, Head, Kind, Link, On, ResourceKey, Severity, Sink, Stability, Value,
};
pub use mapping::FIELDS;

/// Where an event belongs: its own place, or the one that conversation assembly gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The parent span, if any.
    pub parent: Option<[u8; 8]>,
    /// What the placing adds: attributes for both signals.
    pub extra: Vec<(&'static Field, String)>,
}

/// How events are converted. Valid by construction.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a log record's body holds.
    pub body: Body,
    /// Whether the objects are carried as map attributes too.
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
    /// Key names to mask wherever they occur, compared without case.
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
    pub fn of(_event: &Event<'_>) -> Self {
        unimplemented!()
    }
}

/// The time at which a unit was delivered, in nanoseconds since 1970: the time in a CloudTrail
/// file's name, else `modified`.
pub fn observed_time(_name: &str, _modified: Option<i64>) -> Option<i64> {
    unimplemented!()
}

/// Says what an event becomes: the head first, then each attribute once, then `end`.
///
/// `observed` is the time from [`observed_time`]; without it, `eventTime` stands in.
pub fn convert(
    _event: &Event<'_>,
    _placement: &Placement,
    _observed: Option<i64>,
    _options: &Options,
    _sink: &mut impl Sink,
) {
    unimplemented!()
}
