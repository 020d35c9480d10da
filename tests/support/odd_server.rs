//! A server that gives each request the same answer, made by the test, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An answer.
#[derive(Debug, Clone)]
pub struct Given {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Bytes,
    /// In HTTP/2, after the body.
    pub trailers: Vec<(&'static str, &'static str)>,
}

impl Given {
    /// HTTP 200 with this body, called so.
    pub fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Given {
            status: 200,
            headers: match content_type {
                "" => vec![],
                content_type => vec![("content-type", content_type)],
            },
            body: body.into(),
            trailers: Vec::new(),
        }
    }

    /// The same with another status.
    pub fn status(self, status: u16) -> Self {
        Given { status, ..self }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with one more trailer.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.push((name, value));
        self
    }

    fn response(&self) -> Response<BoxBody<Bytes, Infallible>> {
        let trailers = (!self.trailers.is_empty()).then(|| Ok(map(&self.trailers)));
        let body = Full::new(self.body.clone());
        let mut response = Response::new(match trailers {
            Some(trailers) => body
                .with_trailers(std::future::ready(Some(trailers)))
                .boxed(),
            None => body.boxed(),
        });
        *response.status_mut() = self.status.try_into().unwrap();
        response.headers_mut().extend(map(&self.headers));
        response
    }
}

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

/// Starts a server that answers so; it ends with the test's runtime.
pub async fn answering(given: Given) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let given = given.clone();
            let handler = service_fn(move |request: Request<Incoming>| {
                let given = given.clone();
                async move {
                    // All of the request comes in first.
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(given.response())
                }
            });
            tokio::spawn(async move {
                // A client that goes away is nothing to complain about.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), handler)
                    .await;
            });
        }
    });
    address
}

/// Starts a server that sends these bytes on each connection once the client has spoken, and closes.
pub async fn saying(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut some = [0; 64 << 10];
                let _ = stream.read(&mut some).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                // What is still on its way would turn the end into a reset.
                while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}
