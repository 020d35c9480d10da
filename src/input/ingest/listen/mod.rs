//! Where senders connect: sockets, TLS, who may send, and how many.
//!
//! Enters: an address and a router. Leaves: requests, each with the [`Peer`] that sent it. gRPC and
//! HTTP are served alike: HTTP/1.1 and HTTP/2 on the same port. What must hold: connections are
//! bounded, and so is what each may cost before it has shown who it is; hostile ones keep no sender
//! out.

pub mod audit;
pub mod auth;
mod connection;
mod connection_limit;
mod socket;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::audit::Audit;
use self::auth::Auth;
use self::connection::Protocol;
pub use self::connection_limit::{ActiveGuard, keep_active};
use self::connection_limit::{Admission, ConnectionLimit, Slot};
use self::socket::{Io, Socket};
use self::tls::Certificates;
use super::{Limits, Listen, Settings};
use crate::telemetry::metrics::Metrics;

/// How long to wait when the system has no file descriptor left for a connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The same, when an idle connection is about to give one back.
const BRIEFLY: Duration = Duration::from_millis(5);

/// File descriptors for everything but senders' connections.
const DESCRIPTORS: u64 = 256;
/// One in so many of the files that may be opened may be a connection of an open listener.
const OPEN_SHARE: u64 = 8;

/// Who sent a request: an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address, or the socket's path and the user.
    pub address: Arc<str>,
    /// The name in its client certificate.
    pub certificate: Option<Arc<str>>,
}

impl Peer {
    /// What tells a sender from the others: the name of its token or of its certificate, else where
    /// it is, without the port, which is another at each connection.
    pub fn account(&self, token: Option<&str>) -> Arc<str> {
        match (token, &self.certificate) {
            (Some(token), _) => format!("token {token}").into(),
            (None, Some(certificate)) => format!("certificate {certificate}").into(),
            (None, None) => match self.address.parse().map(|address: SocketAddr| address.ip()) {
                Ok(IpAddr::V4(ip)) => ip.to_string().into(),
                // One machine can have any address of its network.
                Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                    Some(ip) => ip.to_string().into(),
                    None => {
                        let [a, b, c, d, ..] = ip.segments();
                        format!("{a:x}:{b:x}:{c:x}:{d:x}::/64").into()
                    }
                },
                Err(_) => Arc::clone(&self.address),
            },
        }
    }
}

/// A bound address.
pub struct Listener {
    socket: Socket,
    limits: Limits,
    tls: Option<Certificates>,
    slots: Arc<ConnectionLimit>,
    audit: Arc<Audit>,
}

/// Whether the certificates and the tokens can be used. Listens nowhere. Says who may send where.
///
/// # Errors
/// A file that cannot be read, or does not hold what it should.
pub fn check(settings: &Settings) -> anyhow::Result<String> {
    Auth::open(&settings.token_files)?;
    if let Some(tls) = &settings.tls {
        Certificates::load(tls)?;
    }
    let listeners = [("grpc", &settings.grpc), ("http", &settings.http)];
    let told = listeners.into_iter().filter_map(|(name, listen)| {
        let listen = listen.as_ref()?;
        Some(format!("{name} {}", guards(listen, settings)))
    });
    Ok(told.collect::<Vec<_>>().join("; "))
}

/// Whether each of these addresses, by their config keys, could be listened on beside those before it. Nobody can
/// connect meanwhile.
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
    /// The address cannot be listened on, or a certificate cannot be used.
    pub async fn bind(
        key: &'static str,
        listen: &Listen,
        settings: &Settings,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        // Who can reach a Unix socket is a matter of its file's mode.
        let tls = match (listen, &settings.tls) {
            (Listen::Tcp(_), Some(tls)) => Some(Certificates::load(tls)?),
            _ => None,
        };
        let mut limits = settings.limits.clone();
        limits.connections = affordable(limits.connections);
        let socket = Socket::bind(key, listen).await?;
        let name = key.split('.').nth(1).unwrap_or(key);
        let guards = guards(listen, settings);
        match is_open(listen, settings) {
            true => warn!("{guards}, {name} is served at {socket}"),
            false => info!("{guards}, {name} is served at {socket}"),
        }
        Ok(Listener {
            socket,
            tls,
            slots: ConnectionLimit::new(limits.connections, Arc::clone(&metrics)),
            limits,
            audit: Audit::new(name, Some("ingest.limits"), metrics),
        })
    }

    /// Listens where questions are answered, in plain text, to anyone. Its connections are no
    /// sender's, and not counted.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind_open(
        key: &'static str,
        address: SocketAddr,
        mut limits: Limits,
    ) -> anyhow::Result<Self> {
        if let Some(files) = getrlimit(Resource::Nofile).current {
            let share = (files / OPEN_SHARE).max(1);
            limits.connections = limits.connections.min(share as usize);
        }
        let uncounted = Arc::new(Metrics::default());
        Ok(Listener {
            socket: Socket::bind(key, &Listen::Tcp(address)).await?,
            tls: None,
            slots: ConnectionLimit::new(limits.connections, Arc::clone(&uncounted)),
            limits,
            audit: Audit::new(key, None, uncounted),
        })
    }

    /// Where it listens: the port that was chosen, where 0 was asked for.
    pub fn address(&self) -> String {
        self.socket.to_string()
    }

    /// Serves until `stop`; returns when the requests under way were answered.
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

    /// The next connection that there is a slot for.
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
                        "there are {all} connections{key}; the one that was idle for longest was \
                         closed for this one"
                    );
                    self.audit.log_refusal("idle", &peer, &why);
                    return (stream, peer, slot);
                }
                Admission::Full => {
                    let why =
                        format!("there are {all} connections{key}, each with a request under way");
                    self.audit.log_refusal("connections", &peer, &why);
                }
            }
        }
    }

    /// Waits, where the system lacks something that idle connections hold.
    async fn cannot_accept(&self, error: &std::io::Error) {
        self.audit.cannot_accept(error);
        let lacking = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno)) {
            let vacated = self.slots.evict_idle();
            tokio::time::sleep(if vacated { BRIEFLY } else { BACK_OFF }).await;
        }
    }
}

/// What stands between the address and the events, in words.
fn guards(listen: &Listen, settings: &Settings) -> String {
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

/// Whether other hosts can send without showing who they are.
fn is_open(listen: &Listen, settings: &Settings) -> bool {
    let certified = settings
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca_file.is_some());
    let beyond = matches!(listen, Listen::Tcp(address) if !address.ip().is_loopback());
    beyond && !certified && settings.token_files.is_empty()
}
/// Where a request came from that no listener took.
pub(super) const NOBODY: &str = "an unknown sender";

/// So many connections, or as many as the process may open files for; there are two listeners. Its
/// limit is raised, as far as it may be.
fn affordable(connections: usize) -> usize {
    let needed = (connections as u64)
        .saturating_mul(2)
        .saturating_add(DESCRIPTORS);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return connections;
    }
    let raised = Rlimit {
        current: Some(limit.maximum.map_or(needed, |most| most.min(needed))),
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    if files >= needed {
        return connections;
    }
    let spare = files - DESCRIPTORS.min(files / 2);
    let fewer = (spare / 2).max(1) as usize;
    warn!(
        "the process may open {files} files, which is enough for {fewer} connections to a listener, \
         not {connections} (ingest.limits.connections): raise its limit (`ulimit -n`, \
         `LimitNOFILE=`), or lower the key"
    );
    fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_known_by_its_name_or_its_place_whatever_its_port() {
        let peer = |address: &str, certificate: Option<&str>| Peer {
            address: address.into(),
            certificate: certificate.map(Into::into),
        };
        for (address, certificate, token, account) in [
            ("192.0.2.1:50000", None, None, "192.0.2.1"),
            ("[::ffff:192.0.2.1]:50000", None, None, "192.0.2.1"),
            ("[2001:db8:1:2:3::4]:50000", None, None, "2001:db8:1:2::/64"),
            ("[2001:db8:1:2:5::6]:1", None, None, "2001:db8:1:2::/64"),
            ("unix:/run/q of uid 0", None, None, "unix:/run/q of uid 0"),
            ("192.0.2.1:1", Some("app"), None, "certificate app"),
            ("192.0.2.1:1", Some("app"), Some("team"), "token team"),
        ] {
            assert_eq!(&*peer(address, certificate).account(token), account);
        }
    }
}
