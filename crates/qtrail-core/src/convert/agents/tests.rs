use serde_json::{Value as Json, json};

use super::super::tests::{Received, heard_with, received};
use super::super::{Body, ServiceName};
use super::*;

/// One record of each kind.
const TRAIL: &str = include_str!("../../../../../tests/fixtures/agents.json");

fn trail() -> Vec<Json> {
    let trail: Json = serde_json::from_str(TRAIL).expect("JSON");
    trail["Records"].as_array().expect("records").clone()
}

fn of(position: usize) -> Received {
    received(&trail()[position].to_string())
}

fn get<const N: usize>(received: &Received, names: [&str; N]) -> [Json; N] {
    names.map(|name| received.get(name))
}

/// Who acted, by what evidence, and how.
fn agent(position: usize) -> [Json; 6] {
    let names = [
        "gen_ai.agent.name",
        "gen_ai.agent.version",
        "qtrail.agent.evidence",
        "qtrail.agent.name_evidence",
        "qtrail.agent.channel",
        "gen_ai.tool.name",
    ];
    get(&of(position), names)
}

const NOTHING: Json = Json::Null;

#[test]
fn each_event_says_who_acted_and_how_sure_that_is() {
    let text = |text: &str| json!(text);
    for (position, expected) in [
        (0, ["", "", "event_source", "", "", ""]),
        (
            1,
            [
                "Kiro IDE",
                "0.7.45",
                "event_source",
                "user_agent",
                "ide",
                "",
            ],
        ),
        (
            2,
            [
                "Kiro CLI",
                "2.19.2",
                "user_agent",
                "",
                "cli",
                "s3:ListBuckets",
            ],
        ),
        (
            3,
            [
                "Claude Code",
                "",
                "user_agent",
                "",
                "cli",
                "sts:GetCallerIdentity",
            ],
        ),
        (4, ["", "", "", "", "", ""]),
        (
            5,
            [
                "Kiro CLI",
                "",
                "user_agent",
                "",
                "cli",
                "dynamodb:ListTables",
            ],
        ),
        (
            6,
            [
                "claude-code",
                "2.1.202",
                "user_agent",
                "",
                "",
                "bedrock:ListFoundationModels",
            ],
        ),
        (
            7,
            [
                "cursor-vscode",
                "1.0.0",
                "event_source",
                "user_agent",
                "",
                "",
            ],
        ),
        (
            8,
            [
                "claude-code",
                "2.1.284",
                "event_source",
                "user_agent",
                "mcp",
                "aws___call_aws",
            ],
        ),
        (
            9,
            ["", "", "invoked_by", "", "service", "sts:GetCallerIdentity"],
        ),
        (10, ["", "", "event_source", "", "mcp", "call_aws"]),
        (12, ["", "", "event_source", "", "", ""]),
        (14, ["AWS DevOps Agent", "", "event_source", "", "", ""]),
        (
            16,
            [
                "AWS DevOps Agent",
                "",
                "invoked_by",
                "",
                "service",
                "ec2:ModifySecurityGroupRules",
            ],
        ),
        (17, ["AWS Transform", "", "event_source", "", "", ""]),
        (18, ["", "", "event_source", "", "mcp", "orders___find"]),
    ] {
        let expected = expected.map(|word| if word.is_empty() { NOTHING } else { text(word) });
        assert_eq!(agent(position), expected, "{position}");
    }
}

#[test]
fn each_family_has_its_service_name() {
    let services = [
        (0, "amazon-q"),
        (2, "amazon-q"),
        (3, "claude-code"),
        (4, "ec2.amazonaws.com"),
        (5, "amazon-q"),
        (8, "aws-mcp"),
        (9, "aws-mcp"),
        (11, "aws-mcp"),
        (16, "aws-devops-agent"),
        (17, "aws-transform"),
        (18, "bedrock-agentcore"),
    ];
    for (position, name) in services {
        assert_eq!(
            of(position).resource[0].as_deref(),
            Some(name),
            "{position}"
        );
    }
    let options = Options {
        service_name: ServiceName::EventSource,
        ..Options::default()
    };
    let received = heard_with(&trail()[8].to_string(), &options);
    assert_eq!(
        received.resource[0].as_deref(),
        Some("aws-mcp.amazonaws.com")
    );
}

#[test]
fn a_tool_call_has_its_method_its_session_and_its_duration() {
    let documented = of(10);
    let names = [
        "mcp.method.name",
        "mcp.session.id",
        "mcp.protocol.version",
        "aws.mcp.server.name",
        "aws.mcp.server.version",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
    ];
    assert_eq!(
        get(&documented, names),
        [
            json!("call_aws"),
            json!("sess_0001"),
            json!("2025-06-18"),
            json!("aws-mcp.eu-central-1.api.aws"),
            json!("1.0.0"),
            json!("execute_tool"),
            NOTHING
        ]
    );
    assert_eq!(documented.end - documented.start, 250_000_000);
    assert_eq!(documented.name, "aws-mcp.CallTool");
    assert_eq!(of(8).get("mcp.method.name"), "tools/call");
    assert_eq!(of(18).get("mcp.method.name"), "tools/call");
    assert_eq!(of(8).end - of(8).start, 1);
}

#[test]
fn the_span_of_a_request_to_s3_has_the_times_that_s3_recorded() {
    const START: i64 = 1_789_377_303_871_000_000;
    let received = of(2);
    assert_eq!((received.start, received.end), (START, START + 31_000_000));
    let with = |name: &str, value: Json| {
        let mut record = trail()[2].clone();
        record["additionalEventData"][name] = value;
        let received = heard_with(&record.to_string(), &Options::default());
        (received.start, received.end)
    };
    let second = START - START % 1_000_000_000;
    for odd in [
        json!("soon"),
        json!(-1),
        json!({}),
        json!(1e300),
        json!(1_789_377_303_870_i64),
    ] {
        assert_eq!(with("endTime", odd.clone()), (second, second + 1), "{odd}");
    }
    assert_eq!(
        with("endTime", json!(1.789377303902e12)).1,
        START + 31_000_000
    );
    assert_eq!(
        with("endTime", json!("1789377303902")).1,
        START + 31_000_000
    );
    assert_eq!(
        with("endTime", json!(1_789_377_303_871_i64)),
        (START, START + 1)
    );
    let mut other = trail()[2].clone();
    other["eventSource"] = json!("ec2.amazonaws.com");
    let other = heard_with(&other.to_string(), &Options::default());
    assert_eq!((other.start, other.end), (second, second + 1));
}

#[test]
fn fields_of_2026_have_their_attributes() {
    let s3 = of(2);
    let names = [
        "aws.extended_request_id",
        "aws.cli.session.id",
        "aws.cli.command",
        "aws.access_key.id",
        "aws.vpc_endpoint.id",
        "aws.session.console",
        "peer.service",
        "service.peer.name",
    ];
    assert_eq!(
        get(&s3, names),
        [
            json!("q0wErTy+example/extended="),
            json!("00ff11ee22dd"),
            json!("s3.ls"),
            NOTHING,
            json!("s3.amazonaws.com"),
            json!(true),
            json!("s3"),
            json!("s3")
        ]
    );
    assert_eq!(of(3).get("tls.curve"), "X25519MLKEM768");
    assert_eq!(of(3).get("aws.extended_request_id"), "MTp4OmV4YW1wbGU=");
    // Each call of the AWS command line names its session.
    assert_eq!(
        of(4).get("aws.cli.session.id"),
        of(3).get("aws.cli.session.id")
    );
    let delegate = "aws.user_identity.invoked_by_delegate.account_id";
    assert_eq!(of(21).get(delegate), "777788889999");
    assert_eq!(
        get(&of(0), ["aws.cloudtrail.event_id", "aws.request_id"]),
        [
            json!("5b2e0000-0000-4000-8000-000000000001"),
            json!("7d1f0000-0000-4000-8000-000000000001")
        ]
    );
}

fn trace(record: &Json) -> [u8; 16] {
    let text = record.to_string();
    let event = Event::parse(text.as_bytes(), 64).expect("an event");
    super::super::ids::trace(&event).0
}

#[test]
fn a_sign_in_is_one_session_across_renewals() {
    let mut renewed = trail()[2].clone();
    renewed["userIdentity"]["sessionContext"]["attributes"]["creationDate"] =
        json!("2026-09-14T12:00:00Z");
    renewed["eventID"] = json!("another");
    assert_eq!(trace(&trail()[2]), trace(&renewed));
    assert_eq!(
        of(12).get("aws.sign_in_session.arn"),
        "arn:aws:signin:eu-central-1:444455556666:session/ab12cd34-0000-4000-8000-000000000012"
    );
    let mut in_data = trail()[12].clone();
    let context = in_data["userIdentity"]["sessionContext"].as_object_mut();
    context.expect("an object").remove("signInSessionArn");
    assert_eq!(trace(&in_data), trace(&trail()[12]));
}

#[test]
fn a_creation_date_in_the_basic_form_is_the_same_session() {
    let mut extended = trail()[9].clone();
    let date = &mut extended["userIdentity"]["sessionContext"]["attributes"]["creationDate"];
    assert_eq!(*date, "20260914T091500Z");
    *date = json!("2026-09-14T09:15:00Z");
    assert_eq!(trace(&extended), trace(&trail()[9]));
}

#[test]
fn the_content_of_a_tool_call_is_shown_only_on_demand_and_never_a_secret() {
    let names = ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"];
    assert_eq!(get(&of(10), names), [NOTHING, NOTHING]);
    let options = Options {
        tool_content: true,
        ..Options::default()
    };
    let of = |record: &Json| get(&heard_with(&record.to_string(), &options), names);
    assert_eq!(
        of(&trail()[10]),
        [
            json!(r#"{"cli_command":"aws s3 ls","password":"[REDACTED]"}"#),
            json!(r#"[{"text":"two buckets","type":"text"}]"#)
        ]
    );
    // What AWS hid is absent.
    assert_eq!(of(&trail()[8]), [NOTHING, NOTHING]);
    assert_eq!(of(&trail()[18])[0], r#"{"order":"17"}"#);
    assert_eq!(
        of(&trail()[16]),
        [
            json!(r#"{"ModifySecurityGroupRulesRequest":{"GroupId":"sg-0f0f0f0f0f0f0f0f0"}}"#),
            NOTHING
        ]
    );
    // No tool is called.
    assert_eq!(of(&trail()[12]), [NOTHING, NOTHING]);
    let mut long = trail()[10].clone();
    long["requestParameters"]["params"]["arguments"] = json!("é".repeat(9_000));
    let shown = of(&long)[0].as_str().expect("a text").len();
    assert_eq!(shown, TOOL_CONTENT_BYTES + "…".len());
}

#[test]
fn nothing_of_these_records_is_lost_without_a_body() {
    let options = Options {
        body: Body::None,
        tool_content: true,
        ..Options::default()
    };
    for record in trail() {
        let received = heard_with(&record.to_string(), &options);
        let mut texts: Vec<String> = received
            .attributes
            .iter()
            .map(|(_, value)| value.to_string())
            .collect();
        texts.extend(received.resource.iter().flatten().cloned());
        let texts = texts.concat();
        for name in ["requestID", "eventID", "userAgent", "sourceIPAddress"] {
            if let Some(text) = record[name].as_str() {
                assert!(texts.contains(text), "{name}: {record}");
            }
        }
        if let Some(details) = record["mcpEventDetails"].as_object() {
            assert!(
                details
                    .values()
                    .all(|value| texts.contains(value.to_string().trim_matches('"')))
            );
        }
    }
}
