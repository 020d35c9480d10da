//! The attributes of Amazon Q's events.

use std::borrow::Cow;

use memchr::memchr;

use super::attribute_writer::AttributeWriter;
use super::attributes::{Sink, Value};
use super::redact::listed;
use super::{Derived, Options, ids};
use super::{name_of_service, semconv as names};
use crate::event::amazon_q::Class;
use crate::event::{Event, Key};
use crate::json::{Document, Node};

/// `gen_ai.agent.name`.
const AGENT: &str = "Amazon Q Developer";

/// Writes every row of the Amazon Q table.
pub(super) fn write<S: Sink>(
    writer: &mut AttributeWriter<'_, S>,
    derived: &Derived,
    options: &Options,
) {
    let event = writer.event;
    let class = event.class();
    writer.str(&names::EVENT_CLASS, class.as_str());
    if let Some((channel, evidence)) = derived.channel {
        writer.str(&names::AGENT_CHANNEL, channel);
        writer.str(&names::AGENT_EVIDENCE, evidence);
    }
    if let Some(key) = ids::conversation(event) {
        writer.text(&names::CONVERSATION_ID, key);
    }
    if let Some(operation) = derived.operation {
        writer.str(&names::OPERATION_NAME, operation);
        if class.is_call()
            && let Some(tool) = tool(event)
        {
            writer.str(&names::TOOL_NAME, &tool);
        }
        writer.str(&names::AGENT_NAME, AGENT);
        writer.str(&names::PROVIDER_NAME, &options.provider_name);
    }
    writer.first(&names::REQUEST_MODEL, &[Key::ModelId, Key::MessageModelId]);
    if class.is_own() {
        write_own_event(writer);
    }
    if class.is_by_service() {
        writer.flag(&names::DRY_RUN, Key::DryRun);
    }
    if class != Class::Other {
        write_client(writer);
        let masked = masked(event);
        if !masked.is_empty() {
            writer.value(&names::MASKED, Value::Strs(masked));
        }
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

/// `gen_ai.operation.name`.
pub(super) fn operation(event: &Event<'_>) -> Option<&'static str> {
    let class = event.class();
    if class.is_call() {
        return Some("execute_tool");
    }
    let name = event.text_of(Key::EventName).filter(|_| class.is_own())?;
    match &*name {
        "SendMessage" | "GenerateAssistantResponse" | "SendConversation" => Some("chat"),
        name if name.starts_with("Generate")
            && (name.contains("Completion") || name.contains("Recommendation")) =>
        {
            Some("generate_content")
        }
        _ => None,
    }
}

/// How Amazon Q made a call (`service`, `cli` or `ide`), and the field that is the evidence.
pub(super) fn channel(event: &Event<'_>) -> Option<(&'static str, &'static str)> {
    match event.class() {
        Class::OnBehalfOf => Some(("service", "invoked_by")),
        Class::AgentCall => {
            let agent = event.text_of(Key::UserAgent).unwrap_or_default();
            // Only Amazon Q's own token decides: an IDE's agent runs `aws-cli` too.
            let client = product(&agent).map_or(&*agent, |(_, token)| token);
            let channel = if client.contains("CLI") { "cli" } else { "ide" };
            Some((channel, "user_agent"))
        }
        _ => None,
    }
}

/// The IAM action that a call stands for, such as `s3:ListBuckets`.
fn tool(event: &Event<'_>) -> Option<String> {
    let source = event.text_of(Key::EventSource)?;
    let name = event.text_of(Key::EventName)?;
    Some(format!("{}:{name}", name_of_service(&source)))
}

/// Writes the client: from the request to Amazon Q if it names one, else from the user agent.
fn write_client<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    let event = writer.event;
    let context = |key| event.class().is_own() && event.text_of(key).is_some();
    let agent = event.text_of(Key::UserAgent).unwrap_or_default();
    let (mut name, mut version) = match software(&agent) {
        Some((name, version)) => (Some(name), version),
        None => (None, None),
    };
    let mut system = name.and_then(|_| system(&agent));
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

/// The mark of Amazon Q's clients in a user agent.
const PRODUCT: &str = "AmazonQ-For-";

/// The token of Amazon Q's client in a user agent, and what comes after it.
fn product(agent: &str) -> Option<(&str, &str)> {
    let start = agent.find(PRODUCT)?;
    let token = agent[start..].split([' ', ';', ')', ',']).next()?;
    Some((agent[start + token.len()..].trim_start(), token))
}

/// The client and its version in a user agent: the IDE of
/// `AmazonQ-For-VSCode/1.60.0 Visual-Studio-Code/1.99.3`, else the client of
/// `exec-env/AmazonQ-For-CLI-Version-1.10.0` itself.
fn software(agent: &str) -> Option<(&str, Option<&str>)> {
    let (rest, token) = product(agent)?;
    let next = rest.split(' ').next().and_then(|next| next.split_once('/'));
    if let Some((ide, version)) = next
        && token.contains('/')
        && !ide.is_empty()
        && ide != "ClientId"
        && version.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some((ide, Some(version)));
    }
    let (name, version) = token
        .split_once('/')
        .or_else(|| token.split_once("-Version-"))
        .map_or((token, None), |(name, version)| (name, Some(version)));
    Some((name, version.filter(|version| !version.is_empty())))
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

/// What AWS writes in place of a value that it withholds.
const MASKS: [&str; 2] = ["***", "HIDDEN_DUE_TO_SECURITY_REASONS"];

/// Whether AWS writes this text in place of a withheld value.
fn is_mask(text: &str) -> bool {
    MASKS.contains(&text)
}

/// The key that is `true` in the object that replaces one too large to be recorded.
const CUT: &str = "omitted";

/// JSON pointers of the values that AWS masked or cut, up to the limit of [`listed`].
fn masked<'e>(event: &'e Event<'_>) -> Vec<Cow<'e, str>> {
    let document = event.document();
    // Escapes may spell a mask or the key in other bytes than its own.
    let escapes = memchr(b'\\', document.text().as_bytes()).is_some();
    let may_be_mask = |node: Node<'_>| {
        let length = node.span().len();
        escapes || MASKS.iter().any(|mask| "\"\"".len() + mask.len() == length)
    };
    let mut nodes = Vec::new();
    let mut has_cut = escapes;
    for node in counted(document) {
        has_cut |= node.raw_key() == Some(CUT.as_bytes());
        if may_be_mask(node) && node.as_str().is_some_and(|text| is_mask(&text)) {
            nodes.push(node.id());
        }
    }
    if has_cut {
        let is_cut = |node: &Node<'_>| node.get(CUT).and_then(Node::as_bool) == Some(true);
        nodes.extend(counted(document).filter(is_cut).map(Node::id));
        nodes.sort_unstable();
    }
    listed(document, nodes)
        .into_iter()
        .map(Cow::Owned)
        .collect()
}

/// The values that no later entry with the same key hides.
fn counted<'d>(document: &'d Document<'_>) -> impl Iterator<Item = Node<'d>> {
    let root = document.root();
    let mut id = 0;
    std::iter::from_fn(move || {
        while id < root.end_id() {
            let node = root.with_id(id);
            if !node.is_shadowed() {
                id += 1;
                return Some(node);
            }
            id = node.end_id();
        }
        None
    })
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
            ("x (AmazonQ-For-IDE)", Some(("AmazonQ-For-IDE", None)), None),
            (
                "AmazonQ-For-CLI os/linux lang/rust",
                Some(("AmazonQ-For-CLI", None)),
                Some("linux"),
            ),
            ("Mozilla/5.0 (Windows NT 10.0)", None, None),
            ("", None, None),
        ] {
            assert_eq!(software(agent), client, "{agent}");
            assert_eq!(system(agent), os, "{agent}");
        }
    }

    #[test]
    fn the_channel_is_the_clients_own_not_the_tools() {
        let channel_of = |agent: &str| {
            let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z","userAgent":"{agent}"}}"#);
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            channel(&event)
        };
        let by = |channel| Some((channel, "user_agent"));
        assert_eq!(channel_of("aws-cli/2 exec-env/AmazonQ-For-CLI"), by("cli"));
        assert_eq!(channel_of("aws-cli/2 exec-env/AmazonQ-For-IDE"), by("ide"));
        assert_eq!(channel_of("AmazonQ-For-VSCode/1"), by("ide"));
        assert_eq!(channel_of("aws-cli/2"), None);
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
