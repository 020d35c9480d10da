use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Extensions;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

use super::*;
use crate::input::ingest::tests::{Bench, bench};
use crate::input::ingest::{Ingest, Limits};

/// The unit of the memory budget.
const UNIT: usize = 4096;
const SECOND: Duration = Duration::from_secs(1);

/// A call whose bytes the test sends.
struct Sending {
    bytes: mpsc::UnboundedSender<Bytes>,
    body: MessageBody,
    sender: Sender,
}

impl Sending {
    fn new(call: Call, ingest: &Ingest) -> Self {
        let (bytes, arrived) = mpsc::unbounded_channel();
        let frames = UnboundedReceiverStream::new(arrived)
            .map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let sender = Sender::new(ingest.clone(), Extensions::new(), None);
        let body = Body::new(StreamBody::new(frames));
        Sending {
            bytes,
            body: MessageBody::new(body, call, sender.clone()),
            sender,
        }
    }

    fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.bytes.send(Bytes::from(bytes.into())).unwrap();
    }

    fn end(&mut self) {
        self.bytes = mpsc::unbounded_channel().0;
    }

    /// What the body passes on next; `None`: the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        match self.body.frame().await {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap().into())),
            Some(Err(error)) => Err(Status::from_error(error)),
        }
    }

    async fn passed(&mut self) -> Vec<u8> {
        self.next().await.unwrap().unwrap()
    }

    async fn error(&mut self) -> Status {
        self.next().await.unwrap_err()
    }

    /// The body passes nothing on now.
    async fn holds(&mut self) {
        let given = tokio::select! {
            biased;
            given = self.next() => Some(given),
            () = std::future::ready(()) => None,
        };
        assert!(given.is_none(), "{given:?}");
    }
}

fn prefix(length: usize) -> Vec<u8> {
    let mut prefix = vec![0];
    prefix.extend(u32::try_from(length).unwrap().to_be_bytes());
    prefix
}

fn compressed(length: usize) -> Vec<u8> {
    let mut prefix = prefix(length);
    prefix[0] = 1;
    prefix
}

fn small() -> Limits {
    Limits {
        request_bytes: 8 * UNIT,
        in_flight_bytes: 8 * UNIT,
        ..Limits::default()
    }
}

#[tokio::test]
async fn messages_are_passed_on_apart_however_they_arrive() {
    let Bench { ingest, .. } = bench(Limits::default());
    let mut sending = Sending::new(Call::Stream, &ingest);
    let three = [
        prefix(2),
        b"ab".to_vec(),
        prefix(0),
        prefix(3),
        b"cd".to_vec(),
    ];
    sending.send(three.concat());
    for given in [&three[0], &three[1], &three[2], &three[3], &three[4]] {
        assert_eq!(&sending.passed().await, given);
    }
    for part in [&b"e"[..], &[0], &[0, 0, 0], &[1]] {
        sending.send(part);
    }
    assert_eq!(sending.passed().await, b"e");
    assert_eq!(sending.passed().await, prefix(1));
    sending.send(*b"f");
    assert_eq!(sending.passed().await, b"f");
    sending.end();
    assert_eq!(sending.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_streams_message_waits_for_memory_and_a_unary_call_fails() {
    let Bench { ingest, .. } = bench(small());
    let reserved = ingest.try_reserve(7 * UNIT).unwrap();
    let mut stream = Sending::new(Call::Stream, &ingest);
    stream.send([prefix(2 * UNIT), vec![b'a'; 10]].concat());
    stream.holds().await;

    let mut call = Sending::new(Call::Unary, &ingest);
    call.send(prefix(2 * UNIT));
    assert_eq!(call.error().await.code(), Code::ResourceExhausted);

    drop(reserved);
    assert_eq!(stream.passed().await, prefix(2 * UNIT));
    assert_eq!(stream.passed().await.len(), 10);
    assert!(
        ingest.try_reserve(7 * UNIT).is_err(),
        "its memory is reserved"
    );
    drop(stream);
    assert!(ingest.try_reserve(8 * UNIT).is_ok(), "and given back");
}

#[tokio::test]
async fn health_and_reflection_reserve_no_memory() {
    let Bench { ingest, .. } = bench(small());
    let _held = ingest.try_reserve(8 * UNIT).unwrap();
    for call in [Call::Check, Call::Reflection] {
        let mut sending = Sending::new(call, &ingest);
        sending.send([prefix(1), b"a".to_vec()].concat());
        assert_eq!(sending.passed().await, prefix(1));
        assert_eq!(sending.passed().await, b"a");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_by_its_prefix() {
    let Bench { ingest, .. } = bench(small());
    for call in [Call::Unary, Call::Stream] {
        for prefix in [prefix(8 * UNIT + 1), compressed(8 * UNIT + 1)] {
            let mut sending = Sending::new(call, &ingest);
            sending.send(prefix);
            let error = sending.error().await;
            assert_eq!(error.code(), Code::ResourceExhausted);
            assert!(error.message().contains("ingest.limits.request_bytes"));
            assert_eq!(error.details(), b"", "no delay: a repeat would fail too");
        }
    }
}

#[tokio::test]
async fn a_compressed_message_reserves_memory_to_inflate_until_its_size_is_known() {
    let Bench { ingest, .. } = bench(small());
    let mut sending = Sending::new(Call::Stream, &ingest);
    sending.send([compressed(UNIT / 4), vec![b'a'; UNIT / 4]].concat());
    sending.passed().await;
    assert!(ingest.try_reserve(5 * UNIT).is_err());
    let reserved = sending.sender.reserve(UNIT + 1).unwrap();
    let others = ingest.try_reserve(6 * UNIT).unwrap();
    drop(reserved);

    assert_eq!(sending.passed().await.len(), UNIT / 4);
    sending.send(compressed(1));
    sending.passed().await;
    let busy = sending.sender.reserve(2 * UNIT + 1).unwrap_err();
    assert!(matches!(busy, ingest::Error::InFlightLimit { .. }));
    drop(others);
    assert!(ingest.try_reserve(8 * UNIT).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_begun_must_be_complete_in_time() {
    let Bench { ingest, .. } = bench(Limits::default());
    let timeout = ingest.limits().body_timeout;
    for call in [Call::Unary, Call::Stream] {
        let mut sending = Sending::new(call, &ingest);
        let begun = Instant::now();
        for byte in prefix(1000) {
            sending.holds().await;
            tokio::time::advance(SECOND).await;
            sending.send([byte]);
        }
        assert_eq!(sending.passed().await.len(), PREFIX_BYTES);
        while begun.elapsed() < timeout - SECOND {
            sending.send(*b"a");
            assert_eq!(sending.passed().await, b"a");
            tokio::time::advance(SECOND).await;
        }
        let error = sending.error().await;
        assert_eq!(error.code(), Code::DeadlineExceeded, "{call:?}");
        assert!(error.message().contains("ingest.limits.body_timeout"));
        let waited = begun.elapsed();
        // A stream's message begins with its first byte, a call's with the call.
        let begun = if call == Call::Stream {
            SECOND
        } else {
            Duration::ZERO
        };
        assert_eq!(waited, timeout + begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_must_begin_and_end_in_time() {
    let Bench { ingest, .. } = bench(Limits::default());
    let message = [prefix(1), b"a".to_vec()].concat();
    for sent in [vec![], message] {
        let mut sending = Sending::new(Call::Unary, &ingest);
        let begun = Instant::now();
        sending.send(sent.clone());
        if !sent.is_empty() {
            sending.passed().await;
            sending.passed().await;
        }
        assert_eq!(sending.error().await.code(), Code::DeadlineExceeded);
        assert_eq!(begun.elapsed(), ingest.limits().body_timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_may_stay() {
    let Bench { ingest, .. } = bench(Limits::default());
    let mut sending = Sending::new(Call::Stream, &ingest);
    let message = [prefix(1), b"a".to_vec()].concat();
    for _ in 0..3 {
        sending.holds().await;
        tokio::time::advance(Duration::from_secs(86_400)).await;
        sending.holds().await;
        sending.send(message.clone());
        assert_eq!(sending.passed().await, prefix(1));
        assert_eq!(sending.passed().await, b"a");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_memory_does_not_count_as_the_senders_time() {
    let Bench { ingest, .. } = bench(small());
    let timeout = ingest.limits().body_timeout;
    let reserved = ingest.try_reserve(8 * UNIT).unwrap();
    let mut sending = Sending::new(Call::Stream, &ingest);
    sending.send([0]);
    sending.holds().await;
    tokio::time::advance(timeout / 2).await;
    sending.send([0, 0, 0, 1]);
    sending.holds().await;
    tokio::time::advance(timeout * 2).await;
    drop(reserved);
    let reserved = Instant::now();
    assert_eq!(sending.passed().await, prefix(1));
    assert_eq!(sending.error().await.code(), Code::DeadlineExceeded);
    assert_eq!(reserved.elapsed(), timeout / 2, "the remaining time");
}

#[tokio::test]
async fn a_call_that_breaks_off_or_goes_on_is_none() {
    let Bench { ingest, .. } = bench(Limits::default());
    for call in [Call::Unary, Call::Stream] {
        for (sent, given) in [([prefix(2), b"a".to_vec()].concat(), 2), (vec![0, 0], 0)] {
            let mut sending = Sending::new(call, &ingest);
            sending.send(sent);
            sending.end();
            for _ in 0..given {
                sending.passed().await;
            }
            assert_eq!(sending.error().await.code(), Code::Internal);
        }
    }
    let mut sending = Sending::new(Call::Unary, &ingest);
    sending.send([prefix(0), prefix(0)].concat());
    assert_eq!(sending.passed().await, prefix(0));
    assert_eq!(sending.error().await.code(), Code::Internal);
}

#[tokio::test]
async fn at_stop_a_stream_takes_no_more_and_a_question_is_answered() {
    let Bench { ingest, stop, .. } = bench(Limits::default());
    let message = [prefix(1), b"a".to_vec()].concat();
    let [mut busy, mut half, mut idle] = [(); 3].map(|()| Sending::new(Call::Stream, &ingest));
    busy.send(message.repeat(2));
    busy.passed().await;
    busy.passed().await;
    half.send(prefix(1));
    half.passed().await;
    idle.holds().await;
    stop.cancel();
    for stream in [&mut busy, &mut half, &mut idle] {
        let error = stream.error().await;
        assert_eq!(error.code(), Code::Unavailable);
        assert_ne!(error.details(), b"", "there is a delay");
    }
    let mut call = Sending::new(Call::Unary, &ingest);
    call.send(message.clone());
    assert_eq!(call.error().await.code(), Code::Unavailable);
    let mut health = Sending::new(Call::Check, &ingest);
    health.send(message);
    assert_eq!(health.passed().await, prefix(1));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A call whose compressed messages are inflated.
fn inflating(call: Call, ingest: &Ingest) -> Sending {
    let sending = Sending::new(call, ingest);
    Sending {
        body: sending.body.inflating(true),
        ..sending
    }
}

#[tokio::test]
async fn a_compressed_message_is_inflated_before_it_is_given_on() {
    let Bench { ingest, .. } = bench(small());
    for call in [Call::Unary, Call::Stream] {
        let mut sending = inflating(call, &ingest);
        let most = vec![b'a'; 8 * UNIT];
        let one = gzip(&most);
        sending.send(compressed(one.len()));
        let (half, rest) = one.split_at(one.len() / 2);
        sending.send(half);
        sending.holds().await;
        sending.send(rest);
        assert_eq!(sending.passed().await, prefix(most.len()));
        assert_eq!(sending.passed().await, most);
        // Only the memory of its bytes stays reserved.
        drop(sending.sender.reserve(UNIT).unwrap());
        assert!(ingest.try_reserve(8 * UNIT).is_ok());
        if call == Call::Stream {
            for content in [&b""[..], b"b"] {
                let next = gzip(content);
                sending.send([compressed(next.len()), next].concat());
                assert_eq!(sending.passed().await, prefix(content.len()));
                if !content.is_empty() {
                    assert_eq!(sending.passed().await, content);
                }
                drop(sending.sender.reserve(UNIT).unwrap());
            }
            sending.send([prefix(1), b"c".to_vec()].concat());
            assert_eq!(sending.passed().await, prefix(1));
            assert_eq!(sending.passed().await, b"c");
        }
    }
}

#[tokio::test]
async fn a_compressed_message_that_cannot_be_inflated_ends_the_call_and_releases_its_memory() {
    let Bench { ingest, .. } = bench(small());
    let whole = gzip(b"whole");
    for (bytes, code) in [
        (whole[..whole.len() - 1].to_vec(), Code::Internal),
        (b"no gzip".to_vec(), Code::Internal),
        (gzip(&[b'a'; 8 * UNIT + 1]), Code::ResourceExhausted),
    ] {
        for call in [Call::Unary, Call::Stream] {
            let mut sending = inflating(call, &ingest);
            sending.send([compressed(bytes.len()), bytes.clone()].concat());
            assert_eq!(sending.error().await.code(), code);
            assert!(ingest.try_reserve(8 * UNIT).is_ok());
        }
    }
}
