//! Attribute names of the resource and of the call itself.
#![expect(deprecated, reason = "back ends read peer.service")]

use opentelemetry_semantic_conventions::attribute as otel;

use super::{both, field, log, resource};
use crate::convert::attributes::Stability::{Collector, Development, Qtrail, Stable};
use crate::convert::attributes::{Field, On};

pub(crate) const SERVICE_NAME: Field = resource(
    otel::SERVICE_NAME,
    "`amazon-q` for what Amazon Q and Kiro did; another name for each other agent, such as `aws-mcp`; for other events, and with `service_name: event-source`, `eventSource`; `unknown_service` where it is absent",
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
pub(crate) const EXTENDED_REQUEST_ID: Field = both(
    otel::AWS_EXTENDED_REQUEST_ID,
    "`additionalEventData.x-amz-id-2`, else `.ExtendedRequestId`",
    Development,
);
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
    "`success`, `denied`, `error` or `dry_run`, by `errorCode`, `errorMessage`, a sign-in's result and, if there is one, `aws.q.dry_run`",
    Qtrail,
);
pub(crate) const PEER_SERVICE: Field = field(
    On::Span,
    otel::PEER_SERVICE,
    "`eventSource` without `.amazonaws.com`, on the spans of kind `CLIENT`",
    Development,
);
pub(crate) const SERVICE_PEER_NAME: Field = field(
    On::Span,
    otel::SERVICE_PEER_NAME,
    "as `peer.service`, which it replaces",
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
pub(crate) const TLS_CURVE: Field = both(otel::TLS_CURVE, "`tlsDetails.keyExchange`", Development);
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
