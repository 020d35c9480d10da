//! `qtrail backfill s3://…`: interrupted and taken up again.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use qtrail_core::otlp::Signal;
use rustix::process::Signal as Kill;

use crate::e2e::amazon::{Amazon, Trail};
use crate::ground_truth;
use crate::support::collector::Collector;
use crate::support::fault_proxy::Answer;
use crate::support::repeats;
use crate::support::sidecar::{Place, Sidecar};
use crate::support::spans::{arrived, converted};

use super::until_all;

/// How many objects there are, if nobody says otherwise: three pages of a list.
const OBJECTS: usize = 2_500;
/// Objects that a kill may cost: what was under way, and what was done in the last second.
const REPEATED: usize = 600;

fn backfill(amazon: &Amazon, place: &Place, collector: &Collector) -> Command {
    let mut command = amazon.command(place, collector);
    // The place of the proxy is in the environment; this is the collector's.
    command.env_remove("QTRAIL_EXPORT_ENDPOINT");
    command
        .arg("backfill")
        .arg(format!("s3://{}/", amazon.bucket))
        .args([
            "--from",
            "2026-01-15T00:00:00Z",
            "--to",
            "2026-01-16T00:00:00Z",
        ])
        .args(["--endpoint", &collector.url()]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_interrupted_goes_on_where_it_was() {
    let name = "s3::backfill::a_backfill_that_is_interrupted_goes_on_where_it_was";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let objects = std::env::var("QTRAIL_E2E_OBJECTS");
    let trail = Trail {
        name: "back",
        files: objects.map_or(OBJECTS, |number| number.parse().unwrap()),
        events: 1,
    };
    let all = trail.ids();
    amazon.put_trail(trail).await;
    // Not of that day.
    let key = trail
        .key(0)
        .replace("/15/", "/16/")
        .replace("0115T", "0116T");
    let other = Trail {
        name: "later",
        files: 1,
        events: 1,
    };
    amazon.put(&key, other.content(0)).await;

    // Listing and reading are slowed down, and break off.
    let calls = AtomicUsize::new(0);
    amazon.proxy.answer_with(move |call| {
        match (
            call.operation.as_str(),
            calls.fetch_add(1, Ordering::Relaxed) % 20,
        ) {
            ("GetObject" | "ListObjectsV2", 3) => Answer::SlowDown,
            ("GetObject", 7) => Answer::CutAfter(100),
            _ => Answer::Pass,
        }
    });
    let broken = [Answer::SlowDown, Answer::CutAfter(50)];
    amazon.proxy.answer_next("ListObjectsV2", broken);
    for (share, signal) in [(3, Kill::TERM), (2, Kill::KILL)] {
        let sidecar = Sidecar::start(&mut backfill(&amazon, &place, &collector));
        let enough = all.len() / share;
        let arrived = |c: &Collector| c.accepted(Signal::Logs).len() >= enough;
        collector.until("a part has arrived", arrived).await;
        if signal == Kill::KILL {
            sidecar.kill();
        } else {
            sidecar.signal(signal);
            sidecar.exit().await;
        }
    }
    let done = collector.accepted(Signal::Logs).len();
    amazon.proxy.forget();
    amazon.proxy.answer_with(|_| Answer::Pass);
    let last = Sidecar::start(&mut backfill(&amazon, &place, &collector));
    let (exit, said) = last.exit().await;
    assert_eq!(exit, Some(0), "{said}");
    until_all(&collector, &all).await;
    let read = amazon.proxy.count("GetObject");
    let most = all.len() - done + REPEATED;
    assert!(most < all.len(), "it would tell nothing");
    assert!(read <= most, "{read} objects were read; {done} had arrived");

    let lists = amazon.proxy.count("ListObjectsV2");
    let most = all.len() / 1000 + 50;
    assert!(lists < most, "{lists} lists of objects of one day");
    for times in [repeats::logs(&collector), repeats::spans(&collector)] {
        assert!(times.keys().eq(&all), "all, and nothing of another day");
    }
    amazon.proxy.forget();
    let again = Sidecar::start(&mut backfill(&amazon, &place, &collector));
    assert_eq!(again.exit().await.0, Some(0));
    assert_eq!(amazon.proxy.count("GetObject"), 0, "all is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reads_nothing() {
    let Some(amazon) = Amazon::start("s3::backfill::a_dry_run_reads_nothing").await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let trail = Trail {
        name: "dry",
        files: 12,
        events: 1,
    };
    amazon.put_trail(trail).await;
    let output = backfill(&amazon, &place, &collector)
        .arg("--dry-run")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("12"), "{said}");
    assert_eq!(amazon.proxy.count("GetObject"), 0);
    assert!(collector.seen(Signal::Logs).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_assembled_as_a_directory_is_by_convert() {
    let name = "s3::backfill::a_bucket_is_assembled_as_a_directory_is_by_convert";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let (trail, folder) = (
        qtrail_sample::conversation_trail(4, 10),
        tempfile::tempdir().unwrap(),
    );
    ground_truth::write(&trail, folder.path());
    for (key, bytes) in trail.files {
        amazon.put(&key, bytes).await;
    }
    // The first reading fails now and then, too.
    let broken = [Answer::SlowDown, Answer::CutAfter(100)];
    amazon.proxy.answer_next("GetObject", broken);
    let mut command = amazon.command(&place, &collector);
    command
        .env_remove("QTRAIL_EXPORT_ENDPOINT")
        .arg("backfill")
        .arg(format!("s3://{}/", amazon.bucket))
        .args(["--from", "2026-01-01", "--to", "2026-02-01", "--assemble"])
        .args(["--endpoint", &collector.url()]);
    let (exit, said) = Sidecar::start(&mut command).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    let expected = converted(folder.path(), &["--assemble"]);
    assert!(expected.values().any(|[name, ..]| name == "conversation"));
    assert!(arrived(&collector) == expected);
}
