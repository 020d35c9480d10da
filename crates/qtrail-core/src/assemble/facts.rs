//! The facts of an event that decide about its place.
//!
//! Enters: an event, and the options that it is converted with. Leaves: [`Facts`]. What must hold: a value that is
//! redacted is in them only as a part of a hash.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{SpanId, TraceId};
use crate::convert::{self, Options, Outcome, Person, ResourceKey, extent, ids, redact};
use crate::event::amazon_q::Class;
use crate::event::identity::{resource, role_session};
use crate::event::user_agent::UserAgent;
use crate::event::{Event, Key};
use crate::json::Node;

/// Bytes of an approval's id that the name of a session has at least.
const APPROVAL: usize = 8;

/// The rank of events that have no children.
pub(super) const LOWEST: u8 = 2;

/// A hash of what identifies something.
pub(super) type Id = [u8; 16];

/// The facts of one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Facts {
    pub(super) span_id: SpanId,
    /// Its trace by its own fields.
    pub(super) trace_id: TraceId,
    /// `eventTime`, in nanoseconds since 1970.
    pub(super) time: i64,
    /// The start and the end of its span.
    pub(super) extent: (i64, i64),
    pub(super) part: Part,
    /// The account and the person.
    pub(super) person: Option<Id>,
    pub(super) is_denied: bool,
    pub(super) command_line: Option<Box<CommandLine>>,
}

/// The session of the AWS command line that an event came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CommandLine {
    /// Of one person.
    pub(super) session: Id,
    /// The coding agent that the event declares. Without it, the event is of no agent known so far.
    pub(super) agent: Option<Box<str>>,
}

/// What an event can be in a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Part {
    /// An event that names its conversation.
    InConversation {
        /// Whether calls can follow from it: a message, or a button such as "Diagnose".
        is_message: bool,
        /// Whether a person wrote it.
        #[serde(default)]
        is_chat: bool,
        /// Apart from the facts, which are moved often.
        conversation: Box<Named>,
    },
    /// An approval, by its id.
    Approval(Id),
    /// A person lets a client act, in this sign-in.
    Grant { sign_in: Id, client: Option<Id> },
    /// A role assumed for an approval. `session`: the session of the role.
    AssumedRole { approval: Id, session: Id },
    /// A tool's call.
    ToolCall {
        /// The requests that it made.
        requests: Vec<Id>,
        sign_in: Option<Id>,
        /// Whether Amazon Q, or what continues it, called the tool.
        by_amazon_q: bool,
    },
    /// An API call by an agent; or `PassRequest`, before it; or a call from a command line that an agent may have used.
    Call {
        is_pass_request: bool,
        request: Option<Id>,
        /// The session of the assumed role.
        session: Option<Id>,
        by_amazon_q: bool,
    },
}

/// What an event says of its conversation, after redaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) person: Option<String>,
    pub(super) resource: ResourceKey<'static>,
}

impl Facts {
    /// The facts of an event; `None` if it can have no place in a tree. Takes the event by value because it redacts
    /// it.
    pub fn of(mut event: Event<'_>, options: &Options) -> Option<Self> {
        let (mut trace_id, _) = ids::trace(&event);
        let conversation = ids::conversation(&event).is_some();
        let command_line = command_line(&event);
        let part = match conversation {
            true => None,
            false => Some(part(&event, command_line.is_some())?),
        };
        let (span_id, person) = (ids::span(&event), person(&event));
        let (time, extent) = (event.time(), extent(&event));
        let known = convert::known_person(&event, &options.identities);
        let is_denied = Outcome::of(&event) == Outcome::Denied;
        let may_hide_ids = conversation || options.redaction.names_fields();
        if may_hide_ids && !redact(event.document_mut(), &options.redaction).is_empty() {
            trace_id = ids::unrevealing(&event, trace_id);
        }
        Some(Facts {
            span_id,
            trace_id,
            time,
            extent,
            part: part.unwrap_or_else(|| Part::InConversation {
                is_message: event.class() == Class::Conversation,
                is_chat: convert::is_chat(&event),
                conversation: Box::new(named(&event, known, options)),
            }),
            person,
            is_denied,
            command_line: command_line.map(Box::new),
        })
    }

    /// The id of the event's span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Takes a repeat. Of two that differ, the same one stays in any order.
    pub(super) fn merge(&mut self, repeat: Facts) {
        if repeat < *self {
            *self = repeat;
        }
    }

    /// Whether later events can need it: as their parent, or because it declares whose command line they came from.
    pub(super) fn is_needed(&self) -> bool {
        let declares = |line: &CommandLine| line.agent.is_some();
        self.part.can_be_parent() || self.command_line.as_deref().is_some_and(declares)
    }

    /// Orders parents before their children; otherwise by time, so that nothing depends on the order of arrival.
    pub(super) fn order(&self) -> (u8, i64, SpanId) {
        (self.part.rank(), self.time, self.span_id)
    }
}

impl Named {
    /// The span of the conversation with this trace.
    pub(super) fn span_id(&self, trace_id: TraceId) -> SpanId {
        ids::conversation_span(self.id.as_deref(), trace_id)
    }
}

impl Part {
    /// Whether events can be its children.
    fn can_be_parent(&self) -> bool {
        match self {
            Part::InConversation { is_message, .. } => *is_message,
            Part::Call { .. } => false,
            Part::Approval(_)
            | Part::Grant { .. }
            | Part::AssumedRole { .. }
            | Part::ToolCall { .. } => true,
        }
    }

    /// Its level in a tree: that of parents is lower.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Part::InConversation { .. } | Part::Approval(_) | Part::Grant { .. } => 0,
            Part::AssumedRole { .. } | Part::ToolCall { .. } => 1,
            Part::Call { .. } => LOWEST,
        }
    }
}

fn part(event: &Event<'_>, has_command_line: bool) -> Option<Part> {
    match event.class() {
        Class::ToolCall => Some(Part::ToolCall {
            requests: requests(event),
            sign_in: sign_in(event),
            by_amazon_q: event.is_of_amazon_q(),
        }),
        // The agent's service assumes the role, or another one does for it.
        Class::OnBehalfOf | Class::AgentCall => assumed_role(event).or_else(|| Some(call(event))),
        Class::PassRequest => Some(call(event)),
        Class::Grant => {
            let approval = text(event, Key::ResponseElements, "approvalId");
            match approval {
                Some(id) => Some(Part::Approval(ids::digest(&["approval:", &id]))),
                None => Some(Part::Grant {
                    sign_in: sign_in(event)?,
                    client: text(event, Key::RequestParameters, "client_id")
                        .map(|id| ids::digest(&["client:", &id])),
                }),
            }
        }
        Class::Other => {
            let of_person = Part::Call {
                is_pass_request: false,
                request: None,
                session: None,
                by_amazon_q: false,
            };
            assumed_role(event).or_else(|| has_command_line.then_some(of_person))
        }
        _ => None,
    }
}

/// The command line of an event that declares a coding agent, or that is of no agent.
fn command_line(event: &Event<'_>) -> Option<CommandLine> {
    let agent = match event.class() {
        Class::AgentCall => Some(event.declared()?),
        Class::Other => None,
        _ => return None,
    };
    let text = event.text_of(Key::UserAgent)?;
    let session = UserAgent::read(&text).cli_session?;
    let person = hex::encode(person(event)?);
    Some(CommandLine {
        session: ids::kept_digest(&["command-line:", &person, "/", session]),
        agent: agent.map(Box::from),
    })
}

fn call(event: &Event<'_>) -> Part {
    let id = event.shown(Key::RequestId);
    Part::Call {
        is_pass_request: event.class() == Class::PassRequest,
        request: id.and_then(|id| request(event, &id)),
        session: session(event),
        by_amazon_q: event.is_of_amazon_q(),
    }
}

/// `AssumeRole` for an approval: its external id, with whose beginning the name of the session ends, as in
/// `op.system.apr.019f0000-1111-72`. People give external ids for other reasons, too.
fn assumed_role(event: &Event<'_>) -> Option<Part> {
    if event.text_of(Key::EventName)? != "AssumeRole" {
        return None;
    }
    let external = text(event, Key::RequestParameters, "externalId")?;
    let role = text(event, Key::RequestParameters, "roleArn")?;
    let name = text(event, Key::RequestParameters, "roleSessionName")?;
    let (_, role) = role.rsplit_once('/')?;
    let end = name.rsplit('.').next()?;
    if end.len() < APPROVAL || !external.starts_with(end) {
        return None;
    }
    Some(Part::AssumedRole {
        approval: ids::digest(&["approval:", &external]),
        session: ids::digest(&["session:", role, "/", &name]),
    })
}

/// The session of the assumed role that called.
fn session(event: &Event<'_>) -> Option<Id> {
    let arn = event.shown(Key::Arn)?;
    let name = role_session(resource(&arn)?)?;
    let (before, _) = arn.rsplit_once('/')?;
    let (_, role) = before.rsplit_once('/')?;
    Some(ids::kept_digest(&["session:", role, "/", name]))
}

/// The requests that a tool's call lists.
fn requests(event: &Event<'_>) -> Vec<Id> {
    let data = event.get(Key::AdditionalEventData);
    let listed = data.and_then(|data| data.get("downstreamRequests"));
    let each = listed.into_iter().flat_map(Node::items);
    let id = |node: Node<'_>| request(event, &node.get("requestId")?.as_str()?);
    each.filter_map(id).collect()
}

fn request(event: &Event<'_>, id: &str) -> Option<Id> {
    let account = account(event)?;
    // So short that a UUID's fits into one block of the hash.
    (!id.is_empty()).then(|| ids::digest(&["req:", &account, "/", id]))
}

fn sign_in(event: &Event<'_>) -> Option<Id> {
    let arn = convert::sign_in_session(event)?;
    Some(ids::kept_digest(&["sign-in:", &arn]))
}

/// The person of an account: by the principal id, else by the id in the identity store.
fn person(event: &Event<'_>) -> Option<Id> {
    let key = event.first_shown(&[Key::PrincipalId, Key::OnBehalfOfUserId])?;
    let id = event.shown(key)?;
    Some(ids::kept_digest(&["person:", &account(event)?, "/", &id]))
}

fn account(event: &Event<'_>) -> Option<String> {
    let key = event.first_shown(&[Key::RecipientAccountId, Key::AccountId])?;
    Some(event.shown(key)?.into_owned())
}

fn named(event: &Event<'_>, known: Option<&Person>, options: &Options) -> Named {
    let own = |text: Cow<'_, str>| text.into_owned();
    let resource = convert::resource(event, options);
    Named {
        id: ids::conversation(event)
            .and_then(|key| event.shown(key))
            .map(own),
        person: convert::enduser(event, known, &options.redaction),
        resource: ResourceKey {
            service_name: Cow::Owned(own(resource.service_name)),
            account_id: resource.account_id.map(own).map(Cow::Owned),
            region: resource.region.map(own).map(Cow::Owned),
        },
    }
}

fn text(event: &Event<'_>, key: Key, name: &str) -> Option<String> {
    let text = event.get(key)?.get(name)?.as_str()?.into_owned();
    (!text.is_empty()).then_some(text)
}
