//! Chats with Amazon Q: in the console, and in a command line.

use serde_json::{Value, json};

use super::{Teller, Why};
use crate::conversations::Kind;
use crate::conversations::records::{Actor, CLIENTS, Q};
use crate::people::Q_CLI;

impl Teller<'_> {
    /// A chat in the console: some messages, and what Amazon Q did for each.
    pub(super) fn chat(&mut self, actor: &Actor, start: i64) {
        let conversation = self.id();
        self.opening(actor, start, &conversation);
        let mut at = start;
        for _ in 0..self.rng.u32(1..=6) {
            at += self.rng.i64(3_000..180_000);
            let message = self.message(actor, at, &conversation);
            for _ in 0..self.rng.u32(..4) {
                let delay = self.delay();
                self.for_person(actor, at + delay, &message, &conversation);
            }
        }
    }

    /// Two chats of one person. A call is as near to a message of the one as to a message of the other, and then both
    /// send a message in one second.
    pub(super) fn equally_near(&mut self, actor: &Actor, start: i64) {
        let (first, second) = (self.id(), self.id());
        self.opening(actor, start, &first);
        self.opening(actor, start + 20_000, &second);
        let (at, gap) = (start / 1_000 * 1_000 + 400_000, self.rng.i64(1..30) * 1_000);
        let message = self.message(actor, at, &first);
        self.message(actor, at + 2 * gap, &second);
        self.for_person(actor, at + gap, &message, &first);
        let at = at + 200_000;
        self.message(actor, at, &first);
        let message = self.message(actor, at + 400, &second);
        self.for_person(actor, at + 6_000, &message, &second);
        // Two messages of one conversation are no doubt about the conversation.
        let at = at + 100_000;
        let message = self.message(actor, at, &second);
        self.message(actor, at + 20_000, &second);
        self.for_person(actor, at + 10_000, &message, &second);
    }

    /// A chat in Amazon Q's command line, which calls AWS with the person's own credentials and through tools. With
    /// `own_credentials` it signs its messages with them too, else by the Identity Center.
    pub(super) fn command_line(&mut self, actor: &Actor, start: i64, own_credentials: bool) {
        let conversation = self.id();
        let mut at = start;
        for _ in 0..self.rng.u32(1..=6) {
            at += self.rng.i64(3_000..180_000);
            let message = self.terminal_message(actor, at, &conversation, own_credentials);
            self.terminal_calls(actor, at, &message, &conversation);
        }
    }

    /// The same in a trail that records no messages of the command line.
    pub(super) fn unrecorded_command_line(&mut self, actor: &Actor, start: i64) {
        let first = self.events.len();
        self.command_line(actor, start, true);
        for event in &mut self.events[first..] {
            let happened = &mut event.happened;
            happened.arrives &= !matches!(happened.kind, Kind::Message | Kind::Telemetry);
        }
    }

    /// A chat of a person whose role was assumed with an external id, as some tools do.
    pub(super) fn with_external_id(&mut self, actor: &Actor, start: i64) {
        let (account, user) = (actor.account, actor.person.user);
        let role = actor.person.role.unwrap_or("PowerUser");
        let fields = json!({
            "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "userIdentity": actor.identity(None),
            "requestParameters": {
                "roleArn": format!("arn:aws:iam::{account}:role/{role}"), "roleSessionName": user,
                "externalId": self.id(),
            },
        });
        self.add(Kind::Noise, account, start - 60_000, Why::default(), fields);
        self.chat(actor, start);
    }

    fn opening(&mut self, actor: &Actor, at: i64, conversation: &str) {
        let fields = json!({
            "eventSource": Q, "eventName": "StartConversation", "userIdentity": actor.identity(None),
            "userAgent": actor.person.browser, "sourceIPAddress": actor.person.address, "readOnly": false,
            "requestParameters": {"source": "CONSOLE"}, "responseElements": {"conversationId": conversation},
        });
        self.add(Kind::Message, actor.account, at, of(conversation), fields);
    }

    fn message(&mut self, actor: &Actor, at: i64, conversation: &str) -> String {
        let fields = json!({
            "eventSource": Q, "eventName": "SendMessage", "userIdentity": actor.identity(None),
            "userAgent": actor.person.browser, "sourceIPAddress": actor.person.address, "readOnly": false,
            "requestParameters": {"conversationId": conversation, "utterance": "***"},
        });
        self.add(Kind::Message, actor.account, at, of(conversation), fields)
    }

    /// What Amazon Q did itself for a message.
    fn for_person(&mut self, actor: &Actor, at: i64, message: &str, conversation: &str) {
        let identity = actor.identity(Some(Q));
        let fields = match self.rng.u32(..8) {
            0 => json!({
                "eventSource": Q, "eventName": "PassRequest", "userIdentity": identity, "userAgent": Q,
                "sourceIPAddress": Q, "readOnly": false,
            }),
            _ => self.api_call(at, identity, Q, Q),
        };
        let why = caused(message, conversation);
        self.add(Kind::Call, actor.account, at, why, fields);
    }

    fn terminal_message(
        &mut self,
        actor: &Actor,
        at: i64,
        conversation: &str,
        own_credentials: bool,
    ) -> String {
        let identity = match own_credentials {
            true => actor.identity(None),
            false => actor.in_identity_center(),
        };
        let event = |name: &str, request: Value| {
            json!({
                "eventSource": "codewhisperer.amazonaws.com", "eventName": name, "userIdentity": identity,
                "userAgent": Q_CLI, "sourceIPAddress": actor.person.address, "requestParameters": request,
                "readOnly": false, "managementEvent": false, "eventCategory": "Data",
            })
        };
        let latency = self.rng.u32(300..9_000);
        let telemetry = json!({"telemetryEvent": {"chatAddMessageEvent": {
            "conversationId": conversation, "fullResponselatency": latency,
        }}});
        let request = json!({"conversationState": {"conversationId": conversation}});
        let (account, why) = (actor.account, of(conversation));
        let telemetry = event("SendTelemetryEvent", telemetry);
        let end = at + i64::from(latency) + 500;
        self.add(Kind::Telemetry, account, end, why, telemetry);
        let message = event("GenerateAssistantResponse", request);
        self.add(Kind::Message, account, at, why, message)
    }

    fn terminal_calls(&mut self, actor: &Actor, at: i64, message: &str, conversation: &str) {
        let why = caused(message, conversation);
        for _ in 0..self.rng.u32(..3) {
            let at = at + self.delay();
            if self.rng.bool() {
                self.tool_call(actor, CLIENTS[0], at, why);
            } else {
                let (identity, address) = (actor.identity(None), actor.person.address);
                let fields = self.api_call(at, identity, Q_CLI, address);
                self.add(Kind::Call, actor.account, at, why, fields);
            }
        }
    }

    /// How long after a message a call for it is recorded, in milliseconds: mostly seconds, sometimes minutes, and
    /// before it where the message is recorded when its answer is complete.
    fn delay(&mut self) -> i64 {
        match self.rng.u32(..100) {
            0..80 => self.rng.i64(500..15_000),
            80..90 => self.rng.i64(-2_500..0),
            90..97 => self.rng.i64(15_000..120_000),
            _ => self.rng.i64(120_000..400_000),
        }
    }
}

fn of(conversation: &str) -> Why<'_> {
    Why {
        cause: None,
        conversation: Some(conversation),
    }
}

fn caused<'a>(message: &'a str, conversation: &'a str) -> Why<'a> {
    Why {
        cause: Some(message),
        conversation: Some(conversation),
    }
}
