//! Assembles conversations into trees: finds the parent of each event.
//!
//! Enters: the [`Facts`] of events, in any order, repeats included. Leaves: a [`Tree`], which places each of them, and
//! the spans of its conversations. What must hold: the result depends only on the set of events; a relation that AWS
//! recorded wins over the nearest message; two conversations that are equally near give no relation; a parent's
//! span covers its children.

mod conversation;
mod facts;
mod nearest;
mod place;
mod reading;
mod relations;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::convert::{Placement, ids};
use crate::event::Event;

pub use conversation::Conversation;
pub use facts::Facts;
pub use nearest::nearest;
pub use place::Place;
use place::{Above, Conversations};
pub use reading::FactsReader;
use relations::Relations;
pub use window::{Activity, Remembered, RememberedConversation, Settings, Window};

/// How far a call may be from the message that it is assigned to, in nanoseconds.
pub const REACH: i64 = 5 * 60 * 1_000_000_000;

/// Memory that an [`Assembler`] and its [`Tree`] take at most for an event.
pub const EVENT_BYTES: usize = 768;

/// The id of an event's span, which identifies the event.
pub type SpanId = [u8; 8];
/// The id of a trace.
pub type TraceId = [u8; 16];

/// How a child was found: `qtrail.correlation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        events.sort_unstable_by_key(Facts::order);
        let mut relations = Relations::default();
        let mut conversations = Conversations::default();
        for facts in &events {
            relations.add(facts);
            conversations.name(facts);
        }
        let mut places = HashMap::with_capacity(events.len());
        for facts in &events {
            let above = |id| places.get(&id).map(Above::from);
            let place = Place::of(facts, &relations, above, &conversations);
            places.insert(facts.span_id, place);
        }
        // Children before their parents.
        for facts in events.iter().rev() {
            let place = &places[&facts.span_id];
            conversations.add(facts, place);
            let (parent, extent) = (place.parent, place.extent);
            if let Some(parent) = parent.and_then(|id| places.get_mut(&id)) {
                parent.cover(extent);
            }
        }
        let mut conversations: Vec<_> = conversations.0.into_values().collect();
        conversations.sort_unstable_by_key(|known| (known.extent(), known.trace_id()));
        Tree {
            places,
            conversations,
        }
    }
}

impl Tree {
    /// The tree of events whose places are known already. It has no conversation of its own.
    pub fn of(places: impl IntoIterator<Item = (SpanId, Place)>) -> Self {
        Tree {
            places: places.into_iter().collect(),
            conversations: Vec::new(),
        }
    }

    /// The placement of an event, by the tree if there is one.
    pub fn place(tree: Option<&Tree>, event: &Event<'_>) -> Placement {
        match tree {
            Some(tree) => tree.placement(event),
            None => Placement::of(event),
        }
    }

    /// The placement of an event; [`Placement::of`] for one that has no place in the tree.
    pub fn placement(&self, event: &Event<'_>) -> Placement {
        match self.places.get(&ids::span(event)) {
            Some(place) => place.placement(),
            None => Placement::of(event),
        }
    }

    /// The conversations, by the time of their first event.
    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }
}
