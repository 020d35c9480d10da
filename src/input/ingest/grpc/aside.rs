//! Streams that bring no events: of health, and of reflection.
//!
//! Enters: the answer to such a call. Leaves: the same, with an end. What must hold: there are never
//! more of them than places, and none stays for ever; strangers take no place that a known peer
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
const CONNECTIONS_FOR_A_STRANGER: usize = 8;
/// How long a known peer may keep a stream. A client calls nothing over a connection until it has
/// asked for its health again.
const KNOWN: Duration = Duration::from_secs(3600);
/// The same for a stranger.
const STRANGER: Duration = Duration::from_secs(300);

/// The places of a listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// A place, for a while.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    time: Duration,
}

impl Places {
    /// Places for a listener of so many connections.
    pub(super) fn new(connections: usize) -> Self {
        let places = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        Places {
            known: places(connections),
            strangers: places(connections / CONNECTIONS_FOR_A_STRANGER),
        }
    }

    /// A place for a stream of a peer that is known, or is a stranger.
    ///
    /// # Errors
    /// They are all taken.
    pub(super) fn take(&self, known: bool) -> Result<Place, Status> {
        let (places, time) = match known {
            true => (&self.known, KNOWN),
            false => (&self.strangers, STRANGER),
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => Ok(Place {
                _permit: permit,
                time,
            }),
            Err(_) => Err(Status::resource_exhausted(match known {
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

impl Place {
    /// The answer's body, until the place has to be given back.
    pub(super) fn bound(self, body: Body) -> Body {
        Body::new(Bounded {
            body,
            end: Box::pin(sleep(self.time)),
            place: Some(self),
        })
    }
}

struct Bounded {
    body: Body,
    end: Pin<Box<Sleep>>,
    /// None: it has ended.
    place: Option<Place>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(place) = &self.place else {
            return Poll::Ready(None);
        };
        let time = place.time.as_secs();
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.end.as_mut().poll(cx));
        self.body = Body::empty();
        self.place = None;
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
        let places = Places::new(1);
        for (known, time) in [(true, KNOWN), (false, STRANGER)] {
            let begun = Instant::now();
            let mut body = places.take(known).unwrap().bound(endless());
            assert_eq!(
                places.take(known).err().unwrap().code(),
                Code::ResourceExhausted
            );
            let first = body.frame().await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "first");
            let last = body.frame().await.unwrap().unwrap();
            let status = Status::from_header_map(last.trailers_ref().unwrap()).unwrap();
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert_eq!(begun.elapsed(), time);
            assert!(body.frame().await.is_none());
            assert!(places.take(known).is_ok(), "while the body is still held");
        }
    }

    #[tokio::test]
    async fn strangers_take_no_place_of_known_peers() {
        let places = Places::new(16);
        let strangers: Vec<_> = std::iter::from_fn(|| places.take(false).ok()).collect();
        assert_eq!(strangers.len(), 2);
        let known: Vec<_> = std::iter::from_fn(|| places.take(true).ok()).collect();
        assert_eq!(known.len(), 16);
    }
}
