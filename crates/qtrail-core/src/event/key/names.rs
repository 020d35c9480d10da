//! The names of fields, by the object that they are in.

use super::Key;

/// The fields of an object, by their names.
pub(in crate::event) type Table = fn(&[u8]) -> Option<Key>;

/// The table of the object under a key.
pub(in crate::event) fn below(key: Key) -> Option<Table> {
    Some(match key {
        Key::UserIdentity => of_user_identity,
        Key::InvokedByDelegate => of_delegate,
        Key::OnBehalfOf => of_on_behalf_of,
        Key::SessionContext => of_session_context,
        Key::Attributes => of_attributes,
        Key::SessionIssuer => of_session_issuer,
        Key::WebIdFederationData => of_web_id,
        Key::TlsDetails => of_tls_details,
        Key::McpEventDetails => of_mcp_details,
        Key::RequestParameters => of_request,
        Key::ConversationState => of_conversation_state,
        Key::CurrentMessage => of_current_message,
        Key::UserInputMessage => of_user_input_message,
        Key::TelemetryEvent => of_telemetry_event,
        Key::TelemetryKind => of_telemetry_kind,
        Key::UserContext => of_user_context,
        Key::ResponseElements => of_response,
        Key::Metadata => of_metadata,
        Key::Result => of_result,
        Key::AdditionalEventData => of_additional,
        _ => return None,
    })
}

pub(super) fn of_record(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"additionalEventData" => Key::AdditionalEventData,
        b"addendum" => Key::Addendum,
        b"apiVersion" => Key::ApiVersion,
        b"awsRegion" => Key::AwsRegion,
        b"errorCode" => Key::ErrorCode,
        b"errorMessage" => Key::ErrorMessage,
        b"eventCategory" => Key::EventCategory,
        b"eventContext" => Key::EventContext,
        // Some services write it so.
        b"eventID" | b"eventId" => Key::EventId,
        b"eventName" => Key::EventName,
        b"eventSource" => Key::EventSource,
        b"eventTime" => Key::EventTime,
        b"eventType" => Key::EventType,
        b"eventVersion" => Key::EventVersion,
        b"insightDetails" => Key::InsightDetails,
        b"managementEvent" => Key::ManagementEvent,
        b"mcpEventDetails" => Key::McpEventDetails,
        b"readOnly" => Key::ReadOnly,
        b"recipientAccountId" => Key::RecipientAccountId,
        b"requestID" | b"requestId" => Key::RequestId,
        b"requestParameters" => Key::RequestParameters,
        b"resources" => Key::Resources,
        b"responseElements" => Key::ResponseElements,
        b"serviceEventDetails" => Key::ServiceEventDetails,
        b"sessionCredentialFromConsole" => Key::SessionCredentialFromConsole,
        b"sharedEventID" => Key::SharedEventId,
        b"sourceIPAddress" => Key::SourceIpAddress,
        b"tlsDetails" => Key::TlsDetails,
        b"userAgent" => Key::UserAgent,
        b"userIdentity" => Key::UserIdentity,
        b"vpcEndpointAccountId" => Key::VpcEndpointAccountId,
        b"vpcEndpointId" => Key::VpcEndpointId,
        _ => return None,
    })
}

fn of_tls_details(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"cipherSuite" => Key::CipherSuite,
        b"clientProvidedHostHeader" => Key::ClientProvidedHostHeader,
        b"keyExchange" => Key::TlsKeyExchange,
        b"tlsVersion" => Key::TlsVersion,
        _ => return None,
    })
}

fn of_mcp_details(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"executionTimeMs" => Key::McpExecutionTime,
        b"mcpProtocolVersion" => Key::McpProtocolVersion,
        b"mcpServerName" => Key::McpServerName,
        b"serverVersion" => Key::McpServerVersion,
        b"sessionId" => Key::McpSessionId,
        _ => return None,
    })
}

fn of_user_identity(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"accessKeyId" => Key::AccessKeyId,
        b"accountId" => Key::AccountId,
        b"arn" => Key::Arn,
        b"credentialId" => Key::CredentialId,
        b"identityProvider" => Key::IdentityProvider,
        b"identityStoreArn" => Key::IdentityStoreArn,
        b"invokedBy" => Key::InvokedBy,
        b"invokedByDelegate" => Key::InvokedByDelegate,
        b"onBehalfOf" => Key::OnBehalfOf,
        b"principalId" => Key::PrincipalId,
        b"sessionContext" => Key::SessionContext,
        b"type" => Key::Type,
        b"userId" => Key::UserId,
        b"userName" => Key::UserName,
        _ => return None,
    })
}

fn of_delegate(name: &[u8]) -> Option<Key> {
    (name == b"accountId").then_some(Key::DelegateAccountId)
}

fn of_on_behalf_of(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"identityStoreArn" => Key::OnBehalfOfIdentityStoreArn,
        b"userId" => Key::OnBehalfOfUserId,
        _ => return None,
    })
}

fn of_session_context(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"attributes" => Key::Attributes,
        b"invokedBy" => Key::SessionInvokedBy,
        b"sessionIssuer" => Key::SessionIssuer,
        b"signInSessionArn" => Key::SignInSessionArn,
        b"sourceIdentity" => Key::SourceIdentity,
        b"webIdFederationData" => Key::WebIdFederationData,
        _ => return None,
    })
}

fn of_attributes(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"creationDate" => Key::CreationDate,
        b"mfaAuthenticated" => Key::MfaAuthenticated,
        _ => return None,
    })
}

fn of_session_issuer(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"accountId" => Key::IssuerAccountId,
        b"arn" => Key::IssuerArn,
        b"principalId" => Key::IssuerPrincipalId,
        b"type" => Key::IssuerType,
        b"userName" => Key::IssuerUserName,
        _ => return None,
    })
}

fn of_web_id(name: &[u8]) -> Option<Key> {
    (name == b"federatedProvider").then_some(Key::FederatedProvider)
}

fn of_request(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"conversationId" => Key::ConversationId,
        b"conversationState" => Key::ConversationState,
        b"dryRun" => Key::DryRun,
        b"modelId" => Key::ModelId,
        b"Origin" => Key::Origin,
        b"source" => Key::Source,
        b"telemetryEvent" => Key::TelemetryEvent,
        b"userContext" => Key::UserContext,
        _ => return None,
    })
}

fn of_conversation_state(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"conversationId" => Key::StateConversationId,
        b"currentMessage" => Key::CurrentMessage,
        _ => return None,
    })
}

fn of_current_message(name: &[u8]) -> Option<Key> {
    (name == b"userInputMessage").then_some(Key::UserInputMessage)
}

fn of_user_input_message(name: &[u8]) -> Option<Key> {
    (name == b"modelId").then_some(Key::MessageModelId)
}

/// A telemetry event has one entry, named after its kind: `chatAddMessageEvent`, …
fn of_telemetry_event(_kind: &[u8]) -> Option<Key> {
    Some(Key::TelemetryKind)
}

fn of_telemetry_kind(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"conversationId" => Key::TelemetryConversationId,
        // CloudTrail writes it so.
        b"fullResponselatency" => Key::TelemetryLatency,
        _ => return None,
    })
}

fn of_user_context(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"ideCategory" => Key::IdeCategory,
        b"ideVersion" => Key::IdeVersion,
        b"operatingSystem" => Key::OperatingSystem,
        _ => return None,
    })
}

fn of_response(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"conversationId" => Key::ResponseConversationId,
        b"metadata" => Key::Metadata,
        b"result" => Key::Result,
        b"resultCode" => Key::ResultCode,
        _ => return None,
    })
}

fn of_metadata(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"conversationExpirationTime" => Key::ConversationExpirationTime,
        b"conversationId" => Key::MetadataConversationId,
        b"utteranceId" => Key::UtteranceId,
        _ => return None,
    })
}

fn of_result(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"format" => Key::ResultFormat,
        b"type" => Key::ResultType,
        _ => return None,
    })
}

fn of_additional(name: &[u8]) -> Option<Key> {
    Some(match name {
        b"quickAction" => Key::QuickAction,
        // Of a sign-in to IAM Identity Center, which has no identity yet.
        b"UserName" => Key::SignInUserName,
        _ => return None,
    })
}
