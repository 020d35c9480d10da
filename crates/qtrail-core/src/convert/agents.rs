//! What agents, their clients and their tools leave in an event.
//!
//! Enters: an event, redacted where its values are written. Leaves: the attributes of clients and tools, the name of
//! the agent, and times that only some services record. What must hold: a name that a client gives itself is marked as
//! such; fields of a request count only in events of the services that fill them so.

use std::borrow::Cow;

use super::Options;
use super::attribute_writer::AttributeWriter;
use super::attributes::{Field, Sink, Value};
use super::{name_of_service, semconv as names};
use crate::event::agents::{Evidence, Family, mcp_request};
use crate::event::amazon_q::Class;
use crate::event::user_agent::{UserAgent, has_product, version_of};
use crate::event::{Event, Key, mask};
use crate::json::{Node, Type};

/// Bytes of a tool's arguments and of its result that are shown.
const TOOL_CONTENT_BYTES: usize = 8 << 10;

/// `service.name` of an agent's event; `None` for any other.
pub(super) fn service_name<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    let fixed = match event.family()? {
        Family::AmazonQ => "amazon-q",
        Family::AwsMcp => "aws-mcp",
        Family::DevOpsAgent => "aws-devops-agent",
        Family::Transform => "aws-transform",
        Family::AgentCore => "bedrock-agentcore",
        Family::CodingAgent => {
            let name = event.declared()?.to_lowercase();
            return Some(Cow::Owned(name.replace(' ', "-")));
        }
        Family::Service => {
            let keys: &[Key] = match event.evidence()? {
                Evidence::EventSource => &[Key::EventSource],
                Evidence::InvokedBy => {
                    &[Key::InvokedBy, Key::SessionInvokedBy, Key::SourceIpAddress]
                }
                Evidence::UserAgent => &[Key::UserAgent],
            };
            let name = event.shown(event.first_shown(keys)?)?;
            return Some(Cow::Owned(name_of_service(&name).to_owned()));
        }
    };
    Some(Cow::Borrowed(fixed))
}

/// The agent of an event.
pub(super) struct Agent<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: Option<&'a str>,
    /// Whether only the client says so, while other evidence shows whose event it is.
    pub(super) is_claim: bool,
}

/// The agent of an event, by its user agent or its family. `read`: what the user agent, `text`, declares.
pub(super) fn agent<'a>(
    event: &'a Event<'_>,
    text: &'a str,
    read: &UserAgent<'a>,
    has_operation: bool,
) -> Option<Agent<'a>> {
    let by_family = match event.family()? {
        Family::AmazonQ => Some("Amazon Q Developer"),
        Family::DevOpsAgent => Some("AWS DevOps Agent"),
        Family::Transform => Some("AWS Transform"),
        _ => None,
    };
    let declared = || {
        let name = event.declared()?;
        Some((name, version_of(text, name)))
    };
    let by_client = read
        .agent
        .map(|name| (name, read.version))
        .or_else(declared);
    match by_client {
        Some((name, version)) => Some(Agent {
            is_claim: event.evidence() != Some(Evidence::UserAgent) && by_family != Some(name),
            name: Cow::Borrowed(name),
            version,
        }),
        None => Some(Agent {
            // Most of Amazon Q's own events are not the agent's: a person lists, sets up, reports.
            name: Cow::Borrowed(by_family.filter(|_| has_operation || !event.is_of_amazon_q())?),
            version: None,
            is_claim: false,
        }),
    }
}

/// How an agent made a call: by a service, a server of tools, a command line or an IDE.
pub(super) fn channel(event: &Event<'_>) -> Option<&'static str> {
    match event.class() {
        Class::OnBehalfOf => Some("service"),
        Class::ToolCall => Some("mcp"),
        Class::AgentCall => {
            let text = event.text_of(Key::UserAgent).unwrap_or_default();
            // The agent's own token decides: an IDE's agent runs `aws-cli` too.
            if let Some(channel) = UserAgent::read(&text).channel {
                return Some(channel);
            }
            match event.declared() {
                Some(name) => (!has_product(&text, name)).then_some("cli"),
                None if !event.is_of_amazon_q() => None,
                None if text.contains("CLI") => Some("cli"),
                None => Some("ide"),
            }
        }
        _ => None,
    }
}

/// Writes the rows of clients and tools.
pub(super) fn write<S: Sink>(
    writer: &mut AttributeWriter<'_, S>,
    read: &UserAgent<'_>,
    options: &Options,
) {
    let event = writer.event;
    for (field, part) in [
        (&names::CLI_SESSION_ID, read.cli_session),
        (&names::CLI_COMMAND, read.command),
    ] {
        if let Some(part) = part {
            writer.str(field, part);
        }
    }
    let is_mcp =
        matches!(event.family(), Some(Family::AwsMcp | Family::AgentCore)) || is_tool_call(event);
    if is_mcp && event.evidence() != Some(Evidence::InvokedBy) {
        let method = mcp_request(event).and_then(|request| request.get("method"));
        if let Some(method) = method.and_then(filled) {
            writer.value(&names::MCP_METHOD_NAME, Value::Str(method));
        }
    }
    writer.id(&names::MCP_SESSION_ID, &[Key::McpSessionId]);
    writer.text(&names::MCP_PROTOCOL_VERSION, Key::McpProtocolVersion);
    writer.text(&names::MCP_SERVER_NAME, Key::McpServerName);
    writer.text(&names::MCP_SERVER_VERSION, Key::McpServerVersion);
    if options.tool_content && (is_tool_call(event) || event.class().is_call()) {
        write_tool_content(writer);
    }
}

/// The tool that an event is a call of.
pub(super) fn tool<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    if is_tool_call(event) {
        return params(event)?.get("name").and_then(filled);
    }
    // The IAM action, such as `s3:ListBuckets`.
    let source = event.text_of(Key::EventSource)?;
    let name = event.text_of(Key::EventName)?;
    Some(Cow::Owned([name_of_service(&source), ":", &*name].concat()))
}

/// The ARN of the person's sign-in. Token renewals of one sign-in share it.
pub(crate) fn sign_in_session<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    let in_grant = || {
        let is_grant = event.class() == Class::Grant;
        let data = event.get(Key::AdditionalEventData).filter(|_| is_grant)?;
        data.get("signInSessionArn").and_then(filled)
    };
    event.shown(Key::SignInSessionArn).or_else(in_grant)
}

/// The id of a request that S3 and some other services add to `requestID`.
pub(super) fn extended_request_id<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    let data = event.get(Key::AdditionalEventData)?;
    let names = ["x-amz-id-2", "ExtendedRequestId"];
    names
        .iter()
        .find_map(|name| data.get(name).and_then(filled))
}

/// The start and the end of a request to S3, in nanoseconds since 1970, as S3 recorded them.
pub(super) fn recorded_extent(event: &Event<'_>) -> Option<(i64, i64)> {
    /// S3 and its siblings, such as `s3express.amazonaws.com`.
    const S3: &str = "s3";
    let data = event.get(Key::AdditionalEventData)?;
    if !event.text_of(Key::EventSource)?.starts_with(S3) {
        return None;
    }
    let at = |name| milliseconds(data.get(name)?)?.checked_mul(1_000_000);
    let (start, end) = (at("startTime")?, at("endTime")?);
    (0 < start && start <= end).then_some((start, end))
}

fn milliseconds(node: Node<'_>) -> Option<i64> {
    let text = match node.kind() {
        Type::Number => Cow::Borrowed(node.raw()),
        _ => node.as_str()?,
    };
    // Some exports write `1.79E12`.
    text.parse().ok().or_else(|| {
        let number = text.parse::<f64>().ok()?;
        number.is_finite().then_some(number as i64)
    })
}

fn is_tool_call(event: &Event<'_>) -> bool {
    event.class() == Class::ToolCall
}

fn params<'e>(event: &'e Event<'_>) -> Option<Node<'e>> {
    mcp_request(event)?.get("params")
}

/// A text without the mark of a hidden value.
fn filled<'d>(node: Node<'d>) -> Option<Cow<'d, str>> {
    node.as_str()
        .filter(|text| !text.is_empty() && !mask::has_mask(text))
}

fn write_tool_content<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    let event = writer.event;
    let response = event.get(Key::ResponseElements);
    let (arguments, result) = if is_tool_call(event) {
        let of_tool = |response: Node<'_>| {
            let body = response.get("body");
            body.and_then(|body| body.get("result"))
                .or_else(|| response.get("result"))
                .or_else(|| response.get("content"))
                .map(|node| node.id())
        };
        let arguments = params(event).and_then(|params| params.get("arguments"));
        let result = response.and_then(of_tool);
        (
            arguments,
            result.map(|id| event.document().root().with_id(id)),
        )
    } else {
        (event.get(Key::RequestParameters), response)
    };
    write_content(writer, &names::TOOL_CALL_ARGUMENTS, arguments);
    write_content(writer, &names::TOOL_CALL_RESULT, result);
}

/// Writes a value as text, if it is not hidden.
fn write_content<S: Sink>(
    writer: &mut AttributeWriter<'_, S>,
    field: &'static Field,
    node: Option<Node<'_>>,
) {
    let Some(node) = node.filter(|node| node.kind() != Type::Null && !node.is_redacted()) else {
        return;
    };
    let text = match node.as_str() {
        Some(text) if text.is_empty() || mask::is_mask(&text) => return,
        Some(text) => text,
        None => node.redacted_text(),
    };
    if text.len() <= TOOL_CONTENT_BYTES {
        return writer.str(field, &text);
    }
    let end = (0..=TOOL_CONTENT_BYTES)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    writer.str(field, &[&text[..end.unwrap_or_default()], "…"].concat());
}

#[cfg(test)]
mod tests;
