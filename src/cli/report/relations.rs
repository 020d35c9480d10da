//! Which event is the reason for another one.
//!
//! Enters: events in order of time, without repeats. Leaves: for each event, how it is related to a conversation
//! or a tool call, and to which event. What must hold: the result depends only on the set of events; an exact
//! relation always wins; where two conversations are equally near, there is no relation.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

use super::events::Events;
use crate::view::event::{Event, Text};
use qtrail_core::assemble::nearest;

/// How an event is related to its reason. An event is named by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Relation {
    /// Not known.
    #[default]
    None,
    /// The record itself has the conversation's id.
    Record,
    /// A tool call's record lists the request id of this call: exact.
    RequestId(usize),
    /// The message of the same person that is nearest in time: inferred.
    Nearest {
        message: usize,
        /// From the message to the event; negative if the event came first.
        nanoseconds: i64,
    },
}

impl Relation {
    /// The event that is the reason.
    pub(crate) fn parent(self) -> Option<usize> {
        match self {
            Relation::None | Relation::Record => None,
            Relation::RequestId(parent)
            | Relation::Nearest {
                message: parent, ..
            } => Some(parent),
        }
    }
}

/// The relations of events: what their reasons are known by. The events themselves are not in memory.
#[derive(Debug)]
pub(crate) struct Relations<'s> {
    events: &'s Events,
    /// By account and request: the tool call that lists it; `None` if several do.
    tool_calls: HashMap<Pair, Option<usize>>,
    /// By account and person, in order of time.
    messages: HashMap<Pair, Vec<Message>>,
}

/// An account, and something in it.
type Pair = (Box<str>, Box<str>);

#[derive(Debug)]
struct Message {
    time: i64,
    place: usize,
    conversation: Rc<str>,
}

/// An event with its relation: a row of a report.
#[derive(Debug)]
pub(crate) struct Row<'s> {
    pub(crate) event: Cow<'s, Event>,
    pub(crate) relation: Relation,
    /// The event that is the reason.
    pub(crate) parent: Option<Cow<'s, Event>>,
    /// The id of the conversation that the event belongs to: its own, or that of its message or tool call.
    pub(crate) conversation: Option<String>,
}

impl<'s> Relations<'s> {
    /// The relations of these events.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(crate) fn of(events: &'s Events) -> io::Result<Self> {
        let (mut tool_calls, mut messages) = (HashMap::new(), HashMap::new());
        let mut conversations = HashSet::new();
        for place in 0..events.len() {
            let event = events.get(place)?;
            add_tool_call(&mut tool_calls, place, &event);
            add_message(&mut messages, &mut conversations, place, &event);
        }
        Ok(Relations {
            events,
            tool_calls,
            messages,
        })
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The event at a place, with its relation.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(crate) fn get(&self, place: usize) -> io::Result<Row<'s>> {
        let event = self.events.get(place)?;
        let relation = self.relation(place, &event)?;
        let parent = match relation.parent() {
            Some(parent) => Some((parent, self.events.get(parent)?)),
            None => None,
        };
        let conversation = match &parent {
            Some((place, above)) => self.conversation(*place, above, ABOVE)?,
            None => own(&event),
        };
        Ok(Row {
            relation,
            parent: parent.map(|(_, event)| event),
            conversation,
            event,
        })
    }

    fn relation(&self, place: usize, event: &Event) -> io::Result<Relation> {
        if event.shown(Text::Conversation).is_some() {
            return Ok(Relation::Record);
        }
        match self.tool_call_of(event).filter(|parent| *parent != place) {
            Some(parent) => Ok(Relation::RequestId(parent)),
            None => Ok(self.nearest(event)?.unwrap_or_default()),
        }
    }

    /// The conversation of an event: its own, or that of its reason, at most so many events above.
    fn conversation(&self, place: usize, event: &Event, above: u32) -> io::Result<Option<String>> {
        match (self.relation(place, event)?.parent(), above.checked_sub(1)) {
            (None, _) => Ok(own(event)),
            (Some(_), None) => Ok(None),
            (Some(parent), Some(above)) => {
                self.conversation(parent, &*self.events.get(parent)?, above)
            }
        }
    }

    fn tool_call_of(&self, event: &Event) -> Option<usize> {
        let request = event.shown(Text::RequestId)?;
        *self.tool_calls.get(&pair(event, request))?
    }

    /// The nearest message, if the event is one that an agent makes for a message.
    fn nearest(&self, event: &Event) -> io::Result<Option<Relation>> {
        let class = event.get(Text::Class);
        let is_for_a_message = matches!(class, "on_behalf_of" | "agent_call" | "pass_request")
            // A call by the AWS MCP Server has a tool call as its reason, not a message to Amazon Q.
            && !event.get(Text::InvokedBy).starts_with("aws-mcp.");
        let person = person(event).filter(|_| is_for_a_message);
        let messages = person.and_then(|person| self.messages.get(&pair(event, person)));
        let of = |message: &'_ Message| Rc::clone(&message.conversation);
        let near = messages.and_then(|all| nearest(all, event.time, |message| message.time, of));
        let Some(near) = near else {
            return Ok(None);
        };
        // A client declares its agent: another agent's message is not its reason.
        let agent = |event: &Event| event.get(Text::Agent).to_owned();
        if class == "agent_call" && agent(event) != agent(&*self.events.get(near.place)?) {
            return Ok(None);
        }
        Ok(Some(Relation::Nearest {
            message: near.place,
            nanoseconds: event.time.saturating_sub(near.time),
        }))
    }
}

/// Reasons above the first one: an API call has its tool call, and that its message.
const ABOVE: u32 = 1;

fn own(event: &Event) -> Option<String> {
    event.shown(Text::Conversation).map(str::to_owned)
}

fn pair(event: &Event, text: &str) -> Pair {
    (event.get(Text::Account).into(), text.into())
}

/// The person: by principal, else by user id.
fn person(event: &Event) -> Option<&str> {
    event
        .shown(Text::PrincipalId)
        .or_else(|| event.shown(Text::UserId))
}

fn add_tool_call(calls: &mut HashMap<Pair, Option<usize>>, place: usize, event: &Event) {
    for request in event.downstream() {
        let known = calls.entry(pair(event, request)).or_insert(Some(place));
        if *known != Some(place) {
            *known = None;
        }
    }
}

/// `conversations`: the ids so far, each kept once.
fn add_message(
    messages: &mut HashMap<Pair, Vec<Message>>,
    conversations: &mut HashSet<Rc<str>>,
    place: usize,
    event: &Event,
) {
    let is_message = event.get(Text::Operation) == "chat";
    let (Some(conversation), Some(person)) = (event.shown(Text::Conversation), person(event))
    else {
        return;
    };
    if !is_message {
        return;
    }
    let conversation = match conversations.get(conversation) {
        Some(known) => Rc::clone(known),
        None => {
            let new: Rc<str> = conversation.into();
            conversations.insert(Rc::clone(&new));
            new
        }
    };
    let messages = messages.entry(pair(event, person)).or_default();
    messages.push(Message {
        time: event.time,
        place,
        conversation,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::event::tests::event;

    const MARY: [(&str, &str); 2] = [
        ("aws.principal.id", "AROAX:mary"),
        ("cloud.account.id", "111122223333"),
    ];

    fn message(second: i64, conversation: &str) -> Event {
        let own = [
            ("gen_ai.conversation.id", conversation),
            ("gen_ai.operation.name", "chat"),
            ("qtrail.event.class", "conversation"),
            ("gen_ai.agent.name", "Amazon Q Developer"),
        ];
        event(second, &[&MARY[..], &own].concat())
    }

    fn call(second: i64, attributes: &[(&str, &str)]) -> Event {
        let own = [
            ("qtrail.event.class", "on_behalf_of"),
            ("aws.user_identity.invoked_by", "q.amazonaws.com"),
        ];
        event(second, &[&MARY[..], &own, attributes].concat())
    }

    fn of(events: &[Event]) -> Vec<Relation> {
        let related = related(events).into_iter();
        related.map(|(relation, _)| relation).collect()
    }

    /// The relation and the conversation of each event.
    fn related(events: &[Event]) -> Vec<(Relation, Option<String>)> {
        let events = Events::in_memory(events.to_vec());
        let relations = Relations::of(&events).unwrap();
        let get = |place| relations.get(place).unwrap();
        let each = (0..events.len()).map(get);
        each.map(|row| (row.relation, row.conversation)).collect()
    }

    fn nearest(message: usize, seconds: i64) -> Relation {
        Relation::Nearest {
            message,
            nanoseconds: seconds * 1_000_000_000,
        }
    }

    #[test]
    fn the_nearest_message_within_reach_is_the_reason() {
        for (events, expected) in [
            (vec![message(10, "a"), call(12, &[])], nearest(0, 2)),
            (vec![call(9, &[]), message(10, "a")], nearest(1, -1)),
            (vec![message(10, "a"), call(310, &[])], nearest(0, 300)),
            (vec![message(10, "a"), call(311, &[])], Relation::None),
            (
                vec![message(10, "a"), message(20, "b"), call(21, &[])],
                nearest(1, 1),
            ),
            (
                vec![message(10, "a"), call(12, &[]), message(13, "b")],
                nearest(2, -1),
            ),
            (vec![call(12, &[])], Relation::None),
        ] {
            let place = events
                .iter()
                .position(|e| e.get(Text::Class) == "on_behalf_of");
            assert_eq!(of(&events)[place.unwrap()], expected, "{events:?}");
        }
    }

    #[test]
    fn two_conversations_that_are_equally_near_give_none() {
        let around = |other| of(&[message(10, "a"), call(11, &[]), message(12, other)])[1];
        assert_eq!(around("b"), Relation::None);
        assert_eq!(around("a"), nearest(0, 1));
        let at_once = |other| of(&[message(10, "a"), message(10, other), call(11, &[])])[2];
        assert_eq!(at_once("b"), Relation::None);
        assert_eq!(at_once("a"), nearest(0, 1));
        // Of three, the third decides as well.
        let third = of(&[
            message(10, "a"),
            message(10, "b"),
            message(10, "a"),
            call(11, &[]),
        ])[3];
        assert_eq!(third, Relation::None);
    }

    #[test]
    fn another_person_account_or_agent_is_no_reason() {
        for other in [
            ("aws.principal.id", "AROAX:nikki"),
            ("aws.principal.id", "AROAX:***"),
            ("cloud.account.id", "444455556666"),
            ("aws.user_identity.invoked_by", "aws-mcp.amazonaws.com"),
            ("qtrail.event.class", "other"),
            ("qtrail.event.class", "telemetry"),
        ] {
            assert_eq!(
                of(&[message(10, "a"), call(11, &[other])])[1],
                Relation::None,
                "{other:?}"
            );
        }
        let by_client = |agent| {
            let own = [
                ("qtrail.event.class", "agent_call"),
                ("gen_ai.agent.name", agent),
            ];
            of(&[message(10, "a"), call(11, &own)])[1]
        };
        assert_eq!(by_client("Claude Code"), Relation::None);
        assert_eq!(by_client("Amazon Q Developer"), nearest(0, 1));
        // Messages that hide who sent them.
        let hidden = [
            ("aws.principal.id", "***"),
            ("gen_ai.conversation.id", "a"),
            ("gen_ai.operation.name", "chat"),
        ];
        let masked = call(11, &[("aws.principal.id", "***")]);
        assert_eq!(of(&[event(10, &hidden), masked])[1], Relation::None);
    }

    #[test]
    fn a_request_id_wins_over_the_nearest_message_and_counts_in_its_account_alone() {
        let tool = |second, account| {
            event(
                second,
                &[
                    ("downstream", "r-1"),
                    ("cloud.account.id", account),
                    ("aws.request_id", "r-0"),
                ],
            )
        };
        let mine = call(12, &[("aws.request_id", "r-1")]);
        // A tool call is recorded when it has completed.
        let events = [message(11, "a"), mine.clone(), tool(13, "111122223333")];
        assert_eq!(of(&events)[1], Relation::RequestId(2));
        assert_eq!(of(&events)[2], Relation::None);
        let events = [message(11, "a"), mine.clone(), tool(13, "444455556666")];
        assert_eq!(of(&events)[1], nearest(0, 1));
        // An exact relation is never wrong: if two tool calls name the request, neither counts.
        let events = [mine, tool(13, "111122223333"), tool(14, "111122223333")];
        assert_eq!(of(&events)[0], Relation::None);
    }

    #[test]
    fn a_call_belongs_to_the_conversation_of_its_reason() {
        let tool = [
            ("downstream", "r-1"),
            ("gen_ai.conversation.id", "a"),
            ("cloud.account.id", "111122223333"),
        ];
        let events = [
            event(10, &tool),
            call(10, &[("aws.request_id", "r-1")]),
            call(10, &[]),
        ];
        let conversations = related(&events).into_iter().map(|(_, id)| id);
        let a = || Some("a".to_owned());
        assert_eq!(conversations.collect::<Vec<_>>(), [a(), a(), None]);
    }
}
