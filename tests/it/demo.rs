//! `qtrail demo` as a process: what it sends, and that two demos stay apart.

use std::collections::BTreeSet;
use std::path::Path;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use qtrail_core::otlp::Signal;

use crate::support::collector::{Collector, log_id};
use crate::support::program::{attribute, convert_path, qtrail};
use crate::support::sidecar::Sidecar;

/// Runs the demo in a folder, and returns the log records that it sent.
async fn demo(folder: &Path, collector: &Collector, arguments: &[&str]) -> Vec<LogRecord> {
    let before = collector.logs().len();
    let mut demo = qtrail();
    demo.arg("demo").arg("--dir").arg(folder);
    demo.args(["--endpoint", &collector.url()]).args(arguments);
    let (exit, said) = Sidecar::start(&mut demo).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    let logs = collector.logs().into_iter().skip(before);
    let scopes = logs
        .flat_map(|r| r.resource_logs)
        .flat_map(|r| r.scope_logs);
    scopes.flat_map(|s| s.log_records).collect()
}

fn texts<'a>(records: &'a [LogRecord], name: &str) -> BTreeSet<&'a str> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let attributes = records.iter().flat_map(|record| &record.attributes);
    let values = attributes.filter(|attribute| attribute.key == name);
    let values = values.filter_map(|attribute| attribute.value.as_ref()?.value.as_ref());
    values
        .filter_map(|value| match value {
            Value::StringValue(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_demos_in_one_store_share_no_event_trace_or_span_and_send_the_chosen_signals() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let collector = Collector::start().await;
    let first = demo(one.path(), &collector, &[]).await;
    let spans = collector.seen(Signal::Traces).len();
    assert!(spans > 0);
    let second = demo(other.path(), &collector, &["--signals", "logs"]).await;
    assert_eq!(collector.seen(Signal::Traces).len(), spans, "only logs");

    let ids = |records: &[LogRecord]| {
        let ids = records.iter().flat_map(|record| {
            let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect();
            [log_id(record), hex(&record.trace_id), hex(&record.span_id)]
        });
        ids.collect::<BTreeSet<String>>()
    };
    let (of_first, of_second) = (ids(&first), ids(&second));
    assert_eq!(of_first.len(), of_second.len());
    assert_eq!(of_first.intersection(&of_second).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_demo_sends_of_people_is_what_convert_gives_of_its_trail() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let sent = demo(folder.path(), &collector, &[]).await;
    let converted = convert_path(&folder.path().join("trail"), &[]).logs;
    for name in ["enduser.id", "user.name"] {
        let people = converted
            .iter()
            .filter_map(|record| attribute(record, name));
        let people: BTreeSet<String> = people.collect();
        assert!(people.len() >= 4, "{people:?}");
        assert!(
            people.iter().map(String::as_str).eq(texts(&sent, name)),
            "{people:?}"
        );
    }
}
