//! CloudTrail's Event history: what the command line prints, and what the input asks for itself.

use serde_json::{Value, json};

use crate::support::program::{convert_piped, event};

const IDS: [&str; 3] = ["one", "two", "three"];

/// What `aws cloudtrail lookup-events` prints, with times as these.
fn printed(time: &Value) -> Vec<u8> {
    let events: Vec<_> = IDS.iter().map(|id| entry(id, time)).collect();
    let printed = json!({"Events": events, "NextToken": "kbOt5LlZe++mOPoBnK9sZb=="});
    serde_json::to_vec_pretty(&printed).unwrap()
}

fn entry(id: &str, time: &Value) -> Value {
    json!({
        "EventId": id,
        "EventName": "SendMessage",
        "ReadOnly": "false",
        "AccessKeyId": "ASIAEXAMPLE",
        "EventTime": time,
        "EventSource": "q.amazonaws.com",
        "Username": "jane",
        "Resources": [{"ResourceType": "AWS::IAM::Role", "ResourceName": "a {\"Records\":[ role"}],
        "CloudTrailEvent": event(id),
    })
}

#[test]
fn what_the_command_line_prints_gives_the_same_events_however_it_writes_their_times() {
    let records = format!("{{\"Records\":[{}]}}", IDS.map(event).join(","));
    let expected = convert_piped(records.as_bytes());
    assert_eq!(expected.event_ids(), IDS);
    for time in [
        json!("2023-11-14T22:13:20+00:00"),
        json!("2023-11-14T17:13:20-05:00"),
        json!(1_700_000_000.0),
        json!(1_700_000_000.123),
        json!(1_700_000_000),
    ] {
        let converted = convert_piped(&printed(&time));
        assert_eq!(converted.logs, expected.logs, "{time}");
        assert_eq!(converted.spans, expected.spans, "{time}");
        assert_eq!(converted.count("dead_lettered"), 0, "{time}");
    }
}

#[cfg(feature = "aws")]
mod asked_for {
    use std::sync::{Arc, Mutex};

    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Response};
    use qtrail_core::otlp::Signal;
    use tokio::net::TcpListener;

    use super::*;
    use crate::support::collector::Collector;
    use crate::support::sidecar::{Place, Sidecar, last_balance};

    type Asked = Arc<Mutex<Vec<Value>>>;

    /// CloudTrail's own answers, in its own protocol: it is busy first, then there are two pages.
    async fn answer(State(asked): State<Asked>, headers: HeaderMap, body: String) -> Response {
        assert_eq!(headers["x-amz-target"], "CloudTrail_20131101.LookupEvents");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
        let signed = headers["authorization"].to_str().unwrap();
        assert!(
            signed.contains("/eu-central-1/cloudtrail/aws4_request"),
            "{signed}"
        );
        let question: Value = serde_json::from_str(&body).unwrap();
        let (number, token) = {
            let mut asked = asked.lock().unwrap();
            asked.push(question.clone());
            (asked.len(), question.get("NextToken").cloned())
        };
        let time = json!(1_700_000_000.0);
        let (status, answer) = match (number, token) {
            (1, _) => (
                StatusCode::BAD_REQUEST,
                json!({"__type": "ThrottlingException", "message": "Rate exceeded"}),
            ),
            (_, None) => (
                StatusCode::OK,
                json!({"Events": [entry("three", &time), entry("two", &time)], "NextToken": "t"}),
            ),
            (_, Some(token)) => {
                assert_eq!(token, "t");
                (StatusCode::OK, json!({"Events": [entry("one", &time)]}))
            }
        };
        let kind = [("content-type", "application/x-amz-json-1.1")];
        (status, kind, answer.to_string()).into_response()
    }

    #[tokio::test]
    async fn each_event_goes_from_the_history_to_the_collector_once() {
        let asked = Asked::default();
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });

        let collector = Collector::start().await;
        let place = Place::new()
            .with_env("AWS_ENDPOINT_URL", &endpoint)
            .with_env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .with_env("AWS_SECRET_ACCESS_KEY", "secret")
            .with_env("AWS_REGION", "eu-central-1")
            .with_env("QTRAIL_EVENT_HISTORY_EVENT_SOURCES", "q.amazonaws.com");
        let once = ["--event-history", "--once", "--endpoint", &collector.url()];
        for duplicates in [0, 3] {
            let (exit, said) = Sidecar::start(place.run().args(once)).exit().await;
            assert_eq!(exit, Some(0), "{said}");
            let balance = last_balance(&said);
            assert_eq!((balance.read, balance.duplicate), (3, duplicates), "{said}");
            for signal in [Signal::Logs, Signal::Traces] {
                let mut ids = collector.accepted(signal);
                ids.sort();
                assert_eq!(ids, ["one", "three", "two"]);
            }
        }
        serving.abort();

        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 5, "{asked:?}");
        let source = json!([{"AttributeKey": "EventSource", "AttributeValue": "q.amazonaws.com"}]);
        for question in asked.iter() {
            assert_eq!(question["LookupAttributes"], source);
            assert_eq!(question["MaxResults"], 50);
        }
        let seconds = |question: &Value, key: &str| question[key].as_f64().unwrap();
        let span = |question: &Value| seconds(question, "EndTime") - seconds(question, "StartTime");
        assert_eq!(span(&asked[0]), 3599.0, "the first run's hour");
        // The second run reaches back behind what the state knows.
        let again = seconds(&asked[0], "EndTime") - seconds(&asked[3], "StartTime");
        assert_eq!(again, 1800.0);
    }
}
