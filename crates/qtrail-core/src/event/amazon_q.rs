//! Which events are Amazon Q's, and what kind of thing each of them is.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::prefilter::Prefilter;
use super::{Event, Key, shape};
use crate::envelope;
use crate::envelope::log_file::{LogFile, LogRecord};
use crate::reject::Reason;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    /// What Amazon Q did.
    #[default]
    AmazonQ,
    /// Every record.
    All,
}

/// The lists by which Amazon Q's events are known. All are the user's to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lists {
    /// Event sources, also looked for as the invoking service, such as `q.amazonaws.com`.
    pub services: Vec<String>,
    /// Parts of the user agents of Amazon Q's own clients, such as `AmazonQ-For-CLI`.
    pub user_agents: Vec<String>,
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
];

/// Parts of the user agents of Amazon Q's clients.
const USER_AGENTS: &[&str] = &["AmazonQ-For-CLI", "AmazonQ-For-IDE", "AmazonQ-For-"];

impl Default for Lists {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
        Lists {
            services: owned(SERVICES),
            user_agents: owned(USER_AGENTS),
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
    pub(super) fn class(&self, event: &Event<'_>) -> Class {
        let source = event.text_of(Key::EventSource).unwrap_or_default();
        if self.services.iter().any(|service| *service == source) {
            let name = event.text_of(Key::EventName).unwrap_or_default();
            return Class::of_own_event(&source, &name);
        }
        let invoked = [Key::InvokedBy, Key::SessionInvokedBy]
            .into_iter()
            .filter_map(|key| event.text_of(key))
            .any(|invoker| self.services.iter().any(|service| *service == invoker));
        if invoked {
            return Class::OnBehalfOf;
        }
        let agent = event.text_of(Key::UserAgent).unwrap_or_default();
        if self.user_agents.iter().any(|part| agent.contains(&**part)) {
            return Class::AgentCall;
        }
        Class::Other
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
        Selector {
            select,
            words: match select {
                Select::All => None,
                Select::AmazonQ => Prefilter::new(lists.services.iter().chain(&lists.user_agents)),
            },
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

    /// The records of a log file that may be wanted, in their order. One search over the whole file finds
    /// them: no other record is wanted.
    pub fn candidates<'f>(&self, file: &'f LogFile) -> impl Iterator<Item = LogRecord<'f>> {
        let bytes = file.bytes();
        // Where the next part of a word begins, or the end of the file.
        let mut next = None;
        file.records().filter(move |record| {
            let start = record.position.offset as usize;
            self.words.as_ref().is_none_or(|words| {
                let found = match next {
                    Some(found) if found >= start => found,
                    _ => words.find_part(bytes, start).unwrap_or(bytes.len()),
                };
                next = Some(found);
                let has_part = found < start + record.bytes.len();
                has_part && words.is_in(record.bytes) || record.hides_words
            })
        })
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
        self.select_event(self.classified(record, depth)?)
    }

    /// Like [`Selector::select`], for one of the [`candidates`](Selector::candidates), which is not searched again.
    ///
    /// # Errors
    /// Those of [`Selector::select`], and [`Reason::NotCloudTrail`] for a record whose outermost keys are not
    /// those of an event alone. [`envelope::open`] tells what such a record is.
    pub fn select_candidate<'a>(
        &self,
        record: &LogRecord<'a>,
        depth: u32,
    ) -> Result<Option<Event<'a>>, Reason> {
        let event = self.classified(record.bytes, depth)?;
        if !event.is_plain() {
            return Err(Reason::NotCloudTrail {
                detail: "its outermost keys are not those of an event alone".to_owned(),
            });
        }
        self.select_event(event)
    }

    fn classified<'a>(&self, record: &'a [u8], depth: u32) -> Result<Event<'a>, Reason> {
        let lists = self.lists.as_deref().unwrap_or_else(|| Lists::standard());
        Event::classified(record, depth, lists)
    }

    fn select_event<'a>(&self, mut event: Event<'a>) -> Result<Option<Event<'a>>, Reason> {
        if self.select == Select::AmazonQ && event.class == Class::Other {
            return shape::check_class(&event, |json| self.may_select(json)).map(|()| None);
        }
        shape::check_identity(&event)?;
        event.read_time()?;
        Ok(Some(event))
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
    /// Any service's event whose invoking service is Amazon Q.
    OnBehalfOf,
    /// A call by Amazon Q's command line or IDE agent, with the person's own credentials.
    AgentCall,
    /// Completions, scans, transformations.
    Code,
    /// Client telemetry.
    Telemetry,
    /// Set-up of Amazon Q itself.
    Administration,
    /// Not Amazon Q's.
    Other,
}

/// Names of Amazon Q's own events that [`WORDS`] would put in another class.
const NAMES: &[(&str, Class)] = &[
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
    pub const ALL: [Class; 8] = [
        Class::Conversation,
        Class::PassRequest,
        Class::OnBehalfOf,
        Class::AgentCall,
        Class::Code,
        Class::Telemetry,
        Class::Administration,
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
            Class::Other => "other",
        }
    }

    /// Whether an event source of Amazon Q itself recorded it.
    pub(crate) fn is_own(self) -> bool {
        !self.is_call() && self != Class::Other
    }

    /// Whether Amazon Q made the call.
    pub(crate) fn is_call(self) -> bool {
        matches!(self, Class::OnBehalfOf | Class::AgentCall)
    }

    /// Whether the fields of the request can be trusted. The caller of another service chooses them; calls that
    /// Amazon Q made for a person were made by AWS.
    pub(crate) fn is_by_service(self) -> bool {
        self.is_own() || self == Class::OnBehalfOf
    }

    fn of_own_event(source: &str, name: &str) -> Class {
        let named = NAMES.iter().find(|(whole, _)| *whole == name);
        let worded = || WORDS.iter().find(|(word, _)| name.contains(word));
        match named.or_else(worded) {
            Some((_, class)) => *class,
            None if source == "codewhisperer.amazonaws.com" => Class::Code,
            None => Class::Administration,
        }
    }
}

/// A word that names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no class of events (conversation, pass_request, on_behalf_of, agent_call, code, telemetry, administration, other)"
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
