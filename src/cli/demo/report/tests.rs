use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::*;
use crate::cli::report::text::COLUMNS;

fn report(facts: &Facts) -> String {
    super::report(facts).unwrap()
}

const SECOND: u64 = 1_000_000_000;

fn log(second: u64, id: u8, attributes: &[(&str, &str)]) -> LogRecord {
    let uid = format!("event-{id}");
    let said = [&[("log.record.uid", uid.as_str())], attributes].concat();
    LogRecord {
        time_unix_nano: second * SECOND,
        trace_id: vec![7; 16],
        span_id: vec![id; 8],
        attributes: said
            .iter()
            .map(|(key, value)| KeyValue {
                key: (*key).to_owned(),
                value: Some(AnyValue {
                    value: Some(Value::StringValue((*value).to_owned())),
                }),
                ..KeyValue::default()
            })
            .collect(),
        ..LogRecord::default()
    }
}

fn message(second: u64, id: u8) -> LogRecord {
    log(
        second,
        id,
        &[
            ("qtrail.event.class", "conversation"),
            (
                "gen_ai.conversation.id",
                "a298ec0d-0a49-4d2e-92bd-7d6e629b4619",
            ),
            ("gen_ai.operation.name", "chat"),
            ("user.name", "mary_major"),
            ("enduser.id", "mary_major"),
            ("qtrail.outcome", "success"),
            ("aws.cloudtrail.event_name", "SendMessage"),
            ("aws.cloudtrail.event_source", "q.amazonaws.com"),
        ],
    )
}

fn call(second: u64, id: u8, person: &str, tool: &str, outcome: &str, class: &str) -> LogRecord {
    let (service, action) = tool.split_once(':').unwrap();
    log(
        second,
        id,
        &[
            ("qtrail.event.class", class),
            ("gen_ai.agent.name", "Amazon Q Developer"),
            ("aws.user_identity.invoked_by", "q.amazonaws.com"),
            ("aws.cloudtrail.event_source", service),
            ("aws.cloudtrail.event_name", action),
            ("user.name", person),
            ("enduser.id", person),
            ("qtrail.outcome", outcome),
        ],
    )
}

fn facts(records: Vec<LogRecord>) -> Facts {
    let spans = records.iter().map(|log| Span {
        span_id: log.span_id.clone(),
        start_time_unix_nano: log.time_unix_nano,
        end_time_unix_nano: log.time_unix_nano + 4_250_000_000,
        ..Span::default()
    });
    let traces = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: spans.collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    Facts {
        in_trail: Default::default(),
        trail: "/tmp/qtrail-demo/trail".to_owned(),
        files: 7,
        collector: "a collector".to_owned(),
        received: Received {
            logs: vec![logs],
            traces: vec![traces],
        },
        dead_letters: Vec::new(),
        counts: Counts {
            read: 9,
            exported: 5,
            filtered: 3,
            dead_lettered: 1,
            ..Counts::default()
        },
        colour: false,
    }
}

#[test]
fn what_arrived_is_shown_as_qtrail_report_shows_it() {
    let text = report(&facts(vec![
        message(70, 2),
        message(10, 1),
        call(
            72,
            3,
            "mary_major",
            "s3:GetBucketPolicy",
            "denied",
            "on_behalf_of",
        ),
    ]));
    let expected = "
mary_major   1 call, 1 DENIED
  conversation a298ec0d-0a49-4d2e-92bd-7d6e629b4619   00:00 to 00:01
    Amazon Q Developer
    00:00:10  message
    00:01:10  message
  no known conversation   00:01
    Amazon Q Developer through q.amazonaws.com
    00:01:12  s3:GetBucketPolicy                       DENIED
";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("Arrived    3 log records and 3 spans, 0 of them of whole conversations\n"),
        "{text}"
    );
}

#[test]
fn what_the_trail_holds_twice_shows_once_in_its_conversation_and_again_with_its_ids() {
    let mut facts = facts(vec![message(10, 1), message(20, 2)]);
    facts.in_trail = [("event-1".to_owned(), 2), ("event-2".to_owned(), 1)].into();
    let text = report(&facts);
    assert_eq!(text.matches("  message\n").count(), 2, "{text}");
    assert!(
        text.contains("event event-1: 2 times in the trail, sent once\n"),
        "{text}"
    );
    assert!(text.contains("trace 07070707070707070707070707070707  span 0101010101010101\n"));
    assert!(!text.contains("event event-2"), "{text}");
}

#[test]
fn a_repeat_that_arrives_is_told_with_its_ids() {
    let mut facts = facts(vec![message(10, 1), message(10, 1)]);
    facts.in_trail = [("event-1".to_owned(), 2)].into();
    let text = report(&facts);
    assert_eq!(text.matches("  message\n").count(), 1, "{text}");
    assert!(text.contains("2 times in the trail, sent 2 times with the same ids\n"));
    facts.received.logs[0].resource_logs[0].scope_logs[0].log_records[1].span_id = vec![9; 8];
    assert!(report(&facts).contains("sent 2 times with DIFFERENT ids"));
}

#[test]
fn a_dead_letter_has_its_reason_and_place() {
    let mut facts = facts(Vec::new());
    let source = format!("/tmp/trail/{}/111_CloudTrail_1.json.gz", "long/".repeat(30));
    let letter = serde_json::json!({
        "stage": "open", "reason": "not_json", "input": "directory", "source": source,
        "message": format!("not valid JSON at byte 812: {}", "a long detail ".repeat(12)),
        "index": 3, "offset": 4711, "length": 812, "record": "{",
    });
    facts.dead_letters = vec![serde_json::from_value(letter).unwrap()];
    let text = report(&facts);
    assert!(
        text.contains("  not_json\n    not valid JSON at byte 812: a long"),
        "{text}"
    );
    assert!(text.contains("    in 111_CloudTrail_1.json.gz\n"), "{text}");
    assert!(text.contains("    record 3 at byte 4711 of the decompressed file; its 812 bytes"));
    assert!(
        text.lines().all(|line| line.chars().count() <= COLUMNS),
        "{text}"
    );
}

#[test]
fn counts_that_do_not_balance_are_visible() {
    let mut facts = facts(Vec::new());
    assert!(
        report(&facts)
            .contains("read 9 = exported 5 + filtered 3 + duplicate 0 + dead-lettered 1\n")
    );
    assert!(!report(&facts).contains("DOES NOT"));
    assert!(report(&facts).contains("BUT 0 LOG RECORDS ARRIVED"));
    facts.counts.exported = 0;
    assert!(report(&facts).contains("THE COUNTS DO NOT BALANCE"));
    assert!(!report(&facts).contains("BUT"));
}

#[test]
fn colours_change_nothing_but_colours() {
    let mut facts = facts(vec![
        message(10, 1),
        call(3, 3, "mary", "s3:GetBucketPolicy", "denied", "on_behalf_of"),
    ]);
    let plain = report(&facts);
    facts.colour = true;
    let mut painted = report(&facts);
    assert!(painted.contains("\x1b[31mDENIED"));
    for code in ["1", "1;4", "31", "33", "0"] {
        painted = painted.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, painted);
}
