use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::convert::{Body, Options, Person, Redaction, Value, convert};
use crate::event::amazon_q::{Lists, Select, Selector};
use crate::otlp::Flat;
use crate::sorted::tests::space;

const FIRST: &str = "a298ec0d-0a49-4d2e-92bd-7d6e629b4619";
const OTHER: &str = "b298ec0d-0a49-4d2e-92bd-7d6e629b4619";

/// An event of a person at a second of one hour.
fn event(id: &str, person: &str, second: u32, fields: Json) -> Json {
    let mut event = json!({
        "eventVersion": "1.11",
        "eventID": id,
        "eventTime": format!("2026-03-01T10:{:02}:{:02}Z", second / 60, second % 60),
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLE:{person}"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/Dev/{person}"),
            "accountId": "111122223333",
        },
    });
    merge(&mut event, fields);
    event
}

fn merge(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn message(id: &str, person: &str, second: u32, conversation: &str) -> Json {
    let fields = json!({
        "eventSource": "q.amazonaws.com",
        "eventName": "SendMessage",
        "requestParameters": {"conversationId": conversation},
    });
    event(id, person, second, fields)
}

fn call(id: &str, person: &str, second: u32, invoker: &str) -> Json {
    let fields = json!({
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListBuckets",
        "requestID": format!("request-{id}"),
        "userIdentity": {"invokedBy": invoker},
    });
    event(id, person, second, fields)
}

fn tool(id: &str, person: &str, second: u32, calls: &[&str]) -> Json {
    let requests: Vec<_> = calls
        .iter()
        .map(|id| json!({"apiName": "s3:ListBuckets", "requestId": format!("request-{id}")}))
        .collect();
    let fields = json!({
        "eventSource": "aws-mcp.amazonaws.com",
        "eventName": "CallReadOnlyTool",
        "eventType": "AwsMcpEvent",
        "additionalEventData": {"downstreamRequests": requests},
    });
    event(id, person, second, fields)
}

/// A person's own call by the AWS command line, with the codes that it declares.
fn command(id: &str, person: &str, second: u32, session: &str, codes: &str) -> Json {
    let fields = json!({
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListBuckets",
        "userAgent": format!("[aws-cli/2.31 md/command#s3.ls sid/{session} m/b,{codes}]"),
    });
    event(id, person, second, fields)
}

const Q: &str = "q.amazonaws.com";
const MCP: &str = "aws-mcp.amazonaws.com";

fn with<T>(record: &Json, then: impl FnOnce(Event<'_>) -> T) -> T {
    let bytes = record.to_string().into_bytes();
    let selector = Selector::new(Select::All, &Lists::default());
    let event = selector.select(&bytes, 64).expect("an event");
    then(event.expect("wanted"))
}

/// The tree, which is the same without memory.
fn tree(records: &[Json], options: &Options) -> Tree {
    let [tree, outside] = [usize::MAX, 0].map(|bytes| tree_within(bytes, records, options));
    assert!(matches!(tree.0, Kept::Inside(..)));
    let [inside, outside] = [&tree, &outside].map(|tree| converted(tree, records, options));
    assert_eq!(outside, inside);
    tree
}

/// The tree that is made with so many bytes of memory.
fn tree_within(bytes: usize, records: &[Json], options: &Options) -> Tree {
    let mut assembler = Assembler::new(space(bytes));
    for record in records {
        if let Some(facts) = with(record, |event| Facts::of(event, options)) {
            assembler.add(facts).unwrap();
        }
    }
    assembler.finish().unwrap()
}

fn conversations(tree: &Tree) -> Vec<Conversation> {
    tree.conversations().collect::<io::Result<_>>().unwrap()
}

fn span(record: &Json) -> SpanId {
    with(record, |event| ids::span(&event))
}

fn placed(tree: &Tree, record: &Json) -> Placement {
    with(record, |event| tree.placement(&event).unwrap())
}

/// The value of an attribute of a placement.
fn extra<'p>(placement: &'p Placement, name: &str) -> Option<&'p Value<'static>> {
    let mut attributes = placement.extra.iter();
    let found = attributes.find(|attribute| attribute.field.name == name)?;
    Some(&found.value)
}

fn text(placement: &Placement, name: &str) -> Option<String> {
    match extra(placement, name)? {
        Value::Str(text) => Some(text.clone().into_owned()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[test]
fn a_call_belongs_to_the_nearest_message_of_its_person() {
    let records = [
        message("m1", "mary", 100, FIRST),
        message("m2", "mary", 200, FIRST),
        message("m3", "nikki", 120, OTHER),
        call("c1", "mary", 103, Q),
        call("c2", "mary", 199, Q),
        call("c3", "nikki", 100, Q),
    ];
    let tree = tree(&records, &Options::default());
    let of = |record| {
        let placement = placed(&tree, record);
        (
            placement.parent,
            text(&placement, "qtrail.correlation.delta_ms"),
        )
    };
    let [m1, m2, m3, c1, c2, c3] = &records;
    assert_eq!(of(c1), (Some(span(m1)), Some("3000".to_owned())));
    assert_eq!(of(c2), (Some(span(m2)), Some("-1000".to_owned())));
    assert_eq!(of(c3), (Some(span(m3)), Some("-20000".to_owned())));
    let placement = placed(&tree, c1);
    assert_eq!(placement.trace_id, placed(&tree, m1).trace_id);
    assert_eq!(
        text(&placement, "qtrail.correlation").as_deref(),
        Some("heuristic")
    );
    assert_eq!(
        text(&placement, "gen_ai.conversation.id").as_deref(),
        Some(FIRST)
    );
}

#[test]
fn two_equally_near_conversations_give_no_parent() {
    let near = [
        message("m1", "mary", 100, FIRST),
        message("m2", "mary", 110, OTHER),
    ];
    let between = call("c", "mary", 105, Q);
    let closer = call("d", "mary", 104, Q);
    let far = call("e", "mary", 411, Q);
    let mut records = near.to_vec();
    records.extend([between.clone(), closer.clone(), far.clone()]);
    let tree = tree(&records, &Options::default());
    let own = with(&between, |event| Placement::of(&event).trace_id);
    let placement = placed(&tree, &between);
    assert_eq!((placement.parent, placement.trace_id), (None, own));
    assert_eq!(placed(&tree, &closer).parent, Some(span(&near[0])));
    assert_eq!(placed(&tree, &far).parent, None, "beyond the reach");
}

#[test]
fn what_aws_recorded_wins_over_the_nearest_message() {
    let records = [
        message("m", "mary", 100, FIRST),
        call("c", "mary", 100, Q),
        tool("t", "mary", 160, &["c", "d"]),
        call("d", "mary", 158, MCP),
    ];
    let tree = tree(&records, &Options::default());
    let [_, c, t, d] = &records;
    for child in [c, d] {
        let placement = placed(&tree, child);
        assert_eq!(placement.parent, Some(span(t)));
        assert_eq!(
            text(&placement, "qtrail.correlation").as_deref(),
            Some("request_id")
        );
        assert_eq!(placement.trace_id, placed(&tree, t).trace_id);
    }
}

#[test]
fn a_request_id_of_another_account_is_another_request() {
    let mut other = call("c", "mary", 100, MCP);
    other["recipientAccountId"] = json!("444455556666");
    let records = [tool("t", "mary", 101, &["c"]), other];
    let tree = tree(&records, &Options::default());
    assert_eq!(placed(&tree, &records[1]).parent, None);
}

#[test]
fn a_request_that_two_tools_list_has_no_parent() {
    let records = [
        tool("t", "mary", 101, &["c"]),
        tool("u", "mary", 102, &["c"]),
        call("c", "mary", 100, MCP),
    ];
    let tree = tree(&records, &Options::default());
    assert_eq!(placed(&tree, &records[2]).parent, None);
}

#[test]
fn a_parent_covers_its_children_and_says_so() {
    let records = [
        message("m", "mary", 100, FIRST),
        call("c", "mary", 130, Q),
        tool("t", "mary", 500, &["d"]),
        call("d", "mary", 498, MCP),
    ];
    let tree = tree(&records, &Options::default());
    let [m, c, t, d] = &records;
    let own = |record| with(record, |event| crate::convert::extent(&event));
    let message = placed(&tree, m);
    assert_eq!(message.extent, Some((own(m).0, own(c).1)));
    assert_eq!(
        text(&message, "qtrail.span.extent").as_deref(),
        Some("derived")
    );
    // A tool's call completes after its requests.
    assert_eq!(placed(&tree, t).extent, Some((own(d).0, own(t).1)));
    for child in [c, d] {
        assert_eq!(placed(&tree, child).extent, None);
    }
    let conversation = &conversations(&tree)[0];
    assert_eq!(message.parent, Some(conversation.span_id()));
    let mut flat = Flat::new(&Options::default());
    conversation.write("aws.q_developer", &mut flat);
    let line: Json = serde_json::from_slice(&flat.take()).unwrap();
    assert_eq!(line["qtrail.conversation.messages"], 1);
    assert_eq!(line["qtrail.conversation.calls"], 1);
    assert_eq!(line["gen_ai.operation.name"], "invoke_agent");
}

const ROLE: &str = "DevOpsAgentActionsRole-AgentSpace-EXAMPLE2";
const SESSION: &str = "op.system.apr.019f0000-1111-72";
const APPROVAL: &str = "019f0000-1111-7222-8333-444455556666";

fn approval(id: &str, second: u32) -> Json {
    let fields = json!({
        "eventSource": "aidevops.amazonaws.com",
        "eventName": "UpdateApprovalAction",
        "responseElements": {"approvalId": APPROVAL},
    });
    event(id, "alice", second, fields)
}

fn assume_role(id: &str, second: u32, role: &str, session: &str, external_id: &str) -> Json {
    let fields = json!({
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "requestParameters": {
            "roleArn": format!("arn:aws:iam::111122223333:role/service-role/{role}"),
            "roleSessionName": session,
            "externalId": external_id,
        },
    });
    event(id, "agent", second, fields)
}

fn by_role(id: &str, second: u32) -> Json {
    let fields = json!({
        "eventSource": "ec2.amazonaws.com",
        "eventName": "ModifySecurityGroupRules",
        "userIdentity": {
            "arn": format!("arn:aws:sts::111122223333:assumed-role/{ROLE}/{SESSION}"),
            "invokedBy": "aidevops.amazonaws.com",
        },
    });
    event(id, "x", second, fields)
}

#[test]
fn an_approval_leads_to_the_role_and_to_what_was_done_with_it() {
    let mut by_the_service = assume_role("s", 40, ROLE, SESSION, APPROVAL);
    by_the_service["userIdentity"] =
        json!({"type": "AWSService", "invokedBy": "aidevops.amazonaws.com"});
    let records = [
        approval("a", 32),
        assume_role("r", 33, ROLE, SESSION, APPROVAL),
        by_role("w", 34),
        by_the_service,
        by_role("v", 41),
    ];
    let tree = tree(&records, &Options::default());
    let [approval, assumed, write, assumed_later, later] = &records;
    assert_eq!(placed(&tree, assumed).parent, Some(span(approval)));
    assert_eq!(placed(&tree, assumed_later).parent, Some(span(approval)));
    assert_eq!(placed(&tree, write).parent, Some(span(assumed)));
    assert_eq!(placed(&tree, later).parent, Some(span(assumed_later)));
    let trace = placed(&tree, approval).trace_id;
    assert_eq!(placed(&tree, write).trace_id, trace);
    let relation = text(&placed(&tree, write), "qtrail.correlation");
    assert_eq!(relation.as_deref(), Some("approval_id"));
}

#[test]
fn an_external_id_that_the_session_does_not_name_is_no_approval() {
    let records = [
        assume_role("r", 33, "Dev", "mary", APPROVAL),
        message("m", "mary", 100, FIRST),
        call("c", "mary", 103, Q),
    ];
    let tree = tree(&records, &Options::default());
    let [_, m, c] = &records;
    assert_eq!(placed(&tree, c).parent, Some(span(m)));
}

const SIGN_IN: &str = "arn:aws:signin:us-east-1:111122223333:session/daff060f";

fn grant(id: &str, second: u32, client: &str) -> Json {
    let fields = json!({
        "eventSource": "signin.amazonaws.com",
        "eventName": "CreateOAuth2Token",
        "requestParameters": {"resource": "https://aws-mcp.us-east-1.api.aws/mcp", "client_id": client},
        "additionalEventData": {"signInSessionArn": SIGN_IN},
    });
    event(id, "mary", second, fields)
}

fn granted_tool(id: &str, second: u32, milliseconds: u32) -> Json {
    let mut called = tool(id, "mary", second, &[]);
    called["userIdentity"]["sessionContext"] = json!({"signInSessionArn": SIGN_IN});
    called["mcpEventDetails"] = json!({"executionTimeMs": milliseconds});
    called
}

#[test]
fn a_tools_call_follows_the_last_grant_before_it_began() {
    let grants = [10, 60, 88, 120].map(|second| grant(&format!("g{second}"), second, "a"));
    let [g1, g2, g3, g4] = grants;
    let records = [g1, g2, g3, g4, granted_tool("t", 90, 5_000)];
    let tree = tree(&records, &Options::default());
    let placement = placed(&tree, &records[4]);
    assert_eq!(placement.parent, Some(span(&records[1])));
    assert_eq!(placement.trace_id, placed(&tree, &records[1]).trace_id);
}

#[test]
fn grants_of_two_clients_in_one_sign_in_are_no_ones_parent() {
    let records = [
        grant("g1", 10, "a"),
        grant("g2", 60, "b"),
        granted_tool("t", 90, 5_000),
    ];
    let tree = tree(&records, &Options::default());
    assert_eq!(placed(&tree, &records[2]).parent, None);
}

/// All that an event becomes with this tree.
fn converted(tree: &Tree, records: &[Json], options: &Options) -> String {
    let mut flat = Flat::new(options);
    let mut records: Vec<_> = records.iter().collect();
    records.sort_by_key(|record| record["eventID"].to_string());
    for record in records {
        with(record, |event| {
            let placement = tree.placement(&event).unwrap();
            convert(event, &placement, None, options, &mut flat);
        });
    }
    for conversation in conversations(tree) {
        conversation.write(&options.provider_name, &mut flat);
    }
    String::from_utf8(flat.take()).unwrap()
}

#[test]
fn a_redacted_conversation_id_is_shown_nowhere() {
    let records = [message("m", "mary", 100, FIRST), call("c", "mary", 103, Q)];
    let options = Options {
        body: Body::None,
        redaction: Redaction {
            keys: vec!["conversationId".to_owned()],
            ..Redaction::default()
        },
        ..Options::default()
    };
    let tree = tree(&records, &options);
    let shown = converted(&tree, &records, &options);
    assert!(!shown.contains(FIRST), "{shown}");
    assert!(!shown.contains(&FIRST.replace('-', "")), "{shown}");
    let [message, call] = records.each_ref().map(|record| placed(&tree, record));
    assert_eq!(message.trace_id, call.trace_id);
    // The message is converted into the same trace.
    let trace = hex::encode(message.trace_id);
    assert_eq!(shown.matches(&trace).count(), 3, "{shown}");
}

#[test]
fn a_redacted_event_id_is_shown_nowhere() {
    let id = "c298ec0d-0a49-4d2e-92bd-7d6e629b4619";
    // Without a session, the event's id is its trace's.
    let mut called = tool(id, "mary", 101, &["c"]);
    called["userIdentity"] = json!({"type": "AWSService", "invokedBy": MCP});
    let records = [called, call("c", "mary", 100, MCP)];
    let options = Options {
        body: Body::None,
        redaction: Redaction {
            keys: vec!["eventID".to_owned()],
            ..Redaction::default()
        },
        ..Options::default()
    };
    let tree = tree(&records, &options);
    let shown = converted(&tree, &records, &options);
    assert!(!shown.contains(&id.replace('-', "")), "{shown}");
    let [above, below] = records.each_ref().map(|record| placed(&tree, record));
    assert_eq!(below.parent, Some(span(&records[0])));
    assert_eq!(above.trace_id, below.trace_id);
}

#[test]
fn only_what_a_person_wrote_is_a_message_of_the_conversation() {
    let mut start = message("s", "mary", 90, FIRST);
    start["eventName"] = "StartConversation".into();
    let records = [start, message("m", "mary", 100, FIRST)];
    let mut flat = Flat::new(&Options::default());
    conversations(&tree(&records, &Options::default()))[0].write("aws.q_developer", &mut flat);
    let line: Json = serde_json::from_slice(&flat.take()).unwrap();
    assert_eq!(line["qtrail.conversation.messages"], 1);
}

#[test]
fn a_table_of_people_names_the_person_of_a_conversation_and_moves_no_event() {
    let records = [
        message("m", "mary", 0, FIRST),
        message("o", "mary.major", 10, OTHER),
        call("c", "mary", 12, "q.amazonaws.com"),
    ];
    let mut options = Options::default();
    let mary = Person {
        id: "u-1".to_owned(),
        name: None,
    };
    let ids = ["mary", "mary.major"];
    options.identities.add(mary, &ids).expect("ids of nobody");
    let (with_table, without) = (
        tree(&records, &options),
        tree(&records, &Options::default()),
    );
    for record in &records {
        let (one, other) = (placed(&with_table, record), placed(&without, record));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
    let shown = |tree: &Tree, options: &Options| {
        let mut flat = Flat::new(options);
        let all = conversations(tree).into_iter();
        let each = all.map(|conversation| {
            conversation.write("aws.q_developer", &mut flat);
            serde_json::from_slice::<Json>(&flat.take()).expect("JSON")["enduser.id"].clone()
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(shown(&with_table, &options), ["u-1", "u-1"]);
    let mut names = shown(&without, &Options::default());
    names.sort_by_key(Json::to_string);
    assert_eq!(names, ["mary", "mary.major"]);
}

#[test]
fn an_agent_that_one_call_of_a_command_line_declares_counts_for_its_other_calls() {
    let records = [
        command("first", "mary", 100, "s", "E"),
        command("declares", "mary", 900, "s", "AN"),
        command("again", "mary", 950, "s", "AN,E"),
        command("last", "mary", 3000, "s", "E"),
        command("of another session", "mary", 901, "t", "E"),
        command("of another person", "nikki", 901, "s", "E"),
        call("of a service", "mary", 901, MCP),
    ];
    let tree = tree(&records, &Options::default());
    let declared = |record| {
        let placement = placed(&tree, record);
        assert_eq!(placement.parent, None);
        let name = text(&placement, "gen_ai.agent.name");
        (name, text(&placement, "qtrail.agent.evidence"))
    };
    let claude = Some("Claude Code".to_owned());
    let by_session = (claude, Some("cli_session".to_owned()));
    let [first, declares, again, last, others @ ..] = &records;
    assert_eq!(declared(first), by_session);
    assert_eq!(declared(last), by_session);
    // These say it themselves.
    assert_eq!(declared(declares), (None, None));
    assert_eq!(declared(again), (None, None));
    for other in others {
        assert_eq!(declared(other), (None, None), "{other}");
    }
}

#[test]
fn a_command_line_that_declares_two_agents_declares_none() {
    let records = [
        command("claude", "mary", 100, "s", "AN"),
        command("other", "mary", 101, "s", "E"),
        command("codex", "mary", 102, "s", "AP"),
    ];
    let tree = tree(&records, &Options::default());
    let name = text(&placed(&tree, &records[1]), "gen_ai.agent.name");
    assert_eq!(name, None);
}

fn records() -> impl Strategy<Value = Vec<Json>> {
    let person = prop::sample::select(vec!["mary", "nikki"]);
    let conversation = prop::sample::select(vec![FIRST, OTHER]);
    // Some at the same time, or as near as others.
    let second = prop_oneof![0..900_u32, 100..110_u32];
    let one = (0..12_usize, person, conversation, second, 0..12_usize);
    prop::collection::vec(one, 1..16).prop_map(|all| {
        let each = all.into_iter().enumerate();
        each.map(|(n, (kind, person, conversation, second, child))| {
            let id = format!("e{n:02}");
            match kind {
                0 | 10 => message(&id, person, second, conversation),
                1 => tool(&id, person, second, &[&format!("e{child:02}")]),
                2 | 11 => call(&id, person, second, Q),
                3 => command(
                    &id,
                    person,
                    second,
                    conversation,
                    ["E", "AN", "AP"][child % 3],
                ),
                4 => grant(&id, second, ["a", "a", "b"][child % 3]),
                5 => granted_tool(&id, second, 10_000),
                6 => approval(&id, second),
                7 => {
                    let external_id = format!("{}{child}", &APPROVAL[..APPROVAL.len() - 1]);
                    let external_id = [APPROVAL, APPROVAL, &external_id][child % 3];
                    assume_role(&id, second, ROLE, SESSION, external_id)
                }
                8 => by_role(&id, second),
                _ => call(&id, person, second, MCP),
            }
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn order_and_repeats_change_nothing(
        records in records(),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let options = Options::default();
        let expected = converted(&tree(&records, &options), &records, &options);
        let mut others = records.clone();
        others.rotate_left(shuffled.index(records.len()));
        others.reverse();
        others.extend(records.clone());
        prop_assert_eq!(converted(&tree(&others, &options), &records, &options), expected);
    }

    #[test]
    fn parents_exist_share_the_trace_and_cover_their_children(records in records()) {
        let tree = tree(&records, &Options::default());
        let own = |record: &Json| with(record, |event| crate::convert::extent(&event));
        let places: HashMap<_, _> = records
            .iter()
            .map(|record| {
                let placement = placed(&tree, record);
                let extent = placement.extent.unwrap_or(own(record));
                (span(record), (placement, extent))
            })
            .collect();
        let roots = conversations(&tree);
        for (placement, extent) in places.values() {
            let Some(parent) = placement.parent else { continue };
            let root = roots.iter().find(|root| root.span_id() == parent);
            let (trace_id, (start, end)) = match (places.get(&parent), root) {
                (Some((above, extent)), _) => (above.trace_id, *extent),
                (None, Some(root)) => (root.trace_id(), root.extent()),
                (None, None) => panic!("a parent that is nowhere"),
            };
            prop_assert_eq!(trace_id, placement.trace_id);
            prop_assert!(start <= extent.0 && extent.1 <= end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn events_that_do_not_fit_into_memory_have_the_same_places(
        records in records(),
        others in prop::collection::vec((any::<prop::sample::Index>(), 0..900_u32), 0..4),
        more in 0..120_u32,
        bytes in 0..16_usize * EVENT_BYTES,
    ) {
        let options = Options::default();
        // Copies that differ, and so many events that one block of places does not hold them.
        let mut all = records.clone();
        all.extend(others.into_iter().map(|(at, second)| {
            let mut other = records[at.index(records.len())].clone();
            other["eventTime"] = json!(format!("2026-03-01T10:{:02}:{:02}Z", second / 60, second % 60));
            other
        }));
        all.push(message("more", "alice", 0, FIRST));
        all.extend((0..more).map(|n| call(&format!("more-{n}"), "alice", n, Q)));
        let expected = converted(&tree(&all, &options), &all, &options);
        let mut shuffled = all.clone();
        shuffled.reverse();
        shuffled.extend(records);
        let outside = tree_within(bytes, &shuffled, &options);
        prop_assert_eq!(converted(&outside, &all, &options), expected);
        prop_assert!(matches!(outside.0, Kept::Outside(..)) || all.len() <= 15);
    }
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

fn settings() -> Settings {
    Settings::default()
}

/// A window, and what a process keeps of what it gave.
struct Arrivals {
    window: Window,
    kept: Vec<(SpanId, Remembered)>,
    conversations: HashMap<TraceId, RememberedConversation>,
    roots: Vec<Conversation>,
}

impl Arrivals {
    fn new(settings: Settings) -> Self {
        Arrivals {
            window: Window::new(settings),
            kept: Vec::new(),
            conversations: HashMap::new(),
            roots: Vec::new(),
        }
    }

    fn arrive(&mut self, record: &Json, now: i64) {
        let facts = with(record, |event| Facts::of(event, &Options::default()));
        let is_decided = self.kept.iter().any(|(id, _)| *id == span(record));
        if let Some(facts) = facts.filter(|_| !is_decided) {
            self.window.arrive(facts, now);
        }
    }

    fn pass(&mut self, now: i64) {
        let decided = self
            .window
            .decide(self.window.due(now).max(self.window.surplus()), now);
        for (id, _) in &decided {
            assert!(
                self.kept.iter().all(|(known, _)| known != id),
                "decided twice"
            );
        }
        self.kept.extend(decided);
        let quiet = self.window.quiet(now, false);
        for known in self.window.changed(now).chain(quiet.clone()) {
            self.conversations
                .insert(known.conversation.trace_id(), known);
        }
        self.roots
            .extend(quiet.into_iter().map(|known| known.conversation));
    }

    /// The process is killed, and another one begins: what is held is gone.
    fn restart(&mut self, now: i64) {
        self.window = Window::new(settings());
        let text = serde_json::to_string(&self.kept).unwrap();
        let kept: Vec<(SpanId, Remembered)> = serde_json::from_str(&text).unwrap();
        for (id, event) in kept {
            self.window.restore(id, &event);
        }
        for known in self.conversations.values() {
            let text = serde_json::to_string(known).unwrap();
            self.window
                .restore_conversation(serde_json::from_str(&text).unwrap(), now);
        }
    }

    /// The tree of all that was given.
    fn tree(&self) -> Tree {
        let places = self.kept.iter();
        let places = places.map(|(id, event)| (*id, event.place.clone()));
        let mut conversations = self.roots.clone();
        conversations.sort_unstable_by_key(|known| (known.extent(), known.trace_id()));
        Tree(Kept::Inside(places.collect(), conversations))
    }
}

#[test]
fn an_event_is_held_for_a_window_and_its_conversation_until_it_is_quiet() {
    let (m, c) = (message("m", "mary", 100, FIRST), call("c", "mary", 103, Q));
    let mut arrivals = Arrivals::new(settings());
    arrivals.arrive(&c, 0);
    arrivals.arrive(&m, 5 * MINUTE);
    assert_eq!(arrivals.window.next_due(), Some(6 * MINUTE));
    arrivals.pass(6 * MINUTE - 1);
    assert_eq!(arrivals.kept.len(), 0);
    arrivals.pass(6 * MINUTE);
    assert!(arrivals.window.holds(span(&m)));
    arrivals.pass(11 * MINUTE);
    let tree = arrivals.tree();
    assert_eq!(placed(&tree, &c).parent, Some(span(&m)));
    assert_eq!(arrivals.window.next_quiet(), Some(26 * MINUTE));
    assert!(arrivals.roots.is_empty());
    arrivals.pass(26 * MINUTE);
    assert_eq!(arrivals.roots.len(), 1);
    assert_eq!(arrivals.window.next_quiet(), None);
}

#[test]
fn what_comes_late_joins_its_conversation_and_makes_no_second_root() {
    let records = [
        message("m", "mary", 100, FIRST),
        call("c", "mary", 103, Q),
        message("m2", "mary", 200, FIRST),
    ];
    let [m, c, m2] = &records;
    let mut arrivals = Arrivals::new(settings());
    arrivals.arrive(m, 0);
    for minute in 1..30 {
        arrivals.pass(minute * MINUTE);
    }
    let first = arrivals.roots.clone();
    assert_eq!(first.len(), 1);
    for record in [c, m2] {
        arrivals.arrive(record, 30 * MINUTE);
    }
    arrivals.restart(31 * MINUTE);
    for record in [m, c, m2] {
        arrivals.arrive(record, 31 * MINUTE);
    }
    for minute in 31..90 {
        arrivals.pass(minute * MINUTE);
    }
    assert_eq!(arrivals.roots, first);
    let tree = arrivals.tree();
    assert_eq!(placed(&tree, c).parent, Some(span(m)));
    assert_eq!(placed(&tree, m2).parent, Some(first[0].span_id()));
    // The message left before, so it could not cover its call.
    assert_eq!(placed(&tree, m).extent, None);
}

#[test]
fn a_conversation_that_was_open_at_the_stop_waits_for_what_was_not_read_meanwhile() {
    let (m, m2) = (
        message("m", "mary", 100, FIRST),
        message("m2", "mary", 200, FIRST),
    );
    let mut arrivals = Arrivals::new(settings());
    arrivals.arrive(&m, 0);
    arrivals.pass(6 * MINUTE);
    let start = 90 * MINUTE;
    arrivals.restart(start);
    arrivals.pass(start);
    assert!(arrivals.roots.is_empty());
    arrivals.arrive(&m2, start);
    for minute in 0..30 {
        arrivals.pass(start + minute * MINUTE);
    }
    assert_eq!(arrivals.roots.len(), 1);
    let mut flat = Flat::new(&Options::default());
    arrivals.roots[0].write("aws.q_developer", &mut flat);
    let line: Json = serde_json::from_slice(&flat.take()).unwrap();
    assert_eq!(line["qtrail.conversation.messages"], 2);
}

#[test]
fn a_step_of_the_clock_decides_nothing_early() {
    let m = message("m", "mary", 100, FIRST);
    let mut arrivals = Arrivals::new(settings());
    arrivals.arrive(&m, 10 * MINUTE);
    arrivals.pass(10 * MINUTE - SECOND);
    assert!(arrivals.kept.is_empty());
    // A large step back is no reason to wait for ever.
    arrivals.pass(0);
    assert_eq!(arrivals.kept.len(), 1);
}

#[test]
fn of_too_many_decided_events_the_oldest_is_no_parent_any_more() {
    let mut arrivals = Arrivals::new(Settings {
        max_parents: 1,
        ..settings()
    });
    let records = [
        message("m", "mary", 100, FIRST),
        message("m2", "nikki", 100, OTHER),
    ];
    for (record, minute) in records.iter().zip([0, 10]) {
        arrivals.arrive(record, minute * MINUTE);
        arrivals.pass((minute + 6) * MINUTE);
    }
    arrivals.window.forget(16 * MINUTE);
    let calls = [call("c", "mary", 100, Q), call("c2", "nikki", 100, Q)];
    for record in &calls {
        arrivals.arrive(record, 16 * MINUTE);
    }
    arrivals.pass(30 * MINUTE);
    let tree = arrivals.tree();
    assert_eq!(placed(&tree, &calls[0]).parent, None);
    assert_eq!(placed(&tree, &calls[1]).parent, Some(span(&records[1])));
}

#[test]
fn too_many_held_events_are_decided_early_the_oldest_first() {
    let mut arrivals = Arrivals::new(Settings {
        max_held: 4,
        ..settings()
    });
    let ids: Vec<_> = (0..5).map(|n| format!("m{n}")).collect();
    let records = ids.iter().map(|id| message(id, "mary", 100, FIRST));
    let records: Vec<_> = records.collect();
    for record in &records[..4] {
        arrivals.arrive(record, 0);
        arrivals.pass(0);
    }
    assert_eq!(arrivals.kept.len(), 0);
    arrivals.arrive(&records[4], 0);
    arrivals.pass(0);
    let kept: Vec<_> = arrivals.kept.iter().map(|(id, _)| *id).collect();
    let mut oldest: Vec<_> = records[..3].iter().map(span).collect();
    oldest.sort_unstable();
    assert_eq!(kept, oldest);
}

#[test]
fn a_decided_event_is_a_parent_until_it_is_forgotten() {
    let records = [
        message("m", "mary", 100, FIRST),
        call("c", "mary", 103, Q),
        call("d", "mary", 103, Q),
    ];
    let [m, c, d] = &records;
    let day = 24 * 60 * MINUTE;
    let mut arrivals = Arrivals::new(settings());
    arrivals.arrive(m, 0);
    arrivals.pass(6 * MINUTE);
    arrivals.pass(30 * MINUTE);
    assert_eq!(arrivals.window.forget(day + 6 * MINUTE), 6 * MINUTE);
    arrivals.arrive(c, day + 6 * MINUTE);
    arrivals.pass(day + 12 * MINUTE);
    arrivals.window.forget(day + 13 * MINUTE);
    arrivals.arrive(d, day + 13 * MINUTE);
    arrivals.pass(day + 20 * MINUTE);
    let tree = arrivals.tree();
    assert_eq!(placed(&tree, c).parent, Some(span(m)));
    assert_eq!(placed(&tree, d).parent, None);
}

proptest! {
    #[test]
    fn what_arrives_within_one_window_has_the_places_of_all_that_was_read(
        records in records(),
        arrived in prop::collection::vec((any::<prop::sample::Index>(), 0..6 * 60_i64), 0..40),
        killed in prop::option::of(0..6 * 60_i64),
    ) {
        let options = Options::default();
        let expected = converted(&tree(&records, &options), &records, &options);
        let mut order: Vec<_> = arrived.iter().map(|(at, second)| (*second, at.index(records.len()))).collect();
        order.extend((0..records.len()).map(|at| (6 * 60 - 1, at)));
        order.sort_unstable();
        let mut arrivals = Arrivals::new(settings());
        for (second, at) in order {
            // All events are read again, if the process was killed before the first decision.
            arrivals.arrive(&records[at], second * SECOND);
            arrivals.pass(second * SECOND);
        }
        for second in (360..4_000).step_by(7) {
            if killed == Some(second - 360) {
                arrivals.restart(second * SECOND);
                records.iter().for_each(|record| arrivals.arrive(record, second * SECOND));
            }
            arrivals.pass(second * SECOND);
        }
        prop_assert_eq!(converted(&arrivals.tree(), &records, &options), expected);
    }
}
