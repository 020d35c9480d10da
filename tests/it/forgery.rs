//! What anyone can write into a trail, and what the program must not make of it.

use std::io::{Cursor, Write};
use std::process::Stdio;

use qtrail::dead_letter::DeadLetters;
use qtrail::export::Destination;
use qtrail::pipeline::Truncation;
use serde_json::{Value, json};

use crate::pipeline::{balanced, unit};
use crate::support::flow::flow;
use crate::support::program::{
    Converted, attribute, convert, convert_piped, event, gzip, json_lines, log_file, qtrail,
};

/// A call of S3 that anyone may make, with an event of Amazon Q's in its tags, broken as is said.
fn broken(text: &str, wrong: &str) -> String {
    let call = format!(
        r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventTime":"2026-01-01T00:00:00Z","errorMessage":"a message","count":12,"requestParameters":{{"tags":[{{"key":"a"}},{}]}},"eventID":"evil"}}"#,
        event("forged")
    );
    assert!(call.contains(text));
    call.replacen(text, wrong, 1)
}

const DAMAGES: [(&str, &str); 12] = [
    ("a message", "a \u{1}message"),
    ("a message", "a \nmessage"),
    ("a message", "a \u{0}message"),
    ("a message", r"a \qmessage"),
    ("a message\"", "a message"),
    ("\"a message", "a message"),
    (":12,", ":012,"),
    (":12,", ":1.,"),
    (",\"count\"", "\"count\""),
    ("\"count\":", "\"count\""),
    ("\"tags\":[", "\"tags\":"),
    ("]},\"eventID\"", "],\"eventID\""),
];

#[test]
fn an_event_inside_a_broken_record_is_no_event() {
    let log_files = |bad: &str| {
        let files = [
            log_file(&[event("before")]),
            log_file(&[bad]),
            log_file(&[event("after")]),
        ];
        files.join(&b'\n')
    };
    for (text, wrong) in DAMAGES {
        let bad = broken(text, wrong);
        let units = [
            log_file(&[event("before"), bad.clone(), event("after")]),
            gzip(log_file(&[event("before"), bad.clone(), event("after")])),
            format!("{}\n{bad}\n{}\n", event("before"), event("after")).into_bytes(),
            format!("[{},\n{bad},\n{}]", event("before"), event("after")).into_bytes(),
            log_files(&bad),
        ];
        for unit in units {
            for converted in [convert("trail.json", &unit, &[]), convert_piped(&unit)] {
                assert_eq!(
                    converted.event_ids(),
                    ["before", "after"],
                    "{wrong}: {}",
                    converted.stderr
                );
                assert_eq!(converted.exit, 3);
                let [letter] = &converted.dead_letters[..] else {
                    panic!("{wrong}: {:?}", converted.dead_letters);
                };
                assert_eq!(letter["reason"], "not_json");
                assert!(letter["record"].as_str().unwrap().contains("forged"));
            }
        }
    }
}

#[test]
fn what_is_broken_and_cut_off_is_one_dead_letter_with_all_of_its_bytes() {
    let bad = broken("a message", "a \u{1}message");
    let whole = log_file(&[event("before"), bad, event("behind")]);
    let start = event("before").len() + 13;
    let tags = whole.windows(3).position(|bytes| bytes == b"}]}").unwrap() + 3;
    for cut in [tags, tags + 10, whole.len() - 300, whole.len() - 1] {
        let converted = convert("cut.json", &whole[..cut], &[]);
        assert_eq!(converted.event_ids(), ["before"], "{cut}");
        let [letter] = &converted.dead_letters[..] else {
            panic!("{cut}: {:?}", converted.dead_letters);
        };
        let kept = letter["record"].as_str().unwrap();
        assert_eq!(kept.as_bytes(), &whole[start..cut], "{cut}");
    }
}

/// A log file of which the container ends far beyond what is held of it.
fn large() -> Vec<u8> {
    let mut records = vec![event("first"), broken("a message", "a \u{1}message")];
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let noise = noise.replace("\"test\"", &format!("\"{}\"", "x".repeat(10_000)));
    records.extend(vec![noise; 1_200]);
    records.extend([broken(":12,", ":012,"), event("last")]);
    log_file(&records)
}

/// Runs `qtrail convert -` on bytes that come through a pipe.
fn through_a_pipe(content: Vec<u8>, temporary: Option<&str>) -> (Option<i32>, Vec<Value>, String) {
    let mut command = qtrail();
    if let Some(folder) = temporary {
        command.env("TMPDIR", folder);
    }
    let mut child = command
        .args(["convert", "-", "--format", "events"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // The program may stop reading before the end.
    let writing = std::thread::spawn(move || drop(input.write_all(&content)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), json_lines(&output.stdout), stderr)
}

#[test]
fn the_neighbours_of_a_broken_record_ship_however_far_the_container_goes_on() {
    let content = large();
    assert!(content.len() > 12_000_000);
    for content in [content.clone(), gzip(&content)] {
        let converted = convert("large.json", &content, &[]);
        assert_eq!(
            converted.event_ids(),
            ["first", "last"],
            "{}",
            converted.stderr
        );
        assert_eq!(converted.dead_letters.len(), 2);
        let (exit, events, stderr) = through_a_pipe(content, None);
        assert_eq!((exit, events.len()), (Some(3), 2), "{stderr}");
    }
}

#[test]
fn a_pipe_that_cannot_be_kept_ends_with_an_error_that_says_where() {
    let (exit, events, stderr) = through_a_pipe(large(), Some("/nowhere/at/all"));
    assert_eq!((exit, events.len()), (Some(1), 1), "{stderr}");
    assert!(
        stderr.contains("/nowhere/at/all") && stderr.contains("TMPDIR"),
        "{stderr}"
    );
    // A healthy one is not kept at all.
    let noise = event("noise").replace("\"test\"", &format!("\"{}\"", "x".repeat(10_000)));
    let healthy = log_file(&vec![noise; 1_200]);
    let (exit, events, stderr) = through_a_pipe(healthy, Some("/nowhere/at/all"));
    assert_eq!((exit, events.len()), (Some(0), 1_200), "{stderr}");
}

#[tokio::test]
async fn a_follower_waits_for_what_closes_the_container_of_a_broken_record() {
    let bad = broken("a message", "a \u{1}message");
    let file = log_file(&[event("a"), bad, event("b")]);
    let line = [event("first").as_bytes(), b"\n"].concat();
    let lines = [&line[..], &file, b"\n", &line].concat();
    let delivered = async |upto: usize| {
        let flow = flow(Destination::Discard, DeadLetters::none(), 1 << 20);
        let content = Cursor::new(lines[..upto].to_vec());
        let report = flow
            .pipeline
            .deliver(unit(content, Truncation::Defer))
            .await;
        balanced(&flow, &report);
        (
            report.counts.exported,
            report.counts.dead_lettered,
            report.settled_offset - 1000,
        )
    };
    let first = line.len() as u64;
    for upto in [file.len() - 1, file.len() - 100] {
        assert_eq!(delivered(line.len() + upto).await, (2, 0, first), "{upto}");
    }
    assert_eq!(delivered(lines.len()).await, (4, 1, lines.len() as u64));
    // A line that is broken waits for nothing but its end.
    let broken = format!("{}\nbroken\n{}", event("a"), event("b"));
    assert_eq!(broken.len(), event("a").len() * 2 + 8);
    let flow = flow(Destination::Discard, DeadLetters::none(), 1 << 20);
    let content = Cursor::new(broken.clone().into_bytes());
    let report = flow
        .pipeline
        .deliver(unit(content, Truncation::Defer))
        .await;
    assert_eq!(
        (report.counts.exported, report.counts.dead_lettered),
        (2, 1)
    );
    assert_eq!(report.settled_offset - 1000, broken.len() as u64);
}

#[test]
fn an_eventbridge_event_from_a_source_of_ones_own_is_a_dead_letter_that_says_so() {
    let bridge = |source: &str| {
        format!(
            r#"{{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"{source}","account":"111122223333","detail":{}}}"#,
            event(source)
        )
    };
    let lines = format!("{}\n{}\n", bridge("com.attacker.app"), bridge("aws.q"));
    let converted = convert("events.ndjson", lines.as_bytes(), &[]);
    assert_eq!(converted.event_ids(), ["aws.q"], "{}", converted.stderr);
    let [letter] = &converted.dead_letters[..] else {
        panic!("{:?}", converted.dead_letters);
    };
    assert_eq!(letter["reason"], "not_cloudtrail");
    let message = letter["message"].as_str().unwrap();
    assert!(message.contains("\"com.attacker.app\""), "{message}");
}

/// An event by its fields beside those that every one has.
fn converted(fields: Value) -> Converted {
    let mut event: Value = serde_json::from_str(&event("e")).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event["userIdentity"]["sessionContext"] =
        json!({"attributes": {"creationDate": "2026-01-01T00:00:00Z"}});
    convert("event.json", event.to_string().as_bytes(), &[])
}

#[test]
fn a_conversation_id_in_a_call_of_another_service_is_no_conversation() {
    const ID: &str = "a298ec0d-0a49-4d2e-92bd-7d6e629b4619";
    let lambda = |more: Value| {
        let mut fields = json!({"eventSource": "lambda.amazonaws.com", "eventName": "Invoke",
            "userAgent": "aws-cli/2 exec-env/AmazonQ-For-CLI"});
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        converted(fields)
    };
    let without = lambda(json!({"requestParameters": null}));
    for more in [
        json!({"requestParameters": {"conversationId": ID}}),
        json!({"requestParameters": {"conversationState": {"conversationId": ID}}}),
        json!({"requestParameters": {"telemetryEvent": {"x": {"conversationId": ID}}}}),
        json!({"requestParameters": null, "responseElements": {"conversationId": ID}}),
        json!({"requestParameters": null, "responseElements": {"metadata": {"conversationId": ID}}}),
    ] {
        let converted = lambda(more);
        let ([log], [span]) = (&converted.logs[..], &converted.spans[..]) else {
            panic!("{}", converted.stderr);
        };
        for record in [log, span] {
            assert_eq!(attribute(record, "gen_ai.conversation.id"), None);
            assert_eq!(record["traceId"], without.logs[0]["traceId"]);
        }
    }
    let own = converted(json!({"requestParameters": {"conversationId": ID}}));
    assert_eq!(own.logs[0]["traceId"], ID.replace('-', ""));
    assert_eq!(
        attribute(&own.logs[0], "gen_ai.conversation.id").as_deref(),
        Some(ID)
    );
}

#[test]
fn what_a_call_of_another_service_says_of_itself_is_not_taken_for_amazon_qs() {
    let request = json!({"dryRun": "true", "userContext": {"ideCategory": "VSCODE",
        "ideVersion": "1", "operatingSystem": "LINUX"}});
    let call = converted(
        json!({"eventSource": "s3.amazonaws.com", "eventName": "DeleteObject",
        "userAgent": "AmazonQ-For-CLI", "requestParameters": request}),
    );
    let log = &call.logs[0];
    for (name, value) in [
        ("qtrail.outcome", Some("success")),
        ("aws.q.client.name", Some("AmazonQ-For-CLI")),
        ("aws.q.client.version", None),
        ("aws.q.client.os", None),
    ] {
        assert_eq!(attribute(log, name).as_deref(), value, "{name}");
    }
    assert!(!log.to_string().contains("aws.q.dry_run"));
    let own = converted(json!({"requestParameters": request}));
    let log = &own.logs[0];
    for (name, value) in [
        ("qtrail.outcome", "dry_run"),
        ("aws.q.client.name", "VSCODE"),
        ("aws.q.client.version", "1"),
        ("aws.q.client.os", "LINUX"),
    ] {
        assert_eq!(attribute(log, name).as_deref(), Some(value), "{name}");
    }
}
