//! Listeners: sockets, TLS, authentication, and the limit on connections.
//!
//! Enters: an address and a router. Leaves: requests, each with its [`Peer`]. Every listener serves HTTP/1.1 and
//! HTTP/2 on the same port. What must hold: the number of connections is bounded, and so is the cost of each before
//! its peer is identified; hostile peers keep no sender out.

pub mod audit;
pub mod auth;
mod connection;
mod connection_limit;
mod open_files;
mod peer;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::audit::Audit;
use self::auth::Auth;
use self::connection::Protocol;
pub use self::connection_limit::{ActiveGuard, keep_active};
use self::connection_limit::{Admission, ConnectionLimit, Slot};
use self::open_files::{affordable, open_listener_share};
pub(super) use self::peer::NOBODY;
pub use self::peer::Peer;
use self::socket::{Io, Socket};
use self::tls::Certificates;
use super::{Limits, Listen, Settings};
use crate::telemetry::metrics::Metrics;

/// The config key of the files of tokens.
pub const TOKEN_FILES: &str = "ingest.token_files";
/// How long to wait when the system has no file descriptor for a connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The same, after an idle connection was evicted.
const EVICTED_BACK_OFF: Duration = Duration::from_millis(5);

/// A bound address.
pub struct Listener {
    socket: Socket,
    limits: Limits,
    tls: Option<Certificates>,
    slots: Arc<ConnectionLimit>,
    audit: Arc<Audit>,
}

/// Reads the certificates and the tokens, without listening. Returns the protection of each listener.
///
/// # Errors
/// A file that cannot be read or is invalid.
pub fn check(settings: &Settings) -> anyhow::Result<String> {
    Auth::open(TOKEN_FILES, &settings.token_files)?;
    if let Some(tls) = &settings.tls {
        Certificates::load(tls)?;
    }
    let listeners = [("grpc", &settings.grpc), ("http", &settings.http)];
    let protected = listeners.into_iter().filter_map(|(name, listen)| {
        let listen = listen.as_ref()?;
        Some(format!("{name} {}", protection(listen, settings)))
    });
    Ok(protected.collect::<Vec<_>>().join("; "))
}

/// Whether a listener could be bound to each of these addresses (with their config keys), beside those before it.
/// Accepts no connections.
pub async fn check_addresses(
    addresses: &[(&'static str, Listen)],
) -> Vec<Result<(), anyhow::Error>> {
    let mut results = Vec::new();
    for (number, (key, listen)) in addresses.iter().enumerate() {
        let same = addresses[..number]
            .iter()
            .find(|(_, other)| listen.clashes_with(other));
        results.push(match same {
            Some((other, _)) => Err(anyhow::anyhow!(
                "{key}: the address is {other}'s (set another address or port)"
            )),
            None => Socket::check(key, listen).await,
        });
    }
    results
}

impl Listener {
    /// Listens on the address that the config key `key` (such as `ingest.grpc.listen`) names.
    ///
    /// # Errors
    /// The address cannot be bound, or a certificate cannot be used.
    pub async fn bind(
        key: &'static str,
        listen: &Listen,
        settings: &Settings,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        // The file's mode protects a Unix socket.
        let tls = match (listen, &settings.tls) {
            (Listen::Tcp(_), Some(tls)) => Some(Certificates::load(tls)?),
            _ => None,
        };
        let mut limits = settings.limits.clone();
        limits.connections = affordable(limits.connections);
        let socket = Socket::bind(key, listen).await?;
        let name = key.split('.').nth(1).unwrap_or(key);
        let protection = protection(listen, settings);
        match is_open(listen, settings) {
            true => warn!("{protection}, {name} is served at {socket}"),
            false => info!("{protection}, {name} is served at {socket}"),
        }
        Ok(Listener {
            socket,
            tls,
            slots: ConnectionLimit::new(limits.connections, Arc::clone(&metrics)),
            limits,
            audit: Audit::new(name, Some("ingest.limits"), metrics),
        })
    }

    /// Listens in plain text, for anyone, where no events are accepted. Its connections do not count as senders'.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind_open(
        key: &'static str,
        address: SocketAddr,
        mut limits: Limits,
    ) -> anyhow::Result<Self> {
        limits.connections = open_listener_share(limits.connections);
        let uncounted = Arc::new(Metrics::default());
        Ok(Listener {
            socket: Socket::bind(key, &Listen::Tcp(address)).await?,
            tls: None,
            slots: ConnectionLimit::new(limits.connections, Arc::clone(&uncounted)),
            limits,
            audit: Audit::new(key, None, uncounted),
        })
    }

    /// Its address, with the actual port if 0 was configured.
    pub fn address(&self) -> String {
        self.socket.to_string()
    }

    /// Serves until `stop`; returns after the requests in progress were answered.
    pub async fn serve(mut self, router: Router, stop: CancellationToken) {
        let (tls, audit) = (self.tls.take(), Arc::clone(&self.audit));
        let protocol = Arc::new(Protocol::new(router, &self.limits, tls, audit));
        let connections = TaskTracker::new();
        while let Some((stream, peer, slot)) = stop.run_until_cancelled(self.next()).await {
            let (protocol, stop) = (Arc::clone(&protocol), stop.clone());
            connections.spawn(async move { protocol.serve(stream, peer, slot, stop).await });
        }
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }

    /// The next connection that gets a slot.
    async fn next(&self) -> (Box<dyn Io>, Peer, Arc<Slot>) {
        loop {
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.cannot_accept(&error).await;
                    continue;
                }
            };
            let peer = Peer {
                address,
                certificate: None,
            };
            let all = self.limits.connections;
            let key = self.audit.key("connections");
            match self.slots.take().await {
                Admission::Free(slot) => return (stream, peer, slot),
                Admission::Evicted(slot) => {
                    let why = format!(
                        "there are {all} connections{key}; the longest idle one was closed for this one"
                    );
                    self.audit.log_refusal("idle", &peer, &why);
                    return (stream, peer, slot);
                }
                Admission::Full => {
                    let why = format!(
                        "there are {all} connections{key}, each with a request in progress"
                    );
                    self.audit.log_refusal("connections", &peer, &why);
                }
            }
        }
    }

    /// Waits if the system lacks a resource that idle connections use, and evicts one.
    async fn cannot_accept(&self, error: &std::io::Error) {
        self.audit.cannot_accept(error);
        let lacking = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno)) {
            let evicted = self.slots.evict_idle();
            tokio::time::sleep(if evicted { EVICTED_BACK_OFF } else { BACK_OFF }).await;
        }
    }
}

/// The protection of a listener, as text.
fn protection(listen: &Listen, settings: &Settings) -> String {
    let tls = settings
        .tls
        .as_ref()
        .filter(|_| matches!(listen, Listen::Tcp(_)));
    let channel = match tls.map(|tls| tls.client_ca_file.is_some()) {
        None => "in plain text",
        Some(false) => "with TLS",
        Some(true) => "with TLS and client certificates",
    };
    match settings.token_files.len() {
        0 if is_open(listen, settings) => {
            format!("{channel}, open to anyone who reaches it (ingest.anonymous)")
        }
        0 => format!("{channel}, without tokens"),
        1 => format!("{channel}, with tokens from 1 file"),
        files => format!("{channel}, with tokens from {files} files"),
    }
}

/// Whether other hosts can send without authentication.
fn is_open(listen: &Listen, settings: &Settings) -> bool {
    let certified = settings
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca_file.is_some());
    let beyond = matches!(listen, Listen::Tcp(address) if !address.ip().is_loopback());
    beyond && !certified && settings.token_files.is_empty()
}
