//! Which events are Amazon Q's or another agent's, and what kind of thing each of them is.

mod candidates;

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::agents::{AgentLists, Evidence, Family, Recognized};
use super::prefilter::Prefilter;
use super::{Event, Key, shape};
use crate::envelope;
use crate::reject::Reason;

pub use candidates::Met;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    /// What Amazon Q did, and what continues it: operational investigations, Kiro.
    #[default]
    AmazonQ,
    /// These, and the events of other agents.
    Agents,
    /// Every record.
    All,
}

/// The lists by which Amazon Q's events, and those of other agents, are known. All are the user's to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lists {
    /// Event sources, also looked for as the invoking service, such as `q.amazonaws.com`.
    pub services: Vec<String>,
    /// Parts of the user agents of Amazon Q's own clients, such as `AmazonQ-For-CLI`.
    pub user_agents: Vec<String>,
    /// The lists of other agents.
    pub agents: AgentLists,
}

/// Event sources of Amazon Q, under its names so far.
const SERVICES: &[&str] = &[
    "q.amazonaws.com",
    "codewhisperer.amazonaws.com",
    "qdeveloper.amazonaws.com",
    "user-subscriptions.amazonaws.com",
    "qapps.amazonaws.com",
    "qbusiness.amazonaws.com",
    "chatbot.amazonaws.com",
    "sagemaker-data-science-assistant.amazonaws.com",
    INVESTIGATIONS,
];

/// Amazon Q's operational investigations.
const INVESTIGATIONS: &str = "aiops.amazonaws.com";

/// Parts of the user agents of Amazon Q's clients, and of Kiro's.
const USER_AGENTS: &[&str] = &[
    "AmazonQ-For-CLI",
    "AmazonQ-For-IDE",
    "AmazonQ-For-",
    "KiroIDE-",
];

impl Default for Lists {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
        Lists {
            services: owned(SERVICES),
            user_agents: owned(USER_AGENTS),
            agents: AgentLists::default(),
        }
    }
}

impl Lists {
    /// The default lists, made once.
    pub(crate) fn standard() -> &'static Lists {
        static STANDARD: LazyLock<Lists> = LazyLock::new(Lists::default);
        &STANDARD
    }

    /// By event source and name first, then by invoking service, then by user agent.
    pub(super) fn recognize(&self, event: &Event<'_>) -> Recognized {
        let amazon_q = |class, evidence| Recognized::of(class, Family::AmazonQ, evidence);
        let source = event.text_of(Key::EventSource).unwrap_or_default();
        if self.services.iter().any(|service| *service == source) {
            let name = event.text_of(Key::EventName).unwrap_or_default();
            return amazon_q(Class::of_own_event(&source, &name), Evidence::EventSource);
        }
        let invoked = [Key::InvokedBy, Key::SessionInvokedBy]
            .into_iter()
            .filter_map(|key| event.text_of(key))
            .any(|invoker| self.services.iter().any(|service| *service == invoker));
        if invoked {
            return amazon_q(Class::OnBehalfOf, Evidence::InvokedBy);
        }
        let agent = event.text_of(Key::UserAgent).unwrap_or_default();
        let by_client = self.user_agents.iter().any(|part| agent.contains(&**part));
        match self.agents.by_source(event) {
            // Amazon Q's client called the agent's server.
            Some(own) if by_client => amazon_q(own.class, Evidence::UserAgent),
            Some(own) => own,
            None if by_client => amazon_q(Class::AgentCall, Evidence::UserAgent),
            None => self
                .agents
                .by_caller(event)
                .or_else(|| self.agents.by_user_agent(event))
                .unwrap_or(Recognized::NONE),
        }
    }

    /// Search words: each wanted record contains one. `None` if any record may be wanted.
    fn words(&self, select: Select) -> Option<Prefilter> {
        let words = self.services.iter().chain(&self.user_agents).cloned();
        let words: Vec<_> = match select {
            Select::All => return None,
            Select::AmazonQ => words.chain(self.agents.words(true)).collect(),
            Select::Agents => words.chain(self.agents.words(false)).collect(),
        };
        Prefilter::new(words.iter())
    }
}

/// Tells Amazon Q's events from all others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Selector {
    select: Select,
    /// Lists other than the default ones.
    lists: Option<Arc<Lists>>,
    /// Finds what a wanted record must hold; `None` where any record may be wanted.
    words: Option<Prefilter>,
}

impl Selector {
    /// A selector over these lists. Empty entries are ignored.
    pub fn new(select: Select, lists: &Lists) -> Self {
        let mut lists = lists.clone();
        for list in [&mut lists.services, &mut lists.user_agents] {
            list.retain(|entry| !entry.is_empty());
        }
        lists.agents.retain_filled();
        Selector {
            select,
            words: lists.words(select),
            lists: (lists != *Lists::standard()).then(|| Arc::new(lists)),
        }
    }

    /// Whether a record can be one of the wanted, by a search in its bytes alone: `false` is
    /// certain, `true` is not.
    pub(crate) fn may_select(&self, record: &[u8]) -> bool {
        self.words
            .as_ref()
            .is_none_or(|words| words.may_be_in(record))
    }

    /// Parses a record if it is wanted: `None` if it is not. Its class is the one by this selector's
    /// lists. What is not wanted is not validated: an `eventTime` that is no time costs only a
    /// wanted record.
    ///
    /// # Errors
    /// Those of [`Event::parse`], where the record is or may be wanted, and
    /// [`Reason::BadField`] for a `userIdentity` that is no object, or where nothing reads the field that
    /// tells whether the record is wanted.
    pub fn select<'a>(&self, record: &'a [u8], depth: u32) -> Result<Option<Event<'a>>, Reason> {
        if !self.may_select(record) {
            return Ok(None);
        }
        let mut event = self.classified(record, depth)?;
        let wanted = self.selects(&mut event)?;
        Ok(wanted.then_some(event))
    }

    fn classified<'a>(&self, record: &'a [u8], depth: u32) -> Result<Event<'a>, Reason> {
        let lists = self.lists.as_deref().unwrap_or_else(|| Lists::standard());
        Event::classified(record, depth, lists)
    }

    /// Whether an event is wanted. Then its time is read too.
    fn selects(&self, event: &mut Event<'_>) -> Result<bool, Reason> {
        if !self.wants(event) {
            return shape::check_class(event, |json| self.may_select(json)).map(|()| false);
        }
        shape::check_identity(event)?;
        event.read_time()?;
        Ok(true)
    }

    fn wants(&self, event: &Event<'_>) -> bool {
        match self.select {
            Select::AmazonQ => event.is_of_amazon_q(),
            Select::Agents => event.class() != Class::Other,
            Select::All => true,
        }
    }

    /// Like [`Selector::select`], for a record that may have a table's texts instead of objects: then
    /// `canonical` takes the record with objects, and the event borrows from it.
    ///
    /// # Errors
    /// Those of [`Selector::select`] and [`envelope::canonical`].
    pub fn select_any<'a>(
        &self,
        record: &'a [u8],
        canonical: &'a mut Vec<u8>,
        depth: u32,
    ) -> Result<Option<Event<'a>>, Reason> {
        match self.select(record, depth) {
            Err(Reason::BadField { .. }) => {
                *canonical = envelope::canonical(record)?;
                self.select(canonical, depth)
            }
            selected => selected,
        }
    }
}

/// What kind of thing an event is: `qtrail.event.class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A conversation or a message in one.
    Conversation,
    /// `PassRequest`: Amazon Q is handed a person's credentials.
    PassRequest,
    /// Any service's event whose invoking service is Amazon Q or another agent.
    OnBehalfOf,
    /// A call by Amazon Q's command line or IDE agent, or a coding agent, with the person's own credentials.
    AgentCall,
    /// Completions, scans, transformations.
    Code,
    /// Client telemetry.
    Telemetry,
    /// Set-up of Amazon Q or another agent.
    Administration,
    /// An operational investigation.
    Investigation,
    /// A tool's call, as an agent's server recorded it.
    ToolCall,
    /// A person lets an agent act.
    Grant,
    /// No agent's.
    Other,
}

/// Names of Amazon Q's own events that [`WORDS`] would put in another class, and before them the most frequent ones,
/// which are found faster so.
const NAMES: &[(&str, Class)] = &[
    ("SendMessage", Class::Conversation),
    ("GenerateCompletions", Class::Code),
    ("StartConversation", Class::Conversation),
    ("SendTelemetryEvent", Class::Telemetry),
    ("PassRequest", Class::PassRequest),
    ("StartTaskAssistCodeGeneration", Class::Code),
    ("GetTaskAssistCodeGeneration", Class::Code),
    ("GenerateAssistantResponse", Class::Conversation),
    ("GenerateTaskAssistPlan", Class::Conversation),
    ("UsePlugin", Class::Conversation),
    ("ListAvailableCustomizations", Class::Administration),
    ("ListAvailableProfiles", Class::Administration),
    ("ListAvailableModels", Class::Administration),
    ("GetUsageLimits", Class::Administration),
];

/// Words in the names of Amazon Q's own events: the list of names is open, and an unseen one gets
/// the class of the first word that it holds.
const WORDS: &[(&str, Class)] = &[
    ("Telemetry", Class::Telemetry),
    ("Metric", Class::Telemetry),
    ("Conversation", Class::Conversation),
    ("Message", Class::Conversation),
    ("Chat", Class::Conversation),
    ("Troubleshooting", Class::Conversation),
    ("Completion", Class::Code),
    ("Recommendation", Class::Code),
    ("Code", Class::Code),
    ("Transformation", Class::Code),
    ("TestGeneration", Class::Code),
    ("Profile", Class::Administration),
    ("Customization", Class::Administration),
    ("Tag", Class::Administration),
];

impl Class {
    /// Every class.
    pub const ALL: [Class; 11] = [
        Class::Conversation,
        Class::PassRequest,
        Class::OnBehalfOf,
        Class::AgentCall,
        Class::Code,
        Class::Telemetry,
        Class::Administration,
        Class::Investigation,
        Class::ToolCall,
        Class::Grant,
        Class::Other,
    ];

    /// The class's name in attributes and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Conversation => "conversation",
            Class::PassRequest => "pass_request",
            Class::OnBehalfOf => "on_behalf_of",
            Class::AgentCall => "agent_call",
            Class::Code => "code",
            Class::Telemetry => "telemetry",
            Class::Administration => "administration",
            Class::Investigation => "investigation",
            Class::ToolCall => "tool_call",
            Class::Grant => "grant",
            Class::Other => "other",
        }
    }

    /// Whether an agent made the call.
    pub fn is_call(self) -> bool {
        matches!(self, Class::OnBehalfOf | Class::AgentCall)
    }

    fn of_own_event(source: &str, name: &str) -> Class {
        let named = NAMES.iter().find(|(whole, _)| *whole == name);
        let worded = || WORDS.iter().find(|(word, _)| name.contains(word));
        match named.or_else(worded) {
            Some((_, class)) => *class,
            None if source == "codewhisperer.amazonaws.com" => Class::Code,
            None if source == INVESTIGATIONS => Class::Investigation,
            None => Class::Administration,
        }
    }
}

/// A word that names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no class of events (conversation, pass_request, on_behalf_of, agent_call, code, telemetry, administration, investigation, tool_call, grant, other)"
)]
pub struct UnknownClass(String);

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Class::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
