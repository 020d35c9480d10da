//! Asks a running qtrail for its status.
//!
//! What must hold: an answer is bounded in time and size; a token of the configuration is sent to the address of the
//! configuration alone.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::cli::args::TelemetryArgs;
use crate::config::{self, Config};
use crate::input::ingest::listen::auth::first_token;
use crate::sidecar::TOKEN_FILES;
use crate::sidecar::status::Status;
use crate::telemetry::printable::printable;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may be.
const BYTES: usize = 8 << 20;
/// How much of a refusal is shown, in characters.
const REFUSAL: usize = 500;

/// Asks one address.
pub(in crate::cli) struct Client {
    http: HttpClient<HttpConnector, Empty<Bytes>>,
    uri: Uri,
    token: Option<HeaderValue>,
}

impl Client {
    /// For the address and the token of the arguments, else of the configuration.
    ///
    /// # Errors
    /// The address is none; the file of the token cannot be used.
    pub(in crate::cli) fn new(args: &TelemetryArgs, config: &Config) -> anyhow::Result<Self> {
        let base = match &args.address {
            Some(address) => base(address)?,
            None => match config.telemetry.http {
                Some(address) => format!("http://{}", reachable(address)),
                None => {
                    return Err(config::Error::of(
                        "telemetry.http is none: name the ADDRESS of a running qtrail".to_owned(),
                    )
                    .into());
                }
            },
        };
        let of_config = config.telemetry.token_files.first();
        let of_config = of_config.filter(|_| args.address.is_none());
        let token = match (&args.token_file, of_config) {
            (Some(file), _) => Some(first_token("--token-file", file)?),
            (None, Some(file)) => Some(first_token(TOKEN_FILES, file)?),
            (None, None) => None,
        };
        let bearer = |token: Vec<u8>| HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat());
        let token = token.map(bearer).transpose();
        Ok(Client {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            uri: format!("{base}/status.json").parse()?,
            token: token.context("the token cannot be sent in a header")?,
        })
    }

    /// The address that is asked.
    pub(in crate::cli) fn address(&self) -> &str {
        self.uri
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// Asks for the status.
    ///
    /// # Errors
    /// No answer in time, a refusal, an answer that is none of qtrail's.
    pub(in crate::cli) async fn status(&self) -> anyhow::Result<Status> {
        let address = self.address();
        match tokio::time::timeout(TIMEOUT, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(anyhow!("no answer within {} s", TIMEOUT.as_secs())),
        }
        .with_context(|| format!("cannot get the status of a qtrail at {address}"))
    }

    async fn ask(&self) -> anyhow::Result<Status> {
        let mut request = Request::get(self.uri.clone());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let response = self.http.request(request.body(Empty::new())?).await;
        let response = response.map_err(|error| {
            let error = anyhow::Error::new(error);
            anyhow!("{error:#}: is `qtrail run` running there, and is this its telemetry.http?")
        })?;
        let code = response.status();
        let body = Limited::new(response.into_body(), BYTES).collect().await;
        let body = body.map_err(|error| anyhow!("the answer cannot be read: {error}"))?;
        let body = body.to_bytes();
        match code {
            StatusCode::OK => serde_json::from_slice(&body)
                .context("the answer is none of a qtrail: is this its telemetry.http?"),
            StatusCode::UNAUTHORIZED => bail!(
                "it wants a token: name a file with one of its telemetry.token_files by --token-file FILE"
            ),
            code => {
                let text = String::from_utf8_lossy(&body);
                let text: String = text.trim().chars().take(REFUSAL).collect();
                bail!("{code}: {}", printable(&text))
            }
        }
    }
}

/// The start of the URLs of an address.
fn base(address: &str) -> Result<String, config::Error> {
    let with_scheme = match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    let uri = with_scheme.parse::<Uri>().ok();
    let is_usable = |uri: &Uri| uri.scheme_str() == Some("http") && uri.query().is_none();
    match uri.filter(is_usable) {
        Some(_) => Ok(with_scheme.trim_end_matches('/').to_owned()),
        None => Err(config::Error::of(format!(
            "ADDRESS: {address:?} is not like localhost:9465 or http://localhost:9465"
        ))),
    }
}

/// Where this machine reaches what listens on an address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match address.is_ipv4() {
            true => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            false => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_short() {
        for (address, expected) in [
            ("localhost:9465", "http://localhost:9465"),
            ("[::1]:9465", "http://[::1]:9465"),
            ("http://h:1/", "http://h:1"),
            ("http://h/qtrail/", "http://h/qtrail"),
        ] {
            assert_eq!(base(address).unwrap(), expected);
        }
        for address in ["", "https://h", "ftp://h", "a b", "http://h/?x"] {
            assert!(base(address).is_err(), "{address}");
        }
    }

    #[test]
    fn every_address_is_reached_by_loopback() {
        let reachable = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reachable("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(reachable("[::]:1"), "[::1]:1");
        assert_eq!(reachable("10.0.0.1:1"), "10.0.0.1:1");
    }
}
