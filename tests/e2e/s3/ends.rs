//! How a run on a queue ends, and what it does with what it holds: read once, stopped, without a
//! collector.

use std::collections::BTreeSet;
use std::time::Duration;

use qtrail_core::otlp::Signal;
use rustix::process::Signal as Kill;
use tokio_util::sync::CancellationToken;

use crate::e2e::amazon::{Amazon, Depth, Queue, Trail};
use crate::support::collector::{Collector, Reply};
use crate::support::sidecar::{Place, Sidecar, last_balance, value};

use super::messages::ends_well;
use super::{assert_once, notices, until_all};

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_read_once_ends_empty() {
    let Some(amazon) = Amazon::start("s3::ends::a_queue_that_is_read_once_ends_empty").await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let trail = Trail {
        name: "single",
        files: 25,
        events: 2,
    };
    let keys = amazon.put_trail(trail).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    // The second finds nothing.
    for read in [25 * 4, 0] {
        let mut run = amazon.run(&queue, &place, &collector);
        let (exit, said) = Sidecar::start(run.arg("--once")).exit().await;
        assert_eq!(exit, Some(0), "{said}");
        let balance = last_balance(&said);
        assert!(balance.holds() && balance.in_flight == 0, "{balance}");
        assert_eq!((balance.read, balance.exported), (read, read / 2));
        assert_eq!(amazon.depth(&queue.url).await, Depth::EMPTY);
    }
    assert_once(&collector, &trail.ids());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_begun_is_given_back_at_once_when_it_is_stopped() {
    let name = "s3::ends::what_was_not_begun_is_given_back_at_once_when_it_is_stopped";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    const BEGUN: u32 = 2;
    let (places, collector) = ([Place::new(), Place::new()], Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let trail = Trail {
        name: "stop",
        files: 12,
        events: 1,
    };
    let all = trail.files as u32;
    let keys = amazon.put_trail(trail).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    let answer = CancellationToken::new();
    let late = answer.clone();
    collector.reply_with(move |_| Reply::Late(late.clone()));
    let start = |place: &Place| {
        let mut run = amazon.run(&queue, place, &collector);
        // Nothing reappears by itself while the test runs.
        Sidecar::start(
            run.env("QTRAIL_S3_VISIBILITY", "1h")
                .env("QTRAIL_S3_FETCHERS", BEGUN.to_string()),
        )
    };
    let first = start(&places[0]);
    let held = |_: u16, text: &str| value(text, "qtrail_s3_messages_held") == u64::from(all);
    first.until("/metrics", held).await;
    let sent = |c: &Collector| {
        let seen = c.seen(Signal::Logs);
        let ids: BTreeSet<_> = seen.iter().flat_map(|seen| &seen.ids).collect();
        ids.len() == BEGUN as usize
    };
    collector.until("what was begun was sent", sent).await;
    first.signal(Kill::TERM);
    let given_back = Depth {
        visible: all - BEGUN,
        in_flight: BEGUN,
    };
    amazon
        .until_depth(&queue.url, |depth| depth == given_back)
        .await;
    // What was begun is finished.
    answer.cancel();
    let (exit, said) = first.exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(
        amazon.depth(&queue.url).await,
        Depth {
            in_flight: 0,
            ..given_back
        }
    );
    let second = start(&places[1]);
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(second).await;
    assert_once(&collector, &trail.ids());
}

/// How long messages stay hidden in an outage that is longer. An extension gives up after a sixth
/// of it: time enough for a busy machine.
const VISIBILITY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_collector_costs_no_message_a_receive() {
    let name = "s3::ends::an_outage_of_the_collector_costs_no_message_a_receive";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, mut collector) = (Place::new(), Collector::start().await);
    // What is received twice is given up.
    let queue = amazon.queue("trail", 60, Some(1)).await;
    let trail = Trail {
        name: "outage",
        files: 60,
        events: 2,
    };
    let keys = amazon.put_trail(trail).await;
    let (first, rest) = keys.split_at(1);
    amazon.send(&queue, &notices(&amazon, first)).await;
    collector.close();
    let mut run = amazon.run(&queue, &place, &collector);
    let visibility = format!("{}s", VISIBILITY.as_secs());
    let sidecar = Sidecar::start(
        run.env("QTRAIL_S3_VISIBILITY", visibility)
            .env("QTRAIL_S3_FETCHERS", "10"),
    );
    sidecar.until_said("events wait").await;
    amazon.send(&queue, &notices(&amazon, rest)).await;
    // There would be room for more than what the one call takes that was waiting for messages.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = hidden(&amazon, &queue).await;
    let receives = amazon.proxy.count("ReceiveMessage");
    // The queue's clock is the only one that says when a message reappears.
    tokio::time::sleep(VISIBILITY * 3).await;
    let still = hidden(&amazon, &queue).await;
    assert!((held..=1 + 10).contains(&still), "{held}, then {still}");
    assert_eq!(amazon.proxy.count("ReceiveMessage"), receives);
    let dead = queue.dead.as_ref().unwrap();
    assert_eq!(amazon.depth(dead).await, Depth::EMPTY);
    collector.open().await;
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
}

/// How many messages are held, some but not all.
async fn hidden(amazon: &Amazon, queue: &Queue) -> u32 {
    let depth = amazon.depth(&queue.url).await;
    assert!(depth.visible > 0 && depth.in_flight > 0, "{depth:?}");
    depth.in_flight
}
