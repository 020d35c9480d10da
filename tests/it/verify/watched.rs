//! A trail that is verified while `run` or `backfill` reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Signed, name};
use crate::support::program::{attribute, gzip, json_lines, qtrail, records};
use crate::support::sidecar::{Place, Sidecar};

/// Digests of the copy end long ago.
pub(crate) const LONG: (&str, &str) = ("QTRAIL_VERIFICATION_OVERDUE", "90000h");
const FINDING: &str = "qtrail.integrity.finding";
pub(crate) const VERIFICATION: &str = "qtrail.integrity.verification";

/// What a command sent to a file.
pub(crate) struct Sent {
    exit: Option<i32>,
    log: String,
    logs: Vec<Value>,
    spans: Vec<Value>,
}

impl Sent {
    fn by(mut command: Command, file: &Path) -> Sent {
        let output = command.output().unwrap();
        Sent {
            exit: output.status.code(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
            ..Sent::in_file(file)
        }
    }

    pub(crate) fn in_file(file: &Path) -> Sent {
        let lines = json_lines(&fs::read(file).unwrap_or_default());
        // Those about events are not looked at.
        let all = |outer: &str, scope: &str, inner: &str, name: &str| {
            let all = lines
                .iter()
                .flat_map(|line| records(line, outer, scope, inner));
            let own = all.filter(|record| record[name].as_str().unwrap().starts_with("qtrail."));
            own.collect()
        };
        Sent {
            exit: None,
            log: String::new(),
            logs: all("resourceLogs", "scopeLogs", "logRecords", "eventName"),
            spans: all("resourceSpans", "scopeSpans", "spans", "name"),
        }
    }

    /// Log records with this event name.
    pub(crate) fn named(&self, name: &str) -> Vec<&Value> {
        let logs = self.logs.iter();
        logs.filter(|log| log["eventName"] == name).collect()
    }

    /// The kinds and the names of the files of all failures, in order.
    pub(crate) fn failures(&self) -> Vec<(String, String)> {
        let is_failure = |log: &&Value| boolean(log, "qtrail.integrity.failure") == Some(true);
        let failures = self.named(FINDING).into_iter().filter(is_failure);
        let failures = failures.map(|log| {
            let text = |key: &str| attribute(log, key).unwrap();
            let kind = text("qtrail.integrity.kind");
            (kind, name(&text("qtrail.integrity.object")))
        });
        let mut failures: Vec<_> = failures.collect();
        failures.sort();
        failures
    }
}

fn value<'v>(record: &'v Value, key: &str) -> Option<&'v Value> {
    let attributes = record["attributes"].as_array()?;
    Some(&attributes.iter().find(|a| a["key"] == key)?["value"])
}

fn boolean(record: &Value, key: &str) -> Option<bool> {
    value(record, key)?["boolValue"].as_bool()
}

fn number(record: &Value, key: &str) -> Option<u64> {
    value(record, key)?["intValue"].as_str()?.parse().ok()
}

/// `qtrail run --once --verify`, which sends to `out.jsonl`.
fn run_once(signed: &Signed, folder: &Path, place: &Path) -> Sent {
    let file = place.join("out.jsonl");
    let _ = fs::remove_file(&file);
    let mut command = qtrail();
    command
        .arg("run")
        .arg(folder)
        .args(["--once", "--verify", "--output"])
        .arg(&file)
        .arg("--state")
        .arg(place.join("state"))
        .arg("--public-keys")
        .arg(signed.keys())
        .env("QTRAIL_TELEMETRY_HTTP", "none")
        .env(LONG.0, LONG.1);
    Sent::by(command, &file)
}

#[test]
fn an_honest_directory_is_verified_once_as_a_tree_of_spans() {
    let test = "watched::an_honest_directory_is_verified_once_as_a_tree_of_spans";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let sent = run_once(signed, &signed.bucket(), place.path());
    assert_eq!(sent.exit, Some(0), "{}", sent.log);
    assert_eq!(sent.failures(), []);
    let regions = sent.named(VERIFICATION);
    assert_eq!(regions.len(), 2);
    for region in &regions {
        assert_eq!(boolean(region, "qtrail.integrity.verified"), Some(true));
        let covered = attribute(region, "qtrail.integrity.covered_to").unwrap();
        assert_eq!(covered, signed.expected["end"].as_str().unwrap());
    }
    let log_files = regions
        .iter()
        .map(|r| number(r, "qtrail.integrity.log_files").unwrap());
    // The next digest may name files of the last quarter of an hour.
    let log_files: u64 = log_files.sum();
    let all = signed.expected["log_files"].as_u64().unwrap();
    assert!(
        (all - 16..=all).contains(&log_files),
        "{log_files} of {all}"
    );
    // What was started and what was late are no failures.
    assert_eq!(sent.named(FINDING).len(), 3);
    let ids = |key: &'static str| {
        let spans = sent.spans.iter();
        spans.map(move |span| span[key].as_str().unwrap_or_default())
    };
    let spans: Vec<_> = ids("spanId").collect();
    let roots = ids("parentSpanId")
        .filter(|parent| parent.is_empty())
        .count();
    assert_eq!((spans.len(), roots), (6, 1));
    assert!(ids("parentSpanId").all(|parent| parent.is_empty() || spans.contains(&parent)));
    assert!(ids("traceId").all(|id| id == sent.spans[0]["traceId"]));
    assert!(
        sent.logs
            .iter()
            .all(|log| spans.contains(&log["spanId"].as_str().unwrap()))
    );
    // A second run has nothing new to verify.
    let again = run_once(signed, &signed.bucket(), place.path());
    assert_eq!(
        (again.exit, again.logs.len(), again.spans.len()),
        (Some(0), 0, 0)
    );
}

#[test]
fn what_was_tampered_with_before_it_was_read_is_a_finding_and_an_exit_code() {
    let test = "watched::what_was_tampered_with_before_it_was_read_is_a_finding_and_an_exit_code";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let logs = signed.files("/CloudTrail/us-east-1/2026/10/31");
    let copy = signed.copy();
    let path = |key: &str| copy.path().join(key);
    fs::write(path(&logs[0]), gzip("{}")).unwrap();
    fs::remove_file(path(&logs[1])).unwrap();
    let hostile = path(&logs[0]).with_file_name("\u{1b}[2J\u{202e}\n.json.gz");
    fs::write(&hostile, gzip("{}")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let sent = run_once(signed, copy.path(), place.path());
    assert_eq!(sent.exit, Some(1), "{}", sent.log);
    let expected = [
        ("changed", name(&logs[0])),
        ("missing_log_file", name(&logs[1])),
        ("unlisted_log_file", name(hostile.to_str().unwrap())),
    ];
    assert_eq!(
        sent.failures(),
        expected.map(|(kind, name)| (kind.to_owned(), name))
    );
    assert!(!sent.log.contains('\u{1b}') && !sent.log.contains('\u{202e}'));
    let severities = sent
        .named(FINDING)
        .into_iter()
        .map(|log| &log["severityText"]);
    assert_eq!(severities.filter(|text| **text == "ERROR").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_on_its_way_is_no_finding_and_one_that_does_not_come_is() {
    let test = "watched::a_file_that_is_on_its_way_is_no_finding_and_one_that_does_not_come_is";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let logs = signed.files("/CloudTrail/us-east-1/2026/10/31");
    for arrives in [true, false] {
        let copy = signed.copy();
        let late = copy.path().join(&logs[1]);
        fs::remove_file(&late).unwrap();
        let place = Place::new();
        let file = place.path("out.jsonl");
        let mut command = qtrail();
        command
            .arg("run")
            .arg(copy.path())
            .arg("--verify")
            .arg("--public-keys")
            .arg(signed.keys())
            .arg("--state")
            .arg(place.path("state"))
            .arg("--output")
            .arg(&file)
            .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
            .env("QTRAIL_VERIFICATION_EVERY", "5s")
            .env(LONG.0, LONG.1);
        let sidecar = Sidecar::start(&mut command);
        sidecar.until_said("the next look decides").await;
        if arrives {
            fs::copy(signed.bucket().join(&logs[1]), &late).unwrap();
        }
        let of_both = |metrics: &str| {
            let newest = metrics.lines();
            newest
                .filter(|line| {
                    line.starts_with("qtrail_integrity_newest_digest_timestamp_seconds{")
                })
                .count()
                == 2
        };
        let metrics = sidecar
            .until("/metrics", |_, metrics| of_both(metrics))
            .await;
        let missing = "qtrail_integrity_findings_total{kind=\"missing_log_file\"}";
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix(missing))
            .unwrap();
        assert_eq!(count.trim(), if arrives { "0" } else { "1" });
        assert_eq!(sidecar.stop().await.0, Some(0));
        let expected = [("missing_log_file".to_owned(), name(&logs[1]))];
        let expected = if arrives { &[][..] } else { &expected[..] };
        assert_eq!(Sent::in_file(&file).failures(), expected);
    }
}

#[test]
fn a_backfill_verifies_the_range_and_the_regions_that_it_reads() {
    let test = "watched::a_backfill_verifies_the_range_and_the_regions_that_it_reads";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let logs = signed.files("/CloudTrail/us-east-1/2026/10/31");
    let copy = signed.copy();
    fs::write(copy.path().join(&logs[0]), gzip("{}")).unwrap();
    let end = signed.expected["end"].as_str().unwrap();
    // The folders of digests have older ones.
    let nothing = [0, 1].map(|_| ("missing_digest".to_owned(), String::new()));
    let changed = [("changed".to_owned(), name(&logs[0]))];
    for (arguments, exit, failures, regions) in [
        (
            &["--from", "2026-10-31", "--to", end][..],
            1,
            &changed[..],
            2,
        ),
        (
            &[
                "--from",
                "2026-10-31",
                "--to",
                end,
                "--region",
                "ap-southeast-2",
            ],
            0,
            &[],
            1,
        ),
        (&["--from", "2026-11-01", "--to", end], 0, &[], 2),
        (
            &["--from", "2026-11-08", "--to", "2026-11-09"],
            1,
            &nothing,
            2,
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("out.jsonl");
        let mut command = qtrail();
        command
            .arg("backfill")
            .arg(copy.path())
            .args(arguments)
            .args(["--verify", "--public-keys"])
            .arg(signed.keys())
            .arg("--state")
            .arg(place.path().join("state"))
            .env("QTRAIL_EXPORT_FILE", &file);
        let sent = Sent::by(command, &file);
        assert_eq!(sent.exit, Some(exit), "{arguments:?}: {}", sent.log);
        assert_eq!(sent.failures(), failures, "{arguments:?}");
        assert_eq!(sent.named(VERIFICATION).len(), regions, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_verified_is_an_error_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    fs::write(&keys, "{}").unwrap();
    let keys = keys.to_str().unwrap();
    let here = folder.path().to_str().unwrap();
    for (arguments, variable, expected) in [
        (
            &["run", here, "--verify"][..],
            None,
            "aws cloudtrail list-public-keys",
        ),
        (
            &["run", here, "--verify", "--public-keys", keys],
            None,
            "keys.json: missing field",
        ),
        (
            &["run", here, "--verify", "--public-keys", "absent"],
            None,
            "absent: ",
        ),
        (
            &["run", "--grpc", "127.0.0.1:0", "--verify"],
            None,
            "needs a directory or a queue",
        ),
        (
            &["run", here, "--verify", "--public-keys", keys],
            Some(("QTRAIL_DIRECTORY_AFTER", "delete")),
            "leave directory.after at keep",
        ),
        (
            &["run", here, "--verify", "--public-keys", keys],
            Some(("QTRAIL_VERIFICATION_OVERDUE", "2h")),
            "at least 3h",
        ),
        (
            &["backfill", here, "--from", "1d", "--verify"],
            None,
            "aws cloudtrail list-public-keys",
        ),
    ] {
        let mut command = qtrail();
        command.args(arguments).envs(variable);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_forged_digest_of_later_does_not_end_the_verification() {
    let test = "watched::a_forged_digest_of_later_does_not_end_the_verification";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let copy = signed.copy();
    let path = |key: &str| copy.path().join(key);
    // The second day arrives later.
    let later = signed.files("/2026/11/01/");
    later
        .iter()
        .for_each(|key| fs::remove_file(path(key)).unwrap());
    let digests = signed.files("/CloudTrail-Digest/us-east-1/2026/11/01");
    let digest = &digests[digests.len() - 2];
    let forged = ["20261101T110131Z", "20990101T000000Z"].map(|time| {
        let (before, _) = digest.rsplit_once('_').unwrap();
        path(&format!("{before}_{time}.json.gz"))
    });
    for file in &forged {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(signed.bucket().join(digest), file).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let sent = run_once(signed, copy.path(), place.path());
    assert_eq!(sent.exit, Some(1), "{}", sent.log);
    forged
        .iter()
        .for_each(|file| fs::remove_file(file).unwrap());
    for key in &later {
        fs::copy(signed.bucket().join(key), path(key)).unwrap();
    }
    let changed = &signed.files("/CloudTrail/us-east-1/2026/11/01")[1];
    fs::write(path(changed), gzip("{}")).unwrap();
    let sent = run_once(signed, copy.path(), place.path());
    assert_eq!(sent.exit, Some(1), "{}", sent.log);
    let expected = [("changed".to_owned(), name(changed))];
    assert_eq!(sent.failures(), expected);
    let regions = sent.named(VERIFICATION).into_iter();
    let mut covered = regions.map(|r| attribute(r, "qtrail.integrity.covered_to").unwrap());
    assert!(covered.all(|to| to == signed.expected["end"].as_str().unwrap()));
}

#[test]
fn what_cannot_be_verified_at_all_fails_a_run_once() {
    let test = "watched::what_cannot_be_verified_at_all_fails_a_run_once";
    let Some(signed) = Signed::get(test) else {
        return;
    };
    let account = "logs/AWSLogs/o-abcde12345/111122223333";
    let (digests, region) = ("CloudTrail-Digest", "CloudTrail-Digest/us-east-1");
    for (gone, failures) in [(digests, 2), (region, 1)] {
        let copy = signed.copy();
        fs::remove_dir_all(copy.path().join(account).join(gone)).unwrap();
        let place = tempfile::tempdir().unwrap();
        let sent = run_once(signed, copy.path(), place.path());
        assert_eq!(sent.exit, Some(1), "{gone}: {}", sent.log);
        let found = sent.failures();
        assert_eq!(found.len(), failures, "{gone}: {found:?}");
        assert!(found.iter().all(|(kind, _)| kind == "missing_digest"));
    }
    // Nothing of a trail, and the wrong folder of one.
    let empty = tempfile::tempdir().unwrap();
    let inside = signed.bucket().join(account).join("CloudTrail");
    for folder in [empty.path(), &inside] {
        let place = tempfile::tempdir().unwrap();
        let sent = run_once(signed, folder, place.path());
        assert_eq!(sent.exit, Some(1), "{}", sent.log);
        assert!(
            sent.log.contains("name the top of the copy"),
            "{}",
            sent.log
        );
    }
    // What was verified, and is gone.
    let copy = signed.copy();
    let place = tempfile::tempdir().unwrap();
    assert_eq!(run_once(signed, copy.path(), place.path()).exit, Some(0));
    for product in ["CloudTrail", "CloudTrail-Digest"] {
        let region = copy.path().join(account).join(product).join("us-east-1");
        fs::remove_dir_all(region).unwrap();
    }
    let sent = run_once(signed, copy.path(), place.path());
    assert_eq!(sent.exit, Some(1), "{}", sent.log);
    assert_eq!(sent.failures().len(), 1);
}
