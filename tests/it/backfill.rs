//! `qtrail backfill` on a real directory, against a collector that is not always there.

mod assembled;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use qtrail_core::otlp::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, log_file, qtrail};
use crate::support::repeats;
use crate::support::sidecar::Sidecar;

const A: &str = "111111111111";
const B: &str = "222222222222";

/// A bucket's layout in a directory, and a state beside it.
struct Bucket(TempDir);

impl Bucket {
    fn new() -> Self {
        Bucket(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds a file as CloudTrail delivers it: `day` is `2026-03-01`, `minute` counts from midnight.
    fn add(&self, account: &str, region: &str, day: &str, minute: u32, ids: &[&str]) -> PathBuf {
        self.add_below("AWSLogs", account, region, day, minute, ids)
    }

    fn add_below(
        &self,
        above: &str,
        account: &str,
        region: &str,
        day: &str,
        minute: u32,
        ids: &[&str],
    ) -> PathBuf {
        let folder = format!("bucket/{above}/{account}/CloudTrail/{region}");
        let folder = self.path(&folder).join(day.replace('-', "/"));
        std::fs::create_dir_all(&folder).unwrap();
        let stamp = format!(
            "{}T{:02}{:02}Z",
            day.replace('-', ""),
            minute / 60,
            minute % 60
        );
        let first = ids.first().unwrap_or(&"none");
        let name = format!("{account}_CloudTrail_{region}_{stamp}_{first:0>16}.json.gz");
        let path = folder.join(name);
        let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        std::fs::write(&path, gzip(log_file(&events))).unwrap();
        path
    }

    /// The command, to this collector, on all of 2026.
    fn backfill(&self, collector: &Collector) -> Command {
        let mut command = self.backfill_from(collector, "2026-01-01");
        command.args(["--to", "2026-12-31"]);
        command
    }

    fn backfill_from(&self, collector: &Collector, from: &str) -> Command {
        self.backfill_in(collector, from, "state")
    }

    fn backfill_in(&self, collector: &Collector, from: &str, state: &str) -> Command {
        let mut command = qtrail();
        command
            .arg("backfill")
            .arg(self.path("bucket"))
            .args(["--from", from, "--summary", "json", "--endpoint"])
            .arg(collector.url())
            .arg("--state")
            .arg(self.path(state))
            .env("QTRAIL_EXPORT_RETRY_INITIAL", "20ms")
            .env("QTRAIL_EXPORT_RETRY_MAX", "200ms");
        command
    }
}

/// The exit code, the JSON summary, and all that was said.
async fn end(sidecar: Sidecar) -> (Option<i32>, Value, String) {
    let (exit, said) = sidecar.exit().await;
    let line = said.lines().last().unwrap_or_default();
    let summary = serde_json::from_str(line).unwrap_or_else(|_| panic!("no summary in\n{said}"));
    (exit, summary, said)
}

async fn run(command: &mut Command) -> (Option<i32>, Value, String) {
    end(Sidecar::start(command)).await
}

fn numbers<const N: usize>(summary: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        let number = summary[name].as_u64();
        number.unwrap_or_else(|| panic!("no {name} in {summary}"))
    })
}

/// Runs a dry run to its end.
fn dry(command: &mut Command) -> (Option<i32>, String) {
    let output = command.arg("--dry-run").output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_delivered_oldest_first_over_accounts_and_regions() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    let mut expected = BTreeMap::new();
    for n in 0..60_u32 {
        let account = [A, B][n as usize % 2];
        let region = ["us-east-1", "eu-west-1", "ap-south-1"][n as usize % 3];
        // Neither names of folders nor the order of making tell the order of time.
        let (day, minute) = (1 + n * 7 % 20, n * 37 % 1440);
        let day = format!("2026-03-{day:02}");
        let id = format!("e{n}");
        bucket.add(account, region, &day, minute, &[&id]);
        expected.insert((day, minute), id);
    }
    let mut command = bucket.backfill(&collector);
    command
        .args(["--fetchers", "1"])
        .env("QTRAIL_EXPORT_CONCURRENCY", "1");
    let (exit, summary, said) = run(&mut command).await;
    assert_eq!(exit, Some(0), "{said}");
    let counts = numbers(&summary, ["files", "read", "exported", "left"]);
    assert_eq!(counts, [60, 60, 60, 0], "{said}");
    let expected: Vec<_> = expected.into_values().collect();
    for signal in [Signal::Logs, Signal::Traces] {
        assert_eq!(collector.accepted(signal), expected);
    }
    assert_eq!(said.matches("back ends").count(), 1, "{said}");
    assert!(said.contains("jaeger, loki, sumologic, tempo;"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_killed_then_stopped_is_complete_in_the_end_and_skips_what_was_done() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    let mut ids = BTreeSet::new();
    for n in 0..600_u32 {
        let id = format!("e{n}");
        let day = format!("2026-03-{:02}", 1 + n / 50);
        bucket.add(A, "us-east-1", &day, n % 50, &[&id]);
        ids.insert(id);
    }
    let slow = || {
        let mut command = bucket.backfill(&collector);
        command.args(["--rate", "100"]);
        command
    };
    let came =
        |n: usize| move |c: &Collector| BTreeSet::from_iter(c.accepted(Signal::Logs)).len() >= n;
    let killed = Sidecar::start(&mut slow());
    collector.until("some came", came(150)).await;
    killed.kill();

    let stopped = Sidecar::start(&mut slow());
    collector.until("more came", came(350)).await;
    stopped.signal(rustix::process::Signal::TERM);
    let (exit, summary, said) = end(stopped).await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("the same command resumes"), "{said}");
    let [files, before, left] = numbers(&summary, ["files", "skipped_done", "left"]);
    assert_eq!(files + before + left, 600, "{summary}");
    assert!(files > 0 && left > 0, "{summary}");

    let (exit, summary, said) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(exit, Some(0), "{said}");
    let counts = numbers(&summary, ["files", "skipped_done", "left"]);
    assert_eq!(counts, [left, files + before, 0], "{said}");
    for signal in [Signal::Logs, Signal::Traces] {
        assert_eq!(BTreeSet::from_iter(collector.accepted(signal)), ids);
    }
    // What came twice was the same record.
    repeats::logs(&collector);
    repeats::spans(&collector);

    let requests = collector.seen(Signal::Logs).len();
    let (exit, summary, _) = run(&mut bucket.backfill(&collector)).await;
    let counts = numbers(&summary, ["files", "skipped_done", "read"]);
    assert_eq!((exit, counts), (Some(0), [0, 600, 0]));
    assert_eq!(collector.seen(Signal::Logs).len(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_read_again_when_its_bytes_change_or_when_that_is_asked_for() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    let changed = bucket.add(A, "us-east-1", "2026-03-01", 5, &["one"]);
    bucket.add(A, "us-east-1", "2026-03-01", 6, &["two"]);
    let names = ["files", "skipped_done", "exported", "duplicate"];
    let (_, summary, _) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(numbers(&summary, names), [2, 0, 2, 0]);
    std::fs::write(changed, gzip(log_file(&[event("one"), event("new")]))).unwrap();
    let (_, summary, _) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(numbers(&summary, names), [1, 1, 1, 1], "one is known");
    let (exit, summary, said) = run(bucket.backfill(&collector).arg("--again")).await;
    assert_eq!(numbers(&summary, names), [2, 0, 3, 0], "{said}");
    assert_eq!(exit, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_again_goes_on_without_that_flag_and_costs_no_other_account() {
    let (bucket, mut collector) = (Bucket::new(), Collector::start().await);
    bucket.add(A, "us-east-1", "2026-03-01", 5, &["one"]);
    bucket.add(B, "us-east-1", "2026-03-01", 6, &["two"]);
    run(&mut bucket.backfill(&collector)).await;
    collector.close();
    let mut again = bucket.backfill(&collector);
    again.args(["--again", "--account", A]);
    let stopped = Sidecar::start(again.env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms"));
    stopped.until_said("events wait").await;
    stopped.signal(rustix::process::Signal::TERM);
    let (_, _, said) = end(stopped).await;
    assert!(said.contains("without --again resumes"), "{said}");
    collector.open().await;
    let (exit, summary, said) = run(&mut bucket.backfill(&collector)).await;
    let counts = numbers(&summary, ["files", "skipped_done", "exported"]);
    assert_eq!((exit, counts), (Some(0), [1, 1, 1]), "{said}");
    let mut accepted = collector.accepted(Signal::Logs);
    accepted.sort();
    assert_eq!(accepted, ["one", "one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_keeps_below_the_source_is_not_read_and_neither_is_what_a_link_leads_to() {
    let collector = Collector::start().await;
    for state in ["bucket/state", "bucket"] {
        let bucket = Bucket::new();
        let file = bucket.add(A, "us-east-1", "2026-03-01", 5, &["one"]);
        std::fs::write(bucket.path("outside.json.gz"), "no JSON").unwrap();
        let link = |to: &Path, name| std::os::unix::fs::symlink(to, bucket.path(name)).unwrap();
        link(&file, "bucket/inside.json.gz");
        link(&bucket.path("outside.json.gz"), "bucket/outside.json.gz");
        // The state is made by the first run, and there before the second.
        for expected in [1, 0] {
            let mut command = bucket.backfill_in(&collector, "9000d", state);
            let (exit, summary, said) = run(&mut command).await;
            let counts = numbers(&summary, ["files", "dead_lettered"]);
            assert_eq!((exit, counts), (Some(0), [expected, 0]), "{state}: {said}");
            assert!(
                said.contains("outside.json.gz is a symbolic link"),
                "{said}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_read_and_writes_nothing() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    bucket.add(A, "us-east-1", "2026-03-01", 5, &["one"]);
    bucket.add(B, "eu-west-1", "2026-03-02", 5, &["two"]);
    let (exit, said) = dry(&mut bucket.backfill(&collector));
    assert_eq!(exit, Some(0));
    for part in [
        "to read      2 files",
        "done before  0 files",
        "oldest       2026-03-01T00:05:00Z",
        "newest       2026-03-02T00:05:00Z",
        "2026-03-02  1 file,",
        "222222222222  eu-west-1       1 file,",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(!bucket.path("state").exists());
    assert!(collector.seen(Signal::Logs).is_empty());

    let mut first = bucket.backfill(&collector);
    run(first.args(["--account", A])).await;
    let (_, said) = dry(&mut bucket.backfill(&collector));
    assert!(said.contains("to read      1 file,"), "{said}");
    assert!(said.contains("done before  1 file,"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_wanted_times_accounts_and_regions_are_read() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    for account in [A, B] {
        for region in ["us-east-1", "eu-west-1"] {
            for day in 1..=4 {
                let id = format!("{account}-{region}-{day}");
                bucket.add(account, region, &format!("2026-03-{day:02}"), 720, &[&id]);
            }
        }
    }
    let mut seen = 0;
    for (arguments, expected) in [
        ("--from 2026-03-02 --to 2026-03-03", 8),
        // Of these, all but the other days are done.
        ("--from 2026-03-01T12:00:00Z --to 2026-03-04T12:00:00Z", 4),
        (
            "--from 2026-03-04 --account 111111111111 --region eu-west-1",
            1,
        ),
        ("--from 2026-03-04 --region us-east-1", 2),
        ("--from 2026-01-01", 1),
    ] {
        let mut arguments = arguments.split(' ');
        let from = arguments.nth(1).unwrap();
        let mut command = bucket.backfill_from(&collector, from);
        let (exit, summary, said) = run(command.args(arguments)).await;
        assert_eq!(exit, Some(0), "{said}");
        assert_eq!(summary["files"], expected, "{from}: {said}");
        seen += expected as usize;
        assert_eq!(collector.accepted(Signal::Logs).len(), seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_file_holds_events_its_content_decides_and_not_its_folder_or_name() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    let mut expected = BTreeSet::new();
    let account = format!("bucket/p/AWSLogs/o-a1b2c3d4e5/{A}");
    for (n, place) in [
        format!("CloudTrail/us-east-1/2026/03/01/{A}_CloudTrail_us-east-1_20260301T0005Z_a.json.gz"),
        format!("CloudTrail-NetworkActivity/us-east-1/2026/03/01/{A}_CloudTrail-NetworkActivity_us-east-1_20260301T0005Z_a.json.gz"),
        "CloudTrail-Aggregated/us-east-1/2026/03/01/a.json.gz".to_owned(),
        "CloudTrail-Insight/us-east-1/2026/03/01/a.json".to_owned(),
        "Config/us-east-1/2026/3/1/a".to_owned(),
        "CloudTrail/us-east-1/beside.log".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("e{n}");
        let path = bucket.path(&account).join(&place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = log_file(&[event(&id)]);
        std::fs::write(path, if place.ends_with(".gz") { gzip(file) } else { file }).unwrap();
        expected.insert(id);
    }
    let digest = format!("{account}/CloudTrail-Digest/us-east-1/2026/03/01");
    let digest = bucket.path(&digest);
    std::fs::create_dir_all(&digest).unwrap();
    let name = format!("{A}_CloudTrail-Digest_us-east-1_t_us-east-1_20260301T001000Z.json.gz");
    let content = r#"{"awsAccountId":"111111111111","digestStartTime":"2026-02-28T23:10:00Z","digestEndTime":"2026-03-01T00:10:00Z","logFiles":[]}"#;
    std::fs::write(digest.join(&name), gzip(content)).unwrap();
    for (account, region, day) in [
        (B, "us-east-1", "2026-03-01"),
        (A, "eu-west-1", "2026-03-01"),
        (A, "us-east-1", "2025-12-31"),
        (A, "us-east-1", "2026-03-09"),
    ] {
        bucket.add_below(
            "p/AWSLogs/o-a1b2c3d4e5",
            account,
            region,
            day,
            5,
            &["other"],
        );
    }
    std::fs::write(
        bucket.path("bucket/untold.json"),
        log_file(&[event("other")]),
    )
    .unwrap();
    // The files without a time in name or folder were written now.
    let wanted = ["--account", A, "--region", "us-east-1"];
    let command = |to: &str| {
        let mut command = bucket.backfill_from(&collector, "2026-01-01");
        command.args(wanted).args(["--to", to]);
        command
    };
    let now = jiff::Timestamp::now().to_string();
    let (exit, told) = dry(&mut command(&now));
    assert_eq!(exit, Some(0));
    for line in [
        "to read      8 files",
        "left out     1 folder of another account than --account names, such as ",
        "left out     1 folder of another region than --region names, such as ",
        "left out     1 folder of another time than --from and --to name, such as ",
        "left out     1 file whose path and name do not tell",
    ] {
        assert!(told.contains(line), "no {line:?} in\n{told}");
    }
    let (exit, summary, said) = run(&mut command(&now)).await;
    assert_eq!(exit, Some(0), "{said}");
    let counts = numbers(&summary, ["files", "skipped", "exported", "dead_lettered"]);
    assert_eq!(counts, [8, 1, 7, 0], "{said}");
    let mut accepted = BTreeSet::from_iter(collector.accepted(Signal::Logs));
    assert!(accepted.remove("other"), "of the ninth of March");
    assert_eq!(accepted, expected);
    let left_out = &summary["left_out"];
    assert_eq!(left_out["account"]["folders"], 1, "{summary}");
    assert_eq!(left_out["region"]["folders"], 1, "{summary}");
    assert_eq!(left_out["unknown"]["files"], 1, "{summary}");
    let example = left_out["account"]["examples"][0].as_str().unwrap();
    assert!(
        example.ends_with(&format!("p/AWSLogs/o-a1b2c3d4e5/{B}/")),
        "{example}"
    );
    assert!(
        said.contains("left out: 1 file whose path and name do not tell"),
        "{said}"
    );
    assert!(said.contains("bucket/untold.json"), "{said}");
    let (_, told) = dry(command(&now).args(["--exclude", "**/Config/**"]));
    let line = "left out     1 folder that --exclude names, such as ";
    assert!(told.contains(line), "no {line:?} in\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_trail_beside_an_account_trail_is_delivered_once() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    for minute in 0..20 {
        let id = format!("e{minute}");
        for above in ["AWSLogs", "org/AWSLogs/o-a1b2c3d4e5"] {
            bucket.add_below(above, A, "us-east-1", "2026-03-01", minute, &[&id]);
        }
    }
    let (exit, summary, said) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(exit, Some(0), "{said}");
    let counts = numbers(&summary, ["files", "read", "exported", "duplicate"]);
    assert_eq!(counts, [40, 40, 20, 20]);
    assert_eq!(collector.accepted(Signal::Logs).len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_waited_for_and_nobody_else_does_the_same_meanwhile() {
    let (bucket, mut collector) = (Bucket::new(), Collector::start().await);
    for minute in 0..30 {
        bucket.add(
            A,
            "us-east-1",
            "2026-03-01",
            minute,
            &[&format!("e{minute}")],
        );
    }
    collector.close();
    let waiting = Sidecar::start(&mut bucket.backfill(&collector));
    waiting.until_said("events wait").await;

    let (exit, said) = Sidecar::start(&mut bucket.backfill(&collector))
        .exit()
        .await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("held by another process (pid "), "{said}");

    collector.open().await;
    let (exit, summary, said) = end(waiting).await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(numbers(&summary, ["files", "exported"]), [30, 30]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_cuts_off_is_left_for_the_next_run() {
    let (bucket, mut collector) = (Bucket::new(), Collector::start().await);
    for minute in 0..30 {
        let id = format!("e{minute}");
        bucket.add(A, "us-east-1", "2026-03-01", minute, &[&id]);
    }
    collector.close();
    let mut hasty = bucket.backfill(&collector);
    let stopped = Sidecar::start(hasty.env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms"));
    stopped.until_said("events wait").await;
    stopped.signal(rustix::process::Signal::TERM);
    let (exit, summary, said) = end(stopped).await;
    assert_eq!(exit, Some(1), "{said}");
    assert_eq!(numbers(&summary, ["files", "left"]), [0, 30], "{said}");

    collector.open().await;
    let (exit, summary, said) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(numbers(&summary, ["files", "exported"]), [30, 30], "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_are_dead_letters_of_the_backfill_and_the_file_is_done() {
    let (bucket, collector) = (Bucket::new(), Collector::start().await);
    bucket.add(A, "us-east-1", "2026-03-01", 0, &["good"]);
    let bad = bucket.add(A, "us-east-1", "2026-03-01", 1, &[]);
    std::fs::write(bad, gzip("no JSON")).unwrap();
    collector.reply_with(|_| Reply::Accept);
    let (exit, summary, said) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!(exit, Some(3), "{said}");
    assert_eq!(
        numbers(&summary, ["files", "dead_lettered", "left"]),
        [2, 1, 0]
    );
    let letters = find(&bucket.path("state"), "dead-letters.jsonl");
    let text = std::fs::read_to_string(letters).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let (exit, summary, _) = run(&mut bucket.backfill(&collector)).await;
    assert_eq!((exit, summary["skipped_done"].as_u64()), (Some(0), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_can_be_named_and_a_start_that_is_an_age_stays_until_all_is_done() {
    let (bucket, mut collector) = (Bucket::new(), Collector::start().await);
    let file = bucket.add(A, "us-east-1", "2026-03-01", 0, &["one"]);
    bucket.add(A, "us-east-1", "2026-03-01", 1, &["two"]);
    let link = bucket.path("link.json.gz");
    std::os::unix::fs::symlink(file, &link).unwrap();
    let mut command = qtrail();
    command
        .arg("backfill")
        .arg(link)
        .args(["--from", "9000d", "--summary", "json"])
        .args(["--endpoint", &collector.url(), "--state"])
        .arg(bucket.path("state"));
    let (exit, summary, said) = run(&mut command).await;
    assert_eq!(
        (exit, summary["files"].as_u64()),
        (Some(0), Some(1)),
        "{said}"
    );
    assert_eq!(collector.accepted(Signal::Logs), ["one"]);

    collector.close();
    let waiting = Sidecar::start(&mut bucket.backfill_from(&collector, "9000d"));
    waiting.until_said("events wait").await;
    waiting.kill();
    let mut dry = bucket.backfill_from(&collector, "9000d");
    let told = Sidecar::start(dry.arg("--dry-run")).exit().await.1;
    assert!(told.contains("the start of the first run"), "{told}");
    collector.open().await;
    let (_, summary, said) = run(&mut bucket.backfill_from(&collector, "9000d")).await;
    assert!(said.contains("the start of the first run"), "{said}");
    assert_eq!(summary["files"], 2);
    let (_, _, said) = run(&mut bucket.backfill_from(&collector, "9000d")).await;
    assert!(!said.contains("the start of the first run"), "{said}");
}

#[cfg(not(feature = "aws"))]
#[test]
fn a_bucket_is_refused_with_the_remedy_where_there_is_no_aws() {
    let output = qtrail()
        .args(["backfill", "s3://b/p", "--from", "7d"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features aws"), "{said}");
}

/// The file of this name, wherever it is below.
fn find(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.file_name().is_some_and(|n| n == name) => return path,
                _ => {}
            }
        }
    }
    panic!("no {name}");
}
