//! Killed while senders stream events to it: what was acknowledged is at the collector.

use super::*;
use crate::support::free_address;
use crate::support::made::Made;
use crate::support::sender::{Sender, Way};

/// How often it is killed.
const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_under_load_loses_nothing_that_it_acknowledged() {
    let mut rng = seeded();
    // The senders find it again where it was.
    let address = free_address();
    let place = Place::new().with_env("QTRAIL_INGEST_GRPC_LISTEN", &address.to_string());
    let mut collector = Collector::start().await;
    let senders = [("stream", Way::Stream), ("call", Way::Unary)]
        .map(|(name, way)| Sender::start(address, way, name, rng.fork()));

    // Requests have no manifest records.
    let moments = &MOMENTS[..MOMENTS.len() - 1];
    let unanswered = kill(&place, &mut collector, moments, KILLS, &mut rng).await;

    let sidecar = start(&place, &collector);
    let mut sent = Made::default();
    for sender in senders {
        let Made { events, broken } = sender.stop().await;
        assert!(!events.is_empty(), "nothing was sent");
        sent.events.extend(events);
        sent.broken.extend(broken);
    }
    sidecar.settled(0).await;
    assert_eq!(sidecar.stop().await.0, Some(0));
    all_arrived(&collector, &sent.events, &unanswered);
    assert!(unanswered.len() >= KILLS / moments.len(), "{unanswered:?}");
    assert!(sent.events.len() > 100, "too little was sent");
    assert!(!sent.broken.is_empty(), "nothing was broken");
    each_broken_record_is_a_dead_letter(&place.dead_letters(), &sent.broken);
}
