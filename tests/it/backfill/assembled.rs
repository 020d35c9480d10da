//! `backfill --assemble`: the same trees as `convert --assemble`, also over a kill.

use std::path::Path;
use std::process::Command;

use qtrail_core::otlp::Signal;
use qtrail_sample::conversation_trail;

use super::{numbers, run};
use crate::ground_truth;
use crate::support::collector::{Collector, Reply};
use crate::support::program::qtrail;
use crate::support::repeats;
use crate::support::sidecar::Sidecar;
use crate::support::spans::{Spans, arrived, converted};

fn expected(root: &Path) -> Spans {
    converted(&root.join("trail"), &["--assemble", "--select", "all"])
}

fn backfill(root: &Path, collector: &Collector) -> Command {
    let mut command = qtrail();
    command
        .arg("backfill")
        .arg(root.join("trail"))
        .args(["--from", "2026-01-01", "--to", "2026-02-01", "--assemble"])
        .args(["--select", "all", "--summary", "json", "--endpoint"])
        .arg(collector.url())
        .arg("--state")
        .arg(root.join("state"))
        .env("QTRAIL_EXPORT_RETRY_INITIAL", "20ms");
    command
}

/// A folder with a trail.
fn made() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    ground_truth::write(&conversation_trail(2, 20), &root.path().join("trail"));
    root
}

fn conversations(collector: &Collector) -> usize {
    let names = arrived(collector).into_values();
    names.filter(|[name, ..]| name == "conversation").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assembled_backfill_that_was_killed_gives_the_trees_of_convert() {
    let (root, collector) = (made(), Collector::start().await);
    let expected = expected(root.path());
    let killed = Sidecar::start(backfill(root.path(), &collector).args(["--rate", "50"]));
    let some = |c: &Collector| c.accepted(Signal::Traces).len() >= 150;
    collector.until("some came", some).await;
    killed.kill();
    assert_eq!(conversations(&collector), 0, "they come at the end");

    let (exit, summary, said) = run(&mut backfill(root.path(), &collector)).await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(numbers(&summary, ["skipped_done"])[0] > 0, "{summary}");
    assert!(conversations(&collector) > 10);
    assert!(arrived(&collector) == expected);
    repeats::logs(&collector);

    // Nothing is sent again; what came later would change the trees.
    let requests = collector.seen(Signal::Traces).len();
    let (exit, ..) = run(&mut backfill(root.path(), &collector)).await;
    assert_eq!(exit, Some(0));
    let late = root
        .path()
        .join("trail/111122223333_CloudTrail_us-east-1_20260115T1200Z_late.json");
    std::fs::write(&late, r#"{"Records":[]}"#).unwrap();
    let (exit, said) = Sidecar::start(&mut backfill(root.path(), &collector))
        .exit()
        .await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("1 file came since"), "{said}");
    assert_eq!(collector.seen(Signal::Traces).len(), requests);
    let (exit, _, said) = run(backfill(root.path(), &collector).arg("--again")).await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(arrived(&collector) == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_that_were_refused_are_sent_by_the_next_run() {
    let (root, collector) = (made(), Collector::start().await);
    collector.reply_with(|seen| match seen.ids.iter().any(String::is_empty) {
        true => Reply::Grpc(tonic::Status::invalid_argument("no conversations")),
        false => Reply::Accept,
    });
    let (exit, summary, said) = run(&mut backfill(root.path(), &collector)).await;
    assert_eq!(exit, Some(1), "{said}");
    assert_eq!(numbers(&summary, ["left"]), [0], "{said}");
    assert!(
        said.contains("the collector rejected spans of conversations"),
        "{said}"
    );

    collector.reply_with(|_| Reply::Accept);
    let (exit, summary, said) = run(&mut backfill(root.path(), &collector)).await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(numbers(&summary, ["files", "read"]), [0, 0], "{said}");
    assert!(arrived(&collector) == expected(root.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_larger_than_memory_gives_the_same_trees() {
    let (root, collector) = (made(), Collector::start().await);
    let small = |temporary: &str| {
        let mut small = backfill(root.path(), &collector);
        small.env("QTRAIL_LIMITS_EVENT_BYTES", "16KiB");
        small.env("QTRAIL_LIMITS_MEMORY", "128KiB");
        small.env("TMPDIR", temporary);
        small
    };
    let (exit, said) = Sidecar::start(&mut small("/nowhere")).exit().await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("set TMPDIR"), "{said}");
    assert!(collector.seen(Signal::Traces).is_empty());

    let (exit, _, said) = run(&mut small("/tmp")).await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(conversations(&collector) > 10);
    assert!(arrived(&collector) == expected(root.path()));
}

#[test]
fn a_range_that_is_open_is_not_assembled() {
    let mut open = qtrail();
    open.args(["backfill", "trail", "--from", "7d", "--assemble"]);
    let said = String::from_utf8(open.output().unwrap().stderr).unwrap();
    assert!(said.contains("--to <TIME>"), "{said}");
}
