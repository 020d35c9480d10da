//! Assembles conversations into trees: finds the parent of each event.
//!
//! Enters: the [`Facts`] of events, in any order, repeats included. Leaves: a [`Tree`], which places each of them, and
//! the spans of its conversations. What must hold: the result depends only on the set of events; a relation that AWS
//! recorded wins over the nearest message; two conversations that are equally near give no relation; a parent's
//! span covers its children.

mod conversation;
mod facts;
mod relations;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::convert::{Attribute, Placement, Value, ids, semconv as names};
use crate::event::Event;

pub use conversation::Conversation;
pub use facts::Facts;
use facts::Part;
use relations::Relations;

/// How far a call may be from the message that it is assigned to, in nanoseconds.
pub const REACH: i64 = 5 * 60 * 1_000_000_000;

type SpanId = [u8; 8];

/// How a child was found: `qtrail.correlation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The tool's call lists the request.
    RequestId,
    /// Both belong to one sign-in of one person.
    SignInSession,
    /// The approval's id is the external id with which the role was assumed.
    ApprovalId,
    /// The nearest message of the same person: a guess. `delta`: nanoseconds from the message to the event.
    Nearest {
        /// Negative if the event came before the message.
        delta: i64,
    },
}

/// Gathers the facts of events.
#[derive(Debug, Default)]
pub struct Assembler {
    events: HashMap<SpanId, Facts>,
}

/// The place of each event.
#[derive(Debug, Default)]
pub struct Tree {
    places: HashMap<SpanId, Place>,
    conversations: Vec<Conversation>,
}

/// The place of one event.
#[derive(Debug, Clone)]
struct Place {
    trace_id: [u8; 16],
    parent: Option<SpanId>,
    relation: Option<Relation>,
    /// Its conversation, by its index.
    conversation: Option<usize>,
    /// The event itself names its conversation.
    is_named: bool,
    /// The start and the end of its own span.
    own: (i64, i64),
    /// The same, made to cover its children.
    extent: (i64, i64),
}

impl Relation {
    /// The value of `qtrail.correlation`.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::RequestId => "request_id",
            Relation::SignInSession => "sign_in_session",
            Relation::ApprovalId => "approval_id",
            Relation::Nearest { .. } => "heuristic",
        }
    }
}

impl Assembler {
    /// Adds an event. A repeat changes nothing.
    pub fn add(&mut self, facts: Facts) {
        self.events.entry(facts.span_id).or_insert(facts);
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no event.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The tree of all events that were added.
    pub fn finish(self) -> Tree {
        let mut events: Vec<_> = self.events.into_values().collect();
        // Parents before their children; otherwise by time, so that nothing depends on the order of arrival.
        events.sort_unstable_by_key(|facts| (facts.part.rank(), facts.time, facts.span_id));
        let relations = Relations::of(&events);
        let mut tree = Tree::default();
        let mut by_trace = HashMap::new();
        for facts in &events {
            tree.place(facts, &relations, &mut by_trace);
        }
        // Children before their parents.
        for facts in events.iter().rev() {
            tree.widen(facts);
        }
        tree
    }
}

impl Tree {
    /// The placement of an event; [`Placement::of`] for one that has no place in the tree.
    pub fn placement(&self, event: &Event<'_>) -> Placement {
        let Some(place) = self.places.get(&ids::span(event)) else {
            return Placement::of(event);
        };
        let mut extra = Vec::new();
        let mut add = |field, value| extra.push(Attribute { field, value });
        let conversation = place.conversation.filter(|_| !place.is_named);
        if let Some(id) = conversation.and_then(|at| self.conversations[at].id.clone()) {
            add(&names::CONVERSATION_ID, Value::Str(id.into()));
        }
        if let Some(relation) = place.relation {
            add(&names::CORRELATION, Value::Str(relation.as_str().into()));
            if let Relation::Nearest { delta } = relation {
                add(&names::CORRELATION_DELTA, Value::Int(delta / 1_000_000));
            }
        }
        let is_derived = place.extent != place.own;
        if is_derived {
            add(&names::SPAN_EXTENT, Value::Str("derived".into()));
        }
        Placement {
            trace_id: place.trace_id,
            parent: place.parent,
            extent: is_derived.then_some(place.extent),
            extra,
        }
    }

    /// The conversations, by the time of their first event.
    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// Decides about the parent and the trace of an event. Those of possible parents are decided already.
    fn place(
        &mut self,
        facts: &Facts,
        relations: &Relations,
        by_trace: &mut HashMap<[u8; 16], usize>,
    ) {
        let mut place = Place {
            trace_id: facts.trace_id,
            parent: None,
            relation: None,
            conversation: None,
            is_named: false,
            own: facts.extent,
            extent: facts.extent,
        };
        if let Part::InConversation { conversation, .. } = &facts.part {
            let at = *by_trace.entry(facts.trace_id).or_insert_with(|| {
                let new = Conversation::new(facts, conversation);
                self.conversations.push(new);
                self.conversations.len() - 1
            });
            place.parent = Some(self.conversations[at].span_id);
            place.conversation = Some(at);
            place.is_named = true;
        } else if let Some((parent, relation)) = relations.parent_of(facts)
            && let Some(above) = self.places.get(&parent)
        {
            place.trace_id = above.trace_id;
            place.parent = Some(parent);
            place.relation = Some(relation);
            place.conversation = above.conversation;
        }
        self.places.insert(facts.span_id, place);
    }

    /// Makes the parent of an event cover it. The children of the event have widened it already.
    fn widen(&mut self, facts: &Facts) {
        let Some(place) = self.places.get(&facts.span_id) else {
            return;
        };
        let (start, end) = place.extent;
        if let Some(at) = place.conversation {
            self.conversations[at].add(facts, place.extent);
        }
        if let Some(parent) = place.parent.and_then(|id| self.places.get_mut(&id)) {
            parent.extent = (parent.extent.0.min(start), parent.extent.1.max(end));
        }
    }
}
