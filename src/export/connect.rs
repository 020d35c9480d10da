//! Connections to a collector: direct or through a proxy, plain or TLS; and what their failures
//! mean.
//!
//! `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured for `https` endpoints; a plain endpoint and
//! one on this machine is always reached directly.

use std::error::Error;
use std::future::Future;
use std::io;
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
use super::classify::{Answer, clean};
use super::proxy::{self, Proxies};
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
    http: HttpConnector,
    proxies: Arc<Proxies>,
}

impl Connector {
    /// A connector that offers the application protocol `alpn` where it speaks TLS.
    pub(super) fn new(endpoint: &Endpoint, alpn: &'static [u8]) -> Result<Self, tls::Error> {
        let mut http = HttpConnector::new();
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
    http: HttpConnector,
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

/// What an error that came instead of an answer means.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Answer {
    let reason = chain(error);
    if let Some(answer) = find::<proxy::Error>(error).and_then(|error| error.answer(&reason)) {
        return answer;
    }
    let remedy = if let Some(tls) = find::<rustls::Error>(error) {
        remedy_for_tls(tls)
    } else if reason.contains("received fatal alert") {
        // TLS 1.3 refuses a client after the handshake, where HTTP/2 keeps the words alone.
        Some(REFUSED_BY_ALERT)
    } else if reason.contains("dns error") && NO_SUCH_NAME.iter().any(|s| reason.contains(s)) {
        Some("no host has this name: mend the endpoint's URL")
    } else {
        None
    };
    match remedy {
        Some(remedy) => Answer::Blocked {
            reason: format!("{reason}; {remedy}"),
        },
        None if NO_HTTP2.iter().any(|said| reason.contains(said)) => Answer::retry(format!(
            "{reason}; should this last: does the port speak gRPC, without TLS? (4317 usually does; \
             4318 speaks http/protobuf)"
        )),
        None => Answer::retry(reason),
    }
}

/// What hyper says, by the order of events, when what listens there speaks no HTTP/2.
const NO_HTTP2: [&str; 3] = [
    "http2 error: connection error detected",
    "connection was not ready",
    "stream closed because of a broken pipe",
];

/// What resolvers say when a name does not exist (glibc, musl, macOS), rather than that they could
/// not find out.
const NO_SUCH_NAME: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "nodename nor servname provided",
];

const REFUSED_BY_ALERT: &str = "the collector refuses our TLS: mend export.tls.cert_file and \
     export.tls.key_file, or its own set-up";

/// The remedy for a TLS error that the set-up causes; `None` for one that may pass.
fn remedy_for_tls(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(_) => Some(
            "the collector's certificate is not trusted: mend export.tls.ca_file, the certificate or the \
             host name in the endpoint's URL",
        ),
        Tls::AlertReceived(_) => Some(REFUSED_BY_ALERT),
        Tls::InvalidMessage(_) => Some("does the port speak TLS? If not, use http://"),
        Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol => {
            Some("the collector speaks another TLS or application protocol: is it the right port?")
        }
        Tls::NoCertificatesPresented | Tls::UnsupportedNameType => {
            Some("mend the collector's certificate or the endpoint's URL")
        }
        _ => None,
    }
}

/// Finds an error of a type among the causes; an [`io::Error`] hides one that its `source` skips.
pub(super) fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(|e| e.get_ref()) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error with its causes, in one line, each thing said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(error: rustls::Error) -> io::Error {
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_the_set_ups_fault() {
        let error = nested(rustls::CertificateError::UnknownIssuer.into());
        assert!(matches!(failure(&error), Answer::Blocked { .. }));
    }

    #[test]
    fn a_broken_connection_is_not() {
        for error in [
            io::Error::from(io::ErrorKind::ConnectionReset),
            io::Error::from(io::ErrorKind::ConnectionRefused),
            nested(rustls::Error::DecryptError),
        ] {
            assert!(matches!(failure(&error), Answer::Retry { .. }), "{error}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_resolver_that_fails() {
        let answer = |text: &str| failure(&io::Error::other(format!("dns error: {text}")));
        let missing = answer("failed to lookup address information: Name or service not known");
        assert!(matches!(missing, Answer::Blocked { .. }), "{missing:?}");
        let failing = answer("Temporary failure in name resolution");
        assert!(matches!(failing, Answer::Retry { .. }), "{failing:?}");
    }
}
