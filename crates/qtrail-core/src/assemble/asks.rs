//! By what events find each other.
//!
//! Enters: the facts of an event. Leaves: as what others can find it, and what it asks for: a parent, or the agent
//! that used its command line.

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Id, Part};
use super::{Relation, SpanId, TraceId};
use crate::convert::ids;

const SECOND: i64 = 1_000_000_000;

/// As what an event can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A tool's call, by a request that it lists.
    Request,
    /// By its person.
    Message,
    Approval,
    Grant,
    Role,
    /// A call that declares a coding agent, by its session of the command line.
    CommandLine,
}

/// An event that others can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) time: i64,
    pub(super) span_id: SpanId,
    pub(super) trace_id: TraceId,
    /// The client of a grant, the approval of a role, the agent of a command line.
    pub(super) of: Option<Id>,
}

/// What an event asks for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) kind: Kind,
    pub(super) key: Id,
    /// The event's own; for a tool's call, when it began.
    pub(super) time: i64,
}

impl Facts {
    /// As what others can find it, unless it is by [`Facts::requests`].
    pub(super) fn offer(&self) -> Option<(Kind, Id, Entry)> {
        let (kind, key, of) = match &self.part {
            Part::InConversation {
                is_message: true, ..
            } => (Kind::Message, self.person?, None),
            Part::Approval(id) => (Kind::Approval, *id, None),
            Part::Grant { sign_in, client } => (Kind::Grant, *sign_in, *client),
            Part::AssumedRole { approval, session } => (Kind::Role, *session, Some(*approval)),
            Part::Call { .. } => {
                let agent = ids::kept_digest(&["agent:", self.declares()?]);
                let line = self.command_line.as_deref()?;
                (Kind::CommandLine, line.session, Some(agent))
            }
            Part::InConversation { .. } | Part::ToolCall { .. } => return None,
        };
        Some((kind, key, self.entry(of)))
    }

    pub(super) fn entry(&self, of: Option<Id>) -> Entry {
        Entry {
            time: self.time,
            span_id: self.span_id,
            trace_id: self.trace_id,
            of,
        }
    }

    /// The requests that it lists, as a tool's call.
    pub(super) fn requests(&self) -> Option<&[Id]> {
        match &self.part {
            Part::ToolCall { requests, .. } => Some(requests),
            _ => None,
        }
    }

    /// The coding agent that it declares.
    pub(super) fn declares(&self) -> Option<&str> {
        self.command_line.as_deref()?.agent.as_deref()
    }

    /// What it asks for its parent. The first that is known decides: what AWS recorded comes before the nearest message.
    pub(super) fn asks(&self) -> [Option<Ask>; 3] {
        let at = |kind, time| move |key| Ask { kind, key, time };
        let now = |kind| at(kind, self.time);
        let nearest = |by_amazon_q| self.person.filter(|_| by_amazon_q).map(now(Kind::Message));
        match &self.part {
            Part::AssumedRole { approval, .. } => {
                [Some(now(Kind::Approval)(*approval)), None, None]
            }
            Part::ToolCall {
                sign_in,
                by_amazon_q,
                ..
            } => {
                // The grant's time is a whole second.
                let start = self.extent.0.saturating_add(SECOND - 1);
                let grant = sign_in.map(at(Kind::Grant, start));
                [grant, nearest(*by_amazon_q), None]
            }
            Part::Call {
                request,
                session,
                by_amazon_q,
                ..
            } => {
                let (tool, role) = (
                    request.map(now(Kind::Request)),
                    session.map(now(Kind::Role)),
                );
                [tool, role, nearest(*by_amazon_q)]
            }
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant { .. } => [None; 3],
        }
    }

    /// The session of the command line, unless the event declares an agent itself.
    pub(super) fn asks_for_agent(&self) -> Option<Id> {
        let line = self.command_line.as_deref()?;
        line.agent.is_none().then_some(line.session)
    }
}

impl Ask {
    /// The relation to an event that was found.
    pub(super) fn relation(&self, found: &Entry) -> Relation {
        match self.kind {
            Kind::Request => Relation::RequestId,
            Kind::Grant => Relation::SignInSession,
            Kind::Approval | Kind::Role => Relation::ApprovalId,
            Kind::Message | Kind::CommandLine => Relation::Nearest {
                delta: self.time.saturating_sub(found.time),
            },
        }
    }
}
