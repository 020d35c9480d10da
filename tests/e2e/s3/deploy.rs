//! The files of `deploy/aws`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::messages::ends_well;
use super::{assert_once, until_all};
use crate::e2e::amazon::{Amazon, Queue, Trail};
use crate::e2e::servers::program;
use crate::support::collector::Collector;
use crate::support::sidecar::Place;

const TEMPLATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/aws/trail-to-queue.yaml"
);

/// A program of the environment that moto is in.
fn beside_moto(moto: &Path, name: &str) -> Command {
    Command::new(moto.with_file_name(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_template_sets_up_is_read() {
    let name = "s3::deploy::what_the_template_sets_up_is_read";
    let Some(mut amazon) = Amazon::moto_alone(name).await else {
        return;
    };
    let moto = program("QTRAIL_E2E_MOTO", name).unwrap();
    let output = beside_moto(&moto, "python")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/e2e/moto/deploy.py"
        ))
        .args([&amazon.proxy.url(), TEMPLATE])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let outputs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| outputs[name].as_str().unwrap().to_owned();
    amazon.bucket = text("BucketName");
    let queue = Queue {
        url: text("QueueUrl"),
        dead: Some(text("DeadLettersUrl")),
    };

    let (place, collector) = (Place::new(), Collector::start().await);
    let trail = Trail {
        name: "set-up",
        files: 5,
        events: 2,
    };
    amazon.put_trail(trail).await;
    let sidecar = amazon.sidecar(&queue, &place, &collector);
    until_all(&collector, &trail.ids()).await;
    amazon.until_done(&queue).await;
    ends_well(sidecar).await;
    assert_once(&collector, &trail.ids());
}

#[test]
fn the_template_has_no_mistakes_that_cfn_lint_knows() {
    let name = "s3::deploy::the_template_has_no_mistakes_that_cfn_lint_knows";
    let Some(moto) = program("QTRAIL_E2E_MOTO", name) else {
        return;
    };
    let output = beside_moto(&moto, "cfn-lint")
        .arg(TEMPLATE)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
