//! Which events are Amazon Q's, and what kind of thing each of them is.

use super::Event;

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

impl Default for Lists {
    fn default() -> Self {
        Lists {
            services: Vec::new(),
            user_agents: Vec::new(),
        }
    }
}

/// Tells Amazon Q's events from all others.
#[derive(Debug, Clone)]
pub struct Selector {
    select: Select,
}

impl Selector {
    /// A selector over these lists.
    pub fn new(select: Select, _lists: &Lists) -> Self {
        Selector { select }
    }

    /// Whether a record can be one of the wanted, by a search in its bytes alone: `false` is
    /// certain, `true` is not.
    pub fn may_select(&self, _record: &[u8]) -> bool {
        self.select == Select::All
    }

    /// Whether the event is wanted.
    pub fn selects(&self, _event: &Event<'_>) -> bool {
        self.select == Select::All
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
