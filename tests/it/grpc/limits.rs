//! Senders that cost too much.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use qtrail::input::ingest::Limits;
use qtrail_core::otlp::Signal;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use tokio::sync::mpsc;
use tokio_stream::Stream as Frames;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::bench::{Bench, PATIENCE};
use super::{Stream, message, request};
use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, log_file};

pub const KIB: usize = 1024;
const INGEST: &str = "/qtrail.v1.IngestService/Ingest";

pub fn small() -> Limits {
    Limits {
        request_bytes: 64 * KIB,
        in_flight_bytes: 64 * KIB,
        ..Limits::default()
    }
}

/// Never like this again, because of that limit.
pub fn refuses(status: &Status, limit: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(limit), "{status}");
    assert!(status.get_details_retry_info().is_none(), "{status:?}");
}

#[tokio::test]
async fn more_than_may_be_in_flight_is_sent_away_and_a_stream_waits() {
    let collector = Collector::start().await;
    let bench = Bench::before(&collector, small()).await;
    let late = CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(late.clone())]);
    let most: Vec<_> = (0..100).map(|n| event(&n.to_string())).collect();
    let most = log_file(&most);
    assert!(most.len() > 32 * KIB && most.len() < 64 * KIB);
    let mut client = bench.client().await;
    let first = tokio::spawn({
        let (mut client, most) = (client.clone(), most.clone());
        async move { client.ingest(request(1, most)).await }
    });
    collector.until_seen(Signal::Logs, 1).await;

    let busy = client.ingest(request(2, most.clone())).await.unwrap_err();
    assert_eq!(busy.code(), Code::ResourceExhausted);
    assert!(busy.message().contains("ingest.limits.in_flight_bytes"));
    let again = busy.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(again > Duration::ZERO);

    let mut stream = Stream::open(&bench).await;
    stream.send(message(3, most));
    late.cancel();
    first.await.unwrap().unwrap();
    assert_eq!(stream.delivered().await, 3);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let bench = Bench::discarding(small()).await;
    let huge = log_file(&vec![event("one"); 200]);
    let refused = bench.client().await.ingest(request(1, huge.clone())).await;
    refuses(&refused.unwrap_err(), "ingest.limits.request_bytes");

    let mut stream = Stream::open(&bench).await;
    stream.send(message(1, event("one")));
    stream.send(message(2, huge));
    assert_eq!(stream.delivered().await, 1, "what came before is answered");
    let end = stream.next().await.unwrap_err();
    refuses(&end, "ingest.limits.request_bytes");
}

#[tokio::test]
async fn a_message_that_inflates_to_too_much_is_refused() {
    let bench = Bench::discarding(small()).await;
    let bomb = vec![b' '; 64 * KIB + 1];
    let mut client = bench.client().await.send_compressed(Gzip);
    let refused = client.ingest(request(1, bomb.clone())).await;
    refuses(&refused.unwrap_err(), "ingest.limits.request_bytes");

    let (messages, sent) = mpsc::unbounded_channel();
    messages.send(message(1, bomb)).unwrap();
    let sent = UnboundedReceiverStream::new(sent);
    let mut answers = client.ingest_stream(sent).await.unwrap().into_inner();
    let end = answers.message().await.unwrap_err();
    refuses(&end, "ingest.limits.request_bytes");
    assert!(
        bench.ingest.try_reserve(64 * KIB).is_ok(),
        "no room is lost"
    );
}

#[tokio::test]
async fn events_that_inflate_to_too_much_cost_their_message() {
    let limits = Limits {
        inflated_bytes: 100_000,
        ..small()
    };
    let bench = Bench::discarding(limits).await;
    let bomb = gzip(log_file(&vec![event("one"); 1000]));
    let refused = bench.client().await.ingest(request(1, bomb.clone())).await;
    refuses(&refused.unwrap_err(), "ingest.limits.inflated_bytes");

    let mut stream = Stream::open(&bench).await;
    stream.send(message(1, bomb));
    let Some((1, Answer::Failure(failure))) = stream.next().await.unwrap() else {
        panic!("no failure");
    };
    assert_eq!(failure.code, i32::from(Code::ResourceExhausted));
    assert!(failure.message.contains("ingest.limits.inflated_bytes"));
    assert_eq!(failure.retry_delay, None);
    stream.send(message(2, event("two")));
    assert_eq!(stream.delivered().await, 2, "the stream lives on");
}

#[tokio::test]
async fn a_slow_message_is_given_up_and_an_idle_stream_is_not() {
    let limits = Limits {
        body_timeout: Duration::from_millis(50),
        ..small()
    };
    let bench = Bench::discarding(limits).await;
    let mut stream = Stream::open(&bench).await;
    // A message of ten bytes, of which one comes.
    let (bytes, sent) = mpsc::unbounded_channel();
    let begun = Frame::data(Bytes::from_static(&[0, 0, 0, 0, 10, 1]));
    bytes.send(Ok::<_, Infallible>(begun)).unwrap();
    let status = call(&bench.address, INGEST, UnboundedReceiverStream::new(sent)).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("ingest.limits.body_timeout"));
    drop(bytes);
    stream.send(message(1, event("one")));
    assert_eq!(stream.delivered().await, 1);
}

/// Sends a call's bytes as they are; the status that it ends with.
pub async fn call(
    address: &str,
    path: &str,
    bytes: impl Frames<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync + 'static,
) -> Status {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .body(BoxBody::new(StreamBody::new(bytes)));
    let answer = async {
        let answer = client.request(request.unwrap()).await.unwrap();
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return status;
        }
        let body = answer.into_body().collect().await.unwrap();
        Status::from_header_map(body.trailers().unwrap()).unwrap()
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap()
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_not_read() {
    let bench = Bench::discarding(small()).await;
    let (bytes, sent) = mpsc::unbounded_channel();
    let begun = Frame::data(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]));
    bytes.send(Ok(begun)).unwrap();
    let status = call(&bench.address, INGEST, UnboundedReceiverStream::new(sent)).await;
    refuses(&status, "ingest.limits.request_bytes");
}

#[tokio::test]
async fn who_does_not_read_answers_is_not_read_and_harms_nobody() {
    const SENT: u64 = 10_000;
    let bench = Bench::discarding(Limits::default()).await;
    let narrow = bench.endpoint().initial_stream_window_size(1000);
    let channel = narrow.connect().await.unwrap();
    let (messages, sent) = mpsc::channel(1);
    let sending = tokio::spawn(async move {
        for sequence in 0..SENT {
            messages
                .send(message(sequence, event("one")))
                .await
                .unwrap();
        }
    });
    let mut deaf = IngestServiceClient::new(channel);
    let answers = deaf.ingest_stream(ReceiverStream::new(sent)).await.unwrap();

    // As long as it is read, others are answered meanwhile; so they are when it is not.
    let mut good = bench.client().await;
    let mut calls = 0;
    let read = || bench.metrics.ingest_requests.get();
    loop {
        let before = read() - calls;
        for _ in 0..50 {
            good.ingest(request(1, event("one"))).await.unwrap();
            calls += 1;
        }
        if read() - calls == before {
            break;
        }
    }
    assert!(read() - calls < SENT / 2, "{} were read", read() - calls);
    assert!(!sending.is_finished());
    drop(answers);
}
