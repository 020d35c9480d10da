//! The gRPC services: what a sender is told, and that nothing else is true.

mod bench;

use qtrail::input::ingest::Limits;
use qtrail::proto::v1::ingest_stream_response::Result as Answer;
use qtrail::proto::v1::{
    Counts, Delivered, IngestRequest, IngestResponse, IngestStreamRequest, Rejection,
};
use tonic::codegen::tokio_stream;

use crate::support::program::{event, log_file};
use bench::{Bench, PEER};

fn request(sequence: u64, events: impl Into<Vec<u8>>) -> IngestRequest {
    IngestRequest {
        sequence,
        events: events.into().into(),
        source: String::new(),
    }
}

fn message(sequence: u64, events: impl Into<Vec<u8>>) -> IngestStreamRequest {
    IngestStreamRequest {
        sequence,
        events: events.into().into(),
        source: String::new(),
    }
}

/// Two events of Amazon Q, one of another service, one without a time.
fn mixed() -> Vec<u8> {
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    log_file(&[event("one"), noise, bad, event("two")])
}

/// What becomes of them.
fn mixed_counts() -> Counts {
    Counts {
        read: 4,
        exported: 2,
        filtered: 1,
        duplicate: 0,
        dead_lettered: 1,
    }
}

fn mixed_rejections() -> Vec<Rejection> {
    vec![Rejection {
        index: 2,
        reason: "bad_time: eventTime is no RFC 3339 time: \"soon\"".to_owned(),
    }]
}

#[tokio::test]
async fn a_call_is_answered_with_what_became_of_its_events() {
    let bench = Bench::discarding(Limits::default()).await;
    let answer = bench.client().await.ingest(request(7, mixed())).await;
    let expected = IngestResponse {
        sequence: 7,
        counts: Some(mixed_counts()),
        rejections: mixed_rejections(),
        uncertain: None,
    };
    assert_eq!(answer.unwrap().into_inner(), expected);
    let letters = bench.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["source"], format!("grpc:{PEER}#7"));
}

#[tokio::test]
async fn a_stream_answers_each_message_and_ends_after_the_client_did() {
    let bench = Bench::discarding(Limits::default()).await;
    let messages: Vec<_> = (0..50).map(|n| message(n, mixed())).collect();
    let sent = tokio_stream::iter(messages);
    let mut answers = bench
        .client()
        .await
        .ingest_stream(sent)
        .await
        .unwrap()
        .into_inner();
    let mut heard = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let delivered = Delivered {
            counts: Some(mixed_counts()),
            rejections: mixed_rejections(),
            uncertain: None,
        };
        assert_eq!(answer.result, Some(Answer::Delivered(delivered)));
        heard.push(answer.sequence);
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..50).collect::<Vec<_>>());
    assert!(bench.metrics.balance().holds());
}
