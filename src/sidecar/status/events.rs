//! The last events, converted and redacted.

use serde::{Deserialize, Serialize};

use super::shortened;
use crate::pipeline::recent::Recent;
use crate::view::event::{Collector, Event as Copy, Text};
use crate::view::words::{Kind, access, action, agent, kind, outcome, reason};
use qtrail_core::Converter;

/// One event that was delivered. Texts are empty where the event has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// When it happened (RFC 3339).
    pub time: String,
    /// What was done: `message`, the name of a tool, or the service and the action.
    pub what: String,
    /// The person's name, else the id.
    pub person: String,
    /// The agent.
    pub agent: String,
    /// The service that was called, such as `s3`.
    pub service: String,
    /// The conversation's id.
    pub conversation: String,
    /// `read` or `WRITE`, of a call.
    pub access: String,
    /// `ok`, `DENIED`, `error`, …
    pub outcome: String,
    /// Why it failed.
    pub reason: String,
}

/// The last events that were delivered, the newest first.
pub(super) fn of(recent: &Recent, converter: &Converter) -> Vec<Event> {
    let mut events = Vec::new();
    let mut collector = Collector::new(|event: Copy| events.push(shown(&event)));
    for delivered in recent.events() {
        let (position, observed) = (delivered.position, delivered.observed);
        converter.convert_record(&delivered.record, position, observed, &mut collector);
    }
    // Files arrive in another order than their events happened.
    events.sort_by(|one: &Event, other: &Event| other.time.cmp(&one.time));
    events
}

fn shown(event: &Copy) -> Event {
    let person = event
        .shown(Text::Name)
        .or_else(|| event.shown(Text::Person));
    let what = match kind(event) {
        Kind::Message => "message".to_owned(),
        _ => action(event),
    };
    Event {
        time: rfc3339(event.time),
        what: shortened(&what),
        person: shortened(person.unwrap_or_default()),
        agent: shortened(agent(event)),
        service: shortened(event.service()),
        conversation: shortened(event.get(Text::Conversation)),
        access: access(event).to_owned(),
        outcome: shortened(outcome(event.get(Text::Outcome))),
        reason: shortened(&reason(event).unwrap_or_default()),
    }
}

fn rfc3339(nanoseconds: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds));
    super::to_second(time.unwrap_or_default())
}
