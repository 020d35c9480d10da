//! Senders by every way in, each of which sends again what was not acknowledged.
//!
//! Enters: events. Leaves: on the ledger, those that were acknowledged. What must hold: what a sender was
//! told to have been delivered is owed; how it misbehaves costs nobody else anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use qtrail_proto::v1::{IngestRequest, IngestStreamRequest};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledger;
use super::made::{Batch, Maker, container};
use crate::support::program::gzip;
use crate::support::trail::Container;

/// How long an answer is waited for: longer than a collector is away.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests on one stream.
const STREAMED: usize = 6;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Events,
    Firehose,
    Protobuf,
    Json,
    Call,
    Stream,
    Export,
}

const WAYS: [(&str, Way); 7] = [
    ("http", Way::Events),
    ("firehose", Way::Firehose),
    ("otlp-protobuf", Way::Protobuf),
    ("otlp-json", Way::Json),
    ("grpc-call", Way::Call),
    ("grpc-stream", Way::Stream),
    ("otlp-grpc", Way::Export),
];

/// What was not acknowledged: send it again.
struct Again;

/// All senders. They send until they are stopped.
pub(super) struct Senders {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Senders {
    pub(super) fn start(
        grpc: SocketAddr,
        http: SocketAddr,
        ledger: &Arc<Ledger>,
        rng: &mut Rng,
    ) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for (input, way) in WAYS {
            let sender = Sender {
                way,
                grpc,
                http,
                maker: Maker::new(input, ledger, rng.fork()),
                ledger: Arc::clone(ledger),
                rng: rng.fork(),
                stop: stop.clone(),
            };
            tasks.spawn(sender.run());
        }
        Senders { stop, tasks }
    }

    /// Returns once all that was begun is acknowledged.
    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

struct Sender {
    way: Way,
    grpc: SocketAddr,
    http: SocketAddr,
    maker: Maker,
    ledger: Arc<Ledger>,
    rng: Rng,
    stop: CancellationToken,
}

impl Sender {
    async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let requests = if self.way == Way::Stream { STREAMED } else { 1 };
            let batches: Vec<_> = (0..requests).map(|_| self.maker.batch()).collect();
            while self.send(&batches).await.is_err() {
                self.pause(20..400).await;
            }
            for batch in &batches {
                self.ledger.owe(&batch.ids);
            }
            self.pause(20..300).await;
        }
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(milliseconds))).await;
    }

    async fn send(&mut self, batches: &[Batch]) -> Result<(), Again> {
        let sending = async {
            match self.way {
                Way::Stream => self.stream(batches).await,
                Way::Call => self.call(&batches[0]).await,
                Way::Export => self.export(&batches[0]).await,
                _ => self.post(&batches[0]).await,
            }
        };
        tokio::time::timeout(PATIENCE, sending)
            .await
            .unwrap_or(Err(Again))
    }

    /// Some container of these events, compressed or not.
    fn body(&mut self, batch: &Batch) -> Vec<u8> {
        let body = container(&mut self.rng).around(&batch.records);
        match self.rng.bool() {
            true => gzip(body),
            false => body,
        }
    }

    async fn post(&mut self, batch: &Batch) -> Result<(), Again> {
        let (path, kind, mut body) = match self.way {
            Way::Firehose => {
                let body = Container::Firehose.around(&batch.records);
                ("/v1/firehose", "application/json", body)
            }
            Way::Protobuf => (
                "/v1/logs",
                "application/x-protobuf",
                export(batch).encode_to_vec(),
            ),
            Way::Json => (
                "/v1/logs",
                "application/json",
                serde_json::to_vec(&export(batch)).unwrap(),
            ),
            _ => ("/v1/events", "application/json", self.body(batch)),
        };
        let zipped = self.way != Way::Events && self.rng.bool();
        if zipped {
            body = gzip(body);
        }
        match self.rng.u8(0..30) {
            0 => return self.break_off(path, &body).await,
            // Whoever is told that this was delivered does not send the rest.
            1 if body.starts_with(&[0x1f, 0x8b]) => body.truncate(self.rng.usize(2..body.len())),
            _ => {}
        }
        let mut request = Request::post(format!("http://{}{path}", self.http))
            .header("content-type", kind)
            .header("x-amz-firehose-protocol-version", "1.0")
            .header("x-amz-firehose-request-id", "r");
        if zipped {
            request = request.header("content-encoding", "gzip");
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = client.request(request).await.map_err(|_| Again)?;
        let status = response.status();
        response.into_body().collect().await.map_err(|_| Again)?;
        if ![200, 400, 408, 429, 503].contains(&status.as_u16()) {
            self.ledger.wrong(format!("{path} answered {status}"));
        }
        (status == StatusCode::OK).then_some(()).ok_or(Again)
    }

    /// Goes away in the middle of a body.
    async fn break_off(&self, path: &str, body: &[u8]) -> Result<(), Again> {
        let mut stream = TcpStream::connect(self.http).await.map_err(|_| Again)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body[..body.len() / 2]).await;
        Err(Again)
    }

    fn request(&mut self, sequence: u64, batch: &Batch) -> IngestRequest {
        IngestRequest {
            sequence,
            events: self.body(batch).into(),
            source: String::new(),
        }
    }

    async fn call(&mut self, batch: &Batch) -> Result<(), Again> {
        let request = self.request(1, batch);
        let events = request.events.clone();
        let client = IngestServiceClient::connect(format!("http://{}", self.grpc)).await;
        let answer = client
            .map_err(|_| Again)?
            .ingest(request)
            .await
            .map_err(|_| Again)?;
        let counts = answer.into_inner().counts.unwrap_or_default();
        if counts.read != batch.records.len() as u64 {
            self.ledger.wrong(format!(
                "{} records were sent: {counts:?}: {}",
                batch.records.len(),
                hex::encode(events)
            ));
        }
        Ok(())
    }

    async fn stream(&mut self, batches: &[Batch]) -> Result<(), Again> {
        let mut requests = Vec::new();
        for (sequence, batch) in (0..).zip(batches) {
            let IngestRequest { events, source, .. } = self.request(sequence, batch);
            requests.push(IngestStreamRequest {
                sequence,
                events,
                source,
            });
        }
        let client = IngestServiceClient::connect(format!("http://{}", self.grpc)).await;
        let answers = client
            .map_err(|_| Again)?
            .ingest_stream(tokio_stream::iter(requests))
            .await;
        let mut answers = answers.map_err(|_| Again)?.into_inner();
        let mut delivered = 0;
        while let Some(answer) = answers.message().await.map_err(|_| Again)? {
            if let Some(Answer::Delivered(_)) = answer.result {
                self.ledger.owe(&batches[answer.sequence as usize].ids);
                delivered += 1;
            }
        }
        (delivered == batches.len()).then_some(()).ok_or(Again)
    }

    async fn export(&mut self, batch: &Batch) -> Result<(), Again> {
        let client = LogsServiceClient::connect(format!("http://{}", self.grpc)).await;
        let answer = client.map_err(|_| Again)?.export(export(batch)).await;
        answer.map(|_| ()).map_err(|_| Again)
    }
}

/// OTLP's request with a log record for each event.
fn export(batch: &Batch) -> ExportLogsServiceRequest {
    let record = |text: &String| LogRecord {
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.clone())),
        }),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: batch.records.iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}
