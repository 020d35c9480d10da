//! Collector → qtrail → collector, with the configurations that are shipped for it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::records::{Signal, assert_same};
use super::servers::{BackEnd, Collector, Process, otelcol, qtrail};
use super::{trail, wait_for_ids};
use crate::support::free_address;

/// Messages beside the samples: more than one request of the collector holds.
const MESSAGES: usize = 300;

const OVER_GRPC: &str = "yaml:service::pipelines::logs/cloudtrail::exporters: [otlp_grpc/qtrail]";
const OVER_HTTP: &str = "yaml:service::pipelines::logs/cloudtrail::exporters: [otlp_http/qtrail]";
/// What the configuration's comment says of bodies as maps.
const AS_MAP: &str = "yaml:receivers::file_log::operators: \
    [{type: json_parser, parse_to: body, parse_ints: true}]";

#[test]
fn a_collector_hands_over_events_as_text_and_each_arrives_once_as_from_a_directory() {
    let name = "a_collector_hands_over_events_as_text_and_each_arrives_once_as_from_a_directory";
    let Some(otelcol) = otelcol(name) else {
        return;
    };
    for transport in [OVER_GRPC, OVER_HTTP] {
        chain(&otelcol, &[transport], |record| {
            if let Some(body) = record.get("body").and_then(Value::as_str) {
                record["body"] = trail::one_line(body).into();
            }
        });
    }
}

#[test]
fn a_collector_hands_over_events_as_maps_and_each_arrives_once_as_from_a_directory() {
    let name = "a_collector_hands_over_events_as_maps_and_each_arrives_once_as_from_a_directory";
    let Some(otelcol) = otelcol(name) else {
        return;
    };
    for transport in [OVER_GRPC, OVER_HTTP] {
        chain(&otelcol, &[transport, AS_MAP], |record| {
            // A map says nothing of the order and the spacing of the text that it was made of.
            if let Some(body) = record.get("body").and_then(Value::as_str) {
                record["body"] = body.parse().unwrap();
            }
            let redacted = record["attributes"].get_mut("aws.q.redacted");
            if let Some(paths) = redacted.and_then(Value::as_array_mut) {
                paths.sort_by_key(Value::to_string);
            }
        });
    }
}

/// Runs the chain, with `changes` of the first collector's configuration; `level` brings a record into
/// the form in which it is compared.
fn chain(otelcol: &Path, changes: &[&str], level: impl Fn(&mut Value)) {
    let directory = TempDir::new().unwrap();
    let mut back_end = BackEnd::start(otelcol, directory.path());
    let collector = Collector::start(&back_end, directory.path());
    let [grpc, http] = [free_address(), free_address()];
    let [grpc_listen, http_listen] = [grpc, http].map(|address| address.to_string());
    let state = directory.path().join("state").display().to_string();
    let mut sidecar = Process::start(
        "qtrail run",
        &mut qtrail(&[
            "run",
            "--grpc",
            &grpc_listen,
            "--http",
            &http_listen,
            "--endpoint",
            &collector.endpoint("grpc"),
            "--state",
            &state,
        ]),
        directory.path().join("qtrail.log"),
    );
    sidecar.wait_until_listening(grpc);
    sidecar.wait_until_listening(http);

    let lines = directory.path().join("lines");
    let messages = trail::write_lines(&lines, MESSAGES);
    let mut command = Command::new(otelcol);
    command
        .args([
            "--config",
            concat!(env!("CARGO_MANIFEST_DIR"), "/examples/collector-chain.yaml"),
        ])
        .args(changes.iter().flat_map(|change| ["--config", *change]))
        .env("TRAIL_FILES", lines.join("*.ndjson"))
        .env("QTRAIL_GRPC", &grpc_listen)
        .env("QTRAIL_HTTP", format!("http://{http_listen}"))
        .env("QUEUE_DIRECTORY", directory.path().join("front"))
        .env("METRICS_PORT", free_address().port().to_string());
    let log = directory.path().join("front.log");
    let front = Process::start("the collector in front", &mut command, log);

    let ids = [trail::sample_ids(), messages].concat();
    wait_for_ids(&back_end, &ids, Some(&mut sidecar));
    let status = front.terminate();
    assert!(
        status.success(),
        "the collector in front ended with {status}"
    );
    let status = sidecar.terminate();
    assert!(status.success(), "qtrail run ended with {status}");
    // Whatever was to come has come once all that the collector took is in its back end.
    let accepted = ["log_records", "spans"]
        .map(|what| collector.counter(&format!("otelcol_receiver_accepted_{what}")));
    assert_eq!(accepted, [ids.len() as u64; 2], "each event once");
    back_end.stop();
    let mut arrived = wait_for_ids(&back_end, &ids, None);

    for sample in trail::samples() {
        for signal in [Signal::Log, Signal::Span] {
            let what = format!("{signal:?} of {}, {changes:?}", sample.event_id);
            let mut records = arrived.remove(&(sample.event_id.clone(), signal)).unwrap();
            let mut record = records.pop().unwrap();
            assert_eq!(records.len(), 0, "{what} came more than once");
            let mut expected = sample.expected(signal);
            level(&mut expected);
            level(&mut record);
            assert_same(&what, &expected, &record);
        }
    }
    assert_eq!(arrived.len(), MESSAGES * 2, "{changes:?}");
    assert!(arrived.values().all(|records| records.len() == 1));
}
