//! gRPC's health service: whether events can be taken now.

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

/// What can be asked about; all are as well as the collector is.
const SERVICES: [&str; 3] = [
    "",
    ingest_service_server::SERVICE_NAME,
    logs_service_server::SERVICE_NAME,
];

/// How often dead letters are looked at that may be full.
const DEAD_LETTERS_POLL: Duration = Duration::from_secs(1);

/// SERVING while events can be taken; NOT_SERVING while the collector is away, the dead letters take nothing,
/// or qtrail stops.
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

/// Tells at once how it is, then each change, and ends when qtrail stops.
pub(super) struct Watch {
    ingest: Ingest,
    /// Whether the last word was SERVING.
    reported: Option<bool>,
    /// Done when there may be something new.
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
                // Nothing tells that full dead letters were taken away.
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
        false => Err(Status::not_found("there is no such service")),
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
