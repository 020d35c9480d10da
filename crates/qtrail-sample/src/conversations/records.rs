//! The shapes of the records that agents leave.

use serde_json::{Map, Value, json};

use crate::people::Person;
use crate::template::timestamp;

/// A person in an account, signed in once.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) person: &'static Person,
    pub(super) account: &'static str,
    /// Seconds since 1970.
    pub(super) signed_in: i64,
    /// The sign-in's ARN, if AWS records it.
    pub(super) sign_in: Option<String>,
}

pub(super) const Q: &str = "q.amazonaws.com";
pub(super) const MCP: &str = "aws-mcp.amazonaws.com";
pub(super) const DEVOPS: &str = "aidevops.amazonaws.com";
pub(super) const SERVER: &str = "https://aws-mcp.us-east-1.api.aws/mcp";

/// The user agents of clients of the AWS MCP Server. The first is Amazon Q's.
pub(super) const CLIENTS: [&str; 3] = [
    "AmazonQ-For-CLI-Version-2.19.2-acp-client-kiro-tui",
    "python-httpx/0.28.1 mcp-proxy-for-aws/1.7.0 claude-code/2.1.284",
    "python-httpx/0.28.1 mcp-proxy-for-aws/1.7.0 cursor-vscode/1.0.0",
];

/// API calls: source, name, whether it only reads.
pub(super) const CALLS: [(&str, &str, bool); 6] = [
    ("s3.amazonaws.com", "ListBuckets", true),
    ("ec2.amazonaws.com", "DescribeInstances", true),
    ("lambda.amazonaws.com", "ListFunctions20150331", true),
    ("cloudwatch.amazonaws.com", "GetMetricData", true),
    ("s3.amazonaws.com", "GetObject", true),
    ("ec2.amazonaws.com", "StopInstances", false),
];

impl Actor {
    /// `userIdentity` with credentials of their own; with `invoked_by`, through a service.
    pub(super) fn identity(&self, invoked_by: Option<&str>) -> Value {
        let (person, account) = (self.person, self.account);
        let attributes = json!({
            "creationDate": timestamp(self.signed_in).to_string(), "mfaAuthenticated": "true",
        });
        let mut identity = match person.role {
            Some(role) => json!({
                "type": "AssumedRole",
                "principalId": format!("{}:{}", person.principal, person.user),
                "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{}", person.user),
                "accountId": account,
                "sessionContext": {"attributes": attributes, "sessionIssuer": {
                    "type": "Role", "principalId": person.principal, "accountId": account, "userName": role,
                    "arn": format!("arn:aws:iam::{account}:role/{role}"),
                }},
            }),
            None => json!({
                "type": "IAMUser", "principalId": person.principal, "accountId": account,
                "arn": format!("arn:aws:iam::{account}:user/{}", person.user), "userName": person.user,
                "sessionContext": {"attributes": attributes},
            }),
        };
        if let Some(service) = invoked_by {
            identity["invokedBy"] = service.into();
        }
        if let Some(arn) = &self.sign_in {
            identity["sessionContext"]["signInSessionArn"] = arn.as_str().into();
        }
        identity
    }

    /// `userIdentity` by the Identity Center.
    pub(super) fn in_identity_center(&self) -> Value {
        json!({
            "type": "IdentityCenterUser", "accountId": self.account,
            "credentialId": self.person.credential_id,
            "onBehalfOf": {
                "userId": self.person.store_id,
                "identityStoreArn": format!("arn:aws:identitystore::{}:identitystore/d-9067EXAMPLE", self.account),
            },
        })
    }
}

/// The session of a role that was assumed for an approval.
pub(super) fn role_session(account: &str, role: &str, session: &str) -> Value {
    json!({
        "type": "AssumedRole", "principalId": format!("AROADEVOPSAGENTEXAMPLE:{session}"), "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
        "invokedBy": DEVOPS, "sessionContext": {"sourceIdentity": session},
    })
}

/// A record with what every record has; `fields` wins. `at`: milliseconds since 1970.
pub(super) fn record(id: &str, request: &str, account: &str, at: i64, fields: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11",
        "eventTime": timestamp(at.div_euclid(1_000)).to_string(),
        "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1", "userAgent": "Mozilla/5.0",
        "requestParameters": null, "responseElements": null,
        "requestID": request, "eventID": id,
        "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": account,
        "eventCategory": "Management",
    });
    let mut add = |fields: Map<String, Value>| {
        for (name, value) in fields {
            record[name] = value;
        }
    };
    if let Value::Object(fields) = fields {
        add(fields);
    }
    record.to_string()
}
