//! `convert --assemble` with the real binary: conversations as trees.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use qtrail_core::envelope::Limits;
use qtrail_core::envelope::log_file::LogFile;
use serde_json::{Value, json};

use crate::support::collector::Collector;
use crate::support::program::{attribute, convert_path, gzip, log_file, qtrail};
use crate::support::sidecar::Sidecar;
use crate::support::spans::{arrived, converted};

pub const FIRST: &str = "a298ec0d-0a49-4d2e-92bd-7d6e629b4619";
const SECOND: &str = "b298ec0d-0a49-4d2e-92bd-7d6e629b4619";

fn record(id: &str, second: u32, fields: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:mary", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/PowerUser/mary",
        },
        "eventTime": format!("2026-11-27T17:{:02}:{:02}Z", second / 60, second % 60),
        "eventID": id, "requestID": format!("request-{id}"), "eventType": "AwsApiCall",
        "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
    });
    let Value::Object(fields) = fields else {
        panic!("no object");
    };
    for (name, value) in fields {
        match name.as_str() {
            "invokedBy" => record["userIdentity"][name] = value,
            _ => record[name] = value,
        }
    }
    record.to_string()
}

pub fn message(id: &str, second: u32, conversation: &str) -> String {
    let fields = json!({
        "eventSource": "q.amazonaws.com", "eventName": "SendMessage",
        "requestParameters": {"conversationId": conversation},
    });
    record(id, second, fields)
}

pub fn call(id: &str, second: u32, invoker: &str) -> String {
    let fields = json!({"eventSource": "s3.amazonaws.com", "eventName": "ListBuckets", "invokedBy": invoker});
    record(id, second, fields)
}

pub fn tool(id: &str, second: u32, request: &str) -> String {
    let fields = json!({
        "eventSource": "aws-mcp.amazonaws.com", "eventName": "CallReadOnlyTool", "eventType": "AwsMcpEvent",
        "additionalEventData": {"downstreamRequests": [{"requestId": format!("request-{request}")}]},
    });
    record(id, second, fields)
}

/// Two conversations of one person, a tool's call that was recorded after its request, and a call too far away.
pub fn trail() -> Vec<String> {
    vec![
        message("m1", 10, FIRST),
        call("c1", 12, "q.amazonaws.com"),
        message("m2", 60, FIRST),
        message("m3", 400, SECOND),
        call("c2", 398, "q.amazonaws.com"),
        tool("t", 900, "c3"),
        call("c3", 898, "aws-mcp.amazonaws.com"),
        call("c4", 2000, "q.amazonaws.com"),
    ]
}

/// The spans of a folder, in the order of their ids.
pub fn assembled(folder: &Path) -> Vec<Value> {
    let converted = convert_path(folder, &["--assemble", "--select", "agents"]);
    assert_eq!(converted.exit, 0, "{}", converted.stderr);
    let mut spans = converted.spans;
    spans.sort_by_key(|span| span["spanId"].to_string());
    spans
}

#[test]
fn each_conversation_is_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json.gz"), gzip(log_file(&trail()))).unwrap();
    let spans = assembled(folder.path());
    assert_eq!(spans.len(), 8 + 2, "the events, and two conversations");
    let id = |span: &Value| attribute(span, "aws.cloudtrail.event_id");
    let by_id: HashMap<_, _> = spans
        .iter()
        .filter_map(|span| Some((id(span)?, span)))
        .collect();
    let parent = |child: &str| {
        let parent = &by_id[child]["parentSpanId"];
        spans
            .iter()
            .find(|span| span["spanId"] == *parent && parent.is_string())
    };
    let above = |child: &str| parent(child).and_then(id);
    assert_eq!(above("c1").as_deref(), Some("m1"));
    assert_eq!(above("c2").as_deref(), Some("m3"));
    assert_eq!(above("c3").as_deref(), Some("t"));
    assert!(parent("c4").is_none());
    let root = parent("m1").expect("the conversation");
    assert_eq!(
        (&root["name"], &root["kind"]),
        (&json!("conversation"), &json!(1))
    );
    assert_eq!(root, parent("m2").unwrap());
    // Jaeger shifts the times of a child outside its parent's.
    let times = |span: &Value| {
        ["startTimeUnixNano", "endTimeUnixNano"].map(|key| span[key].as_str().unwrap().to_owned())
    };
    for child in by_id.keys() {
        if let Some(parent) = parent(child) {
            let ([start, end], [first, last]) = (times(by_id[child]), times(parent));
            assert!(first <= start && end <= last, "{child}");
            assert_eq!(parent["traceId"], by_id[child]["traceId"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_sends_the_trees_of_convert_and_marks_what_is_inferred() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let mut demo = qtrail();
    demo.arg("demo").arg("--dir").arg(folder.path());
    demo.args(["--endpoint", &collector.url()]);
    let (exit, said) = Sidecar::start(&mut demo).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    let expected = converted(&folder.path().join("trail"), &["--assemble"]);
    assert!(arrived(&collector) == expected);
    assert_eq!(expected.len(), 23);

    let output = qtrail().arg("demo").output().unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(
        screen.contains("23 spans, 3 of them of whole conversations\n"),
        "{screen}"
    );
    assert_eq!(screen.matches("inferred, ").count(), 6, "{screen}");
}

#[test]
fn a_record_that_cannot_be_read_costs_no_other_its_place() {
    let tree = |records: &[String], gzipped: bool| {
        let folder = tempfile::tempdir().unwrap();
        // As CloudTrail begins each record.
        let version = r#""eventVersion":"1.11","#;
        let ordered = |record: &String| {
            record
                .replace(version, "")
                .replacen('{', &format!("{{{version}"), 1)
        };
        let mut file = log_file(&records.iter().map(ordered).collect::<Vec<_>>());
        if gzipped {
            file = gzip(file);
            assert!(
                LogFile::default().read(&file, &Limits::default()),
                "it is an ordinary file"
            );
        }
        fs::write(folder.path().join("a"), file).unwrap();
        let converted = convert_path(folder.path(), &["--assemble", "--select", "agents"]);
        let mut spans = converted.spans;
        spans.sort_by_key(|span| span["spanId"].to_string());
        (converted.exit, spans)
    };
    let expected = tree(&trail(), false);
    assert_eq!(tree(&trail(), true), expected);
    // Its brackets and quotes are those of a record, so only its parser notices.
    let broken = message("broken", 11, FIRST).replace("q.amazonaws.com", r"q.amazonaws.com\q");
    for place in [0, 2, 7] {
        let mut records = trail();
        records.insert(place, broken.clone());
        assert_eq!(tree(&records, true), (3, expected.1.clone()), "at {place}");
    }
}

#[test]
fn an_input_that_can_be_read_once_is_refused() {
    let output = qtrail()
        .args(["convert", "--assemble", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("reads its input twice"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_and_split_into_files_gives_the_same_tree(
        order in Just((0..trail().len()).collect::<Vec<_>>()).prop_shuffle(),
        cut in 0..8_usize,
        repeated in 0..8_usize,
    ) {
        let records = trail();
        let of = |files: &[Vec<String>]| {
            let folder = tempfile::tempdir().unwrap();
            for (number, records) in files.iter().enumerate() {
                fs::write(folder.path().join(format!("{number}.json")), log_file(records)).unwrap();
            }
            let mut spans = assembled(folder.path());
            spans.dedup();
            spans
        };
        let mut shuffled: Vec<_> = order.iter().map(|at| records[*at].clone()).collect();
        let mut behind = shuffled.split_off(cut);
        behind.push(records[repeated].clone());
        prop_assert_eq!(of(&[shuffled, behind]), of(&[records]));
    }
}
