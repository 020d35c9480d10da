//! The HTTP services behind a real listener, in this process, and a plain client for them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use qtrail::dead_letter::{self, DeadLetters};
use qtrail::export::Destination;
use qtrail::input::ingest::http::router;
use qtrail::input::ingest::listen::Listener;
use qtrail::input::ingest::listen::auth::Auth;
use qtrail::input::ingest::{Ingest, Limits, Listen, Settings};
use qtrail::telemetry::metrics::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::flow::{Flow, flow};

/// All of a sidecar that serves HTTP.
pub struct Receiver {
    pub address: String,
    pub metrics: Arc<Metrics>,
    pub ingest: Ingest,
    /// No request is taken any more.
    pub stop: CancellationToken,
    abort: CancellationToken,
    folder: TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number under this key.
    pub fn count(&self, key: &str) -> u64 {
        let body = self.json();
        body[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key} in {body}"))
    }

    /// The text under this key.
    pub fn text(&self, key: &str) -> String {
        let body = self.json();
        let text = body[key].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("no {key} in {body}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

impl Receiver {
    /// One whose events are taken and thrown away.
    pub async fn discarding() -> Self {
        Self::start(Destination::Discard, Limits::default(), None).await
    }

    /// One that asks for one of `tokens`, if there are any.
    pub async fn start(destination: Destination, limits: Limits, tokens: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = tokens.map(|tokens| {
            let file = folder.path().join("tokens");
            std::fs::write(&file, tokens).unwrap();
            file
        });
        let auth =
            Auth::open("ingest.token_files", &files.into_iter().collect::<Vec<_>>()).unwrap();
        let letters = dead_letter::Settings::new(folder.path().join("dead.jsonl"));
        let letters = DeadLetters::open(letters, CancellationToken::new()).unwrap();
        let Flow {
            pipeline,
            health,
            metrics,
            abort,
        } = flow(destination, letters, 64 << 20);
        let stop = CancellationToken::new();
        let settings = Settings {
            limits: limits.clone(),
            ..Settings::default()
        };
        let ingest = Ingest::new(pipeline, health, limits, Arc::clone(&metrics), stop.clone());
        let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
        let listener = Listener::bind(
            "ingest.http.listen",
            &listen,
            &settings,
            Arc::clone(&metrics),
        );
        let listener = listener.await.unwrap();
        let address = listener.address();
        tokio::spawn(listener.serve(router(&ingest, &auth), abort.clone()));
        Receiver {
            address,
            metrics,
            ingest,
            stop,
            abort,
            folder,
        }
    }

    /// Posts a body; the answer.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        post(&self.address, path, headers, body).await
    }

    /// Sends a request; the answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        send(request).await
    }

    /// A connection.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// What is in the dead letters.
    pub fn dead_letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("dead.jsonl"));
        let text = text.unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Panics unless each record is accounted for, and none is on its way.
    pub fn assert_balance(&self) {
        let balance = self.metrics.balance();
        assert!(balance.holds() && balance.in_flight == 0, "{balance}");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.abort.cancel();
    }
}

/// Posts a body; the answer.
pub async fn post(
    address: impl std::fmt::Display,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::new(body.into())).unwrap()).await
}

async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// What came over a connection until it was closed.
pub async fn heard(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // A connection that is reset has said what it had to say.
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}
