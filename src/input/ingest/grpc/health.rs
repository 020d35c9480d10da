//! gRPC's health service: whether events can be accepted now.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

use super::status;
use crate::input::ingest::{self, Ingest};
use qtrail_proto::v1::ingest_service_server;

/// The services; all have the same health.
const SERVICES: [&str; 3] = [
    "",
    ingest_service_server::SERVICE_NAME,
    logs_service_server::SERVICE_NAME,
];

/// How often `Watch` checks whether full dead letters have room again.
const DEAD_LETTERS_POLL: Duration = Duration::from_secs(1);

/// `SERVING` while events can be accepted; `NOT_SERVING` while the collector or the dead letters are unavailable,
/// or qtrail is stopping.
pub(super) struct Health {
    ingest: Ingest,
}

impl Health {
    pub(super) fn new(ingest: Ingest) -> Self {
        Health { ingest }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        check_service(request.get_ref())?;
        Ok(Response::new(response(self.ingest.serves())))
    }

    type WatchStream = Watch;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        check_service(request.get_ref())?;
        Ok(Response::new(Watch {
            ingest: self.ingest.clone(),
            reported: None,
            changed: Box::pin(std::future::ready(())),
        }))
    }
}

/// Sends the status at once and after each change, and ends when qtrail stops.
pub(super) struct Watch {
    ingest: Ingest,
    /// Whether the last status sent was `SERVING`.
    reported: Option<bool>,
    /// Ready when the status may have changed.
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            ready!(self.changed.as_mut().poll(cx));
            let available = self.ingest.available();
            let serving = self.ingest.serves();
            if self.reported == Some(serving)
                && let Err(ingest::Error::Stopping) = &available
            {
                return Poll::Ready(Some(Err(status::of(&ingest::Error::Stopping))));
            }
            let ingest = self.ingest.clone();
            let now = available.is_ok();
            self.changed = Box::pin(async move {
                // There is no notification when full dead letters were removed.
                let _ = tokio::time::timeout(DEAD_LETTERS_POLL, ingest.changed(now)).await;
            });
            if self.reported.replace(serving) != Some(serving) {
                return Poll::Ready(Some(Ok(response(serving))));
            }
        }
    }
}

fn check_service(request: &HealthCheckRequest) -> Result<(), Status> {
    match SERVICES.contains(&request.service.as_str()) {
        true => Ok(()),
        false => Err(Status::not_found("unknown service")),
    }
}

fn response(serving: bool) -> HealthCheckResponse {
    let status = match serving {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    HealthCheckResponse {
        status: status.into(),
    }
}
