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

use super::attributes::Stability::{Collector, Development, Qtrail, Stable};
use super::attributes::{Field, On, Stability};

const fn both(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Both, name, from, stability)
}

const fn log(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Log, name, from, stability)
}

const fn resource(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Resource, name, from, stability)
}

const fn field(on: On, name: &'static str, from: &'static str, stability: Stability) -> Field {
    Field {
        name,
        on,
        from,
        stability,
    }
}

// The resource.

pub(crate) const SERVICE_NAME: Field = resource(
    otel::SERVICE_NAME,
    "`amazon-q` for what Amazon Q did; for other events, and with `service_name: event-source`, `eventSource`; `unknown_service` where it is absent",
    Stable,
);
pub(crate) const SERVICE_NAMESPACE: Field = resource(
    otel::SERVICE_NAMESPACE,
    "always `aws.cloudtrail`",
    Development,
);
pub(crate) const CLOUD_PROVIDER: Field =
    resource(otel::CLOUD_PROVIDER, "always `aws`", Development);
pub(crate) const CLOUD_ACCOUNT_ID: Field = resource(
    otel::CLOUD_ACCOUNT_ID,
    "`recipientAccountId`, else `userIdentity.accountId`",
    Development,
);
pub(crate) const CLOUD_REGION: Field = resource(otel::CLOUD_REGION, "`awsRegion`", Development);

// The event.

pub(crate) const LOG_RECORD_UID: Field = log(otel::LOG_RECORD_UID, "`eventID`", Development);
pub(crate) const EVENT_ID: Field = both("aws.cloudtrail.event_id", "`eventID`", Collector);
pub(crate) const EVENT_NAME: Field = both("aws.cloudtrail.event_name", "`eventName`", Qtrail);
pub(crate) const EVENT_SOURCE: Field = both("aws.cloudtrail.event_source", "`eventSource`", Qtrail);
pub(crate) const EVENT_TYPE: Field = both("aws.cloudtrail.event_type", "`eventType`", Qtrail);
pub(crate) const EVENT_VERSION: Field =
    both("aws.cloudtrail.event_version", "`eventVersion`", Collector);
pub(crate) const API_VERSION: Field = both("aws.cloudtrail.api_version", "`apiVersion`", Collector);
pub(crate) const EVENT_CATEGORY: Field = both("aws.event.category", "`eventCategory`", Collector);
pub(crate) const READ_ONLY: Field =
    both("aws.event.read_only", "`readOnly`, as a boolean", Collector);
pub(crate) const MANAGEMENT: Field = both(
    "aws.event.management",
    "`managementEvent`, as a boolean",
    Collector,
);
pub(crate) const REQUEST_ID: Field = both(otel::AWS_REQUEST_ID, "`requestID`", Development);
pub(crate) const SHARED_EVENT_ID: Field = both("aws.shared_event_id", "`sharedEventID`", Collector);
pub(crate) const VPC_ENDPOINT_ID: Field = both("aws.vpc_endpoint.id", "`vpcEndpointId`", Qtrail);
pub(crate) const VPC_ENDPOINT_ACCOUNT_ID: Field = both(
    "aws.vpc_endpoint.account_id",
    "`vpcEndpointAccountId`",
    Qtrail,
);
pub(crate) const ORGANIZATION_ID: Field = log(
    "aws.organization.id",
    "the path of the file or object, where an organization's trail wrote it: `AWSLogs/o-…/<account>/CloudTrail/`",
    Qtrail,
);
pub(crate) const RPC_SYSTEM_NAME: Field = both(
    otel::RPC_SYSTEM_NAME,
    "`aws-api`, where `eventType` is `AwsApiCall`",
    Development,
);
pub(crate) const RPC_METHOD: Field = both(
    otel::RPC_METHOD,
    "`<eventSource>/<eventName>`, where `eventType` is `AwsApiCall`",
    Development,
);
pub(crate) const SOURCE_ADDRESS: Field = both(
    otel::SOURCE_ADDRESS,
    "`sourceIPAddress`, as it stands (it can be a host name)",
    Development,
);
pub(crate) const CLIENT_ADDRESS: Field = both(
    otel::CLIENT_ADDRESS,
    "`sourceIPAddress`, where it is an IP address; the first one of a list",
    Stable,
);
pub(crate) const OUTCOME: Field = both(
    "qtrail.outcome",
    "`success`, `denied`, `error` or `dry_run`, by `errorCode`, `errorMessage`, a sign-in's result and, where `aws.q.dry_run` is said, by that",
    Qtrail,
);
pub(crate) const PEER_SERVICE: Field = field(
    On::Span,
    otel::PEER_SERVICE,
    "`eventSource`, on the spans of kind `CLIENT`",
    Development,
);
pub(crate) const USER_AGENT_ORIGINAL: Field =
    both(otel::USER_AGENT_ORIGINAL, "`userAgent`", Stable);
pub(crate) const ERROR_TYPE: Field = both(
    otel::ERROR_TYPE,
    "`errorCode`, where it is the code of an error",
    Stable,
);
pub(crate) const ERROR_CODE: Field = both("aws.error.code", "`errorCode`", Collector);
pub(crate) const ERROR_MESSAGE: Field = both("aws.error.message", "`errorMessage`", Collector);
pub(crate) const TLS_PROTOCOL_VERSION: Field = both(
    otel::TLS_PROTOCOL_VERSION,
    "`tlsDetails.tlsVersion`, without its `TLSv`",
    Development,
);
pub(crate) const TLS_CIPHER: Field =
    both(otel::TLS_CIPHER, "`tlsDetails.cipherSuite`", Development);
pub(crate) const SERVER_ADDRESS: Field = both(
    otel::SERVER_ADDRESS,
    "`tlsDetails.clientProvidedHostHeader`",
    Stable,
);
pub(crate) const SESSION_CONSOLE: Field = both(
    "aws.session.console",
    "`sessionCredentialFromConsole`, as a boolean",
    Collector,
);

// Who: `userIdentity`.

pub(crate) const USER_ID: Field = both(
    otel::USER_ID,
    "`userIdentity.onBehalfOf.userId`, else `.userId`, else `.principalId`",
    Development,
);
pub(crate) const ENDUSER_ID: Field = both(
    otel::ENDUSER_ID,
    "`userIdentity.onBehalfOf.userId`, else an Identity Center user's `.userId`, else `.sessionContext.sourceIdentity`, else `.userName`, else the assumed role's session name, else the last part of `.arn`, else the part of `.principalId` after its last colon (roles, federated, SAML and web identity users), else `.userId`, else `additionalEventData.UserName`; never a value that AWS masked",
    Development,
);
pub(crate) const USER_NAME: Field = both(
    otel::USER_NAME,
    "the name that the `identities` file gives for `enduser.id`, else `userIdentity.userName`, else the last part of `.arn`",
    Development,
);
pub(crate) const USER_ROLES: Field = both(
    otel::USER_ROLES,
    "`userIdentity.sessionContext.sessionIssuer.userName`, where the issuer's type is `Role` (array)",
    Development,
);
pub(crate) const PRINCIPAL_ID: Field =
    both("aws.principal.id", "`userIdentity.principalId`", Collector);
pub(crate) const PRINCIPAL_ARN: Field = both("aws.principal.arn", "`userIdentity.arn`", Collector);
pub(crate) const PRINCIPAL_TYPE: Field =
    both("aws.principal.type", "`userIdentity.type`", Collector);
pub(crate) const IDENTITY_ACCOUNT_ID: Field = both(
    "aws.user_identity.account_id",
    "`userIdentity.accountId`",
    Collector,
);
pub(crate) const ACCESS_KEY_ID: Field =
    both("aws.access_key.id", "`userIdentity.accessKeyId`", Collector);
pub(crate) const CREDENTIAL_ID: Field = both(
    "aws.user_identity.credential_id",
    "`userIdentity.credentialId`",
    Qtrail,
);
pub(crate) const IDENTITY_STORE_ARN: Field = both(
    "aws.identity_store.arn",
    "`userIdentity.onBehalfOf.identityStoreArn`, else `.identityStoreArn`",
    Collector,
);
pub(crate) const IDENTITY_PROVIDER: Field = both(
    "aws.user_identity.identity_provider",
    "`userIdentity.identityProvider`",
    Qtrail,
);
pub(crate) const INVOKED_BY: Field = both(
    "aws.user_identity.invoked_by",
    "the invoking service: `userIdentity.invokedBy`, else `.sessionContext.invokedBy`",
    Collector,
);
pub(crate) const MFA_AUTHENTICATED: Field = both(
    "aws.user_identity.session_context.attributes.mfa_authenticated",
    "`userIdentity.sessionContext.attributes.mfaAuthenticated`, as a boolean",
    Collector,
);
pub(crate) const CREATION_DATE: Field = both(
    "aws.user_identity.session_context.attributes.creation_date",
    "`userIdentity.sessionContext.attributes.creationDate`",
    Collector,
);
pub(crate) const ISSUER_TYPE: Field = both(
    "aws.user_identity.session_context.issuer.type",
    "`userIdentity.sessionContext.sessionIssuer.type`",
    Collector,
);
pub(crate) const ISSUER_PRINCIPAL_ID: Field = both(
    "aws.user_identity.session_context.issuer.principal_id",
    "`userIdentity.sessionContext.sessionIssuer.principalId`",
    Collector,
);
pub(crate) const ISSUER_ARN: Field = both(
    "aws.user_identity.session_context.issuer.arn",
    "`userIdentity.sessionContext.sessionIssuer.arn`",
    Collector,
);
pub(crate) const ISSUER_ACCOUNT_ID: Field = both(
    "aws.user_identity.session_context.issuer.account_id",
    "`userIdentity.sessionContext.sessionIssuer.accountId`",
    Collector,
);
pub(crate) const ISSUER_USER_NAME: Field = both(
    "aws.user_identity.session_context.issuer.user_name",
    "`userIdentity.sessionContext.sessionIssuer.userName`",
    Collector,
);
pub(crate) const SOURCE_IDENTITY: Field = both(
    "aws.user_identity.session_context.source_identity",
    "`userIdentity.sessionContext.sourceIdentity`",
    Qtrail,
);
pub(crate) const FEDERATED_PROVIDER: Field = both(
    "aws.user_identity.session_context.web_id.federated_provider",
    "`userIdentity.sessionContext.webIdFederationData.federatedProvider`",
    Qtrail,
);
pub(crate) const ROLE_SESSION_NAME: Field = both(
    "aws.role_session.name",
    "`userIdentity.arn` of an assumed role: the part after the role's name",
    Qtrail,
);
pub(crate) const IDENTITY_CLASS: Field = both(
    "qtrail.identity.class",
    "`userIdentity.type`: `root`, `iam_user`, `assumed_role`, `federated_user`, `identity_center_user`, `web_identity_user`, `saml_user`, `directory_user`, `aws_account`, `aws_service`, `unknown`",
    Qtrail,
);
pub(crate) const CREDENTIAL_KIND: Field = both(
    "qtrail.credential.kind",
    "`userIdentity.type` and the first letters of `.accessKeyId`: `root`, `long_term`, `temporary`, `service`",
    Qtrail,
);
pub(crate) const INVOKED_BY_SERVICE: Field = both(
    "qtrail.invoked_by_service",
    "whether there is an invoking service (boolean)",
    Qtrail,
);

// Amazon Q.

pub(crate) const EVENT_CLASS: Field = both(
    "qtrail.event.class",
    "`conversation`, `pass_request`, `on_behalf_of`, `agent_call`, `code`, `telemetry`, `administration` or `other`, by `eventSource` and `eventName`, then the invoking service, then `userAgent`",
    Qtrail,
);
pub(crate) const AGENT_CHANNEL: Field = both(
    "qtrail.agent.channel",
    "`service` for `on_behalf_of`; `cli` or `ide` for `agent_call`",
    Qtrail,
);
pub(crate) const AGENT_EVIDENCE: Field = both(
    "qtrail.agent.evidence",
    "`invoked_by` for `on_behalf_of`; `user_agent`, which a client can forge, for `agent_call`",
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
    "`<service>:<eventName>`, where the operation is `execute_tool`",
    Development,
);
pub(crate) const AGENT_NAME: Field = both(
    otel::GEN_AI_AGENT_NAME,
    "`Amazon Q Developer`, where there is an operation",
    Development,
);
pub(crate) const PROVIDER_NAME: Field = both(
    otel::GEN_AI_PROVIDER_NAME,
    "`aws.q_developer`, or what the configuration says, where there is an operation",
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
    "JSON pointers of the values that AWS masked (`***`, `HIDDEN_DUE_TO_SECURITY_REASONS`) or cut (`omitted: true`)",
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
    "JSON pointers of the fields that say something, but of a type that their row cannot take",
    Qtrail,
);

// The objects.

pub(crate) const REQUEST_PARAMETERS: Field = log(
    "aws.request.parameters",
    "`requestParameters`, with `maps: true`",
    Collector,
);
pub(crate) const RESPONSE_ELEMENTS: Field = log(
    "aws.response.elements",
    "`responseElements`, with `maps: true`",
    Collector,
);
pub(crate) const ADDITIONAL_EVENT_DATA: Field = log(
    "aws.cloudtrail.additional_event_data",
    "`additionalEventData`, with `maps: true`",
    Collector,
);
pub(crate) const SERVICE_EVENT_DETAILS: Field = log(
    "aws.cloudtrail.service_event_details",
    "`serviceEventDetails`, with `maps: true`",
    Qtrail,
);
pub(crate) const EVENT_CONTEXT: Field = log(
    "aws.cloudtrail.event_context",
    "`eventContext`, with `maps: true`",
    Qtrail,
);
pub(crate) const ADDENDUM: Field = log(
    "aws.cloudtrail.addendum",
    "`addendum`, with `maps: true`",
    Qtrail,
);
pub(crate) const INSIGHT_DETAILS: Field = log(
    "aws.insight_details",
    "`insightDetails`, with `maps: true`",
    Collector,
);
pub(crate) const RESOURCES: Field = log(
    "aws.resources",
    "`resources`: array of maps `{account.id, type, arn}`, with `maps: true`",
    Collector,
);
pub(crate) const UNMAPPED: Field = log(
    "aws.cloudtrail.unmapped",
    "with `body: none`: each field without a row, or of a type that its row cannot take, under its own name",
    Qtrail,
);
