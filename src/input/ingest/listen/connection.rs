//! One connection, from its first byte to its last.
//!
//! Enters: a stream, its peer and its slot. Leaves: requests, with their [`Peer`], to the router. What must hold: a
//! peer that sends nothing, or too slowly, or not HTTP, is disconnected within a time limit; the memory that it can
//! use is bounded; at `stop`, requests in progress are finished, and idle peers are disconnected.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::Peer;
use super::audit::{Audit, Connection};
use super::connection_limit::Slot;
use super::socket::Io;
use super::tls::{self, Certificates};
use crate::input::ingest::Limits;

/// How long an idle peer may take to disconnect after it was asked to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// After this many header timeouts without a frame, an HTTP/2 peer gets a `PING`, and has one more timeout to answer.
const KEEP_ALIVE_FACTOR: u32 = 2;
/// Bytes of a request's headers.
const HEADERS: u32 = 16 << 10;
/// Bytes of the read and write buffers of an HTTP/1 connection.
const BUFFER: usize = 64 << 10;
/// The smallest and the largest HTTP/2 window of a connection.
const WINDOWS: (usize, usize) = (64 << 10, 1 << 20);
/// Streams that a peer may reset, or that its errors reset, before it is disconnected.
const RESETS: usize = 64;

/// State that the connections of a listener share.
pub(super) struct Protocol {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    header_timeout: Duration,
    tls: Option<Certificates>,
    audit: Arc<Audit>,
}

impl Protocol {
    pub(super) fn new(
        router: Router,
        limits: &Limits,
        tls: Option<Certificates>,
        audit: Arc<Audit>,
    ) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(BUFFER);
        let window = window(limits);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.header_timeout.saturating_mul(KEEP_ALIVE_FACTOR))
            .keep_alive_timeout(limits.header_timeout)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(HEADERS)
            .max_send_buf_size(BUFFER)
            .initial_connection_window_size(window)
            // One blocked stream must not block the others.
            .initial_stream_window_size(window / 2)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS);
        Protocol {
            builder,
            router,
            header_timeout: limits.header_timeout,
            tls,
            audit,
        }
    }

    /// Serves a connection until its end.
    pub(super) async fn serve(
        &self,
        stream: Box<dyn Io>,
        mut peer: Peer,
        slot: Arc<Slot>,
        stop: CancellationToken,
    ) {
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, peer, slot, stop).await;
        };
        let handshake = tokio::time::timeout(self.header_timeout, tls.accept(stream));
        let encrypted = tokio::select! {
            encrypted = handshake => encrypted,
            () = slot.evicted() => return,
            () = stop.cancelled() => return,
        };
        match encrypted {
            Ok(Ok(stream)) => {
                peer.certificate = tls::name(&stream);
                if tls.names_clients() {
                    slot.mark_identified();
                }
                self.serve_http(stream, peer, slot, stop).await;
            }
            Ok(Err(error)) => match error.kind() {
                Some(kind) => self.audit.log_refusal(kind, &peer, &error),
                None => debug!(peer = &*peer.address, "{error}"),
            },
            Err(_) => self.log_timeout("TLS handshake", &peer),
        }
    }

    /// Serves requests over a stream that is already decrypted.
    async fn serve_http(
        &self,
        stream: impl Io + 'static,
        peer: Peer,
        slot: Arc<Slot>,
        stop: CancellationToken,
    ) {
        let router = self.router.clone();
        let (request_peer, audit) = (peer.clone(), self.audit.connection());
        let request_slot = Arc::clone(&slot);
        let service =
            service_fn(move |request| call(&router, request, &request_peer, &audit, &request_slot));
        let stream = TokioIo::new(stream);
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        tokio::select! {
            // Bytes that have arrived go before a timeout.
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    self.log_error(&*error, &peer, &slot);
                }
                return;
            }
            () = stop.cancelled() => {}
            () = slot.evicted() => return,
            () = slot.no_request_within(self.header_timeout) => return self.log_timeout("request", &peer),
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = slot.idle_for(CLOSE_TIMEOUT) => {}
        }
    }

    /// Logs why a connection failed, as a refusal if its peer caused that.
    fn log_error(&self, error: &(dyn Error + 'static), peer: &Peer, slot: &Slot) {
        match error.downcast_ref::<hyper::Error>() {
            Some(error) if error.is_timeout() && !slot.has_request() => {
                self.log_timeout("request", peer)
            }
            Some(error) if !error.is_timeout() && !is_disconnect(error) => {
                let detail = error.source().map(|source| format!(": {source}"));
                let detail = detail.unwrap_or_default();
                let guess = match (&self.tls, error.is_parse()) {
                    (None, true) if self.audit.keys.is_some() => "; is it TLS, without ingest.tls?",
                    _ => "",
                };
                let why = format!("invalid HTTP: {error}{detail}{guess}");
                self.audit.log_refusal("protocol", peer, &why);
            }
            _ => debug!(peer = &*peer.address, "the connection ended: {error}"),
        }
    }

    fn log_timeout(&self, what: &str, peer: &Peer) {
        let why = format!(
            "no {what} came within {} s{}",
            self.header_timeout.as_secs_f64(),
            self.audit.key("header_timeout")
        );
        self.audit.log_refusal("slow", peer, &why);
    }
}

/// Passes a request to the router. It is in progress until its answer is complete.
fn call(
    router: &Router,
    mut request: Request<Incoming>,
    peer: &Peer,
    audit: &Connection,
    slot: &Arc<Slot>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let in_progress = slot.begin_request();
    request.extensions_mut().insert(peer.clone());
    request.extensions_mut().insert(audit.clone());
    request.extensions_mut().insert(Arc::clone(slot));
    let answer = router.clone().oneshot(request);
    async move {
        let answer = answer.await?;
        // Once the answer has a known size, the request is no longer in progress, even if the peer does not read it.
        if answer.body().size_hint().exact().is_some() {
            return Ok(answer);
        }
        Ok(answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _ = &in_progress;
                frame
            }))
        }))
    }
}

/// The HTTP/2 window of a connection. All windows together are about as large as all requests in flight.
fn window(limits: &Limits) -> u32 {
    let share = limits.in_flight_bytes / limits.connections.max(1);
    share.clamp(WINDOWS.0, WINDOWS.1) as u32
}

/// Whether the peer or the network ended the connection.
fn is_disconnect(error: &hyper::Error) -> bool {
    let io = error
        .source()
        .is_some_and(|source| source.is::<std::io::Error>());
    io || error.is_incomplete_message() || error.is_canceled() || error.is_closed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_windows_together_are_about_as_large_as_all_requests() {
        for (in_flight_bytes, connections, expected) in [
            (64 << 20, 512, 128 << 10),
            (64 << 20, 1, 1 << 20),
            (64 << 20, 100_000, 64 << 10),
            (0, 0, 64 << 10),
        ] {
            let limits = Limits {
                in_flight_bytes,
                connections,
                ..Limits::default()
            };
            assert_eq!(window(&limits), expected);
        }
    }
}
