//! The gRPC services: what a sender is told, and that nothing else is true.

pub mod bench;
mod limits;
mod logs;
pub mod services;
mod strangers;

use std::collections::BTreeSet;
use std::time::Duration;

use qtrail::input::ingest::Limits;
use qtrail_core::otlp::Signal;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use qtrail_proto::v1::{
    Counts, Delivered, IngestRequest, IngestResponse, IngestStreamRequest, IngestStreamResponse,
    Rejection, Uncertain,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{attribute, event, gzip, log_file};
use bench::{Bench, PATIENCE};

pub fn request(sequence: u64, events: impl Into<Vec<u8>>) -> IngestRequest {
    IngestRequest {
        sequence,
        events: events.into().into(),
        source: String::new(),
    }
}

pub fn message(sequence: u64, events: impl Into<Vec<u8>>) -> IngestStreamRequest {
    IngestStreamRequest {
        sequence,
        events: events.into().into(),
        source: String::new(),
    }
}

/// A stream whose messages the test sends.
pub struct Stream {
    messages: Option<UnboundedSender<IngestStreamRequest>>,
    answers: Streaming<IngestStreamResponse>,
}

impl Stream {
    pub async fn open(bench: &Bench) -> Self {
        let (messages, sent) = unbounded_channel();
        let sent = UnboundedReceiverStream::new(sent);
        let answers = bench.client().await.ingest_stream(sent).await.unwrap();
        Stream {
            messages: Some(messages),
            answers: answers.into_inner(),
        }
    }

    pub fn send(&self, message: IngestStreamRequest) {
        self.messages.as_ref().unwrap().send(message).unwrap();
    }

    /// Sends no more.
    fn close(&mut self) {
        self.messages = None;
    }

    /// The next answer; `None`: the end.
    pub async fn next(&mut self) -> Result<Option<(u64, Answer)>, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        let answer = answer.expect("no answer came")?;
        Ok(answer.map(|answer| (answer.sequence, answer.result.unwrap())))
    }

    /// The number of the next answer, which is a good one.
    pub async fn delivered(&mut self) -> u64 {
        match self.next().await.unwrap() {
            Some((sequence, Answer::Delivered(_))) => sequence,
            other => panic!("{other:?}"),
        }
    }
}

/// Two events of Amazon Q, one of another service, one without a time.
fn mixed() -> Vec<u8> {
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    log_file(&[event("one"), noise, bad, event("two")])
}

/// What becomes of them.
fn mixed_delivered() -> Delivered {
    Delivered {
        counts: Some(Counts {
            read: 4,
            exported: 2,
            filtered: 1,
            duplicate: 0,
            dead_lettered: 1,
        }),
        rejections: vec![Rejection {
            index: 2,
            reason: "bad_time: eventTime is no RFC 3339 time: \"soon\"".to_owned(),
        }],
        uncertain: None,
    }
}

#[tokio::test]
async fn a_call_is_answered_with_what_became_of_its_events() {
    let bench = Bench::discarding(Limits::default()).await;
    let mut client = bench.client().await;
    let delivered = mixed_delivered();
    let expected = IngestResponse {
        sequence: 7,
        counts: delivered.counts,
        rejections: delivered.rejections,
        uncertain: None,
    };
    for events in [mixed(), gzip(mixed())] {
        let answer = client.ingest(request(7, events)).await.unwrap();
        assert_eq!(answer.into_inner(), expected);
    }
    let named = IngestRequest {
        source: "trail.json.gz".to_owned(),
        ..request(8, mixed())
    };
    client.ingest(named).await.unwrap();
    let sources: Vec<_> = bench
        .letters()
        .iter()
        .map(|letter| letter["source"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        sources[0].starts_with("grpc:127.0.0.1:") && sources[0].ends_with("#7"),
        "{sources:?}"
    );
    assert_eq!(sources[2], "trail.json.gz");
    assert_eq!(bench.metrics.ingest_requests.get(), 3);
}

#[tokio::test]
async fn nothing_to_deliver_is_well() {
    let bench = Bench::discarding(Limits::default()).await;
    let answer = bench.client().await.ingest(request(3, "")).await.unwrap();
    let counts = Some(Counts::default());
    let expected = IngestResponse {
        sequence: 3,
        counts,
        ..IngestResponse::default()
    };
    assert_eq!(answer.into_inner(), expected);
}

#[tokio::test]
async fn a_stream_answers_each_message_and_ends_after_the_client_did() {
    let bench = Bench::discarding(Limits::default()).await;
    let mut stream = Stream::open(&bench).await;
    (0..50).for_each(|sequence| stream.send(message(sequence, mixed())));
    stream.close();
    let mut heard = BTreeSet::new();
    while let Some((sequence, answer)) = stream.next().await.unwrap() {
        assert_eq!(answer, Answer::Delivered(mixed_delivered()));
        assert!(heard.insert(sequence));
    }
    assert_eq!(heard, (0..50).collect());
    assert!(bench.metrics.balance().holds());
}

#[tokio::test]
async fn answers_come_when_they_are_known_and_all_before_the_end() {
    let collector = Collector::start().await;
    let bench = Bench::before(&collector, Limits::default()).await;
    let late = CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(late.clone())]);
    let mut stream = Stream::open(&bench).await;
    stream.send(message(1, event("one")));
    collector.until_seen(Signal::Logs, 1).await;
    stream.send(message(2, event("two")));
    assert_eq!(stream.delivered().await, 2);
    stream.close();
    late.cancel();
    assert_eq!(stream.delivered().await, 1);
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn messages_and_answers_may_be_compressed() {
    let bench = Bench::discarding(Limits::default()).await;
    let client = bench.client().await;
    let mut client = client.send_compressed(Gzip).accept_compressed(Gzip);
    let bad: Vec<_> = (0..1100)
        .map(|n| event(&n.to_string()).replace("2024-04-10T14:07:55Z", &format!("{n} ago")))
        .collect();
    let answer = client.ingest(request(1, log_file(&bad))).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    let answer = answer.into_inner();
    assert_eq!(answer.counts.unwrap().dead_lettered, 1100);
    assert_eq!(answer.rejections.len(), 1000);
    assert!(answer.rejections.is_sorted_by(|a, b| a.index < b.index));
    let last = answer.rejections.last().unwrap();
    assert!(last.reason.contains(&format!("{} ago", last.index)));

    let (messages, sent) = unbounded_channel();
    messages.send(message(1, mixed())).unwrap();
    drop(messages);
    let sent = UnboundedReceiverStream::new(sent);
    let answers = client.ingest_stream(sent).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert_eq!(answer.result, Some(Answer::Delivered(mixed_delivered())));
}

#[tokio::test]
async fn what_the_collector_refused_in_part_is_told_as_uncertain() {
    let collector = Collector::start().await;
    let bench = Bench::before(&collector, Limits::default()).await;
    collector.reply_next(Signal::Logs, [Reply::Partial(1, "full")]);
    let events = log_file(&[event("one"), event("two"), event("three")]);
    let answer = bench.client().await.ingest(request(1, events)).await;
    let answer = answer.unwrap().into_inner();
    let uncertain = Uncertain { rejected: 1, of: 3 };
    assert_eq!(answer.uncertain, Some(uncertain));
    let counts = answer.counts.unwrap();
    assert_eq!((counts.read, counts.dead_lettered), (3, 1));
}

#[tokio::test]
async fn while_the_collector_is_away_nothing_is_acknowledged_and_later_all_is_there() {
    let mut collector = Collector::start().await;
    let bench = Bench::before(&collector, Limits::default()).await;
    collector.close();
    let events = [event("one"), event("two")];
    let mut client = bench.client().await;
    let mut stream = Stream::open(&bench).await;
    stream.send(message(5, event("three")));

    // Known to be away once the first has tried, which is not kept waiting either.
    for _ in 0..2 {
        let refused = client.ingest(request(1, log_file(&events))).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let delay = refused.get_details_retry_info().unwrap().retry_delay;
        assert!(delay.unwrap() >= Duration::from_secs(1), "{delay:?}");
    }
    let Some((5, Answer::Failure(failure))) = stream.next().await.unwrap() else {
        panic!("no failure");
    };
    assert_eq!(failure.code, i32::from(Code::Unavailable));
    assert!(failure.retry_delay.unwrap().seconds >= 1);
    assert_eq!(collector.accepted(Signal::Logs), [""; 0]);

    collector.open().await;
    services::until_serving(&bench).await;
    let answer = client.ingest(request(1, log_file(&events))).await;
    assert_eq!(answer.unwrap().into_inner().counts.unwrap().read, 2);
    stream.send(message(6, event("three")));
    assert_eq!(stream.delivered().await, 6, "the stream lives on");
    let mut ids = BTreeSet::new();
    for request in collector.logs() {
        let records = request.resource_logs.into_iter().flat_map(|r| r.scope_logs);
        for record in records.flat_map(|scope| scope.log_records) {
            let record = serde_json::to_value(record).unwrap();
            let id = attribute(&record, "aws.cloudtrail.event_id").unwrap();
            let of = |key: &str| record[key].as_str().unwrap().to_owned();
            ids.insert((id, of("traceId"), of("spanId")));
        }
    }
    let events: Vec<_> = ids.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(events, ["one", "three", "two"], "each with equal ids");
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_room_back() {
    let collector = Collector::start().await;
    let bench = Bench::before(&collector, Limits::default()).await;
    let late = CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(late.clone())]);
    let stream = Stream::open(&bench).await;
    stream.send(message(1, event("one")));
    collector.until_seen(Signal::Logs, 1).await;
    drop(stream);
    late.cancel();
    let all = bench.ingest.limits().request_bytes;
    let reserving = (0..4).map(|_| bench.ingest.reserve(all));
    let mut held = Vec::new();
    for room in reserving {
        held.push(tokio::time::timeout(PATIENCE, room).await.unwrap().unwrap());
    }
    assert_eq!(
        bench.metrics.exported.get(),
        1,
        "what was read is delivered"
    );
    assert!(bench.metrics.balance().holds());
}

#[tokio::test]
async fn at_stop_what_was_read_is_answered_and_the_stream_ends() {
    let collector = Collector::start().await;
    let bench = Bench::before(&collector, Limits::default()).await;
    let late = CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(late.clone())]);
    let mut stream = Stream::open(&bench).await;
    let mut health = services::watch(&bench, "").await;
    assert!(services::serving(&mut health).await);
    stream.send(message(1, event("one")));
    collector.until_seen(Signal::Logs, 1).await;
    bench.stop.cancel();
    assert!(!services::serving(&mut health).await);
    stream.send(message(2, event("two")));
    late.cancel();
    assert_eq!(stream.delivered().await, 1);
    let end = stream.next().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert!(end.get_details_retry_info().is_some());
    assert_eq!(
        health.message().await.unwrap_err().code(),
        Code::Unavailable
    );
    tokio::time::timeout(PATIENCE, bench.served)
        .await
        .unwrap()
        .unwrap();
}
