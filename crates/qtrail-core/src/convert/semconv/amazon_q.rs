//! Attribute names of Amazon Q, and of what qtrail adds.
#![expect(
    deprecated,
    reason = "the gen_ai names moved to a registry of their own"
)]

use opentelemetry_semantic_conventions::attribute as otel;

use super::both;
use crate::convert::attributes::Field;
use crate::convert::attributes::Stability::{Development, Qtrail};

pub(crate) const EVENT_CLASS: Field = both(
    "qtrail.event.class",
    "`conversation`, `pass_request`, `on_behalf_of`, `agent_call`, `code`, `telemetry`, `administration`, `investigation`, `tool_call`, `grant` or `other`, by `eventSource` and `eventName`, then the invoking service, then `userAgent`",
    Qtrail,
);
pub(crate) const AGENT_CHANNEL: Field = both(
    "qtrail.agent.channel",
    "`service` for `on_behalf_of`; `mcp` for `tool_call`; else `cli` or `ide`, by `userAgent`",
    Qtrail,
);
pub(crate) const AGENT_EVIDENCE: Field = both(
    "qtrail.agent.evidence",
    "what shows that the event is the agent's: `event_source` or `invoked_by`, which AWS wrote, or `user_agent`, which a client can forge; with `--assemble` also `cli_session`: another call of the same command-line session and person declares the agent",
    Qtrail,
);
pub(crate) const CONVERSATION_ID: Field = both(
    otel::GEN_AI_CONVERSATION_ID,
    "in Amazon Q's own events: `requestParameters.conversationId`, else `.conversationState.conversationId`, else `.telemetryEvent.*.conversationId`, else `responseElements.metadata.conversationId`, else `responseElements.conversationId`",
    Development,
);
pub(crate) const OPERATION_NAME: Field = both(
    otel::GEN_AI_OPERATION_NAME,
    "`chat`, `generate_content` or `execute_tool`, by class and `eventName`",
    Development,
);
pub(crate) const TOOL_NAME: Field = both(
    otel::GEN_AI_TOOL_NAME,
    "where the operation is `execute_tool`: for a `tool_call` the tool in its request, else `<service>:<eventName>`",
    Development,
);
pub(crate) const AGENT_NAME: Field = both(
    otel::GEN_AI_AGENT_NAME,
    "the agent that `userAgent` names; else `AWS DevOps Agent`, `AWS Transform`, or, where there is an operation of Amazon Q's, `Amazon Q Developer`",
    Development,
);
pub(crate) const AGENT_VERSION: Field = both(
    otel::GEN_AI_AGENT_VERSION,
    "the version beside the agent's name in `userAgent`",
    Development,
);
pub(crate) const AGENT_NAME_EVIDENCE: Field = both(
    "qtrail.agent.name_evidence",
    "`user_agent`, where only the client says that it is this agent, and other evidence shows whose event it is",
    Qtrail,
);
pub(crate) const PROVIDER_NAME: Field = both(
    otel::GEN_AI_PROVIDER_NAME,
    "`aws.q_developer`, or the configured name, where there is an operation of Amazon Q's",
    Development,
);
pub(crate) const REQUEST_MODEL: Field = both(
    otel::GEN_AI_REQUEST_MODEL,
    "`requestParameters.modelId`, else that of `.conversationState.currentMessage.userInputMessage`",
    Development,
);
pub(crate) const UTTERANCE_ID: Field = both(
    "aws.q.utterance.id",
    "`responseElements.metadata.utteranceId`",
    Qtrail,
);
pub(crate) const EXPIRATION_TIME: Field = both(
    "aws.q.conversation.expiration_time",
    "`responseElements.metadata.conversationExpirationTime`",
    Qtrail,
);
pub(crate) const RESULT_CODE: Field =
    both("aws.q.result.code", "`responseElements.resultCode`", Qtrail);
pub(crate) const RESULT_TYPE: Field = both(
    "aws.q.result.type",
    "`responseElements.result.type`",
    Qtrail,
);
pub(crate) const RESULT_FORMAT: Field = both(
    "aws.q.result.format",
    "`responseElements.result.format`",
    Qtrail,
);
pub(crate) const SOURCE: Field = both("aws.q.source", "`requestParameters.source`", Qtrail);
pub(crate) const ORIGIN: Field = both("aws.q.origin", "`requestParameters.Origin`", Qtrail);
pub(crate) const QUICK_ACTION: Field = both(
    "aws.q.quick_action",
    "`additionalEventData.quickAction`",
    Qtrail,
);
pub(crate) const DRY_RUN: Field = both(
    "aws.q.dry_run",
    "`requestParameters.dryRun`, as a boolean, in Amazon Q's own events and in `on_behalf_of`: a permission probe, nothing was done",
    Qtrail,
);
pub(crate) const CLIENT_NAME: Field = both(
    "aws.q.client.name",
    "in Amazon Q's own events `requestParameters.userContext.ideCategory`, else the client that `userAgent` names",
    Qtrail,
);
pub(crate) const CLIENT_VERSION: Field = both(
    "aws.q.client.version",
    "in Amazon Q's own events `requestParameters.userContext.ideVersion`, else the client's version in `userAgent`",
    Qtrail,
);
pub(crate) const CLIENT_OS: Field = both(
    "aws.q.client.os",
    "in Amazon Q's own events `requestParameters.userContext.operatingSystem`, else the system in `userAgent`",
    Qtrail,
);
pub(crate) const MASKED: Field = both(
    "aws.q.redacted",
    "JSON pointers of the values that AWS or another program masked (`***`, `HIDDEN_DUE_TO_SECURITY_REASONS`, also in brackets, `[REDACTED]`, `<REDACTED>`) or cut (`omitted: true`)",
    Qtrail,
);
pub(crate) const SESSION_TRACE_ID: Field = both(
    "qtrail.session.trace_id",
    "the trace of the person's session (hex), where the event is in another one",
    Qtrail,
);
pub(crate) const REDACTED: Field = both(
    "qtrail.redacted",
    "JSON pointers of the values that qtrail masked",
    Qtrail,
);
pub(crate) const UNREADABLE: Field = both(
    "qtrail.unreadable",
    "JSON pointers of the fields whose value is of a type that their row cannot take",
    Qtrail,
);
