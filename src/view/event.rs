//! One event of a report: a small copy of the attributes that the report shows.
//!
//! Enters: the mapping's attributes, of a record or of a log record that arrived. Leaves: an [`Event`]. What must
//! hold: the texts are those that an exporter sends, so secrets are masked; an event takes one allocation.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use qtrail_core::convert::{Field, Head, Sink, Summary, Value, ids};
use qtrail_core::event::has_mask;
use qtrail_core::json::Node;
use qtrail_core::sorted::Record;
use serde::{Deserialize, Serialize};

/// The texts of an event; empty where the event has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Text {
    Id,
    Person,
    Name,
    UserId,
    PrincipalId,
    PrincipalArn,
    PrincipalType,
    Role,
    IdentityAccount,
    Account,
    Region,
    Conversation,
    Class,
    Operation,
    Service,
    Action,
    Tool,
    Agent,
    AgentVersion,
    Client,
    ClientVersion,
    Channel,
    Evidence,
    InvokedBy,
    Outcome,
    ErrorCode,
    ErrorMessage,
    SourceAddress,
    RequestId,
    /// The request ids of the calls that a tool call made, a line each.
    Downstream,
}

const TEXTS: usize = Text::Downstream as usize + 1;

/// The attributes that become texts.
#[rustfmt::skip]
const ATTRIBUTES: [(&str, Text); TEXTS - 1] = [
    ("log.record.uid", Text::Id),
    ("enduser.id", Text::Person),
    ("user.name", Text::Name),
    ("user.id", Text::UserId),
    ("aws.principal.id", Text::PrincipalId),
    ("aws.principal.arn", Text::PrincipalArn),
    ("aws.principal.type", Text::PrincipalType),
    ("user.roles", Text::Role),
    ("aws.user_identity.account_id", Text::IdentityAccount),
    ("cloud.account.id", Text::Account),
    ("cloud.region", Text::Region),
    ("gen_ai.conversation.id", Text::Conversation),
    ("qtrail.event.class", Text::Class),
    ("gen_ai.operation.name", Text::Operation),
    ("aws.cloudtrail.event_source", Text::Service),
    ("aws.cloudtrail.event_name", Text::Action),
    ("gen_ai.tool.name", Text::Tool),
    ("gen_ai.agent.name", Text::Agent),
    ("gen_ai.agent.version", Text::AgentVersion),
    ("aws.q.client.name", Text::Client),
    ("aws.q.client.version", Text::ClientVersion),
    ("qtrail.agent.channel", Text::Channel),
    ("qtrail.agent.evidence", Text::Evidence),
    ("aws.user_identity.invoked_by", Text::InvokedBy),
    ("qtrail.outcome", Text::Outcome),
    ("aws.error.code", Text::ErrorCode),
    ("aws.error.message", Text::ErrorMessage),
    ("source.address", Text::SourceAddress),
    ("aws.request_id", Text::RequestId),
];

static BY_NAME: LazyLock<HashMap<&'static str, Text>> = LazyLock::new(|| HashMap::from(ATTRIBUTES));

const READ_ONLY: &str = "aws.event.read_only";
/// A name that was looked up.
const FULL_NAME: &str = "user.full_name";
const MFA: &str = "aws.user_identity.session_context.attributes.mfa_authenticated";
const ADDITIONAL: &str = "aws.cloudtrail.additional_event_data";

/// Bytes of an event's places in the lists of the report, wherever the event is kept; and of each request that it
/// lists.
const PLACES: usize = 128;
const REQUEST: usize = 256;
/// Bytes of a conversation or a person in these lists.
const GROUP: usize = 640;

/// When an event happened, and the 16 bytes that identify it: the order of a report.
pub(crate) type Key = (i64, [u8; 16]);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Nanoseconds since 1970.
    pub(crate) time: i64,
    pub(crate) read_only: Option<bool>,
    pub(crate) mfa: Option<bool>,
    /// Whether the user's table has the person, in whichever account.
    pub(crate) is_known: bool,
    /// How often the event was read again.
    pub(crate) repeats: u32,
    id: [u8; 16],
    /// All texts, one after the other.
    texts: Box<str>,
    /// Where each text ends.
    ends: [u32; TEXTS],
}

impl Event {
    /// A text; empty where the event has none.
    pub(crate) fn get(&self, text: Text) -> &str {
        let index = text as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[index] as usize]
    }

    /// A text that is present and not masked: an id or a name.
    pub(crate) fn shown(&self, text: Text) -> Option<&str> {
        let value = self.get(text);
        // A role's session with a hidden name would be that of every other person.
        let hidden = || value.split(':').any(has_mask);
        (!value.is_empty() && !hidden()).then_some(value)
    }

    /// The bytes of memory that it takes in a report, at most.
    pub(crate) fn bytes(&self) -> usize {
        // The nodes of the tree are at least half full.
        let node = 2 * size_of::<(Key, usize)>();
        let lists = self.bytes_in_lists(&mut HashSet::new());
        node + size_of::<Event>() + self.texts.len() + lists
    }

    /// The bytes in the lists of a report, if the event itself is in a file. `groups` are the hashes of the
    /// conversations and people so far.
    pub(crate) fn bytes_in_lists(&self, groups: &mut HashSet<u64>) -> usize {
        let own = [Text::Conversation, Text::Person].map(|text| (text, self.get(text)));
        let new = own.iter().filter(|(text, name)| {
            let mut hasher = DefaultHasher::new();
            (*text as usize, name).hash(&mut hasher);
            !name.is_empty() && groups.insert(hasher.finish())
        });
        PLACES + GROUP * new.count() + REQUEST * self.downstream().count()
    }

    /// The request ids of the calls that it made, as a tool call.
    pub(crate) fn downstream(&self) -> impl Iterator<Item = &str> {
        self.get(Text::Downstream).lines()
    }

    /// The event source without its domain: `s3`.
    pub(crate) fn service(&self) -> &str {
        let service = self.get(Text::Service);
        service.strip_suffix(".amazonaws.com").unwrap_or(service)
    }

    /// Takes another copy of the same event. Of two that differ, the same one stays in any order.
    pub(crate) fn merge(&mut self, other: Event) {
        let repeats = self.repeats + 1 + other.repeats;
        let order = |event: &Event| (event.read_only, event.mfa, event.is_known);
        let newer = other
            .texts
            .cmp(&self.texts)
            .then(other.ends.cmp(&self.ends));
        if newer.then(order(&other).cmp(&order(self))) == Ordering::Less {
            *self = other;
        }
        self.repeats = repeats;
    }
}

impl Record for Event {
    type Key = Key;

    fn key(&self) -> Key {
        (self.time, self.id)
    }
}

/// Makes an event of its attributes.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    time: i64,
    span_id: [u8; 8],
    read_only: Option<bool>,
    mfa: Option<bool>,
    is_known: bool,
    texts: [String; TEXTS],
}

impl Builder {
    /// Starts an event. `span_id` identifies one without an id of its own.
    pub(crate) fn begin(&mut self, time: i64, span_id: [u8; 8]) {
        (self.time, self.span_id) = (time, span_id);
        (self.read_only, self.mfa, self.is_known) = (None, None, false);
        self.texts.iter_mut().for_each(String::clear);
    }

    /// Takes an attribute with a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        match BY_NAME.get(name) {
            Some(text) => value.clone_into(&mut self.texts[*text as usize]),
            // It comes after the name that the record or the file of people has.
            None if name == FULL_NAME && self.texts[Text::Name as usize].is_empty() => {
                value.clone_into(&mut self.texts[Text::Name as usize]);
            }
            None => {}
        }
    }

    /// Takes an attribute with a boolean.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        match name {
            READ_ONLY => self.read_only = Some(value),
            MFA => self.mfa = Some(value),
            _ => {}
        }
    }

    /// Takes the `additionalEventData` of a tool call of the AWS MCP Server. AWS writes that object.
    fn additional(&mut self, data: Node<'_>) {
        let Some(requests) = data.get("downstreamRequests") else {
            return;
        };
        for request in requests.items() {
            let id = request.get("requestId").and_then(|id| id.as_str());
            if let Some(id) = id.filter(|id| !id.is_empty() && !has_mask(id) && !id.contains('\n'))
            {
                let downstream = &mut self.texts[Text::Downstream as usize];
                downstream.push_str(&id);
                downstream.push('\n');
            }
        }
    }

    /// The event.
    pub(crate) fn finish(&mut self) -> Event {
        let id = match self.texts[Text::Id as usize].as_str() {
            "" => {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&self.span_id);
                id
            }
            id => ids::of_event(id),
        };
        let mut ends = [0; TEXTS];
        let mut end = 0;
        for (place, text) in ends.iter_mut().zip(&self.texts) {
            // A record has less than 4 GiB.
            end += text.len() as u32;
            *place = end;
        }
        Event {
            time: self.time,
            read_only: self.read_only,
            mfa: self.mfa,
            is_known: self.is_known,
            repeats: 0,
            id,
            texts: self.texts.concat().into_boxed_str(),
            ends,
        }
    }
}

/// Collects the events of records.
pub(crate) struct Collector<E> {
    builder: Builder,
    /// Receives each event.
    pub(crate) each: E,
}

impl<E: FnMut(Event)> Collector<E> {
    pub(crate) fn new(each: E) -> Self {
        Collector {
            builder: Builder::default(),
            each,
        }
    }
}

impl<E: FnMut(Event)> Sink for Collector<E> {
    fn begin(&mut self, head: &Head<'_>) {
        self.builder.begin(head.time, head.span_id);
        let resource = &head.resource;
        for (name, value) in [
            ("cloud.account.id", &resource.account_id),
            ("cloud.region", &resource.region),
        ] {
            self.builder
                .text(name, value.as_deref().unwrap_or_default());
        }
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        match value {
            Value::Str(text) => self.builder.text(field.name, text),
            Value::Bool(flag) => self.builder.flag(field.name, *flag),
            Value::Strs(texts) if field.name == "user.roles" => {
                self.builder.text(field.name, &texts.join(", "));
            }
            Value::Json(data) if field.name == ADDITIONAL => self.builder.additional(*data),
            _ => {}
        }
    }

    fn summary(&mut self, summary: &Summary<'_>) {
        self.builder.is_known = summary.is_known;
    }

    fn end(&mut self) {
        (self.each)(self.builder.finish());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An event at a second, with these attributes.
    pub(crate) fn event(second: i64, attributes: &[(&str, &str)]) -> Event {
        let mut builder = Builder::default();
        builder.begin(second * 1_000_000_000, [7; 8]);
        for (name, value) in attributes {
            match *value {
                "true" | "false" => builder.flag(name, *value == "true"),
                // As a record's `additionalEventData` gives them.
                _ if *name == "downstream" => {
                    builder.texts[Text::Downstream as usize] = format!("{value}\n");
                }
                _ => builder.text(name, value),
            }
        }
        builder.finish()
    }

    #[test]
    fn every_text_is_found_again() {
        for (name, text) in ATTRIBUTES {
            let event = event(
                1,
                &[
                    ("log.record.uid", "before"),
                    (name, "value"),
                    ("aws.request_id", "r"),
                ],
            );
            let expected = if name == "aws.request_id" {
                "r"
            } else {
                "value"
            };
            assert_eq!(event.get(text), expected, "{name}");
        }
        let names = ATTRIBUTES.map(|(name, _)| name);
        let mapped = |name| {
            let mut fields = qtrail_core::convert::FIELDS.iter();
            fields.any(|field| field.name == name)
        };
        // A later version of the mapping has the agent's version.
        let known = |name: &&&str| **name != "gen_ai.agent.version";
        for name in names
            .iter()
            .filter(known)
            .chain(&[READ_ONLY, MFA, ADDITIONAL])
        {
            assert!(mapped(*name), "the mapping has no {name}");
        }
    }

    #[test]
    fn masked_values_name_nobody() {
        let principal = |id| {
            let event = event(1, &[("aws.principal.id", id)]);
            event.shown(Text::PrincipalId).map(str::to_owned)
        };
        assert_eq!(
            principal("AROAEXAMPLE:mary").as_deref(),
            Some("AROAEXAMPLE:mary")
        );
        for hidden in ["", "***", "AROAEXAMPLE:***", "[REDACTED]"] {
            assert_eq!(principal(hidden), None, "{hidden}");
        }
    }

    #[test]
    fn of_copies_that_differ_the_same_one_stays_in_any_order() {
        let copy = |name| event(1, &[("log.record.uid", "e"), ("user.name", name)]);
        let (mut first, mut second) = (copy("mary"), copy("nikki"));
        first.merge(copy("nikki"));
        second.merge(copy("mary"));
        assert_eq!(first, second);
        assert_eq!(first.repeats, 1);
    }
}
