//! The calls: a message in, its answer out.

use std::future::Future;
use std::io::Cursor;
use std::sync::Arc;

use http::Extensions;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsService;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::guard::Room;
use super::status::{cut, status};
use super::stream::Answers;
use crate::input::ingest::{self, Ingest, Refusal, Reserved};
use crate::input::listen::Peer;
use crate::input::otlp;
use crate::pipeline::{self, Content, Report};
use crate::proto::v1::ingest_service_server::IngestService;
use crate::proto::v1::{
    Counts, Delivered, IngestRequest, IngestResponse, IngestStreamRequest, Rejection, Uncertain,
};

/// An answer of fewer bytes is not compressed: it would grow.
const WORTH_COMPRESSING: usize = 1024;

/// Answers all calls that bring events.
#[derive(Clone)]
pub(super) struct Service {
    ingest: Ingest,
}

impl Service {
    pub(super) fn new(ingest: Ingest) -> Self {
        Service { ingest }
    }
}

#[tonic::async_trait]
impl IngestService for Service {
    async fn ingest(
        &self,
        request: Request<IngestRequest>,
    ) -> Result<Response<IngestResponse>, Status> {
        let sender = Sender::of(self.ingest.clone(), request.extensions());
        let request = request.into_inner();
        let sequence = request.sequence;
        let delivered = sender.deliver(request).await;
        let Delivered {
            counts,
            rejections,
            uncertain,
        } = delivered.map_err(|refusal| status(&refusal))?;
        Ok(response(IngestResponse {
            sequence,
            counts,
            rejections,
            uncertain,
        }))
    }

    type IngestStreamStream = Answers;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<IngestStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let sender = Sender::of(self.ingest.clone(), request.extensions());
        Ok(Response::new(Answers::new(sender, request.into_inner())))
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let sender = Sender::of(self.ingest.clone(), request.extensions());
        let request = request.into_inner();
        let exported = async {
            let reserved = sender.room(request.encoded_len())?;
            let name = format!("otlp:{}", sender.address);
            otlp::export(&sender.ingest, name, request, reserved).await
        };
        match exported.await {
            Ok(answer) => Ok(response(answer)),
            Err(refusal) => Err(status(&refusal)),
        }
    }
}

fn response<T: Message>(answer: T) -> Response<T> {
    let small = answer.encoded_len() < WORTH_COMPRESSING;
    let mut response = Response::new(answer);
    if small {
        response.disable_compression();
    }
    response
}

/// One call's sender.
pub(super) struct Sender {
    pub(super) ingest: Ingest,
    pub(super) room: Room,
    address: Arc<str>,
}

impl Sender {
    fn of(ingest: Ingest, extensions: &Extensions) -> Self {
        let peer = extensions.get::<Peer>();
        Sender {
            ingest,
            room: extensions.get::<Room>().cloned().unwrap_or_default(),
            address: peer.map_or_else(|| "unknown".into(), |peer| Arc::clone(&peer.address)),
        }
    }

    /// Delivers a message's events. Its room is taken now, the rest is done by the future.
    pub(super) fn deliver(
        &self,
        request: IngestRequest,
    ) -> impl Future<Output = Result<Delivered, Refusal>> + Send + 'static {
        let reserved = self.room(request.encoded_len());
        let name = format!("grpc:{}#{}", self.address, request.sequence);
        let ingest = self.ingest.clone();
        async move {
            let reserved = reserved?;
            if request.events.is_empty() {
                return Ok(answer(pipeline::Counts::default(), Vec::new(), None));
            }
            let report = ingest.deliver(ingest::Request {
                input: "grpc",
                name,
                source: Some(request.source).filter(|source| !source.is_empty()),
                content: Content::Whole(Box::new(Cursor::new(request.events))),
                reserved,
            });
            Ok(delivered(report.await?))
        }
    }

    /// The room for the message that was read last, which has so many bytes now.
    fn room(&self, bytes: usize) -> Result<Reserved, Refusal> {
        match self.room.take() {
            Some(mut reserved) => {
                self.ingest.resize(&mut reserved, bytes)?;
                Ok(reserved)
            }
            None => self.ingest.try_reserve(bytes),
        }
    }
}

fn delivered(report: Report) -> Delivered {
    let rejections = report.refused.into_iter().map(|(index, reason)| Rejection {
        index,
        reason: cut(format!("{}: {reason}", reason.kind())),
    });
    answer(report.counts, rejections.collect(), report.uncertain)
}

fn answer(
    counts: pipeline::Counts,
    rejections: Vec<Rejection>,
    uncertain: Option<(u64, u64)>,
) -> Delivered {
    Delivered {
        counts: Some(Counts {
            read: counts.read,
            exported: counts.exported,
            filtered: counts.filtered,
            duplicate: counts.duplicate,
            dead_lettered: counts.dead_lettered,
        }),
        rejections,
        uncertain: uncertain.map(|(rejected, of)| Uncertain { rejected, of }),
    }
}
