//! The parents that events can have.
//!
//! Enters: the facts of all events. Leaves: the parent of each. What must hold: what AWS recorded wins over the nearest
//! message; among equals, the earlier event and then the smaller id wins, whatever came first.

use std::collections::HashMap;

use super::facts::{Facts, Id, Part};
use super::{REACH, Relation, SpanId};

/// Events that can be parents, by what their children have in common with them.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// `None` where two tools' calls list the request: an exact relation is never a guess.
    tools: HashMap<Id, Option<SpanId>>,
    approvals: HashMap<Id, SpanId>,
    roles: HashMap<Id, SpanId>,
    /// By time.
    grants: HashMap<Id, Vec<(i64, SpanId)>>,
    /// Messages of a person, by time.
    messages: HashMap<Id, Vec<Message>>,
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
                self.approvals.entry(*id).or_insert(span_id);
            }
            Part::Grant(sign_in) => {
                let grants = self.grants.entry(*sign_in).or_default();
                grants.push((facts.time, span_id));
            }
            Part::AssumedRole { session, .. } => {
                self.roles.entry(*session).or_insert(span_id);
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

    /// The parent of an event, and how it was found.
    pub(super) fn parent_of(&self, facts: &Facts) -> Option<(SpanId, Relation)> {
        match &facts.part {
            Part::AssumedRole { approval, .. } => {
                Some((*self.approvals.get(approval)?, Relation::ApprovalId))
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
                let role = || session.and_then(|id| self.roles.get(&id));
                tool.map(|id| (*id, Relation::RequestId))
                    .or_else(|| role().map(|id| (*id, Relation::ApprovalId)))
                    .or_else(|| self.nearest(facts, *by_amazon_q))
            }
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant(_) => None,
        }
    }

    /// The last grant of a sign-in before this time.
    fn grant(&self, sign_in: Option<Id>, time: i64) -> Option<(SpanId, Relation)> {
        let grants = self.grants.get(&sign_in?)?;
        let after = grants.partition_point(|(granted, _)| *granted <= time);
        let (_, span_id) = grants.get(after.checked_sub(1)?)?;
        Some((*span_id, Relation::SignInSession))
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
