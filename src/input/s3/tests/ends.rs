//! How reading ends: killed, stopped, aborted, or because the queue is empty.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::bench::{Bench, notice, pass, until};
use super::{HOUR, MINUTE, down};
use crate::aws::error::Remedy;
use crate::export::Health;
use crate::input::s3::consume::consume;
use crate::input::s3::queue::Redrive;

#[tokio::test(start_paused = true)]
async fn who_is_killed_gives_its_messages_back_and_another_finishes() {
    let bench = Bench::default();
    bench.sink.open.send_replace(false);
    bench.queue.send("m", notice(&["k"]));
    let killed = bench.start();
    until(|| bench.sink.now.load(Ordering::SeqCst) == 1).await;
    pass(HOUR).await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    assert_eq!(bench.queue.visible(), 0, "nobody is left to show it");
    bench.sink.open.send_replace(true);
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.queue.state().received, 2);
    assert_eq!(
        bench.delivered(),
        ["s3://b/k"],
        "the killed one delivers no more"
    );
}

#[tokio::test(start_paused = true)]
async fn at_stop_what_was_begun_is_finished_and_the_rest_given_back_at_once() {
    let mut bench = Bench::default();
    bench.settings.fetchers = 1;
    bench.sink.open.send_replace(false);
    bench.fail("waits", std::iter::repeat_n(Remedy::Retry, 1000));
    bench.queue.send("waits", notice(&["waits"]));
    let running = bench.start();
    until(|| !bench.opened().is_empty()).await;
    bench.queue.send("begun", notice(&["begun"]));
    until(|| bench.sink.now.load(Ordering::SeqCst) == 1).await;
    bench.queue.send("not begun", notice(&["not begun"]));
    until(|| bench.queue.state().received == 3).await;
    bench.stop.cancel();
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        bench.queue.visible(),
        2,
        "long before their visibility ends"
    );
    assert!(!running.is_finished());
    bench.sink.open.send_replace(true);
    timeout(MINUTE, running).await.unwrap().unwrap().unwrap();
    assert_eq!(bench.delivered(), ["s3://b/begun"]);
    let left: Vec<_> = bench
        .queue
        .state()
        .messages
        .iter()
        .map(|m| m.id.clone())
        .collect();
    assert_eq!(left, ["waits", "not begun"]);
    assert_eq!(bench.queue.state().received, 3);
    assert_eq!(bench.metrics.s3_messages_held.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn abort_ends_every_wait() {
    let bench = Bench::default();
    bench.sink.open.send_replace(false);
    bench.queue.send("m", notice(&["k"]));
    let running = bench.start();
    until(|| bench.sink.now.load(Ordering::SeqCst) == 1).await;
    bench.stop.cancel();
    pass(MINUTE).await;
    assert!(!running.is_finished());
    bench.abort.cancel();
    timeout(MINUTE, running).await.unwrap().unwrap().unwrap();
    assert!(!bench.queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn reading_once_ends_when_the_queue_is_empty() {
    let mut bench = Bench::default();
    bench.settings.once = true;
    for n in 0..35 {
        bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
    }
    let running = bench.start();
    timeout(MINUTE, running).await.unwrap().unwrap().unwrap();
    assert_eq!(bench.delivered().len(), 35);
    assert!(bench.queue.is_empty());
    assert_eq!(bench.metrics.s3_messages_deleted.get(), 35);
}

#[tokio::test(start_paused = true)]
async fn reading_once_waits_for_what_was_given_back() {
    let mut bench = Bench::default();
    bench.settings.once = true;
    bench.settings.max_receives = 8;
    bench.queue.send("poison", "hello");
    bench.queue.send("good", notice(&["k"]));
    let running = bench.start();
    timeout(HOUR, running).await.unwrap().unwrap().unwrap();
    assert!(bench.queue.is_empty());
    assert_eq!(bench.refused().len(), 1);
    assert_eq!(bench.delivered(), ["s3://b/k"]);
}

#[tokio::test(start_paused = true)]
async fn reading_once_counts_what_it_leaves_to_the_queue_and_not_what_was_mended() {
    for (faults, redrive, left) in [(8, Redrive::After(3), 1), (1, Redrive::Never, 0)] {
        let mut bench = Bench::default();
        bench.settings.once = true;
        bench.queue.state().redrive = Some(Ok(redrive));
        bench.queue.send("denied", notice(&["k"]));
        bench.queue.send("good", notice(&["l"]));
        bench.fail("k", vec![Remedy::Denied; faults]);
        let context = bench.context(Arc::clone(&bench.sink));
        let reading = consume(Arc::clone(&context), bench.queue.clone());
        timeout(HOUR, reading).await.unwrap().unwrap();
        context.log_undelivered();
        assert_eq!(bench.metrics.undelivered.get(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn reading_once_that_is_stopped_is_not_known_to_have_read_all() {
    let mut bench = Bench::default();
    bench.settings.once = true;
    bench.stop.cancel();
    bench.start().await.unwrap().unwrap();
    assert_eq!(bench.metrics.undelivered.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn reading_once_outlasts_a_collector_that_goes_away() {
    let mut bench = Bench::default();
    bench.settings.once = true;
    bench.sink.open.send_replace(false);
    for n in 0..3 {
        bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
    }
    let running = bench.start();
    until(|| bench.sink.now.load(Ordering::SeqCst) > 0).await;
    bench.health.send_replace(down());
    pass(HOUR).await;
    bench.queue.send("late", notice(&["late"]));
    let received = bench.queue.state().received;
    pass(HOUR).await;
    assert!(!running.is_finished());
    assert_eq!(
        bench.queue.state().received,
        received,
        "nothing more meanwhile"
    );
    bench.sink.open.send_replace(true);
    bench.health.send_replace(Health::Up);
    timeout(HOUR, running).await.unwrap().unwrap().unwrap();
    assert_eq!(
        (bench.delivered().len(), bench.queue.state().received),
        (4, 4)
    );
    assert!(bench.queue.is_empty());
}
