//! Whoever may send to a queue can neither have any bucket read nor make a trail up.

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::e2e::amazon::{Amazon, Trail};
use crate::support::collector::Collector;
use crate::support::fault_proxy::Answer;
use crate::support::notice;
use crate::support::program::event;
use crate::support::sidecar::{Place, Sidecar};

use super::messages::{dead_letters, ends_well};
use super::{assert_once, notices, until_all};

const OWNER: &str = "111122223333";

/// Runs with the bucket named by the queue's policy, or by the configuration.
async fn only_what_is_named_is_read(amazon: Amazon, by_policy: bool) {
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, None).await;
    if by_policy {
        let arn = format!("arn:aws:s3:*:*:{}", amazon.bucket);
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"}, "Action": "SQS:SendMessage",
            "Resource": "*", "Condition": {"ArnLike": {"aws:SourceArn": arn}}}]});
        let set = amazon.sqs.set_queue_attributes().queue_url(&queue.url);
        let set = set.attributes(QueueAttributeName::Policy, policy.to_string());
        set.send().await.unwrap();
    }
    let trail = Trail {
        name: "named",
        files: 3,
        events: 2,
    };
    let keys = amazon.put_trail(trail).await;
    let secret = "AWSLogs/secret.json.gz".to_owned();
    let mut bodies = notices(&amazon, &keys);
    // The object is there, and the credentials may read it.
    amazon
        .s3
        .create_bucket()
        .bucket("other")
        .send()
        .await
        .unwrap();
    let put = amazon.s3.put_object().bucket("other").key(&secret);
    put.body(trail.content(0).into()).send().await.unwrap();
    bodies.extend([
        notice::s3("other", &[&secret]),
        notice::through_sns(&notice::cloudtrail("other", &[&secret])),
        notice::event_bridge("other", &secret),
        event("forged"),
    ]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen);
    amazon.proxy.answer_with(move |call| {
        calls.lock().unwrap().push(call.clone());
        Answer::Pass
    });
    amazon.send(&queue, &bodies).await;
    let mut run = amazon.run(&queue, &place, &collector);
    run.env("QTRAIL_S3_EXPECTED_BUCKET_OWNER", OWNER);
    if !by_policy {
        run.env("QTRAIL_S3_BUCKETS", &amazon.bucket);
    }
    let sidecar = Sidecar::start(&mut run);
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    assert!(!sidecar.said().contains("nothing names the buckets"));
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
    let mut reasons: Vec<_> = (dead_letters(&place).iter())
        .map(|letter| letter["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    let refused = "bucket_not_allowed";
    assert_eq!(reasons, [refused, refused, refused, "inline_events"]);
    let to_s3 = seen.lock().unwrap().clone();
    let to_s3: Vec<_> = (to_s3.into_iter())
        .filter(|call| !call.headers.contains_key("x-amz-target"))
        .collect();
    assert!(!to_s3.is_empty());
    for call in to_s3 {
        assert!(!call.path.contains("other"), "{call:?}");
        let owner = call.headers.get("x-amz-expected-bucket-owner");
        assert_eq!(
            owner.map(|owner| owner.as_bytes()),
            Some(OWNER.as_bytes()),
            "{call:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buckets_that_the_queues_policy_names_are_read() {
    let name = "s3::trust::only_the_buckets_that_the_queues_policy_names_are_read";
    // ElasticMQ's queues have no policy.
    if let Some(amazon) = Amazon::moto_alone(name).await {
        only_what_is_named_is_read(amazon, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buckets_that_the_configuration_names_are_read() {
    let name = "s3::trust::only_the_buckets_that_the_configuration_names_are_read";
    if let Some(amazon) = Amazon::start(name).await {
        only_what_is_named_is_read(amazon, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_names_a_bucket_check_and_the_log_warn_and_events_are_read_if_asked_for() {
    let name = "s3::trust::where_nothing_names_a_bucket_check_and_the_log_warn";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(5)).await;
    let mut check = amazon.command(&place, &collector);
    check.arg("check").env("QTRAIL_S3_QUEUES", &queue.url);
    let check = check.output().unwrap();
    let told = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(0), "{told}");
    assert!(
        told.contains("warn  queue http") && told.contains("s3.buckets"),
        "{told}"
    );
    amazon.send(&queue, &[event("inline")]).await;
    let mut run = amazon.run(&queue, &place, &collector);
    let sidecar = Sidecar::start(run.env("QTRAIL_S3_INLINE_EVENTS", "true"));
    sidecar.until_said("nothing names the buckets").await;
    until_all(&collector, &["inline".to_owned()].into()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
}
