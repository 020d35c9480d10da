//! By what right qtrail asks: a role that it assumes, and what `qtrail check` tells before.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::e2e::amazon::{ACCESS_KEY, Amazon, Queue, Trail};
use crate::support::collector::Collector;
use crate::support::fault_proxy::Answer;
use crate::support::sidecar::{Place, Sidecar};

use super::messages::ends_well;
use super::{assert_once, notices, until_all};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_and_its_credentials_are_used() {
    let name = "s3::access::a_role_is_assumed_and_its_credentials_are_used";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let queue = amazon.queue("trail", 60, Some(3)).await;
    let trail = Trail {
        name: "role",
        files: 12,
        events: 2,
    };
    let keys = amazon.put_trail(trail).await;
    amazon.send(&queue, &notices(&amazon, &keys)).await;
    let signed = Arc::new(Mutex::new(BTreeSet::new()));
    let by = Arc::clone(&signed);
    amazon.proxy.answer_with(move |call| {
        // Only STS takes the key that qtrail was given.
        if call.operation == "Query" {
            return Answer::Pass;
        }
        by.lock().unwrap().insert(call.access_key.clone());
        match call.access_key == ACCESS_KEY {
            true => Answer::AccessDenied,
            false => Answer::Pass,
        }
    });
    let mut run = amazon.run(&queue, &place, &collector);
    let role = "arn:aws:iam::111122223333:role/reads-the-trail";
    let sidecar = Sidecar::start(
        run.env("QTRAIL_AWS_ASSUME_ROLE_ARN", role)
            .env("QTRAIL_AWS_ASSUME_ROLE_EXTERNAL_ID", "example"),
    );
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
    assert_eq!(amazon.proxy.count("Query"), 1, "one session for all");
    let signed = signed.lock().unwrap();
    assert!(
        signed.len() == 1 && signed.iter().all(|key| key.starts_with("ASIA")),
        "{signed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_of_the_queue_and_takes_nothing_from_it() {
    let name = "s3::access::check_tells_of_the_queue_and_takes_nothing_from_it";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let mut queue = amazon.queue("trail", 60, Some(7)).await;
    amazon.send(&queue, &["one", "two", "three"]).await;
    let check = |queue: &Queue| {
        let mut command = amazon.command(&place, &collector);
        let command = command.arg("check").env("QTRAIL_S3_QUEUES", &queue.url);
        let Output { status, stdout, .. } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    };
    let (exit, said) = check(&queue);
    assert_eq!(exit, Some(0), "{said}");
    for text in [
        &queue.url,
        "about 3 messages waiting, 0 in flight",
        "after 7 receives",
    ] {
        assert!(said.contains(text), "{said}");
    }
    assert_eq!(amazon.proxy.count("ReceiveMessage"), 0);
    assert_eq!(amazon.depth(&queue.url).await.visible, 3);

    let denied = [Answer::AccessDenied];
    amazon.proxy.answer_next("GetQueueAttributes", denied);
    let (exit, said) = check(&queue);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("AccessDenied"), "{said}");

    queue.url.push_str("-that-is-not-there");
    let (exit, said) = check(&queue);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("FAIL") && said.contains(&queue.url), "{said}");
}
