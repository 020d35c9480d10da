//! Agents beside Amazon Q: clients of the AWS MCP Server, and AWS DevOps Agent.

use serde_json::{Value, json};

use super::{Teller, Why};
use crate::conversations::Kind;
use crate::conversations::records::{Actor, CLIENTS, DEVOPS, MCP, SERVER, role_session};
use crate::people::ACCOUNTS;

const MINUTE: i64 = 60_000;

impl Teller<'_> {
    /// A person lets a coding agent act; it calls tools, and renews the grant.
    pub(super) fn client(&mut self, actor: &Actor, start: i64) {
        let actor = self.signed_in(actor);
        let client = self.id();
        let mut grant = self.grant(&actor, start, &client, None);
        let mut at = start;
        for turn in 0..self.rng.u32(3..9) {
            at += self.rng.i64(1_000..2 * MINUTE);
            let end = self.tool_call(&actor, CLIENTS[1], at, because(&grant));
            if turn == 3 {
                // It renews while the call runs, if that takes long.
                let renewed = self.grant(&actor, at + 2_500, &client, Some(&grant));
                grant = renewed;
            }
            at = end.max(at + 3_000);
        }
    }

    /// Two coding agents of one person at once: each in a sign-in of its own, or both in one.
    pub(super) fn two_clients(&mut self, actor: &Actor, start: i64) {
        let first = self.signed_in(actor);
        let is_shared = self.rng.bool();
        let second = match is_shared {
            true => first.clone(),
            false => self.signed_in(actor),
        };
        for (actor, agent) in [(&first, CLIENTS[1]), (&second, CLIENTS[2])] {
            let client = self.id();
            let grant = self.grant(actor, start, &client, None);
            if is_shared {
                // Nothing in a tool's call names its client: with one grant, nobody can see that there are two.
                self.keep_last();
            }
            for _ in 0..self.rng.u32(2..5) {
                let at = start + self.rng.i64(MINUTE..10 * MINUTE);
                self.tool_call(actor, agent, at, because(&grant));
            }
        }
    }

    /// A tool's call and the API calls that it makes; when it ends.
    pub(super) fn tool_call(
        &mut self,
        actor: &Actor,
        agent: &str,
        start: i64,
        why: Why<'_>,
    ) -> i64 {
        let tool = (self.id(), self.id());
        let length = match self.rng.u32(..10) {
            0 => self.rng.i64(20_000..2 * MINUTE),
            _ => self.rng.i64(300..8_000),
        };
        let from_tool = Why {
            cause: Some(&tool.0),
            ..why
        };
        let mut requests = Vec::new();
        for _ in 0..self.rng.u32(..4) {
            let ids = (self.id(), self.id());
            let at = start + self.rng.i64(0..length);
            let fields = self.api_call(at, actor.identity(Some(MCP)), MCP, MCP);
            self.add_as(&ids, Kind::Call, actor.account, at, from_tool, fields);
            requests.push(ids.1);
        }
        let mut fields = tool_fields(actor, agent, &requests);
        if self.rng.u32(..5) > 0 {
            fields["mcpEventDetails"] = json!({"sessionId": self.id(), "executionTimeMs": length});
        }
        let end = start + length;
        self.add_as(&tool, Kind::ToolCall, actor.account, end, why, fields);
        if let Some(request) = requests.pop() {
            self.odd_requests(actor, agent, end, &request, why);
        }
        end
    }

    /// A few requests are listed by a second tool's call, or have the id of a request in another account.
    fn odd_requests(&mut self, actor: &Actor, agent: &str, end: i64, request: &str, why: Why<'_>) {
        match self.rng.u32(..20) {
            0 => {
                // With one of the two, nobody can see that the other lists it.
                self.keep_last();
                let fields = tool_fields(actor, agent, &[request.to_owned()]);
                self.add(Kind::ToolCall, actor.account, end + 1_000, why, fields);
                self.keep_last();
            }
            1 => {
                let other = ACCOUNTS[2];
                let ids = (self.id(), request.to_owned());
                let actor = Actor {
                    account: other,
                    ..actor.clone()
                };
                let fields = self.api_call(end, actor.identity(Some(MCP)), MCP, MCP);
                let why = Why::default();
                self.add_as(&ids, Kind::Call, other, end, why, fields);
            }
            _ => {}
        }
    }

    /// AWS DevOps Agent asks, a person approves, a role is assumed, and again when its credentials end.
    pub(super) fn approval(&mut self, account: &'static str, start: i64) {
        let approval = self.id();
        let by_person = json!({
            "arn": format!("arn:aws:sts::{account}:assumed-role/DevOpsAgentRole-AgentSpace-EXAMPLE1/AROAEXAMPLE-alice"),
        });
        let asked = |name: &str, status: &str| {
            json!({
                "eventSource": DEVOPS, "eventName": name, "userIdentity": by_person, "readOnly": false,
                "responseElements": {"approvalId": approval, "status": status},
            })
        };
        let request = asked("CreateApprovalRequest", "PENDING");
        let request = self.add(Kind::Approval, account, start, Why::default(), request);
        let granted = asked("UpdateApprovalAction", "APPROVED");
        let at = start + self.rng.i64(10_000..10 * MINUTE);
        let granted = self.add(Kind::Approval, account, at, because(&request), granted);
        let (role, name) = (
            "DevOpsAgentActionsRole-AgentSpace-EXAMPLE2",
            format!("op.system.apr.{}", &approval[..16]),
        );
        for turn in 0..self.rng.i64(1..3) {
            let at = at + 1_000 + turn * 15 * MINUTE;
            let identity = match self.rng.bool() {
                true => json!({"type": "AWSService", "invokedBy": DEVOPS}),
                false => json!({}),
            };
            let fields = json!({
                "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "userIdentity": identity,
                "requestParameters": {
                    "roleArn": format!("arn:aws:iam::{account}:role/service-role/{role}"),
                    "roleSessionName": name, "externalId": approval, "durationSeconds": 900,
                },
            });
            let assumed = self.add(Kind::AssumedRole, account, at, because(&granted), fields);
            for _ in 0..self.rng.u32(1..4) {
                let at = at + self.rng.i64(1_000..10 * MINUTE);
                let identity = role_session(account, role, &name);
                let fields = self.api_call(at, identity, DEVOPS, DEVOPS);
                self.add(Kind::Call, account, at, because(&assumed), fields);
            }
        }
    }

    /// The person in a sign-in of its own.
    fn signed_in(&mut self, actor: &Actor) -> Actor {
        let arn = format!(
            "arn:aws:signin:us-east-1:{}:session/{}",
            actor.account,
            self.id()
        );
        Actor {
            sign_in: Some(arn),
            ..actor.clone()
        }
    }

    fn grant(&mut self, actor: &Actor, at: i64, client: &str, renewed: Option<&str>) -> String {
        let kind = match renewed {
            Some(_) => "refresh_token",
            None => "authorization_code",
        };
        let fields = json!({
            "eventSource": "signin.amazonaws.com", "eventName": "CreateOAuth2Token",
            "userIdentity": actor.identity(None), "userAgent": "curl/8.7.1",
            "requestParameters": {
                "resource": SERVER,
                "client_id": format!("arn:aws:signin:us-east-1::external-client/dcr/{client}"),
            },
            "additionalEventData": {
                "signInSessionArn": actor.sign_in, "grant_type": kind, "success": "true",
            },
        });
        let why = Why {
            cause: renewed,
            conversation: None,
        };
        self.add(Kind::Grant, actor.account, at, why, fields)
    }
}

fn tool_fields(actor: &Actor, agent: &str, requests: &[String]) -> Value {
    let listed = requests.iter().map(|request| {
        json!({"apiName": "s3:ListBuckets", "requestId": request, "awsRegion": "us-east-1"})
    });
    json!({
        "eventSource": MCP, "eventName": "CallReadOnlyTool", "eventType": "AwsMcpEvent",
        "userIdentity": actor.identity(None), "userAgent": agent, "sourceIPAddress": actor.person.address,
        "requestParameters": {"jsonrpc": "2.0", "method": "tools/call", "id": 2,
            "params": {"name": "aws___call_aws", "arguments": "[HIDDEN_DUE_TO_SECURITY_REASONS]"}},
        "additionalEventData": {"downstreamRequests": listed.collect::<Vec<_>>()},
    })
}

fn because(cause: &str) -> Why<'_> {
    Why {
        cause: Some(cause),
        conversation: None,
    }
}
