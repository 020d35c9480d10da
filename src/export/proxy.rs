//! The proxy between us and a collector: whether there is one, the way through it, and what its own
//! answers mean.
//!
//! Enters: the environment, an endpoint's URL. Leaves: a connection to the endpoint, made by
//! `CONNECT`, so that TLS is from end to end; or an [`Error`] that names the proxy and its status.

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tower::ServiceExt;

use super::classify::Answer;
use super::connect::{BoxError, Leg, USER_AGENT};
use super::failure::find;
use super::resolve::Resolver;
use crate::runtime::no_proxy::{NoProxy, variable};

/// The proxies for `https` endpoints that the environment names.
#[derive(Debug)]
pub(super) struct Proxies {
    proxy: Option<Proxy>,
    direct: NoProxy,
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    /// The variable that names it.
    variable: &'static str,
    /// Where it is; `None` where the variable holds no URL of a proxy.
    intercept: Option<Intercept>,
}

impl Proxies {
    /// By `HTTPS_PROXY`, else `ALL_PROXY`, and `NO_PROXY`; each also in lower case.
    pub(super) fn from_env() -> Self {
        let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let proxy = variable(names).map(|(variable, url)| Proxy::new(variable, &url));
        Proxies {
            proxy,
            direct: NoProxy::from_env(),
        }
    }

    /// The proxy on the way to an endpoint, if there is one.
    pub(super) fn on_the_way_to(&self, endpoint: &Uri) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !self.direct.names(endpoint))
    }
}

impl Proxy {
    fn new(variable: &'static str, url: &str) -> Self {
        let matcher = Matcher::builder().all(url.trim()).build();
        let intercept = matcher.intercept(&Uri::from_static("https://any"));
        Proxy {
            variable,
            intercept: intercept
                .filter(|intercept| matches!(intercept.uri().scheme_str(), Some("http" | "https"))),
        }
    }

    /// Makes a connection to `endpoint` through it; `connector` makes those to the proxy.
    pub(super) async fn connect(
        self,
        connector: HttpsConnector<HttpConnector<Resolver>>,
        endpoint: Uri,
    ) -> Result<Leg, Error> {
        let variable = self.variable;
        let Some(intercept) = self.intercept else {
            return Err(Error::Unusable { variable });
        };
        let proxy = intercept.uri().authority().map(ToString::to_string);
        let proxy = proxy.unwrap_or_default();
        let (host, port) = (endpoint.host().unwrap_or_default(), endpoint.port_u16());
        let target = format!("{host}:{}", port.unwrap_or(443));
        match tunnel(&intercept, connector, &target).await {
            Ok(Ok(leg)) => Ok(leg),
            Ok(Err(status)) => Err(Error::Refused {
                variable,
                proxy,
                target,
                status,
                with_user: intercept.basic_auth().is_some(),
            }),
            Err(source) => Err(Error::Broken {
                variable,
                proxy,
                source,
            }),
        }
    }
}

/// Asks the proxy for a connection to `target`: one, or the proxy's own status.
async fn tunnel(
    intercept: &Intercept,
    connector: HttpsConnector<HttpConnector<Resolver>>,
    target: &str,
) -> Result<Result<Leg, StatusCode>, BoxError> {
    let leg = connector.oneshot(intercept.uri().clone()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(leg).await?;
    // It ends with the sender, or hands the connection over.
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::connect(target)
        .header(header::HOST, target)
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(credentials) = intercept.basic_auth() {
        request = request.header(header::PROXY_AUTHORIZATION, credentials);
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?);
    let response = response.await?;
    if !response.status().is_success() {
        return Ok(Err(response.status()));
    }
    let upgraded = hyper::upgrade::on(response).await?;
    match upgraded.downcast::<Leg>() {
        // The client starts TLS: the peer must not have sent anything before.
        Ok(parts) if parts.read_buf.is_empty() => Ok(Ok(parts.io)),
        _ => Err("it sent something of its own into the connection".into()),
    }
}

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{variable} holds no URL of an HTTP proxy: write http://HOST:PORT")]
    Unusable { variable: &'static str },
    #[error("the proxy {proxy} ({variable}) answered {status} to CONNECT {target}")]
    Refused {
        variable: &'static str,
        proxy: String,
        target: String,
        status: StatusCode,
        /// A user and a password were sent.
        with_user: bool,
    },
    #[error("the proxy {proxy} ({variable})")]
    Broken {
        variable: &'static str,
        proxy: String,
        source: BoxError,
    },
}

impl Error {
    /// The answer to act on; `reason` is the error with its context. `None` if its cause decides.
    pub(super) fn answer(&self, reason: &str) -> Option<Answer> {
        let blocked = |reason: String| Some(Answer::Blocked { reason });
        match self {
            Error::Unusable { .. } => blocked(reason.to_owned()),
            Error::Refused {
                variable,
                target,
                status,
                with_user,
                ..
            } => match status.as_u16() {
                401 | 407 if *with_user => blocked(format!(
                    "{reason}; correct the user and password in {variable}"
                )),
                401 | 407 => blocked(format!(
                    "{reason}; put the user and password into {variable}: \
                     http://USER:PASSWORD@HOST:PORT"
                )),
                408 | 425 | 429 | 500 | 502.. => Some(Answer::retry(format!(
                    "{reason}; should this last: can the proxy reach {target}? A host that needs no \
                     proxy belongs into NO_PROXY"
                ))),
                _ => blocked(format!(
                    "{reason}; let the proxy allow CONNECT to {target}, or name the host in NO_PROXY, \
                     if it can be reached directly"
                )),
            },
            // Errors of an `https` proxy's certificate are reported as for a collector's.
            Error::Broken { .. } if find::<rustls::Error>(self).is_some() => None,
            Error::Broken { variable, .. } => Some(Answer::retry(format!(
                "{reason}; should this last: is an HTTP proxy running where {variable} says?"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::super::failure::failure;
    use super::*;

    /// A proxy that gives one answer, and says what it was asked. Its URL has no user.
    async fn proxy(answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
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
        (address.to_string(), asked)
    }

    async fn connect(url: &str, endpoint: &'static str) -> Result<Leg, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        let connector = HttpsConnector::from((http, config));
        let proxy = Proxy::new("HTTPS_PROXY", url);
        proxy.connect(connector, Uri::from_static(endpoint)).await
    }

    #[tokio::test]
    async fn an_endpoint_is_reached_through_the_proxy() {
        for (scheme, answer, endpoint, target) in [
            (
                "http://",
                "HTTP/1.1 200 OK\r\n\r\n",
                "https://collector.example:4317",
                "collector.example:4317",
            ),
            (
                "",
                "HTTP/1.0 200 Connection established\r\nvia: p\r\n\r\n",
                "https://collector.example",
                "collector.example:443",
            ),
            (
                "http://",
                "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
                "https://[2001:db8::1]:4318/v1/logs",
                "[2001:db8::1]:4318",
            ),
        ] {
            let (address, asked) = proxy(answer).await;
            connect(&format!("{scheme}user:pass@{address}"), endpoint)
                .await
                .unwrap();
            let asked = asked.await.unwrap().to_ascii_lowercase();
            let line = format!("connect {target} http/1.1\r\n");
            assert!(asked.starts_with(&line), "{asked}");
            assert!(
                asked.contains(&format!("\r\nhost: {target}\r\n")),
                "{asked}"
            );
            // user:pass
            let user = "\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n";
            assert!(asked.contains(user), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_proxys_own_status_is_told_with_the_remedy() {
        for (answer, user, blocks, words) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
                "",
                true,
                ["407", "put the user and password into HTTPS_PROXY"],
            ),
            (
                "HTTP/1.1 407 No\r\n\r\n",
                "user:secret@",
                true,
                ["407", "correct the user and password in HTTPS_PROXY"],
            ),
            (
                "HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nhtml",
                "user:secret@",
                true,
                ["403 Forbidden", "allow CONNECT to collector.example:4317"],
            ),
            (
                "HTTP/1.1 404 Not Found\r\n\r\n",
                "",
                true,
                ["404", "NO_PROXY"],
            ),
            (
                "HTTP/1.1 405 No\r\n\r\n",
                "",
                true,
                ["405", "allow CONNECT"],
            ),
            (
                "HTTP/1.1 501 No\r\n\r\n",
                "",
                true,
                ["501", "allow CONNECT"],
            ),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://login\r\n\r\n",
                "",
                true,
                ["302", "allow CONNECT"],
            ),
            (
                "HTTP/1.0 502 Bad Gateway\r\n\r\n",
                "user:secret@",
                false,
                [
                    "502 Bad Gateway",
                    "can the proxy reach collector.example:4317?",
                ],
            ),
            (
                "HTTP/1.1 503 x\r\n\r\n",
                "",
                false,
                ["503", "can the proxy reach"],
            ),
            (
                "HTTP/1.1 504 x\r\n\r\n",
                "",
                false,
                ["504", "can the proxy reach"],
            ),
            (
                "HTTP/1.1 429 x\r\n\r\n",
                "",
                false,
                ["429", "can the proxy reach"],
            ),
            (
                "SSH-2.0-OpenSSH_9.6\r\n\r\n",
                "",
                false,
                ["HTTPS_PROXY", "is an HTTP proxy running"],
            ),
            ("", "", false, ["HTTPS_PROXY", "is an HTTP proxy running"]),
            (
                "HTTP/1.1 200 OK\r\n\r\nhello",
                "",
                false,
                ["HTTPS_PROXY", "of its own"],
            ),
        ] {
            let (address, _asked) = proxy(answer).await;
            let url = format!("http://{user}{address}");
            let error = connect(&url, "https://collector.example:4317").await;
            let error: BoxError = error.expect_err(answer).into();
            let (is_blocked, reason) = match failure(error.as_ref()) {
                Answer::Blocked { reason } => (true, reason),
                Answer::Retry { reason, .. } => (false, reason),
                other => panic!("{other:?}"),
            };
            assert_eq!(is_blocked, blocks, "{answer}: {reason}");
            for word in words.iter().chain([&&*address]) {
                assert!(reason.contains(word), "{answer}: {reason}");
            }
            assert!(!reason.contains("secret"), "{reason}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_away_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = connect(&format!("http://{address}"), "https://collector.example").await;
        let error: BoxError = error.expect_err("no proxy").into();
        let Answer::Retry { reason, .. } = failure(error.as_ref()) else {
            panic!("{error}");
        };
        for words in [
            &*format!("the proxy {address} (HTTPS_PROXY)"),
            "is an HTTP proxy running where HTTPS_PROXY says?",
        ] {
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[tokio::test]
    async fn what_is_no_http_proxy_is_the_set_ups_fault() {
        for url in [
            "socks5://user:secret@127.0.0.1:1080",
            "::",
            "ftp://127.0.0.1",
            "http://",
        ] {
            let error = connect(url, "https://collector.example").await;
            let error: BoxError = error.expect_err(url).into();
            let Answer::Blocked { reason } = failure(error.as_ref()) else {
                panic!("{url}: {error}");
            };
            assert!(reason.contains("HTTPS_PROXY"), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
