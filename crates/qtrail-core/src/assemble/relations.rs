//! The parents that events can have.
//!
//! Enters: the facts of events, in any order. Leaves: the parent of each. What must hold: what AWS recorded wins over the
//! nearest message; among equals, the earlier event and then the smaller id wins, whatever came first.

use std::collections::HashMap;

use super::facts::{Facts, Id, Part};
use super::nearest::nearest;
use super::{Relation, SpanId, TraceId};

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
}

/// Events that are alike, by time, then by id.
#[derive(Debug, Default)]
struct Timeline(Vec<Entry>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: i64,
    span_id: SpanId,
    trace_id: TraceId,
}

impl Timeline {
    fn add(&mut self, entry: Entry) {
        if let Err(at) = self.0.binary_search(&entry) {
            self.0.insert(at, entry);
        }
    }

    fn first(&self) -> Option<SpanId> {
        self.0.first().map(|entry| entry.span_id)
    }
}

impl Relations {
    /// Adds an event.
    pub(super) fn add(&mut self, facts: &Facts) {
        let entry = Entry::of(facts);
        if let Part::ToolCall { requests, .. } = &facts.part {
            for request in requests {
                let tool = self.tools.entry(*request).or_insert(Some(entry.span_id));
                *tool = tool.filter(|known| *known == entry.span_id);
            }
        } else if let Some((timelines, key)) = self.timeline(facts) {
            timelines.entry(key).or_default().add(entry);
        }
    }

    /// Removes an event.
    pub(super) fn remove(&mut self, facts: &Facts) {
        let entry = Entry::of(facts);
        if let Part::ToolCall { requests, .. } = &facts.part {
            for request in requests {
                self.tools.remove(request);
            }
        } else if let Some((timelines, key)) = self.timeline(facts)
            && let Some(timeline) = timelines.get_mut(&key)
        {
            timeline.0.retain(|known| *known != entry);
            if timeline.0.is_empty() {
                timelines.remove(&key);
            }
        }
    }

    /// Where an event belongs that can be a parent by what it has in common with its children.
    fn timeline(&mut self, facts: &Facts) -> Option<(&mut HashMap<Id, Timeline>, Id)> {
        match &facts.part {
            Part::InConversation {
                is_message: true, ..
            } => Some((&mut self.messages, facts.person?)),
            Part::Approval(id) => Some((&mut self.approvals, *id)),
            Part::Grant(sign_in) => Some((&mut self.grants, *sign_in)),
            Part::AssumedRole { session, .. } => Some((&mut self.roles, *session)),
            Part::InConversation { .. } | Part::ToolCall { .. } | Part::Call { .. } => None,
        }
    }

    /// The parent of an event, and how it was found.
    pub(super) fn parent_of(&self, facts: &Facts) -> Option<(SpanId, Relation)> {
        match &facts.part {
            Part::AssumedRole { approval, .. } => {
                Some((self.approvals.get(approval)?.first()?, Relation::ApprovalId))
            }
            Part::ToolCall {
                sign_in,
                by_amazon_q,
                ..
            } => self
                .grant(*sign_in, facts.time)
                .or_else(|| self.nearest(facts, *by_amazon_q)),
            Part::Call {
                request,
                session,
                by_amazon_q,
                ..
            } => {
                let tool = request.and_then(|id| self.tools.get(&id)?.as_ref());
                let role = || session.and_then(|id| self.roles.get(&id)?.first());
                tool.map(|id| (*id, Relation::RequestId))
                    .or_else(|| role().map(|id| (id, Relation::ApprovalId)))
                    .or_else(|| self.nearest(facts, *by_amazon_q))
            }
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant(_) => None,
        }
    }

    /// The last grant of a sign-in before this time.
    fn grant(&self, sign_in: Option<Id>, time: i64) -> Option<(SpanId, Relation)> {
        let grants = &self.grants.get(&sign_in?)?.0;
        let after = grants.partition_point(|grant| grant.time <= time);
        let grant = grants.get(after.checked_sub(1)?)?;
        Some((grant.span_id, Relation::SignInSession))
    }

    /// The [nearest] message of the same person.
    fn nearest(&self, facts: &Facts, by_amazon_q: bool) -> Option<(SpanId, Relation)> {
        let messages = &self.messages.get(&facts.person.filter(|_| by_amazon_q)?)?.0;
        let of = |message: &Entry| message.trace_id;
        let first = nearest(messages, facts.time, |message| message.time, of)?;
        let delta = facts.time.saturating_sub(first.time);
        Some((first.span_id, Relation::Nearest { delta }))
    }
}

impl Entry {
    fn of(facts: &Facts) -> Self {
        Entry {
            time: facts.time,
            span_id: facts.span_id,
            trace_id: facts.trace_id,
        }
    }
}
