//! Recognizes events of agents beside Amazon Q.
//!
//! Enters: an event that the lists of Amazon Q do not know. Leaves: its class, its family and the evidence. What
//! must hold: a name of a service counts only in fields that AWS fills; what a client declares is evidence of its own
//! kind; the lists are the user's to change.

use std::collections::BTreeMap;

use super::amazon_q::Class;
use super::user_agent::{UserAgent, has_product};
use super::{Event, Key};

/// The lists by which agents beside Amazon Q are known. All are the user's to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLists {
    /// Event sources, also looked for as the invoking service and as the resource of a grant. `*` is one
    /// part of a name: `aws-mcp.*.api.aws`.
    pub services: Vec<String>,
    /// Products in the user agents of coding agents, such as `claude-code` of `claude-code/2.1`.
    pub user_agents: Vec<String>,
    /// Names of coding agents by their code in a user agent of the AWS command line: `AN` of `m/AN,b`.
    pub codes: BTreeMap<String, String>,
}

/// Event sources of AWS's agents.
const SERVICES: &[&str] = &[
    "aws-mcp.amazonaws.com",
    "aws-mcp.*.api.aws",
    "aidevops.amazonaws.com",
    "transform.amazonaws.com",
    "bedrock-agentcore.amazonaws.com",
];

/// Products of coding agents, as they were seen.
const USER_AGENTS: &[&str] = &["claude-code", "cursor-vscode"];

/// Codes of coding agents in the AWS command line.
const CODES: &[(&str, &str)] = &[
    ("AN", "Claude Code"),
    ("AO", "Gemini CLI"),
    ("AP", "Codex"),
    ("AQ", "Kiro CLI"),
    ("AW", "Cursor"),
];

/// The agent that an event belongs to, and so `service.name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Amazon Q and what continues it: operational investigations, Kiro.
    AmazonQ,
    /// The AWS MCP Server, through which coding agents act on AWS.
    AwsMcp,
    /// AWS DevOps Agent.
    DevOpsAgent,
    /// AWS Transform.
    Transform,
    /// Amazon Bedrock AgentCore.
    AgentCore,
    /// A service that the user added to the list.
    Service,
    /// A coding agent that calls AWS with a person's own keys.
    CodingAgent,
}

/// What shows that an event is an agent's: `qtrail.agent.evidence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// AWS recorded it under the agent's own name.
    EventSource,
    /// AWS recorded the agent as the caller.
    InvokedBy,
    /// The client says so.
    UserAgent,
}

/// To whom an event belongs, and by what evidence.
#[derive(Debug, Clone)]
pub(super) struct Recognized {
    pub(super) class: Class,
    pub(super) agent: Option<(Family, Evidence)>,
    /// The name in the lists of the coding agent that the user agent declares.
    pub(super) declared: Option<String>,
}

impl Evidence {
    /// The word in attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::EventSource => "event_source",
            Evidence::InvokedBy => "invoked_by",
            Evidence::UserAgent => "user_agent",
        }
    }
}

impl Recognized {
    /// An event of no agent.
    pub(super) const NONE: Recognized = Recognized {
        class: Class::Other,
        agent: None,
        declared: None,
    };

    pub(super) fn of(class: Class, family: Family, evidence: Evidence) -> Self {
        Recognized {
            class,
            agent: Some((family, evidence)),
            declared: None,
        }
    }
}

impl Default for AgentLists {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
        let pair = |(code, name): &(&str, &str)| ((*code).to_owned(), (*name).to_owned());
        AgentLists {
            services: owned(SERVICES),
            user_agents: owned(USER_AGENTS),
            codes: CODES.iter().map(pair).collect(),
        }
    }
}

impl AgentLists {
    /// Removes empty entries.
    pub(super) fn retain_filled(&mut self) {
        self.services.retain(|entry| !entry.is_empty());
        self.user_agents.retain(|entry| !entry.is_empty());
        self.codes
            .retain(|code, name| !code.is_empty() && !name.is_empty());
    }

    /// The class of an event that its source makes an agent's: of the agent itself, or a grant for it.
    pub(super) fn by_source(&self, event: &Event<'_>) -> Option<Recognized> {
        let source = event.text_of(Key::EventSource)?;
        let (class, family) = if self.has_service(&source) {
            let family = Family::of_service(&source);
            (own_class(event, family), family)
        } else {
            (Class::Grant, self.granted(event, &source)?)
        };
        let mut recognized = Recognized::of(class, family, Evidence::EventSource);
        let user_agent = event.text_of(Key::UserAgent);
        recognized.declared = user_agent.and_then(|text| {
            self.declared(&text, &UserAgent::read(&text))
                .map(str::to_owned)
        });
        Some(recognized)
    }

    /// A call that AWS recorded as an agent's: of the invoking service, or from an address that is its name.
    pub(super) fn by_caller(&self, event: &Event<'_>) -> Option<Recognized> {
        let family = CALLERS.iter().find_map(|key| {
            let caller = event.text_of(*key).filter(|name| self.has_service(name))?;
            Some(Family::of_service(&caller))
        })?;
        Some(Recognized::of(
            Class::OnBehalfOf,
            family,
            Evidence::InvokedBy,
        ))
    }

    /// A call that the client declares as an agent's. Kiro continues Amazon Q.
    pub(super) fn by_user_agent(&self, event: &Event<'_>) -> Option<Recognized> {
        let text = event.text_of(Key::UserAgent)?;
        let of = |family| Recognized::of(Class::AgentCall, family, Evidence::UserAgent);
        let read = UserAgent::read(&text);
        if let Some(service) = read.service.filter(|name| self.has_service(name)) {
            return Some(of(Family::of_service(service)));
        }
        let name = self.declared(&text, &read)?;
        let mut recognized = of(if continues_amazon_q(name) {
            Family::AmazonQ
        } else {
            Family::CodingAgent
        });
        recognized.declared = Some(name.to_owned());
        Some(recognized)
    }

    /// The coding agent that a user agent declares, by its name in the lists.
    pub(super) fn declared(&self, user_agent: &str, read: &UserAgent<'_>) -> Option<&str> {
        let products = self.user_agents.iter();
        let product = products
            .map(String::as_str)
            .find(|name| has_product(user_agent, name));
        product.or_else(|| {
            let mut codes = self.codes.iter();
            codes.find_map(|(code, name)| read.has_code(code).then_some(&**name))
        })
    }

    /// Search words: each record that these lists recognize contains one. With `amazon_q_only`, only those of
    /// records that count as Amazon Q's.
    pub(super) fn words(&self, amazon_q_only: bool) -> impl Iterator<Item = String> {
        let codes = self.codes.iter();
        let codes = codes.filter(move |(_, name)| !amazon_q_only || continues_amazon_q(name));
        // As in `m/b,AN,Z`.
        let codes = codes.flat_map(|(code, _)| ["/", ","].map(|before| [before, code].concat()));
        let products = self.user_agents.iter();
        let products = products.filter(move |name| !amazon_q_only || continues_amazon_q(name));
        let services = self.services.iter().filter(move |_| !amazon_q_only);
        let services = services.map(|service| {
            let parts = service.split('*').rev();
            parts
                .max_by_key(|part| part.len())
                .unwrap_or_default()
                .to_owned()
        });
        services.chain(products.cloned()).chain(codes)
    }

    fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|entry| is_named(entry, name))
    }

    /// The family of the agent's server that a person lets a client use.
    fn granted(&self, event: &Event<'_>, source: &str) -> Option<Family> {
        if source != SIGN_IN || !GRANTS.contains(&&*event.text_of(Key::EventName)?) {
            return None;
        }
        let resource = event.get(Key::RequestParameters)?.get("resource")?;
        let resource = resource.as_str()?;
        let host = host(&resource)?;
        self.has_service(host).then(|| Family::of_service(host))
    }
}

/// The fields in which AWS names the service that called.
const CALLERS: [Key; 3] = [Key::InvokedBy, Key::SessionInvokedBy, Key::SourceIpAddress];

const SIGN_IN: &str = "signin.amazonaws.com";
/// Events by which a person lets a client act for them.
const GRANTS: [&str; 2] = ["AuthorizeOAuth2Access", "CreateOAuth2Token"];

/// Names of the events of the AWS MCP Server for a tool's call.
const TOOL_CALLS: [&str; 3] = ["CallTool", "CallReadOnlyTool", "CallReadWriteTool"];

impl Family {
    fn of_service(name: &str) -> Self {
        match name {
            "aidevops.amazonaws.com" => Family::DevOpsAgent,
            "transform.amazonaws.com" => Family::Transform,
            "bedrock-agentcore.amazonaws.com" => Family::AgentCore,
            _ if name.starts_with("aws-mcp.") => Family::AwsMcp,
            _ => Family::Service,
        }
    }
}

/// The class of an event that an agent beside Amazon Q recorded itself.
fn own_class(event: &Event<'_>, family: Family) -> Class {
    let name = event.text_of(Key::EventName).unwrap_or_default();
    let calls_tool = || {
        let method = mcp_request(event).and_then(|request| request.get("method"));
        method.and_then(|method| method.as_str()).as_deref() == Some("tools/call")
    };
    match family {
        Family::AwsMcp if TOOL_CALLS.contains(&&*name) => Class::ToolCall,
        Family::DevOpsAgent if name.contains("Approval") => Class::Grant,
        Family::DevOpsAgent if name.contains("Investigation") => Class::Investigation,
        _ if calls_tool() => Class::ToolCall,
        _ => Class::Administration,
    }
}

/// The JSON-RPC request of an event: AgentCore's gateways have it under `body`.
pub(crate) fn mcp_request<'e>(event: &'e Event<'_>) -> Option<crate::json::Node<'e>> {
    let request = event.get(Key::RequestParameters)?;
    Some(request.get("body").unwrap_or(request))
}

/// Whether an agent of this name is what Amazon Q's clients became.
fn continues_amazon_q(name: &str) -> bool {
    name.starts_with("Kiro") || name.starts_with("Amazon Q")
}

/// Whether a name is that of an entry, whose `*` is one part between dots.
fn is_named(entry: &str, name: &str) -> bool {
    if entry == name || !entry.contains('*') {
        return entry == name;
    }
    let (mut entry, mut name) = (entry.split('.'), name.split('.'));
    loop {
        match (entry.next(), name.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// The host of a URL, or the whole of a text that is none.
fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next()
}

#[cfg(test)]
mod tests;
