//! The listeners and their limits.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Listeners, authentication and limits.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The address of the gRPC listener, if it is enabled.
    pub grpc: Option<Listen>,
    /// The address of the HTTP listener, if it is enabled.
    pub http: Option<Listen>,
    /// Certificates; `None` means plain text.
    pub tls: Option<ServerTls>,
    /// Files of bearer tokens, one a line. Without files, no token is needed.
    pub token_files: Vec<PathBuf>,
    /// Limits.
    pub limits: Limits,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Whether two listeners cannot have these addresses at the same time.
    pub(crate) fn clashes_with(&self, other: &Listen) -> bool {
        match (self, other) {
            (Listen::Tcp(one), Listen::Tcp(other)) => {
                let all = |address: &SocketAddr| address.ip().is_unspecified();
                let same = one.ip() == other.ip() || all(one) || all(other);
                one.port() == other.port() && one.port() != 0 && same
            }
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// PEM files. Changed files are read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The server's certificate chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Authorities of client certificates. If set, every client needs a certificate.
    pub client_ca_file: Option<PathBuf>,
}

/// Limits on senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request or message as it arrives. Default 16 MiB.
    pub request_bytes: usize,
    /// Inflated bytes of one request. Default 256 MiB.
    pub inflated_bytes: u64,
    /// Bytes of all requests in flight. Default 64 MiB.
    pub in_flight_bytes: usize,
    /// Connections to each listener. Default 512.
    pub connections: usize,
    /// Concurrent calls on one HTTP/2 connection. Default 100.
    pub streams: u32,
    /// How long a request's headers, and a TLS handshake, may take. Default 10 s.
    pub header_timeout: Duration,
    /// How long a request's body, or a message of a stream, may take. Default 30 s.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_bytes: 16 << 20,
            inflated_bytes: 256 << 20,
            in_flight_bytes: 64 << 20,
            connections: 512,
            streams: 100,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
        }
    }
}
