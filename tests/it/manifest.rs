//! A record about each file and object: what it says, and that it arrives before the file counts as done.

use std::io::Cursor;

use qtrail::dead_letter::{DeadLetters, OnDamage, Origin};
use qtrail::export::{Outcome, Protocol};
use qtrail::pipeline::{Content, Truncation, Unit};
use qtrail_core::envelope::Again;
use qtrail_core::otlp::Signal;
use qtrail_core::reject::{Evidence, Reason};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::support::collector::{Collector, Reply, Seen};
use crate::support::flow::{Flow, flow};
use crate::support::manifests::{self, Manifest, sha256};
use crate::support::program::{convert, event, gzip, log_file, qtrail, records};
use crate::support::receiver::post;
use crate::support::sidecar::{Place, Sidecar, last_balance};

fn unit(input: &'static str, content: Content) -> Unit {
    Unit {
        origin: Origin {
            input,
            name: "trail/111122223333_CloudTrail_us-east-1_20240410T1410Z_a.json.gz".into(),
            observed: None,
            on_damage: OnDamage::NamePlace,
        },
        content,
        base: 0,
        truncation: Truncation::Reject,
        inflated_bytes: None,
    }
}

/// A pipeline that delivers manifest records to a collector.
fn into(collector: &Collector) -> Flow {
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let mut flow = flow(destination, DeadLetters::none(), 1 << 20);
    flow.pipeline = flow.pipeline.with_manifest(false);
    flow
}

/// Whether a request is of manifest records alone.
fn is_manifest(seen: &Seen) -> bool {
    seen.signal == Signal::Logs && seen.ids.is_empty()
}

fn noise() -> String {
    event("noise").replace("q.amazonaws.com", "s3.amazonaws.com")
}

fn bad() -> String {
    event("bad").replace("2024-04-10T14:07:55Z", "soon")
}

/// What a file has in it, how it is stored, and what its record says: whether all bytes were read, and read, exported,
/// filtered, dead-lettered, skipped.
type Case = (&'static str, Vec<u8>, Vec<u8>, &'static str, [u64; 5]);

fn cases() -> Vec<Case> {
    let text = log_file(&[event("one"), noise(), event("two")]);
    let large = log_file(&vec![noise(); 5_000]);
    let broken = log_file(&[event("one"), bad()]);
    let lines = format!("{}\n{}\n", event("one"), noise()).into_bytes();
    let half = text[..text.len() - 40].to_vec();
    let digest = br#"{"digestEndTime":"2024-04-10T15:00:00Z","logFiles":[]}"#.to_vec();
    let zipped = gzip(&text);
    let mut flipped = gzip(&large);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let members = [gzip(&text[..90]), gzip(&text[90..])].concat();
    let cut = zipped[..zipped.len() - 9].to_vec();
    let stranger = b"no trail".to_vec();
    let plain = |what, bytes: Vec<u8>, outcome, share| (what, bytes.clone(), bytes, outcome, share);
    vec![
        ("gzip", text.clone(), zipped, "complete", [3, 2, 1, 0, 0]),
        plain("plain", text.clone(), "complete", [3, 2, 1, 0, 0]),
        (
            "members",
            text.clone(),
            members,
            "complete",
            [3, 2, 1, 0, 0],
        ),
        (
            "twice",
            text.clone(),
            gzip(gzip(&text)),
            "complete",
            [3, 2, 1, 0, 0],
        ),
        (
            "large",
            large.clone(),
            gzip(&large),
            "complete",
            [5000, 0, 5000, 0, 0],
        ),
        (
            "broken",
            broken.clone(),
            gzip(&broken),
            "complete",
            [2, 1, 0, 1, 0],
        ),
        plain("lines", lines, "complete", [2, 1, 1, 0, 0]),
        plain("digest", digest, "complete", [0, 0, 0, 0, 1]),
        plain("empty", Vec::new(), "complete", [0, 0, 0, 0, 1]),
        plain("stranger", stranger, "complete", [1, 0, 0, 1, 0]),
        plain("half", half, "truncated", [3, 1, 1, 1, 0]),
        ("cut", Vec::new(), cut, "truncated", [4, 2, 1, 1, 0]),
        ("flipped", Vec::new(), flipped, "bad_gzip", [0; 5]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_the_hash_and_the_share_however_the_file_is_stored_and_read() {
    for (what, text, stored, outcome, share) in cases() {
        for way in ["whole", "twice", "bytes"] {
            let collector = Collector::start().await;
            let flow = into(&collector);
            let content = || Cursor::new(stored.clone());
            let content = match way {
                "whole" => Content::Whole(Box::new(content())),
                "twice" => Content::Twice(Box::new(content()), Again::clones(content())),
                _ => Content::Bytes(stored.clone().into()),
            };
            let report = flow.pipeline.deliver(unit("directory", content)).await;
            assert_eq!(report.outcome, Outcome::Delivered, "{what} {way}");
            let all = manifests::all(&collector.logs());
            let [manifest] = &all[..] else {
                panic!("{what} {way}: {all:?}");
            };
            manifests::distinct(&all);
            assert_eq!(manifest.text("outcome"), Some(outcome), "{what} {way}");
            assert!(flow.metrics.balance().holds());
            assert_eq!(flow.metrics.manifest_records.get(), 1);
            assert_eq!(flow.metrics.read.get(), manifest.number("read"));
            if outcome == "bad_gzip" {
                assert_eq!(manifest.text("sha256"), None, "{what} {way}");
                assert!(manifest.number("dead_lettered") > 0);
                continue;
            }
            let names = ["read", "exported", "filtered", "dead_lettered", "skipped"];
            assert_eq!(names.map(|n| manifest.number(n)), share, "{what} {way}");
            assert_eq!(manifest.number("size"), stored.len() as u64, "{what} {way}");
            if what == "cut" {
                assert_eq!(manifest.text("sha256"), None, "{what} {way}");
                continue;
            }
            let hash = sha256(&text);
            assert_eq!(manifest.text("sha256"), Some(&*hash), "{what} {way}");
            assert_eq!(manifest.number("inflated_size"), text.len() as u64);
            let exports = share[1] > 0;
            let time = exports.then_some("2024-04-10T14:07:55Z");
            assert_eq!(manifest.text("first_event"), time, "{what} {way}");
            assert_eq!(manifest.text("last_event"), time, "{what} {way}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_not_delivered_before_its_record_is() {
    let collector = Collector::start().await;
    collector.reply_with(|seen| match is_manifest(seen) {
        true => Reply::Grpc(Status::unavailable("later")),
        false => Reply::Accept,
    });
    let flow = into(&collector);
    let content = Content::Bytes(log_file(&[event("one")]).into());
    let delivering = tokio::spawn({
        let pipeline = flow.pipeline.clone();
        async move { pipeline.deliver(unit("directory", content)).await }
    });
    let tried = |c: &Collector| {
        c.seen(Signal::Logs)
            .iter()
            .filter(|s| is_manifest(s))
            .count()
    };
    collector.until("it is tried again", |c| tried(c) > 2).await;
    assert!(!delivering.is_finished());
    flow.abort.cancel();
    let report = delivering.await.unwrap();
    assert_eq!(report.outcome, Outcome::Abandoned);
    assert_eq!(report.counts.exported, 1);
    assert!(flow.metrics.balance().holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all_has_a_record_that_says_why() {
    let collector = Collector::start().await;
    let flow = into(&collector);
    let origin = unit("s3", Content::Bytes(Vec::new().into())).origin;
    let reason = Reason::ObjectGone {
        detail: "no such key".to_owned(),
    };
    let refused = flow.pipeline.refuse(origin, reason, Evidence::Unit).await;
    assert_eq!(refused, Outcome::Delivered);
    let all = manifests::all(&collector.logs());
    assert_eq!(manifests::distinct(&all).len(), 1);
    assert_eq!(all[0].text("outcome"), Some("object_gone"));
    assert_eq!(all[0].text("sha256"), None);
    assert_eq!(all[0].number("dead_lettered"), flow.metrics.read.get());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_growing_file_has_a_record_once_it_is_committed() {
    let collector = Collector::start().await;
    let flow = into(&collector);
    let line = event("one") + "\n";
    let unfinished = line.clone() + &event("two")[..90];
    let length = line.len() as u64;
    for (truncation, text, expected) in [
        (Truncation::Defer, &line, Some((1000, length, true))),
        (Truncation::Defer, &unfinished, Some((1000, length, false))),
        // Nothing of these is committed.
        (
            Truncation::Defer,
            &unfinished[line.len()..].to_owned(),
            None,
        ),
        (Truncation::DeferAll, &unfinished, None),
    ] {
        let before = manifests::all(&collector.logs()).len();
        let content = Content::Whole(Box::new(Cursor::new(text.clone())));
        let unit = Unit {
            base: 1000,
            truncation,
            ..unit("directory", content)
        };
        let report = flow.pipeline.deliver(unit).await;
        assert_eq!(report.outcome, Outcome::Delivered);
        let all = manifests::all(&collector.logs()).split_off(before);
        let found = all.first().map(|m| {
            let hash = m.text("sha256");
            assert!(hash.is_none_or(|hash| hash == sha256(text.as_bytes())));
            assert_eq!(m.text("outcome"), Some("complete"));
            (
                m.number("offset"),
                m.number("inflated_size"),
                hash.is_some(),
            )
        });
        assert_eq!(found, expected, "{truncation:?} {text}");
        assert!(all.len() <= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_other_units_without_bytes_that_stay_have_none() {
    let collector = Collector::start().await;
    let flow = into(&collector);
    for input in ["http", "sqs", "event_history", "replay"] {
        let content = Content::Bytes(log_file(&[event("one")]).into());
        flow.pipeline.deliver(unit(input, content)).await;
    }
    assert_eq!(manifests::all(&collector.logs()), []);
    assert_eq!(flow.metrics.manifest_records.get(), 0);
}

fn place() -> Place {
    Place::new().with_env("QTRAIL_MANIFEST", "true")
}

fn start(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_again_after_a_kill_before_its_record_was_accepted() {
    let place = place().with_env("QTRAIL_DIRECTORY_WORKERS", "4");
    let collector = Collector::start().await;
    collector.reply_with(|seen| match is_manifest(seen) {
        true => Reply::Late(CancellationToken::new()),
        false => Reply::Accept,
    });
    let names = ["a.json", "b.json.gz", "c.json"];
    place.add("a.json", &log_file(&[event("a"), bad()]));
    place.add("b.json.gz", &gzip(log_file(&[noise()])));
    let sidecar = start(&place, &collector);
    let objects = |c: &Collector| {
        let all = manifests::all(&c.logs()).into_iter();
        let mut objects: Vec<_> = all.map(|m| m.object().to_owned()).collect();
        objects.sort();
        objects.dedup();
        objects.len()
    };
    collector.until("records came", |c| objects(c) == 2).await;
    // Whatever would have been committed without waiting, was by now.
    place.add("c.json", &log_file(&[event("c")]));
    collector.until("another came", |c| objects(c) == 3).await;
    sidecar
        .until("/metrics", |_, text| {
            text.contains("qtrail_files_pending 3\n")
        })
        .await;
    sidecar.kill();

    collector.reply_with(|_| Reply::Accept);
    let before = manifests::all(&collector.logs());
    let once = || Sidecar::start(place.run().args(["--once", "--endpoint", &collector.url()]));
    let (exit, said) = once().exit().await;
    assert_eq!(exit, Some(3), "{said}");
    let after = manifests::all(&collector.logs()).split_off(before.len());
    assert_eq!(after.len(), names.len(), "each was read again");
    for manifest in &after {
        let same = |m: &&Manifest| m.object() == manifest.object();
        let first = before.iter().find(same).unwrap();
        assert_eq!(first.ids, manifest.ids);
        assert_eq!(first.text("sha256"), manifest.text("sha256"));
    }
    let files = names.map(|name| place.path("trail").join(name));
    let all = manifests::all(&collector.logs());
    manifests::cover(&all, &files);
    let read: u64 = manifests::distinct(&all)
        .iter()
        .map(|m| m.number("read"))
        .sum();
    assert_eq!(read, last_balance(&said).read);

    let (exit, said) = once().exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(
        manifests::all(&collector.logs()).len(),
        all.len(),
        "settled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_collector_rejects_is_a_dead_letter_and_holds_up_nothing() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_with(|seen| match is_manifest(seen) {
        true => Reply::Grpc(Status::invalid_argument("no")),
        false => Reply::Accept,
    });
    place.add("a.json", &log_file(&[event("a")]));
    let mut run = place.run();
    let sidecar = Sidecar::start(run.args(["--once", "--endpoint", &collector.url()]));
    let (_, said) = sidecar.exit().await;
    let balance = last_balance(&said);
    assert_eq!(
        (balance.read, balance.exported, balance.dead_lettered),
        (1, 1, 0)
    );
    assert!(
        said.contains("the collector rejected manifest records"),
        "{said}"
    );
    let letters = std::fs::read_to_string(place.dead_letters()).unwrap();
    let letter: Value = serde_json::from_str(letters.lines().next().unwrap()).unwrap();
    let name = place.path("trail/a.json");
    let expected = serde_json::json!({"manifest": name}).to_string();
    assert_eq!(letter["record"], expected, "{letter}");
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_lines_have_a_record_for_each_part_and_requests_have_none() {
    let place = place().with_env("QTRAIL_INGEST_HTTP_LISTEN", "127.0.0.1:0");
    let collector = Collector::start().await;
    let sidecar = start(&place, &collector);
    let file = place.path("trail/app.ndjson");
    for (number, id) in ["one", "two", "three"].into_iter().enumerate() {
        let line = event(id) + "\n" + &noise() + "\n";
        let text = std::fs::read_to_string(&file).unwrap_or_default() + &line;
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()))
            .unwrap();
        let read = |c: &Collector| -> u64 {
            let all = manifests::all(&c.logs());
            manifests::distinct(&all)
                .iter()
                .map(|m| m.number("read"))
                .sum()
        };
        let lines = 2 * (number as u64 + 1);
        collector
            .until("the part is told", |c| read(c) == lines)
            .await;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    let address = sidecar.listens("http").await;
    let answer = post(address, "/v1/events", &[], log_file(&[event("pushed")])).await;
    assert_eq!(answer.status, 200);
    let all = manifests::all(&collector.logs());
    assert!(
        all.iter()
            .all(|m| m.is_part() && m.object() == file.to_str().unwrap())
    );
    manifests::cover(&all, &[file]);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[test]
fn convert_writes_them_where_the_events_go() {
    let text = log_file(&[event("one"), noise()]);
    let converted = convert("a.json.gz", &gzip(&text), &["--manifest"]);
    assert_eq!(converted.count("exported"), 1);
    let is_manifest = |log: &&Value| log["eventName"] == "qtrail.manifest";
    let [manifest] = &converted
        .logs
        .iter()
        .filter(is_manifest)
        .collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", converted.logs);
    };
    assert!(manifest.to_string().contains(&sha256(&text)), "{manifest}");
    assert_eq!(converted.spans.len(), 1, "it has no span");
    let without = convert("a.json.gz", &gzip(&text), &[]);
    assert_eq!(without.logs.iter().filter(is_manifest).count(), 0);
}

#[test]
fn without_log_records_there_is_no_place_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, log_file(&[event("one")])).unwrap();
    for (arguments, remedy) in [
        (["--signals", "traces"], "add logs to signals"),
        (["--format", "events"], "remove one of them"),
    ] {
        let mut command = qtrail();
        let output = command.arg("convert").arg(&file).arg("--manifest");
        let output = output.args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(remedy), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_resource_has_the_account_and_the_region_of_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let name = "111122223333_CloudTrail_eu-west-1_20240410T1410Z_Abcdefghijklmnop.json.gz";
    let file = folder.path().join(name);
    std::fs::write(&file, gzip(log_file(&[noise()]))).unwrap();
    let mut command = qtrail();
    let output = command.arg("convert").arg(&file).arg("--manifest").output();
    let line: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let [log] = &records(&line, "resourceLogs", "scopeLogs", "logRecords")[..] else {
        panic!("{line}");
    };
    assert_eq!(log["timeUnixNano"], "1712758200000000000");
    let attributes = line["resourceLogs"][0]["resource"]["attributes"].to_string();
    for part in ["\"qtrail\"", "\"111122223333\"", "\"eu-west-1\""] {
        assert!(attributes.contains(part), "{attributes}");
    }
    // A query for events begins with this.
    assert!(!attributes.contains("aws.cloudtrail"), "{attributes}");
}
