//! Streams that anyone may open, and streams without a message: they keep no sender out, and they end.

use qtrail::export::{Destination, Protocol};
use qtrail::input::ingest::Limits;
use qtrail_core::otlp::Signal;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::bench::{Bench, PATIENCE};
use super::services::serving;
use super::{Stream, message, request};
use crate::support::collector::{Collector, Reply};
use crate::support::program::event;

const SLOTS: usize = 16;
/// Of them, what strangers may take for their streams.
const FOR_STRANGERS: usize = 2;

fn few() -> Limits {
    Limits {
        connections: SLOTS,
        ..Limits::default()
    }
}

/// Services that ask for a token, and the folder that its file is in.
async fn guarded() -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "tango").unwrap();
    let bench = Bench::start(Destination::Discard, few(), &[tokens]).await;
    (bench, folder)
}

fn with_token<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = MetadataValue::from_static("Bearer tango");
    request.metadata_mut().insert("authorization", token);
    request
}

async fn watch(channel: Channel, known: bool) -> Result<Streaming<HealthCheckResponse>, Status> {
    let question = HealthCheckRequest::default();
    let question = match known {
        true => with_token(question),
        false => Request::new(question),
    };
    let answer = HealthClient::new(channel).watch(question).await?;
    Ok(answer.into_inner())
}

async fn reflect(channel: Channel) -> Result<Streaming<ServerReflectionResponse>, Status> {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let questions = tokio_stream::once(question).chain(tokio_stream::pending());
    let mut client = ServerReflectionClient::new(channel);
    let answer = client.server_reflection_info(questions).await?;
    Ok(answer.into_inner())
}

async fn sends(bench: &Bench) {
    let sent = async {
        let request = with_token(request(1, event("one")));
        bench.client().await.ingest(request).await
    };
    let answer = tokio::time::timeout(PATIENCE, sent).await.unwrap();
    answer.unwrap();
}

#[tokio::test]
async fn watches_of_strangers_keep_no_sender_out_however_many() {
    let (bench, _folder) = guarded().await;
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..3 * SLOTS {
        let channel = bench.channel().await;
        match watch(channel.clone(), false).await {
            Ok(mut told) => {
                assert!(serving(&mut told).await);
                held.push((channel, Some(told)));
            }
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.message().contains("ingest.token_files"), "{status}");
                refused += 1;
                held.push((channel, None));
            }
        }
        sends(&bench).await;
    }
    assert!(refused > 0);
    assert!(bench.metrics.ingest_connections.get() <= SLOTS as u64);
}

#[tokio::test]
async fn a_known_peer_may_watch_while_strangers_have_all_their_places() {
    let (bench, _folder) = guarded().await;
    let strangers = bench.channel().await;
    let mut held = Vec::new();
    for n in 0..2 * FOR_STRANGERS {
        match watch(strangers.clone(), false).await {
            Ok(told) => held.push(told),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert_eq!((n >= FOR_STRANGERS, held.len()), (true, FOR_STRANGERS));
            }
        }
    }
    let known = bench.channel().await;
    let mut told = watch(known.clone(), true).await.unwrap();
    assert!(serving(&mut told).await);
    // Those places are bounded too, and given back.
    let mut all = vec![told];
    let refused = loop {
        assert!(all.len() <= SLOTS);
        match watch(known.clone(), true).await {
            Ok(told) => all.push(told),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(all.len(), SLOTS);
    assert!(refused.message().contains("ingest.limits.connections"));
    all.clear();
    let again = async {
        while watch(known.clone(), true).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    // Reflection shares them.
    let status = reflect(strangers).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn where_no_token_is_asked_for_streams_without_a_message_keep_no_sender_out() {
    let bench = Bench::discarding(few()).await;
    let (mut channels, mut watches) = (Vec::new(), Vec::new());
    let (mut questions, mut idle) = (Vec::new(), Vec::new());
    for n in 0..4 * SLOTS {
        let channel = bench.channel().await;
        match n % 3 {
            0 => watches.extend(watch(channel.clone(), false).await),
            1 => questions.extend(reflect(channel.clone()).await),
            _ => {
                let mut stream = Stream::open(&bench).await;
                stream.send(message(1, event("one")));
                assert_eq!(stream.delivered().await, 1);
                idle.push(stream);
            }
        }
        channels.push(channel);
        sends(&bench).await;
    }
    assert!(watches.len() + questions.len() > SLOTS);
    assert!(bench.metrics.ingest_connections.get() <= SLOTS as u64);
}

#[tokio::test]
async fn a_stream_whose_message_is_not_answered_yet_keeps_its_connection() {
    let collector = Collector::start().await;
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let bench = Bench::start(destination, limits, &[]).await;
    let late = CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(late.clone())]);
    let mut stream = Stream::open(&bench).await;
    stream.send(message(7, event("late")));
    collector.until_seen(Signal::Logs, 1).await;
    // Others are known too, and have been idle for less long.
    let mut others = Vec::new();
    for n in 0..8 {
        let mut client = bench.client().await;
        client.ingest(request(n, event("other"))).await.unwrap();
        others.push(client);
    }
    late.cancel();
    assert_eq!(stream.delivered().await, 7);
}
