//! `/metrics`, `/livez` and `/readyz`.
//!
//! Enters: an address, the metrics, the exporter's health and whether inputs run. Leaves: answers.
//! What must hold: a port that is taken is told by the key that moves it; whatever others do with
//! their connections, they take few of the process's files, and a probe is answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::health::not_ready;
use super::metrics::Metrics;
use super::prometheus;
use crate::ack::dead_letter::DeadLetters;
use crate::export::Health;
use crate::input::ingest::Limits;
use crate::input::listen::Listener;

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
    health: watch::Receiver<Health>,
    running: watch::Receiver<bool>,
    letters: DeadLetters,
    down_since: Arc<Mutex<Option<Instant>>>,
}

/// The running server.
pub struct Server {
    /// Where it listens: the port that was chosen, where 0 was asked for.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to answer. `running` tells whether an input runs, `letters` whether dead letters can be
    /// written.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        address: SocketAddr,
        metrics: Arc<Metrics>,
        health: watch::Receiver<Health>,
        running: watch::Receiver<bool>,
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
        let shared = Shared {
            metrics,
            health,
            running,
            letters,
            down_since: Arc::default(),
        };
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
        .with_state(shared.clone());
    tokio::select! {
        () = listener.serve(router, stop) => {}
        () = watch_health(shared) => {}
    }
}

/// Notes since when the collector has been away. Ends never.
async fn watch_health(mut shared: Shared) {
    loop {
        let up = *shared.health.borrow_and_update() == Health::Up;
        {
            let mut since = lock(&shared.down_since);
            *since = if up {
                None
            } else {
                since.or_else(|| Some(Instant::now()))
            };
        }
        if shared.health.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, prometheus::CONTENT_TYPE)],
        prometheus::render(&shared.metrics),
    )
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let down_for = lock(&shared.down_since).map_or(Duration::ZERO, |since| since.elapsed());
    let reason = not_ready(&shared.health.borrow(), down_for, *shared.running.borrow())
        .or_else(|| shared.letters.stuck());
    match reason {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn lock(since: &Mutex<Option<Instant>>) -> std::sync::MutexGuard<'_, Option<Instant>> {
    since.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

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
        let (health, health_seen) = watch::channel(Health::Up);
        let (running, running_seen) = watch::channel(false);
        let letters = DeadLetters::none();
        let server = Server::start(loopback(), metrics, health_seen, running_seen, letters)
            .await
            .unwrap();
        let text = get(server.address, "/metrics").await;
        assert!(text.contains("qtrail_events_exported_total 7"), "{text}");
        assert!(
            text.to_lowercase().contains("text/plain; version=0.0.4"),
            "{text}"
        );
        assert!(
            get(server.address, "/livez")
                .await
                .starts_with("HTTP/1.1 200")
        );
        let before = get(server.address, "/readyz").await;
        assert!(before.starts_with("HTTP/1.1 503") && before.contains("no input runs"));
        running.send_replace(true);
        assert!(
            get(server.address, "/readyz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        health.send_replace(Health::Blocked {
            reason: "the token is wrong".to_owned(),
        });
        let blocked = get(server.address, "/readyz").await;
        assert!(blocked.starts_with("HTTP/1.1 503") && blocked.contains("the token is wrong"));
        let address = server.address;
        server.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_by_its_key() {
        let taken = TcpListener::bind(loopback()).await.unwrap();
        let (_, health) = watch::channel(Health::Up);
        let (_, running) = watch::channel(true);
        let address = taken.local_addr().unwrap();
        let letters = DeadLetters::none();
        let error = Server::start(address, Arc::default(), health, running, letters)
            .await
            .err()
            .unwrap();
        let text = format!("{error:#}");
        assert!(
            text.contains("telemetry.http") && text.contains(&address.to_string()),
            "{text}"
        );
    }
}
