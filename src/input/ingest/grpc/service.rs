//! The ingest service.
//!
//! Enters: a message, with memory reserved for it. Leaves: its answer, once all of its events have settled.

use std::future::Future;

use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::sender::Sender;
use super::status::truncate;
use super::stream::Answers;
use crate::dead_letter::OnDamage;
use crate::input::ingest;
use crate::pipeline::{self, Content, Report};
use qtrail_proto::v1::ingest_service_server::IngestService;
use qtrail_proto::v1::{
    Counts, Delivered, IngestRequest, IngestResponse, IngestStreamRequest, Rejection, Uncertain,
};

/// Answers of fewer bytes are not compressed: they would grow.
const WORTH_COMPRESSING: usize = 1024;

/// The service.
#[derive(Clone, Copy)]
pub(super) struct Service;

#[tonic::async_trait]
impl IngestService for Service {
    async fn ingest(
        &self,
        request: Request<IngestRequest>,
    ) -> Result<Response<IngestResponse>, Status> {
        let sender = Sender::of(&request)?;
        let request = request.into_inner();
        let sequence = request.sequence;
        match deliver(&sender, request).await {
            Ok(delivered) => Ok(response(IngestResponse {
                sequence,
                counts: delivered.counts,
                rejections: delivered.rejections,
                uncertain: delivered.uncertain,
            })),
            Err(error) => Err(sender.status(&error)),
        }
    }

    type IngestStreamStream = Answers;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<IngestStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let sender = Sender::of(&request)?;
        Ok(Response::new(Answers::new(sender, request.into_inner())))
    }
}

/// Delivers a message's events. Takes its reserved memory at once, so that the next message can be read.
pub(super) fn deliver(
    sender: &Sender,
    request: IngestRequest,
) -> impl Future<Output = Result<Delivered, ingest::Error>> + Send + use<> {
    let reserved = sender.reserve(request.encoded_len());
    let name = format!("grpc:{}#{}", sender.address(), request.sequence);
    let ingest = sender.ingest.clone();
    async move {
        let reserved = reserved?;
        if request.events.is_empty() {
            return Ok(answer(pipeline::Counts::default(), Vec::new(), None));
        }
        let report = ingest.deliver(ingest::Request {
            input: "grpc",
            name,
            source: Some(request.source).filter(|source| !source.is_empty()),
            content: Content::Bytes(request.events),
            on_damage: OnDamage::Refuse,
            reserved,
        });
        Ok(delivered(report.await?))
    }
}

/// An answer, compressed if it is large.
pub(super) fn response<T: Message>(answer: T) -> Response<T> {
    let small = answer.encoded_len() < WORTH_COMPRESSING;
    let mut response = Response::new(answer);
    if small {
        response.disable_compression();
    }
    response
}

fn delivered(report: Report) -> Delivered {
    let rejections = report.refused.into_iter().map(|(index, reason)| Rejection {
        index,
        reason: truncate(format!("{}: {reason}", reason.kind())),
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
