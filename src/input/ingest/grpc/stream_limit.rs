//! Streams that bring no events: of health, and of reflection.
//!
//! Enters: the answer to such a call. Leaves: the same, with an end. What must hold: there are never
//! more of them than streams, and none stays for ever; unidentified take no permit that a identified peer
//! needs. What ends here ends with `UNAVAILABLE`, so that a client asks again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// Of so many connections that a listener has, one may be a stranger's stream.
const CONNECTIONS_PER_UNIDENTIFIED: usize = 8;
/// How long a identified peer may keep a stream. A client calls nothing over a connection until it has
/// asked for its health again.
const IDENTIFIED_LIFETIME: Duration = Duration::from_secs(3600);
/// The same for a stranger.
const UNIDENTIFIED_LIFETIME: Duration = Duration::from_secs(300);

/// The streams of a listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct StreamLimit {
    identified: Arc<Semaphore>,
    unidentified: Arc<Semaphore>,
}

/// A permit, for a while.
pub(super) struct StreamPermit {
    _permit: OwnedSemaphorePermit,
    time: Duration,
}

impl StreamLimit {
    /// StreamLimit for a listener of so many connections.
    pub(super) fn new(connections: usize) -> Self {
        let streams = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        StreamLimit {
            identified: streams(connections),
            unidentified: streams(connections / CONNECTIONS_PER_UNIDENTIFIED),
        }
    }

    /// A permit for a stream of a peer that is identified, or is a stranger.
    ///
    /// # Errors
    /// They are all taken.
    pub(super) fn try_acquire(&self, identified: bool) -> Result<StreamPermit, Status> {
        let (streams, time) = match identified {
            true => (&self.identified, IDENTIFIED_LIFETIME),
            false => (&self.unidentified, UNIDENTIFIED_LIFETIME),
        };
        match Arc::clone(streams).try_acquire_owned() {
            Ok(permit) => Ok(StreamPermit {
                _permit: permit,
                time,
            }),
            Err(_) => Err(Status::resource_exhausted(match identified {
                true => {
                    "there are as many streams of health and reflection as there may be \
                     (ingest.limits.connections)"
                }
                false => {
                    "there are as many streams of health without a token as there may be: show a \
                     token (ingest.token_files), or call Check"
                }
            })),
        }
    }
}

impl StreamPermit {
    /// The answer's body, until the permit has to be given back.
    pub(super) fn limit(self, body: Body) -> Body {
        Body::new(LimitedBody {
            body,
            end: Box::pin(sleep(self.time)),
            permit: Some(self),
        })
    }
}

struct LimitedBody {
    body: Body,
    end: Pin<Box<Sleep>>,
    /// None: it has ended.
    permit: Option<StreamPermit>,
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(permit) = &self.permit else {
            return Poll::Ready(None);
        };
        let time = permit.time.as_secs();
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.end.as_mut().poll(cx));
        self.body = Body::empty();
        self.permit = None;
        let status = Status::unavailable(format!("a stream lasts {time} s: call again"));
        let trailers = status.into_http::<Body>().into_parts().0.headers;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use http_body_util::StreamBody;
    use tokio::time::Instant;
    use tonic::Code;

    use super::*;

    fn endless() -> Body {
        let first = Frame::data(Bytes::from_static(b"first"));
        let first = tokio_stream::once(Ok::<_, axum::Error>(first));
        Body::new(StreamBody::new(tokio_stream::StreamExt::chain(
            first,
            tokio_stream::pending(),
        )))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_its_time_and_gives_its_place_back() {
        let streams = StreamLimit::new(1);
        for (identified, time) in [(true, IDENTIFIED_LIFETIME), (false, UNIDENTIFIED_LIFETIME)] {
            let begun = Instant::now();
            let mut body = streams.try_acquire(identified).unwrap().limit(endless());
            assert_eq!(
                streams.try_acquire(identified).err().unwrap().code(),
                Code::ResourceExhausted
            );
            let first = body.frame().await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "first");
            let last = body.frame().await.unwrap().unwrap();
            let status = Status::from_header_map(last.trailers_ref().unwrap()).unwrap();
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert_eq!(begun.elapsed(), time);
            assert!(body.frame().await.is_none());
            assert!(
                streams.try_acquire(identified).is_ok(),
                "while the body is still held"
            );
        }
    }

    #[tokio::test]
    async fn strangers_take_no_place_of_known_peers() {
        let streams = StreamLimit::new(16);
        let unidentified: Vec<_> = std::iter::from_fn(|| streams.try_acquire(false).ok()).collect();
        assert_eq!(unidentified.len(), 2);
        let identified: Vec<_> = std::iter::from_fn(|| streams.try_acquire(true).ok()).collect();
        assert_eq!(identified.len(), 16);
    }
}
