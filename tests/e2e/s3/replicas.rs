//! Replicas that share a queue: killed, frozen, without a collector. And one that has all for itself.

use std::time::Duration;

use qtrail_core::otlp::Signal;
use rustix::process::Signal as Kill;
use tokio_util::sync::CancellationToken;

use crate::e2e::amazon::{Amazon, Depth, Trail};
use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip};
use crate::support::repeats;
use crate::support::sidecar::{Place, Sidecar, value};
use crate::support::trail::records;

use super::messages::ends_well;
use super::{assert_once, notices, until_all};

/// How often a replica is killed.
const KILLS: usize = 8;
/// How long messages stay hidden.
const VISIBILITY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_and_frozen_lose_nothing() {
    let name = "s3::replicas::replicas_that_are_killed_and_frozen_lose_nothing";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let mut collector = Collector::start().await;
    let trail = Trail {
        name: "many",
        files: 2_000,
        events: 3,
    };
    let all = trail.ids();
    // No message can be given up by rights: each kill and each freeze is one receive at most.
    let redrive = KILLS as u32 + 6;
    let queue = amazon.queue("trail", 30, Some(redrive)).await;
    let keys = amazon.put_trail(trail).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;

    let places = [Place::new(), Place::new(), Place::new()];
    let start = |place: &Place, collector: &Collector| {
        let mut run = amazon.run(&queue, place, collector);
        let visibility = format!("{}s", VISIBILITY.as_secs());
        Sidecar::start(
            run.env("QTRAIL_S3_VISIBILITY", visibility)
                .env("QTRAIL_S3_FETCHERS", "4"),
        )
    };
    let mut replicas: Vec<_> = places.iter().map(|p| start(p, &collector)).collect();
    for round in 0..KILLS {
        // Spread over the work, the last one near its end.
        let enough = all.len() * (round + 1) / (KILLS + 2);
        let arrived = |c: &Collector| c.accepted(Signal::Logs).len() >= enough;
        collector.until("more arrived", arrived).await;
        if round == 2 {
            // Its messages go to others while it does not know.
            replicas[1].signal(Kill::STOP);
        }
        if round == 4 {
            collector.close();
            // Longer than messages stay hidden: who holds some must keep them so.
            tokio::time::sleep(VISIBILITY * 2).await;
            replicas[1].signal(Kill::CONT);
            let dead = queue.dead.clone().unwrap();
            assert_eq!(amazon.depth(&dead).await, Depth::EMPTY, "in an outage");
            collector.open().await;
        }
        let killed = if round % 2 == 0 { 0 } else { 2 };
        replicas.remove(killed).kill();
        replicas.insert(killed, start(&places[killed], &collector));
    }
    until_all(&collector, &all).await;
    amazon.until_done(&queue).await;
    for replica in replicas {
        ends_well(replica).await;
    }
    // A repeat is the same record; nothing is made up.
    for times in [repeats::logs(&collector), repeats::spans(&collector)] {
        assert!(times.keys().eq(&all));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_delivers_each_event_once() {
    let Some(amazon) = Amazon::start("s3::replicas::one_replica_delivers_each_event_once").await
    else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let trail = Trail {
        name: "once",
        files: 500,
        events: 3,
    };
    let keys = amazon.put_trail(trail).await;
    let mut bodies = notices(&amazon, &keys);
    // Announced twice, and the same events in two objects, as of an organization's trail beside an
    // account's.
    bodies.extend(notices(&amazon, &keys[..20]));
    for (file, key) in keys.iter().enumerate().skip(20).take(20) {
        let twin = key.replace("AWSLogs/", "AWSLogs/o-exampleorgid/");
        amazon.put(&twin, trail.content(file)).await;
        bodies.extend(notices(&amazon, &[twin]));
    }
    amazon.send(&queue, &bodies).await;
    let sidecar = amazon.sidecar(&queue, &place, &collector);
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    let read = (540 * 6) as u64;
    let balance = sidecar.settled(read).await;
    assert_eq!((balance.read, balance.duplicate), (read, 40 * 3));
    let counts = amazon.proxy.counts();
    let (receives, deletes) = (counts["ReceiveMessage"], counts["DeleteMessageBatch"]);
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
    assert!(deletes <= 540 / 5, "{deletes} deletes: in batches");
    assert!(receives <= 540 / 2, "{receives} receives: in batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_passes_in_bounded_memory_and_its_message_stays_hidden() {
    let name = "s3::replicas::a_large_object_passes_in_bounded_memory_and_its_message_stays_hidden";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (places, collector) = ([Place::new(), Place::new()], Collector::start().await);
    let queue = amazon.queue("trail", 30, Some(3)).await;
    let (object, events) = large();
    assert!(object.len() > 8 << 20, "not all of it at once");
    amazon.put("AWSLogs/large.json.gz", object).await;
    let keys = ["AWSLogs/large.json.gz".to_owned()];
    amazon.send(&queue, &notices(&amazon, &keys)).await;

    // Its last event is taken only much later.
    let answer = CancellationToken::new();
    let late = answer.clone();
    collector.reply_with(
        move |seen| match seen.ids.iter().any(|id| id == "the-last") {
            true => Reply::Late(late.clone()),
            false => Reply::Accept,
        },
    );
    let start = |place: &Place| {
        let mut run = amazon.run(&queue, place, &collector);
        Sidecar::start(
            run.env("QTRAIL_S3_VISIBILITY", "5s")
                .env("QTRAIL_LIMITS_MEMORY", "32MiB"),
        )
    };
    let first = start(&places[0]);
    let held = |_: u16, text: &str| value(text, "qtrail_s3_messages_held") == 1;
    first.until("/metrics", held).await;
    // It waits for the message, should it ever be seen.
    let second = start(&places[1]);
    second.address().await;
    let last = |c: &Collector| c.accepted(Signal::Logs).iter().any(|id| id == "the-last");
    collector.until("the last event was sent", last).await;
    let extended = || {
        let counts = amazon.proxy.counts();
        let count = |name| counts.get(name).copied().unwrap_or(0);
        count("ChangeMessageVisibility") + count("ChangeMessageVisibilityBatch")
    };
    let before = extended();
    while extended() < before + 4 {
        let depth = amazon.depth(&queue.url).await;
        assert_eq!((depth.visible, depth.in_flight), (0, 1));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    answer.cancel();
    amazon.until_done(&queue).await;
    let peak = first.peak_memory();
    let balance = first.settled(events).await;
    assert_eq!(balance.read, events);
    let (_, metrics) = second.get("/metrics").await;
    assert_eq!(value(&metrics, "qtrail_s3_messages_total"), 0);
    ends_well(first).await;
    ends_well(second).await;
    // Of its 200 MB nearly all is left out; an unoptimized program is large by itself.
    assert!(peak < 128 << 20, "{peak} bytes");
}

/// A log file of 200 MB, compressed, and how many events are in it.
fn large() -> (Vec<u8>, u64) {
    let some = records(7, 4_000, 1.0);
    let block = some.join(",");
    let blocks = (200 << 20) / block.len() + 1;
    let mut text = String::with_capacity(210 << 20);
    text.push_str(r#"{"Records":["#);
    for _ in 0..blocks {
        text.push_str(&block);
        text.push(',');
    }
    text.push_str(&event("the-last"));
    text.push_str("]}");
    (gzip(text), (blocks * some.len() + 1) as u64)
}
