//! What the way of an event tells (its file's path, when it was delivered) is on the log record
//! alone: the span is a function of the event.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message;
use qtrail::export::Protocol;
use qtrail::input::ingest::Limits;
use serde_json::Value;

use crate::support::collector::Collector;
use crate::support::program::{attribute, convert, convert_path, event, gzip, log_file, qtrail};
use crate::support::receiver::Receiver;
use crate::support::trail::{self, Container};

const FOLDERS: &str = "AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10";
const NAME: &str = "aws.organization.id";

#[test]
fn the_log_record_the_flat_events_and_the_explanation_say_it_and_the_span_does_not() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(FOLDERS);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("a.json.gz");
    std::fs::write(&file, gzip(log_file(&[event("theirs")]))).unwrap();
    let own = root.path().join("AWSLogs/123456789012/CloudTrail/a.json");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(own, log_file(&[event("own")])).unwrap();

    let converted = convert_path(root.path(), &[]);
    assert_eq!(converted.event_ids(), ["own", "theirs"]);
    let said = |records: &[Value]| {
        let mut said: Vec<_> = records.iter().map(|r| attribute(r, NAME)).collect();
        said.sort();
        said
    };
    assert_eq!(
        said(&converted.logs),
        [None, Some("o-exampleorgid".to_owned())]
    );
    assert_eq!(said(&converted.spans), [None, None]);
    for arguments in [&["convert", "--format", "events"][..], &["explain"]] {
        let output = qtrail().args(arguments).arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = text.lines().find(|line| line.contains(NAME));
        assert!(
            said.unwrap_or_default().contains("o-exampleorgid"),
            "{arguments:?}: {text}"
        );
    }
}

/// The lines with spans, as they were written.
fn span_lines(path: &std::path::Path) -> Vec<String> {
    let output = qtrail()
        .args(["convert", "--select", "all"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with(r#"{"resourceSpans""#));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_spans_of_a_file_are_equal_in_every_byte_whatever_its_path_age_and_container() {
    let records = trail::records(7, 60, 50.0);
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, content: Vec<u8>| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    };
    let account = write(
        "1/AWSLogs/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz",
        gzip(log_file(&records)),
    );
    let expected = span_lines(&account);
    assert!(!expected.is_empty());
    for (name, container) in [
        (
            "2/AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10/123456789012_CloudTrail_us-east-1_20240410T1415Z_Qrstuvwxyzabcdef.json",
            Container::LogFile,
        ),
        (
            "3/AWSLogs/o-anotherone1/210987654321/CloudTrail/a.json",
            Container::Ndjson,
        ),
        ("4/history.json", Container::LookupEvents),
        ("5/stream", Container::CloudWatchLogs),
        ("6/bus.json", Container::EventBridge),
    ] {
        let lines = span_lines(&write(name, container.around(&records)));
        assert_eq!(lines, expected, "{name}");
    }
}

/// A request of one log record that came from a file of this name.
fn otlp(event: String, file: &str) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    let text = |text: String| AnyValue {
        value: Some(any_value::Value::StringValue(text)),
    };
    let record = LogRecord {
        body: Some(text(event)),
        attributes: vec![KeyValue {
            key: "log.file.path".to_owned(),
            value: Some(text(file.to_owned())),
            ..KeyValue::default()
        }],
        ..LogRecord::default()
    };
    let scope = ScopeLogs {
        log_records: vec![record],
        ..ScopeLogs::default()
    };
    let group = ResourceLogs {
        scope_logs: vec![scope],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![group],
    }
    .encode_to_vec()
}

#[tokio::test]
async fn a_sender_changes_no_byte_of_a_span_either() {
    let event = event("a552c487-7d97-403a-8ec4-d49539c7a03d");
    let file = format!("{FOLDERS}/1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz");
    let collector = Collector::start().await;
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    let protobuf = [("content-type", "application/x-protobuf")];
    for (path, headers, body) in [
        ("/v1/events", &[][..], event.clone().into_bytes()),
        ("/v1/events", &[], log_file(&[&event])),
        ("/v1/logs", &protobuf, otlp(event.clone(), "events.json")),
        ("/v1/logs", &protobuf, otlp(event.clone(), &file)),
    ] {
        let answer = receiver.post(path, headers, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let traces = collector.traces();
    assert_eq!(traces.len(), 4);
    assert!(traces.iter().all(|request| *request == traces[0]));
    // The way shows on the log record: the last one's is another.
    let logs = collector.logs();
    assert_eq!(logs[0], logs[2]);
    assert_ne!(logs[0], logs[3]);

    let converted = convert("events.json", event.as_bytes(), &[]);
    let span = &traces[0].resource_spans[0].scope_spans[0].spans[0];
    let times = [span.start_time_unix_nano, span.end_time_unix_nano];
    for (field, time) in [
        ("startTimeUnixNano", times[0]),
        ("endTimeUnixNano", times[1]),
    ] {
        assert_eq!(converted.spans[0][field], time.to_string());
    }
    assert_eq!(times[1] - times[0], 1);
}
