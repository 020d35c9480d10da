//! Which of Amazon's endpoints are reached through a proxy.
//!
//! Enters: the environment. Leaves: one HTTP client for all services. What must hold: a host that
//! `NO_PROXY` names, in whatever form, is reached directly (the SDK knows some of the forms), and so
//! is one on this machine.

use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http::Uri;

use super::error::Remedy;
use crate::runtime::no_proxy::{NoProxy, variable};

/// The variables by which the SDK finds a proxy.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// One pool of connections and one TLS set-up, by aws-lc, for all clients.
pub(super) fn http_client() -> SharedHttpClient {
    let direct = client(ProxyConfig::disabled());
    match variable(PROXIES) {
        Some(_) => routed(direct, client(ProxyConfig::from_env()), NoProxy::from_env()),
        None => direct,
    }
}

fn client(proxy: ProxyConfig) -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(proxy.clone()));
        connector.build()
    })
}

/// A client that chooses between two for each request.
fn routed(
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
    no_proxy: NoProxy,
) -> SharedHttpClient {
    let no_proxy = Arc::new(no_proxy);
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Routed {
            direct: direct.http_connector(settings, components),
            proxied: proxied.http_connector(settings, components),
            no_proxy: Arc::clone(&no_proxy),
        })
    })
}

#[derive(Debug)]
struct Routed {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
    no_proxy: Arc<NoProxy>,
}

impl HttpConnector for Routed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_direct = request
            .uri()
            .parse::<Uri>()
            .is_ok_and(|uri| self.no_proxy.names(&uri));
        match is_direct {
            true => self.direct.call(request),
            false => self.proxied.call(request),
        }
    }
}

/// The remedy if a proxy made no connection, by the words of the error: the SDK gives no status
/// of the proxy's, and has no public type for its refusal.
pub(super) fn refusal(words: &str) -> Option<(Remedy, &'static str)> {
    let (_, words) = words.split_once("tunnel error: ")?;
    if words.starts_with("proxy authorization required") {
        Some((
            Remedy::Setup,
            "put the user and password into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT",
        ))
    } else if words.starts_with("unsuccessful") {
        Some((
            Remedy::Retry,
            "the proxy of HTTPS_PROXY does not let this through: allow CONNECT to the service, or name \
             the host in NO_PROXY, if it can be reached directly",
        ))
    } else {
        None
    }
}

/// A client for tests, which cannot set variables.
#[cfg(test)]
pub(super) fn through(proxy: &str, no_proxy: &str) -> SharedHttpClient {
    let proxy = ProxyConfig::all(proxy.to_owned()).expect("a URL");
    let direct = client(ProxyConfig::disabled());
    routed(direct, client(proxy), NoProxy::of(no_proxy))
}
