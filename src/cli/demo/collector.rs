//! A collector inside the process: it accepts and keeps everything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The requests, in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) logs: Vec<ExportLogsServiceRequest>,
    pub(super) traces: Vec<ExportTraceServiceRequest>,
}

/// A running collector. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    received: Arc<Mutex<Received>>,
    address: SocketAddr,
}

impl Collector {
    /// Listens on a free loopback port until `stop`.
    pub(super) fn start(stop: CancellationToken) -> anyhow::Result<Self> {
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .context("cannot listen on 127.0.0.1 for the demo's own collector")?;
        let collector = Collector {
            received: Arc::default(),
            address: incoming.local_addr()?,
        };
        let logs = LogsServiceServer::new(collector.clone()).accept_compressed(Gzip);
        let traces = TraceServiceServer::new(collector.clone()).accept_compressed(Gzip);
        let server = Server::builder().add_service(logs).add_service(traces);
        tokio::spawn(server.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()));
        Ok(collector)
    }

    /// Its address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    pub(super) fn received(&self) -> Received {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.logs.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.traces.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}
