//! The names of fields, by the object that they are in.

use super::Key;

/// The table of the object under a key.
pub(in crate::event) fn below(key: Key) -> Option<fn(&str) -> Option<Key>> {
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

pub(super) fn of_record(name: &str) -> Option<Key> {
    Some(match name {
        "additionalEventData" => Key::AdditionalEventData,
        "addendum" => Key::Addendum,
        "apiVersion" => Key::ApiVersion,
        "awsRegion" => Key::AwsRegion,
        "errorCode" => Key::ErrorCode,
        "errorMessage" => Key::ErrorMessage,
        "eventCategory" => Key::EventCategory,
        "eventContext" => Key::EventContext,
        // Some services write it so.
        "eventID" | "eventId" => Key::EventId,
        "eventName" => Key::EventName,
        "eventSource" => Key::EventSource,
        "eventTime" => Key::EventTime,
        "eventType" => Key::EventType,
        "eventVersion" => Key::EventVersion,
        "insightDetails" => Key::InsightDetails,
        "managementEvent" => Key::ManagementEvent,
        "mcpEventDetails" => Key::McpEventDetails,
        "readOnly" => Key::ReadOnly,
        "recipientAccountId" => Key::RecipientAccountId,
        "requestID" | "requestId" => Key::RequestId,
        "requestParameters" => Key::RequestParameters,
        "resources" => Key::Resources,
        "responseElements" => Key::ResponseElements,
        "serviceEventDetails" => Key::ServiceEventDetails,
        "sessionCredentialFromConsole" => Key::SessionCredentialFromConsole,
        "sharedEventID" => Key::SharedEventId,
        "sourceIPAddress" => Key::SourceIpAddress,
        "tlsDetails" => Key::TlsDetails,
        "userAgent" => Key::UserAgent,
        "userIdentity" => Key::UserIdentity,
        "vpcEndpointAccountId" => Key::VpcEndpointAccountId,
        "vpcEndpointId" => Key::VpcEndpointId,
        _ => return None,
    })
}

fn of_tls_details(name: &str) -> Option<Key> {
    Some(match name {
        "cipherSuite" => Key::CipherSuite,
        "clientProvidedHostHeader" => Key::ClientProvidedHostHeader,
        "keyExchange" => Key::TlsKeyExchange,
        "tlsVersion" => Key::TlsVersion,
        _ => return None,
    })
}

fn of_mcp_details(name: &str) -> Option<Key> {
    Some(match name {
        "executionTimeMs" => Key::McpExecutionTime,
        "mcpProtocolVersion" => Key::McpProtocolVersion,
        "mcpServerName" => Key::McpServerName,
        "serverVersion" => Key::McpServerVersion,
        "sessionId" => Key::McpSessionId,
        _ => return None,
    })
}

fn of_user_identity(name: &str) -> Option<Key> {
    Some(match name {
        "accessKeyId" => Key::AccessKeyId,
        "accountId" => Key::AccountId,
        "arn" => Key::Arn,
        "credentialId" => Key::CredentialId,
        "identityProvider" => Key::IdentityProvider,
        "identityStoreArn" => Key::IdentityStoreArn,
        "invokedBy" => Key::InvokedBy,
        "invokedByDelegate" => Key::InvokedByDelegate,
        "onBehalfOf" => Key::OnBehalfOf,
        "principalId" => Key::PrincipalId,
        "sessionContext" => Key::SessionContext,
        "type" => Key::Type,
        "userId" => Key::UserId,
        "userName" => Key::UserName,
        _ => return None,
    })
}

fn of_delegate(name: &str) -> Option<Key> {
    (name == "accountId").then_some(Key::DelegateAccountId)
}

fn of_on_behalf_of(name: &str) -> Option<Key> {
    Some(match name {
        "identityStoreArn" => Key::OnBehalfOfIdentityStoreArn,
        "userId" => Key::OnBehalfOfUserId,
        _ => return None,
    })
}

fn of_session_context(name: &str) -> Option<Key> {
    Some(match name {
        "attributes" => Key::Attributes,
        "invokedBy" => Key::SessionInvokedBy,
        "sessionIssuer" => Key::SessionIssuer,
        "signInSessionArn" => Key::SignInSessionArn,
        "sourceIdentity" => Key::SourceIdentity,
        "webIdFederationData" => Key::WebIdFederationData,
        _ => return None,
    })
}

fn of_attributes(name: &str) -> Option<Key> {
    Some(match name {
        "creationDate" => Key::CreationDate,
        "mfaAuthenticated" => Key::MfaAuthenticated,
        _ => return None,
    })
}

fn of_session_issuer(name: &str) -> Option<Key> {
    Some(match name {
        "accountId" => Key::IssuerAccountId,
        "arn" => Key::IssuerArn,
        "principalId" => Key::IssuerPrincipalId,
        "type" => Key::IssuerType,
        "userName" => Key::IssuerUserName,
        _ => return None,
    })
}

fn of_web_id(name: &str) -> Option<Key> {
    (name == "federatedProvider").then_some(Key::FederatedProvider)
}

fn of_request(name: &str) -> Option<Key> {
    Some(match name {
        "conversationId" => Key::ConversationId,
        "conversationState" => Key::ConversationState,
        "dryRun" => Key::DryRun,
        "modelId" => Key::ModelId,
        "Origin" => Key::Origin,
        "source" => Key::Source,
        "telemetryEvent" => Key::TelemetryEvent,
        "userContext" => Key::UserContext,
        _ => return None,
    })
}

fn of_conversation_state(name: &str) -> Option<Key> {
    Some(match name {
        "conversationId" => Key::StateConversationId,
        "currentMessage" => Key::CurrentMessage,
        _ => return None,
    })
}

fn of_current_message(name: &str) -> Option<Key> {
    (name == "userInputMessage").then_some(Key::UserInputMessage)
}

fn of_user_input_message(name: &str) -> Option<Key> {
    (name == "modelId").then_some(Key::MessageModelId)
}

/// A telemetry event has one entry, named after its kind: `chatAddMessageEvent`, …
fn of_telemetry_event(_kind: &str) -> Option<Key> {
    Some(Key::TelemetryKind)
}

fn of_telemetry_kind(name: &str) -> Option<Key> {
    Some(match name {
        "conversationId" => Key::TelemetryConversationId,
        // CloudTrail writes it so.
        "fullResponselatency" => Key::TelemetryLatency,
        _ => return None,
    })
}

fn of_user_context(name: &str) -> Option<Key> {
    Some(match name {
        "ideCategory" => Key::IdeCategory,
        "ideVersion" => Key::IdeVersion,
        "operatingSystem" => Key::OperatingSystem,
        _ => return None,
    })
}

fn of_response(name: &str) -> Option<Key> {
    Some(match name {
        "conversationId" => Key::ResponseConversationId,
        "metadata" => Key::Metadata,
        "result" => Key::Result,
        "resultCode" => Key::ResultCode,
        _ => return None,
    })
}

fn of_metadata(name: &str) -> Option<Key> {
    Some(match name {
        "conversationExpirationTime" => Key::ConversationExpirationTime,
        "conversationId" => Key::MetadataConversationId,
        "utteranceId" => Key::UtteranceId,
        _ => return None,
    })
}

fn of_result(name: &str) -> Option<Key> {
    Some(match name {
        "format" => Key::ResultFormat,
        "type" => Key::ResultType,
        _ => return None,
    })
}

fn of_additional(name: &str) -> Option<Key> {
    Some(match name {
        "quickAction" => Key::QuickAction,
        // Of a sign-in to IAM Identity Center, which has no identity yet.
        "UserName" => Key::SignInUserName,
        _ => return None,
    })
}
