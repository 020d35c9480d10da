//! OTLP over gRPC: tonic's client over a codec that passes encoded requests through.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, BinaryMetadataValue, MetadataMap};
use tower::Service;

use super::Endpoint;
use super::classify::{self, Answer, ExportResponse};
use super::connect::{Connector, USER_AGENT, failure};
use super::transport::{Answering, Transport};
use crate::codec::PassThrough;
use crate::otlp::{Payload, Signal};

/// Carries one signal by gRPC.
pub(super) struct Grpc {
    client: Mutex<tonic::client::Grpc<Channel>>,
    connector: Connector,
    endpoint: Endpoint,
    metadata: MetadataMap,
    path: PathAndQuery,
}

impl Grpc {
    /// # Errors
    /// A certificate or a header that cannot be used.
    pub(super) fn new(signal: Signal, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let connector = Connector::new(endpoint, b"h2")?;
        let path = PathAndQuery::from_static(match signal {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        });
        Ok(Grpc {
            client: Mutex::new(client(endpoint, connector.clone())),
            connector,
            endpoint: endpoint.clone(),
            metadata: metadata(endpoint)?,
            path,
        })
    }

    async fn call(&self, body: Bytes) -> Answer {
        let mut client = {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
            client.clone()
        };
        let mut request = tonic::Request::new(body);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.endpoint.timeout);
        if let Err(error) = client.ready().await {
            return failure(&error);
        }
        match client.unary(request, self.path.clone(), PassThrough).await {
            Ok(response) => {
                // An answer that cannot be read is still one of success.
                let response = ExportResponse::decode(response.into_inner());
                classify::response(response.unwrap_or_default())
            }
            Err(status) => answer(&status),
        }
    }
}

impl Transport for Grpc {
    fn body(&self, payload: &Payload) -> Bytes {
        payload.encode()
    }

    fn send(&self, body: Bytes) -> Answering<'_> {
        Box::pin(async move {
            let timeout = self.endpoint.timeout;
            match tokio::time::timeout(timeout, self.call(body)).await {
                Ok(answer) => answer,
                Err(_) => {
                    // The connection may be dead without a sign of it: the next try makes its own.
                    let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
                    *slot = client(&self.endpoint, self.connector.clone());
                    Answer::retry(format!("no answer within {timeout:?}"))
                }
            }
        })
    }

    fn peer(&self) -> String {
        peer(&self.endpoint)
    }
}

/// An endpoint's URL without user, password and query.
pub(super) fn peer(endpoint: &Endpoint) -> String {
    let url = &endpoint.url;
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{}{}{}",
        url.scheme_str().unwrap_or("http"),
        url.host().unwrap_or_default(),
        port.unwrap_or_default(),
        url.path().trim_end_matches('/')
    )
}

fn client(endpoint: &Endpoint, connector: Connector) -> tonic::client::Grpc<Channel> {
    let http = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(90))
        .build(connector);
    let client = tonic::client::Grpc::with_origin(Channel { http }, endpoint.url.clone())
        .accept_compressed(CompressionEncoding::Gzip);
    if endpoint.gzip {
        client.send_compressed(CompressionEncoding::Gzip)
    } else {
        client
    }
}

/// What a status means: the collector's own, or one that stands for a request without an answer.
fn answer(status: &Status) -> Answer {
    match std::error::Error::source(status) {
        Some(cause) => failure(cause),
        None => classify::grpc(status.code(), status.message(), status.details()),
    }
}

fn metadata(endpoint: &Endpoint) -> anyhow::Result<MetadataMap> {
    let mut metadata = MetadataMap::new();
    for (name, value) in &endpoint.headers {
        // The value is secret: errors name the header alone.
        let lower = name.to_ascii_lowercase();
        if lower.ends_with("-bin") {
            let key = BinaryMetadataKey::from_str(&lower)
                .with_context(|| format!("{name:?} is no name of a gRPC header"))?;
            metadata.insert_bin(key, BinaryMetadataValue::from_bytes(value.as_bytes()));
            continue;
        }
        let key = AsciiMetadataKey::from_str(&lower)
            .with_context(|| format!("{name:?} is no name of a gRPC header"))?;
        let mut value = tonic::metadata::AsciiMetadataValue::try_from(value.as_str())
            .with_context(|| format!("the value of header {name:?} cannot be sent"))?;
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    Ok(metadata)
}

/// Our HTTP client as tonic wants it.
#[derive(Clone)]
struct Channel {
    http: Client<Connector, Body>,
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let agent = HeaderValue::from_static(USER_AGENT);
        request.headers_mut().insert(header::USER_AGENT, agent);
        Box::pin(self.http.request(request))
    }
}
