//! Assembles more events than fit into memory, by sorts alone.
//!
//! Enters: facts, by span id, repeats included. Leaves: the place of each event, by span id, and the conversations, by
//! time. What must hold: they are those that [`Assembler`](super::Assembler) finds in memory; no step looks at more than a
//! few records at a time, however far apart in time they are.
//!
//! ```text
//! facts ─▶ nodes ─▶ offers, asks ─▶ answers ─▶ nodes with their parents   (of messages and grants first)
//!          nodes ─▶ extents of children ─▶ nodes that cover them          (the lowest first)
//!          nodes ─▶ members of conversations ─▶ places, conversations
//! ```

use std::io;

use serde::{Deserialize, Serialize};

use super::answers::{Answer, Answers, Asked, Offer};
use super::conversation::Conversation;
use super::facts::{Facts, LOWEST, Part};
use super::place::Place;
use super::{SpanId, TraceId};
use crate::sorted::{Record, Sorted, Sorter, Space};

/// An event, and its place as far as it is known.
#[derive(Debug, Serialize, Deserialize)]
struct Node {
    facts: Facts,
    place: Place,
}

/// An event of a conversation.
#[derive(Debug, Serialize, Deserialize)]
struct Member(Node);

/// What a parent is to cover.
#[derive(Debug, Serialize, Deserialize)]
struct Child {
    parent: SpanId,
    extent: (i64, i64),
}

/// The place of an event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Placed {
    pub(super) span_id: SpanId,
    pub(super) place: Place,
}

/// The places and the conversations of events.
pub(super) fn assemble(
    facts: Sorted<Facts>,
    space: Space,
) -> io::Result<(Sorted<Placed>, Sorted<Conversation>)> {
    let mut nodes = with_agents(once(facts, space)?, space)?;
    for rank in 1..=LOWEST {
        nodes = with_parents(nodes, rank, space)?;
    }
    for rank in (1..=LOWEST).rev() {
        nodes = covering(nodes, rank, space)?;
    }
    places(nodes, space)
}

/// Each event once.
fn once(facts: Sorted<Facts>, space: Space) -> io::Result<Sorted<Node>> {
    let mut nodes = Sorter::new(space);
    for facts in facts.once(Facts::merge) {
        let facts = facts?;
        let place = Place::alone(&facts);
        nodes.push(&Node { facts, place })?;
    }
    nodes.finish()
}

/// The nodes with the agents that other calls of their command lines declare.
fn with_agents(nodes: Sorted<Node>, space: Space) -> io::Result<Sorted<Node>> {
    let (mut offers, mut asked) = (Sorter::new(space), Sorter::new(space));
    for node in nodes.iter() {
        let Node { facts, place } = node?;
        Offer::of(&facts, &place, |offer| match offer.is_of_agent() {
            true => offers.push(&offer),
            false => Ok(()),
        })?;
        Asked::for_agent(&facts).map_or(Ok(()), |ask| asked.push(&ask))?;
    }
    let answers = answers(offers, asked, space)?;
    updated(nodes, &answers, space, |node, answer| {
        node.place.agent = answer.found.and_then(|found| found.agent);
    })
}

/// The nodes with the parents of those of a rank. Those of lower ranks have theirs.
fn with_parents(nodes: Sorted<Node>, rank: u8, space: Space) -> io::Result<Sorted<Node>> {
    let (mut offers, mut asked) = (Sorter::new(space), Sorter::new(space));
    for node in nodes.iter() {
        let Node { facts, place } = node?;
        if facts.part.rank() < rank {
            Offer::of(&facts, &place, |offer| offers.push(&offer))?;
        } else if facts.part.rank() == rank {
            let mut asks = Asked::for_parent(&facts);
            asks.try_for_each(|ask| asked.push(&ask))?;
        }
    }
    let answers = answers(offers, asked, space)?;
    let mut decided = None;
    updated(nodes, &answers, space, |node, answer| {
        // Also that there is no parent.
        let is_decided = decided.replace(answer.child) == Some(answer.child);
        if let Some(found) = answer.found.filter(|_| !is_decided) {
            node.place.join(found.parent, found.relation, found.above);
        }
    })
}

fn answers(
    offers: Sorter<Offer>,
    asked: Sorter<Asked>,
    space: Space,
) -> io::Result<Sorted<Answer>> {
    let mut answers = Answers::new(&offers.finish()?);
    let mut known = Sorter::new(space);
    for asked in asked.finish()?.iter() {
        if let Some(answer) = answers.answer(&asked?)? {
            known.push(&answer)?;
        }
    }
    known.finish()
}

/// The nodes, those of a rank covered by their parents.
fn covering(nodes: Sorted<Node>, rank: u8, space: Space) -> io::Result<Sorted<Node>> {
    let mut children = Sorter::new(space);
    for node in nodes.iter() {
        let Node { facts, place } = node?;
        if let (Some(parent), true) = (place.parent, facts.part.rank() == rank) {
            let extent = place.extent;
            children.push(&Child { parent, extent })?;
        }
    }
    let children = children.finish()?;
    updated(nodes, &children, space, |node, child| {
        node.place.cover(child.extent);
    })
}

/// The nodes, each after the updates for it.
fn updated<U: Update>(
    nodes: Sorted<Node>,
    updates: &Sorted<U>,
    space: Space,
    mut update: impl FnMut(&mut Node, U),
) -> io::Result<Sorted<Node>> {
    let (mut updates, mut changed) = (updates.iter().peekable(), Sorter::new(space));
    if updates.peek().is_none() {
        return Ok(nodes);
    }
    for node in nodes.iter() {
        let mut node = node?;
        let id = node.facts.span_id;
        let is_due = |next: &io::Result<U>| next.as_ref().map_or(true, |next| next.of() <= id);
        while let Some(next) = updates.next_if(is_due) {
            let next = next?;
            if next.of() == id {
                update(&mut node, next);
            }
        }
        changed.push(&node)?;
    }
    changed.finish()
}

/// The places of the nodes, and their conversations.
fn places(nodes: Sorted<Node>, space: Space) -> io::Result<(Sorted<Placed>, Sorted<Conversation>)> {
    let (mut members, mut placed) = (Sorter::new(space), Sorter::new(space));
    for node in nodes.iter() {
        let node = node?;
        match node.place.in_conversation {
            true => members.push(&Member(node))?,
            false => placed.push(&Placed::from(node))?,
        }
    }
    drop(nodes);
    let (mut conversations, mut open) = (Sorter::new(space), None::<Conversation>);
    for member in members.finish()?.iter() {
        let Member(mut node) = member?;
        let trace_id = node.place.trace_id;
        let is_new = open.as_ref().is_none_or(|open| open.trace_id() != trace_id);
        if let (true, Part::InConversation { conversation, .. }) = (is_new, &node.facts.part)
            && let Some(done) = open.replace(Conversation::new(&node.facts, conversation))
        {
            conversations.push(&done)?;
        }
        if let Some(open) = open.as_mut().filter(|open| open.trace_id() == trace_id) {
            open.add(&node.facts, node.place.extent);
            node.place.name(open);
        }
        placed.push(&Placed::from(node))?;
    }
    open.map_or(Ok(()), |open| conversations.push(&open))?;
    Ok((placed.finish()?, conversations.finish()?))
}

/// What changes a node.
trait Update: Record {
    /// The span id of the node.
    fn of(&self) -> SpanId;
}

impl Update for Answer {
    fn of(&self) -> SpanId {
        self.child
    }
}

impl Update for Child {
    fn of(&self) -> SpanId {
        self.parent
    }
}

impl From<Node> for Placed {
    fn from(Node { facts, place }: Node) -> Self {
        let span_id = facts.span_id;
        Placed { span_id, place }
    }
}

impl Record for Facts {
    type Key = SpanId;

    fn key(&self) -> SpanId {
        self.span_id
    }
}

impl Record for Node {
    type Key = SpanId;

    fn key(&self) -> SpanId {
        self.facts.span_id
    }
}

impl Record for Child {
    type Key = SpanId;

    fn key(&self) -> SpanId {
        self.parent
    }
}

impl Record for Placed {
    type Key = SpanId;

    fn key(&self) -> SpanId {
        self.span_id
    }
}

impl Record for Member {
    /// The first one of a conversation names it.
    type Key = (TraceId, (u8, i64, SpanId));

    fn key(&self) -> Self::Key {
        (self.0.place.trace_id, self.0.facts.order())
    }
}

impl Record for Conversation {
    type Key = ((i64, i64), TraceId);

    fn key(&self) -> Self::Key {
        (self.extent(), self.trace_id())
    }
}
