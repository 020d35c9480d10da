//! What benches share: a collector that accepts at once, and the processor time of what they start.

use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Whatever goes wrong.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// A second of `/proc/PID/stat`.
const TICKS: f64 = 100.0;

/// The processor time of all children that have ended.
#[allow(dead_code, reason = "not every bench needs it")]
pub(crate) fn children_seconds() -> Result<f64, Failed> {
    // `cutime` and `cstime`.
    seconds("self", [16, 17])
}

/// The processor time of a process that runs.
#[allow(dead_code, reason = "not every bench needs it")]
pub(crate) fn process_seconds(id: u32) -> Result<f64, Failed> {
    // `utime` and `stime`.
    seconds(&id.to_string(), [14, 15])
}

/// The sum of two fields of `/proc/PROCESS/stat`, numbered as in proc(5).
fn seconds(process: &str, fields: [usize; 2]) -> Result<f64, Failed> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field may hold anything.
    let (_, rest) = stat.rsplit_once(") ").ok_or("not what proc(5) says")?;
    let rest: Vec<_> = rest.split(' ').collect();
    let mut ticks = 0.0;
    for field in fields {
        ticks += rest[field - 3].parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}

/// A collector over gRPC that reads requests, looks at nothing and says yes.
#[allow(dead_code, reason = "not every bench needs it")]
pub(crate) async fn collect() -> Result<SocketAddr, Failed> {
    Ok(collect_and_tell().await?.0)
}

/// The same, and when each request had arrived.
pub(crate) async fn collect_and_tell()
-> Result<(SocketAddr, mpsc::UnboundedReceiver<Instant>), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (tell, arrivals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let serving = auto::Builder::new(TokioExecutor::new())
                .serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request| accept(request, tell.clone())),
                )
                .into_owned();
            tokio::spawn(serving);
        }
    });
    Ok((address, arrivals))
}

async fn accept(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Instant>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    // Nobody may listen.
    let _ = tell.send(Instant::now());
    // An empty message is a full success.
    let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async {
        let name = HeaderName::from_static("grpc-status");
        let value = HeaderValue::from_static("0");
        Some(Ok(HeaderMap::from_iter([(name, value)])))
    });
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}
