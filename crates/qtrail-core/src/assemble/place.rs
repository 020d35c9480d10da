//! The place of one event in a tree.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::facts::{Facts, Part};
use super::relations::Relations;
use super::{Relation, SpanId, TraceId};
use crate::convert::{Attribute, Placement, Value, semconv as names};

/// Where an event belongs. It can be kept, so that a repeat of the event gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub(super) trace_id: TraceId,
    pub(super) parent: Option<SpanId>,
    pub(super) relation: Option<Relation>,
    /// It belongs to the conversation that has this trace.
    pub(super) in_conversation: bool,
    /// The id of the conversation that it was assigned to, unless that is redacted.
    joined: Option<String>,
    /// The agent that another call of its command line declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Box<str>>,
    /// The start and the end of its own span.
    own: (i64, i64),
    /// The same, made to cover its children.
    pub(super) extent: (i64, i64),
}

impl Place {
    /// The place of an event, by its parent's. `above`: the places of possible parents.
    pub(super) fn of(
        facts: &Facts,
        relations: &Relations,
        above: impl FnOnce(SpanId) -> Option<Above>,
        conversations: &Conversations,
    ) -> Self {
        let mut place = Place {
            trace_id: facts.trace_id,
            parent: None,
            relation: None,
            in_conversation: false,
            joined: None,
            agent: relations.agent_of(facts).map(Box::from),
            own: facts.extent,
            extent: facts.extent,
        };
        if let Part::InConversation { conversation, .. } = &facts.part {
            place.parent = Some(conversation.span_id(facts.trace_id));
            place.in_conversation = true;
        } else if let Some((parent, relation)) = relations.parent_of(facts)
            && let Some(above) = above(parent)
        {
            place.trace_id = above.trace_id;
            place.parent = Some(parent);
            place.relation = Some(relation);
            place.in_conversation = above.in_conversation;
            let conversation = conversations.0.get(&above.trace_id);
            place.joined = conversation.and_then(|known| known.id().map(str::to_owned));
        }
        place
    }

    /// Makes it cover a span.
    pub(super) fn cover(&mut self, (start, end): (i64, i64)) {
        self.extent = (self.extent.0.min(start), self.extent.1.max(end));
    }

    /// The same, without its children.
    pub(super) fn uncovered(mut self) -> Self {
        self.extent = self.own;
        self
    }

    /// The placement that an event is converted with.
    pub fn placement(&self) -> Placement {
        let mut extra = Vec::new();
        let mut add = |field, value| extra.push(Attribute { field, value });
        if let Some(id) = &self.joined {
            add(&names::CONVERSATION_ID, Value::Str(id.clone().into()));
        }
        if let Some(relation) = self.relation {
            add(&names::CORRELATION, Value::Str(relation.as_str().into()));
            if let Relation::Nearest { delta } = relation {
                add(&names::CORRELATION_DELTA, Value::Int(delta / 1_000_000));
            }
        }
        if let Some(agent) = &self.agent {
            add(
                &names::AGENT_NAME,
                Value::Str(String::from(&**agent).into()),
            );
            add(&names::AGENT_EVIDENCE, Value::Str("cli_session".into()));
        }
        let is_derived = self.extent != self.own;
        if is_derived {
            add(&names::SPAN_EXTENT, Value::Str("derived".into()));
        }
        Placement {
            trace_id: self.trace_id,
            parent: self.parent,
            extent: is_derived.then_some(self.extent),
            extra,
        }
    }
}

/// What the children of an event have in common with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Above {
    trace_id: TraceId,
    in_conversation: bool,
}

impl From<&Place> for Above {
    fn from(place: &Place) -> Self {
        Above {
            trace_id: place.trace_id,
            in_conversation: place.in_conversation,
        }
    }
}

/// Conversations by their traces.
#[derive(Debug, Default)]
pub(super) struct Conversations(pub(super) HashMap<TraceId, Conversation>);

impl Conversations {
    /// Makes the conversation known that an event names.
    pub(super) fn name(&mut self, facts: &Facts) {
        if let Part::InConversation { conversation, .. } = &facts.part {
            self.0
                .entry(facts.trace_id)
                .or_insert_with(|| Conversation::new(facts, conversation));
        }
    }

    /// Adds an event to its conversation.
    pub(super) fn add(&mut self, facts: &Facts, place: &Place) {
        if place.in_conversation
            && let Some(conversation) = self.0.get_mut(&place.trace_id)
        {
            conversation.add(facts, place.extent);
        }
    }
}
