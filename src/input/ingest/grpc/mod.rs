//! gRPC: the ingest service, OTLP's log service, health and reflection.
//!
//! Enters: HTTP/2 requests. Leaves: their answers, once [`Ingest`] has settled their events. What must hold: an
//! answer contains only what a [`Report`](crate::pipeline::Report) contains; memory is reserved for a message
//! before it is read.
//!
//! ```text
//! guard (token, length, memory, time) ─▶ tonic (frames, gzip) ─┬─▶ protobuf ─▶ service / stream ─┬─▶ Ingest
//!                                                            └─▶ logs ─────────────────────────┘
//! ```

mod body;
mod guard;
mod health;
mod logs;
mod sender;
mod service;
mod status;
mod stream;
mod stream_limit;

use axum::Router;
use axum::middleware::from_fn_with_state;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_reflection::pb;
use tonic_reflection::server::Builder as Reflection;

use self::guard::{Gate, guard};
use self::health::Health;
use self::logs::Logs;
use self::service::Service;
use self::stream_limit::StreamLimit;
use super::Ingest;
use super::listen::auth::Auth;
use qtrail_proto::v1::ingest_service_server::{self, IngestServiceServer};

/// Bytes of a request to health or reflection.
const QUESTION_BYTES: usize = 64 << 10;

/// The services.
pub fn router(ingest: &Ingest, auth: &Auth) -> Router {
    // `MessageBody` checks the size as a message arrives; tonic checks it again after it inflated the message.
    let limit = ingest.limits().request_bytes;
    let gate = Gate {
        ingest: ingest.clone(),
        auth: auth.clone(),
        streams: StreamLimit::new(ingest.limits().connections),
    };
    let events = IngestServiceServer::new(Service)
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(limit);
    let v1 = reflection()
        .with_service_name(pb::v1::server_reflection_server::SERVICE_NAME)
        .build_v1();
    let v1alpha = reflection()
        .with_service_name(pb::v1alpha::server_reflection_server::SERVICE_NAME)
        .build_v1alpha();
    let (v1, v1alpha) = v1
        .and_then(|v1| Ok((v1, v1alpha?)))
        .expect("the descriptors are valid");
    Routes::new(events)
        .add_service(Logs::new(limit))
        .add_service(
            HealthServer::new(Health::new(ingest.clone()))
                .max_decoding_message_size(QUESTION_BYTES),
        )
        .add_service(v1.max_decoding_message_size(QUESTION_BYTES))
        .add_service(v1alpha.max_decoding_message_size(QUESTION_BYTES))
        .into_axum_router()
        .layer(from_fn_with_state(gate, guard))
}

/// Reflection for all services.
fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(qtrail_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(opentelemetry_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(ingest_service_server::SERVICE_NAME)
        .with_service_name(logs_service_server::SERVICE_NAME)
        .with_service_name(health_server::SERVICE_NAME)
}
