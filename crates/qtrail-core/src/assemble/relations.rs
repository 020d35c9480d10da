//! The parents that events can have.
//!
//! Enters: the facts of events, in any order. Leaves: the parent of each. What must hold: what AWS recorded wins over the
//! nearest message, and gives no parent where it names two; the order of arrival decides nothing.

use std::collections::HashMap;

use super::facts::{Facts, Id, Part};
use super::nearest::nearest;
use super::{Relation, SpanId, TraceId};
use crate::convert::ids;

const SECOND: i64 = 1_000_000_000;

/// Events that can be parents, by what their children have in common with them.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// `None` where two tools' calls list the request: an exact relation is never a guess.
    tools: HashMap<Id, Option<SpanId>>,
    approvals: HashMap<Id, Timeline>,
    roles: HashMap<Id, Timeline>,
    grants: HashMap<Id, Timeline>,
    /// Messages of a person.
    messages: HashMap<Id, Timeline>,
    /// Calls that declare a coding agent, by their session of the command line.
    command_lines: HashMap<Id, Timeline>,
    /// The names of these agents by their hashes. They are from the lists, so they are few.
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

/// What an event is that can be a parent by its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Message,
    Approval,
    Grant,
    Role,
    CommandLine,
}

/// Events with one key.
#[derive(Debug, Default)]
struct Timeline {
    /// By time, then by id.
    entries: Vec<Entry>,
    /// The first entry that is of another thing than the entries before it.
    other: Option<usize>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    time: i64,
    span_id: SpanId,
    trace_id: TraceId,
    /// The client of a grant, the approval of a role, the agent of a command line.
    of: Option<Id>,
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
    fn last_before(&self, time: i64) -> Option<Option<SpanId>> {
        let after = self.entries.partition_point(|entry| entry.time <= time);
        let last = self.entries[..after].last()?;
        let is_clear = self.other.is_none_or(|other| other >= after);
        Some(is_clear.then_some(last.span_id))
    }
}

impl Relations {
    /// Adds an event. Returns what removes it, if others can need it.
    pub(super) fn add(&mut self, facts: &Facts) -> Option<Removal> {
        if let Part::ToolCall { requests, .. } = &facts.part {
            for request in requests {
                let tool = self.tools.entry(*request).or_insert(Some(facts.span_id));
                *tool = tool.filter(|known| *known == facts.span_id);
            }
            return Some(Removal::ToolCall(requests.clone()));
        }
        let (kind, id, of) = match &facts.part {
            Part::InConversation {
                is_message: true, ..
            } => (Kind::Message, facts.person?, None),
            Part::Approval(id) => (Kind::Approval, *id, None),
            Part::Grant { sign_in, client } => (Kind::Grant, *sign_in, *client),
            Part::AssumedRole { approval, session } => (Kind::Role, *session, Some(*approval)),
            Part::Call { .. } => {
                let line = facts.command_line.as_deref()?;
                let name = line.agent.as_ref()?;
                let agent = ids::kept_digest(&["agent:", name]);
                self.agents.entry(agent).or_insert_with(|| name.clone());
                (Kind::CommandLine, line.session, Some(agent))
            }
            Part::InConversation { .. } | Part::ToolCall { .. } => return None,
        };
        let entry = Entry {
            time: facts.time,
            span_id: facts.span_id,
            trace_id: facts.trace_id,
            of,
        };
        self.timelines(kind).entry(id).or_default().add(entry);
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
                let timelines = self.timelines(*kind);
                if let Some(timeline) = timelines.get_mut(id) {
                    timeline.remove(*entry);
                    if timeline.entries.is_empty() {
                        timelines.remove(id);
                    }
                }
            }
        }
    }

    fn timelines(&mut self, kind: Kind) -> &mut HashMap<Id, Timeline> {
        match kind {
            Kind::Message => &mut self.messages,
            Kind::Approval => &mut self.approvals,
            Kind::Grant => &mut self.grants,
            Kind::Role => &mut self.roles,
            Kind::CommandLine => &mut self.command_lines,
        }
    }

    /// The parent of an event, and how it was found. What AWS recorded is never outvoted: where it names two parents,
    /// there is none.
    pub(super) fn parent_of(&self, facts: &Facts) -> Option<(SpanId, Relation)> {
        match &facts.part {
            Part::AssumedRole { approval, .. } => {
                let approval = self.approvals.get(approval)?.last_before(facts.time)?;
                Some((approval?, Relation::ApprovalId))
            }
            Part::ToolCall {
                sign_in,
                by_amazon_q,
                ..
            } => {
                let grants = sign_in.and_then(|id| self.grants.get(&id));
                // The grant's time is a whole second.
                let start = facts.extent.0.saturating_add(SECOND - 1);
                match grants.and_then(|grants| grants.last_before(start)) {
                    Some(grant) => Some((grant?, Relation::SignInSession)),
                    None => self.nearest(facts, *by_amazon_q),
                }
            }
            Part::Call {
                request,
                session,
                by_amazon_q,
                ..
            } => {
                if let Some(tool) = request.and_then(|id| self.tools.get(&id)) {
                    return Some(((*tool)?, Relation::RequestId));
                }
                let roles = session.and_then(|id| self.roles.get(&id));
                match roles.and_then(|roles| roles.last_before(facts.time)) {
                    Some(role) => Some((role?, Relation::ApprovalId)),
                    None => self.nearest(facts, *by_amazon_q),
                }
            }
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant { .. } => None,
        }
    }

    /// The agent that another call of the same command line declares; `None` where two agents are declared.
    pub(super) fn agent_of(&self, facts: &Facts) -> Option<&str> {
        let line = facts.command_line.as_deref();
        let line = line.filter(|line| line.agent.is_none())?;
        let declared = self.command_lines.get(&line.session)?;
        let first = declared
            .entries
            .first()
            .filter(|_| declared.other.is_none())?;
        self.agents.get(&first.of?).map(|name| &**name)
    }

    /// The [nearest] message of the same person.
    fn nearest(&self, facts: &Facts, by_amazon_q: bool) -> Option<(SpanId, Relation)> {
        let messages = self.messages.get(&facts.person.filter(|_| by_amazon_q)?)?;
        let of = |message: &Entry| message.trace_id;
        let first = nearest(&messages.entries, facts.time, |message| message.time, of)?;
        let delta = facts.time.saturating_sub(first.time);
        Some((first.span_id, Relation::Nearest { delta }))
    }
}
