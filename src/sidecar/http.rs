//! `/metrics`, `/livez` and `/readyz`.
//!
//! Enters: an address, the metrics, and the causes that stop events from moving. Leaves: answers. What must
//! hold: the error for a port in use names the key that changes it; clients take few of the process's
//! files, and a probe is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dead_letter::DeadLetters;
use crate::input::ingest::Limits;
use crate::input::ingest::listen::Listener;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::prometheus_text;

/// Connections at a time. Beyond it, the one that has been idle for longest is closed for a new one.
const CONNECTIONS: usize = 64;
/// Questions at a time on one connection.
const STREAMS: u32 = 8;
/// How long the headers of a request may take, and how long a connection is kept between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the answers are made of.
#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    letters: DeadLetters,
}

/// The running server.
pub struct Server {
    /// Where it listens: the port that was chosen, where 0 was asked for.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to answer; `letters` tell whether they are full.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        address: SocketAddr,
        metrics: Arc<Metrics>,
        letters: DeadLetters,
    ) -> anyhow::Result<Self> {
        let limits = Limits {
            connections: CONNECTIONS,
            streams: STREAMS,
            header_timeout: HEADER_TIMEOUT,
            ..Limits::default()
        };
        let listener = Listener::bind_open("telemetry.http", address, limits).await?;
        let address = listener.address().parse()?;
        let shared = Shared { metrics, letters };
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, shared, stop.clone()));
        tracing::info!("http://{address}/metrics, /livez and /readyz are served");
        Ok(Server {
            address,
            stop,
            task,
        })
    }

    /// Stops; answers under way are finished, within a second.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let mut task = self.task;
        if tokio::time::timeout(Duration::from_secs(1), &mut task)
            .await
            .is_err()
        {
            task.abort();
        }
    }
}

async fn serve(listener: Listener, shared: Shared, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(shared);
    listener.serve(router, stop).await;
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    shared.letters.look();
    let (content_type, text) = prometheus_text(&shared.metrics);
    ([(CONTENT_TYPE, content_type)], text)
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    shared.letters.look();
    match shared.metrics.not_ready() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::telemetry::stalls::Cause;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[tokio::test]
    async fn metrics_and_health_are_answered() {
        let metrics = Arc::new(Metrics::default());
        metrics.exported.add(7);
        let stopping = CancellationToken::new();
        metrics.stopping.set(stopping.clone()).unwrap();
        let server = Server::start(loopback(), metrics.clone(), DeadLetters::none());
        let server = server.await.unwrap();
        let address = server.address;
        let text = get(address, "/metrics").await;
        assert!(text.contains("qtrail_events_exported_total 7"), "{text}");
        assert!(
            text.to_lowercase().contains("text/plain; version=0.0.4"),
            "{text}"
        );
        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let cause = Cause::CollectorBlocked;
        metrics
            .stalls
            .set(cause, "", "correct the token".to_owned());
        let blocked = get(address, "/readyz").await;
        assert!(blocked.starts_with("HTTP/1.1 503") && blocked.contains("correct the token"));
        let text = get(address, "/metrics").await;
        let series = "qtrail_stalled{reason=\"collector_blocked\"} 1";
        assert!(text.contains(series), "{text}");
        metrics.stalls.clear(cause, "");
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let ready = |text: &str, value: u8| text.contains(&format!("\nqtrail_ready {value}\n"));
        assert!(ready(&get(address, "/metrics").await, 1));
        stopping.cancel();
        assert!(ready(&get(address, "/metrics").await, 0));
        let stops = get(address, "/readyz").await;
        assert!(stops.starts_with("HTTP/1.1 503") && stops.contains("stopping"));
        server.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_by_its_key() {
        let taken = TcpListener::bind(loopback()).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = Server::start(address, Arc::default(), DeadLetters::none()).await;
        let error = error.err().unwrap();
        let text = format!("{error:#}");
        assert!(
            text.contains("telemetry.http") && text.contains(&address.to_string()),
            "{text}"
        );
    }
}
