//! One connection, from its first byte to its last.
//!
//! Enters: a stream, its peer's name and its slot. Leaves: requests, with their [`Peer`], to the
//! router. What must hold: a peer that sends nothing, or too slowly, or what is no HTTP, is is_disconnect
//! within a limit; what it can make us hold is bounded; at `stop`, requests under way are finished,
//! and an idle peer is not waited for.

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

/// How long a peer without a request under way may take to hang up once it was asked to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// After so many header timeouts in silence, an HTTP/2 peer is asked for a sign of life; it has one
/// more for its answer.
const KEEP_ALIVE_FACTOR: u32 = 2;
/// Bytes of a request's headers.
const HEADERS: u32 = 16 << 10;
/// Bytes read ahead, or not yet written, on an HTTP/1 connection.
const BUFFER: usize = 64 << 10;
/// HTTP/2's smallest window for a connection, and the largest that is worth its memory.
const WINDOWS: (usize, usize) = (64 << 10, 1 << 20);
/// Streams that a peer may reset, or have reset by its errors, before it counts as hostile.
const RESETS: usize = 64;

/// What the connections of a listener share.
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
            // So that one stream that is held up does not hold up the others.
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

    /// Serves a connection until the peer hangs up or has to go.
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

    /// Takes requests, and answers them.
    async fn serve_http(
        &self,
        stream: impl Io + 'static,
        peer: Peer,
        slot: Arc<Slot>,
        stop: CancellationToken,
    ) {
        let router = self.router.clone();
        let (named, audit) = (peer.clone(), self.audit.connection());
        let called = Arc::clone(&slot);
        let service = service_fn(move |request| call(&router, request, &named, &audit, &called));
        let stream = TokioIo::new(stream);
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        tokio::select! {
            // What has arrived counts before any time is up.
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

    /// Tells why a connection broke, where its peer is to blame.
    fn log_error(&self, error: &(dyn Error + 'static), peer: &Peer, slot: &Slot) {
        match error.downcast_ref::<hyper::Error>() {
            Some(error) if error.is_timeout() && !slot.has_request() => {
                self.log_timeout("request", peer)
            }
            Some(error) if !error.is_timeout() && !is_disconnect(error) => {
                let detail = error.source().map(|source| format!(": {source}"));
                let detail = detail.unwrap_or_default();
                let guess = match (&self.tls, error.is_parse()) {
                    (None, true) if self.audit.keys.is_some() => {
                        "; is it TLS, where there is no ingest.tls?"
                    }
                    _ => "",
                };
                let why = format!("it is no good HTTP: {error}{detail}{guess}");
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

/// Hands a request to the router. It is under way until its answer is known.
fn call(
    router: &Router,
    mut request: Request<Incoming>,
    peer: &Peer,
    audit: &Connection,
    slot: &Arc<Slot>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let under_way = slot.begin_request();
    request.extensions_mut().insert(peer.clone());
    request.extensions_mut().insert(audit.clone());
    request.extensions_mut().insert(Arc::clone(slot));
    let answer = router.clone().oneshot(request);
    async move {
        let answer = answer.await?;
        // A peer that does not read a finished answer is idle; a stream of answers is not.
        if answer.body().size_hint().exact().is_some() {
            return Ok(answer);
        }
        Ok(answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _ = &under_way;
                frame
            }))
        }))
    }
}

/// Bytes that an HTTP/2 peer may send ahead of what is read: all connections together, about as
/// many as all requests.
fn window(limits: &Limits) -> u32 {
    let share = limits.in_flight_bytes / limits.connections.max(1);
    share.clamp(WINDOWS.0, WINDOWS.1) as u32
}

/// Whether the peer, or the network, ended the connection without a word.
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
