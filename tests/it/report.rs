//! `qtrail report` as an analyst meets it: the real binary on files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::program::{gzip, log_file, qtrail};

/// A record, with these fields in place of the usual ones.
fn record(id: &str, time: &str, fields: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:mary", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/PowerUser/mary",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "userName": "PowerUser"},
                "attributes": {"creationDate": "2026-11-27T17:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": time, "eventSource": "q.amazonaws.com", "eventName": "SendMessage",
        "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1", "userAgent": "test",
        "requestParameters": {"conversationId": "a298ec0d-0a49-4d2e-92bd-7d6e629b4619"},
        "eventID": id, "readOnly": false, "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    });
    let Value::Object(fields) = fields else {
        panic!("no object");
    };
    for (name, value) in fields {
        record[name] = value;
    }
    record.to_string()
}

fn message(id: &str, time: &str) -> String {
    record(id, time, json!({}))
}

/// A call by Amazon Q for mary.
fn call(id: &str, time: &str, fields: Value) -> String {
    let own = record(
        id,
        time,
        json!({"eventSource": "s3.amazonaws.com", "requestParameters": null}),
    );
    let mut call: Value = serde_json::from_str(&own).unwrap();
    call["userIdentity"]["invokedBy"] = "q.amazonaws.com".into();
    for (name, value) in fields.as_object().unwrap() {
        call[name] = value.clone();
    }
    call.to_string()
}

/// A small trail: two conversations of one person, a denied call, a change, a call between both.
fn trail() -> Vec<String> {
    let denied = json!({
        "eventName": "GetBucketPolicy", "readOnly": true, "errorCode": "AccessDenied",
        "errorMessage": "User: mary is not authorized to perform: s3:GetBucketPolicy",
    });
    let other =
        json!({"requestParameters": {"conversationId": "5f0c2b7e-91d4-4c38-8a6f-3e1d0b9c7a52"}});
    vec![
        message("m-1", "2026-11-27T17:53:24Z"),
        call(
            "c-1",
            "2026-11-27T17:53:26Z",
            json!({"eventName": "ListBuckets", "readOnly": true}),
        ),
        message("m-2", "2026-11-27T17:58:39Z"),
        call(
            "c-2",
            "2026-11-27T17:58:40Z",
            json!({"eventName": "DeleteBucket"}),
        ),
        call("c-3", "2026-11-27T17:58:43Z", denied),
        record("m-3", "2026-11-27T17:59:59Z", other),
        // As near to m-2 as to m-3.
        call(
            "c-4",
            "2026-11-27T17:59:19Z",
            json!({"eventName": "GetObject", "readOnly": true}),
        ),
        call(
            "c-5",
            "2026-11-27T18:09:00Z",
            json!({"eventName": "PutObject"}),
        ),
    ]
}

fn report(arguments: &[&str]) -> Command {
    let mut command = qtrail();
    command.arg("report").args(arguments);
    command
}

/// The report of a folder with one file.
fn of(records: &[String], arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), log_file(records)).unwrap();
    let output = report(&[".", "-q"])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    texts(output)
}

fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn events(records: &[String], arguments: &[&str]) -> Vec<Value> {
    let (exit, out, err) = of(records, &[arguments, &["--format", "json"]].concat());
    assert_eq!(exit, Some(0), "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    json["events"].as_array().unwrap().clone()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event_id"].as_str().unwrap())
        .collect()
}

#[test]
fn the_table_shows_a_person_their_conversations_and_how_sure_each_call_is() {
    let (exit, out, err) = of(&trail(), &[]);
    assert_eq!((exit, err.as_str()), (Some(0), ""));
    let expected = "\
What agents did    2026-11-27 17:53 to 18:09 UTC    1 person, 2 conversations
3 messages, 5 calls, 2 changed something, 1 denied, 0 errors
From 1 file, 8 records: 8 events of agents, 0 others not selected.

mary   PowerUser in 111122223333, without MFA
  5 calls, 2 changed something, 1 DENIED
  conversation a298ec0d-0a49-4d2e-92bd-7d6e629b4619   17:53 to 17:58
    Amazon Q Developer through q.amazonaws.com
    17:53:24  message
    17:53:26    s3:ListBuckets                  read   ok       inferred, 2 s
    17:58:39  message
    17:58:40    s3:DeleteBucket                 WRITE  ok       inferred, 1 s
    17:58:43    s3:GetBucketPolicy              read   DENIED   inferred, 4 s
                AccessDenied: User: mary is not authorized to perform:
                s3:GetBucketPolicy
  no known conversation   17:59 to 18:09
    Amazon Q Developer through q.amazonaws.com
    17:59:19  s3:GetObject                      read   ok
    18:09:00  s3:PutObject                      WRITE  ok
  conversation 5f0c2b7e-91d4-4c38-8a6f-3e1d0b9c7a52   17:59
    Amazon Q Developer
    17:59:59  message

Calls through
  q.amazonaws.com 5
";
    assert_eq!(out, expected, "{out}");
}

#[test]
fn each_filter_shows_what_it_names_and_relations_stay_those_of_the_whole_trail() {
    for (filter, expected) in [
        (&["--denied"][..], &["c-3"][..]),
        (&["--writes"], &["c-2", "c-5"]),
        (&["--writes", "--denied"], &[]),
        (&["--conversation", "5f0c2b7e"], &["m-3"]),
        (&["--person", "nikki"], &[]),
        (&["--person", "MARY", "--denied"], &["c-3"]),
        (&["--agent", "kiro"], &[]),
        (&["--agent", "amazon q", "--denied"], &["c-3"]),
        (&["--from", "2026-11-27T17:59:59Z"], &["m-3", "c-5"]),
        (&["--to", "2026-11-27T17:53:26Z"], &["m-1"]),
        (&["--from", "2026-11-28"], &[]),
    ] {
        assert_eq!(ids(&events(&trail(), filter)), expected, "{filter:?}");
    }
    // The message is before the first moment, and still the reason.
    let after = events(&trail(), &["--from", "2026-11-27T17:58:40Z", "--denied"]);
    assert_eq!(after[0]["parent_event_id"], "m-2");
    let (_, out, _) = of(&trail(), &["--person", "nikki"]);
    assert!(
        out.contains("Shown: person nikki.") && out.contains("No event matches."),
        "{out}"
    );
}

#[test]
fn the_published_tool_call_and_its_api_call_are_joined_by_the_request_id() {
    let tool = json!({
        "eventSource": "aws-mcp.amazonaws.com", "eventName": "CallReadWriteTool", "eventType": "AwsMcpEvent",
        "requestParameters": {"method": "tools/call"}, "requestID": "r-tool",
        "additionalEventData": {"downstreamRequests": [
            {"apiName": "sts:GetCallerIdentity", "requestId": "r-1", "awsRegion": "us-east-1"}]},
    });
    let api = |account: &str| {
        json!({
            "eventSource": "sts.amazonaws.com", "eventName": "GetCallerIdentity", "requestID": "r-1",
            "requestParameters": null, "readOnly": true, "recipientAccountId": account,
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:mary", "accountId": "111122223333",
                "arn": "arn:aws:sts::111122223333:assumed-role/PowerUser/mary", "invokedBy": "aws-mcp.amazonaws.com"},
        })
    };
    // The tool call is recorded later than the call that it made.
    let records = |account| {
        let called = record("api", "2026-11-27T17:53:24Z", api(account));
        [called, record("tool", "2026-11-27T17:53:25Z", tool.clone())]
    };
    let (_, out, _) = of(&records("111122223333"), &["--select", "all"]);
    let rows = "
    17:53:25  aws-mcp:CallReadWriteTool                ok
    17:53:24    sts:GetCallerIdentity           read   ok       exact (request id)
";
    assert!(out.contains(rows), "{out}");
    let (_, out, _) = of(&records("444455556666"), &["--select", "all"]);
    assert!(!out.contains("exact"), "another account: {out}");
}

#[test]
fn the_report_says_what_it_rests_on() {
    let mut records = trail();
    records.push(records[0].clone());
    records.push(message("bad", "soon"));
    records.push(record(
        "o",
        "2026-11-27T17:53:24Z",
        json!({"eventSource": "ec2.amazonaws.com"}),
    ));
    let (exit, out, err) = of(&records, &[]);
    assert_eq!(exit, Some(3), "{err}");
    let sentence = "From 1 file, 11 records: 8 events of agents, 1 other not selected, 1 repeat, 1\nrecord that cannot be read.\n";
    assert!(out.contains(sentence), "{out}");
    let (_, out, _) = of(&records, &["--format", "json"]);
    let basis = &serde_json::from_str::<Value>(&out).unwrap()["basis"];
    assert_eq!(basis["dead_letters"]["first"][0]["record"], 9, "{basis}");
    assert_eq!(basis["dead_letters"]["reasons"], json!({"bad_time": 1}));
    assert_eq!(basis["complete"], true);
    let (_, out, _) = of(&records, &["--format", "html"]);
    assert!(out.contains("./a.json, record 9 at byte "), "{out}");
}

/// The reports of a folder in all formats, with this limit of memory.
fn within(folder: &Path, memory: &str) -> Vec<(Option<i32>, String, String)> {
    let each = ["table", "csv", "json", "html"].map(|format| {
        let mut command = report(&[".", "-q", "--format", format]);
        command.env("QTRAIL_LIMITS_MEMORY", memory);
        texts(command.current_dir(folder).output().unwrap())
    });
    each.into()
}

#[test]
fn events_that_do_not_fit_into_memory_give_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let large = "x".repeat(200_000);
    let many = |by: usize| {
        let times = (0..180).rev().step_by(by);
        let records = times.map(|n| {
            let time = format!("2026-11-27T17:{:02}:{:02}Z", n / 60, n % 60);
            let fields = json!({"errorMessage": large, "requestID": format!("request-{n}")});
            match n % 3 {
                0 => message(&format!("m-{n}"), &time),
                1 => call(&format!("c-{n}"), &time, fields),
                _ => record(&format!("o-{n}"), &time, fields),
            }
        });
        records.collect::<Vec<_>>()
    };
    // With repeats, in an order that is not that of time.
    let tool = json!({
        "eventSource": "aws-mcp.amazonaws.com", "eventName": "CallReadOnlyTool", "requestParameters": null,
        "additionalEventData": {"downstreamRequests": [{"requestId": "request-1"}, {"requestId": "request-151"}]},
    });
    let tool = [record("tool", "2026-11-27T17:02:40Z", tool)];
    for (name, records) in [
        ("a", many(1)),
        ("b", trail()),
        ("c", many(7)),
        ("d", tool.into()),
    ] {
        fs::write(folder.path().join(name), log_file(&records)).unwrap();
    }
    let expected = within(folder.path(), "1GiB");
    assert!(expected.iter().all(|(exit, ..)| *exit == Some(0)));
    assert!(expected[1].1.contains(",request_id,") && expected[1].1.contains(",nearest_message,"));
    assert_eq!(within(folder.path(), "16MiB"), expected);

    let mut command = report(&[".", "-q"]);
    command.env("QTRAIL_LIMITS_MEMORY", "16MiB");
    let command = command.env("TMPDIR", "/nowhere").current_dir(folder.path());
    let (exit, _, err) = texts(command.output().unwrap());
    assert_eq!(exit, Some(1));
    assert!(
        err.contains("/nowhere") && err.contains("set TMPDIR"),
        "{err}"
    );
}

#[test]
fn what_cannot_be_read_or_does_not_fit_makes_the_report_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let tools: Vec<_> = (0..3)
        .map(|n| {
            let requests =
                (0..30_000).map(|request| json!({"requestId": format!("{n}-{request}")}));
            let data = json!({"downstreamRequests": requests.collect::<Vec<_>>()});
            let fields =
                json!({"eventSource": "aws-mcp.amazonaws.com", "additionalEventData": data});
            record(&format!("t-{n}"), "2026-11-27T17:00:00Z", fields)
        })
        .collect();
    fs::write(folder.path().join("a.json"), log_file(&tools)).unwrap();
    let run = |memory: &str| {
        let mut command = report(&[".", "-q", "--select", "agents"]);
        command.env("QTRAIL_LIMITS_MEMORY", memory);
        texts(command.current_dir(folder.path()).output().unwrap())
    };
    let (exit, out, _) = run("128MiB");
    assert_eq!(exit, Some(0), "{out}");
    let (exit, out, _) = run("16MiB");
    assert_eq!(exit, Some(1), "{out}");
    assert!(out.contains("THE REPORT IS NOT COMPLETE."), "{out}");
    let said = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "1 event from 2026-11-27T17:00:00Z on are missing, because they do not fit into limits.memory";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn names_come_from_the_identities_file() {
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("people.csv");
    fs::write(&names, "id,name\nmary,Mary Major\n").unwrap();
    let names = names.to_str().unwrap();
    let (_, out, _) = of(&trail(), &["--identities", names, "--person", "Mary Major"]);
    assert!(
        out.contains("\nMary Major   PowerUser in 111122223333"),
        "{out}"
    );
}

#[test]
fn the_output_is_a_file_that_is_not_read_and_a_bucket_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), log_file(&trail())).unwrap();
    for format in ["html", "csv", "json", "table"] {
        for _ in 0..2 {
            let mut command = report(&[".", "-q", "-o", "report.out", "--format", format]);
            let (exit, out, err) = texts(command.current_dir(folder.path()).output().unwrap());
            let skipped = err.is_empty() || err.contains("being written by this command");
            assert!(
                exit == Some(0) && out.is_empty() && skipped,
                "{format}: {err}"
            );
        }
        assert!(
            fs::read_to_string(folder.path().join("report.out"))
                .unwrap()
                .contains("GetBucketPolicy")
        );
    }
    // Nobody reads standard output, and nothing is written to it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = report(&["a.json", "-q", "-o", "unread.out"]);
    let command = command.current_dir(folder.path()).stdout(writer);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert!(
        fs::read_to_string(folder.path().join("unread.out"))
            .unwrap()
            .contains("GetBucketPolicy")
    );
    // A file that cannot be written, and one that is read as well.
    for (output, said) in [
        ("nowhere/x", "cannot write nowhere/x"),
        ("a.json", "choose another output"),
    ] {
        let mut command = report(&["a.json", "-o", output]);
        let (exit, _, err) = texts(command.current_dir(folder.path()).output().unwrap());
        assert!(exit == Some(1) && err.contains(said), "{err}");
    }
    assert_eq!(
        fs::read(folder.path().join("a.json")).unwrap(),
        log_file(&trail())
    );
    for (source, said) in [
        ("s3://", "write s3://bucket/prefix"),
        ("s3:///x", "write s3://bucket/prefix"),
        ("http://x/y", "neither a path nor s3://bucket/prefix"),
    ] {
        let (exit, _, err) = texts(report(&[source]).output().unwrap());
        assert!(exit == Some(1) && err.contains(said), "{err}");
    }
}

/// The events and people of a report, without what it rests on.
fn content(out: Vec<u8>) -> Value {
    let mut json: Value = serde_json::from_slice(&out).unwrap();
    json.as_object_mut().unwrap().remove("basis");
    json
}

fn json_of(folder: &Path) -> Value {
    content(
        report(&["-q", "--format", "json"])
            .arg(folder)
            .output()
            .unwrap()
            .stdout,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_same_events_give_the_same_report_in_any_order_and_from_anywhere(
        order in Just((0..trail().len()).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..trail().len(), 0..4),
        files in 1_usize..5,
        compressed in any::<bool>(),
    ) {
        let records = trail();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("all.json"), log_file(&[&records[..], &again.iter().map(|n| records[*n].clone()).collect::<Vec<_>>()].concat())).unwrap();
        let expected = json_of(folder.path());
        prop_assert_eq!(expected["events"].as_array().map(Vec::len), Some(records.len()));

        let shuffled: Vec<_> = order.iter().chain(&again).map(|n| records[*n].clone()).collect();
        let split = tempfile::tempdir().unwrap();
        for (number, part) in shuffled.chunks(shuffled.len().div_ceil(files)).enumerate() {
            let file = log_file(part);
            let file = if compressed { gzip(&file) } else { file };
            fs::write(split.path().join(format!("{number}.json")), file).unwrap();
        }
        prop_assert_eq!(&json_of(split.path()), &expected);

        let lines = split.path().join("lines");
        fs::write(&lines, shuffled.join("\n")).unwrap();
        let input = fs::File::open(&lines).unwrap();
        let piped = report(&["-", "-q", "--format", "json"]).stdin(Stdio::from(input)).output().unwrap();
        prop_assert_eq!(&content(piped.stdout), &expected);
    }
}
