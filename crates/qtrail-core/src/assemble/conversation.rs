//! The span of a whole conversation, which no record of its own describes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Named, Part};
use super::{SpanId, TraceId};
use crate::convert::{Head, Severity, Sink, SpanKind, Value, semconv as names};

/// One conversation: the root of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    trace_id: TraceId,
    /// The time and the span of its first event, which names the person and the resource.
    first: (i64, SpanId),
    named: Named,
    start: i64,
    end: i64,
    messages: i64,
    calls: i64,
    denied: i64,
}

impl Conversation {
    /// The conversation of an event that names it. It has no event yet.
    pub(super) fn new(facts: &Facts, named: &Named) -> Self {
        Conversation {
            trace_id: facts.trace_id,
            first: (facts.time, facts.span_id),
            named: named.clone(),
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
            Part::InConversation {
                is_chat,
                conversation,
                ..
            } => {
                self.messages += i64::from(*is_chat);
                let at = (facts.time, facts.span_id);
                if at < self.first {
                    self.first = at;
                    self.named = (**conversation).clone();
                }
            }
            Part::Call {
                is_pass_request, ..
            } => self.calls += i64::from(!is_pass_request),
            _ => {}
        }
    }

    /// Whether an event was added.
    pub(super) fn has_events(&self) -> bool {
        self.start <= self.end
    }

    /// Its id, unless it is redacted.
    pub fn id(&self) -> Option<&str> {
        self.named.id.as_deref()
    }

    /// Its own span.
    pub fn span_id(&self) -> SpanId {
        self.named.span_id(self.trace_id)
    }

    /// Its trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The start and the end of its span, in nanoseconds since 1970.
    pub fn extent(&self) -> (i64, i64) {
        (self.start, self.end)
    }

    /// Passes the conversation's span to a sink. It has no log record.
    pub fn write(&self, provider: &str, sink: &mut impl Sink) {
        sink.begin(&Head {
            resource: self.named.resource.clone(),
            time: self.end,
            observed: self.end,
            start: self.start,
            end: self.end,
            name: Cow::Borrowed("conversation"),
            severity: Severity::Info,
            kind: SpanKind::Internal,
            error: None,
            trace_id: self.trace_id,
            span_id: self.span_id(),
            parent: None,
            link: None,
            body: None,
            log: false,
            span: true,
        });
        let text = |text: &str| Value::Str(Cow::Owned(text.to_owned()));
        if let Some(person) = &self.named.person {
            sink.attribute(&names::ENDUSER_ID, &text(person));
        }
        if let Some(id) = &self.named.id {
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
