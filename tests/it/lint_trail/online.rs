//! `qtrail lint-trail --online`, against a server of the tests' own.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{ARN, found, json_of, selectors, text};
use crate::support::program::qtrail;

/// A CloudTrail with two trails, one of them seen from its own region alone.
#[derive(Default)]
struct CloudTrail {
    /// Operations that are denied.
    denied: Vec<&'static str>,
    /// Operation, region and trail of each request.
    asked: Mutex<Vec<(String, String, String)>>,
}

const OTHER: &str = "arn:aws:cloudtrail:ap-southeast-2:111122223333:trail/other";

fn trail(arn: &str, is_multi_region: bool) -> Value {
    let region = arn.split(':').nth(3);
    json!({"Name": arn.rsplit('/').next(), "TrailARN": arn, "HomeRegion": region, "S3BucketName": "my-bucket",
        "IsMultiRegionTrail": is_multi_region, "IncludeGlobalServiceEvents": true,
        "LogFileValidationEnabled": true, "IsOrganizationTrail": false})
}

async fn answer(
    State(cloudtrail): State<Arc<CloudTrail>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let operation = text("x-amz-target").rsplit('.').next().unwrap().to_owned();
    let region = text("authorization").split('/').nth(2).unwrap().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let name = request["TrailName"]
        .as_str()
        .or(request["Name"].as_str())
        .unwrap_or_default();
    let asked = (operation.clone(), region.clone(), name.to_owned());
    cloudtrail.asked.lock().unwrap().push(asked);
    if cloudtrail.denied.contains(&operation.as_str()) {
        let denied = json!({"__type": "AccessDeniedException", "Message": "not authorized"});
        return (StatusCode::BAD_REQUEST, denied.to_string()).into_response();
    }
    let answer = match operation.as_str() {
        "DescribeTrails" => {
            assert_ne!(request["includeShadowTrails"], false);
            let other = (region == "ap-southeast-2").then(|| trail(OTHER, false));
            let mut list = vec![trail(ARN, true)];
            list.extend(other);
            json!({"trailList": list})
        }
        "GetEventSelectors" => selectors(),
        "GetTrailStatus" => {
            json!({"IsLogging": name != ARN, "StopLoggingTime": 1_793_491_200.5, "LatestDeliveryError": ""})
        }
        other => panic!("{other}"),
    };
    let kind = [("content-type", "application/x-amz-json-1.1")];
    (kind, answer.to_string()).into_response()
}

/// The exit code, the result, standard error, and what was asked.
async fn lint(
    denied: &[&'static str],
    arguments: &[&str],
) -> (
    Option<i32>,
    Option<Value>,
    String,
    Vec<(String, String, String)>,
) {
    let cloudtrail = Arc::new(CloudTrail {
        denied: denied.to_vec(),
        ..CloudTrail::default()
    });
    let router = axum::Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&cloudtrail));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut command = qtrail();
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["lint-trail", "--online", "--format", "json"])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let json = (!output.stdout.is_empty()).then(|| json_of(&output).1);
    let asked = cloudtrail.asked.lock().unwrap().clone();
    (output.status.code(), json, text(&output.stderr), asked)
}

fn asked(operation: &str, region: &str, trail: &str) -> (String, String, String) {
    (operation.to_owned(), region.to_owned(), trail.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trail_is_asked_for_in_its_home_region() {
    let (exit, json, said, requests) = lint(&[], &[]).await;
    assert_eq!(exit, Some(1), "{said}");
    let json = json.unwrap();
    let expected = [
        "finding trail_stopped",
        "finding no_read_events",
        "finding no_codewhisperer_data_events",
        "finding no_integration_data_events",
        "finding no_investigation_data_events",
    ];
    assert_eq!(found(&json), expected, "{json:#}");
    assert_eq!(json["trails"][0]["logging"], false);
    // The classic selector is in the command, as from a file.
    let command = json["findings"][1]["commands"][0].as_str().unwrap();
    assert!(
        command.contains(r"arn:aws:s3:::my-bucket/it'\''s"),
        "{command}"
    );
    let expected = [
        asked("DescribeTrails", "us-east-1", ""),
        asked("GetEventSelectors", "eu-west-1", ARN),
        asked("GetTrailStatus", "eu-west-1", ARN),
    ];
    assert_eq!(requests, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_of_one_region_is_seen_from_that_region() {
    let regions = [
        "--region",
        "us-east-1",
        "--region",
        "ap-southeast-2",
        "--trail",
        "other",
    ];
    let (exit, json, said, requests) = lint(&[], &regions).await;
    assert_eq!(exit, Some(1), "{said}");
    let json = json.unwrap();
    assert_eq!(json["trails"].as_array().unwrap().len(), 1);
    assert!(
        found(&json).contains(&"finding not_multi_region".to_owned()),
        "{json:#}"
    );
    assert!(
        !found(&json).contains(&"finding trail_stopped".to_owned()),
        "{json:#}"
    );
    let expected = [
        asked("DescribeTrails", "us-east-1", ""),
        asked("DescribeTrails", "ap-southeast-2", ""),
        asked("GetEventSelectors", "ap-southeast-2", OTHER),
        asked("GetTrailStatus", "ap-southeast-2", OTHER),
    ];
    assert_eq!(requests, expected, "others are not asked for");
    let (exit, _, said, _) = lint(&[], &["--trail", "other"]).await;
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("--region"), "{said}");
    let (exit, _, said, _) = lint(&[], &["--region", "x/../y"]).await;
    assert_eq!(exit, Some(2), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named() {
    let (exit, json, said, _) = lint(&["DescribeTrails"], &[]).await;
    assert_eq!((exit, json), (Some(1), None), "{said}");
    assert!(
        said.contains("allow cloudtrail:DescribeTrails") && said.contains("not authorized"),
        "{said}"
    );
    for (denied, left) in [
        (
            "GetEventSelectors",
            &["finding trail_stopped", "hint not_known"][..],
        ),
        (
            "GetTrailStatus",
            &[
                "finding no_read_events",
                "finding no_codewhisperer_data_events",
                "finding no_integration_data_events",
                "finding no_investigation_data_events",
                "hint not_known",
            ],
        ),
    ] {
        let (exit, json, said, _) = lint(&[denied], &[]).await;
        assert_eq!(exit, Some(1), "{said}");
        assert!(
            said.contains(&format!("allow cloudtrail:{denied}:")) && said.contains(ARN),
            "{said}"
        );
        assert_eq!(found(&json.unwrap()), left);
    }
    // Even if all that is found is left out, something was not asked.
    let ignored = ["--ignore", "trail_stopped", "--ignore", "not_known"];
    let (exit, json, _, _) = lint(&["GetEventSelectors"], &ignored).await;
    let json = json.unwrap();
    assert_eq!((exit, found(&json)), (Some(1), Vec::new()));
    assert_eq!(
        (&json["ok"], &json["complete"]),
        (&json!(true), &json!(false))
    );
}
