//! Bad input in a directory that `qtrail run` watches.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qtrail_core::otlp::Signal;
use serde_json::Value;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, json_lines, log_file};
use crate::support::sidecar::{Place, Sidecar, balance};

/// The sidecar on a directory, and the collector that it sends to.
async fn start(place: &Place) -> (Collector, Sidecar) {
    let collector = Collector::start().await;
    let sidecar = start_with(place, &collector);
    (collector, sidecar)
}

fn start_with(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

/// Ends in good order, having delivered what it had begun.
async fn stop(sidecar: Sidecar) {
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(0), "{said}");
}

/// The ids of the log records that the collector took.
fn delivered(collector: &Collector) -> Vec<String> {
    let mut ids = collector.accepted(Signal::Logs);
    ids.sort();
    ids
}

async fn until_delivered<S: AsRef<str>>(collector: &Collector, ids: &[S]) {
    let all = |c: &Collector| {
        let delivered = delivered(c);
        let is = |id: &S| delivered.iter().any(|d| d == id.as_ref());
        ids.iter().all(is)
    };
    collector.until("all is delivered", all).await;
}

async fn until_dead_letters(sidecar: &Sidecar, count: usize) {
    let written = |text: &str| balance(text).dead_lettered >= count as u64;
    sidecar.until("/metrics", |_, text| written(text)).await;
}

fn dead_letters(place: &Place) -> Vec<Value> {
    json_lines(&fs::read(place.dead_letters()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_300_megabytes_costs_itself_alone_and_bounded_memory() {
    let place = Place::new();
    let (collector, sidecar) = start(&place).await;
    let huge = event("huge").replace("\"test\"", "\"@\"");
    let file = log_file(&[event("before"), huge.clone(), event("after")]);
    let text = String::from_utf8(file).unwrap();
    let (head, tail) = text.split_once('@').unwrap();
    // Members in a row are legal gzip, and quick to make.
    let megabyte = gzip(vec![b'x'; 1 << 20]);
    let content = [
        gzip(head.as_bytes()),
        megabyte.repeat(300),
        gzip(tail.as_bytes()),
    ]
    .concat();
    assert!(content.len() < 4 << 20, "{}", content.len());
    place.add("huge.json.gz", &content);
    place.add("neighbour.json", &log_file(&[event("neighbour")]));
    until_delivered(&collector, &["before", "after", "neighbour"]).await;
    until_dead_letters(&sidecar, 1).await;
    let peak = sidecar.peak_memory();
    assert!(peak < 200 << 20, "{peak} bytes");
    stop(sidecar).await;
    let [letter] = &dead_letters(&place)[..] else {
        panic!("{:?}", dead_letters(&place));
    };
    assert_eq!(letter["reason"], "event_too_large");
    let length = huge.len() - 1 + (300 << 20);
    assert_eq!(letter["length"].as_u64(), Some(length as u64));
    assert_eq!(delivered(&collector), ["after", "before", "neighbour"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_are_read_once() {
    let place = Place::new();
    let (collector, sidecar) = start(&place).await;
    let names = [
        b"new\nline.json".as_slice(),
        b"not-\xff-utf8.json",
        "\u{1f980}.json".as_bytes(),
        b"-.json",
        b" ",
    ];
    for (n, name) in names.iter().enumerate() {
        let records = [event(&format!("good {n}")), "{]".to_owned()];
        place.add(OsStr::from_bytes(name), &log_file(&records));
    }
    until_dead_letters(&sidecar, names.len()).await;
    let good = ["good 0", "good 1", "good 2", "good 3", "good 4"];
    until_delivered(&collector, &good).await;
    stop(sidecar).await;
    assert_eq!(delivered(&collector), good);
    let letters = dead_letters(&place);
    let mut sources: Vec<_> = letters.iter().map(|l| l["source"].to_string()).collect();
    sources.sort();
    sources.dedup();
    assert_eq!(sources.len(), names.len(), "told apart: {letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_that_is_completed_before_it_settles_is_read_whole() {
    // Longer than this test can take.
    let place = Place::new().with_env("QTRAIL_DIRECTORY_SETTLE", "10m");
    let (collector, sidecar) = start(&place).await;
    // Lines are read as they come, so this tells that the watching has begun.
    place.add(
        "sign-of-life.jsonl",
        format!("{}\n", event("alive")).as_bytes(),
    );
    until_delivered(&collector, &["alive"]).await;
    let ids: Vec<String> = (0..400).map(|i| format!("{i:03}")).collect();
    let records: Vec<_> = ids.iter().map(|id| event(id)).collect();
    let whole = gzip(log_file(&records));
    let path = place.path("trail").join("slow.json.gz");
    let (first, rest) = whole.split_at(whole.len() / 2);
    // Closed in the middle, as by a copy in two steps.
    fs::write(&path, first).unwrap();
    place.add("neighbour.json", &log_file(&[event("neighbour")]));
    until_delivered(&collector, &["neighbour"]).await;
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, rest).unwrap();
    drop(file);
    until_delivered(&collector, &ids).await;
    stop(sidecar).await;
    assert_eq!(dead_letters(&place), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_gzip_is_one_dead_letter_once_it_settled() {
    let place = Place::new().with_env("QTRAIL_DIRECTORY_SETTLE", "300ms");
    let (collector, sidecar) = start(&place).await;
    let records: Vec<_> = (0..400).map(|i| event(&format!("{i:03}"))).collect();
    let whole = gzip(log_file(&records));
    place.add("cut.json.gz", &whole[..whole.len() / 2]);
    place.add("neighbour.json", &log_file(&[event("neighbour")]));
    until_dead_letters(&sidecar, 1).await;
    until_delivered(&collector, &["000", "neighbour"]).await;
    stop(sidecar).await;
    let [letter] = &dead_letters(&place)[..] else {
        panic!("{:?}", dead_letters(&place));
    };
    assert_eq!(letter["reason"], "truncated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_while_read_ships_and_its_neighbours_too() {
    let collector = Collector::start().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    collector.reply_with(move |_| match is_down.load(Ordering::Relaxed) {
        true => Reply::Grpc(tonic::Status::unavailable("down")),
        false => Reply::Accept,
    });
    // So little memory that the collector's being down stops the reading.
    let place = Place::new()
        .with_env("QTRAIL_LIMITS_MEMORY", "1MiB")
        .with_env("QTRAIL_LIMITS_EVENT_BYTES", "64KiB");
    let sidecar = start_with(&place, &collector);
    let ids: Vec<String> = (0..8000).map(|i| format!("{i:04}")).collect();
    let records: Vec<_> = ids.iter().map(|id| event(id)).collect();
    place.add("deleted.json", &log_file(&records));
    collector.until_seen(Signal::Logs, 1).await;
    fs::remove_file(place.path("trail").join("deleted.json")).unwrap();
    place.add("neighbour.json", &log_file(&[event("neighbour")]));
    down.store(false, Ordering::Relaxed);
    until_delivered(&collector, &["neighbour", "7999"]).await;
    stop(sidecar).await;
    let mut delivered = delivered(&collector);
    delivered.dedup();
    assert_eq!(delivered.len(), ids.len() + 1);
    assert_eq!(dead_letters(&place), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_disappears_and_comes_back_is_not_read_again() {
    let place = Place::new().with_env("QTRAIL_DIRECTORY_RESCAN", "200ms");
    let (collector, sidecar) = start(&place).await;
    let old = [("a.json", "1"), ("sub/b.json", "2")];
    let write = |root: &Path| {
        fs::create_dir_all(root.join("sub")).unwrap();
        for (name, id) in old {
            fs::write(root.join(name), log_file(&[event(id)])).unwrap();
        }
    };
    let root = place.path("trail");
    write(&root);
    until_delivered(&collector, &["1", "2"]).await;
    // What was delivered is on record once the program has stopped.
    stop(sidecar).await;
    let sidecar = start_with(&place, &collector);
    place.add("sign-of-life.json", &log_file(&[event("alive")]));
    until_delivered(&collector, &["alive"]).await;
    // It comes back with new files under the old names, as a volume that is mounted again.
    fs::rename(&root, root.with_file_name("away")).unwrap();
    fs::create_dir(&root).unwrap();
    write(&root);
    place.add("new.json", &log_file(&[event("3")]));
    until_delivered(&collector, &["3"]).await;
    stop(sidecar).await;
    assert_eq!(delivered(&collector), ["1", "2", "3", "alive"]);
    assert_eq!(dead_letters(&place), [Value::Null; 0]);
}
