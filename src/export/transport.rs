//! What carries requests: the one interface of gRPC, HTTP, a file, standard output and nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::classify::{Answer, AnswerCode};
use super::file::{Discard, Lines};
use super::otlp_grpc::Grpc;
use super::otlp_http::Http;
use super::request::RequestBody;
use super::{Destination, Endpoint, Protocol};
use qtrail_core::otlp::{Payload, Signal};

/// The answer to one request, some time later, and its code.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = (AnswerCode, Answer)> + Send + 'a>>;

/// Carries the requests of one signal.
pub(super) trait Transport: Send + Sync + 'static {
    /// The bytes of a request, made once for all its tries.
    fn body(&self, payload: &Payload) -> RequestBody;

    /// Whether making them takes a while: then it is done on a blocking thread.
    fn transcodes(&self) -> bool;

    /// Sends them. Never fails, never waits for ever: whatever happens is an [`Answer`].
    fn send(&self, body: RequestBody) -> Answering<'_>;

    /// Whom it talks to, for log lines; nothing secret.
    fn peer(&self) -> String;
}

/// The transports of log records and of spans.
pub(super) struct Transports {
    pub(super) logs: Arc<dyn Transport>,
    pub(super) traces: Arc<dyn Transport>,
}

impl Transports {
    /// # Errors
    /// A certificate, a header or an output file that cannot be used.
    pub(super) fn open(destination: &Destination, write_errors_end: bool) -> anyhow::Result<Self> {
        Ok(match destination {
            Destination::Otlp { logs, traces } => Transports {
                logs: otlp(Signal::Logs, logs)?,
                traces: otlp(Signal::Traces, traces)?,
            },
            Destination::File(path) => Self::both(Arc::new(Lines::file(path, write_errors_end)?)),
            Destination::Stdout => Self::both(Arc::new(Lines::stdout(write_errors_end))),
            Destination::Discard => Self::both(Arc::new(Discard)),
        })
    }

    fn both(transport: Arc<dyn Transport>) -> Self {
        Transports {
            logs: Arc::clone(&transport),
            traces: transport,
        }
    }
}

fn otlp(signal: Signal, endpoint: &Endpoint) -> anyhow::Result<Arc<dyn Transport>> {
    Ok(match endpoint.protocol {
        Protocol::Grpc => Arc::new(Grpc::new(signal, endpoint)?),
        Protocol::HttpProtobuf | Protocol::HttpJson => Arc::new(Http::new(endpoint)?),
    })
}
