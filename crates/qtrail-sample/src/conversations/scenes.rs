//! What people and agents do: the story behind a trail.

mod agents;
mod chats;

use fastrand::Rng;
use serde_json::{Value, json};

use super::records::{Actor, CALLS, record};
use super::{Event, Happened, Kind};
use crate::identity::Who;
use crate::people::{ACCOUNTS, PEOPLE};
use crate::record::{Setting, write};
use crate::template::uuid;
use crate::{DEFAULT_END, noise};

/// Days of the story; people work for eight hours of each.
const DAYS: i64 = 5;
const DAY: i64 = 24 * 3_600_000;
const HOURS: i64 = 8 * 3_600_000;
/// Events of no agent for each conversation.
const NOISE: u32 = 3;

/// Why an event happened.
#[derive(Debug, Clone, Copy, Default)]
struct Why<'a> {
    cause: Option<&'a str>,
    conversation: Option<&'a str>,
}

struct Teller<'r> {
    rng: &'r mut Rng,
    events: Vec<Event>,
}

/// The events of this many conversations, and events of no agent.
pub(super) fn tell(conversations: u32, rng: &mut Rng) -> Vec<Event> {
    let mut teller = Teller {
        rng,
        events: Vec::new(),
    };
    let mut told = 0;
    for turn in 0.. {
        if told >= conversations {
            break;
        }
        told += teller.scene(turn, conversations - told);
    }
    for _ in 0..conversations * NOISE {
        teller.noise();
    }
    teller.events
}

impl Teller<'_> {
    /// Tells one scene; how many conversations it has.
    fn scene(&mut self, turn: u32, most: u32) -> u32 {
        let (actor, at) = (self.actor(), self.moment());
        match turn % 17 {
            7 | 8 if most > 1 => {
                self.chat(&actor, at);
                let later = self.rng.i64(0..90_000);
                self.chat(&actor, at + later);
                return 2;
            }
            9 if most > 1 => {
                self.equally_near(&actor, at);
                return 2;
            }
            10 => self.command_line(&actor, at, true),
            11 => self.command_line(&actor, at, false),
            12 => self.unrecorded_command_line(&actor, at),
            13 => self.client(&actor, at),
            14 => self.two_clients(&actor, at),
            15 => self.approval(actor.account, at),
            16 => self.with_external_id(&actor, at),
            _ => self.chat(&actor, at),
        }
        1
    }

    /// Somebody, signed in some time ago.
    fn actor(&mut self) -> Actor {
        Actor {
            person: PEOPLE[self.rng.usize(..PEOPLE.len())],
            account: ACCOUNTS[self.rng.usize(..2)],
            signed_in: DEFAULT_END - DAYS * DAY / 1_000 - self.rng.i64(0..3_600),
            sign_in: None,
        }
    }

    /// A time when people work, in milliseconds since 1970.
    fn moment(&mut self) -> i64 {
        let day = DEFAULT_END * 1_000 - self.rng.i64(1..=DAYS) * DAY;
        day + self.rng.i64(0..HOURS)
    }

    fn id(&mut self) -> String {
        let mut id = String::new();
        uuid(&mut id, self.rng.u128(..));
        id
    }

    /// Adds an event with ids of its own, and returns its `eventID`.
    fn add(
        &mut self,
        kind: Kind,
        account: &'static str,
        at: i64,
        why: Why<'_>,
        fields: Value,
    ) -> String {
        let ids = (self.id(), self.id());
        self.add_as(&ids, kind, account, at, why, fields);
        ids.0
    }

    /// Adds an event with these ids: `eventID` and `requestID`.
    fn add_as(
        &mut self,
        (id, request): &(String, String),
        kind: Kind,
        account: &'static str,
        at: i64,
        why: Why<'_>,
        fields: Value,
    ) {
        self.events.push(Event {
            happened: Happened {
                id: id.clone(),
                kind,
                cause: why.cause.map(str::to_owned),
                conversation: why.conversation.map(str::to_owned),
                arrives: self.rng.u32(..100) >= kind.lost(),
            },
            at,
            account,
            record: record(id, request, account, at, fields),
        });
    }

    /// Makes the last event arrive.
    fn keep_last(&mut self) {
        if let Some(event) = self.events.last_mut() {
            event.happened.arrives = true;
        }
    }

    /// An API call; `identity`, `agent` and `address` say who made it. A tenth of the calls is denied.
    fn api_call(&mut self, at: i64, identity: Value, agent: &str, address: &str) -> Value {
        let (source, name, reads) = CALLS[self.rng.usize(..CALLS.len())];
        let mut fields = json!({
            "eventSource": source, "eventName": name, "readOnly": reads, "userIdentity": identity,
            "userAgent": agent, "sourceIPAddress": address,
        });
        if self.rng.u32(..10) == 0 {
            fields["errorCode"] = "AccessDenied".into();
            fields["errorMessage"] = "User is not authorized to perform this action".into();
        }
        if source == "s3.amazonaws.com" && self.rng.bool() {
            let start = at - self.rng.i64(1..400);
            fields["additionalEventData"] = json!({"startTime": start, "endTime": at});
        }
        fields
    }

    fn noise(&mut self) {
        let at = self.moment();
        let event_id = self.rng.u128(..);
        let mut setting = Setting {
            time: at / 1_000,
            signed_in: None,
            account: ACCOUNTS[self.rng.usize(..2)],
            region: "us-east-1",
            identity: Who::Untyped,
            agent: "",
            address: "",
            conversation: 0,
            event_id,
        };
        let call = noise::next(&mut setting, self.rng);
        let (mut id, mut record) = (String::new(), String::new());
        uuid(&mut id, event_id);
        write(&mut record, call, &setting, self.rng);
        self.events.push(Event {
            happened: Happened {
                id,
                kind: Kind::Noise,
                cause: None,
                conversation: None,
                arrives: true,
            },
            at,
            account: setting.account,
            record,
        });
    }
}
