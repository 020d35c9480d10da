//! The whole consumer, with a queue in memory and no AWS.

mod bench;
mod ends;
mod trust;
mod twin;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use globset::{Glob, GlobSet};

use super::Error;
use super::queue::Redrive;
use crate::aws::error::Remedy;
use crate::dead_letter::DeadLetters;
use crate::dead_letter::OnDamage;
use crate::export::Outcome;
use crate::export::{self, Destination, Exporter, Health};
use crate::input::ingest::tests::EVENT;
use crate::pipeline::{Pipeline, Report};
use bench::{Bench, Sink, aws_error, notice, pass, report, until};
use qtrail_core::Converter;
use qtrail_core::convert;
use qtrail_core::envelope;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::reject::Evidence;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn down() -> Health {
    Health::Down {
        reason: "refused".to_owned(),
        retry_after: Duration::ZERO,
    }
}

fn globs(pattern: &str) -> GlobSet {
    GlobSet::new([Glob::new(pattern).unwrap()]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_it_is_worked_on_and_not_longer() {
    let sink = Sink {
        takes: 10 * MINUTE,
        ..Sink::default()
    };
    let bench = Bench {
        sink: Arc::new(sink),
        ..Bench::default()
    };
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered(), ["s3://b/k"], "once");
    assert_eq!(bench.queue.state().received, 1);
    let extended = bench.queue.state().hidden.len();
    assert!((20..=60).contains(&extended), "{extended}");
    pass(HOUR).await;
    assert_eq!(bench.queue.state().hidden.len(), extended, "and no longer");
    assert_eq!(bench.metrics.s3_messages_deleted.get(), 1);
    assert_eq!(bench.metrics.s3_messages_held.get(), 0);
    assert_eq!(
        (bench.metrics.s3_objects.get(), bench.metrics.s3_bytes.get()),
        (1, 10)
    );
}

#[tokio::test(start_paused = true)]
async fn many_messages_are_extended_in_batches() {
    let mut bench = Bench::default();
    bench.settings.fetchers = 20;
    bench.sink.open.send_replace(false);
    for n in 0..20 {
        bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
    }
    bench.start();
    pass(HOUR).await;
    let calls = bench.queue.state().hidden.len();
    // Two calls for twenty messages, each 15 to 21 seconds.
    assert!((340..=480).contains(&calls), "{calls}");
    assert_eq!(bench.queue.state().received, 20);
    bench.sink.open.send_replace(true);
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.queue.state().deletes, [10, 10]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_before_every_object_has_settled() {
    let bench = Bench::default();
    bench.fail("second", std::iter::repeat_n(Remedy::Retry, 8));
    bench.queue.send("m", notice(&["first", "second", "third"]));
    bench.start();
    until(|| bench.opened().len() > 5).await;
    assert_eq!(bench.delivered(), ["s3://b/first"]);
    assert!(bench.queue.state().deletes.is_empty());
    until(|| bench.queue.is_empty()).await;
    let all = ["s3://b/first", "s3://b/second", "s3://b/third"];
    assert_eq!(bench.delivered(), all);
    assert_eq!(bench.queue.state().received, 1, "held all the time");
}

#[tokio::test(start_paused = true)]
async fn while_the_collector_is_away_nothing_is_received_and_what_is_held_stays_hidden() {
    let bench = Bench::default();
    bench.queue.state().redrive = Some(Ok(Redrive::After(2)));
    bench.sink.open.send_replace(false);
    for n in 0..3 {
        bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
    }
    bench.start();
    until(|| bench.queue.state().received == 3).await;
    bench.health.send_replace(down());
    // What waits for messages now may still get some.
    pass(MINUTE).await;
    bench.queue.send("late", notice(&["late"]));
    pass(11 * HOUR).await;
    assert_eq!(bench.queue.state().received, 3);
    assert_eq!(bench.queue.visible(), 1, "the late one alone");
    bench.sink.open.send_replace(true);
    bench.health.send_replace(Health::Up);
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered().len(), 4);
    assert_eq!(bench.queue.state().received, 4);
    assert!(bench.queue.state().dead.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_hidden_any_longer_is_worked_on_all_the_same() {
    let bench = Bench::default();
    bench.sink.open.send_replace(false);
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    pass(13 * HOUR).await;
    assert_eq!(bench.queue.state().received, 2, "it came back, once");
    bench.sink.open.send_replace(true);
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered().len(), 2, "a repeat, to be told as such");
    until(|| bench.metrics.s3_messages_held.get() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_message_is_left_to_the_queues_redrive_policy() {
    let bench = Bench::default();
    bench.queue.state().redrive = Some(Ok(Redrive::After(7)));
    bench.fail("denied", std::iter::repeat_n(Remedy::Denied, 100));
    bench.queue.send("unknown", "hello");
    bench.queue.send("denied", notice(&["denied"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    let mut dead = bench.queue.state().dead.clone();
    dead.sort();
    assert_eq!(dead, ["denied", "unknown"]);
    assert!(bench.refused().is_empty() && bench.queue.state().deletes.is_empty());
    assert_eq!(bench.metrics.s3_messages_failed.get(), 14);
}

#[tokio::test(start_paused = true)]
async fn without_a_redrive_policy_a_poison_message_goes_to_the_dead_letters() {
    for redrive in [Ok(Redrive::Never), Err(aws_error(Remedy::Denied))] {
        let bench = Bench::default();
        bench.queue.state().redrive = Some(redrive);
        bench.queue.send("m", "hello");
        bench.start();
        until(|| bench.metrics.s3_messages_failed.get() == 2).await;
        assert!(!bench.queue.is_empty() && bench.refused().is_empty());
        until(|| bench.queue.is_empty()).await;
        let name = "http://queue/1/trail message m".to_owned();
        assert_eq!(bench.refused(), [(name, "unknown_notice")]);
        let (origin, _, evidence) = bench.sink.refused.lock().unwrap().pop().unwrap();
        assert_eq!(origin.input, "sqs");
        // Nobody else has the message once it is deleted.
        assert_eq!(origin.on_damage, OnDamage::KeepWhole);
        assert_eq!(evidence, Evidence::Bytes(b"hello".to_vec()));
        assert_eq!(bench.queue.state().received, 3, "max_receives");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_message_only_what_was_denied_is_read_again_and_put_aside() {
    let bench = Bench::default();
    bench.fail("no", std::iter::repeat_n(Remedy::Denied, 100));
    bench.queue.send("m", notice(&["a", "no", "b"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["a", "no", "b", "no", "no"]);
    assert_eq!(bench.delivered(), ["s3://b/a", "s3://b/b"]);
    assert_eq!(bench.refused(), [("s3://b/no".to_owned(), "object_denied")]);
}

#[tokio::test(start_paused = true)]
async fn what_others_received_before_does_not_count() {
    let bench = Bench::default();
    bench.queue.send("m", "hello");
    bench.queue.state().messages[0].receives = 100;
    bench.start();
    until(|| bench.metrics.s3_messages_failed.get() == 2).await;
    assert!(bench.refused().is_empty());
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_gone_or_too_large_go_to_the_dead_letters_at_once() {
    let bench = Bench::default();
    bench.fail("gone", [Remedy::Gone]);
    bench.fail("large", [Remedy::TooLarge]);
    bench.queue.send("m", notice(&["gone", "large"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    let gone = ("s3://b/gone".to_owned(), "object_gone");
    let large = ("s3://b/large".to_owned(), "object_too_large");
    assert_eq!(bench.refused(), [gone, large]);
    assert_eq!(bench.metrics.s3_messages_failed.get(), 0);
    assert_eq!(bench.queue.state().received, 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_waited_out_with_the_message_held_and_others_go_on() {
    let mut bench = Bench::default();
    bench.settings.fetchers = 1;
    bench.fail("k", std::iter::repeat_n(Remedy::Setup, 200));
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.opened().len() > 3).await;
    let told = bench.metrics.stalls.not_ready().unwrap();
    assert!(
        told.contains("s3://b/k") && told.contains("credentials"),
        "{told}"
    );
    bench.queue.send("other", notice(&["other"]));
    until(|| bench.delivered() == ["s3://b/other"]).await;
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.metrics.stalls.not_ready(), None);
    assert_eq!(bench.opened().len(), 202);
    assert_eq!(bench.queue.state().received, 2);
    assert_eq!(bench.metrics.s3_messages_failed.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_not_delivered_is_read_again_as_a_whole() {
    let bench = Bench::default();
    let mut broken = report(Outcome::Retry(None));
    broken.read_error = Some("connection reset".to_owned());
    let blocked = report(Outcome::Blocked("401".to_owned()));
    let abandoned = report(Outcome::Abandoned);
    *bench.sink.reports.lock().unwrap() = [broken, blocked, abandoned].into();
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened().len(), 4);
    assert_eq!(bench.delivered(), ["s3://b/k"]);
    assert_eq!(bench.queue.state().received, 2, "given back when abandoned");
}

#[tokio::test(start_paused = true)]
async fn objects_that_never_can_be_had_hold_up_nobody() {
    let bench = Bench::default();
    for n in 0..20 {
        let key = format!("bad {n}");
        bench.fail(&key, std::iter::repeat_n(Remedy::Retry, 10_000));
        bench.queue.send(&key, notice(&[&key]));
    }
    bench.start();
    until(|| bench.metrics.s3_messages_held.get() == 20).await;
    pass(HOUR).await;
    assert_eq!(bench.metrics.s3_messages_failed.get(), 0, "S3 may be away");
    // One that is answered shows that S3 is there.
    bench.fail("bad 0", []);
    for n in 0..100 {
        bench
            .queue
            .send(&format!("good {n}"), notice(&[&format!("good {n}")]));
        pass(MINUTE).await;
    }
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered().len(), 101);
    let kinds: Vec<_> = bench.refused().iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, ["object_unreadable"; 19]);
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_content_always_breaks_is_given_up_and_one_the_collector_leaves_is_not() {
    let broken = Report {
        read_error: Some("it has other bytes than S3 said".to_owned()),
        ..report(Outcome::Retry(None))
    };
    let blocked = report(Outcome::Blocked("401".to_owned()));
    for (report, given_up) in [(broken, true), (blocked, false)] {
        let bench = Bench::default();
        *bench.sink.reports.lock().unwrap() = std::iter::repeat_n(report, 100).collect();
        bench.queue.send("m", notice(&["k"]));
        bench.start();
        until(|| bench.queue.is_empty()).await;
        assert_eq!(bench.refused().is_empty(), !given_up);
        assert_eq!(bench.delivered().is_empty(), given_up);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_tried_until_it_is_answered_and_the_message_held_meanwhile() {
    let bench = Bench::default();
    let refusals = std::iter::repeat_n(Some(aws_error(Remedy::Retry)), 8);
    bench.queue.state().fail_delete = refusals.chain([None, None]).collect();
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.queue.state().deletes.len(), 11);
    assert_eq!(bench.queue.state().received, 1);
    assert_eq!(bench.delivered().len(), 1);
    assert_eq!(bench.metrics.s3_messages_deleted.get(), 1);
    assert_eq!(bench.metrics.s3_messages_held.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_globs_leave_alone_costs_no_request() {
    let mut bench = Bench::default();
    bench.settings.include = globs("**/CloudTrail/**");
    bench.settings.exclude = globs("**/secret*");
    let keys = [
        "x/CloudTrail/a",
        "x/CloudTrail-Digest/a",
        "x/CloudTrail/secret",
    ];
    bench.queue.send("m", notice(&keys));
    bench.queue.send("n", notice(&["other"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["x/CloudTrail/a"]);
    assert_eq!(bench.metrics.s3_objects_skipped.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn objects_at_a_time_are_bounded_by_number_and_by_bytes() {
    for (fetchers, held_bytes, expected) in [(3, 1, 3), (8, 300 << 10, 3), (8, 1 << 30, 1)] {
        let mut bench = Bench {
            sink: Arc::new(Sink {
                takes: MINUTE,
                ..Sink::default()
            }),
            ..Bench::default()
        };
        Arc::get_mut(&mut bench.bucket).unwrap().held_bytes = held_bytes;
        bench.settings.fetchers = fetchers;
        for n in 0..30 {
            bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
        }
        bench.start();
        until(|| bench.queue.is_empty()).await;
        assert_eq!(bench.sink.peak.load(Ordering::SeqCst), expected);
        assert_eq!(bench.queue.state().received, 30, "none came back");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_held_are_bounded() {
    let bench = Bench::default();
    bench.sink.open.send_replace(false);
    for n in 0..100 {
        bench.queue.send(&n.to_string(), notice(&[&n.to_string()]));
    }
    bench.start();
    pass(HOUR).await;
    assert_eq!(bench.queue.state().received, 20);
    assert_eq!(bench.metrics.s3_messages_held.get(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_a_message_one_receive_and_nothing_else() {
    let mut bench = Bench::default();
    bench.settings.fetchers = 1;
    bench.settings.in_flight_bytes = 4096;
    *bench.bucket.panics.lock().unwrap() = 30;
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    // As often as there is room for messages, objects and bytes, and more.
    until(|| *bench.bucket.panics.lock().unwrap() == 0).await;
    assert!(bench.delivered().is_empty());
    bench.queue.send("other", notice(&["other"]));
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered().len(), 2);
    assert_eq!(bench.queue.state().received, 32);
    assert_eq!(bench.metrics.s3_messages_held.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_never_was_ends_the_run_and_anything_else_is_waited_out() {
    let bench = Bench::default();
    bench.queue.state().fail_receive = [aws_error(Remedy::Gone)].into();
    let error = bench.start().await.unwrap().unwrap_err();
    let Error::Queue { queue, message } = error;
    assert_eq!(queue, "http://queue/1/trail");
    assert!(message.contains("s3.queues"), "{message}");

    let bench = Bench::default();
    bench.queue.state().fail_receive = [Remedy::Denied, Remedy::Setup, Remedy::Retry]
        .map(aws_error)
        .into();
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.metrics.stalls.not_ready().is_some()).await;
    let told = bench.metrics.stalls.not_ready().unwrap();
    assert!(
        told.contains("http://queue/1/trail") && told.contains("sqs:"),
        "{told}"
    );
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.metrics.stalls.not_ready(), None);
    bench.queue.state().fail_receive = [aws_error(Remedy::Gone)].into();
    pass(MINUTE).await;
    bench.queue.send("m", notice(&["l"]));
    until(|| bench.queue.is_empty()).await;

    let mut bench = Bench::default();
    bench.settings.once = true;
    bench.queue.state().fail_receive = [aws_error(Remedy::Denied)].into();
    assert!(bench.start().await.unwrap().is_err());
}

/// A pipeline whose events all go nowhere at once.
fn pipeline(bench: &Bench) -> Pipeline {
    let metrics = Arc::clone(&bench.metrics);
    let settings = export::Settings {
        destination: Destination::Discard,
        batch_events: 100,
        batch_bytes: 1 << 20,
        concurrency: 1,
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        give_up_after: None,
        write_errors_end: false,
        batch_spread: None,
        rate_limit: None,
    };
    let abort = bench.abort.clone();
    let exporter = Exporter::start(settings, Arc::clone(&metrics), None, abort.clone()).unwrap();
    let conversion = Converter {
        limits: envelope::Limits::default(),
        selector: Selector::new(Select::AmazonQ, &Lists::default()),
        options: convert::Options::default(),
    };
    let dead_letters = DeadLetters::none();
    Pipeline::new(conversion, exporter, dead_letters, metrics, 1 << 20, abort)
}

#[tokio::test(start_paused = true)]
async fn events_in_the_body_are_delivered_and_what_is_none_is_no_event() {
    let event = std::str::from_utf8(EVENT).unwrap();
    let mut bench = Bench::default();
    bench.settings.inline_events = true;
    let sns = serde_json::json!({"Type": "Notification", "Message": event});
    bench.queue.send("plain", event);
    bench.queue.send("sns", sns.to_string());
    // What is broken in a body of CloudTrail's is a dead letter, and the rest goes on.
    bench
        .queue
        .send("half", format!("{event}\n{{\"eventVersion\":"));
    // An element that is none of CloudTrail's before one that is.
    let mixed = serde_json::json!([{"what": "else"}, {"eventName": "A", "eventTime": "2024-04-10T14:07:55Z", "eventSource": "q.amazonaws.com"}]);
    bench.queue.send("mixed", mixed.to_string());
    bench.start_into(pipeline(&bench));
    until(|| bench.queue.is_empty()).await;
    assert_eq!(
        bench.metrics.exported.get(),
        3 + 3,
        "the mixed one at each try"
    );
    let reasons: Vec<_> = bench
        .metrics
        .dead_letter_reasons
        .iter()
        .filter(|(_, n)| *n > 0)
        .collect();
    assert_eq!(reasons, [("truncated", 1), ("unknown_notice", 1)]);
    assert_eq!(bench.metrics.s3_messages_failed.get(), 3);
    assert!(
        bench.metrics.balance().holds(),
        "{}",
        bench.metrics.balance()
    );
}

#[tokio::test(start_paused = true)]
async fn what_announces_nothing_is_deleted_and_counted() {
    let bench = Bench::default();
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    bench.queue.send("m", test);
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.metrics.skipped.get(), 1);
    assert!(bench.opened().is_empty() && bench.refused().is_empty());
}
