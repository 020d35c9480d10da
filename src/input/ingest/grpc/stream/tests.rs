use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::Extensions;
use http_body_util::StreamBody;
use hyper::body::Frame;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codec::Codec;
use tonic_prost::ProstCodec;

use super::*;
use crate::input::ingest::Limits;
use crate::input::ingest::grpc::body::MessageBody;
use crate::input::ingest::grpc::guard::Call;
use crate::input::ingest::tests::{Bench, EVENT, bench};

/// A message of one event, with its prefix.
fn message(sequence: u64) -> Bytes {
    let message = IngestStreamRequest {
        sequence,
        events: Bytes::from_static(EVENT),
        source: String::new(),
    };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut framed).unwrap();
    framed.freeze()
}

#[tokio::test]
async fn unanswered_messages_are_bounded_and_each_is_answered() {
    const SENT: u64 = 3000;
    let Bench { ingest, .. } = bench(Limits::default());
    let read = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&read);
    let (messages, sent) = mpsc::unbounded_channel();
    (0..SENT).for_each(|sequence| messages.send(message(sequence)).unwrap());
    drop(messages);
    let frames = UnboundedReceiverStream::new(sent).map(move |message| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Frame::data(message))
    });
    let sender = Sender::new(ingest.clone(), Extensions::new(), None);
    let body = Body::new(StreamBody::new(frames));
    let guarded = MessageBody::new(body, Call::Stream, sender.clone());
    let decoder = ProstCodec::<(), IngestStreamRequest>::default().decoder();
    let requests = Streaming::new_request(decoder, guarded, None, None);
    let mut answers = Answers::new(sender, requests);

    // Nothing is delivered while this task does not yield.
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut answers).poll_next(cx).is_pending()));
    assert!(tokio::task::unconstrained(polled).await);
    assert_eq!(read.load(Ordering::Relaxed), UNANSWERED as u64);

    let mut heard = BTreeSet::new();
    while let Some(answer) = answers.next().await {
        let IngestStreamResponse { sequence, result } = answer.unwrap();
        assert!(heard.insert(sequence), "{sequence} was answered twice");
        let Some(Answer::Delivered(delivered)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(delivered.counts.unwrap().exported, 1);
        let answered = heard.len() as u64;
        assert!(read.load(Ordering::Relaxed) <= answered + UNANSWERED as u64);
    }
    assert_eq!(heard.len() as u64, SENT);
}
