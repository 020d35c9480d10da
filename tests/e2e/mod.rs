//! The sidecar beside the real OpenTelemetry Collector, which runs with the configurations that are shipped, and
//! called by clients that others made.
//!
//! A test runs where `QTRAIL_E2E_COLLECTOR`, `QTRAIL_E2E_JAEGER`, `QTRAIL_E2E_GRPCURL`, `QTRAIL_E2E_PYTHON`,
//! `QTRAIL_E2E_SEND_GRPC` or `QTRAIL_E2E_CHROMIUM` names the program that it needs (`.ci/run e2e page` makes or finds
//! all of them, and says how) and says on standard error that it was skipped where it does not.

#[cfg(feature = "aws")]
pub(crate) mod amazon;
mod chain;
mod clients;
mod jaeger;
mod page;
mod records;
#[cfg(feature = "aws")]
mod s3;
pub(crate) mod servers;
mod trail;

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use self::records::{Distinct, Records, Signal, assert_same, once, records};
use self::servers::{BackEnd, Collector, Process, otelcol, qtrail, wait_for};

const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// The published samples and noise, sent by `qtrail run` over `protocol`: what the back end then holds.
fn run_samples(otelcol: &Path, protocol: &str) -> Records {
    let directory = TempDir::new().unwrap();
    let back_end = BackEnd::start(otelcol, directory.path());
    let collector = Collector::start(&back_end, directory.path());
    let trail = directory.path().join("trail");
    trail::write_samples(&trail);

    let mut sidecar = start_sidecar(directory.path(), &collector.endpoint(protocol), protocol);
    let arrived = wait_for_ids(&back_end, &trail::sample_ids(), Some(&mut sidecar));
    let status = sidecar.terminate();
    assert!(status.success(), "qtrail run ended with {status}");
    arrived
}

/// `qtrail run` on the directory `trail`, with its state beside it.
fn start_sidecar(directory: &Path, endpoint: &str, protocol: &str) -> Process {
    let [trail, state] = ["trail", "state"].map(|name| directory.join(name).display().to_string());
    let mut command = qtrail(&[
        "run",
        &trail,
        "--endpoint",
        endpoint,
        "--protocol",
        protocol,
        "--state",
        &state,
    ]);
    Process::start("qtrail run", &mut command, directory.join("qtrail.log"))
}

/// Waits until each of `ids` has arrived as a log record and as a span. The sidecar, if there is one, must not
/// end meanwhile.
fn wait_for_ids(back_end: &BackEnd, ids: &[String], mut sidecar: Option<&mut Process>) -> Records {
    let wanted = ids.len() * 2;
    wait_for(
        &format!("{wanted} log records and spans at the back end"),
        || {
            if let Some(sidecar) = &mut sidecar {
                sidecar.expect_running();
            }
            let lines = back_end.lines();
            let arrived = records(lines.iter().map(String::as_str));
            let here = |id: &String| {
                let both = [Signal::Log, Signal::Span];
                both.iter()
                    .all(|signal| arrived.contains_key(&(id.clone(), *signal)))
            };
            ids.iter().all(here).then_some(arrived)
        },
    )
}

#[test]
fn every_attribute_of_the_published_samples_arrives_over_every_protocol() {
    let Some(otelcol) =
        otelcol("every_attribute_of_the_published_samples_arrives_over_every_protocol")
    else {
        return;
    };
    for protocol in PROTOCOLS {
        let mut arrived = once(run_samples(&otelcol, protocol));
        for sample in trail::samples() {
            for signal in [Signal::Log, Signal::Span] {
                let record = arrived.remove(&(sample.event_id.clone(), signal));
                let record = record.unwrap_or_else(|| panic!("{signal:?} of {}", sample.event_id));
                let what = format!("{signal:?} of {} over {protocol}", sample.event_id);
                assert_same(&what, &sample.expected(signal), &record);
            }
        }
        assert!(
            arrived.is_empty(),
            "not expected over {protocol}: {:?}",
            arrived.keys()
        );
    }
}

#[test]
fn converted_lines_are_what_a_collector_writes_and_reads() {
    let Some(otelcol) = otelcol("converted_lines_are_what_a_collector_writes_and_reads") else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("trail");
    trail::write_samples(&trail);
    let output = qtrail(&["convert", &trail.display().to_string(), "--output", "-"])
        .output()
        .unwrap();
    let diagnostics = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(3),
        "the broken sample is a dead letter: {diagnostics}"
    );
    let converted = String::from_utf8(output.stdout).unwrap();

    // Read: the collector takes each line as it is.
    let back_end = BackEnd::start(&otelcol, directory.path());
    let collector = Collector::start(&back_end, directory.path());
    for line in converted.lines() {
        collector.post(line);
    }
    let read_back = once(wait_for_ids(&back_end, &trail::sample_ids(), None));
    let converted = once(records(converted.lines()));
    assert_equal(&converted, &read_back);

    // Written: the same records as those that took the other way.
    assert_equal(&converted, &once(run_samples(&otelcol, "grpc")));
}

fn assert_equal(expected: &Distinct, actual: &Distinct) {
    assert!(
        expected.keys().eq(actual.keys()),
        "{:?} and {:?}",
        expected.keys(),
        actual.keys()
    );
    for (key, record) in expected {
        assert_same(&format!("{key:?}"), record, &actual[key]);
    }
}

#[test]
fn a_killed_collector_and_a_stopped_back_end_lose_nothing() {
    let Some(otelcol) = otelcol("a_killed_collector_and_a_stopped_back_end_lose_nothing") else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let mut back_end = BackEnd::start(&otelcol, directory.path());
    let mut collector = Collector::start(&back_end, directory.path());
    let mut sidecar = start_sidecar_on_empty_trail(directory.path(), &collector);
    let mut trail = trail::Growing::new(directory.path().join("trail"));

    let all_well = trail.grow();
    wait_for_ids(&back_end, &all_well, Some(&mut sidecar));

    // Twice, since the second kill finds a queue that was itself taken up after a kill.
    for _ in 0..2 {
        back_end.stop();
        let accepted = collector.counter("otelcol_receiver_accepted_log_records");
        trail.grow();
        wait_for(
            "the collector to accept log records without a back end",
            || {
                (collector.counter("otelcol_receiver_accepted_log_records") > accepted)
                    .then_some(())
            },
        );
        collector.kill();
        trail.grow();
        collector.resume();
        trail.grow();
        collector.kill();
        collector.resume();
        let written = back_end.lines().len();
        back_end.resume();
        // A collector takes signals a moment after it says that it is ready: what it has written shows that.
        wait_for("the back end to write what waited for it", || {
            (back_end.lines().len() > written).then_some(())
        });
        trail.grow();
    }

    let arrived = wait_for_ids(&back_end, trail.ids(), Some(&mut sidecar));
    let status = sidecar.terminate();
    assert!(status.success(), "qtrail run ended with {status}");
    assert_eq!(
        once(arrived).len(),
        trail.ids().len() * 2,
        "repeats are equal, nothing is made up"
    );
}

fn start_sidecar_on_empty_trail(directory: &Path, collector: &Collector) -> Process {
    fs::create_dir(directory.join("trail")).unwrap();
    start_sidecar(directory, &collector.endpoint("grpc"), "grpc")
}

/// What the configuration alone promises, without qtrail: a yes survives a kill.
#[test]
fn what_the_collector_accepted_survives_its_kill() {
    let Some(otelcol) = otelcol("what_the_collector_accepted_survives_its_kill") else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let mut back_end = BackEnd::start(&otelcol, directory.path());
    let mut collector = Collector::start(&back_end, directory.path());
    back_end.stop();

    let ids: Vec<String> = (0..50).map(|number| format!("event-{number}")).collect();
    for id in &ids {
        let attributes = json!([{"key": "aws.cloudtrail.event_id", "value": {"stringValue": id}}]);
        let log = json!({"attributes": attributes, "body": {"stringValue": "b"}});
        let span = json!({"attributes": attributes, "name": "n", "traceId": "1".repeat(32),
            "spanId": "1".repeat(16)});
        collector
            .post(&json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}).to_string());
        collector
            .post(&json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string());
    }
    assert!(back_end.lines().is_empty(), "the back end was stopped");

    collector.kill();
    collector.resume();
    collector.kill();
    collector.resume();
    back_end.resume();
    wait_for_ids(&back_end, &ids, None);
}
