//! The table of the mapping, which `docs/mapping.md` shows.

use super::attributes::Field;
use super::semconv::*;

/// Every row of the mapping, in the order in which [`convert`](super::convert) writes the attributes.
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
    EXTENDED_REQUEST_ID,
    SHARED_EVENT_ID,
    VPC_ENDPOINT_ID,
    VPC_ENDPOINT_ACCOUNT_ID,
    RPC_SYSTEM_NAME,
    RPC_METHOD,
    SOURCE_ADDRESS,
    CLIENT_ADDRESS,
    OUTCOME,
    PEER_SERVICE,
    SERVICE_PEER_NAME,
    USER_AGENT_ORIGINAL,
    ERROR_TYPE,
    ERROR_CODE,
    ERROR_MESSAGE,
    TLS_PROTOCOL_VERSION,
    TLS_CIPHER,
    TLS_CURVE,
    SERVER_ADDRESS,
    SESSION_CONSOLE,
    ORGANIZATION_ID,
    USER_ID,
    ENDUSER_ID,
    USER_NAME,
    USER_FULL_NAME,
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
    DELEGATE_ACCOUNT_ID,
    MFA_AUTHENTICATED,
    CREATION_DATE,
    SIGN_IN_SESSION_ARN,
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
    AGENT_VERSION,
    AGENT_NAME_EVIDENCE,
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
    CLI_SESSION_ID,
    CLI_COMMAND,
    MCP_METHOD_NAME,
    MCP_SESSION_ID,
    MCP_PROTOCOL_VERSION,
    MCP_SERVER_NAME,
    MCP_SERVER_VERSION,
    TOOL_CALL_ARGUMENTS,
    TOOL_CALL_RESULT,
    CORRELATION,
    CORRELATION_DELTA,
    SPAN_EXTENT,
    MESSAGES,
    CALLS,
    DENIED,
    SESSION_TRACE_ID,
    REDACTED,
    UNREADABLE,
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
    use crate::convert::On::{Both, Log, Resource, Span};
    use crate::convert::Stability::{Collector, Development, Qtrail, Stable};

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mapping.md");
    const BEGIN: &str = "<!-- the tables: written from the code by UPDATE_DOCS=1 cargo test -->\n";
    const END: &str = "<!-- the end of the tables -->\n";

    /// The first row of each table.
    const TABLES: &[(&str, Field)] = &[
        ("Resource", SERVICE_NAME),
        ("The call", LOG_RECORD_UID),
        ("Who called (`userIdentity`)", USER_ID),
        ("Amazon Q", EVENT_CLASS),
        ("Clients and tools", CLI_SESSION_ID),
        ("What qtrail adds", SESSION_TRACE_ID),
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
