//! The rules behind values that no single field has.
//!
//! What must hold: values of the record come from its attributes, where secrets are masked.

use qtrail_core::event::agents::Evidence;

/// What the rules look at.
pub(super) struct Rules<'a> {
    /// The text of an attribute.
    pub(super) value_of: &'a dyn Fn(&str) -> Option<String>,
    pub(super) class: &'static str,
    pub(super) evidence: Option<Evidence>,
    /// Whether the file of people gave the person's id, and whether it gave the name.
    pub(super) by_table: (bool, bool),
}

impl Rules<'_> {
    /// The rule that gave this attribute this value; `None` for a row with sources.
    pub(super) fn of(&self, name: &str, value: &str) -> Option<String> {
        let rule = match name {
            "enduser.id" if self.by_table.0 => {
                "the id that the identities file gives for one of the event's ids".to_owned()
            }
            "user.name" if self.by_table.1 => "the name that the identities file gives".to_owned(),
            "qtrail.outcome" => self.outcome(value),
            "qtrail.event.class" => why_class(self),
            "qtrail.agent.evidence" => self.evidence(),
            "qtrail.identity.class" => self.identity(),
            "qtrail.credential.kind" => match self.has("aws.access_key.id") {
                true => format!("{}; the first letters of accessKeyId", self.identity()),
                false => self.identity(),
            },
            "qtrail.invoked_by_service" => match value {
                "true" => "there is an invoking service".to_owned(),
                _ => "there is no invoking service".to_owned(),
            },
            "qtrail.agent.channel" => match self.class {
                "on_behalf_of" | "tool_call" => format!("class {}", self.class),
                _ => "userAgent".to_owned(),
            },
            "gen_ai.operation.name" => format!("class {}, eventName", self.class),
            "gen_ai.tool.name" => match self.class {
                "tool_call" => "the tool in the request".to_owned(),
                _ => "eventSource and eventName".to_owned(),
            },
            "gen_ai.agent.name" => self.agent(),
            "gen_ai.provider.name" => match value {
                "aws.q_developer" => "an operation of Amazon Q's".to_owned(),
                _ => "the configured name, for an operation of Amazon Q's".to_owned(),
            },
            "rpc.method" => "eventSource/eventName".to_owned(),
            _ => return None,
        };
        Some(rule)
    }

    fn has(&self, name: &str) -> bool {
        (self.value_of)(name).is_some()
    }

    fn named(&self, label: &str, attribute: &str) -> String {
        let value = (self.value_of)(attribute).unwrap_or_default();
        format!("{label} {value}").trim_end().to_owned()
    }

    fn outcome(&self, value: &str) -> String {
        let code = self.named("errorCode", "aws.error.code");
        match value {
            _ if self.has("aws.error.code") => code,
            "error" if self.has("aws.error.message") => {
                "errorMessage without an errorCode".to_owned()
            }
            "dry_run" => "requestParameters.dryRun".to_owned(),
            "success" => "neither errorCode nor errorMessage".to_owned(),
            _ => "the result of the sign-in, or an error of an unexpected type".to_owned(),
        }
    }

    fn identity(&self) -> String {
        match self.has("aws.principal.type") {
            true => self.named("userIdentity.type", "aws.principal.type"),
            false => "userIdentity has no type".to_owned(),
        }
    }

    fn evidence(&self) -> String {
        match self.evidence {
            Some(Evidence::EventSource) => self.named("eventSource", "aws.cloudtrail.event_source"),
            Some(Evidence::InvokedBy) => {
                self.named("invoking service", "aws.user_identity.invoked_by")
            }
            Some(Evidence::UserAgent) => "userAgent, which a client can forge".to_owned(),
            None => "eventSource, invoking service and userAgent are no agent's".to_owned(),
        }
    }

    fn agent(&self) -> String {
        let is_declared = self.evidence == Some(Evidence::UserAgent)
            || self.has("qtrail.agent.name_evidence")
            || self.has("gen_ai.agent.version");
        match is_declared {
            true => "userAgent".to_owned(),
            false => self.evidence(),
        }
    }
}

/// The rule that gave the class.
pub(super) fn why_class(rules: &Rules<'_>) -> String {
    let evidence = rules.evidence();
    match (rules.evidence, rules.class) {
        (Some(Evidence::EventSource), "tool_call") => {
            format!("{evidence}, and eventName or method")
        }
        (Some(Evidence::EventSource), _) => {
            format!(
                "{evidence}, {}",
                rules.named("eventName", "aws.cloudtrail.event_name")
            )
        }
        (Some(_), "grant") => format!("{evidence}, for the agent's server"),
        _ => evidence,
    }
}
