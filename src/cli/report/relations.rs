//! Which event is the reason for another one.
//!
//! Enters: events in order of time, without repeats. Leaves: for each event, how it is related to a conversation
//! or a tool call, and to which event. What must hold: the result depends only on the set of events; an exact
//! relation always wins; where two conversations are equally near, there is no relation.

use std::collections::HashMap;

use super::event::{Event, Text};

/// How far a message may be from what was done for it, in nanoseconds: before or after, since records have whole
/// seconds and come from several services.
pub(crate) const REACH: i64 = 5 * 60 * 1_000_000_000;

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

/// The relation of each event.
pub(crate) fn relations(events: &[&Event]) -> Vec<Relation> {
    let tool_calls = tool_calls(events);
    let messages = messages(events);
    let related = events.iter().enumerate().map(|(place, event)| {
        if event.shown(Text::Conversation).is_some() {
            return Relation::Record;
        }
        let by_request = tool_call_of(event, &tool_calls).filter(|parent| *parent != place);
        match by_request {
            Some(parent) => Relation::RequestId(parent),
            None => nearest(event, events, &messages).unwrap_or_default(),
        }
    });
    related.collect()
}

/// The event with the conversation id that an event belongs to: itself, its message, or that of its tool call.
pub(crate) fn conversation(place: usize, relations: &[Relation]) -> Option<usize> {
    let mut place = place;
    // An API call, its tool call, the tool call's message.
    for _ in 0..3 {
        match relations[place] {
            Relation::Record => return Some(place),
            relation => place = relation.parent()?,
        }
    }
    None
}

/// The tool call that names each request: `None` if several do.
type ToolCalls<'e> = HashMap<(&'e str, &'e str), Option<usize>>;

fn tool_calls<'e>(events: &[&'e Event]) -> ToolCalls<'e> {
    let mut calls = ToolCalls::new();
    for (place, event) in events.iter().enumerate() {
        for request in event.downstream() {
            let key = (event.get(Text::Account), request);
            let known = calls.entry(key).or_insert(Some(place));
            if *known != Some(place) {
                *known = None;
            }
        }
    }
    calls
}

fn tool_call_of(event: &Event, calls: &ToolCalls<'_>) -> Option<usize> {
    let request = event.shown(Text::RequestId)?;
    *calls.get(&(event.get(Text::Account), request))?
}

/// The messages of one person in one account at one time.
struct Moment<'e> {
    time: i64,
    first: usize,
    /// `None` if they belong to several conversations.
    conversation: Option<&'e str>,
}

/// By account and person.
type Messages<'e> = HashMap<(&'e str, &'e str), Vec<Moment<'e>>>;

fn messages<'e>(events: &[&'e Event]) -> Messages<'e> {
    let mut messages = Messages::new();
    for (place, event) in events.iter().enumerate() {
        let is_message = event.get(Text::Operation) == "chat";
        let (Some(conversation), Some(person)) = (event.shown(Text::Conversation), person(event))
        else {
            continue;
        };
        if !is_message {
            continue;
        }
        let moments = messages.entry(person).or_default();
        match moments.last_mut().filter(|last| last.time == event.time) {
            Some(last) => {
                last.conversation = last.conversation.filter(|known| *known == conversation);
            }
            None => moments.push(Moment {
                time: event.time,
                first: place,
                conversation: Some(conversation),
            }),
        }
    }
    messages
}

/// The account and the person: by principal, else by user id.
fn person(event: &Event) -> Option<(&str, &str)> {
    let person = event
        .shown(Text::PrincipalId)
        .or_else(|| event.shown(Text::UserId))?;
    Some((event.get(Text::Account), person))
}

/// The nearest message, if the event is one that an agent makes for a message.
fn nearest(event: &Event, events: &[&Event], messages: &Messages<'_>) -> Option<Relation> {
    let class = event.get(Text::Class);
    if !matches!(class, "on_behalf_of" | "agent_call" | "pass_request") {
        return None;
    }
    // A call by the AWS MCP Server has a tool call as its reason, not a message to Amazon Q.
    if event.get(Text::InvokedBy).starts_with("aws-mcp.") {
        return None;
    }
    let moments = messages.get(&person(event)?)?;
    let after = moments.partition_point(|moment| moment.time < event.time);
    let near = moments[after.saturating_sub(1)..].iter().take(2);
    let distance = |moment: &&Moment<'_>| event.time.abs_diff(moment.time);
    let least = near.clone().map(|moment| distance(&moment)).min()?;
    if least > REACH.unsigned_abs() {
        return None;
    }
    let mut nearest = near.filter(|moment| distance(moment) == least);
    let first = nearest.next()?;
    let conversation = first.conversation?;
    if nearest.any(|moment| moment.conversation != Some(conversation)) {
        return None;
    }
    // A client declares its agent: another agent's message is not its reason.
    let agent = |event: &Event| event.get(Text::Agent).to_owned();
    if class == "agent_call" && agent(event) != agent(events[first.first]) {
        return None;
    }
    Some(Relation::Nearest {
        message: first.first,
        nanoseconds: event.time.saturating_sub(first.time),
    })
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

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
        relations(&events.iter().collect::<Vec<_>>())
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
        let relations = of(&events);
        assert_eq!(conversation(0, &relations), Some(0));
        assert_eq!(conversation(1, &relations), Some(0));
        assert_eq!(conversation(2, &relations), None);
    }
}
