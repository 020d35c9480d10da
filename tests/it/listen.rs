//! Listening: sockets, TLS, tokens, and senders who mean no good.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use qtrail::input::ingest::{Listen, Settings};
use qtrail::input::listen::{Listener, Peer};
use qtrail::telemetry::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const KEY: &str = "ingest.http.listen";

/// A listener with a trivial router.
struct Served {
    address: String,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(settings: &Settings) -> Self {
        let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
        Self::at(&listen, settings).await
    }

    async fn at(listen: &Listen, settings: &Settings) -> Self {
        let metrics = Arc::new(Metrics::default());
        let listener = Listener::bind(KEY, listen, settings, Arc::clone(&metrics))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let address = listener.address();
        let task = tokio::spawn(listener.serve(router(), stop.clone()));
        Served {
            address,
            metrics,
            stop,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

fn router() -> Router {
    Router::new().route(
        "/",
        get(async |peer: axum::Extension<Peer>| peer.address.to_string()),
    )
}

#[tokio::test]
async fn a_request_reaches_the_router_with_its_peer() {
    let served = Served::start(&Settings::default()).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(&own),
        "{answer}"
    );
    served.stop.cancel();
    served.task.await.unwrap();
    assert_eq!(served.metrics.ingest_connections.get(), 0);
}
