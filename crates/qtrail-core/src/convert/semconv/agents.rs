//! Attribute names of clients and tools.
#![expect(
    deprecated,
    reason = "the gen_ai names moved to a registry of their own"
)]

use opentelemetry_semantic_conventions::attribute as otel;

use super::both;
use crate::convert::attributes::Field;
use crate::convert::attributes::Stability::{Development, Qtrail};

pub(crate) const CLI_SESSION_ID: Field = both(
    "aws.cli.session.id",
    "the session of the AWS command line in `userAgent`: `sid/…`",
    Qtrail,
);
pub(crate) const CLI_COMMAND: Field = both(
    "aws.cli.command",
    "the command of the AWS command line in `userAgent`, such as `s3.ls`: `md/command#…`",
    Qtrail,
);
pub(crate) const MCP_METHOD_NAME: Field = both(
    otel::MCP_METHOD_NAME,
    "in the AWS MCP Server's and AgentCore's events: `requestParameters.method`, else `.body.method`",
    Development,
);
pub(crate) const MCP_SESSION_ID: Field = both(
    otel::MCP_SESSION_ID,
    "`mcpEventDetails.sessionId`",
    Development,
);
pub(crate) const MCP_PROTOCOL_VERSION: Field = both(
    otel::MCP_PROTOCOL_VERSION,
    "`mcpEventDetails.mcpProtocolVersion`",
    Development,
);
pub(crate) const MCP_SERVER_NAME: Field = both(
    "aws.mcp.server.name",
    "`mcpEventDetails.mcpServerName`",
    Qtrail,
);
pub(crate) const MCP_SERVER_VERSION: Field = both(
    "aws.mcp.server.version",
    "`mcpEventDetails.serverVersion`",
    Qtrail,
);
pub(crate) const TOOL_CALL_ARGUMENTS: Field = both(
    otel::GEN_AI_TOOL_CALL_ARGUMENTS,
    "with `gen_ai.tool_content: true`, where the operation is `execute_tool`: for a `tool_call` the tool's arguments in its request, else `requestParameters`; as JSON, at most 8 KiB",
    Development,
);
pub(crate) const TOOL_CALL_RESULT: Field = both(
    otel::GEN_AI_TOOL_CALL_RESULT,
    "likewise: for a `tool_call` `responseElements.result`, `.content` or `.body.result`, else `responseElements`",
    Development,
);
