//! An OTLP endpoint: where events go, and qtrail's own telemetry.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One OTLP endpoint.
#[derive(Clone)]
pub struct Endpoint {
    /// `http(s)://host:port`; for HTTP with the signal's whole path.
    pub url: http::Uri,
    /// How requests are carried.
    pub protocol: Protocol,
    /// Sent with every request. Values are secret: never logged.
    pub headers: BTreeMap<String, String>,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// The bound on one request. Default 10 s.
    pub timeout: Duration,
    /// Certificates.
    pub tls: Tls,
}

impl Endpoint {
    /// Its URL without the query, which may hold a token.
    pub fn shown(&self) -> String {
        let url = self.url.to_string();
        url.split('?').next().unwrap_or_default().to_owned()
    }

    /// Scheme, host and port of the URL.
    pub fn origin(&self) -> String {
        let url = &self.url;
        let port = url.port().map(|port| format!(":{port}"));
        format!(
            "{}://{}{}",
            url.scheme_str().unwrap_or("http"),
            url.host().unwrap_or_default(),
            port.unwrap_or_default()
        )
    }
}

impl fmt::Debug for Endpoint {
    /// Shows the headers' names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("protocol", &self.protocol)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("gzip", &self.gzip)
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .finish()
    }
}

/// An OTLP protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// gRPC.
    #[default]
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
}

/// PEM files, read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate chain.
    pub cert_file: Option<PathBuf>,
    /// The client's private key.
    pub key_file: Option<PathBuf>,
}
