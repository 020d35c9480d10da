//! Every attribute name, once, with its source and how settled it is.
//!
//! A name that `opentelemetry-semantic-conventions` has is taken from there. Where the
//! OpenTelemetry Collector's CloudTrail decoder (`awslogsencodingextension`) has a sane name, that
//! is ours. What qtrail derives is under `qtrail.`; what belongs to Amazon Q alone, under `aws.q.`.
#![expect(
    deprecated,
    reason = "the gen_ai names moved to a registry of their own; back ends read peer.service"
)]

use opentelemetry_semantic_conventions::attribute as otel;

use super::attributes::On::{Both, Log, Resource, Span};
use super::attributes::Stability::{Collector, Development, Qtrail, Stable};
use super::attributes::{Field, On, Stability};

const fn field(name: &'static str, on: On, from: &'static str, stability: Stability) -> Field {
    Field {
        name,
        on,
        from,
        stability,
    }
}

// The resource.

pub(crate) const SERVICE_NAME: Field = field(
    otel::SERVICE_NAME,
    Resource,
    "`amazon-q` for what Amazon Q did; for other events, and with `service_name: event-source`, `eventSource`; `unknown_service` where it is absent",
    Stable,
);
pub(crate) const SERVICE_NAMESPACE: Field = field(
    otel::SERVICE_NAMESPACE,
    Resource,
    "always `aws.cloudtrail`",
    Development,
);
pub(crate) const CLOUD_PROVIDER: Field =
    field(otel::CLOUD_PROVIDER, Resource, "always `aws`", Development);
pub(crate) const CLOUD_ACCOUNT_ID: Field = field(
    otel::CLOUD_ACCOUNT_ID,
    Resource,
    "`recipientAccountId`, else `userIdentity.accountId`",
    Development,
);
pub(crate) const CLOUD_REGION: Field =
    field(otel::CLOUD_REGION, Resource, "`awsRegion`", Development);

// The event.

pub(crate) const LOG_RECORD_UID: Field = field(otel::LOG_RECORD_UID, Log, "`eventID`", Development);
pub(crate) const EVENT_ID: Field = field("aws.cloudtrail.event_id", Both, "`eventID`", Collector);
pub(crate) const EVENT_NAME: Field =
    field("aws.cloudtrail.event_name", Both, "`eventName`", Qtrail);
pub(crate) const EVENT_SOURCE: Field =
    field("aws.cloudtrail.event_source", Both, "`eventSource`", Qtrail);
pub(crate) const EVENT_TYPE: Field =
    field("aws.cloudtrail.event_type", Both, "`eventType`", Qtrail);
pub(crate) const EVENT_VERSION: Field = field(
    "aws.cloudtrail.event_version",
    Both,
    "`eventVersion`",
    Collector,
);
pub(crate) const API_VERSION: Field = field(
    "aws.cloudtrail.api_version",
    Both,
    "`apiVersion`",
    Collector,
);
pub(crate) const EVENT_CATEGORY: Field =
    field("aws.event.category", Both, "`eventCategory`", Collector);
pub(crate) const READ_ONLY: Field = field(
    "aws.event.read_only",
    Both,
    "`readOnly`, as a boolean",
    Collector,
);
pub(crate) const MANAGEMENT: Field = field(
    "aws.event.management",
    Both,
    "`managementEvent`, as a boolean",
    Collector,
);
pub(crate) const REQUEST_ID: Field = field(otel::AWS_REQUEST_ID, Both, "`requestID`", Development);
pub(crate) const SHARED_EVENT_ID: Field =
    field("aws.shared_event_id", Both, "`sharedEventID`", Collector);
pub(crate) const VPC_ENDPOINT_ID: Field =
    field("aws.vpc_endpoint.id", Both, "`vpcEndpointId`", Qtrail);
pub(crate) const VPC_ENDPOINT_ACCOUNT_ID: Field = field(
    "aws.vpc_endpoint.account_id",
    Both,
    "`vpcEndpointAccountId`",
    Qtrail,
);
pub(crate) const RPC_SYSTEM_NAME: Field = field(
    otel::RPC_SYSTEM_NAME,
    Both,
    "`aws-api`, where `eventType` is `AwsApiCall`",
    Development,
);
pub(crate) const RPC_METHOD: Field = field(
    otel::RPC_METHOD,
    Both,
    "`<eventSource>/<eventName>`, where `eventType` is `AwsApiCall`",
    Development,
);
pub(crate) const SOURCE_ADDRESS: Field = field(
    otel::SOURCE_ADDRESS,
    Both,
    "`sourceIPAddress`, as it stands (it can be a host name)",
    Development,
);
pub(crate) const CLIENT_ADDRESS: Field = field(
    otel::CLIENT_ADDRESS,
    Both,
    "`sourceIPAddress`, where it is an IP address",
    Stable,
);
pub(crate) const OUTCOME: Field = field(
    "qtrail.outcome",
    Both,
    "`success`, `denied`, `error` or `dry_run`, by `errorCode` and `requestParameters.dryRun`",
    Qtrail,
);
pub(crate) const PEER_SERVICE: Field = field(
    otel::PEER_SERVICE,
    Span,
    "`eventSource`, on the spans of kind `CLIENT`",
    Development,
);
pub(crate) const USER_AGENT_ORIGINAL: Field =
    field(otel::USER_AGENT_ORIGINAL, Both, "`userAgent`", Stable);
pub(crate) const ERROR_TYPE: Field = field(otel::ERROR_TYPE, Both, "`errorCode`", Stable);
pub(crate) const ERROR_CODE: Field = field("aws.error.code", Both, "`errorCode`", Collector);
pub(crate) const ERROR_MESSAGE: Field =
    field("aws.error.message", Both, "`errorMessage`", Collector);
pub(crate) const TLS_PROTOCOL_VERSION: Field = field(
    otel::TLS_PROTOCOL_VERSION,
    Both,
    "`tlsDetails.tlsVersion`, without its `TLSv`",
    Development,
);
pub(crate) const TLS_CIPHER: Field = field(
    otel::TLS_CIPHER,
    Both,
    "`tlsDetails.cipherSuite`",
    Development,
);
pub(crate) const SERVER_ADDRESS: Field = field(
    otel::SERVER_ADDRESS,
    Both,
    "`tlsDetails.clientProvidedHostHeader`",
    Stable,
);
pub(crate) const SESSION_CONSOLE: Field = field(
    "aws.session.console",
    Both,
    "`sessionCredentialFromConsole`, as a boolean",
    Collector,
);

// Who: `userIdentity`.

pub(crate) const USER_ID: Field = field(
    otel::USER_ID,
    Both,
    "`userIdentity.onBehalfOf.userId`, else `.userId`, else `.principalId`",
    Development,
);
pub(crate) const ENDUSER_ID: Field = field(
    otel::ENDUSER_ID,
    Both,
    "`userIdentity.onBehalfOf.userId`, else `.sessionContext.sourceIdentity`, else `.userName`, else the assumed role's session name, else the last part of `.arn`",
    Development,
);
pub(crate) const USER_NAME: Field = field(
    otel::USER_NAME,
    Both,
    "the name that the `identities` file gives for `enduser.id`, else `userIdentity.userName`, else the last part of `.arn`",
    Development,
);
pub(crate) const USER_ROLES: Field = field(
    otel::USER_ROLES,
    Both,
    "`userIdentity.sessionContext.sessionIssuer.userName`, where the issuer's type is `Role` (array)",
    Development,
);
pub(crate) const PRINCIPAL_ID: Field = field(
    "aws.principal.id",
    Both,
    "`userIdentity.principalId`",
    Collector,
);
pub(crate) const PRINCIPAL_ARN: Field =
    field("aws.principal.arn", Both, "`userIdentity.arn`", Collector);
pub(crate) const PRINCIPAL_TYPE: Field =
    field("aws.principal.type", Both, "`userIdentity.type`", Collector);
pub(crate) const IDENTITY_ACCOUNT_ID: Field = field(
    "aws.user_identity.account_id",
    Both,
    "`userIdentity.accountId`",
    Collector,
);
pub(crate) const ACCESS_KEY_ID: Field = field(
    "aws.access_key.id",
    Both,
    "`userIdentity.accessKeyId`",
    Collector,
);
pub(crate) const CREDENTIAL_ID: Field = field(
    "aws.user_identity.credential_id",
    Both,
    "`userIdentity.credentialId`",
    Qtrail,
);
pub(crate) const IDENTITY_STORE_ARN: Field = field(
    "aws.identity_store.arn",
    Both,
    "`userIdentity.onBehalfOf.identityStoreArn`, else `.identityStoreArn`",
    Collector,
);
pub(crate) const IDENTITY_PROVIDER: Field = field(
    "aws.user_identity.identity_provider",
    Both,
    "`userIdentity.identityProvider`",
    Qtrail,
);
pub(crate) const INVOKED_BY: Field = field(
    "aws.user_identity.invoked_by",
    Both,
    "the invoking service: `userIdentity.invokedBy`, else `.sessionContext.invokedBy`",
    Collector,
);
pub(crate) const MFA_AUTHENTICATED: Field = field(
    "aws.user_identity.session_context.attributes.mfa_authenticated",
    Both,
    "`userIdentity.sessionContext.attributes.mfaAuthenticated`, as a boolean",
    Collector,
);
pub(crate) const CREATION_DATE: Field = field(
    "aws.user_identity.session_context.attributes.creation_date",
    Both,
    "`userIdentity.sessionContext.attributes.creationDate`",
    Collector,
);
pub(crate) const ISSUER_TYPE: Field = field(
    "aws.user_identity.session_context.issuer.type",
    Both,
    "`userIdentity.sessionContext.sessionIssuer.type`",
    Collector,
);
pub(crate) const ISSUER_PRINCIPAL_ID: Field = field(
    "aws.user_identity.session_context.issuer.principal_id",
    Both,
    "`userIdentity.sessionContext.sessionIssuer.principalId`",
    Collector,
);
pub(crate) const ISSUER_ARN: Field = field(
    "aws.user_identity.session_context.issuer.arn",
    Both,
    "`userIdentity.sessionContext.sessionIssuer.arn`",
    Collector,
);
pub(crate) const ISSUER_ACCOUNT_ID: Field = field(
    "aws.user_identity.session_context.issuer.account_id",
    Both,
    "`userIdentity.sessionContext.sessionIssuer.accountId`",
    Collector,
);
pub(crate) const ISSUER_USER_NAME: Field = field(
    "aws.user_identity.session_context.issuer.user_name",
    Both,
    "`userIdentity.sessionContext.sessionIssuer.userName`",
    Collector,
);
pub(crate) const SOURCE_IDENTITY: Field = field(
    "aws.user_identity.session_context.source_identity",
    Both,
    "`userIdentity.sessionContext.sourceIdentity`",
    Qtrail,
);
pub(crate) const FEDERATED_PROVIDER: Field = field(
    "aws.user_identity.session_context.web_id.federated_provider",
    Both,
    "`userIdentity.sessionContext.webIdFederationData.federatedProvider`",
    Qtrail,
);
pub(crate) const ROLE_SESSION_NAME: Field = field(
    "aws.role_session.name",
    Both,
    "`userIdentity.arn` of an assumed role: the part after the role's name",
    Qtrail,
);
pub(crate) const IDENTITY_CLASS: Field = field(
    "qtrail.identity.class",
    Both,
    "`userIdentity.type`: `root`, `iam_user`, `assumed_role`, `federated_user`, `identity_center_user`, `web_identity_user`, `saml_user`, `directory_user`, `aws_account`, `aws_service`, `unknown`",
    Qtrail,
);
pub(crate) const CREDENTIAL_KIND: Field = field(
    "qtrail.credential.kind",
    Both,
    "`userIdentity.type` and the first letters of `.accessKeyId`: `root`, `long_term`, `temporary`, `service`",
    Qtrail,
);
pub(crate) const INVOKED_BY_SERVICE: Field = field(
    "qtrail.invoked_by_service",
    Both,
    "whether there is an invoking service (boolean)",
    Qtrail,
);

// Amazon Q.

pub(crate) const EVENT_CLASS: Field = field(
    "qtrail.event.class",
    Both,
    "`conversation`, `pass_request`, `on_behalf_of`, `agent_call`, `code`, `telemetry`, `administration` or `other`, by `eventSource` and `eventName`, then the invoking service, then `userAgent`",
    Qtrail,
);
pub(crate) const AGENT_CHANNEL: Field = field(
    "qtrail.agent.channel",
    Both,
    "`service` for `on_behalf_of`; `cli` or `ide` for `agent_call`",
    Qtrail,
);
pub(crate) const AGENT_EVIDENCE: Field = field(
    "qtrail.agent.evidence",
    Both,
    "`invoked_by` for `on_behalf_of`; `user_agent`, which a client can forge, for `agent_call`",
    Qtrail,
);
pub(crate) const CONVERSATION_ID: Field = field(
    otel::GEN_AI_CONVERSATION_ID,
    Both,
    "`requestParameters.conversationId`, else `.conversationState.conversationId`, else `.telemetryEvent.*.conversationId`, else `responseElements.metadata.conversationId`, else `responseElements.conversationId`",
    Development,
);
pub(crate) const OPERATION_NAME: Field = field(
    otel::GEN_AI_OPERATION_NAME,
    Both,
    "`chat`, `generate_content` or `execute_tool`, by class and `eventName`",
    Development,
);
pub(crate) const TOOL_NAME: Field = field(
    otel::GEN_AI_TOOL_NAME,
    Both,
    "`<service>:<eventName>`, where the operation is `execute_tool`",
    Development,
);
pub(crate) const AGENT_NAME: Field = field(
    otel::GEN_AI_AGENT_NAME,
    Both,
    "`Amazon Q Developer`, where there is an operation",
    Development,
);
pub(crate) const PROVIDER_NAME: Field = field(
    otel::GEN_AI_PROVIDER_NAME,
    Both,
    "`aws.q_developer`, or what the configuration says, where there is an operation",
    Development,
);
pub(crate) const REQUEST_MODEL: Field = field(
    otel::GEN_AI_REQUEST_MODEL,
    Both,
    "`requestParameters.modelId`, else that of `.conversationState.currentMessage.userInputMessage`",
    Development,
);
pub(crate) const UTTERANCE_ID: Field = field(
    "aws.q.utterance.id",
    Both,
    "`responseElements.metadata.utteranceId`",
    Qtrail,
);
pub(crate) const EXPIRATION_TIME: Field = field(
    "aws.q.conversation.expiration_time",
    Both,
    "`responseElements.metadata.conversationExpirationTime`",
    Qtrail,
);
pub(crate) const RESULT_CODE: Field = field(
    "aws.q.result.code",
    Both,
    "`responseElements.resultCode`",
    Qtrail,
);
pub(crate) const RESULT_TYPE: Field = field(
    "aws.q.result.type",
    Both,
    "`responseElements.result.type`",
    Qtrail,
);
pub(crate) const RESULT_FORMAT: Field = field(
    "aws.q.result.format",
    Both,
    "`responseElements.result.format`",
    Qtrail,
);
pub(crate) const SOURCE: Field = field("aws.q.source", Both, "`requestParameters.source`", Qtrail);
pub(crate) const ORIGIN: Field = field("aws.q.origin", Both, "`requestParameters.Origin`", Qtrail);
pub(crate) const QUICK_ACTION: Field = field(
    "aws.q.quick_action",
    Both,
    "`additionalEventData.quickAction`",
    Qtrail,
);
pub(crate) const DRY_RUN: Field = field(
    "aws.q.dry_run",
    Both,
    "`requestParameters.dryRun`, as a boolean: a permission probe, nothing was done",
    Qtrail,
);
pub(crate) const CLIENT_NAME: Field = field(
    "aws.q.client.name",
    Both,
    "`requestParameters.userContext.ideCategory`, else the client that `userAgent` names",
    Qtrail,
);
pub(crate) const CLIENT_VERSION: Field = field(
    "aws.q.client.version",
    Both,
    "`requestParameters.userContext.ideVersion`, else the client's version in `userAgent`",
    Qtrail,
);
pub(crate) const CLIENT_OS: Field = field(
    "aws.q.client.os",
    Both,
    "`requestParameters.userContext.operatingSystem`, else the system in `userAgent`",
    Qtrail,
);
pub(crate) const MASKED: Field = field(
    "aws.q.redacted",
    Both,
    "JSON pointers of the values that AWS masked (`***`, `HIDDEN_DUE_TO_SECURITY_REASONS`) or cut (`omitted: true`)",
    Qtrail,
);
pub(crate) const SESSION_TRACE_ID: Field = field(
    "qtrail.session.trace_id",
    Both,
    "the trace of the person's session (hex), where the event is in another one",
    Qtrail,
);
pub(crate) const REDACTED: Field = field(
    "qtrail.redacted",
    Both,
    "JSON pointers of the values that qtrail masked",
    Qtrail,
);

// The objects.

pub(crate) const REQUEST_PARAMETERS: Field = field(
    "aws.request.parameters",
    Log,
    "`requestParameters`, with `maps: true`",
    Collector,
);
pub(crate) const RESPONSE_ELEMENTS: Field = field(
    "aws.response.elements",
    Log,
    "`responseElements`, with `maps: true`",
    Collector,
);
pub(crate) const ADDITIONAL_EVENT_DATA: Field = field(
    "aws.cloudtrail.additional_event_data",
    Log,
    "`additionalEventData`, with `maps: true`",
    Collector,
);
pub(crate) const SERVICE_EVENT_DETAILS: Field = field(
    "aws.cloudtrail.service_event_details",
    Log,
    "`serviceEventDetails`, with `maps: true`",
    Qtrail,
);
pub(crate) const EVENT_CONTEXT: Field = field(
    "aws.cloudtrail.event_context",
    Log,
    "`eventContext`, with `maps: true`",
    Qtrail,
);
pub(crate) const ADDENDUM: Field = field(
    "aws.cloudtrail.addendum",
    Log,
    "`addendum`, with `maps: true`",
    Qtrail,
);
pub(crate) const INSIGHT_DETAILS: Field = field(
    "aws.insight_details",
    Log,
    "`insightDetails`, with `maps: true`",
    Collector,
);
pub(crate) const RESOURCES: Field = field(
    "aws.resources",
    Log,
    "`resources`: array of maps `{account.id, type, arn}`, with `maps: true`",
    Collector,
);
pub(crate) const UNMAPPED: Field = field(
    "aws.cloudtrail.unmapped",
    Log,
    "with `body: none`: each field without a row, or of a type that its row cannot take, under its own name",
    Qtrail,
);

/// Every row of the mapping, in the order in which the attributes are said.
pub static FIELDS: &[Field] = &[
    SERVICE_NAME,
    SERVICE_NAMESPACE,
    CLOUD_PROVIDER,
    CLOUD_ACCOUNT_ID,
    CLOUD_REGION,
    LOG_RECORD_UID,
    EVENT_ID,
    EVENT_NAME,
    EVENT_SOURCE,
    EVENT_TYPE,
    EVENT_VERSION,
    API_VERSION,
    EVENT_CATEGORY,
    READ_ONLY,
    MANAGEMENT,
    REQUEST_ID,
    SHARED_EVENT_ID,
    VPC_ENDPOINT_ID,
    VPC_ENDPOINT_ACCOUNT_ID,
    RPC_SYSTEM_NAME,
    RPC_METHOD,
    SOURCE_ADDRESS,
    CLIENT_ADDRESS,
    OUTCOME,
    PEER_SERVICE,
    USER_AGENT_ORIGINAL,
    ERROR_TYPE,
    ERROR_CODE,
    ERROR_MESSAGE,
    TLS_PROTOCOL_VERSION,
    TLS_CIPHER,
    SERVER_ADDRESS,
    SESSION_CONSOLE,
    USER_ID,
    ENDUSER_ID,
    USER_NAME,
    USER_ROLES,
    PRINCIPAL_ID,
    PRINCIPAL_ARN,
    PRINCIPAL_TYPE,
    IDENTITY_ACCOUNT_ID,
    ACCESS_KEY_ID,
    CREDENTIAL_ID,
    IDENTITY_STORE_ARN,
    IDENTITY_PROVIDER,
    INVOKED_BY,
    MFA_AUTHENTICATED,
    CREATION_DATE,
    ISSUER_TYPE,
    ISSUER_PRINCIPAL_ID,
    ISSUER_ARN,
    ISSUER_ACCOUNT_ID,
    ISSUER_USER_NAME,
    SOURCE_IDENTITY,
    FEDERATED_PROVIDER,
    ROLE_SESSION_NAME,
    IDENTITY_CLASS,
    CREDENTIAL_KIND,
    INVOKED_BY_SERVICE,
    EVENT_CLASS,
    AGENT_CHANNEL,
    AGENT_EVIDENCE,
    CONVERSATION_ID,
    OPERATION_NAME,
    TOOL_NAME,
    AGENT_NAME,
    PROVIDER_NAME,
    REQUEST_MODEL,
    UTTERANCE_ID,
    EXPIRATION_TIME,
    RESULT_CODE,
    RESULT_TYPE,
    RESULT_FORMAT,
    SOURCE,
    ORIGIN,
    QUICK_ACTION,
    DRY_RUN,
    CLIENT_NAME,
    CLIENT_VERSION,
    CLIENT_OS,
    MASKED,
    SESSION_TRACE_ID,
    REDACTED,
    REQUEST_PARAMETERS,
    RESPONSE_ELEMENTS,
    ADDITIONAL_EVENT_DATA,
    SERVICE_EVENT_DETAILS,
    EVENT_CONTEXT,
    ADDENDUM,
    INSIGHT_DETAILS,
    RESOURCES,
    UNMAPPED,
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md");
    const BEGIN: &str = "<!-- the tables: written from the code by UPDATE_DOCS=1 cargo test -->\n";
    const END: &str = "<!-- the end of the tables -->\n";

    /// The first row of each table.
    const TABLES: &[(&str, Field)] = &[
        ("Resource", SERVICE_NAME),
        ("The call", LOG_RECORD_UID),
        ("Who called (`userIdentity`)", USER_ID),
        ("Amazon Q", EVENT_CLASS),
        ("The objects", REQUEST_PARAMETERS),
    ];

    fn tables() -> String {
        let mut out = String::new();
        for field in FIELDS {
            if let Some((title, _)) = TABLES.iter().find(|(_, first)| first == field) {
                out += &format!(
                    "\n### {title}\n\n| attribute | from | on | name |\n| --- | --- | --- | --- |\n"
                );
            }
            out += &format!(
                "| `{}` | {} | {} | {} |\n",
                field.name,
                field.from,
                match field.on {
                    Both => "both",
                    Log => "log",
                    Span => "span",
                    Resource => "resource",
                },
                match field.stability {
                    Stable => "stable",
                    Development => "in development",
                    Collector => "the Collector's",
                    Qtrail => "qtrail's",
                },
            );
        }
        out + "\n"
    }

    #[test]
    fn the_page_shows_the_tables_of_the_code() {
        let page = fs::read_to_string(PAGE).expect("docs/mapping.md");
        let (before, rest) = page.split_once(BEGIN).expect("where the tables begin");
        let (shown, after) = rest.split_once(END).expect("where the tables end");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let page = [before, BEGIN, &tables(), END, after].concat();
            fs::write(PAGE, page).expect("docs/mapping.md");
        } else {
            assert_eq!(shown, tables(), "UPDATE_DOCS=1 cargo test writes the page");
        }
    }
}
