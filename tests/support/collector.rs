//! A collector that misbehaves on demand: OTLP over gRPC, HTTP/protobuf and HTTP/JSON on one port,
//! plain or TLS. It keeps what it accepted, decoded with `opentelemetry-proto`, and lets a test
//! await it.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::{GzDecoder, GzEncoder};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use qtrail::export::{Destination, Endpoint, Protocol, Tls};
use qtrail_core::otlp::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tower::ServiceExt;

use super::PATIENCE;

/// The attribute that tells events apart, on both signals.
pub const EVENT_ID: &str = "aws.cloudtrail.event_id";

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// All of it is taken.
    Accept,
    /// All of it is taken, but the answer comes only once this is cancelled.
    Late(CancellationToken),
    /// All but so many are taken.
    Partial(i64, &'static str),
    /// A gRPC status.
    Grpc(tonic::Status),
    /// An HTTP status with headers and a body.
    Http(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// No answer ever comes.
    Hang,
    /// The connection breaks.
    Reset,
}

/// A request, as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub signal: Signal,
    /// The events' ids.
    pub ids: Vec<String>,
    /// It has log records that no event is behind.
    pub own: bool,
    /// Bytes of the message, inflated.
    pub bytes: usize,
    pub headers: HeaderMap,
    pub accepted: bool,
}

type Rule = Box<dyn Fn(&Seen) -> Reply + Send>;

#[derive(Default)]
struct State {
    /// Replies to the next requests of a signal; after them, the rule decides.
    next: HashMap<Signal, VecDeque<Reply>>,
    rule: Option<Rule>,
    seen: Vec<Seen>,
    logs: Vec<ExportLogsServiceRequest>,
    traces: Vec<ExportTraceServiceRequest>,
}

/// What requests and the test share.
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// The collector.
pub struct Collector {
    pub address: SocketAddr,
    /// Never listens: it keeps the port from others while the collector is closed.
    _port: TcpSocket,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    open: Option<CancellationToken>,
}

impl Collector {
    /// One that accepts everything, without TLS.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One that accepts everything, perhaps with TLS.
    pub async fn start_with(tls: Option<rustls::ServerConfig>) -> Self {
        let port = bound(([127, 0, 0, 1], 0).into()).unwrap();
        let mut collector = Collector {
            address: port.local_addr().unwrap(),
            _port: port,
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: watch::Sender::new(()),
            }),
            tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
            open: None,
        };
        collector.open().await;
        collector
    }

    /// Listens again, on the same port as before.
    pub async fn open(&mut self) {
        let listen = || bound(self.address)?.listen(64);
        let listening = async {
            // Who listened before gives the port back a moment after it was closed.
            loop {
                match listen() {
                    Err(e) if e.kind() == ErrorKind::AddrInUse => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    listener => return listener.unwrap(),
                }
            }
        };
        let listener = tokio::time::timeout(PATIENCE, listening).await.unwrap();
        let open = CancellationToken::new();
        self.open = Some(open.clone());
        tokio::spawn(accept(
            listener,
            Arc::clone(&self.shared),
            self.tls.clone(),
            open,
        ));
    }

    /// Closes the port and breaks all connections.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.cancel();
        }
    }

    /// The next requests of a signal are answered so, one after the other.
    pub fn reply_next(&self, signal: Signal, replies: impl IntoIterator<Item = Reply>) {
        let mut state = self.state();
        state.next.entry(signal).or_default().extend(replies);
    }

    /// All other requests are answered so.
    pub fn reply_with(&self, rule: impl Fn(&Seen) -> Reply + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    /// What `--endpoint` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An endpoint for a signal.
    pub fn endpoint(&self, signal: Signal, protocol: Protocol) -> Endpoint {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let path = match protocol {
            Protocol::Grpc => String::new(),
            _ => format!("/v1/{}", signal.as_str()),
        };
        let url = format!("{scheme}://localhost:{}{path}", self.address.port());
        Endpoint {
            url: url.parse().unwrap(),
            protocol,
            headers: Default::default(),
            gzip: false,
            timeout: Duration::from_secs(600),
            tls: Tls::default(),
        }
    }

    /// Both signals, perhaps changed.
    pub fn destination(&self, protocol: Protocol, change: impl Fn(&mut Endpoint)) -> Destination {
        let endpoint = |signal| {
            let mut endpoint = self.endpoint(signal, protocol);
            change(&mut endpoint);
            endpoint
        };
        Destination::Otlp {
            logs: endpoint(Signal::Logs),
            traces: endpoint(Signal::Traces),
        }
    }

    /// All requests so far, those with no record too.
    pub fn seen(&self, signal: Signal) -> Vec<Seen> {
        let state = self.state();
        let seen = state.seen.iter().filter(|seen| seen.signal == signal);
        seen.cloned().collect()
    }

    /// The ids of all accepted records of a signal, in order of arrival.
    pub fn accepted(&self, signal: Signal) -> Vec<String> {
        let seen = self.seen(signal).into_iter();
        seen.filter(|seen| seen.accepted)
            .flat_map(|seen| seen.ids)
            .collect()
    }

    /// What was accepted of log records.
    pub fn logs(&self) -> Vec<ExportLogsServiceRequest> {
        self.state().logs.clone()
    }

    /// What was accepted of spans.
    pub fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.state().traces.clone()
    }

    /// What was accepted since the last time. It is forgotten, so that a long run takes no memory.
    pub fn take(
        &self,
    ) -> (
        Vec<ExportLogsServiceRequest>,
        Vec<ExportTraceServiceRequest>,
    ) {
        let mut state = self.state();
        state.seen.clear();
        (
            std::mem::take(&mut state.logs),
            std::mem::take(&mut state.traces),
        )
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            while !holds(self) {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited in vain until {what}");
        }
    }

    /// Waits until so many requests of a signal came in.
    pub async fn until_seen(&self, signal: Signal, requests: usize) {
        self.until("requests came in", |c| c.seen(signal).len() >= requests)
            .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.close();
    }
}

fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    open: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            () = open.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        let (shared, tls, connection) = (Arc::clone(&shared), tls.clone(), open.child_token());
        tokio::spawn(async move {
            let serving = async {
                match tls {
                    None => serve(stream, shared, connection.clone()).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, shared, connection.clone()).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = connection.cancelled() => {}
                () = serving => {}
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    connection: CancellationToken,
) {
    let service = Service { shared, connection };
    let grpc = Routes::new(
        LogsServiceServer::new(service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(64 << 20),
    )
    .add_service(
        TraceServiceServer::new(service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(64 << 20),
    );
    let handler = service_fn(move |request: Request<Incoming>| {
        let (service, grpc) = (service.clone(), grpc.clone());
        async move {
            let content_type = request.headers().get("content-type");
            if content_type.is_some_and(|value| value == "application/grpc") {
                grpc.oneshot(request).await
            } else {
                Ok(service.http(request).await)
            }
        }
    });
    // A client that goes away is nothing to complain about.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), handler)
        .await;
}

/// One connection's view.
#[derive(Clone)]
struct Service {
    shared: Arc<Shared>,
    connection: CancellationToken,
}

enum Export {
    Logs(ExportLogsServiceRequest),
    Traces(ExportTraceServiceRequest),
}

impl Service {
    /// The reply to a request, which is on record when this returns.
    async fn reply(&self, request: Export, headers: HeaderMap) -> Reply {
        let (signal, ids, bytes) = match &request {
            Export::Logs(logs) => (Signal::Logs, log_ids(logs), logs.encoded_len()),
            Export::Traces(traces) => (Signal::Traces, span_ids(traces), traces.encoded_len()),
        };
        let own = match &request {
            Export::Logs(logs) => log_records(logs).any(is_own),
            Export::Traces(_) => false,
        };
        let mut seen = Seen {
            signal,
            ids,
            own,
            bytes,
            headers,
            accepted: false,
        };
        let reply = {
            let mut state = self.shared.state.lock().unwrap();
            let scripted = state.next.get_mut(&signal).and_then(VecDeque::pop_front);
            let reply = scripted.unwrap_or_else(|| match &state.rule {
                Some(rule) => rule(&seen),
                None => Reply::Accept,
            });
            if let Reply::Accept | Reply::Late(_) | Reply::Partial(..) = reply {
                seen.accepted = true;
                match request {
                    Export::Logs(logs) => state.logs.push(logs),
                    Export::Traces(traces) => state.traces.push(traces),
                }
            }
            state.seen.push(seen);
            reply
        };
        self.shared.changed.send_replace(());
        match reply {
            Reply::Hang => std::future::pending().await,
            Reply::Late(answer) => {
                answer.cancelled().await;
                Reply::Accept
            }
            Reply::Reset => {
                self.connection.cancel();
                std::future::pending().await
            }
            reply => reply,
        }
    }

    async fn http(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return answer(400, &[], b"the body broke off".to_vec());
        };
        let mut body = body.to_bytes();
        if head.headers.get("content-encoding").is_some() {
            let mut inflated = Vec::new();
            GzDecoder::new(&body[..])
                .read_to_end(&mut inflated)
                .unwrap();
            body = inflated.into();
        }
        let json = head.headers["content-type"] == "application/json";
        let request = match head.uri.path() {
            "/v1/logs" => Export::Logs(decode(&body, json)),
            "/v1/traces" => Export::Traces(decode(&body, json)),
            _ => return answer(404, &[], b"no such path".to_vec()),
        };
        let logs = matches!(request, Export::Logs(_));
        let (rejected, message) = match self.reply(request, head.headers).await {
            Reply::Http(status, headers, body) => return answer(status, &headers, body.into()),
            Reply::Partial(rejected, message) => (rejected, message),
            _ => (0, ""),
        };
        let (kind, body) = match (json, logs) {
            (true, true) => (
                "application/json",
                to_json(&logs_response(rejected, message)),
            ),
            (true, false) => (
                "application/json",
                to_json(&traces_response(rejected, message)),
            ),
            (false, true) => (
                "application/x-protobuf",
                logs_response(rejected, message).encode_to_vec(),
            ),
            (false, false) => (
                "application/x-protobuf",
                traces_response(rejected, message).encode_to_vec(),
            ),
        };
        let mut zipped = Vec::new();
        GzEncoder::new(&body[..], flate2::Compression::fast())
            .read_to_end(&mut zipped)
            .unwrap();
        let headers = [("content-type", kind), ("content-encoding", "gzip")];
        answer(200, &headers, zipped)
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        let headers = request.metadata().clone().into_headers();
        match self
            .reply(Export::Logs(request.into_inner()), headers)
            .await
        {
            Reply::Grpc(status) => Err(status),
            Reply::Partial(rejected, message) => {
                Ok(tonic::Response::new(logs_response(rejected, message)))
            }
            _ => Ok(tonic::Response::new(logs_response(0, ""))),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let headers = request.metadata().clone().into_headers();
        match self
            .reply(Export::Traces(request.into_inner()), headers)
            .await
        {
            Reply::Grpc(status) => Err(status),
            Reply::Partial(rejected, message) => {
                Ok(tonic::Response::new(traces_response(rejected, message)))
            }
            _ => Ok(tonic::Response::new(traces_response(0, ""))),
        }
    }
}

/// What a real collector answers: `partial_success` is there even where nothing was rejected.
fn logs_response(rejected: i64, message: &str) -> ExportLogsServiceResponse {
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: message.to_owned(),
        }),
    }
}

fn traces_response(rejected: i64, message: &str) -> ExportTraceServiceResponse {
    ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: rejected,
            error_message: message.to_owned(),
        }),
    }
}

fn to_json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

fn decode<M: Message + Default + serde::de::DeserializeOwned>(body: &Bytes, json: bool) -> M {
    if json {
        serde_json::from_slice(body).unwrap()
    } else {
        M::decode(body.clone()).unwrap()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(body))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn log_ids(request: &ExportLogsServiceRequest) -> Vec<String> {
    let records = log_records(request);
    records.filter(|r| !is_own(r)).map(log_id).collect()
}

fn log_records(request: &ExportLogsServiceRequest) -> impl Iterator<Item = &LogRecord> {
    let scopes = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
    scopes.flat_map(|s| &s.log_records)
}

fn span_ids(request: &ExportTraceServiceRequest) -> Vec<String> {
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    scopes.flat_map(|s| &s.spans).map(span_id).collect()
}

/// Whether no event is behind a log record, but qtrail itself.
pub fn is_own(record: &LogRecord) -> bool {
    record.event_name.starts_with("qtrail.")
}

/// The id of the event that a log record was made of.
pub fn log_id(record: &LogRecord) -> String {
    id(&record.attributes)
}

/// The id of the event that a span was made of.
pub fn span_id(span: &Span) -> String {
    id(&span.attributes)
}

fn id(attributes: &[KeyValue]) -> String {
    let attribute = attributes
        .iter()
        .find(|attribute| attribute.key == EVENT_ID);
    match attribute.and_then(|a| a.value.as_ref()?.value.clone()) {
        Some(any_value::Value::StringValue(id)) => id,
        _ => String::new(),
    }
}
