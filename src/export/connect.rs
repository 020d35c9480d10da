//! Connections to a collector: direct or through a proxy, plain or TLS.
//!
//! `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured for `https` endpoints; a plain endpoint and
//! one on this machine is always reached directly.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt};

use super::Endpoint;
use super::proxy::Proxies;
use super::resolve::Resolver;
use super::tls::{self, Certificates};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
/// A connection to the collector or to the proxy.
pub(super) type Leg = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Sent as `User-Agent` with each request.
pub(super) const USER_AGENT: &str = concat!("qtrail/", env!("CARGO_PKG_VERSION"));

/// Makes connections for one endpoint.
#[derive(Clone)]
pub(super) struct Connector {
    certificates: Option<Arc<Certificates>>,
    http: HttpConnector<Resolver>,
    proxies: Arc<Proxies>,
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
            proxies: Arc::new(Proxies::from_env()),
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
    proxies: Arc<Proxies>,
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
        let Some(proxy) = self.proxies.on_the_way_to(&uri).cloned() else {
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(http.oneshot(uri).await?)) });
        };
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let to_proxy = HttpsConnector::from((http, config));
        Box::pin(async move { Ok(proxy.connect(to_proxy, uri).await?) })
    }
}
