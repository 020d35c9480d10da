//! What keeps events from moving is in `/readyz`, with the remedy, and in `/metrics`; both say so once it is
//! mended.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use qtrail_core::otlp::Signal;
use rustix::process::geteuid;

use crate::support::collector::Collector;
use crate::support::program::{event, log_file};
use crate::support::sidecar::{Place, Sidecar, value};

/// Somebody who is not root: permissions count for them.
const NOBODY: u32 = 65534;

fn run(place: &Place, collector: &Collector) -> Command {
    let mut command = place.run();
    command
        .args(["--endpoint", &collector.url()])
        .env("QTRAIL_DIRECTORY_SETTLE", "50ms");
    command
}

/// The same, by somebody whom permissions stop.
fn run_unprivileged(place: &Place, collector: &Collector) -> Command {
    let mut command = run(place, collector);
    if geteuid().is_root() {
        mode(&place.path(""), 0o755);
        fs::create_dir_all(place.path("state")).unwrap();
        chown(place.path("state"), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Waits until it is not ready for all of these reasons, and the gauge tells the cause.
async fn stalled(sidecar: &Sidecar, cause: &str, parts: &[&str]) {
    let is_it = |status: u16, body: &str| status == 503 && parts.iter().all(|p| body.contains(p));
    sidecar.until("/readyz", is_it).await;
    assert_eq!(gauge(&sidecar.get("/metrics").await.1, cause), 1);
}

async fn ready(sidecar: &Sidecar, cause: &str) {
    sidecar.until("/readyz", |status, _| status == 200).await;
    assert_eq!(gauge(&sidecar.get("/metrics").await.1, cause), 0);
}

fn gauge(metrics: &str, cause: &str) -> u64 {
    value(metrics, &format!("qtrail_stalled{{reason=\"{cause}\"}}"))
}

#[tokio::test]
async fn a_directory_that_does_not_exist_is_told_until_it_is_there() {
    const CAUSE: &str = "directory_unreadable";
    let (place, collector) = (Place::new(), Collector::start().await);
    let trail = place.path("trail");
    fs::remove_dir(&trail).unwrap();
    let sidecar = Sidecar::start(&mut run(&place, &collector));
    // From the first answer on.
    let (status, body) = sidecar.get("/readyz").await;
    assert_eq!(status, 503, "{body}");
    stalled(
        &sidecar,
        CAUSE,
        &[&trail.display().to_string(), "make or mount it"],
    )
    .await;
    fs::create_dir(&trail).unwrap();
    place.add("a.json", &log_file(&[event("one")]));
    sidecar.settled(1).await;
    ready(&sidecar, CAUSE).await;

    fs::rename(&trail, place.path("elsewhere")).unwrap();
    File::create(&trail).unwrap();
    stalled(&sidecar, CAUSE, &["it is no directory"]).await;
    fs::remove_file(&trail).unwrap();
    fs::rename(place.path("elsewhere"), &trail).unwrap();
    ready(&sidecar, CAUSE).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_listed_is_told_and_so_is_all_that_is_in_it() {
    const CAUSE: &str = "directory_unreadable";
    let (place, collector) = (Place::new(), Collector::start().await);
    let (trail, below) = (place.path("trail"), place.path("trail/AWSLogs"));
    fs::create_dir(&below).unwrap();
    mode(&below, 0o000);
    let sidecar = Sidecar::start(&mut run_unprivileged(&place, &collector));
    stalled(&sidecar, CAUSE, &["AWSLogs", "let qtrail's user list it"]).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_folders_unlisted"), 1);
    mode(&trail, 0o000);
    stalled(
        &sidecar,
        CAUSE,
        &["trail cannot be read: Permission denied"],
    )
    .await;
    mode(&trail, 0o755);
    mode(&below, 0o755);
    ready(&sidecar, CAUSE).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_folders_unlisted"), 0);
}

#[tokio::test]
async fn files_that_cannot_be_read_are_told_until_one_can() {
    const CAUSE: &str = "files_unreadable";
    let (place, collector) = (Place::new(), Collector::start().await);
    let secret = |name: &str| {
        fs::write(place.path("aside"), log_file(&[event(name)])).unwrap();
        mode(&place.path("aside"), 0o000);
        fs::rename(place.path("aside"), place.path("trail").join(name)).unwrap();
    };
    secret("one");
    let sidecar = Sidecar::start(&mut run_unprivileged(&place, &collector));
    stalled(&sidecar, CAUSE, &["trail/one", "Permission denied"]).await;
    // Another one can be read: one bad file among good ones is a number alone.
    place.add("two.json", &log_file(&[event("two")]));
    sidecar.settled(1).await;
    ready(&sidecar, CAUSE).await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_files_failing"), 1);
    secret("three");
    stalled(&sidecar, CAUSE, &["trail/three"]).await;
    for name in ["one", "three"] {
        mode(&place.path("trail").join(name), 0o644);
    }
    sidecar.settled(3).await;
    ready(&sidecar, CAUSE).await;
}

#[tokio::test]
async fn a_state_on_a_full_disk_is_told_until_there_is_room() {
    const CAUSE: &str = "state_unusable";
    let (place, collector) = (Place::new(), Collector::start().await);
    let url = collector.url();
    place.add("a.json", &log_file(&[event("one")]));
    let sidecar = Sidecar::start(place.run_on_a_small_disk().args(["--endpoint", &url]));
    sidecar.settled(1).await;
    sidecar.room(Some(4096));
    place.add("b.json", &log_file(&[event("two")]));
    stalled(&sidecar, CAUSE, &["state.redb", "free some space"]).await;
    sidecar.room(None);
    assert_eq!(sidecar.settled(2).await.exported, 2);
    ready(&sidecar, CAUSE).await;
}

/// No delivery waits for a commit then, whose tries would open the state again.
#[tokio::test]
async fn a_state_that_could_not_be_written_by_a_look_at_a_file_works_again_once_there_is_room() {
    const CAUSE: &str = "state_unusable";
    let (place, collector) = (Place::new(), Collector::start().await);
    let url = collector.url();
    let mut command = place.run_on_a_small_disk();
    // Its name tells that it was delivered before.
    let since = command
        .args(["--endpoint", &url])
        .env("QTRAIL_DIRECTORY_START", "since:2026-01-01T00:00:00Z");
    place.add("a.json", &log_file(&[event("one")]));
    let sidecar = Sidecar::start(since);
    sidecar.settled(1).await;
    sidecar.room(Some(4096));
    let old = "111122223333_CloudTrail_us-east-1_20250101T0000Z_abcdefghijklmnop.json";
    place.add(old, &log_file(&[event("old")]));
    stalled(&sidecar, CAUSE, &["state.redb"]).await;
    sidecar.room(None);
    ready(&sidecar, CAUSE).await;
    let none = |_: u16, text: &str| value(text, "qtrail_files_pending") == 0;
    sidecar.until("/metrics", none).await;
}

#[tokio::test]
async fn an_output_file_and_dead_letters_on_a_full_disk_are_told_until_there_is_room() {
    const USED: u64 = 256 << 20;
    let place = Place::new();
    let (output, letters) = (place.path("otlp.jsonl"), place.path("letters.jsonl"));
    // Large, so that the limit hits no other file; it takes no room on the disk.
    let file = File::create(&output).unwrap();
    file.write_all_at(b"\n", USED - 1).unwrap();
    symlink("/dev/full", &letters).unwrap();
    let mut command = place.run_on_a_small_disk();
    command.arg("--output").arg(&output);
    command.arg("--dead-letters").arg(&letters);
    let sidecar = Sidecar::start(&mut command);
    ready(&sidecar, "collector_blocked").await;
    sidecar.room(Some(USED + 100));
    place.add("a.json", &log_file(&[event("one")]));
    stalled(
        &sidecar,
        "collector_blocked",
        &["otlp.jsonl", "free some space"],
    )
    .await;
    place.add("b.json", b"{\"eventVersion\":}");
    let letters_too = ["otlp.jsonl", "letters.jsonl", "free some space"];
    stalled(&sidecar, "dead_letters_unwritable", &letters_too).await;
    sidecar.room(None);
    fs::remove_file(&letters).unwrap();
    sidecar.settled(2).await;
    ready(&sidecar, "collector_blocked").await;
    ready(&sidecar, "dead_letters_unwritable").await;
}

#[tokio::test]
async fn a_collector_that_is_away_shows_in_the_gauge_at_once() {
    let (place, mut collector) = (Place::new(), Collector::start().await);
    place.add("a.json", &log_file(&[event("one")]));
    collector.close();
    let sidecar = Sidecar::start(&mut run(&place, &collector));
    let away = |n: u64| move |_: u16, text: &str| gauge(text, "collector_away") == n;
    sidecar.until("/metrics", away(1)).await;
    // A short gap is what retries are for.
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    collector.open().await;
    collector.until_seen(Signal::Logs, 1).await;
    sidecar.until("/metrics", away(0)).await;
}
