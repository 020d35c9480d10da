//! A sink that gathers what is said about one event.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::attribute::Attribute;
use super::rules::{Rules, why_class};
use super::source::source;
use qtrail_core::convert::ids::{self, TraceRule};
use qtrail_core::convert::{Field, Head, Sink, Summary, Value};
use qtrail_core::event::Event;
use qtrail_core::event::agents::Evidence;

/// One converted event.
#[derive(Serialize)]
pub(super) struct Explained {
    class: String,
    /// The rule that gave the class.
    rule: String,
    pub(super) event: String,
    pub(super) time: String,
    pub(super) severity: String,
    /// Why it is not selected.
    pub(super) ignored: Option<&'static str>,
    /// Its class and identity.
    #[serde(serialize_with = "by_name")]
    pub(super) answers: Vec<Fact>,
    /// Its ids, and what else is in no attribute.
    #[serde(serialize_with = "by_name")]
    pub(super) ids: Vec<Fact>,
    pub(super) attributes: Vec<Attribute>,
    #[serde(skip)]
    of: Of,
}

/// A value and the rule behind it.
#[derive(Serialize)]
pub(super) struct Fact {
    #[serde(skip)]
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) rule: String,
}

/// What is known before it is converted.
struct Of {
    record: Json,
    class: &'static str,
    evidence: Option<Evidence>,
    trace: TraceRule,
    /// Whether the file of people gave the person's id, and whether it gave the name.
    by_table: (bool, bool),
}

impl Explained {
    /// For this event, before it is converted.
    pub(super) fn of(event: &Event<'_>, ignored: Option<&'static str>) -> Self {
        Explained {
            event: String::new(),
            time: String::new(),
            severity: String::new(),
            class: String::new(),
            rule: String::new(),
            ignored,
            answers: Vec::new(),
            ids: Vec::new(),
            attributes: Vec::new(),
            of: Of {
                record: serde_json::from_str(event.text()).unwrap_or_default(),
                class: event.class().as_str(),
                evidence: event.evidence(),
                trace: ids::trace(event).1,
                by_table: (false, false),
            },
        }
    }

    /// The text of the attribute with this name.
    fn value_of(&self, name: &str) -> Option<String> {
        let row = self.attributes.iter().find(|one| one.name == name)?;
        Some(row.text())
    }

    fn source_of(&self, name: &str) -> String {
        let row = self.attributes.iter().find(|one| one.name == name);
        row.map_or_else(|| "no field has it".to_owned(), |row| row.source.clone())
    }

    fn fact(&mut self, name: &'static str, value: impl Into<String>, rule: impl Into<String>) {
        let (value, rule) = (value.into(), rule.into());
        self.ids.push(Fact { name, value, rule });
    }

    fn times(&mut self, head: &Head<'_>) {
        if head.observed != head.time {
            let rule = "when the input was delivered";
            self.fact("observed", time(head.observed), rule);
        }
        if head.end > head.time && head.end - head.start > 1 {
            self.fact("start", time(head.start), "additionalEventData.startTime");
            self.fact(
                "end",
                time(head.end),
                "additionalEventData.endTime, as S3 recorded it",
            );
        } else if head.start != head.time {
            self.fact(
                "start",
                time(head.start),
                "eventTime minus the event's duration",
            );
        } else {
            let length = format!("{} ns", head.end - head.start);
            self.fact(
                "span length",
                length,
                "a placeholder: the record has no duration",
            );
        }
    }

    /// What the ids were made of.
    fn id_rules(&mut self) {
        let event_id = self.value_of("aws.cloudtrail.event_id");
        let of_event = match event_id {
            Some(_) => "hash of the eventID",
            None => "hash of the record's bytes",
        };
        let is_of_sign_in = self.value_of("aws.sign_in_session.arn").is_some();
        let conversation = self.value_of("gen_ai.conversation.id");
        for fact in &mut self.ids {
            let is_id = |id: &Option<String>| {
                let id = id.as_deref().unwrap_or_default();
                id.replace('-', "").to_lowercase() == fact.value
            };
            fact.rule = match (fact.name, self.of.trace) {
                ("trace", TraceRule::Conversation) if is_id(&conversation) => {
                    "the conversation's id"
                }
                ("trace", TraceRule::Conversation) => "hash of the conversation's id",
                ("trace", TraceRule::Session) if is_of_sign_in => "hash of the sign-in's ARN",
                ("trace", TraceRule::Session) => {
                    "hash of the session: account, principal, creation date"
                }
                ("trace", TraceRule::Event) if is_id(&event_id) => "the eventID",
                ("trace", TraceRule::Event) | ("span", _) => of_event,
                _ => continue,
            }
            .to_owned();
        }
    }

    /// Adds the class, the agent with how sure it is, and the answers that the identity gives.
    fn answer(&mut self) {
        let class = self.class.clone();
        self.answers.push(Fact {
            name: "class",
            value: class,
            rule: self.rule.clone(),
        });
        if let Some(evidence) = self.of.evidence {
            let is_declared = self.value_of("qtrail.agent.name_evidence").is_some();
            let why = match evidence {
                Evidence::UserAgent => "declared by the client, which can forge it",
                _ if is_declared => "AWS recorded whose event it is; the client declares its name",
                Evidence::EventSource => "AWS recorded it under the agent's own event source",
                Evidence::InvokedBy => "AWS recorded the agent as the caller",
            };
            let name = self.value_of("gen_ai.agent.name");
            self.answers.push(Fact {
                name: "agent",
                value: name.unwrap_or_else(|| "no name recorded".to_owned()),
                rule: why.to_owned(),
            });
        }
        for (name, attribute) in [
            ("person", "enduser.id"),
            ("identity", "qtrail.identity.class"),
            ("credentials", "qtrail.credential.kind"),
            ("by a service", "qtrail.invoked_by_service"),
        ] {
            let value = self.value_of(attribute);
            let value = match (name, value.as_deref()) {
                ("by a service", Some("true")) => {
                    let by = self.value_of("aws.user_identity.invoked_by");
                    by.map_or("yes".to_owned(), |by| format!("yes: {by}"))
                }
                ("by a service", Some(_)) => "no".to_owned(),
                (_, Some(value)) => value.to_owned(),
                (_, None) => "not recorded".to_owned(),
            };
            let rule = self.source_of(attribute);
            self.answers.push(Fact { name, value, rule });
        }
    }
}

impl Sink for Explained {
    fn begin(&mut self, head: &Head<'_>) {
        self.severity = format!("{:?}", head.severity).to_uppercase();
        (self.event, self.time) = (head.name.to_string(), time(head.time));
        self.times(head);
        let kind = format!("{:?}", head.kind).to_uppercase();
        let why = match kind.as_str() {
            "CLIENT" => "a call that an agent made",
            _ => "no call that an agent made",
        };
        self.fact("span kind", kind, why);
        if let Some(message) = &head.error {
            self.fact("span status", "ERROR", message.to_string());
        }
        self.fact("trace", hex::encode(head.trace_id), "");
        self.fact("span", hex::encode(head.span_id), "");
        if let Some(link) = head.link {
            let rule = "the trace of the person's session";
            self.fact("link", hex::encode(link.trace_id), rule);
        }
        let key = &head.resource;
        let mut resource = key.service_name.to_string();
        for part in [&key.account_id, &key.region].into_iter().flatten() {
            let _ = write!(resource, " / {part}");
        }
        self.fact("resource", resource, "service / account / region");
        let signals = match (head.log, head.span) {
            (true, true) => "log record, span",
            (true, false) => "log record",
            (false, true) => "span",
            (false, false) => "none",
        };
        self.fact("signals", signals, "from signals and traces.classes");
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        self.attributes.push(Attribute::new(field, value));
    }

    fn summary(&mut self, summary: &Summary<'_>) {
        self.of.by_table = (summary.is_known, summary.is_named);
    }

    fn end(&mut self) {
        let value_of = |name: &str| self.value_of(name);
        let rules = Rules {
            value_of: &value_of,
            class: self.of.class,
            evidence: self.of.evidence,
            by_table: self.of.by_table,
        };
        let sources: Vec<_> = self
            .attributes
            .iter()
            .map(|one| {
                let known = rules.of(one.name, &one.text());
                known.unwrap_or_else(|| source(one.from, &one.sought(), &self.of.record))
            })
            .collect();
        self.rule = why_class(&rules);
        for (one, source) in self.attributes.iter_mut().zip(sources) {
            one.source = source;
        }
        self.class = self.of.class.to_owned();
        self.id_rules();
        self.answer();
    }
}

/// An object with a member for each fact, in their order.
fn by_name<S: Serializer>(facts: &[Fact], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|fact| (fact.name.replace(' ', "_"), fact)))
}

fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}
