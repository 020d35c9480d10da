//! What S3 and SQS answer when something is wrong for a while: nothing is lost, nothing is a dead
//! letter.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use qtrail_core::otlp::Signal;

use crate::e2e::amazon::{ACCESS_KEY, Amazon, REGION, Trail};
use crate::support::collector::Collector;
use crate::support::fault_proxy::Answer;
use crate::support::sidecar::{Place, Sidecar};

use super::messages::ends_well;
use super::{assert_once, notices, until_all};

const TRAIL: Trail = Trail {
    name: "fault",
    files: 60,
    events: 3,
};

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_broken_connections_are_passed_over() {
    let name = "s3::faults::throttling_and_broken_connections_are_passed_over";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let keys = amazon.put_trail(TRAIL).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    amazon.proxy.answer_with(move |call| {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        let answer = match (call.operation.as_str(), number % 6) {
            ("GetObject", 0) => Answer::SlowDown,
            ("GetObject", 2) => Answer::CutAfter(100),
            ("GetObject", 4) => Answer::CutAfter(0),
            ("ReceiveMessage" | "DeleteMessageBatch", 1 | 3) => Answer::SlowDown,
            _ => return Answer::Pass,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        answer
    });
    // One that is never answered: given up, and asked for again.
    amazon.proxy.answer_next("GetObject", [Answer::Stall]);
    let sidecar = amazon.sidecar(&queue, &place, &collector);
    until_all(&collector, &TRAIL.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &TRAIL.ids());
    assert_no_dead_letters(&place);
    let made = made.load(Ordering::Relaxed);
    assert!(made > 20, "only {made} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_during_the_run_are_replaced() {
    let name = "s3::faults::credentials_that_expire_during_the_run_are_replaced";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    const NEW_KEY: &str = "AKIAI44QH8DHBEXAMPLE";
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let keys = amazon.put_trail(TRAIL).await;
    let (before, after) = keys.split_at(keys.len() / 2);
    amazon.send(&queue, &notices(&amazon, before)).await;

    let (config, process, key) = (
        place.path("config"),
        place.path("process"),
        place.path("key"),
    );
    std::fs::write(&key, ACCESS_KEY).unwrap();
    write_process(&process, &key);
    let profile = format!("[default]\ncredential_process = {}\n", process.display());
    std::fs::write(&config, profile).unwrap();
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(
        run.env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_CONFIG_FILE", &config),
    );
    let some = |c: &Collector| !c.accepted(Signal::Logs).is_empty();
    collector.until("something arrived", some).await;

    // First nothing is valid any more, for a while; then what the process says.
    amazon
        .proxy
        .answer_with(|call| match call.access_key == NEW_KEY {
            true => Answer::Pass,
            false => Answer::ExpiredToken,
        });
    amazon.send(&queue, &notices(&amazon, after)).await;
    amazon.proxy.forget();
    amazon.proxy.until("ReceiveMessage", 3).await;
    std::fs::write(&key, NEW_KEY).unwrap();
    until_all(&collector, &TRAIL.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &TRAIL.ids());
    assert_no_dead_letters(&place);
}

/// A program that gives out credentials with the access key that is in a file. The SDK renews what
/// expires within ten seconds, so that these are good for some seconds.
fn write_process(path: &Path, key: &Path) {
    let script = format!(
        r#"#!/bin/sh
cat <<END
{{"Version": 1, "AccessKeyId": "$(cat '{}')", "SecretAccessKey": "EXAMPLE", "SessionToken": "EXAMPLE",
"Expiration": "$(date -u -d '+13 seconds' +%Y-%m-%dT%H:%M:%SZ)"}}
END
"#,
        key.display()
    );
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_another_region_is_read_there() {
    let name = "s3::faults::a_bucket_in_another_region_is_read_there";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    const ELSEWHERE: &str = "eu-west-1";
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let keys = amazon.put_trail(TRAIL).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    amazon.proxy.answer_with(|call| {
        let s3 = !call.headers.contains_key("x-amz-target");
        match s3 && call.region != ELSEWHERE {
            true => Answer::OtherRegion(ELSEWHERE),
            false => Answer::Pass,
        }
    });
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(run.env("QTRAIL_AWS_REGION", REGION));
    until_all(&collector, &TRAIL.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &TRAIL.ids());
    assert_no_dead_letters(&place);
    let asked = amazon.proxy.count("GetObject") + amazon.proxy.count("HeadBucket");
    assert!(
        asked <= TRAIL.files + 20,
        "where the bucket is was asked {asked} times"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_exist_ends_the_program_with_its_name() {
    let name = "s3::faults::a_queue_that_does_not_exist_ends_the_program_with_its_name";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let mut queue = amazon.queue("trail", 60, None).await;
    queue.url.push_str("-that-is-not-there");
    let (exit, said) = amazon.sidecar(&queue, &place, &collector).exit().await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains(&queue.url), "{said}");
}

fn assert_no_dead_letters(place: &Place) {
    let dead = std::fs::read_to_string(place.dead_letters()).unwrap_or_default();
    assert_eq!(dead, "");
}
