//! Assembles conversations into trees: finds the parent of each event.
//!
//! Enters: the [`Facts`] of events, in any order, repeats included. Leaves: a [`Tree`], which places each of them, and
//! the spans of its conversations. What must hold: the result depends only on the set of events; a relation that AWS
//! recorded wins over the nearest message; two conversations that are equally near give no relation; a parent's
//! span covers its children.

mod answers;
mod asks;
mod conversation;
mod external;
mod facts;
mod nearest;
mod place;
mod places;
mod reading;
mod relations;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::{io, mem};

use serde::{Deserialize, Serialize};

use crate::convert::{Placement, ids};
use crate::event::Event;
use crate::sorted::{Sorted, Sorter, Space};

pub use conversation::Conversation;
pub use facts::Facts;
pub use nearest::nearest;
pub use place::Place;
use place::{Above, Conversations};
use places::Places;
pub use reading::FactsReader;
use relations::Relations;
pub use window::{Activity, Remembered, RememberedConversation, Settings, Window};

/// How far a call may be from the message that it is assigned to, in nanoseconds.
pub const REACH: i64 = 5 * 60 * 1_000_000_000;

/// Memory that an [`Assembler`] and its [`Tree`] take at most for an event.
pub const EVENT_BYTES: usize = 768;

/// Parts of the memory: two sorters, the records of others that are read meanwhile, the index of the places.
const PARTS: usize = 4;

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
#[derive(Debug)]
pub struct Assembler {
    space: Space,
    events: HashMap<SpanId, Facts>,
    /// In the place of `events`, once they do not fit into memory.
    sorter: Option<Sorter<Facts>>,
}

/// The place of each event.
#[derive(Debug)]
pub struct Tree(Kept);

#[derive(Debug)]
enum Kept {
    Inside(HashMap<SpanId, Place>, Vec<Conversation>),
    Outside(Places, Sorted<Conversation>),
}

impl Default for Tree {
    fn default() -> Self {
        Tree::of([])
    }
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
    /// An assembler that takes the memory of `space`. What does not fit is sorted outside.
    pub fn new(space: Space) -> Self {
        Assembler {
            space,
            events: HashMap::new(),
            sorter: None,
        }
    }

    /// Adds an event. A repeat changes nothing.
    ///
    /// # Errors
    /// The events do not fit into memory, and the storage cannot be used.
    pub fn add(&mut self, facts: Facts) -> io::Result<()> {
        if let Some(sorter) = &mut self.sorter {
            return sorter.push(&facts);
        }
        match self.events.entry(facts.span_id) {
            Entry::Occupied(mut known) => known.get_mut().merge(facts),
            Entry::Vacant(place) => {
                place.insert(facts);
            }
        }
        if self.events.len() <= self.space.memory_bytes / EVENT_BYTES {
            return Ok(());
        }
        let sorter = self.sorter.insert(Sorter::new(self.part()));
        let mut events = mem::take(&mut self.events).into_values();
        events.try_for_each(|facts| sorter.push(&facts))
    }

    /// The space of one sorter.
    fn part(&self) -> Space {
        Space {
            memory_bytes: self.space.memory_bytes / PARTS,
            ..self.space
        }
    }

    /// The tree of all events that were added.
    ///
    /// # Errors
    /// The events do not fit into memory, and the storage cannot be used.
    pub fn finish(mut self) -> io::Result<Tree> {
        let space = self.part();
        let Some(sorter) = self.sorter.take() else {
            return Ok(self.inside());
        };
        let (placed, conversations) = external::assemble(sorter.finish()?, space)?;
        let places = Places::new(&placed, space)?;
        Ok(Tree(Kept::Outside(places, conversations)))
    }

    fn inside(self) -> Tree {
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
        Tree(Kept::Inside(places, conversations))
    }
}

impl Tree {
    /// The tree of events whose places are known already. It has no conversation of its own.
    pub fn of(places: impl IntoIterator<Item = (SpanId, Place)>) -> Self {
        Tree(Kept::Inside(places.into_iter().collect(), Vec::new()))
    }

    /// The placement of an event, by the tree if there is one.
    ///
    /// # Errors
    /// Those of [`Tree::placement`].
    pub fn place(tree: Option<&Tree>, event: &Event<'_>) -> io::Result<Placement> {
        match tree {
            Some(tree) => tree.placement(event),
            None => Ok(Placement::of(event)),
        }
    }

    /// The placement of an event; [`Placement::of`] for one that has no place in the tree.
    ///
    /// # Errors
    /// The place is outside of memory, and cannot be read.
    pub fn placement(&self, event: &Event<'_>) -> io::Result<Placement> {
        let id = ids::span(event);
        let placement = match &self.0 {
            Kept::Inside(places, _) => places.get(&id).map(Place::placement),
            Kept::Outside(places, _) => places.get(id)?.map(|place| place.placement()),
        };
        Ok(placement.unwrap_or_else(|| Placement::of(event)))
    }

    /// The conversations, by the time of their first event. After an error there are no more.
    pub fn conversations(&self) -> Box<dyn Iterator<Item = io::Result<Conversation>> + Send + '_> {
        match &self.0 {
            Kept::Inside(_, conversations) => Box::new(conversations.iter().cloned().map(Ok)),
            Kept::Outside(_, conversations) => Box::new(conversations.iter()),
        }
    }
}
