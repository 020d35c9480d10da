//! Dead letters that are acknowledged stay, whatever is sent after them.

use std::fs;
use std::path::PathBuf;

use http::StatusCode;
use qtrail_proto::v1::IngestRequest;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use serde_json::Value;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::grpc::services::serving;
use crate::support::collector::Collector;
use crate::support::program::{event, gzip, json_lines, log_file, qtrail};
use crate::support::receiver::{Answer, post};
use crate::support::sidecar::{Place, Sidecar, balance, value};

/// Bytes of one dead-letter file, and how many are kept beside it.
const MAX_BYTES: u64 = 64 << 10;
const KEEP: u64 = 1;

/// A sidecar that listens, with little room for dead letters, and one token each for `team-a` and
/// `team-b`.
async fn listening(place: &Place, collector: &Collector) -> Sidecar {
    let mut command = place.run();
    command
        .args(["--endpoint", &collector.url()])
        .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .env("QTRAIL_DEAD_LETTERS_MAX_BYTES", MAX_BYTES.to_string())
        .env("QTRAIL_DEAD_LETTERS_KEEP", KEEP.to_string());
    let tokens: Vec<_> = ["team-a", "team-b"]
        .into_iter()
        .map(|team| {
            let path = place.path(&format!("{team}.token"));
            fs::write(&path, team).unwrap();
            path.display().to_string()
        })
        .collect();
    command.env("QTRAIL_INGEST_TOKEN_FILES", tokens.join(","));
    Sidecar::start(&mut command)
}

/// A record that is refused for its time, of so many bytes at least.
fn refused(id: &str, bytes: usize) -> String {
    let padded = event(id).replace("\"test\"", &format!("\"{}\"", "x".repeat(bytes)));
    padded.replace("2024-04-10T14:07:55Z", "soon")
}

async fn send(sidecar: &Sidecar, team: &str, body: Vec<u8>) -> Answer {
    let address = sidecar.listens("http").await;
    post(address, "/v1/events", &[("x-api-key", team)], body).await
}

/// All files of dead letters, the newest first.
fn files(place: &Place) -> Vec<PathBuf> {
    let path = place.dead_letters();
    let numbered = (1..=KEEP).map(|n| PathBuf::from(format!("{}.{n}", path.display())));
    let mut files = vec![path.clone()];
    files.extend(numbered.filter(|path| path.exists()));
    files
}

fn letters(place: &Place) -> Vec<Value> {
    let files = files(place).into_iter();
    files
        .flat_map(|path| json_lines(&fs::read(path).unwrap()))
        .collect()
}

fn is_kept(place: &Place, id: &str) -> bool {
    let named = |letter: &Value| letter["record"].to_string().contains(id);
    letters(place).iter().any(named)
}

/// `[{…},1,1,…]`: two kilobytes that are a million records, each of which is refused. The first can be
/// read, so that the request is not refused as a whole.
fn bomb() -> Vec<u8> {
    let first = refused("bomb", 10);
    gzip(format!("[{first}{}]", ",1".repeat(999_999)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_input_erases_no_acknowledged_letter() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let place = place.with_env("QTRAIL_DEAD_LETTERS_UNIT_LETTERS", "20");
    let sidecar = listening(&place, &collector).await;
    let answer = send(&sidecar, "team-a", refused("first", 10).into_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
    for n in 1..=2 {
        let answer = send(&sidecar, "team-b", bomb()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.count("dead_lettered"), 1_000_000);
        let balance = sidecar.settled(1 + n * 1_000_000).await;
        assert_eq!(balance.dead_lettered, 1 + n * 1_000_000);
        assert!(is_kept(&place, "first"));
    }
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_dead_letters_erased_total"), 0);
    assert_eq!(sidecar.stop().await.0, Some(0));

    let letters = letters(&place);
    assert_eq!(letters.len(), 1 + 2 * 21);
    let summary = letters.last().unwrap();
    assert_eq!(summary["reason"], "suppressed");
    assert_eq!(summary["suppressed"], 1_000_000 - 20);
    assert_eq!(summary["sender"], "token team-b");
    // The whole request, as its sender has no reason to keep it.
    use base64::Engine as _;
    let kept = base64::engine::general_purpose::STANDARD
        .decode(summary["record_base64"].as_str().unwrap());
    assert!(kept.unwrap() == bomb());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_a_file_is_counted_and_hashed() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let place = place
        .with_env("QTRAIL_DEAD_LETTERS_UNIT_LETTERS", "2")
        .with_env("QTRAIL_DEAD_LETTERS_UNIT_BYTES", "1KiB");
    let records = ["a", "b", "c", "d"].map(|id| refused(id, 10));
    let good = [event("before"), event("after")];
    place.add(
        "x.json",
        &log_file(&[&good[..1], &records, &good[1..]].concat()),
    );
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let balance = sidecar.settled(6).await;
    assert_eq!((balance.exported, balance.dead_lettered), (2, 4));
    assert_eq!(sidecar.stop().await.0, Some(0));
    let letters = letters(&place);
    let [first, second, summary] = &letters[..] else {
        panic!("{letters:?}");
    };
    use sha2::Digest as _;
    let hash = |text: &[u8]| hex::encode(sha2::Sha256::digest(text));
    assert_eq!(first["record"], records[0]);
    assert_eq!(second["record_sha256"], hash(records[1].as_bytes()));
    assert_eq!(summary["suppressed"], 2);
    assert_eq!(summary["index"], 3, "where the first of them stood");
    assert_eq!(
        summary["record_sha256"],
        hash([&records[2][..], &records[3]].concat().as_bytes())
    );
}

/// What gRPC's health service tells, from now on.
async fn watch(sidecar: &Sidecar) -> tonic::Streaming<HealthCheckResponse> {
    let address = sidecar.listens("grpc").await;
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let watched = client.watch(HealthCheckRequest::default()).await;
    watched.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_whose_letters_are_full_waits_and_no_other() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let sidecar = listening(&place, &collector).await;
    let answer = send(&sidecar, "team-a", refused("first", 10).into_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);

    let mut sent = 0;
    let full = loop {
        let answer = send(
            &sidecar,
            "team-a",
            refused(&format!("a{sent}"), 2000).into_bytes(),
        )
        .await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        sent += 1;
        assert!(sent < 100, "it never ends");
    };
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(full.header("retry-after").is_some());
    let path = place.dead_letters().display().to_string();
    for part in [&path, "token team-a", "dead_letters.when_full"] {
        assert!(
            full.text("error").contains(part),
            "{part} is not in {full:?}"
        );
    }
    let (status, body) = sidecar.get("/readyz").await;
    assert_eq!(status, 503, "nobody goes on: {body}");
    assert!(
        body.contains(&path) && body.contains("move them away"),
        "{body}"
    );
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_dead_letters_waiting"), 1);
    let full = "qtrail_stalled{reason=\"dead_letters_full\"}";
    assert_eq!(value(&metrics, full), 1);
    let mut health = watch(&sidecar).await;
    assert!(!serving(&mut health).await, "nor over gRPC");
    let (balance, read) = (balance(&metrics), sent as u64 + 1);
    assert!(balance.holds() && balance.in_flight == 0, "{balance}");
    assert_eq!(
        balance.read, read,
        "what was refused counts once it is taken"
    );

    // Another one goes on, and has its letters kept.
    for body in [event("b-good"), refused("b-bad", 10)] {
        let answer = send(&sidecar, "team-b", body.into_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert!(is_kept(&place, "b-bad"));
    let (status, body) = sidecar.get("/readyz").await;
    assert_eq!(status, 200, "{body}");
    assert!(serving(&mut health).await);
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, full), 0);

    // Over gRPC, the same sender is told the same.
    let address = sidecar.listens("grpc").await;
    let mut client = IngestServiceClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let mut request = tonic::Request::new(IngestRequest {
        events: refused("grpc", 2000).into(),
        ..IngestRequest::default()
    });
    request
        .metadata_mut()
        .insert("x-api-key", "team-a".parse().unwrap());
    let status = client.ingest(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains(&path), "{status}");

    // All that was acknowledged is still there, and once it is taken away, the sender goes on.
    let kept = letters(&place).len();
    assert_eq!(kept, sent + 2);
    assert!(is_kept(&place, "first"));
    for file in files(&place) {
        fs::rename(
            &file,
            place
                .path("taken")
                .with_extension(file.file_name().unwrap()),
        )
        .unwrap();
    }
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    let answer = send(&sidecar, "team-a", refused("again", 2000).into_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(is_kept(&place, "again"));
    let settled = sidecar.settled(sent as u64 + 4).await;
    assert_eq!(settled.dead_lettered, sent as u64 + 3);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_letters_have_no_room_is_read_again_once_they_have() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let place = place
        .with_env("QTRAIL_DEAD_LETTERS_MAX_BYTES", "4KiB")
        .with_env("QTRAIL_DEAD_LETTERS_KEEP", "1")
        .with_env("QTRAIL_DEAD_LETTERS_WHEN_FULL", "wait");
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    place.add(
        "a.json",
        &log_file(&["1", "2", "3"].map(|id| refused(id, 2000))),
    );
    sidecar.settled(3).await;
    place.add("b.json", &log_file(&[event("good"), refused("4", 10)]));
    sidecar.until("/readyz", |status, _| status == 503).await;
    sidecar
        .until_said("nothing more is taken from directory")
        .await;
    assert_eq!(letters(&place).len(), 3);
    for file in files(&place) {
        fs::remove_file(file).unwrap();
    }
    let balance = sidecar.settled(5).await;
    assert_eq!((balance.exported, balance.dead_lettered), (1, 4));
    assert!(is_kept(&place, "4"));
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_refuses_letters_senders_are_told_to_come_again() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let link = place.path("link.jsonl");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let place = place.with_env("QTRAIL_DEAD_LETTERS_PATH", link.to_str().unwrap());
    let sidecar = listening(&place, &collector).await;
    let bad = || refused("bad", 10).into_bytes();
    // Under way, it is sent away after a while; the next one is at once.
    for _ in 0..2 {
        let answer = send(&sidecar, "team-a", bad()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.text("error").contains("link.jsonl"), "{answer:?}");
    }
    let (status, body) = sidecar.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(
        body.contains("link.jsonl") && body.contains("free some space"),
        "{body}"
    );
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(place.path("real.jsonl"), &link).unwrap();
    sidecar.until("/readyz", |status, _| status == 200).await;
    assert_eq!(send(&sidecar, "team-a", bad()).await.status, StatusCode::OK);
    // The first one settled in the background.
    assert_eq!(sidecar.settled(2).await.dead_lettered, 2);
    assert_eq!(
        json_lines(&fs::read(place.path("real.jsonl")).unwrap()).len(),
        2
    );
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rotation_erases_is_told_and_counted() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let place = place
        .with_env("QTRAIL_DEAD_LETTERS_MAX_BYTES", "4KiB")
        .with_env("QTRAIL_DEAD_LETTERS_KEEP", "1");
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    for n in 0..4 {
        place.add(
            format!("{n}.json"),
            refused(&n.to_string(), 3000).as_bytes(),
        );
        sidecar.settled(n + 1).await;
    }
    sidecar.until_said("dead letters were erased").await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(value(&metrics, "qtrail_dead_letters_erased_total"), 2);
    assert_eq!(letters(&place).len(), 2);
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

/// What is in the summary of a request can be sent again, once what was wrong is mended.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_request_of_a_summary_can_be_replayed() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let place = place
        .with_env("QTRAIL_DEAD_LETTERS_UNIT_LETTERS", "1")
        .with_env("QTRAIL_LIMITS_DEPTH", "4");
    let sidecar = listening(&place, &collector).await;
    let deep = |id: &str| event(id).replace("\"test\"", "[[[[[[\"test\"]]]]]]");
    // A request of which nothing can be read is refused.
    let records = [event("read"), deep("a"), deep("b"), deep("c")];
    let answer = send(&sidecar, "team-a", gzip(log_file(&records))).await;
    assert_eq!(answer.count("dead_lettered"), 3);
    assert_eq!(sidecar.stop().await.0, Some(0));
    assert_eq!(letters(&place).len(), 2);
    let mut replay = qtrail();
    replay
        .arg("replay")
        .arg(place.dead_letters())
        .args(["--endpoint", &collector.url()]);
    let status = tokio::task::spawn_blocking(move || replay.status());
    assert_eq!(status.await.unwrap().unwrap().code(), Some(0));
    let mut ids = collector.accepted(qtrail_core::otlp::Signal::Logs);
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["a", "b", "c", "read"]);
}

/// Standard input cannot be read again: all of it is kept.
#[test]
fn what_is_refused_of_standard_input_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (input, kept) = (folder.path().join("in"), folder.path().join("dead.jsonl"));
    let records: Vec<_> = (0..1500).map(|n| refused(&n.to_string(), 10)).collect();
    fs::write(&input, log_file(&records)).unwrap();
    for (path, letters) in [("-", 1500), (input.to_str().unwrap(), 1001)] {
        let _ = fs::remove_file(&kept);
        let status = qtrail()
            .args(["convert", path, "--output", "discard", "--dead-letters"])
            .arg(&kept)
            .stdin(fs::File::open(&input).unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(
            json_lines(&fs::read(&kept).unwrap()).len(),
            letters,
            "{path}"
        );
    }
}
