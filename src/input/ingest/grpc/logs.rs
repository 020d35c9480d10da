//! OTLP's log service.
//!
//! Enters: an encoded request, with memory reserved for it. Leaves: OTLP's answer, or a status. What must hold:
//! only [`otlp::export`] decodes a request, within the reserved memory.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::SERVICE_NAME;
use prost::Message;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tower::service_fn;

use super::sender::Sender;
use super::service::response;
use super::status::truncate;
use crate::input::ingest::otlp::{self, Encoding, Error};
use crate::runtime::codec::PassThrough;

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// The service.
#[derive(Clone, Copy)]
pub(super) struct Logs {
    /// Inflated bytes of a request.
    limit: usize,
}

impl Logs {
    pub(super) fn new(limit: usize) -> Self {
        Logs { limit }
    }
}

impl NamedService for Logs {
    const NAME: &'static str = SERVICE_NAME;
}

impl tower::Service<http::Request<Body>> for Logs {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = Grpc::new(PassThrough)
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(self.limit);
        Box::pin(async move {
            Ok(match request.uri().path() {
                EXPORT => grpc.unary(service_fn(export), request).await,
                _ => Status::unimplemented("unknown method").into_http(),
            })
        })
    }
}

async fn export(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let sender = Sender::of(&request)?;
    let request = request.into_inner();
    let exported = async {
        let reserved = sender.reserve(request.len())?;
        let name = format!("otlp:{}", sender.address());
        otlp::export(&sender.ingest, name, Encoding::Protobuf, request, reserved).await
    };
    match exported.await {
        Ok(answer) => Ok(response(answer).map(|answer| answer.encode_to_vec().into())),
        Err(Error::Ingest(error)) => Err(sender.status(&error)),
        Err(error @ Error::Malformed(_)) => {
            Err(Status::invalid_argument(truncate(error.to_string())))
        }
    }
}
