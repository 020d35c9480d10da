//! OTLP over gRPC: one request, one answer, over HTTP/2.
//!
//! What must hold: an answer counts only with gRPC's own status, read from its trailers or, without
//! a body, from its headers; errors of the connection, a proxy or a web server are distinguished from
//! the collector's answers.

use std::error::Error;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::{Buf, BufMut, Bytes};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Status;
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, BinaryMetadataValue, MetadataMap};

use super::body::{self, Body};
use super::classify::{self, Answer, AnswerCode};
use super::connect::{Connector, USER_AGENT};
use super::failure::{failure, failure_over_tls};
use super::request::RequestBody;
use super::transport::{Answering, Transport};
use super::{Endpoint, Protocol};
use qtrail_core::otlp::{Payload, Signal};

type Http2 = Client<Connector, Full<RequestBody>>;

/// Before each message: whether it is compressed, and its length.
const FRAME: usize = 5;

/// Carries one signal by gRPC.
pub(super) struct Grpc {
    client: Mutex<Http2>,
    connector: Connector,
    endpoint: Endpoint,
    url: Uri,
    headers: HeaderMap,
    /// There was an answer once: what listens there speaks HTTP/2.
    answered: AtomicBool,
}

impl Grpc {
    /// # Errors
    /// A certificate or a header that cannot be used.
    pub(super) fn new(signal: Signal, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let connector = Connector::new(endpoint, b"h2")?;
        Ok(Grpc {
            client: Mutex::new(client(connector.clone())),
            connector,
            url: url(signal, endpoint)?,
            headers: headers(endpoint)?,
            answered: AtomicBool::new(false),
            endpoint: endpoint.clone(),
        })
    }

    async fn call(&self, body: RequestBody) -> (AnswerCode, Answer) {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        let client = {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
            client.clone()
        };
        let response = match client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                let connecting = error.is_connect();
                return (
                    AnswerCode::unanswered(connecting),
                    self.unanswered(&error, connecting),
                );
            }
        };
        self.answered.store(true, Ordering::Relaxed);
        let (head, body) = response.into_parts();
        let (body, trailers) = match body::read(body).await {
            Ok(read) => read,
            Err(error) if head.status.is_success() => {
                return (
                    AnswerCode::Connection,
                    self.unanswered(error.as_ref(), false),
                );
            }
            // The status is enough.
            Err(_) => (Body::Whole(Bytes::new()), None),
        };
        let status = trailers
            .and_then(|trailers| Status::from_header_map(&trailers))
            .or_else(|| Status::from_header_map(&head.headers));
        match status {
            Some(status) => {
                let (words, details) = (status.message(), status.details());
                let answer = classify::grpc(status.code(), words, details, message(body));
                (AnswerCode::Grpc(status.code()), answer)
            }
            None => {
                let (protocol, now) = (Protocol::Grpc, SystemTime::now());
                let answer = classify::http(protocol, head.status, &head.headers, &body, now);
                (AnswerCode::Http(head.status), answer)
            }
        }
    }

    /// What it means that no answer came, or not all of it. `connecting`: there was no connection yet.
    fn unanswered(&self, error: &(dyn Error + 'static), connecting: bool) -> Answer {
        let answer = match self.url.scheme() == Some(&Scheme::HTTPS) {
            true => failure_over_tls(error),
            false => failure(error),
        };
        match answer {
            // Connections were made, and not one led to an answer.
            Answer::Retry { after, reason }
                if !connecting && !self.answered.load(Ordering::Relaxed) =>
            {
                Answer::Retry {
                    after,
                    reason: format!(
                        "{reason}; should this last: does the port speak gRPC, without TLS? (4317 \
                         usually does; 4318 speaks http/protobuf)"
                    ),
                }
            }
            answer => answer,
        }
    }
}

impl Transport for Grpc {
    fn body(&self, payload: &Payload) -> RequestBody {
        let mut message: RequestBody = payload.encode_parts().into();
        if self.endpoint.gzip {
            message = message.deflated().into();
        }
        let mut frame = Vec::with_capacity(FRAME);
        frame.put_u8(u8::from(self.endpoint.gzip));
        // A request is far smaller: export.batch.bytes and the limit on a record bound it.
        frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        message.after(frame.into())
    }

    fn transcodes(&self) -> bool {
        self.endpoint.gzip
    }

    fn send(&self, body: RequestBody) -> Answering<'_> {
        Box::pin(async move {
            let timeout = self.endpoint.timeout;
            match tokio::time::timeout(timeout, self.call(body)).await {
                Ok(answer) => answer,
                Err(_) => {
                    // The connection may be dead without a sign of it: the next try makes its own.
                    let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
                    *slot = client(self.connector.clone());
                    let answer = Answer::retry(format!("no answer within {timeout:?}"));
                    (AnswerCode::Timeout, answer)
                }
            }
        })
    }

    fn peer(&self) -> String {
        peer(&self.endpoint)
    }
}

/// The message in an answer's body, inflated; or why there is none.
fn message(body: Body) -> Result<Bytes, &'static str> {
    const TOO_LONG: &str = "with a message that is too long for an answer";
    let Body::Whole(mut bytes) = body else {
        return Err(TOO_LONG);
    };
    if bytes.is_empty() {
        return Err("without a message");
    }
    let mut cut = || {
        bytes.try_get_u8().ok()?;
        let length = bytes.try_get_u32().ok()?;
        let length = usize::try_from(length).ok()?;
        (length <= bytes.len()).then(|| bytes.split_to(length))
    };
    let message = cut().ok_or("with a message that is cut off")?;
    match body::inflated(Body::Whole(message)) {
        Body::Whole(message) => Ok(message),
        Body::TooLong => Err(TOO_LONG),
        Body::NotGzip => Err("with a message of broken gzip"),
    }
}

/// An endpoint's URL without user, password and query.
pub(super) fn peer(endpoint: &Endpoint) -> String {
    endpoint.origin() + endpoint.url.path().trim_end_matches('/')
}

fn client(connector: Connector) -> Http2 {
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(90))
        .build(connector)
}

/// The signal's method, below the path of the endpoint.
fn url(signal: Signal, endpoint: &Endpoint) -> anyhow::Result<Uri> {
    let method = match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    };
    let above = endpoint.url.path().trim_end_matches('/');
    let mut parts = endpoint.url.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_str(&format!("{above}{method}"))?);
    Ok(Uri::from_parts(parts)?)
}

fn headers(endpoint: &Endpoint) -> anyhow::Result<HeaderMap> {
    let mut headers = metadata(endpoint)?.into_headers();
    let mut set = |name: &'static str, value| headers.insert(name, value);
    set("te", HeaderValue::from_static("trailers"));
    let kind = HeaderValue::from_static("application/grpc");
    set(header::CONTENT_TYPE.as_str(), kind);
    set("grpc-accept-encoding", HeaderValue::from_static("gzip"));
    if endpoint.gzip {
        set("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    set("user-agent", HeaderValue::from_static(USER_AGENT));
    let timeout = endpoint.timeout.as_millis().min(LONGEST_TIMEOUT);
    headers.insert("grpc-timeout", format!("{timeout}m").parse()?);
    Ok(headers)
}

/// Milliseconds in `grpc-timeout`, which has eight digits.
const LONGEST_TIMEOUT: u128 = 99_999_999;

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
