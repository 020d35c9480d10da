use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::tests::{Received, SAMPLES, heard_from, heard_with, received, record};
use super::*;
use crate::convert::{FIELDS, Hide, Options, Redaction};
use crate::event::amazon_q::{Lists, Select, Selector};

/// The attribute of this name of a record with these fields.
fn attribute(name: &str, fields: Json) -> Json {
    received(&record(fields)).get(name)
}

fn complete() -> Options {
    Options {
        body: Body::None,
        ..Options::default()
    }
}

#[test]
fn each_row_is_written_for_a_record_that_has_everything() {
    let own = include_str!("../../../../../tests/fixtures/every-field.json");
    let name = "s3://trail/AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/a.json.gz";
    let heard_of_own = heard_from(name, own, &complete());
    let mut names: HashSet<_> = names_of(&heard_of_own);
    names.extend(names_of(&received(SAMPLES[3])));
    names.extend(names_of(&received(&record(json!({"vpcEndpointId": 7})))));
    let options = Options {
        tool_content: true,
        ..Options::default()
    };
    for record in agents_trail() {
        names.extend(names_of(&heard_with(&record, &options)));
    }
    names.extend(assembled());
    let learnt = [("d-1/u".to_owned(), "Mary Major".to_owned())];
    let options = Options {
        names: Some(learnt.into_iter().collect()),
        ..Options::default()
    };
    let on_behalf =
        json!({"userId": "u", "identityStoreArn": "arn:aws:identitystore::1:identitystore/d-1"});
    let record = record(json!({"userIdentity": {"onBehalfOf": on_behalf}}));
    names.extend(names_of(&heard_with(&record, &options)));
    for field in FIELDS {
        let expected = field.on != super::super::On::Resource;
        assert_eq!(names.contains(field.name), expected, "{}", field.name);
    }
    assert_eq!(names.len(), FIELDS.len() - 5);
    insta::assert_snapshot!(
        heard_of_own
            .attributes
            .iter()
            .map(|(field, value)| format!("{} = {value}\n", field.name))
            .collect::<String>()
    );
}

/// Attributes of an assembled conversation: of its own span, a message and a call.
fn assembled() -> HashSet<&'static str> {
    use crate::assemble::{Assembler, Facts};
    use crate::sorted::tests::space;
    let user = json!({"principalId": "AROAEXAMPLE:mary", "accountId": "1", "invokedBy": "q.amazonaws.com"});
    let message = json!({
        "eventTime": "2026-03-01T10:00:00Z", "eventSource": "q.amazonaws.com", "eventName": "SendMessage",
        "eventID": "m", "userIdentity": user, "requestParameters": {"conversationId": "c"},
    });
    let call = json!({
        "eventTime": "2026-03-01T10:00:09Z", "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets",
        "eventID": "c", "userIdentity": user,
    });
    let records = [message.to_string(), call.to_string()];
    let events = || {
        records
            .iter()
            .map(|text| Event::parse(text.as_bytes(), 64).expect("an event"))
    };
    let mut assembler = Assembler::new(space(usize::MAX));
    events().for_each(|event| {
        Facts::of(event, &Options::default())
            .into_iter()
            .for_each(|facts| assembler.add(facts).unwrap());
    });
    let tree = assembler.finish().unwrap();
    let mut root = Received::default();
    let conversation = tree.conversations().next().unwrap().unwrap();
    conversation.write("aws.q_developer", &mut root);
    let mut names = names_of(&root);
    for event in events() {
        let (placement, mut received) = (tree.placement(&event).unwrap(), Received::default());
        super::super::convert(event, &placement, None, &Options::default(), &mut received);
        names.extend(names_of(&received));
    }
    names
}

/// One record of each kind of agent.
fn agents_trail() -> Vec<String> {
    let trail = include_str!("../../../../../tests/fixtures/agents.json");
    let trail: Json = serde_json::from_str(trail).expect("JSON");
    let records = trail["Records"].as_array().expect("records");
    records.iter().map(Json::to_string).collect()
}

fn names_of(received: &Received) -> HashSet<&'static str> {
    let mut names = HashSet::new();
    for (field, _) in &received.attributes {
        assert!(FIELDS.contains(field), "{} is in the table", field.name);
        assert!(names.insert(field.name), "{} is written once", field.name);
    }
    names
}

#[test]
fn no_name_is_in_the_table_twice() {
    let mut names = HashSet::new();
    for field in FIELDS {
        assert!(names.insert(field.name), "{}", field.name);
    }
}

#[test]
fn attributes_are_written_in_the_order_of_the_table() {
    let agents = agents_trail();
    for sample in SAMPLES.into_iter().chain(agents.iter().map(String::as_str)) {
        let received = heard_from(
            "AWSLogs/o-exampleorgid/123456789012/CloudTrail/a",
            sample,
            &complete(),
        );
        let places = received
            .attributes
            .iter()
            .map(|(field, _)| FIELDS.iter().position(|row| row == *field));
        assert!(places.is_sorted(), "{sample}");
    }
}

#[test]
fn the_person_behind_the_call() {
    let identity = json!({
        "onBehalfOf": {"userId": "u"}, "sessionContext": {"sourceIdentity": "s"},
        "userName": "n", "arn": "arn:aws:sts::1:assumed-role/R/mary", "principalId": "p", "userId": "i",
    });
    let person = |without: &[&str]| {
        let mut identity = identity.clone();
        for key in without {
            identity.as_object_mut().unwrap().remove(*key);
        }
        let received = received(&record(json!({"userIdentity": identity})));
        ["enduser.id", "user.id", "user.name"].map(|name| received.get(name))
    };
    assert_eq!(person(&[]), ["u", "u", "n"]);
    assert_eq!(person(&["onBehalfOf"]), ["s", "i", "n"]);
    assert_eq!(
        person(&["onBehalfOf", "sessionContext", "userId"]),
        ["n", "p", "n"]
    );
    assert_eq!(
        person(&["onBehalfOf", "sessionContext", "userName"]),
        ["mary", "i", "mary"]
    );
    let user = json!({"userIdentity": {"arn": "arn:aws:iam::1:user/a/Bob"}});
    assert_eq!(attribute("enduser.id", user.clone()), "Bob");
    assert_eq!(attribute("aws.role_session.name", user), Json::Null);
}

#[test]
fn a_person_is_named_by_whatever_names_one() {
    for (fields, person) in [
        (
            json!({"userIdentity": {"type": "IdentityCenterUser", "accountId": "1", "userId": "u", "identityStoreArn": "a"}}),
            json!("u"),
        ),
        (
            json!({"userIdentity": {"type": "IdentityCenterUser", "userId": "u", "userName": "n", "onBehalfOf": {}}}),
            json!("u"),
        ),
        (
            json!({"userIdentity": {"type": "IdentityCenterUser", "userId": "u", "onBehalfOf": {"userId": "v"}}}),
            json!("v"),
        ),
        (
            json!({"userIdentity": {"type": "Unknown", "userId": "u"}}),
            json!("u"),
        ),
        (
            json!({"userIdentity": {"type": "SAMLUser", "principalId": "hash=:pat.lee", "userName": "pat@example.com"}}),
            json!("pat@example.com"),
        ),
        (
            json!({"userIdentity": {"type": "SAMLUser", "principalId": "hash=:pat.lee"}}),
            json!("pat.lee"),
        ),
        (
            json!({"userIdentity": {"type": "WebIdentityUser", "principalId": "accounts.google.com:app.example.com:1234", "identityProvider": "accounts.google.com"}}),
            json!("1234"),
        ),
        (
            json!({"userIdentity": {"type": "FederatedUser", "principalId": "123456789012:Alice"}}),
            json!("Alice"),
        ),
        (
            json!({"userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:mary"}}),
            json!("mary"),
        ),
        (
            json!({"userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE"}}),
            Json::Null,
        ),
        (
            json!({"userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE:x"}}),
            Json::Null,
        ),
        (
            json!({"userIdentity": {"type": "Directory", "userName": "sam"}}),
            json!("sam"),
        ),
        (
            json!({
                "userIdentity": {"type": "Unknown", "principalId": "111122223333", "arn": "", "accountId": "111122223333", "accessKeyId": ""},
                "additionalEventData": {"AuthWorkflowID": "w", "UserName": "user1", "CredentialType": "PASSWORD"},
            }),
            json!("user1"),
        ),
        (
            json!({"additionalEventData": {"UserName": "user1"}}),
            json!("user1"),
        ),
        (
            json!({"userIdentity": {"userName": "n"}, "additionalEventData": {"UserName": "user1"}}),
            json!("n"),
        ),
        // A mask names nobody.
        (
            json!({"userIdentity": {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}}),
            Json::Null,
        ),
        (
            json!({"userIdentity": {"userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}, "additionalEventData": {"UserName": "user1"}}),
            json!("user1"),
        ),
        (
            json!({"additionalEventData": {"UserName": "***"}}),
            Json::Null,
        ),
        (json!({"additionalEventData": {"UserName": 7}}), Json::Null),
    ] {
        assert_eq!(attribute("enduser.id", fields.clone()), person, "{fields}");
        let hidden = Options {
            redaction: Redaction {
                users: Hide::Drop,
                ..Redaction::default()
            },
            ..Options::default()
        };
        let hidden = heard_with(&record(fields.clone()), &hidden).get("enduser.id");
        assert!(
            hidden.is_null() || hidden == "[REDACTED]",
            "{fields}: {hidden}"
        );
    }
}

#[test]
fn on_behalf_of_may_be_an_array() {
    let fields = json!({"userIdentity": {"onBehalfOf": [{"userId": "u", "identityStoreArn": "a"}, {"userId": "v"}]}});
    assert_eq!(attribute("user.id", fields.clone()), "u");
    assert_eq!(attribute("aws.identity_store.arn", fields.clone()), "a");
    let received = heard_with(&record(fields), &complete());
    assert_eq!(
        received.get("aws.cloudtrail.unmapped"),
        json!({"userIdentity": {"onBehalfOf": [{"userId": "v"}]}})
    );
}

#[test]
fn the_issuer_is_a_role_only_where_it_says_so() {
    let roles = |kind: &str| {
        attribute(
            "user.roles",
            json!({"userIdentity": {"sessionContext": {"sessionIssuer": {"type": kind, "userName": "R"}}}}),
        )
    };
    assert_eq!(roles("Role"), json!(["R"]));
    assert_eq!(roles("IAMUser"), Json::Null);
}

#[test]
fn an_address_is_a_clients_only_where_it_is_one() {
    for (address, client) in [
        ("203.0.113.7", json!("203.0.113.7")),
        ("2001:db8::1", json!("2001:db8::1")),
        ("198.51.100.7, 192.168.10.10", json!("198.51.100.7")),
        ("198.51.100.7,192.168.10.10", json!("198.51.100.7")),
        ("2001:db8::1, 10.0.0.1, 10.0.0.2", json!("2001:db8::1")),
        (" 198.51.100.7 ", json!("198.51.100.7")),
        ("unknown, 198.51.100.7", json!("198.51.100.7")),
        ("q.amazonaws.com", Json::Null),
        ("AWS Internal", Json::Null),
        ("123.456.789.012", Json::Null),
        (", ,", Json::Null),
    ] {
        let received = received(&record(json!({"sourceIPAddress": address})));
        assert_eq!(received.get("source.address"), address);
        assert_eq!(received.get("client.address"), client, "{address}");
    }
}

#[test]
fn a_code_is_written_as_text_and_is_a_type_of_error_only_where_it_is_one() {
    for (fields, code, kind) in [
        (
            json!({"errorCode": "AccessDenied"}),
            json!("AccessDenied"),
            json!("AccessDenied"),
        ),
        (json!({"errorCode": 403}), json!("403"), json!("403")),
        (json!({"errorCode": "200"}), json!("200"), Json::Null),
        (json!({"errorCode": 200}), json!("200"), Json::Null),
        (json!({"errorCode": "OK"}), json!("OK"), Json::Null),
        (
            json!({"errorCode": "Client.DryRunOperation"}),
            json!("Client.DryRunOperation"),
            Json::Null,
        ),
        (
            json!({"errorCode": "None", "errorMessage": "m"}),
            json!("None"),
            Json::Null,
        ),
        (json!({"errorMessage": "m"}), Json::Null, Json::Null),
    ] {
        let received = heard_with(&record(fields.clone()), &complete());
        assert_eq!(received.get("aws.error.code"), code, "{fields}");
        assert_eq!(received.get("error.type"), kind, "{fields}");
        assert_eq!(received.get("aws.cloudtrail.unmapped"), Json::Null);
    }
}

#[test]
fn the_rpc_is_that_of_an_api_call() {
    let rpc = |kind: &str| {
        let fields = json!({"eventType": kind, "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets"});
        let received = received(&record(fields));
        (received.get("rpc.system.name"), received.get("rpc.method"))
    };
    assert_eq!(
        rpc("AwsApiCall"),
        (json!("aws-api"), json!("s3.amazonaws.com/ListBuckets"))
    );
    assert_eq!(rpc("AwsServiceEvent"), (Json::Null, Json::Null));
}

#[test]
fn tls_versions_are_numbers() {
    let version = |text: &str| {
        attribute(
            "tls.protocol.version",
            json!({"tlsDetails": {"tlsVersion": text}}),
        )
    };
    assert_eq!(version("TLSv1.3"), "1.3");
    assert_eq!(version("QUIC"), "QUIC");
}

#[test]
fn generative_operations() {
    let operation = |source: &str, name: &str| {
        let received = received(&record(json!({"eventSource": source, "eventName": name})));
        (
            received.get("gen_ai.operation.name"),
            received.get("gen_ai.agent.name"),
        )
    };
    let agent = json!("Amazon Q Developer");
    for (name, operation_name) in [
        ("SendMessage", "chat"),
        ("GenerateAssistantResponse", "chat"),
        ("SendConversation", "chat"),
        ("GenerateCompletions", "generate_content"),
        ("GenerateRecommendations", "generate_content"),
    ] {
        let expected = (json!(operation_name), agent.clone());
        assert_eq!(operation("codewhisperer.amazonaws.com", name), expected);
    }
    for (source, name) in [
        ("codewhisperer.amazonaws.com", "StartTransformation"),
        ("q.amazonaws.com", "PassRequest"),
        ("sqs.amazonaws.com", "SendMessage"),
    ] {
        assert_eq!(operation(source, name), (Json::Null, Json::Null), "{name}");
    }
    let provider = Options {
        provider_name: "p".to_owned(),
        ..Options::default()
    };
    let received = heard_with(SAMPLES[0], &provider);
    assert_eq!(received.get("gen_ai.provider.name"), "p");
}

#[test]
fn an_agents_call_is_a_tool_of_its_client() {
    let received = received(&record(json!({
        "eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances",
        "userAgent": "aws-cli/2.15 os/linux exec-env/AmazonQ-For-CLI-Version-1.10.0",
        "requestParameters": {"source": "x"},
    })));
    for (name, value) in [
        ("qtrail.event.class", json!("agent_call")),
        ("qtrail.agent.channel", json!("cli")),
        ("qtrail.agent.evidence", json!("user_agent")),
        ("gen_ai.operation.name", json!("execute_tool")),
        ("gen_ai.tool.name", json!("ec2:DescribeInstances")),
        ("aws.q.client.name", json!("AmazonQ-For-CLI")),
        ("aws.q.client.version", json!("1.10.0")),
        ("aws.q.client.os", json!("linux")),
        ("peer.service", json!("ec2")),
        ("service.peer.name", json!("ec2")),
        // Another service's field of this name is not Amazon Q's.
        ("aws.q.source", Json::Null),
    ] {
        assert_eq!(received.get(name), value, "{name}");
    }
    assert_eq!(received.kind, Some(SpanKind::Client));
}

#[test]
fn what_the_request_says_of_the_client_comes_before_the_user_agent() {
    let received = received(&record(json!({
        "eventSource": "codewhisperer.amazonaws.com", "eventName": "SendTelemetryEvent",
        "userAgent": "AmazonQ-For-VSCode/1.60 Visual-Studio-Code/1.99 os/linux",
        "requestParameters": {"userContext": {"ideCategory": "JETBRAINS", "operatingSystem": "MAC"}},
    })));
    assert_eq!(received.get("aws.q.client.name"), "JETBRAINS");
    assert_eq!(received.get("aws.q.client.version"), Json::Null);
    assert_eq!(received.get("aws.q.client.os"), "MAC");
}

#[test]
fn a_models_name_is_found_in_either_place() {
    for request in [
        json!({"modelId": "m"}),
        json!({"conversationState": {"currentMessage": {"userInputMessage": {"modelId": "m"}}}}),
    ] {
        assert_eq!(
            attribute(
                "gen_ai.request.model",
                json!({"requestParameters": request})
            ),
            "m"
        );
    }
}

#[test]
fn what_aws_masked_or_cut_is_pointed_at() {
    let fields = json!({
        "eventSource": "q.amazonaws.com",
        "userIdentity": {"userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "requestParameters": {"a/b": ["x", "***"], "conversationToken": "***", "c": "*** "},
        "responseElements": {"omitted": true, "originalSize": 200_000},
    });
    assert_eq!(
        attribute("aws.q.redacted", fields),
        json!([
            "/requestParameters/a~1b/1",
            "/requestParameters/conversationToken",
            "/responseElements",
            "/userIdentity/userName",
        ])
    );
    let escaped =
        r#"{"eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com","x":"\u002a**"}"#;
    assert_eq!(received(escaped).get("aws.q.redacted"), json!(["/x"]));
    assert_eq!(received(SAMPLES[3]).get("aws.q.redacted"), Json::Null);
}

#[test]
fn objects_are_maps_where_they_are_asked_for() {
    let maps = Options {
        maps: true,
        ..Options::default()
    };
    let request = json!({"Host": "s3.amazonaws.com"});
    assert_eq!(
        received(SAMPLES[3]).get("aws.request.parameters"),
        Json::Null
    );
    let received = heard_with(SAMPLES[3], &maps);
    assert_eq!(received.get("aws.request.parameters"), request);
    assert_eq!(received.get("aws.response.elements"), Json::Null);
    assert_eq!(received.get("aws.cloudtrail.unmapped"), Json::Null);
    let resources =
        record(json!({"resources": [{"ARN": "a", "type": ""}, "odd", {}, {"accountId": 1}]}));
    assert_eq!(
        heard_with(&resources, &complete()).get("aws.resources"),
        json!([{"arn": "a"}])
    );
    assert_eq!(
        heard_with(&resources, &complete()).get("aws.cloudtrail.unmapped"),
        json!({"resources": [{"type": ""}, "odd", {}, {"accountId": 1}]})
    );
}

#[test]
fn an_insights_event_has_neither_source_nor_caller() {
    let received = heard_with(
        &record(json!({
            "eventVersion": "1.07", "eventID": "e", "eventType": "AwsCloudTrailInsight",
            "eventCategory": "Insight", "sharedEventID": "s", "recipientAccountId": "1",
            "insightDetails": {"state": "Start", "eventName": "SendMessage"},
        })),
        &complete(),
    );
    assert_eq!(received.name, "AwsCloudTrailInsight");
    assert_eq!(
        received.get("aws.insight_details"),
        json!({"state": "Start", "eventName": "SendMessage"})
    );
    for absent in [
        "qtrail.invoked_by_service",
        "qtrail.identity.class",
        "rpc.method",
        "aws.cloudtrail.unmapped",
    ] {
        assert_eq!(received.get(absent), Json::Null, "{absent}");
    }
    assert_eq!(received.get("qtrail.event.class"), "other");
}

#[test]
fn an_odd_type_counts_as_unmapped_and_the_event_ships() {
    let fields = json!({
        "eventID": 7, "eventName": ["a"], "userIdentity": "None", "requestParameters": "{\"a\":1}",
        "responseElements": "None", "readOnly": "maybe", "managementEvent": 1, "tlsDetails": [],
        "errorCode": {"a": 1}, "resources": {}, "sourceIPAddress": true, "requestID": null, "apiVersion": "",
        "new": {"deep": [null, 1.5, 123456789012345678u64]},
    });
    let received = heard_with(&record(fields.clone()), &complete());
    let mut unmapped = fields;
    unmapped.as_object_mut().unwrap().remove("requestID");
    assert_eq!(received.get("aws.cloudtrail.unmapped"), unmapped);
    assert_eq!(
        received.get("qtrail.unreadable"),
        json!([
            "/errorCode",
            "/eventID",
            "/eventName",
            "/managementEvent",
            "/requestParameters",
            "/sourceIPAddress"
        ])
    );
}

#[test]
fn a_field_that_nothing_reads_is_told_where_it_says_something() {
    let identity = |identity: Json| json!({"userIdentity": identity});
    for (fields, told) in [
        (
            json!({"errorCode": ["AccessDenied"]}),
            json!(["/errorCode"]),
        ),
        (
            json!({"recipientAccountId": 123456789012u64}),
            json!(["/recipientAccountId"]),
        ),
        (
            json!({"resources": "[{arn=a}]", "tlsDetails": "x"}),
            json!(["/resources", "/tlsDetails"]),
        ),
        (
            json!({"requestParameters": "{a=b}"}),
            json!(["/requestParameters"]),
        ),
        (
            identity(json!([{"type": "Root"}, {"type": "IAMUser"}])),
            json!(["/userIdentity"]),
        ),
        (
            identity(json!({"type": ["Root"], "arn": {"a": 1}})),
            json!(["/userIdentity/arn", "/userIdentity/type"]),
        ),
        (
            identity(json!({"sessionContext": "{attributes={}}"})),
            json!(["/userIdentity/sessionContext"]),
        ),
        (
            identity(json!({"onBehalfOf": [{"userId": "a"}, {"userId": "b"}]})),
            json!(["/userIdentity/onBehalfOf"]),
        ),
        (
            json!({"eventSource": "q.amazonaws.com", "requestParameters": {"conversationId": ["a"]}}),
            json!(["/requestParameters/conversationId"]),
        ),
        // What another service's caller sends may be anything.
        (
            json!({"requestParameters": {"conversationId": ["a"], "source": {"b": 1}}}),
            Json::Null,
        ),
        // What says nothing is not told.
        (
            json!({"errorCode": {}, "errorMessage": [], "eventID": false, "responseElements": "None", "tlsDetails": "-",
                "requestParameters": "null", "userIdentity": {"onBehalfOf": [{"userId": "a"}], "type": null, "sessionContext": ""}}),
            Json::Null,
        ),
        (
            json!({"errorCode": 403, "readOnly": "yes", "resources": [1]}),
            Json::Null,
        ),
    ] {
        assert_eq!(
            attribute("qtrail.unreadable", fields.clone()),
            told,
            "{fields}"
        );
    }
}

#[test]
fn unmapped_holds_the_parts_without_a_row_under_their_own_names() {
    let fields = json!({
        "eventName": "X",
        "userIdentity": {
            "type": "AssumedRole", "inScopeOf": {"a": 1}, "invokedBy": "a.amazonaws.com",
            "sessionContext": {"attributes": {"creationDate": "d", "x": 1}, "invokedBy": "b.amazonaws.com", "assumedRoot": "true"},
        },
        "tlsDetails": {"tlsVersion": "TLSv1.3", "pinned": "k"},
        "edgeDeviceDetails": {"b": [2]},
    });
    assert_eq!(
        heard_with(&record(fields), &complete()).get("aws.cloudtrail.unmapped"),
        json!({
            "userIdentity": {
                "inScopeOf": {"a": 1},
                "sessionContext": {"attributes": {"x": 1}, "invokedBy": "b.amazonaws.com", "assumedRoot": "true"},
            },
            "tlsDetails": {"pinned": "k"},
            "edgeDeviceDetails": {"b": [2]},
        })
    );
}

#[test]
fn a_key_that_occurs_twice_counts_with_its_last_value() {
    let text = r#"{"eventTime":"x","eventTime":"2024-04-10T14:07:55Z","eventName":"A","eventName":"B","userIdentity":{"type":"Root"},"userIdentity":{"type":"IAMUser","type":"SAMLUser"}}"#;
    let received = received(text);
    assert_eq!(received.name, "B");
    assert_eq!(received.get("qtrail.identity.class"), "saml_user");
}

#[test]
fn a_lone_surrogate_becomes_a_replacement_character() {
    let text = r#"{"eventTime":"2024-04-10T14:07:55Z","eventName":"A\ud83d","\ud83d":"\udc00"}"#;
    let received = heard_with(text, &complete());
    assert_eq!(received.name, "A\u{fffd}");
    assert_eq!(
        received.get("aws.cloudtrail.unmapped"),
        json!({"\u{fffd}": "\u{fffd}"})
    );
}

/// Every scalar in a value, as text; numbers and booleans by their JSON.
fn leaves(value: &Json, out: &mut HashSet<String>) {
    match value {
        Json::Null => {}
        Json::String(text) => {
            out.insert(text.clone());
        }
        Json::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Json::Object(entries) => entries.values().for_each(|entry| leaves(entry, out)),
        scalar => {
            out.insert(scalar.to_string());
        }
    }
}

/// A value that may stand anywhere in a record.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        // Nothing that could be an assignment of a secret.
        "[a-zA-Z0-9/.-]{0,12}".prop_map(Json::from),
        prop::sample::select(
            &[
                "true",
                "q.amazonaws.com",
                "Role",
                "arn:aws:sts::1:assumed-role/R/m",
                "***",
                "ASIA1"
            ][..]
        )
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map(any_key(), inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// CloudTrail's keys, mostly.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&[
            "userIdentity", "sessionContext", "attributes", "sessionIssuer", "onBehalfOf", "userId",
            "type", "arn", "principalId", "accountId", "userName", "invokedBy", "creationDate",
            "mfaAuthenticated", "identityStoreArn", "requestParameters", "responseElements",
            "resources", "ARN", "tlsDetails", "eventName", "eventSource", "eventID", "errorCode",
            "sourceIPAddress", "userAgent", "readOnly", "conversationId", "metadata", "awsRegion",
            "recipientAccountId", "additionalEventData", "eventType", "telemetryEvent", "accessKeyId",
        ][..]).prop_map(str::to_owned),
        // No word that could name a secret.
        1 => "[x-z]{1,6}",
    ]
}

fn any_record() -> impl Strategy<Value = String> {
    prop::collection::hash_map(any_key(), any_json(), 0..12)
        .prop_map(|map| record(Json::Object(map.into_iter().collect())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_lost_without_a_body(text in any_record()) {
        let received = heard_with(&text, &complete());
        names_of(&received);
        let mut found = HashSet::new();
        for (_, value) in &received.attributes {
            leaves(value, &mut found);
        }
        found.extend(received.resource.iter().flatten().cloned());
        let mut record: Json = serde_json::from_str(&text).expect("JSON");
        let entries = record.as_object_mut().expect("an object");
        entries.remove("eventTime");
        let mut wanted = HashSet::new();
        leaves(&record, &mut wanted);
        for leaf in wanted {
            prop_assert!(found.contains(&leaf), "{leaf:?} of {text}");
        }
    }

    #[test]
    fn an_event_of_amazon_q_may_be_selected(text in any_record()) {
        let selector = Selector::new(Select::AmazonQ, &Lists::default());
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        if event.is_of_amazon_q() {
            prop_assert!(selector.may_select(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn any_object_is_an_event_or_a_reason(value in any_json(), maps: bool) {
        let text = value.to_string();
        if let Ok(event) = Event::parse(text.as_bytes(), 64) {
            let placement = Placement::of(&event);
            let options = Options { maps, ..Options::default() };
            crate::convert::convert(event, &placement, None, &options, &mut Received::default());
        }
    }

    #[test]
    fn the_order_of_keys_is_irrelevant(text in any_record()) {
        let record: serde_json::Map<String, Json> = serde_json::from_str(&text).expect("JSON");
        let turned: Vec<_> = record.iter().rev().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        let turned = format!("{{{}}}", turned.join(","));
        let options = Options { maps: true, ..Options::default() };
        let [mut one, mut other] = [&text, &turned].map(|text| heard_with(text, &options));
        (one.body, other.body) = (None, None);
        if record.get("eventID").and_then(Json::as_str).is_none_or(str::is_empty) {
            // The ids are those of the bytes.
            (one.head, other.head) = (String::new(), String::new());
        }
        let sorted = |received: &mut Received| {
            for (field, value) in &mut received.attributes {
                if ["aws.q.redacted", "qtrail.unreadable"].contains(&field.name) && let Json::Array(pointers) = value {
                    pointers.sort_by_key(ToString::to_string);
                }
            }
        };
        sorted(&mut one);
        sorted(&mut other);
        prop_assert_eq!(one, other);
    }
}
