//! Who may send to a queue can neither have any bucket read nor make up a trail.

use serde_json::json;

use super::bench::{Bench, aws_error, notice, pass, until};
use super::{HOUR, MINUTE};
use crate::aws::error::Remedy;
use crate::input::ingest::tests::EVENT;
use crate::input::s3::Buckets;
use crate::input::s3::queue::Redrive;
use qtrail_core::reject::Evidence;

/// A notice of these objects, each in a bucket, as S3 writes it.
fn of(objects: &[(&str, &str)]) -> String {
    let record = |(bucket, key): &(&str, &str)| {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "eu-west-1",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key}}})
    };
    let records: Vec<_> = objects.iter().map(record).collect();
    json!({ "Records": records }).to_string()
}

fn sns(message: &str) -> String {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message})
        .to_string()
}

fn policy(arns: &[&str]) -> String {
    json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "SQS:SendMessage", "Condition": {"ArnLike": {"aws:SourceArn": arns}}}]})
    .to_string()
}

fn buckets(names: &[&str]) -> Buckets {
    Buckets::new(names.iter().map(|name| (*name).to_owned()))
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_bucket_is_never_asked_for_and_is_a_dead_letter_at_once() {
    let bridge = json!({"source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": "other"}, "object": {"key": "k"}}});
    let own = json!({"s3Bucket": "other", "s3ObjectKey": ["k"]}).to_string();
    for redrive in [Redrive::Never, Redrive::After(5)] {
        for (n, body) in [
            of(&[("other", "k")]),
            sns(&of(&[("other", "k")])),
            bridge.to_string(),
            sns(&bridge.to_string()),
            own.clone(),
            sns(&own),
        ]
        .into_iter()
        .enumerate()
        {
            for by_policy in [true, false] {
                let mut bench = Bench::default();
                bench.queue.state().redrive = Some(Ok(redrive));
                match by_policy {
                    true => bench.queue.state().policy = policy(&["arn:aws:s3:::b"]),
                    false => bench.settings.buckets = buckets(&["b"]),
                }
                bench.queue.send("m", body.clone());
                bench.start();
                until(|| bench.queue.is_empty()).await;
                assert_eq!(bench.opened(), [""; 0], "{n}: {body}");
                let letter = ("s3://other/k".to_owned(), "bucket_not_allowed");
                assert_eq!(bench.refused(), [letter], "{n}");
                let reason = bench.sink.refused.lock().unwrap()[0].1.to_string();
                assert!(
                    reason.contains("s3.buckets") && reason.contains("other"),
                    "{reason}"
                );
                assert_eq!(bench.queue.state().received, 1, "at once");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_message_only_what_is_in_the_buckets_is_read() {
    let bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b", "arn:aws:s3:*:*:logs-*"]);
    let objects = [
        ("b", "1"),
        ("evil", "2"),
        ("logs-eu", "3"),
        ("b2", "4"),
        ("logs", "5"),
    ];
    bench.queue.send("m", of(&objects));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["1", "3"]);
    // One letter for the message, which names them.
    let letter = (
        "http://queue/1/trail message m".to_owned(),
        "bucket_not_allowed",
    );
    assert_eq!(bench.refused(), [letter]);
    let (_, reason, evidence) = bench.sink.refused.lock().unwrap().pop().unwrap();
    assert!(reason.to_string().contains("bucket evil") && reason.to_string().contains("2 more"));
    assert_eq!(evidence, Evidence::Bytes(of(&objects).into_bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_message_with_thousands_of_names_makes_one_letter() {
    let bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    let keys: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    bench.queue.send(
        "m",
        json!({"s3Bucket": "evil", "s3ObjectKey": keys}).to_string(),
    );
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!((bench.opened().len(), bench.refused().len()), (0, 1));
    assert!(bench.queue.state().asked <= 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_once_is_no_letter_again_while_the_rest_is_tried() {
    let bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    bench.fail("1", std::iter::repeat_n(Remedy::Denied, 2));
    bench.queue.send("m", of(&[("b", "1"), ("evil", "2")]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["1", "1", "1"]);
    assert_eq!(
        bench.refused(),
        [("s3://evil/2".to_owned(), "bucket_not_allowed")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_names_counts_and_not_the_policy() {
    let mut bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    bench.settings.buckets = buckets(&["c", "alias-*-s3alias"]);
    bench
        .queue
        .send("m", of(&[("b", "1"), ("c", "2"), ("alias-x-s3alias", "3")]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_names_a_bucket_all_are_read() {
    let topic = policy(&["arn:aws:sns:eu-west-1:1:t"]);
    for policy in ["", "{}", &topic, &policy(&["arn:aws:s3:::*"])] {
        let bench = Bench::default();
        bench.queue.state().policy = policy.to_owned();
        bench.queue.send("m", notice(&["k"]));
        bench.start();
        until(|| bench.queue.is_empty()).await;
        assert_eq!(bench.delivered(), ["s3://b/k"], "{policy}");
    }
    // Neither does it where the queue may not be asked.
    let bench = Bench::default();
    bench.queue.state().redrive = Some(Err(aws_error(Remedy::Denied)));
    bench.queue.send("m", notice(&["k"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered(), ["s3://b/k"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_queue_could_not_be_asked_nothing_is_read_and_nothing_given_up() {
    let bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    let away = [Remedy::Retry, Remedy::Setup].into_iter().cycle().take(10);
    bench.queue.state().fail_attributes = away.map(aws_error).collect();
    bench.queue.send("m", of(&[("evil", "1"), ("b", "2")]));
    bench.start();
    pass(MINUTE).await;
    assert_eq!(bench.opened(), [""; 0]);
    assert!(bench.refused().is_empty());
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["2"]);
    assert_eq!(bench.refused().len(), 1);
    assert_eq!(bench.metrics.s3_messages_failed.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_the_policy_has_named_since_is_read() {
    let bench = Bench::default();
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    bench.queue.send("m", notice(&["1"]));
    bench.start();
    until(|| bench.queue.is_empty()).await;
    pass(MINUTE).await;
    bench.queue.state().policy = policy(&["arn:aws:s3:::b", "arn:aws:s3:::new"]);
    bench.queue.send("n", of(&[("new", "2")]));
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.delivered(), ["s3://b/1", "s3://new/2"]);
    // A flood of names has the queue asked now and then, and no more.
    let asked = bench.queue.state().asked;
    for n in 0..200 {
        bench
            .queue
            .send(&n.to_string(), of(&[(&format!("evil-{n}"), "k")]));
    }
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.refused().len(), 200);
    assert!(bench.queue.state().asked <= asked + 4);
    // Once named no more, it is not read any more.
    bench.queue.state().policy = policy(&["arn:aws:s3:::b"]);
    pass(HOUR).await;
    bench.queue.send("o", of(&[("new", "3")]));
    until(|| bench.queue.is_empty()).await;
    assert_eq!(bench.opened(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn events_in_a_message_are_dead_letters_that_say_what_reads_them() {
    let event = std::str::from_utf8(EVENT).unwrap();
    let bridged = format!(
        r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.q","detail":{event}}}"#
    );
    for body in [
        event.to_owned(),
        format!(r#"{{"Records":[{event}]}}"#),
        sns(event),
        bridged.clone(),
        sns(&bridged),
        format!("{event}\n{event}\n"),
    ] {
        let bench = Bench::default();
        bench.queue.state().redrive = Some(Ok(Redrive::After(5)));
        bench.queue.send("m", body.clone());
        bench.start();
        until(|| bench.queue.is_empty()).await;
        assert!(bench.delivered().is_empty(), "{body}");
        let (origin, reason, evidence) = bench.sink.refused.lock().unwrap().pop().unwrap();
        assert_eq!(&*origin.name, "http://queue/1/trail message m");
        assert_eq!(reason.kind(), "inline_events");
        assert!(
            reason.to_string().contains("s3.inline_events: true"),
            "{reason}"
        );
        assert_eq!(evidence, Evidence::Bytes(body.into_bytes()));
        assert_eq!(bench.queue.state().received, 1, "at once");
    }
}
