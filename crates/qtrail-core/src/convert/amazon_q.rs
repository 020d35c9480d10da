//! The attributes of agents' events, most of them Amazon Q's.

use std::borrow::Cow;

use super::attribute_writer::AttributeWriter;
use super::attributes::{Sink, Value};
use super::redact::listed;
use super::{Derived, Options, agents, ids, semconv as names};
use crate::event::amazon_q::Class;
use crate::event::user_agent::{UserAgent, find_amazon_q, is_command_line};
use crate::event::{Event, Key, mask};
use crate::json::Node;

/// Writes every row of the Amazon Q table.
pub(super) fn write<S: Sink>(
    writer: &mut AttributeWriter<'_, S>,
    derived: &Derived<'_>,
    options: &Options,
) {
    let event = writer.event;
    let text = event.text_of(Key::UserAgent).unwrap_or_default();
    let read = UserAgent::read(&text);
    writer.str(&names::EVENT_CLASS, event.class().as_str());
    write_agent(writer, derived, &text, &read, options);
    writer.first(&names::REQUEST_MODEL, &[Key::ModelId, Key::MessageModelId]);
    if event.is_own() {
        write_own_event(writer);
    }
    if event.is_by_service() {
        writer.flag(&names::DRY_RUN, Key::DryRun);
    }
    if event.is_of_amazon_q() {
        write_client(writer, &text, &read);
        let masked = masked(event);
        if !masked.is_empty() {
            writer.value(&names::MASKED, Value::Strs(masked));
        }
    }
    agents::write(writer, &read, options);
}

/// Writes which agent it is, by what evidence, and what it does.
fn write_agent<S: Sink>(
    writer: &mut AttributeWriter<'_, S>,
    derived: &Derived<'_>,
    text: &str,
    read: &UserAgent<'_>,
    options: &Options,
) {
    let event = writer.event;
    let Some(evidence) = event.evidence() else {
        return;
    };
    let by_client = || read.channel.filter(|_| event.is_own());
    if let Some(channel) = derived.channel.or_else(by_client) {
        writer.str(&names::AGENT_CHANNEL, channel);
    }
    writer.str(&names::AGENT_EVIDENCE, evidence.as_str());
    if let Some(key) = ids::conversation(event) {
        writer.text(&names::CONVERSATION_ID, key);
    }
    if let Some(operation) = derived.operation {
        writer.str(&names::OPERATION_NAME, operation);
        if operation == EXECUTE_TOOL
            && let Some(tool) = agents::tool(event)
        {
            writer.str(&names::TOOL_NAME, &tool);
        }
    }
    if let Some(agent) = agents::agent(event, text, read, derived.operation.is_some()) {
        writer.str(&names::AGENT_NAME, &agent.name);
        if let Some(version) = agent.version {
            writer.str(&names::AGENT_VERSION, version);
        }
        if agent.is_claim {
            writer.str(&names::AGENT_NAME_EVIDENCE, "user_agent");
        }
    }
    if derived.operation.is_some() && event.is_of_amazon_q() {
        writer.str(&names::PROVIDER_NAME, &options.provider_name);
    }
}

/// Writes the fields that only Amazon Q's own events have. In other events, fields of these names mean
/// something else.
fn write_own_event<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    writer.id(&names::UTTERANCE_ID, &[Key::UtteranceId]);
    writer.text(&names::EXPIRATION_TIME, Key::ConversationExpirationTime);
    writer.text(&names::RESULT_CODE, Key::ResultCode);
    writer.text(&names::RESULT_TYPE, Key::ResultType);
    writer.text(&names::RESULT_FORMAT, Key::ResultFormat);
    writer.text(&names::SOURCE, Key::Source);
    writer.text(&names::ORIGIN, Key::Origin);
    writer.text(&names::QUICK_ACTION, Key::QuickAction);
}

/// `gen_ai.operation.name` of a tool's call.
const EXECUTE_TOOL: &str = "execute_tool";

/// `gen_ai.operation.name` of a message.
pub(super) const CHAT: &str = "chat";

/// Whether an event is a person's message to Amazon Q.
pub(crate) fn is_chat(event: &Event<'_>) -> bool {
    operation(event) == Some(CHAT)
}

/// `gen_ai.operation.name`.
pub(super) fn operation(event: &Event<'_>) -> Option<&'static str> {
    let class = event.class();
    if class.is_call() || class == Class::ToolCall {
        return Some(EXECUTE_TOOL);
    }
    let name = event.text_of(Key::EventName).filter(|_| event.is_own())?;
    match &*name {
        "SendMessage" | "GenerateAssistantResponse" | "SendConversation" => Some(CHAT),
        name if name.starts_with("Generate")
            && (name.contains("Completion") || name.contains("Recommendation")) =>
        {
            Some("generate_content")
        }
        _ => None,
    }
}

/// Writes the client: from the request to Amazon Q if it names one, else from the user agent.
fn write_client<S: Sink>(writer: &mut AttributeWriter<'_, S>, agent: &str, read: &UserAgent<'_>) {
    let event = writer.event;
    let context = |key| event.is_own() && event.text_of(key).is_some();
    let (mut name, mut version) = match ide(agent) {
        Some((name, version)) => (Some(name), Some(version)),
        None => (read.client, read.client.and(read.version)),
    };
    let mut system = name.and_then(|_| system(agent));
    // A name from one source with a version from the other would be a client that does not exist.
    if context(Key::IdeCategory) {
        (name, version) = (None, None);
    }
    if context(Key::OperatingSystem) {
        system = None;
    }
    if context(Key::IdeVersion) {
        version = None;
    }
    for (field, key) in [
        (&names::CLIENT_NAME, Key::IdeCategory),
        (&names::CLIENT_VERSION, Key::IdeVersion),
        (&names::CLIENT_OS, Key::OperatingSystem),
    ] {
        if context(key) {
            writer.text(field, key);
        }
    }
    for (field, part) in [
        (&names::CLIENT_NAME, name),
        (&names::CLIENT_VERSION, version),
        (&names::CLIENT_OS, system),
    ] {
        if let Some(part) = part {
            writer.str(field, part);
        }
    }
}

/// The IDE and its version behind Amazon Q's token: `AmazonQ-For-VSCode/1.60.0 Visual-Studio-Code/1.99.3`.
fn ide(agent: &str) -> Option<(&str, &str)> {
    let start = find_amazon_q(agent)?;
    let ends = |c: char| matches!(c, ' ' | ';' | ')' | ',');
    let token = agent[start..].split(ends).next()?;
    if is_command_line(token) || !token.contains('/') {
        return None;
    }
    let rest = agent[start + token.len()..].trim_start();
    let (ide, version) = rest.split(' ').next()?.split_once('/')?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    (!ide.is_empty() && ide != "ClientId" && is_version).then_some((ide, version))
}

/// The system in a user agent of an AWS SDK: `os/macos#23.1.0`.
fn system(agent: &str) -> Option<&str> {
    let token = agent
        .split(' ')
        .find_map(|token| token.strip_prefix("os/"))?;
    token
        .split(['#', '/'])
        .next()
        .filter(|name| !name.is_empty())
}

/// What AWS writes in place of a value that it withholds, without brackets.
const MASKS: [&str; 2] = ["***", "HIDDEN_DUE_TO_SECURITY_REASONS"];

/// The key that is `true` in the object that replaces one too large to be recorded.
const CUT: &str = "omitted";

/// Whether this may be the first byte of a text that [`is_mask`].
fn begins_mask(byte: u8) -> bool {
    matches!(byte, b'*' | b'H' | b'[' | b'<')
}

/// Whether this text stands in place of a withheld value: alone or in brackets. A word without brackets may be a name.
fn is_mask(text: &str) -> bool {
    let closing = match text.as_bytes().first() {
        Some(b'*' | b'H') => return MASKS.contains(&text),
        Some(b'[') => b']',
        Some(b'<') => b'>',
        _ => return false,
    };
    text.as_bytes().last() == Some(&closing) && mask::is_mask(text)
}

/// JSON pointers of the values that AWS masked or cut, up to the limit of [`listed`].
fn masked<'e>(event: &'e Event<'_>) -> Vec<Cow<'e, str>> {
    let document = event.document();
    let root = document.root();
    let mut nodes = Vec::new();
    let mut id = 0;
    while id < root.end_id() {
        let node = root.with_id(id);
        if node.is_shadowed() {
            id = node.end_id();
            continue;
        }
        // What qtrail masked is not listed here.
        if node.may_begin_with(begins_mask)
            && !node.is_redacted()
            && node.as_str().is_some_and(|text| is_mask(&text))
        {
            nodes.push(id);
        } else if node.has_key(CUT) && node.as_bool() == Some(true) {
            let mut before = (0..id).rev().map(|id| root.with_id(id));
            nodes.extend(before.find(|object| object.end_id() > id).map(Node::id));
        }
        id += 1;
    }
    if nodes.is_empty() {
        return Vec::new();
    }
    nodes.sort_unstable();
    listed(document, nodes)
        .into_iter()
        .map(Cow::Owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_name_the_client() {
        for (agent, client, os) in [
            (
                "aws-cli/2.15.0 md/awscrt#0.19.19 os/macos#23.1.0 exec-env/AmazonQ-For-CLI-Version-1.10.0 cfg/x",
                Some(("AmazonQ-For-CLI", Some("1.10.0"))),
                Some("macos"),
            ),
            (
                "AWS-Language-Servers AmazonQ-For-VSCode/1.60.0 Visual-Studio-Code/1.99.3 ClientId/1234",
                Some(("Visual-Studio-Code", Some("1.99.3"))),
                None,
            ),
            (
                "AmazonQ-For-JetBrains/3.1 ClientId/1234",
                Some(("AmazonQ-For-JetBrains", Some("3.1"))),
                None,
            ),
            (
                "AmazonQ-For-CLI-Version/2.21.1-acp-client/kiro-tui ua/2.1",
                Some(("AmazonQ-For-CLI", Some("2.21.1"))),
                None,
            ),
            (
                "exec-env/AmazonQ-For-IDE Version/2.0.0",
                Some(("AmazonQ-For-IDE", Some("2.0.0"))),
                None,
            ),
            ("KiroIDE-0.7.45-0f", Some(("KiroIDE", Some("0.7.45"))), None),
            ("x (AmazonQ-For-IDE)", Some(("AmazonQ-For-IDE", None)), None),
            (
                "AmazonQ-For-CLI os/linux lang/rust",
                Some(("AmazonQ-For-CLI", None)),
                Some("linux"),
            ),
            ("Mozilla/5.0 (Windows NT 10.0)", None, None),
            ("", None, None),
        ] {
            let read = UserAgent::read(agent);
            let found = ide(agent)
                .map(|(name, version)| (name, Some(version)))
                .or_else(|| Some((read.client?, read.version)));
            assert_eq!(found, client, "{agent}");
            assert_eq!(system(agent), os, "{agent}");
        }
    }

    #[test]
    fn the_channel_is_the_clients_own_not_the_tools() {
        let channel_of = |agent: &str| {
            let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z","userAgent":"{agent}"}}"#);
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            agents::channel(&event)
        };
        assert_eq!(
            channel_of("aws-cli/2 exec-env/AmazonQ-For-CLI"),
            Some("cli")
        );
        assert_eq!(
            channel_of("aws-cli/2 exec-env/AmazonQ-For-IDE"),
            Some("ide")
        );
        assert_eq!(channel_of("AmazonQ-For-VSCode/1"), Some("ide"));
        assert_eq!(channel_of("KiroIDE-1.0"), Some("ide"));
        assert_eq!(channel_of("aws-cli/2 m/b,AN"), Some("cli"));
        assert_eq!(channel_of("claude-code/2.1"), None);
        assert_eq!(channel_of("aws-cli/2"), None);
    }

    #[test]
    fn a_mask_in_brackets_is_one() {
        let of = |value: &str| {
            let text = format!(
                r#"{{"eventTime":"2024-04-10T14:07:55Z","requestParameters":{{"a":"{value}"}}}}"#
            );
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            masked(&event).len()
        };
        for mask in [
            "***",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "[HIDDEN_DUE_TO_SECURITY_REASONS]",
            "<REDACTED>",
            "[REDACTED]",
        ] {
            assert_eq!(of(mask), 1, "{mask}");
        }
        for value in ["REDACTED", "[hidden-bucket]", "<name>", "[]", "****"] {
            assert_eq!(of(value), 0, "{value}");
        }
    }

    #[test]
    fn the_list_of_what_aws_masked_is_bounded() {
        let of = |count: usize| {
            let values = vec!["\"***\""; count].join(",");
            let text =
                format!(r#"{{"eventTime":"2024-04-10T14:07:55Z","requestParameters":[{values}]}}"#);
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            let pointers = masked(&event);
            let bytes: usize = pointers.iter().map(|pointer| pointer.len()).sum();
            (pointers.len(), bytes)
        };
        assert_eq!(of(3).0, 3);
        let (listed, bytes) = of(50_000);
        assert!(listed > 1_000 && bytes <= 64 << 10, "{listed}, {bytes}");
    }
}
