//! `qtrail verify s3://…` against moto.

use std::fs;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use crate::e2e::amazon::Amazon;
use crate::support::sidecar::Place;
use crate::verify::{Signed, bucket, sum};

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_verified() {
    let name = "s3::verify::a_bucket_is_verified";
    let (Some(signed), Some(amazon)) = (Signed::get(name), Amazon::moto_alone(name).await) else {
        return;
    };
    let trail = "example-trail";
    amazon
        .s3
        .create_bucket()
        .bucket(trail)
        .send()
        .await
        .unwrap();
    let signatures = bucket::signatures(signed);
    for key in signed.files(".json.gz") {
        let bytes = fs::read(signed.bucket().join(&key)).unwrap();
        let mut put = amazon.s3.put_object().bucket(trail).key(&key);
        if let Some(signature) = signatures.get(&key) {
            put = put.metadata("signature", signature);
        }
        put.body(ByteStream::from(bytes)).send().await.unwrap();
    }
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
    let delete = amazon.s3.delete_object().bucket(trail).key(log);
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
