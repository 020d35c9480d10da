use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::envelope::Limits;
use crate::envelope::log_file::LogFile;
use crate::event::amazon_q::{Lists, Select, Selector};

/// One record of each kind.
const TRAIL: &str = include_str!("../../../../../tests/fixtures/agents.json");

fn records() -> Vec<String> {
    let trail: Json = serde_json::from_str(TRAIL).expect("JSON");
    let records = trail["Records"].as_array().expect("records");
    records.iter().map(in_the_usual_order).collect()
}

/// A record as log files have it: compact, its version first.
fn in_the_usual_order(record: &Json) -> String {
    let mut record = record.clone();
    record
        .as_object_mut()
        .expect("an object")
        .remove("eventVersion");
    let text = record.to_string();
    format!(r#"{{"eventVersion":"1.11",{}"#, &text[1..])
}

fn event(text: &str) -> Event<'_> {
    Event::parse(text.as_bytes(), 64).expect("an event")
}

#[test]
fn each_record_has_its_class_its_family_and_the_evidence() {
    use Class::*;
    use Evidence::*;
    use Family::*;
    let expected = [
        (Investigation, Some((AmazonQ, EventSource))),
        (Conversation, Some((AmazonQ, EventSource))),
        (AgentCall, Some((AmazonQ, UserAgent))),
        (AgentCall, Some((CodingAgent, UserAgent))),
        // The same session of the command line, without a code.
        (Other, None),
        (AgentCall, Some((AmazonQ, UserAgent))),
        (AgentCall, Some((CodingAgent, UserAgent))),
        (Administration, Some((AwsMcp, EventSource))),
        (ToolCall, Some((AwsMcp, EventSource))),
        (OnBehalfOf, Some((AwsMcp, InvokedBy))),
        (ToolCall, Some((AwsMcp, EventSource))),
        (Grant, Some((AwsMcp, EventSource))),
        (Grant, Some((AwsMcp, EventSource))),
        // A token for another server.
        (Other, None),
        (Grant, Some((DevOpsAgent, EventSource))),
        (Other, None),
        (OnBehalfOf, Some((DevOpsAgent, InvokedBy))),
        (Administration, Some((Transform, EventSource))),
        (ToolCall, Some((AgentCore, EventSource))),
        (OnBehalfOf, Some((AwsMcp, InvokedBy))),
        (AgentCall, Some((AwsMcp, UserAgent))),
        (Other, None),
        (Other, None),
    ];
    let records = records();
    let found = records.iter().map(|text| {
        let event = event(text);
        (event.class(), event.family().zip(event.evidence()))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn a_name_counts_only_where_aws_writes_it() {
    for fields in [
        r#""eventSource":"s3.amazonaws.com","requestParameters":{"resource":"https://aws-mcp.us-east-1.api.aws/mcp"}"#,
        r#""eventSource":"signin.amazonaws.com","eventName":"CreateOAuth2Token","requestParameters":{"resource":"https://aws-mcp.us-east-1.api.aws@example.com/"}"#,
        r#""eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","requestParameters":{"resource":"https://aws-mcp.us-east-1.api.aws/mcp"}"#,
        r#""eventSource":"aws-mcp.us-east-1.evil.api.aws""#,
        r#""eventSource":"aws-mcp..api.aws""#,
        r#""eventSource":"x.aws-mcp.amazonaws.com""#,
        r#""eventSource":"s3.amazonaws.com","userAgent":"x/1 aws-mcp.amazonaws.com""#,
        r#""eventSource":"s3.amazonaws.com","userAgent":"aws-cli/2 m/ANN,xAN md/AN an/AN""#,
    ] {
        let text = format!(r#"{{"eventTime":"2026-09-14T09:15:01Z",{fields}}}"#);
        assert_eq!(event(&text).class(), Class::Other, "{fields}");
    }
}

#[test]
fn a_tool_call_of_amazon_qs_client_stays_amazon_qs() {
    let text = r#"{"eventTime":"2026-09-14T09:15:01Z","eventSource":"aws-mcp.amazonaws.com","eventName":"CallTool","userAgent":"AmazonQ-For-CLI-Version-2.0.0"}"#;
    let event = event(text);
    assert_eq!(event.class(), Class::ToolCall);
    assert!(event.is_of_amazon_q() && !event.is_own());
    assert_eq!(event.evidence(), Some(Evidence::UserAgent));
}

/// The lists of a user who knows other agents.
fn others() -> Lists {
    Lists {
        services: vec!["q.amazonaws.com".to_owned()],
        user_agents: vec!["Robot/".to_owned()],
        agents: AgentLists {
            services: vec!["agent.*.example.aws".to_owned(), String::new()],
            user_agents: vec!["mine".to_owned(), String::new()],
            codes: BTreeMap::from([
                ("ZZ".to_owned(), "My Agent".to_owned()),
                ("AX".to_owned(), "Kiro IDE".to_owned()),
            ]),
        },
    }
}

#[test]
fn the_users_lists_replace_the_default_ones() {
    let selected = |select, fields: &str| {
        let text = format!(r#"{{"eventTime":"2026-09-14T09:15:01Z",{fields}}}"#);
        let selector = Selector::new(select, &others());
        let event = selector.select(text.as_bytes(), 64).expect("an event");
        event.map(|event| event.declared().map(str::to_owned))
    };
    let agents = |fields| selected(Select::Agents, fields);
    assert_eq!(agents(r#""eventSource":"agent.x.example.aws""#), Some(None));
    assert_eq!(agents(r#""eventSource":"aws-mcp.amazonaws.com""#), None);
    assert_eq!(agents(r#""userAgent":"aws-cli/2 m/AN""#), None);
    let mine = Some(Some("My Agent".to_owned()));
    assert_eq!(agents(r#""userAgent":"aws-cli/2 m/b,ZZ""#), mine);
    assert_eq!(
        agents(r#""userAgent":"mine/3""#),
        Some(Some("mine".to_owned()))
    );
    // Kiro continues Amazon Q, whatever its code is.
    let kiro = Some(Some("Kiro IDE".to_owned()));
    assert_eq!(selected(Select::AmazonQ, r#""userAgent":"[x m/AX]""#), kiro);
    assert_eq!(selected(Select::AmazonQ, r#""userAgent":"x m/ZZ""#), None);
}

/// The positions of records that are wanted, by the parsed records and by the search.
fn wanted(records: &[String], select: Select, lists: &Lists) -> [BTreeSet<usize>; 2] {
    let everything = Selector::new(Select::All, lists);
    let wants = |text: &String| {
        let event = everything.select(text.as_bytes(), 64).expect("an event");
        let event = event.expect("all are wanted");
        match select {
            Select::AmazonQ => event.is_of_amazon_q(),
            Select::Agents => event.family().is_some(),
            Select::All => true,
        }
    };
    let parsed = records.iter().enumerate().filter(|(_, text)| wants(text));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    write!(gzip, r#"{{"Records":[{}]}}"#, records.join(",")).expect("a file");
    let mut file = LogFile::default();
    assert!(file.read(&gzip.finish().expect("a file"), &Limits::default()));
    let selector = Selector::new(select, lists);
    let found = selector.candidates(&file).filter(|record| {
        let selected = selector.select(record.bytes, 64).expect("an event");
        selected.is_some()
    });
    let found = found.map(|record| record.position.index as usize).collect();
    [parsed.map(|(position, _)| position).collect(), found]
}

#[test]
fn the_search_finds_each_record_that_is_wanted() {
    for (select, count) in [
        (Select::AmazonQ, 4),
        (Select::Agents, 18),
        (Select::All, 23),
    ] {
        let [parsed, found] = wanted(&records(), select, &Lists::default());
        assert_eq!(parsed, found, "{select:?}");
        assert_eq!(found.len(), count, "{select:?}");
    }
}

/// Words that lists and user agents are made of.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "AN",
        "AQ",
        "ZZ",
        "b",
        "claude-code",
        "mine",
        "KiroIDE-1",
        "AmazonQ-For-CLI",
        "Robot/2",
        "aws-mcp.amazonaws.com",
        "agent.x.example.aws",
        "aws-mcp.eu.api.aws",
    ];
    prop::sample::select(words.map(str::to_owned).to_vec())
}

fn record() -> impl Strategy<Value = String> {
    let user_agent = prop::collection::vec(
        (
            prop::sample::select(&[" m/", ",", "/", " ", "[", "]", "/1 "][..]),
            word(),
        ),
        0..6,
    );
    let of_trail = prop::sample::select(records());
    (of_trail, user_agent, word(), any::<bool>(), any::<u8>()).prop_map(
        |(record, user_agent, name, named, escaped)| {
            let mut record: Json = serde_json::from_str(&record).expect("JSON");
            let user_agent: String = user_agent
                .iter()
                .map(|(before, word)| [*before, word.as_str()].concat())
                .collect();
            record["userAgent"] = user_agent.into();
            if named {
                record["sourceIPAddress"] = name.into();
            }
            let text = in_the_usual_order(&record);
            match escaped % 4 {
                0 => text.replace('/', "\\/"),
                1 => text.replace("AN", "\\u0041N").replace("aws-", "aws\\u002d"),
                _ => text,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_wanted_record_is_missed(records in prop::collection::vec(record(), 1..8)) {
        for lists in [Lists::default(), others()] {
            for select in [Select::AmazonQ, Select::Agents, Select::All] {
                let [parsed, found] = wanted(&records, select, &lists);
                prop_assert_eq!(parsed, found, "{:?}", select);
            }
        }
    }
}

#[test]
fn the_page_names_each_entry_of_the_lists() {
    let page = include_str!("../../../../../docs/mapping.md");
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let Lists {
        services,
        user_agents,
        agents,
    } = Lists::default();
    let codes = agents.codes.iter();
    let codes = codes.map(|(code, name)| format!("`{code}` {name}"));
    let entries = [services, user_agents, agents.services, agents.user_agents].concat();
    let entries = entries.iter().map(|entry| format!("`{entry}`"));
    for entry in entries.chain(codes) {
        assert!(page.contains(&entry), "{entry}");
    }
}
