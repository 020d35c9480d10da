//! The parents that events can have.
//!
//! Enters: the facts of all events. Leaves: the parent of each. What must hold: what AWS recorded wins over the nearest
//! message, and gives no parent where it names two; the order of arrival decides nothing.

use std::collections::HashMap;

use super::facts::{Facts, Id, Part};
use super::{REACH, Relation, SpanId};

const SECOND: i64 = 1_000_000_000;

/// Events that can be parents, by what their children have in common with them.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// `None` where two tools' calls list the request: an exact relation is never a guess.
    tools: HashMap<Id, Option<SpanId>>,
    /// By time, as roles and grants are.
    approvals: HashMap<Id, Vec<Earlier>>,
    roles: HashMap<Id, Vec<Earlier>>,
    grants: HashMap<Id, Vec<Earlier>>,
    /// Messages of a person, by time.
    messages: HashMap<Id, Vec<Message>>,
}

/// An event that can be the parent of later ones with the same key.
#[derive(Debug, Clone, Copy)]
struct Earlier {
    time: i64,
    span_id: SpanId,
    /// The client of a grant, the approval of a role.
    of: Option<Id>,
    /// `of` is the same in all up to this one.
    is_clear: bool,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    time: i64,
    span_id: SpanId,
    trace_id: [u8; 16],
}

impl Relations {
    /// `events`: by rank, then by time and id.
    pub(super) fn of(events: &[Facts]) -> Self {
        let mut relations = Relations::default();
        for facts in events {
            relations.add(facts);
        }
        relations
    }

    fn add(&mut self, facts: &Facts) {
        let span_id = facts.span_id;
        match &facts.part {
            Part::InConversation {
                is_message: true, ..
            } => {
                if let Some(person) = facts.person {
                    self.messages.entry(person).or_default().push(Message {
                        time: facts.time,
                        span_id,
                        trace_id: facts.trace_id,
                    });
                }
            }
            Part::Approval(id) => {
                push(self.approvals.entry(*id).or_default(), facts, None);
            }
            Part::Grant { sign_in, client } => {
                push(self.grants.entry(*sign_in).or_default(), facts, *client);
            }
            Part::AssumedRole { approval, session } => {
                let roles = self.roles.entry(*session).or_default();
                push(roles, facts, Some(*approval));
            }
            Part::ToolCall { requests, .. } => {
                for request in requests {
                    let tool = self.tools.entry(*request).or_insert(Some(span_id));
                    *tool = tool.filter(|known| *known == span_id);
                }
            }
            Part::InConversation { .. } | Part::Call { .. } => {}
        }
    }

    /// The parent of an event, and how it was found. What AWS recorded is never outvoted: where it names two parents,
    /// there is none.
    pub(super) fn parent_of(&self, facts: &Facts) -> Option<(SpanId, Relation)> {
        match &facts.part {
            Part::AssumedRole { approval, .. } => {
                let approval = last_before(self.approvals.get(approval)?, facts.time)?;
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
                match grants.and_then(|grants| last_before(grants, start)) {
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
                match roles.and_then(|roles| last_before(roles, facts.time)) {
                    Some(role) => Some((role?, Relation::ApprovalId)),
                    None => self.nearest(facts, *by_amazon_q),
                }
            }
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant { .. } => None,
        }
    }

    /// The nearest message of the same person within [`REACH`]. `None` if messages of two conversations are equally
    /// near.
    fn nearest(&self, facts: &Facts, by_amazon_q: bool) -> Option<(SpanId, Relation)> {
        let messages = self.messages.get(&facts.person.filter(|_| by_amazon_q)?)?;
        let time = facts.time;
        let after = messages.partition_point(|message| message.time <= time);
        let (before, behind) = messages.split_at(after);
        let distance = |message: &Message| message.time.abs_diff(time);
        let sides = [before.last(), behind.first()];
        let least = sides.into_iter().flatten().map(distance).min()?;
        if least > REACH.unsigned_abs() {
            return None;
        }
        let is_nearest = |message: &&Message| distance(message) == least;
        let mut nearest = before
            .iter()
            .rev()
            .take_while(is_nearest)
            .collect::<Vec<_>>();
        // Of one second, the first message is the parent; one before the event wins over one behind it.
        nearest.reverse();
        nearest.extend(behind.iter().take_while(is_nearest));
        let first = nearest.first()?;
        if nearest
            .iter()
            .any(|message| message.trace_id != first.trace_id)
        {
            return None;
        }
        let delta = time.saturating_sub(first.time);
        Some((first.span_id, Relation::Nearest { delta }))
    }
}

fn push(events: &mut Vec<Earlier>, facts: &Facts, of: Option<Id>) {
    let last = events.last();
    events.push(Earlier {
        time: facts.time,
        span_id: facts.span_id,
        of,
        is_clear: last.is_none_or(|last| last.is_clear && last.of == of),
    });
}

/// The last event at this time or before it; `None` in it if those up to then are of different things.
fn last_before(events: &[Earlier], time: i64) -> Option<Option<SpanId>> {
    let after = events.partition_point(|event| event.time <= time);
    let last = events[..after].last()?;
    Some(last.is_clear.then_some(last.span_id))
}
