//! Limits on streams without events: health's `Watch`, and reflection.
//!
//! Enters: the response of such a call. Leaves: the same, with an end. What must hold: the number of these
//! streams and their lifetime are bounded; unidentified peers take no permit from identified ones. A stream ends
//! with `UNAVAILABLE`, so that its client starts another.

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

/// There is one permit for unidentified peers per this many connections.
const CONNECTIONS_PER_PERMIT: usize = 8;
/// Lifetime of an identified peer's stream. A client that checks health makes no calls between the end of its
/// `Watch` and the next one, so it must be rare.
const IDENTIFIED_LIFETIME: Duration = Duration::from_secs(3600);
/// Lifetime of an unidentified peer's stream.
const UNIDENTIFIED_LIFETIME: Duration = Duration::from_secs(300);

/// The permits of a listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct StreamLimit {
    identified: Arc<Semaphore>,
    unidentified: Arc<Semaphore>,
}

/// Permits one stream, for a time.
pub(super) struct StreamPermit {
    _permit: OwnedSemaphorePermit,
    lifetime: Duration,
}

impl StreamLimit {
    /// The permits of a listener with this many connections.
    pub(super) fn new(connections: usize) -> Self {
        let permits = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        StreamLimit {
            identified: permits(connections),
            unidentified: permits(connections / CONNECTIONS_PER_PERMIT),
        }
    }

    /// A permit for a stream.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` if all are in use.
    pub(super) fn try_acquire(&self, identified: bool) -> Result<StreamPermit, Status> {
        let (permits, lifetime) = match identified {
            true => (&self.identified, IDENTIFIED_LIFETIME),
            false => (&self.unidentified, UNIDENTIFIED_LIFETIME),
        };
        match Arc::clone(permits).try_acquire_owned() {
            Ok(permit) => Ok(StreamPermit {
                _permit: permit,
                lifetime,
            }),
            Err(_) => Err(Status::resource_exhausted(match identified {
                true => {
                    "all streams for health and reflection are in use (ingest.limits.connections)"
                }
                false => {
                    "all health streams for senders without a token are in use: send a token \
                     (ingest.token_files), or call Check"
                }
            })),
        }
    }
}

impl StreamPermit {
    /// Ends the body after the permit's lifetime.
    pub(super) fn limit(self, body: Body) -> Body {
        Body::new(LimitedBody {
            body,
            end: Box::pin(sleep(self.lifetime)),
            permit: Some(self),
        })
    }
}

struct LimitedBody {
    body: Body,
    end: Pin<Box<Sleep>>,
    /// `None` once the body has ended.
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
        let seconds = permit.lifetime.as_secs();
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.end.as_mut().poll(cx));
        self.body = Body::empty();
        self.permit = None;
        let status = Status::unavailable(format!("a stream ends after {seconds} s: call again"));
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
    async fn a_stream_ends_after_its_lifetime_and_returns_its_permit() {
        let limit = StreamLimit::new(1);
        for (identified, time) in [(true, IDENTIFIED_LIFETIME), (false, UNIDENTIFIED_LIFETIME)] {
            let started = Instant::now();
            let mut body = limit.try_acquire(identified).unwrap().limit(endless());
            assert_eq!(
                limit.try_acquire(identified).err().unwrap().code(),
                Code::ResourceExhausted
            );
            let first = body.frame().await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "first");
            let last = body.frame().await.unwrap().unwrap();
            let status = Status::from_header_map(last.trailers_ref().unwrap()).unwrap();
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert_eq!(started.elapsed(), time);
            assert!(body.frame().await.is_none());
            assert!(
                limit.try_acquire(identified).is_ok(),
                "while the body still exists"
            );
        }
    }

    #[tokio::test]
    async fn unidentified_peers_take_no_permits_of_identified_ones() {
        let limit = StreamLimit::new(16);
        let unidentified: Vec<_> = std::iter::from_fn(|| limit.try_acquire(false).ok()).collect();
        assert_eq!(unidentified.len(), 2);
        let identified: Vec<_> = std::iter::from_fn(|| limit.try_acquire(true).ok()).collect();
        assert_eq!(identified.len(), 16);
    }
}
