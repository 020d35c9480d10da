//! The client, against a server on loopback.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_identitystore::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::aws;
use crate::names::IdentityCenter;
use crate::names::lookup::{Failure, Store};

type Seen = Arc<Mutex<Vec<Value>>>;

/// Answers by the user's id.
async fn answer(
    State(seen): State<Seen>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap, String) {
    assert_eq!(headers["x-amz-target"], "AWSIdentityStore.DescribeUser");
    let asked: Value = serde_json::from_str(&body).unwrap();
    let user = asked["UserId"].as_str().unwrap().to_owned();
    seen.lock().unwrap().push(asked);
    let error = |status: u16, kind: &str| {
        let body = json!({"__type": kind, "Message": format!("{kind} it is")});
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let ids = json!({"UserId": user, "IdentityStoreId": "d-1"});
    let with = |names: Value| {
        let mut found = ids.clone();
        let fields = names.as_object().unwrap().clone();
        found.as_object_mut().unwrap().extend(fields);
        (StatusCode::OK, found)
    };
    let (status, body) = match &*user {
        "mary" => with(json!({"UserName": "mary@example.com", "DisplayName": "Mary Major"})),
        "login" => with(json!({"UserName": "login@example.com", "DisplayName": " "})),
        "nameless" => with(json!({})),
        "unknown" => error(400, "ResourceNotFoundException"),
        "odd" => error(400, "ValidationException"),
        "denied" => error(400, "AccessDeniedException"),
        "throttled" => error(400, "ThrottlingException"),
        _ => error(500, "InternalServerException"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        "application/x-amz-json-1.1".parse().unwrap(),
    );
    (status, headers, body.to_string())
}

async fn center() -> (IdentityCenter, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let credentials = Credentials::new("AKIAEXAMPLE", "a-secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let aws = aws::Aws::with_config(config, &aws::Settings::default());
    (IdentityCenter(aws.identity_store(None)), seen)
}

#[tokio::test]
async fn each_answer_has_its_meaning_and_costs_one_request() {
    let (center, seen) = center().await;
    for (user, expected) in [
        ("mary", Some("Mary Major")),
        ("login", Some("login@example.com")),
        ("nameless", None),
        ("unknown", None),
        ("odd", None),
    ] {
        let name = center.name("d-1", user).await.unwrap();
        assert_eq!(name.as_deref(), expected, "{user}");
    }
    for (user, passes) in [("denied", false), ("throttled", true), ("broken", true)] {
        match center.name("d-1", user).await.unwrap_err() {
            Failure::Passes(why) => assert!(passes && why.contains("it is"), "{why}"),
            Failure::Setup(why) => {
                assert!(!passes, "{why}");
                assert!(why.contains("allow identitystore:DescribeUser"), "{why}");
                assert!(!why.contains("a-secret"), "{why}");
            }
        }
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 8);
    assert_eq!(seen[0], json!({"IdentityStoreId": "d-1", "UserId": "mary"}));
}
