//! One event in words, the same in every report and on the page.
//!
//! Enters: an [`Event`]. Leaves: what was done, by which agent, whether it changed something, how it ended.

use super::event::{Event, Text};

/// What an event is in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A person's message to an agent.
    Message,
    /// A call of an API.
    Call,
    /// A call of an agent's tool, which may make calls of APIs.
    Tool,
    /// Any other event of an agent's own service.
    Own,
}

/// What an event is in a report.
pub(crate) fn kind(event: &Event) -> Kind {
    match event.get(Text::Class) {
        "tool_call" => Kind::Tool,
        _ if event.service().starts_with("aws-mcp") => Kind::Tool,
        "on_behalf_of" | "agent_call" | "other" => Kind::Call,
        _ if event.get(Text::Operation) == "chat" => Kind::Message,
        _ => Kind::Own,
    }
}

/// Whether an event is a call that changes something if it succeeds. An agent's own events change nothing outside
/// the agent, except those that set it up.
pub(crate) fn is_write(event: &Event) -> bool {
    let is_call = kind(event) == Kind::Call;
    event.read_only == Some(false) && (is_call || event.get(Text::Class) == "administration")
}

/// The agent; empty where nothing names it.
pub(crate) fn agent(event: &Event) -> &str {
    match (event.get(Text::Agent), event.get(Text::Class)) {
        // Only Amazon Q has events of these classes.
        ("", "conversation" | "pass_request" | "code" | "telemetry") => "Amazon Q Developer",
        (agent, _) => agent,
    }
}

/// What a call without an invoking service went through.
pub(crate) const OWN: &str = "own credentials";

/// What the call went through: the invoking service, or the person's own credentials.
pub(crate) fn through(event: &Event) -> &str {
    match (event.get(Text::InvokedBy), kind(event)) {
        // AWS recorded the agent's service as the address.
        ("", Kind::Call) if event.get(Text::Class) == "on_behalf_of" => {
            event.get(Text::SourceAddress)
        }
        ("", Kind::Call) => OWN,
        ("", _) => event.get(Text::Service),
        (service, _) => service,
    }
}

/// What was done: the name of a tool, or the service and the action, such as `s3:ListBuckets`.
pub(crate) fn action(event: &Event) -> String {
    match (kind(event), event.get(Text::Tool)) {
        (Kind::Tool, tool) if !tool.is_empty() => tool.to_owned(),
        _ => format!("{}:{}", event.service(), event.get(Text::Action)),
    }
}

/// Whether a call reads or changes something.
pub(crate) fn access(event: &Event) -> &'static str {
    match event.read_only {
        _ if is_write(event) => "WRITE",
        Some(true) if kind(event) == Kind::Call => "read",
        _ => "",
    }
}

/// `qtrail.outcome` in words.
pub(crate) fn outcome(outcome: &str) -> &str {
    match outcome {
        "success" => "ok",
        "denied" => "DENIED",
        "dry_run" => "dry run",
        other => other,
    }
}

/// Why an event failed: its error's code and message.
pub(crate) fn reason(event: &Event) -> Option<String> {
    if !matches!(event.get(Text::Outcome), "denied" | "error") {
        return None;
    }
    let parts = [Text::ErrorCode, Text::ErrorMessage].map(|text| event.get(text));
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}
