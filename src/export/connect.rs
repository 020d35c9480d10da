//! Connections to a collector: direct or through a proxy, plain or TLS.
//!
//! `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured for `https` endpoints (by `CONNECT`, so
//! that TLS is from end to end); a plain endpoint and one on this machine is always reached
//! directly.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use tower::{Service, ServiceExt};

use super::Endpoint;
use super::resolve::Resolver;
use super::tls::{self, Certificates};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
/// A connection to the collector or to the proxy.
type Leg = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Sent as `User-Agent` with each request.
pub(super) const USER_AGENT: &str = concat!("qtrail/", env!("CARGO_PKG_VERSION"));

/// Makes connections for one endpoint.
#[derive(Clone)]
pub(super) struct Connector {
    certificates: Option<Arc<Certificates>>,
    http: HttpConnector<Resolver>,
    proxies: Arc<Matcher>,
}

impl Connector {
    /// A connector that offers the application protocol `alpn` where it speaks TLS.
    pub(super) fn new(endpoint: &Endpoint, alpn: &'static [u8]) -> Result<Self, tls::Error> {
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        http.set_connect_timeout(Some(endpoint.timeout));
        let certificates = match endpoint.url.scheme_str() {
            Some("https") => Some(Arc::new(Certificates::load(&endpoint.tls, alpn)?)),
            _ => None,
        };
        Ok(Connector {
            certificates,
            http,
            proxies: Arc::new(Matcher::from_env()),
        })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Leg>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Connector {
            certificates,
            http,
            proxies,
        } = self.clone();
        Box::pin(async move {
            let Some(certificates) = certificates else {
                let leg = http.oneshot(uri).await?;
                return Ok(MaybeHttpsStream::Http(MaybeHttpsStream::Http(leg)));
            };
            let config = certificates.current();
            let route = Route {
                http,
                proxies,
                config: Arc::clone(&config),
            };
            HttpsConnector::from((route, config)).oneshot(uri).await
        })
    }
}

/// The way to an `https` endpoint, up to where its TLS starts.
struct Route {
    http: HttpConnector<Resolver>,
    proxies: Arc<Matcher>,
    config: Arc<ClientConfig>,
}

impl Service<Uri> for Route {
    type Response = Leg;
    type Error = BoxError;
    type Future = Connecting<Leg>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let http = self.http.clone();
        let proxy = (!is_local(&uri))
            .then(|| self.proxies.intercept(&uri))
            .flatten();
        let Some(proxy) = proxy else {
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(http.oneshot(uri).await?)) });
        };
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let to_proxy = HttpsConnector::from((http, config));
        Box::pin(async move {
            let leg = to_proxy.oneshot(proxy.uri().clone()).await;
            let tunnelled = match leg {
                Ok(leg) => tunnel(leg, &uri, &proxy).await,
                Err(error) => Err(Refusal::Broken(error)),
            };
            tunnelled.map_err(|refusal| ProxyError::new(&proxy, refusal).into())
        })
    }
}

/// A proxy that does not let us through.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {host}")]
pub(super) struct ProxyError {
    host: String,
    #[source]
    pub(super) refusal: Refusal,
}

/// Why it does not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It answers so.
    #[error("answers HTTP {0}")]
    Answer(StatusCode),
    /// It cannot be reached, or breaks off.
    #[error(transparent)]
    Broken(BoxError),
}

impl ProxyError {
    fn new(proxy: &Intercept, refusal: Refusal) -> Self {
        // Not the whole URL, which may hold a password.
        let host = proxy.uri().host().unwrap_or_default().to_owned();
        ProxyError { host, refusal }
    }
}

/// The connection to a proxy, once it leads to the host and port of `uri`.
async fn tunnel(leg: Leg, uri: &Uri, proxy: &Intercept) -> Result<Leg, Refusal> {
    let broken = |error: hyper::Error| Refusal::Broken(error.into());
    let authority = format!(
        "{}:{}",
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(443)
    );
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    let unusable = |error: http::Error| Refusal::Broken(error.into());
    let host = authority.parse::<http::HeaderValue>();
    let host = host.map_err(|error| unusable(error.into()))?;
    *request.uri_mut() = Uri::builder()
        .authority(authority)
        .build()
        .map_err(unusable)?;
    request.headers_mut().insert(header::HOST, host);
    if let Some(credentials) = proxy.basic_auth() {
        let headers = request.headers_mut();
        headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
    }
    let (mut sender, connection) = http1::handshake(leg).await.map_err(broken)?;
    let _asking = AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
    let answer = sender.send_request(request).await.map_err(broken)?;
    if !answer.status().is_success() {
        return Err(Refusal::Answer(answer.status()));
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
    match upgraded.downcast::<Leg>() {
        // The host speaks only after our part of its TLS: what is there before it is not its.
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io),
        _ => Err(Refusal::Broken(
            "it speaks before the collector does".into(),
        )),
    }
}

fn is_local(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::classify::Answer;
    use super::super::failure::failure;
    use super::*;

    /// A proxy that gives one answer, and says what it was asked.
    async fn proxy(answer: impl Into<String>) -> (Matcher, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let answer = answer.into();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let url = format!("http://user:pass@{address}");
        let matcher = Matcher::builder().https(url).no("direct.example").build();
        (matcher, asked)
    }

    fn route(proxies: Matcher) -> Route {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        Route {
            http,
            proxies: Arc::new(proxies),
            config: Arc::new(config),
        }
    }

    #[tokio::test]
    async fn an_https_endpoint_is_reached_through_the_proxy() {
        let (proxies, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
        let target = Uri::from_static("https://collector.example:4317");
        route(proxies).oneshot(target).await.unwrap();
        let asked = asked.await.unwrap();
        assert!(
            asked.starts_with("CONNECT collector.example:4317 HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked
                .to_ascii_lowercase()
                .contains("proxy-authorization: basic "),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn what_a_proxy_answers_tells_a_wrong_set_up_from_one_that_passes() {
        for (status, remedy) in [
            ("407 Whatever It Says", "HTTPS_PROXY"),
            ("403 Forbidden", "NO_PROXY"),
            ("404 Not Found", "NO_PROXY"),
            ("502 Bad Gateway", ""),
            ("503 proxy authorization required", ""),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let (proxies, _asked) = proxy(answer).await;
            let target = Uri::from_static("https://collector.example:4317");
            let error = route(proxies).oneshot(target).await.unwrap_err();
            let reason = match failure(error.as_ref()) {
                Answer::Blocked { reason } if !remedy.is_empty() => reason,
                Answer::Retry { reason, .. } if remedy.is_empty() => reason,
                other => panic!("{status}: {other:?}"),
            };
            assert!(reason.contains("the proxy 127.0.0.1"), "{reason}");
            assert!(reason.contains(remedy), "{reason}");
            assert!(!reason.contains("pass@"), "{reason}");
        }
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for local in [
            "https://localhost:1",
            "https://127.0.0.1:1",
            "https://[::1]:1",
        ] {
            assert!(is_local(&local.parse().unwrap()), "{local}");
        }
        assert!(!is_local(&"https://collector:1".parse().unwrap()));
    }
}
