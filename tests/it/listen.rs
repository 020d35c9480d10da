//! Listening: sockets, TLS, tokens, and senders who mean no good.

mod floods;
mod hostile;
mod limits;
mod raw;
mod sockets;
mod stop;
mod tls;
mod tokens;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::routing::get;
use axum::{Extension, Router};
use qtrail::input::ingest::listen::{Listener, Peer, keep_active};
use qtrail::input::ingest::{Limits, Listen, Settings};
use qtrail::telemetry::metrics::Metrics;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

const KEY: &str = "ingest.http.listen";
/// What a test awaits comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request that hangs up.
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A listener with a trivial router, and what was logged meanwhile.
struct Served {
    address: String,
    metrics: Arc<Metrics>,
    /// Requests to `/wait` that have begun, and what lets them end.
    waiting: Arc<Notify>,
    release: CancellationToken,
    stop: CancellationToken,
    task: JoinHandle<()>,
    log: Log,
}

fn loopback() -> Listen {
    Listen::Tcp(([127, 0, 0, 1], 0).into())
}

/// Settings with these bounds.
fn limited(connections: usize, header_timeout: Duration) -> Settings {
    Settings {
        limits: Limits {
            connections,
            header_timeout,
            ..Limits::default()
        },
        ..Settings::default()
    }
}

impl Served {
    async fn start(settings: &Settings) -> Self {
        Self::with(&loopback(), settings, Router::new()).await
    }

    /// `/` tells the peer's address, `/wait` works for the peer; other routes are the test's.
    async fn with(listen: &Listen, settings: &Settings, router: Router) -> Self {
        let metrics = Arc::new(Metrics::default());
        let counted = Arc::clone(&metrics);
        let bind = async {
            Listener::bind(KEY, listen, settings, counted)
                .await
                .unwrap()
        };
        Self::on(bind, metrics, router).await
    }

    /// The same, on this listener.
    async fn on(
        listener: impl Future<Output = Listener>,
        metrics: Arc<Metrics>,
        router: Router,
    ) -> Self {
        let log = Log::default();
        let subscriber = {
            let log = log.clone();
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || log.clone())
                .finish()
        };
        // The runtime of a test has one thread.
        let logging = tracing::subscriber::set_default(subscriber);
        let listener = listener.await;
        let (waiting, release) = (Arc::new(Notify::new()), CancellationToken::new());
        let (begun, released) = (Arc::clone(&waiting), release.clone());
        let wait = async move |request: Request| {
            let _busy = keep_active(request.extensions());
            begun.notify_one();
            released.cancelled().await;
            "waited"
        };
        let router = router
            .route(
                "/",
                get(async |peer: Extension<Peer>| peer.address.to_string()),
            )
            .route("/wait", get(wait));
        let stop = CancellationToken::new();
        let address = listener.address();
        let serving = listener.serve(router, stop.clone());
        let task = tokio::spawn(async move {
            let _logging: DefaultGuard = logging;
            serving.await;
        });
        Served {
            address,
            metrics,
            waiting,
            release,
            stop,
            task,
            log,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// The answer to a request on a connection of its own.
    async fn get(&self) -> String {
        ask(self.connect().await, GET).await
    }

    /// A good sender's request is answered.
    async fn serves(&self) {
        let answer = self.get().await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "{answer:?}\n{}",
            self.log.text()
        );
    }

    /// Waits until there are so many connections.
    async fn until_connections(&self, n: u64) {
        let metrics = Arc::clone(&self.metrics);
        until(move || metrics.ingest_connections.get() == n).await;
    }

    /// Stops, and waits for the end.
    async fn end(self) {
        self.stop.cancel();
        within(self.task).await.unwrap();
        assert_eq!(self.metrics.ingest_connections.get(), 0);
    }
}

/// Sends these bytes, and reads until the peer hangs up.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// What the peer says before it hangs up.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A connection may be reset where its bytes were not read.
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn within<F: Future>(future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain"),
    }
}

/// Waits for what announces itself to nobody.
async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// The lines with this text.
    fn lines(&self, text: &str) -> Vec<String> {
        let all = self.text();
        let found = all.lines().filter(|line| line.contains(text));
        found.map(str::to_owned).collect()
    }

    /// The one line with this text.
    fn once(&self, text: &str) -> String {
        let lines = self.lines(text);
        assert_eq!(lines.len(), 1, "{text:?} in\n{}", self.text());
        lines[0].clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
