//! The gRPC services over a real pipeline, in this process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use qtrail::dead_letter::{self, DeadLetters};
use qtrail::export::{Destination, Health, Protocol};
use qtrail::input::ingest::grpc;
use qtrail::input::ingest::listen::Listener;
use qtrail::input::ingest::listen::auth::Auth;
use qtrail::input::ingest::{self, Ingest, Limits, Listen};
use qtrail::telemetry::metrics::Metrics;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::support::collector::Collector;
use crate::support::flow::{Flow, flow};

/// What a test awaits comes within this time, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Bench {
    /// Host and port.
    pub address: String,
    pub ingest: Ingest,
    pub metrics: Arc<Metrics>,
    /// How the collector is, where there is none.
    pub health: watch::Sender<Health>,
    pub stop: CancellationToken,
    /// Done when all connections have ended.
    pub served: JoinHandle<()>,
    letters: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// Services whose events all go nowhere at once.
    pub async fn discarding(limits: Limits) -> Self {
        Self::start(Destination::Discard, limits, &[]).await
    }

    /// Services before a collector.
    pub async fn before(collector: &Collector, limits: Limits) -> Self {
        let destination = collector.destination(Protocol::Grpc, |_| {});
        Self::start(destination, limits, &[]).await
    }

    pub async fn start(destination: Destination, limits: Limits, tokens: &[PathBuf]) -> Self {
        let stop = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let letters = folder.path().join("dead-letters.jsonl");
        let dead_letters = dead_letter::Settings::new(letters.clone());
        let dead_letters = DeadLetters::open(dead_letters, CancellationToken::new()).unwrap();
        let discards = matches!(destination, Destination::Discard);
        let Flow {
            pipeline,
            health: seen,
            metrics,
            ..
        } = flow(destination, dead_letters, 64 << 20);
        let (health, said) = watch::channel(Health::Up);
        let seen = if discards { said } else { seen };
        let ingest = Ingest::new(
            pipeline,
            seen,
            limits.clone(),
            Arc::clone(&metrics),
            stop.clone(),
        );
        let router = grpc::router(&ingest, &Auth::open("ingest.token_files", tokens).unwrap());
        let settings = ingest::Settings {
            limits,
            ..ingest::Settings::default()
        };
        let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
        let counts = Arc::clone(&metrics);
        let listener = Listener::bind("ingest.grpc.listen", &listen, &settings, counts).await;
        let listener = listener.unwrap();
        let address = listener.address();
        let served = tokio::spawn(listener.serve(router, stop.clone()));
        Bench {
            address,
            ingest,
            metrics,
            health,
            stop,
            served,
            letters,
            _folder: folder,
        }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        self.endpoint().connect().await.unwrap()
    }

    pub async fn client(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel().await)
    }

    /// The dead letters.
    pub fn letters(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.letters).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }
}
