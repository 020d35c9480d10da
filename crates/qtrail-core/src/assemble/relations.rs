//! The parents that events can have.
//!
//! Enters: the facts of events, in any order. Leaves: the parent of each. What must hold: what AWS recorded wins over the
//! nearest message, and gives no parent where it names two; the order of arrival decides nothing.

use std::collections::HashMap;

use super::asks::{Ask, Entry, Kind};
use super::facts::{Facts, Id};
use super::nearest::nearest;
use super::{Relation, SpanId};

/// Events that can be parents, by what their children have in common with them.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// `None` where two tools' calls list the request: an exact relation is never a guess.
    tools: HashMap<Id, Option<SpanId>>,
    timelines: HashMap<(Kind, Id), Timeline>,
    /// The names of agents that calls declare, by their hashes. They are from the lists, so they are few.
    agents: HashMap<Id, Box<str>>,
}

/// What removes an event from the relations.
#[derive(Debug)]
pub(super) enum Removal {
    /// A tool's call with these requests.
    ToolCall(Vec<Id>),
    /// Any other event.
    Entry(Kind, Id, Entry),
}

/// Events with one key.
#[derive(Debug, Default)]
struct Timeline {
    /// By time, then by id.
    entries: Vec<Entry>,
    /// The first entry that is of another thing than the entries before it.
    other: Option<usize>,
}

impl Timeline {
    fn add(&mut self, entry: Entry) {
        if let Err(at) = self.entries.binary_search(&entry) {
            self.entries.insert(at, entry);
            match at + 1 == self.entries.len() {
                true if self.other.is_some() || entry.of == self.entries[0].of => {}
                true => self.other = Some(at),
                false => self.find_other(),
            }
        }
    }

    fn remove(&mut self, entry: Entry) {
        if let Ok(at) = self.entries.binary_search(&entry) {
            self.entries.remove(at);
            match self.other {
                None => {}
                Some(other) if at == 0 && other > 1 => self.other = Some(other - 1),
                Some(_) => self.find_other(),
            }
        }
    }

    fn find_other(&mut self) {
        let mut entries = self.entries.iter();
        let first = self.entries.first().map(|entry| entry.of);
        self.other = entries.position(|entry| Some(entry.of) != first);
    }

    /// The last event at this time or before it; `None` in it if those up to then are of different things.
    fn last_before(&self, time: i64) -> Option<Option<&Entry>> {
        let after = self.entries.partition_point(|entry| entry.time <= time);
        let last = self.entries[..after].last()?;
        let is_clear = self.other.is_none_or(|other| other >= after);
        Some(is_clear.then_some(last))
    }
}

impl Relations {
    /// Adds an event. Returns what removes it, if others can need it.
    pub(super) fn add(&mut self, facts: &Facts) -> Option<Removal> {
        if let Some(requests) = facts.requests() {
            for request in requests {
                let tool = self.tools.entry(*request).or_insert(Some(facts.span_id));
                *tool = tool.filter(|known| *known == facts.span_id);
            }
            return Some(Removal::ToolCall(requests.to_vec()));
        }
        let (kind, id, entry) = facts.offer()?;
        if let (Kind::CommandLine, Some(agent), Some(name)) = (kind, entry.of, facts.declares()) {
            self.agents.entry(agent).or_insert_with(|| name.into());
        }
        self.timelines.entry((kind, id)).or_default().add(entry);
        Some(Removal::Entry(kind, id, entry))
    }

    /// Removes an event.
    pub(super) fn remove(&mut self, removal: &Removal) {
        match removal {
            Removal::ToolCall(requests) => {
                for request in requests {
                    self.tools.remove(request);
                }
            }
            Removal::Entry(kind, id, entry) => {
                if let Some(timeline) = self.timelines.get_mut(&(*kind, *id)) {
                    timeline.remove(*entry);
                    if timeline.entries.is_empty() {
                        self.timelines.remove(&(*kind, *id));
                    }
                }
            }
        }
    }

    /// The parent of an event, and how it was found. What AWS recorded is never outvoted: where it names two parents,
    /// there is none.
    pub(super) fn parent_of(&self, facts: &Facts) -> Option<(SpanId, Relation)> {
        let asks = facts.asks().into_iter().flatten();
        asks.filter_map(|ask| self.answer(&ask)).next()?
    }

    /// `None` if nothing is known; `None` in it if it is not clear.
    fn answer(&self, ask: &Ask) -> Option<Option<(SpanId, Relation)>> {
        if ask.kind == Kind::Request {
            let tool = self.tools.get(&ask.key)?;
            return Some(tool.map(|tool| (tool, Relation::RequestId)));
        }
        let timeline = self.timelines.get(&(ask.kind, ask.key))?;
        let found = match ask.kind {
            Kind::Message => {
                let of = |message: &Entry| message.trace_id;
                nearest(&timeline.entries, ask.time, |message| message.time, of)
            }
            _ => timeline.last_before(ask.time)?,
        };
        Some(found.map(|entry| (entry.span_id, ask.relation(entry))))
    }

    /// The agent that another call of the same command line declares; `None` where two agents are declared.
    pub(super) fn agent_of(&self, facts: &Facts) -> Option<&str> {
        let line = (Kind::CommandLine, facts.asks_for_agent()?);
        let first = self.timelines.get(&line)?.last_before(i64::MAX)??;
        self.agents.get(&first.of?).map(|name| &**name)
    }
}
