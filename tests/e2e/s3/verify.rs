//! `qtrail verify s3://…` and `qtrail run --sqs --verify` with real servers.

use std::collections::BTreeMap;
use std::fs;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use crate::e2e::amazon::Amazon;
use crate::support::notice;
use crate::support::program::{gunzip, gzip};
use crate::support::sidecar::{Place, Sidecar};
use crate::verify::watched::{LONG, Sent, VERIFICATION};
use crate::verify::{Signed, bucket, name, sum};

/// The bucket that the digests name.
const TRAIL: &str = "example-trail";

/// Makes that bucket, with all of its objects and with these signatures. Its keys.
async fn put(
    amazon: &Amazon,
    signed: &Signed,
    signatures: &BTreeMap<String, String>,
) -> Vec<String> {
    let create = amazon.s3.create_bucket().bucket(TRAIL);
    create.send().await.unwrap();
    let mut keys = signed.files(".json.gz");
    keys.retain(|key| key.ends_with(".json.gz"));
    for key in &keys {
        let bytes = fs::read(signed.bucket().join(key)).unwrap();
        let mut put = amazon.s3.put_object().bucket(TRAIL).key(key);
        if let Some(signature) = signatures.get(key) {
            put = put.metadata("signature", signature);
        }
        put.body(ByteStream::from(bytes)).send().await.unwrap();
    }
    keys
}

/// Each digest's own signature, as S3 has it.
fn all_signatures(signed: &Signed) -> BTreeMap<String, String> {
    let mut signatures = bucket::signatures(signed);
    for key in signed.files("CloudTrail-Digest") {
        if key.ends_with(".json.gz") {
            let bytes = fs::read(signed.bucket().join(&key)).unwrap();
            let digest: Value = serde_json::from_slice(&gunzip(&bytes)).unwrap();
            let text = |name: &str| digest[name].as_str().map(str::to_owned);
            let before = text("previousDigestS3Object").zip(text("previousDigestSignature"));
            signatures.extend(before);
        }
    }
    signatures
}

#[tokio::test(flavor = "multi_thread")]
async fn each_digest_is_verified_by_the_replica_that_has_its_message() {
    let test = "s3::verify::each_digest_is_verified_by_the_replica_that_has_its_message";
    let (Some(signed), Some(amazon)) = (Signed::get(test), Amazon::start(test).await) else {
        return;
    };
    let keys = put(&amazon, signed, &all_signatures(signed)).await;
    let changed = &signed.files("/CloudTrail/us-east-1/2026/10/31")[0];
    let missing = &signed.files("/CloudTrail/ap-southeast-2/2026/11/01")[0];
    let gone = &signed.files("/CloudTrail-Digest/us-east-1/2026/10/31")[1];
    let object = amazon.s3.put_object().bucket(TRAIL).key(changed);
    object
        .body(ByteStream::from(gzip("{}")))
        .send()
        .await
        .unwrap();
    for key in [missing, gone] {
        let delete = amazon.s3.delete_object().bucket(TRAIL).key(key);
        delete.send().await.unwrap();
    }
    let queue = amazon.queue("verified", 30, None).await;
    let announced: Vec<_> = keys
        .iter()
        .filter(|key| ![missing, gone].contains(key))
        .collect();
    let notices = announced.iter().map(|key| notice::s3(TRAIL, &[key]));
    amazon.send(&queue, &notices.collect::<Vec<_>>()).await;
    let places = [Place::new(), Place::new()];
    let replicas = places.each_ref().map(|place| {
        let mut run = amazon.settings(place);
        run.args(["run", "--verify", "--sqs", &queue.url, "--output"])
            .arg(place.path("out.jsonl"))
            .arg("--public-keys")
            .arg(signed.keys())
            .env("QTRAIL_STATE", place.path("state"))
            .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
            .env(LONG.0, LONG.1);
        Sidecar::start(&mut run)
    });
    amazon.until_done(&queue).await;
    for replica in replicas {
        assert_eq!(replica.stop().await.0, Some(0));
    }
    let sent = places.map(|place| Sent::in_file(&place.path("out.jsonl")));
    let verified = sent.iter().map(|sent| sent.named(VERIFICATION).len());
    let digests = announced
        .iter()
        .filter(|key| key.contains("CloudTrail-Digest"));
    assert_eq!(verified.sum::<usize>(), digests.count());
    let mut failures: Vec<_> = sent.iter().flat_map(Sent::failures).collect();
    failures.sort();
    // What only the missing digest names is not verified by another one.
    let of_gone =
        |(kind, _): &(String, String)| kind != "unlisted_log_file" && kind != "outside_range";
    failures.retain(of_gone);
    let expected = [
        ("changed", name(changed)),
        ("missing_digest", name(gone)),
        ("missing_log_file", name(missing)),
    ];
    assert_eq!(
        failures,
        expected.map(|(kind, name)| (kind.to_owned(), name))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_verified() {
    let name = "s3::verify::a_bucket_is_verified";
    let (Some(signed), Some(amazon)) = (Signed::get(name), Amazon::moto_alone(name).await) else {
        return;
    };
    put(&amazon, signed, &bucket::signatures(signed)).await;
    let place = Place::new();
    let verify = |arguments: &[&str]| {
        let mut command = amazon.settings(&place);
        command.args(["verify", "s3://example-trail", "--format", "json"]);
        let output = command.args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let json: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        (output.status.code(), json)
    };
    let keys = signed.keys();
    let keys = ["--public-keys", keys.to_str().unwrap()];
    let (exit, json) = verify(&keys);
    assert_eq!(exit, Some(0), "{json:#}");
    for count in ["digests", "log_files"] {
        assert_eq!(sum(&json, count), signed.expected[count]);
    }
    let log = &signed.files("/CloudTrail/ap-southeast-2/")[0];
    let delete = amazon.s3.delete_object().bucket(TRAIL).key(log);
    delete.send().await.unwrap();
    let (exit, json) = verify(&keys);
    assert_eq!(exit, Some(1));
    assert_eq!(
        json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["failure"] == true)
            .count(),
        1
    );
    // This server knows no public keys.
    let (exit, json) = verify(&[]);
    assert_eq!(exit, Some(1));
    assert_eq!(sum(&json, "digests"), 0);
}
