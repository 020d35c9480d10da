//! The fields of a record that mean something to qtrail, found in one pass.

mod names;

use super::shape;
use crate::json::{Node, Type};
use names::{Table, of_record};

pub(super) use names::below;

/// A field that the mapping or a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    AdditionalEventData,
    Addendum,
    ApiVersion,
    AwsRegion,
    ErrorCode,
    ErrorMessage,
    EventCategory,
    EventContext,
    EventId,
    EventName,
    EventSource,
    EventTime,
    EventType,
    EventVersion,
    InsightDetails,
    ManagementEvent,
    McpEventDetails,
    ReadOnly,
    RecipientAccountId,
    RequestId,
    RequestParameters,
    Resources,
    ResponseElements,
    ServiceEventDetails,
    SessionCredentialFromConsole,
    SharedEventId,
    SourceIpAddress,
    TlsDetails,
    UserAgent,
    UserIdentity,
    VpcEndpointAccountId,
    VpcEndpointId,
    // tlsDetails
    CipherSuite,
    ClientProvidedHostHeader,
    TlsKeyExchange,
    TlsVersion,
    // mcpEventDetails
    McpExecutionTime,
    McpProtocolVersion,
    McpServerName,
    McpServerVersion,
    McpSessionId,
    // userIdentity
    AccessKeyId,
    AccountId,
    Arn,
    CredentialId,
    IdentityProvider,
    IdentityStoreArn,
    InvokedBy,
    InvokedByDelegate,
    OnBehalfOf,
    PrincipalId,
    SessionContext,
    Type,
    UserId,
    UserName,
    // userIdentity.invokedByDelegate
    DelegateAccountId,
    // userIdentity.onBehalfOf
    OnBehalfOfIdentityStoreArn,
    OnBehalfOfUserId,
    // userIdentity.sessionContext
    Attributes,
    SessionInvokedBy,
    SessionIssuer,
    SignInSessionArn,
    SourceIdentity,
    WebIdFederationData,
    CreationDate,
    MfaAuthenticated,
    IssuerAccountId,
    IssuerArn,
    IssuerPrincipalId,
    IssuerType,
    IssuerUserName,
    FederatedProvider,
    // requestParameters
    ConversationId,
    ConversationState,
    CurrentMessage,
    DryRun,
    IdeCategory,
    IdeVersion,
    MessageModelId,
    ModelId,
    OperatingSystem,
    Origin,
    Source,
    StateConversationId,
    TelemetryConversationId,
    TelemetryEvent,
    TelemetryKind,
    TelemetryLatency,
    UserContext,
    UserInputMessage,
    // responseElements
    ConversationExpirationTime,
    Metadata,
    MetadataConversationId,
    ResponseConversationId,
    Result,
    ResultCode,
    ResultFormat,
    ResultType,
    UtteranceId,
    // additionalEventData
    SignInUserName,
    QuickAction,
}

const COUNT: usize = Key::QuickAction as usize + 1;

/// The node numbers of one record's fields; 0 (the record itself) for an absent one.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    nodes: [u32; COUNT],
    /// Fields of a type that the mapping does not read, with their node numbers.
    unreadable: Vec<(Key, u32)>,
    are_usual: bool,
}

impl Fields {
    /// Those of no record.
    pub(super) const NONE: Fields = Fields {
        nodes: [0; COUNT],
        unreadable: Vec::new(),
        are_usual: false,
    };

    /// Looks at each key once, in the record and in the objects below it that have known fields.
    pub(super) fn find(&mut self, record: Node<'_>) {
        self.are_usual = self.gather(record, of_record, true);
    }

    /// The number of a field's node.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<u32> {
        Some(self.nodes[key as usize]).filter(|id| *id != 0)
    }

    /// Whether none was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|id| *id == 0)
    }

    /// Fields with a value of a type that the mapping does not read.
    pub(crate) fn unreadable(&self) -> &[(Key, u32)] {
        &self.unreadable
    }

    /// Whether all keys of the record are fields' names, as they are usually spelt.
    pub(super) fn are_usual(&self) -> bool {
        self.are_usual
    }

    /// Takes the fields of an object, and those below it. Returns whether all keys of the object are fields' names, as
    /// they are usually spelt.
    ///
    /// Recursion ends with the tables: each names tables of smaller objects only.
    /// `filled`: by AWS, so that a name in another case is a table's.
    fn gather(&mut self, object: Node<'_>, table: Table, filled: bool) -> bool {
        let mut are_usual = true;
        for node in object.children().filter(|child| !child.is_shadowed()) {
            let key = match node.raw_key() {
                Some(name) if !node.has_escaped_key() => table(name),
                _ => table(node.key().unwrap_or_default().as_bytes()),
            };
            let Some(key) = key else {
                are_usual = false;
                if filled && shape::is_in_another_case(&node.key().unwrap_or_default()) {
                    self.unreadable.push((Key::UserIdentity, node.id()));
                }
                continue;
            };
            are_usual &= key != Key::RequestId || node.has_key("requestID");
            let kind = node.kind();
            if kind == Type::Null {
                continue;
            }
            // A record with both spellings has the usual one.
            if self.get(key).is_some() && (node.has_key("eventId") || node.has_key("requestId")) {
                continue;
            }
            self.nodes[key as usize] = node.id();
            if !shape::takes(key, kind) && !shape::is_readable(key, node) {
                self.unreadable.push((key, node.id()));
            }
            if let Type::Object | Type::Array = kind
                && let Some(table) = below(key)
            {
                let filled = filled && !shape::is_of_caller(key);
                // `onBehalfOf` occurs as an array too.
                let object = match kind {
                    Type::Array => node.items().next(),
                    _ => Some(node),
                };
                if let Some(object) = object {
                    self.gather(object, table, filled);
                }
            }
        }
        are_usual
    }
}
