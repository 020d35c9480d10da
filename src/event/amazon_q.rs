//! Which events are Amazon Q's, and what kind of thing each of them is.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::words::Words;
use super::{Event, Key, shape};
use crate::envelope;
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
    words: Option<Words>,
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
                Select::AmazonQ => Words::new(lists.services.iter().chain(&lists.user_agents)),
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

    /// Parses a record if it is wanted: `None` if it is not. Its class is the one by this selector's
    /// lists. What is not wanted is not validated: an `eventTime` that is no time costs only a
    /// wanted record.
    ///
    /// # Errors
    /// Those of [`Event::parse`], where the record is wanted or nobody can tell, and
    /// [`Reason::BadField`] for a `userIdentity` that is no object, or where nothing reads the field that
    /// tells whether the record is wanted.
    pub fn select<'a>(&self, record: &'a [u8], depth: u32) -> Result<Option<Event<'a>>, Reason> {
        if !self.may_select(record) {
            return Ok(None);
        }
        let lists = self.lists.as_deref().unwrap_or_else(|| Lists::standard());
        let mut event = Event::classified(record, depth, lists)?;
        if self.select == Select::AmazonQ && event.class == Class::Other {
            return shape::check_class(&event, |json| self.may_select(json)).map(|()| None);
        }
        shape::check_identity(&event)?;
        event.read_time()?;
        Ok(Some(event))
    }

    /// The same of a record that may have a table's texts for objects: then `canonical` takes the record
    /// without them, which the event borrows from.
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

/// Names of Amazon Q's own events whose class their words (below) would not give.
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

    /// Whether what the request says of itself counts. In a call of another service, it is the caller's
    /// to choose; those that Amazon Q made for a person were made by AWS.
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
mod tests {
    use super::*;

    fn event(text: &str) -> Event<'_> {
        Event::parse(text.as_bytes(), 64).expect("an event")
    }

    fn record(fields: &str) -> String {
        format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#)
    }

    fn standard() -> Selector {
        Selector::new(Select::AmazonQ, &Lists::default())
    }

    fn selected<'a>(selector: &Selector, text: &'a str) -> Option<Event<'a>> {
        selector.select(text.as_bytes(), 64).expect("an event")
    }

    fn class_of(source: &str, name: &str) -> Class {
        event(&record(&format!(
            r#""eventSource":"{source}","eventName":"{name}""#
        )))
        .class()
    }

    #[test]
    fn what_nothing_reads_hides_no_event_and_makes_none() {
        let select = |selector: &Selector, fields: &str| {
            let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#);
            let mut canonical = Vec::new();
            match selector.select_any(text.as_bytes(), &mut canonical, 64) {
                Ok(event) => Ok(event.map(|event| event.class())),
                Err(Reason::BadField { field, .. }) => Err(field),
                Err(reason) => panic!("{reason}"),
            }
        };
        let read = Ok(Some(Class::OnBehalfOf));
        for (fields, expected) in [
            (r#""userIdentity":"{type=Role, invokedby=q.amazonaws.com}""#, read),
            (r#""userIdentity":"{\"invokedBy\":\"q.amazonaws.com\"}""#, read),
            (r#""userIdentity":{"invokedby":"q.amazonaws.com"}"#, read),
            (r#""useridentity":{"invokedBy":"q.amazonaws.com"}"#, read),
            (r#""UserIdentity":{"invokedBy":"q.amazonaws.com"}"#, read),
            (r#""userIdentity":[{"invokedBy":"q.amazonaws.com"}]"#, read),
            (r#""userIdentity":{"sessionContext":"{invokedBy=q.amazonaws.com}"}"#, read),
            (r#""userIdentity":"by q.amazonaws.com""#, Err("userIdentity")),
            (r#""userIdentity":{"invokedBy":["q.amazonaws.com"]}"#, Err("userIdentity.invokedBy")),
            (r#""userIdentity":{"sessionContext":["q.amazonaws.com"]}"#, Err("userIdentity.sessionContext")),
            (r#""eventSource":{"a":"q.amazonaws.com"}"#, Err("eventSource")),
            (r#""userAgent":["AmazonQ-For-CLI"]"#, Err("userAgent")),
            (r#""eventSource":"q.amazonaws.com","userIdentity":"root""#, Err("userIdentity")),
            (
                r#""eventSource":"q.amazonaws.com","userIdentity":{"onBehalfOf":[{"userId":"a"},{"userId":"b"}]}"#,
                Err("userIdentity.onBehalfOf"),
            ),
            // Nothing in these could name a service of Amazon Q's.
            (r#""errorMessage":"q.amazonaws.com","userIdentity":"root""#, Ok(None)),
            (r#""errorMessage":"q.amazonaws.com","eventSource":7"#, Ok(None)),
        ] {
            assert_eq!(select(&standard(), fields), expected, "{fields}");
        }
        let all = Selector::new(Select::All, &Lists::default());
        assert_eq!(select(&all, r#""userIdentity":"root""#), Err("userIdentity"));
        assert_eq!(select(&all, r#""eventSource":7"#), Ok(Some(Class::Other)));
        assert_eq!(select(&all, r#""userIdentity":"None""#), Ok(Some(Class::Other)));
    }

    #[test]
    fn the_documented_names_have_their_class() {
        use Class::*;
        for (class, names) in [
            (
                Conversation,
                "SendMessage StartConversation GetConversation ListConversations UpdateConversation \
                 DeleteConversation StartTroubleshootingAnalysis GetTroubleshootingResults \
                 StartTroubleshootingResolutionExplanation UpdateTroubleshootingCommandResult UsePlugin",
            ),
            (PassRequest, "PassRequest"),
            (Code, "GenerateCodeFromCommands"),
            (
                Administration,
                "GetIdentityMetadata CreateAssignment DeleteAssignment CreatePlugin SomethingNew",
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(class_of("q.amazonaws.com", name), class, "{name}");
            }
        }
        for (class, names) in [
            (
                Code,
                "GenerateCompletions GenerateRecommendations StartCodeAnalysis StartTransformation \
                 StartTaskAssistCodeGeneration SomethingNew",
            ),
            (
                Conversation,
                "GenerateAssistantResponse CreateTaskAssistConversation",
            ),
            (Telemetry, "SendTelemetryEvent"),
            (Administration, "ListAvailableCustomizations CreateProfile"),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(
                    class_of("codewhisperer.amazonaws.com", name),
                    class,
                    "{name}"
                );
            }
        }
        assert_eq!(class_of("s3.amazonaws.com", "SendMessage"), Other);
    }

    #[test]
    fn the_invoking_service_counts_in_either_place_and_behind_the_source() {
        for identity in [
            r#"{"invokedBy":"q.amazonaws.com"}"#,
            r#"{"sessionContext":{"invokedBy":"q.amazonaws.com"}}"#,
            r#"{"invokedBy":"AWS Internal","sessionContext":{"invokedBy":"q.amazonaws.com"}}"#,
        ] {
            let s3 = record(&format!(
                r#""eventSource":"s3.amazonaws.com","userIdentity":{identity}"#
            ));
            assert_eq!(event(&s3).class(), Class::OnBehalfOf);
            let q = record(&format!(
                r#""eventSource":"q.amazonaws.com","eventName":"PassRequest","userIdentity":{identity}"#
            ));
            assert_eq!(event(&q).class(), Class::PassRequest);
        }
    }

    #[test]
    fn a_user_agent_of_amazon_q_makes_an_agent_call() {
        let text = record(
            r#""eventSource":"s3.amazonaws.com","userAgent":"aws-cli/2 exec-env/AmazonQ-For-CLI-Version-1.10.0""#,
        );
        assert!(standard().may_select(text.as_bytes()));
        let event = selected(&standard(), &text).expect("selected");
        assert_eq!(event.class(), Class::AgentCall);
    }

    #[test]
    fn others_are_left_out_unless_all_is_asked_for() {
        let text = record(r#""eventSource":"s3.amazonaws.com""#);
        assert!(!standard().may_select(text.as_bytes()));
        assert!(selected(&standard(), &text).is_none());
        let all = Selector::new(Select::All, &Lists::default());
        assert!(all.may_select(text.as_bytes()));
        assert!(selected(&all, &text).is_some());
    }

    #[test]
    fn a_name_inside_another_text_may_be_selected_but_is_not() {
        let text =
            record(r#""eventSource":"s3.amazonaws.com","errorMessage":"no q.amazonaws.com""#);
        assert!(standard().may_select(text.as_bytes()));
        assert!(selected(&standard(), &text).is_none());
    }

    #[test]
    fn an_escaped_name_is_found() {
        for source in ["\\u0071.amazonaws.com", "q.\\u0061mazonaws.com"] {
            let text = record(&format!(r#""eventSource":"{source}""#));
            assert!(standard().may_select(text.as_bytes()), "{source}");
            assert!(selected(&standard(), &text).is_some(), "{source}");
        }
        let lists = Lists {
            services: vec![],
            user_agents: vec!["Q/2".to_owned()],
        };
        let text = record(r#""userAgent":"x Q\/2""#);
        let selector = Selector::new(Select::AmazonQ, &lists);
        assert!(selector.may_select(text.as_bytes()));
        assert!(selected(&selector, &text).is_some());
    }

    #[test]
    fn a_time_that_is_none_costs_only_what_is_selected() {
        let all = Selector::new(Select::All, &Lists::default());
        for (fields, wanted) in [
            (r#""eventSource":"s3.amazonaws.com""#, false),
            (r#""userAgent":"cut \ud83d here""#, false),
            (r#""errorMessage":"no q.amazonaws.com""#, false),
            (r#""eventSource":"q.amazonaws.com""#, true),
            (r#""eventSource":"q\u002eamazonaws.com""#, true),
        ] {
            let text = format!(r#"{{"eventTime":"last Tuesday",{fields}}}"#);
            let bad_time = |selector: &Selector| match selector.select(text.as_bytes(), 64) {
                Ok(None) => false,
                Err(Reason::BadTime { .. }) => true,
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(bad_time(&standard()), wanted, "{text}");
            assert!(bad_time(&all), "{text}");
        }
    }

    #[test]
    fn the_users_lists_replace_the_default_ones() {
        let lists = Lists {
            services: vec!["kiro.amazonaws.com".to_owned(), String::new()],
            user_agents: vec!["Kiro-".to_owned(), String::new()],
        };
        let selector = Selector::new(Select::AmazonQ, &lists);
        let class = |fields: &str| {
            let text = record(fields);
            assert_eq!(
                selector.may_select(text.as_bytes()),
                selected(&selector, &text).is_some()
            );
            selected(&selector, &text).map(|event| event.class())
        };
        assert_eq!(
            class(r#""eventSource":"kiro.amazonaws.com","eventName":"SendMessage""#),
            Some(Class::Conversation)
        );
        assert_eq!(class(r#""userAgent":"Kiro-CLI""#), Some(Class::AgentCall));
        assert_eq!(class(r#""eventSource":"q.amazonaws.com""#), None);
    }

    #[test]
    fn class_names_are_read_back() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert!("chat".parse::<Class>().is_err());
    }
}
