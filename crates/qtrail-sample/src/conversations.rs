//! A trail of conversations, with the truth about it: which event caused which.
//!
//! Enters: a seed and a number of conversations. Leaves: files as CloudTrail delivers them, and the cause of each
//! event. What must hold: the same seed gives the same trail; the truth comes from the story that is told, never from
//! what a program could find in the records; it also has the events that the trail lacks.

mod delivery;
mod records;
mod scenes;

use fastrand::Rng;
use serde_json::{Value, json};

/// A trail, and the truth about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationTrail {
    /// Each file's path below the trail's directory, and its bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// All events that happened, in the order of the story.
    pub truth: Vec<Happened>,
}

/// An event that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Its `eventID`.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// The `eventID` of the event that caused it.
    pub cause: Option<String>,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
    /// Whether the trail has it.
    pub arrives: bool,
}

/// What an event is in the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message of a person, or the start of a conversation.
    Message,
    /// Telemetry that names its conversation.
    Telemetry,
    /// A person lets a client act for them, or the client renews that.
    Grant,
    /// A tool's call.
    ToolCall,
    /// A person approves an action.
    Approval,
    /// A role is assumed for an approval.
    AssumedRole,
    /// An API call.
    Call,
    /// Something that no agent did.
    Noise,
}

/// An event and its record.
#[derive(Debug)]
struct Event {
    happened: Happened,
    /// Milliseconds since 1970.
    at: i64,
    account: &'static str,
    record: String,
}

/// A trail of this many conversations within five days.
pub fn conversation_trail(seed: u64, conversations: u32) -> ConversationTrail {
    let mut rng = Rng::with_seed(seed);
    let events = scenes::tell(conversations, &mut rng);
    ConversationTrail {
        files: delivery::files(&events, &mut rng),
        truth: events.into_iter().map(|event| event.happened).collect(),
    }
}

impl ConversationTrail {
    /// The truth as JSON lines, one event a line.
    pub fn truth_lines(&self) -> String {
        let line = |event: &Happened| {
            let line: Value = json!({
                "event": event.id,
                "kind": event.kind.as_str(),
                "cause": event.cause,
                "conversation": event.conversation,
                "arrives": event.arrives,
            });
            line.to_string() + "\n"
        };
        self.truth.iter().map(line).collect()
    }
}

impl Kind {
    /// The word in the truth's lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Telemetry => "telemetry",
            Kind::Grant => "grant",
            Kind::ToolCall => "tool_call",
            Kind::Approval => "approval",
            Kind::AssumedRole => "assumed_role",
            Kind::Call => "call",
            Kind::Noise => "noise",
        }
    }

    /// How many of a hundred such events never arrive.
    fn lost(self) -> u32 {
        match self {
            Kind::Call => 2,
            Kind::Message | Kind::ToolCall => 6,
            Kind::Grant | Kind::Approval | Kind::AssumedRole => 12,
            Kind::Telemetry | Kind::Noise => 0,
        }
    }
}
