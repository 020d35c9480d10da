//! What becomes of a message: each shape of notice, one that nothing understands, objects that
//! cannot be read.

use crate::e2e::amazon::{Amazon, Trail};
use crate::support::collector::Collector;
use crate::support::fault_proxy::Answer;
use crate::support::notice;
use crate::support::program::json_lines;
use crate::support::sidecar::{Place, Sidecar};

use super::{assert_once, notices, until_all};

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_announces_arrives_once() {
    let Some(amazon) = Amazon::moto_alone("s3::messages::what_s3_announces_arrives_once").await
    else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(5)).await;
    amazon.announce(&queue).await;
    let sidecar = amazon.sidecar(&queue, &place, &collector);
    let trail = Trail {
        name: "real",
        files: 20,
        events: 5,
    };
    amazon.put_trail(trail).await;
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_notice_is_understood() {
    let Some(amazon) = Amazon::start("s3::messages::every_shape_of_notice_is_understood").await
    else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(5)).await;
    let trail = Trail {
        name: "shape",
        files: 9,
        events: 3,
    };
    let keys = amazon.put_trail(trail).await;
    let bucket = &amazon.bucket;
    // A name that is not the same when it is encoded.
    let odd = "a folder+more/(ü)=&%41/x.json.gz";
    let more = Trail {
        name: "odd",
        files: 1,
        events: 2,
    };
    amazon.put(odd, more.content(0)).await;
    let digest = keys[0].replace("/CloudTrail/", "/CloudTrail-Digest/");
    let other = "elsewhere/x.json.gz".to_owned();
    let bodies = [
        notice::s3(bucket, &keys[..1]),
        notice::s3(bucket, &keys[1..3]),
        notice::through_sns(&notice::s3(bucket, &keys[3..4])),
        notice::through_sns(&notice::cloudtrail(bucket, &keys[4..6])),
        notice::cloudtrail(bucket, &keys[6..7]),
        notice::event_bridge(bucket, &keys[7]),
        notice::through_sns(&notice::event_bridge(bucket, &keys[8])),
        notice::s3(bucket, &[odd]),
        // Nothing to read.
        notice::test_event(bucket),
        notice::through_sns(&notice::test_event(bucket)),
        notice::through_sns(notice::VALIDATION),
        notice::VALIDATION.to_owned(),
        // Left alone by s3.exclude and by s3.include, and not there.
        notice::s3(bucket, &[digest]),
        notice::s3(bucket, &[other]),
    ];
    amazon.send(&queue, &bodies).await;
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(run.env("QTRAIL_S3_INCLUDE", "AWSLogs/**,a folder*/**"));
    let mut ids = trail.ids();
    ids.extend(more.ids());
    until_all(&collector, &ids).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &ids);
    assert_eq!(amazon.proxy.count("GetObject"), 10, "one for each object");
    assert!(dead_letters(&place).is_empty());
}

const POISON: &str = r#"{"what": "is this?"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_ends_in_the_queues_own_dead_letter_queue() {
    let name = "s3::messages::a_poison_message_ends_in_the_queues_own_dead_letter_queue";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 1, Some(2)).await;
    let trail = Trail {
        name: "good",
        files: 30,
        events: 2,
    };
    let mut bodies = notices(&amazon, &amazon.put_trail(trail).await);
    let denied = notice::s3(&amazon.bucket, &["AWSLogs/denied.json.gz"]);
    amazon
        .proxy
        .answer_with(|call| match call.path.ends_with("denied.json.gz") {
            true => Answer::AccessDenied,
            false => Answer::Pass,
        });
    bodies.insert(7, POISON.to_owned());
    bodies.insert(20, denied.clone());
    amazon.send(&queue, &bodies).await;
    let mut run = amazon.run(&queue, &place, &collector);
    // Fewer failures than the queue takes receives: they must not count here.
    let sidecar = Sidecar::start(
        run.env("QTRAIL_S3_VISIBILITY", "5s")
            .env("QTRAIL_S3_MAX_RECEIVES", "1"),
    );
    until_all(&collector, &trail.ids()).await;
    let dead = queue.dead.clone().unwrap();
    amazon.until_depth(&dead, |depth| depth.visible == 2).await;
    let mut given_up = amazon.given_up(&queue).await;
    given_up.sort();
    assert_eq!(given_up, [denied, POISON.to_owned()]);
    assert!(dead_letters(&place).is_empty());
    amazon
        .until_depth(&queue.url, |depth| depth.visible + depth.in_flight == 0)
        .await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_redrive_policy_a_poison_message_is_a_dead_letter() {
    let name = "s3::messages::without_a_redrive_policy_a_poison_message_is_a_dead_letter";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 1, None).await;
    let trail = Trail {
        name: "good",
        files: 3,
        events: 2,
    };
    let mut bodies = notices(&amazon, &amazon.put_trail(trail).await);
    bodies.insert(1, POISON.to_owned());
    amazon.send(&queue, &bodies).await;
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(
        run.env("QTRAIL_S3_VISIBILITY", "5s")
            .env("QTRAIL_S3_MAX_RECEIVES", "2"),
    );
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
    let dead = dead_letters(&place);
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["reason"], "unknown_notice", "{}", dead[0]);
    assert_eq!(dead[0]["record"], POISON, "it can be seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_cannot_be_read_are_dead_letters_with_their_place() {
    let name = "s3::messages::objects_that_cannot_be_read_are_dead_letters_with_their_place";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 1, None).await;
    let trail = Trail {
        name: "good",
        files: 4,
        events: 2,
    };
    let mut keys = amazon.put_trail(trail).await;
    // Not a byte of it may be inflated before it is refused.
    amazon.put("AWSLogs/large.json.gz", vec![0; 100_000]).await;
    for name in ["denied", "sealed"] {
        let key = format!("AWSLogs/{name}.json.gz");
        amazon.put(&key, trail.content(0)).await;
    }
    let bad = ["gone", "large", "denied", "sealed"].map(|name| format!("AWSLogs/{name}.json.gz"));
    keys.splice(2..2, bad.clone());
    amazon.proxy.answer_with(|call| {
        let object = matches!(call.operation.as_str(), "GetObject" | "HeadObject");
        match call.path.rsplit('/').next() {
            Some("denied.json.gz") if object => Answer::AccessDenied,
            Some("sealed.json.gz") if object => Answer::KeyDenied,
            _ => Answer::Pass,
        }
    });
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(
        run.env("QTRAIL_S3_VISIBILITY", "5s")
            .env("QTRAIL_S3_MAX_RECEIVES", "2")
            .env("QTRAIL_S3_OBJECT_BYTES", "50KiB"),
    );
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
    let dead = dead_letters(&place);
    assert_eq!(dead.len(), bad.len(), "each once: {dead:?}");
    let expected = [
        ("object_gone", "NoSuchKey"),
        ("object_too_large", "s3.object_bytes"),
        ("object_denied", "s3:GetObject"),
        ("object_denied", "kms:Decrypt"),
    ];
    for (key, (reason, told)) in bad.iter().zip(expected) {
        let source = format!("s3://{}/{key}", amazon.bucket);
        let letter = dead.iter().find(|letter| letter["source"] == source);
        let letter = letter.unwrap_or_else(|| panic!("nothing of {source}: {dead:?}"));
        assert_eq!(letter["reason"], reason, "{letter}");
        let message = letter["message"].as_str().unwrap();
        assert!(message.contains(told), "{message}");
    }
}

/// Stops it; what it has read has settled.
pub(super) async fn ends_well(sidecar: Sidecar) {
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(0), "{said}");
}

pub(super) fn dead_letters(place: &Place) -> Vec<serde_json::Value> {
    let bytes = std::fs::read(place.dead_letters()).unwrap_or_default();
    json_lines(&bytes)
}
