//! `qtrail report s3://…`: the same as of a directory with the same files.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::e2e::amazon::{Amazon, Trail};
use crate::support::fault_proxy::Answer;
use crate::support::sidecar::Place;

/// The exit code, the report without the names of its files, and standard error.
fn report(mut command: Command, source: &str) -> (Option<i32>, Value, String) {
    let output = command
        .args(["report", source, "--format", "json", "-q"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let mut json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if let Some(basis) = json["basis"].as_object_mut() {
        basis.remove("paths");
    }
    (output.status.code(), json, said)
}

/// More objects than a page of a list has, one of them larger than what is read into memory at once, one empty.
async fn put(amazon: &Amazon, folder: &Path) {
    let trail = Trail {
        name: "report",
        files: 1_030,
        events: 1,
    };
    let large = Trail {
        name: "large",
        files: 1,
        events: 3_000,
    };
    let plain = large.content(0);
    let mut inflated = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*plain), &mut inflated).unwrap();
    assert!(inflated.len() > 1 << 20, "it would be read at once");
    amazon.put_trail(trail).await;
    let files = (0..trail.files).map(|file| (trail.key(file), trail.content(file)));
    let others = [
        ("plain.json".to_owned(), inflated),
        ("AWSLogs/empty.json".to_owned(), Vec::new()),
    ];
    for (key, bytes) in &others {
        amazon.put(key, bytes.clone()).await;
    }
    for (key, bytes) in files.chain(others) {
        let path = folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gives_the_report_of_a_directory() {
    let name = "s3::report::a_bucket_gives_the_report_of_a_directory";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    put(&amazon, folder.path()).await;
    let path = folder.path().to_str().unwrap();
    let expected = report(amazon.settings(&place), path);
    assert_eq!(expected.0, Some(0), "{}", expected.2);
    assert_eq!(expected.1["events"].as_array().map(Vec::len), Some(4_030));

    // Throttled, and cut off in the middle.
    let broken = [Answer::SlowDown, Answer::CutAfter(50)];
    amazon.proxy.answer_next("ListObjectsV2", broken);
    let broken = [
        Answer::SlowDown,
        Answer::CutAfter(100),
        Answer::CutAfter(400_000),
    ];
    amazon.proxy.answer_next("GetObject", broken);
    let bucket = format!("s3://{}", amazon.bucket);
    let found = report(amazon.settings(&place), &bucket);
    assert_eq!(
        (found.0, &found.1),
        (expected.0, &expected.1),
        "{}",
        found.2
    );

    // A prefix, an object.
    for below in [
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/15",
        "plain.json",
    ] {
        let expected = report(amazon.settings(&place), &format!("{path}/{below}"));
        let found = report(amazon.settings(&place), &format!("{bucket}/{below}"));
        assert_eq!((found.0, found.1), (expected.0, expected.1), "{}", found.2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_with_the_remedy() {
    let name = "s3::report::what_cannot_be_read_is_named_with_the_remedy";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let place = Place::new();
    let trail = Trail {
        name: "denied",
        files: 3,
        events: 1,
    };
    amazon.put_trail(trail).await;
    let bucket = format!("s3://{}", amazon.bucket);

    amazon
        .proxy
        .answer_next("GetObject", [Answer::AccessDenied]);
    let (exit, report_, said) = report(amazon.settings(&place), &bucket);
    assert_eq!(exit, Some(1), "{said}");
    assert_eq!(report_["basis"]["complete"], false);
    assert_eq!(report_["basis"]["files"], 2, "the others are read");
    let object = format!("{bucket}/AWSLogs/111122223333/");
    assert!(
        said.contains(&object) && said.contains("s3:GetObject"),
        "{said}"
    );

    for (source, remedy) in [
        (
            format!("{bucket}/AWSLog/"),
            "check the bucket and the prefix",
        ),
        ("s3://no-such-bucket-of-anyone".to_owned(), "NoSuchBucket"),
    ] {
        let (exit, _, said) = report(amazon.settings(&place), &source);
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.contains(&source) && said.contains(remedy), "{said}");
    }
}
