//! Trace and span ids. They depend only on the event, so the same event has the same ids on any machine,
//! in any order, however often it is read.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::agents;
use super::attributes::Link;
use crate::event::amazon_q::Class;
use crate::event::{Event, Key, time};

/// The rule that gave an event its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceRule {
    /// Amazon Q's own event with a conversation id: the trace of the conversation.
    Conversation,
    /// An event or a call of an agent without one: the trace of the person's sign-in.
    Session,
    /// Any other event: a trace of its own.
    Event,
}

/// The fields that may hold the conversation id, in order of preference.
const CONVERSATION: &[Key] = &[
    Key::ConversationId,
    Key::StateConversationId,
    Key::TelemetryConversationId,
    Key::MetadataConversationId,
    Key::ResponseConversationId,
];

/// The field that holds the event's conversation id. Only Amazon Q's own events have one: in a request
/// to another service, a caller can write any id.
pub(crate) fn conversation(event: &Event<'_>) -> Option<Key> {
    let own = event.is_own();
    own.then(|| event.first_shown(CONVERSATION)).flatten()
}

/// The trace id of an event by its own fields, and the rule that gave it.
pub fn trace(event: &Event<'_>) -> ([u8; 16], TraceRule) {
    if let Some(id) = conversation(event).and_then(|key| event.shown(key)) {
        (
            trace_of("qtrail.conversation:", &id),
            TraceRule::Conversation,
        )
    } else if let Some(session) = Session::of(event) {
        (session.trace_id(), TraceRule::Session)
    } else {
        let id = event.id();
        let trace_id = match id {
            Some(id) => of_event(&id),
            None => hash(&["qtrail.event:", event.text()]),
        };
        (trace_id, TraceRule::Event)
    }
}

/// The trace id of an event after redaction: `trace_id`, unless it is the bytes of a redacted UUID. Then
/// it is a hash of them, so that a conversation is still one trace.
pub fn unrevealing(event: &Event<'_>, trace_id: [u8; 16]) -> [u8; 16] {
    let mut fields = CONVERSATION.iter().chain(&[Key::EventId]);
    let reveals = fields.any(|key| {
        event.get(*key).is_some_and(|node| {
            node.is_redacted() && uuid(node.raw().trim_matches('"')) == Some(trace_id)
        })
    });
    if reveals {
        hash(&["qtrail.redacted:", &hex::encode(trace_id)])
    } else {
        trace_id
    }
}

/// The 16 bytes that identify an event: its `eventID` if that is a UUID, else a hash of it.
pub fn of_event(id: &str) -> [u8; 16] {
    trace_of("qtrail.event:", id)
}

/// The event's span id.
pub fn span(event: &Event<'_>) -> [u8; 8] {
    thread_local! {
        /// The id that was asked for last, and its span id: assembly asks twice.
        static LAST: RefCell<(String, [u8; 8])> = RefCell::default();
    }
    let Some(id) = event.id() else {
        return hash(&[event.text()]);
    };
    LAST.with_borrow_mut(|(last, span_id)| {
        if *last != id {
            *span_id = hash(&["qtrail.span:", &id]);
            last.clear();
            if id.len() > SESSION_BYTES {
                return *span_id;
            }
            last.push_str(&id);
        }
        *span_id
    })
}

/// The id of a conversation's own span. `id`: its id, if that may be shown; else its trace identifies it.
pub(crate) fn conversation_span(id: Option<&str>, trace_id: [u8; 16]) -> [u8; 8] {
    let digest = match id {
        Some(id) => kept_digest(&["qtrail.conversation-span:", id]),
        None => kept_digest(&["qtrail.conversation-span:", &hex::encode(trace_id)]),
    };
    let mut span_id = [0; 8];
    span_id.copy_from_slice(&digest[..8]);
    if span_id == [0; 8] {
        span_id[7] = 1;
    }
    span_id
}

/// A hash that identifies what these texts name together.
pub(crate) fn digest(texts: &[&str]) -> [u8; 16] {
    hash(texts)
}

/// Digests that a thread keeps, and the bytes of the longest text of one.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256;

/// The [`digest`] of a text that many events have in common: few people and conversations are in a file.
pub(crate) fn kept_digest(texts: &[&str]) -> [u8; 16] {
    thread_local! {
        static DIGESTS: RefCell<HashMap<String, [u8; 16]>> = RefCell::default();
    }
    let text = texts.concat();
    DIGESTS.with_borrow_mut(|kept| {
        if let Some(id) = kept.get(&text) {
            return *id;
        }
        let id = digest(&[&text]);
        if kept.len() == KEPT {
            kept.clear();
        }
        if text.len() <= KEPT_BYTES {
            kept.insert(text, id);
        }
        id
    })
}

/// One sign-in of the person for whom an agent acted: the sign-in's own ARN, else account, principal and creation
/// date. The access key is no part of it, because a call by a service has a key of its own while all calls share the
/// principal.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

/// Sessions whose ids a thread keeps, and the bytes of the longest of them: most events of a file belong to a
/// few sessions.
const SESSIONS: usize = 256;
const SESSION_BYTES: usize = 256;

impl Session {
    /// The session of an event, if the event is an agent's and names one.
    pub fn of(event: &Event<'_>) -> Option<Self> {
        if event.class() == Class::Other {
            return None;
        }
        thread_local! {
            static KEPT: RefCell<Kept> = RefCell::default();
        }
        KEPT.with_borrow_mut(|kept| kept.session(event))
    }

    fn hash(text: &str) -> Self {
        Session {
            trace_id: hash(&["qtrail.session:", text]),
            span_id: hash(&["qtrail.session-span:", text]),
        }
    }

    /// The trace id of the session's calls.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// A link to the session from an event in another trace; `None` if it is in the session's own.
    pub fn link_from(&self, trace_id: [u8; 16]) -> Option<Link> {
        (self.trace_id != trace_id).then_some(Link {
            trace_id: self.trace_id,
            span_id: self.span_id,
        })
    }
}

/// The sessions whose ids a thread keeps.
#[derive(Default)]
struct Kept {
    sessions: HashMap<String, Session>,
    /// The fields of the event that was asked for last, and its session: each is asked for twice.
    fields: [String; 4],
    session: Option<Session>,
}

impl Kept {
    fn session(&mut self, event: &Event<'_>) -> Option<Session> {
        let keys = [Key::AccountId, Key::PrincipalId, Key::CreationDate];
        let [account, principal, created] = keys.map(|key| event.text_of(key).unwrap_or_default());
        let sign_in = agents::sign_in_session(event);
        let fields = [
            account,
            principal,
            created,
            sign_in.clone().unwrap_or_default(),
        ];
        if self.fields == fields {
            return self.session;
        }
        let session = self.find(event, sign_in);
        if fields.iter().map(|field| field.len()).sum::<usize>() <= SESSION_BYTES {
            self.session = session;
            for (kept, field) in self.fields.iter_mut().zip(&fields) {
                kept.clear();
                kept.push_str(field);
            }
        }
        session
    }

    fn find(&mut self, event: &Event<'_>, sign_in: Option<Cow<'_, str>>) -> Option<Session> {
        let text = match sign_in {
            Some(arn) => arn.into_owned(),
            None => {
                let principal = event.shown(Key::PrincipalId)?;
                let created = event.shown(Key::CreationDate)?;
                let account = event.shown(Key::AccountId).unwrap_or_default();
                let created = time::extended(&created);
                [&*account, "/", &*principal, "/", &*created].concat()
            }
        };
        if let Some(session) = self.sessions.get(&text) {
            return Some(*session);
        }
        let session = Session::hash(&text);
        if text.len() <= SESSION_BYTES {
            if self.sessions.len() == SESSIONS {
                self.sessions.clear();
            }
            self.sessions.insert(text, session);
        }
        Some(session)
    }
}

/// A UUID's own bytes, so that pasting it into a trace search finds the trace; a hash of any other id.
fn trace_of(prefix: &str, id: &str) -> [u8; 16] {
    uuid(id).unwrap_or_else(|| hash(&[prefix, id]))
}

/// The bytes of a UUID in its usual form; `None` for the nil UUID, which is no valid trace id.
fn uuid(text: &str) -> Option<[u8; 16]> {
    /// Where the two digits of each byte begin.
    const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != *b"----" {
        return None;
    }
    let digit = |at: usize| char::from(text[at]).to_digit(16);
    let mut bytes = [0; 16];
    for (byte, at) in bytes.iter_mut().zip(DIGITS) {
        *byte = (digit(at)? << 4 | digit(at + 1)?) as u8;
    }
    (bytes != [0; 16]).then_some(bytes)
}

/// The first bytes of the SHA-256 of these texts, concatenated. OTLP forbids an id of zeros: it becomes
/// a one.
fn hash<const N: usize>(texts: &[&str]) -> [u8; N] {
    let mut sha256 = Sha256::new();
    for text in texts {
        sha256.update(text.as_bytes());
    }
    let digest = sha256.finalize();
    let mut id = [0; N];
    id.copy_from_slice(&digest[..N]);
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "a298ec0d-0a49-4d2e-92bd-7d6e629b4619";

    fn ids(fields: &str) -> (String, TraceRule, String) {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        let (trace_id, rule) = trace(&event);
        (hex::encode(trace_id), rule, hex::encode(span(&event)))
    }

    fn sha(text: &str, bytes: usize) -> String {
        hex::encode(&Sha256::digest(text.as_bytes())[..bytes])
    }

    /// A conversation id in each of its places.
    fn with_conversation() -> Vec<String> {
        vec![
            format!(r#""requestParameters":{{"conversationId":"{ID}"}}"#),
            format!(r#""requestParameters":{{"conversationState":{{"conversationId":"{ID}"}}}}"#),
            format!(
                r#""requestParameters":{{"telemetryEvent":{{"chatAddMessageEvent":{{"conversationId":"{ID}"}}}}}}"#
            ),
            format!(r#""responseElements":{{"metadata":{{"conversationId":"{ID}"}}}}"#),
            format!(r#""responseElements":{{"conversationId":"{ID}"}}"#),
            format!(
                r#""responseElements":{{"conversationId":"other"}},"requestParameters":{{"conversationId":"{}"}}"#,
                ID.to_uppercase()
            ),
        ]
    }

    #[test]
    fn a_conversation_id_is_the_trace_id_wherever_it_stands() {
        for fields in with_conversation() {
            let (trace_id, rule, _) = ids(&format!(r#""eventSource":"q.amazonaws.com",{fields}"#));
            assert_eq!(trace_id, ID.replace('-', ""), "{fields}");
            assert_eq!(rule, TraceRule::Conversation);
        }
    }

    #[test]
    fn a_conversation_id_in_a_call_of_another_service_is_none() {
        let identity = r#""userIdentity":{"invokedBy":"@","principalId":"P","sessionContext":{"attributes":{"creationDate":"D"}}}"#;
        for (agent, invoked_by, expected) in [
            ("AmazonQ-For-CLI", "", TraceRule::Session),
            ("x", "q.amazonaws.com", TraceRule::Session),
            ("x", "", TraceRule::Event),
        ] {
            let identity = identity.replace('@', invoked_by);
            for fields in with_conversation() {
                let (trace_id, rule, _) = ids(&format!(
                    r#""eventSource":"lambda.amazonaws.com","eventID":"e","userAgent":"{agent}",{identity},{fields}"#
                ));
                assert_eq!(rule, expected, "{fields}");
                let trace = match rule {
                    TraceRule::Session => sha("qtrail.session:/P/D", 16),
                    _ => sha("qtrail.event:e", 16),
                };
                assert_eq!(trace_id, trace, "{fields}");
            }
        }
    }

    #[test]
    fn a_conversation_id_that_is_no_uuid_is_hashed() {
        for id in [
            "abc",
            "00000000-0000-0000-0000-000000000000",
            "a298ec0d0a494d2e92bd7d6e629b4619",
            "a298ec0d-0a49-4d2e-92bd-7d6e629b461é",
            "a298ec0d-0a49-4d2e-92bd+7d6e629b4619",
        ] {
            let (trace_id, ..) = ids(&format!(
                r#""eventSource":"q.amazonaws.com","requestParameters":{{"conversationId":"{id}"}}"#
            ));
            assert_eq!(trace_id, sha(&format!("qtrail.conversation:{id}"), 16));
        }
    }

    #[test]
    fn calls_of_one_sign_in_share_a_trace() {
        let identity = |account: &str| {
            format!(
                r#""eventSource":"q.amazonaws.com","userIdentity":{{{account}"principalId":"P","sessionContext":{{"attributes":{{"creationDate":"D"}}}}}}"#
            )
        };
        let (trace_id, rule, _) = ids(&identity(r#""accountId":"1","#));
        assert_eq!(
            (trace_id, rule),
            (sha("qtrail.session:1/P/D", 16), TraceRule::Session)
        );
        let (trace_id, ..) = ids(&identity(""));
        assert_eq!(trace_id, sha("qtrail.session:/P/D", 16));
        let others = identity("").replace("q.amazonaws.com", "s3.amazonaws.com");
        assert_eq!(ids(&others).1, TraceRule::Event);
    }

    #[test]
    fn a_link_leads_to_the_session_from_any_other_trace() {
        let text = r#"{"eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com","userIdentity":{"principalId":"P","sessionContext":{"attributes":{"creationDate":"D"}}}}"#;
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        let session = Session::of(&event).expect("a session");
        let link = session.link_from([1; 16]).expect("a link");
        assert_eq!(hex::encode(link.trace_id), sha("qtrail.session:/P/D", 16));
        assert_eq!(
            hex::encode(link.span_id),
            sha("qtrail.session-span:/P/D", 8)
        );
        assert_eq!(session.link_from(session.trace_id()), None);
    }

    #[test]
    fn an_event_alone_goes_by_its_id() {
        let (trace_id, rule, span_id) = ids(&format!(r#""eventID":"{ID}""#));
        assert_eq!((trace_id, rule), (ID.replace('-', ""), TraceRule::Event));
        assert_eq!(span_id, sha(&format!("qtrail.span:{ID}"), 8));
        let (trace_id, _, span_id) = ids(r#""eventID":"e""#);
        assert_eq!(trace_id, sha("qtrail.event:e", 16));
        assert_eq!(span_id, sha("qtrail.span:e", 8));
    }

    #[test]
    fn an_event_without_an_id_goes_by_its_bytes() {
        for odd in [r#""eventID":"""#, r#""eventID":7"#, r#""eventID":null"#] {
            let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{odd}}}"#);
            let (trace_id, _, span_id) = ids(odd);
            assert_eq!(trace_id, sha(&format!("qtrail.event:{text}"), 16));
            assert_eq!(span_id, sha(&text, 8));
        }
    }
}
