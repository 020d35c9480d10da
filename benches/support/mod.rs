//! What benches share: a collector that accepts at once, and the processor time of what they start.

use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// Whatever goes wrong.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// A second of `/proc/PID/stat`.
const TICKS: f64 = 100.0;

/// The processor time of all children that have ended.
pub(crate) fn children_seconds() -> Result<f64, Failed> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("not what proc(5) says")?;
    let fields: Vec<_> = fields.split(' ').collect();
    // `cutime` and `cstime`, the 16th and 17th of all; the first two are cut off.
    let ticks = fields[13].parse::<f64>()? + fields[14].parse::<f64>()?;
    Ok(ticks / TICKS)
}

/// A collector over gRPC that reads requests, looks at nothing and says yes.
pub(crate) async fn collect() -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(accept))
                .into_owned();
            tokio::spawn(serving);
        }
    });
    Ok(address)
}

async fn accept(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
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
