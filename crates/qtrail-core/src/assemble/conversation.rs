//! The span of a whole conversation, which no record of its own describes.

use std::borrow::Cow;

use super::facts::{Facts, Named, Part};
use crate::convert::{Head, ResourceKey, Severity, Sink, SpanKind, Value, ids, semconv as names};

/// One conversation: the root of a tree.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub(super) span_id: [u8; 8],
    pub(super) id: Option<String>,
    trace_id: [u8; 16],
    person: Option<String>,
    resource: ResourceKey<'static>,
    start: i64,
    end: i64,
    messages: i64,
    calls: i64,
    denied: i64,
}

impl Conversation {
    /// The conversation of its first event.
    pub(super) fn new(facts: &Facts, named: &Named) -> Self {
        Conversation {
            span_id: ids::conversation_span(named.id.as_deref(), facts.trace_id),
            id: named.id.clone(),
            trace_id: facts.trace_id,
            person: named.person.clone(),
            resource: named.resource.clone(),
            start: i64::MAX,
            end: i64::MIN,
            messages: 0,
            calls: 0,
            denied: 0,
        }
    }

    /// Adds one of its events, whose span has this extent.
    pub(super) fn add(&mut self, facts: &Facts, (start, end): (i64, i64)) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
        self.denied += i64::from(facts.is_denied);
        match &facts.part {
            Part::InConversation { is_message, .. } => self.messages += i64::from(*is_message),
            Part::Call {
                is_pass_request, ..
            } => self.calls += i64::from(!is_pass_request),
            _ => {}
        }
    }

    /// Its id, unless it is redacted.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The start and the end of its span, in nanoseconds since 1970.
    pub fn extent(&self) -> (i64, i64) {
        (self.start, self.end)
    }

    /// Passes the conversation's span to a sink. It has no log record.
    pub fn write(&self, provider: &str, sink: &mut impl Sink) {
        sink.begin(&Head {
            resource: self.resource.clone(),
            time: self.end,
            observed: self.end,
            start: self.start,
            end: self.end,
            name: Cow::Borrowed("conversation"),
            severity: Severity::Info,
            kind: SpanKind::Internal,
            error: None,
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent: None,
            link: None,
            body: None,
            log: false,
            span: true,
        });
        let text = |text: &str| Value::Str(Cow::Owned(text.to_owned()));
        if let Some(person) = &self.person {
            sink.attribute(&names::ENDUSER_ID, &text(person));
        }
        if let Some(id) = &self.id {
            sink.attribute(&names::CONVERSATION_ID, &text(id));
        }
        sink.attribute(&names::OPERATION_NAME, &text("invoke_agent"));
        sink.attribute(&names::PROVIDER_NAME, &text(provider));
        sink.attribute(&names::MESSAGES, &Value::Int(self.messages));
        sink.attribute(&names::CALLS, &Value::Int(self.calls));
        sink.attribute(&names::DENIED, &Value::Int(self.denied));
        sink.end();
    }
}
