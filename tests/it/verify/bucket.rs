//! `qtrail verify s3://…`, with the keys that CloudTrail knows, against a server of the tests' own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Signed, failures, sum};
use crate::support::program::qtrail;

/// Keys of one page of a list.
const PAGE: usize = 7;

/// A bucket, and CloudTrail's keys.
#[derive(Default)]
struct Server {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    signatures: BTreeMap<String, String>,
    keys: Value,
    /// Regions of which keys were asked for.
    asked: Mutex<Vec<String>>,
}

async fn answer(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method == Method::POST {
        assert_eq!(
            headers["x-amz-target"],
            "CloudTrail_20131101.ListPublicKeys"
        );
        let signed = headers["authorization"].to_str().unwrap();
        server.asked.lock().unwrap().push(signed.to_owned());
        let kind = [("content-type", "application/x-amz-json-1.1")];
        return (StatusCode::OK, kind, server.keys.to_string()).into_response();
    }
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap();
    let key = path.strip_prefix("/example-trail").unwrap();
    match key.strip_prefix('/').filter(|key| !key.is_empty()) {
        Some(key) => object(&server, key),
        None => list(&server, uri.query().unwrap_or_default()),
    }
}

fn object(server: &Server, key: &str) -> Response {
    let Some(bytes) = server.objects.lock().unwrap().get(key).cloned() else {
        let text = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let mut answer = Bytes::from(bytes).into_response();
    if let Some(signature) = server.signatures.get(key) {
        let headers = answer.headers_mut();
        headers.insert("x-amz-meta-signature", signature.parse().unwrap());
        headers.insert(
            "x-amz-meta-signature-algorithm",
            "SHA256withRSA".parse().unwrap(),
        );
    }
    answer
}

/// A page of ListObjectsV2 with the delimiter `/`.
fn list(server: &Server, query: &str) -> Response {
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters: BTreeMap<_, _> = parameters
        .map(|(name, value)| {
            let value = percent_decode_str(value).decode_utf8().unwrap();
            (name, value.into_owned())
        })
        .collect();
    let prefix = parameters.get("prefix").map_or("", String::as_str);
    let after = parameters
        .get("continuation-token")
        .map_or("", String::as_str);
    let objects = server.objects.lock().unwrap();
    let names: BTreeSet<_> = objects
        .keys()
        .filter_map(|key| key.strip_prefix(prefix))
        .map(|rest| match rest.split_once('/') {
            Some((folder, _)) => format!("{prefix}{folder}/"),
            None => format!("{prefix}{rest}"),
        })
        .filter(|name| name.as_str() > after)
        .collect();
    let page: Vec<_> = names.iter().take(PAGE).collect();
    let mut xml = String::from("<ListBucketResult>");
    for name in &page {
        let _ = match name.ends_with('/') {
            true => write!(
                xml,
                "<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
            ),
            false => write!(xml, "<Contents><Key>{name}</Key><Size>1</Size></Contents>"),
        };
    }
    if names.len() > page.len() {
        let last = page[page.len() - 1];
        let _ = write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml += "</ListBucketResult>";
    ([("content-type", "application/xml")], xml).into_response()
}

/// What stands beside each digest in the copy, and what the one after it says.
pub(crate) fn signatures(signed: &Signed) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for answer in signed.files(".head.json") {
        let text = fs::read(signed.bucket().join(&answer)).unwrap();
        let text: Value = serde_json::from_slice(&text).unwrap();
        let signature = text["Metadata"]["signature"].as_str().unwrap().to_owned();
        let key = answer.strip_suffix(".head.json").unwrap().to_owned();
        found.insert(key, signature);
    }
    found
}

async fn serve(signed: &Signed) -> (Arc<Server>, String) {
    let bytes = |key: &String| fs::read(signed.bucket().join(key)).unwrap();
    let files = signed.files(".json.gz").into_iter();
    let files = files.filter(|key| key.ends_with(".json.gz"));
    let objects = files.map(|key| (key.clone(), bytes(&key))).collect();
    let mut keys: Value = serde_json::from_slice(&fs::read(signed.keys()).unwrap()).unwrap();
    for (key, start, end) in [(0, 1.7e9, 1_793_500_000.0), (1, 1_793_500_000.0, 1.9e9)] {
        keys["PublicKeyList"][key]["ValidityStartTime"] = json!(start);
        keys["PublicKeyList"][key]["ValidityEndTime"] = json!(end);
    }
    let server = Arc::new(Server {
        objects: Mutex::new(objects),
        signatures: signatures(signed),
        keys,
        asked: Mutex::default(),
    });
    let router = axum::Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (server, endpoint)
}

/// The exit code, and the result.
async fn verify(endpoint: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command: Command = qtrail();
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["verify", "--format", "json"])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), json)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_verified_with_the_keys_of_the_trails_region() {
    let name = "bucket::a_bucket_is_verified_with_the_keys_of_the_trails_region";
    let Some(signed) = Signed::get(name) else {
        return;
    };
    let (server, endpoint) = serve(signed).await;
    for source in ["s3://example-trail", "s3://example-trail/logs/AWSLogs/"] {
        let (exit, json) = verify(&endpoint, &[source]).await;
        assert_eq!(exit, Some(0), "{json:#}");
        for count in ["digests", "log_files"] {
            assert_eq!(sum(&json, count), signed.expected[count], "{json:#}");
        }
    }
    let asked = server.asked.lock().unwrap().clone();
    assert!(
        !asked.is_empty() && asked.len() <= 4,
        "once for each day: {}",
        asked.len()
    );
    let home = "/eu-west-1/cloudtrail/aws4_request";
    assert!(
        asked.iter().all(|signed| signed.contains(home)),
        "{asked:?}"
    );

    // Of another region, whose digests are all there.
    let log = &signed.files("/CloudTrail/ap-southeast-2/2026/10/31")[0];
    let digest = &signed.files("/CloudTrail-Digest/us-east-1/2026/10/31")[1];
    {
        let mut objects = server.objects.lock().unwrap();
        objects.remove(log).unwrap();
        objects.remove(digest).unwrap();
    }
    let keys = signed.keys();
    let offline = [
        "s3://example-trail",
        "--public-keys",
        keys.to_str().unwrap(),
    ];
    for arguments in [&["s3://example-trail"][..], &offline] {
        let (exit, json) = verify(&endpoint, arguments).await;
        assert_eq!(exit, Some(1));
        let found = failures(&json);
        for (kind, key) in [("missing_log_file", log), ("missing_digest", digest)] {
            let is_found = found.contains(&(kind.to_owned(), super::name(key)));
            assert!(is_found, "{kind} {key}: {json:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_without_digests_is_not_verified() {
    let name = "bucket::a_prefix_without_digests_is_not_verified";
    let Some(signed) = Signed::get(name) else {
        return;
    };
    let (_, endpoint) = serve(signed).await;
    let (exit, json) = verify(&endpoint, &["s3://example-trail/logs/none/"]).await;
    assert_eq!(exit, Some(1), "nothing is not everything: {json:#}");
    assert_eq!(json["verified"], false);
}
