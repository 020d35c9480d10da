//! How events are converted.

use std::collections::BTreeSet;

use super::learnt::Names;
use super::people::People;
use super::pseudonym::Pseudonyms;
use crate::event::amazon_q::Class;

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
    /// Who is who: `enduser.id` and `user.name` by any id of a person.
    pub identities: People,
    /// Names of people that were learnt so far, if names are learnt.
    pub names: Option<Names>,
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

impl Options {
    /// The id by which the output shows the person whom an id belongs to, by the user's table.
    pub fn person(&self, id: &str) -> Option<String> {
        let person = self.identities.find(id)?;
        match &self.redaction.users {
            Hide::Keep => Some(person.id.clone()),
            Hide::Drop => None,
            Hide::Hash(pseudonyms) => Some(pseudonyms.of_person(&person.id)),
        }
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
            identities: People::default(),
            names: None,
            logs: true,
            traces: true,
            trace_classes: None,
        }
    }
}
