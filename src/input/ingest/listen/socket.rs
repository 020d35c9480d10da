//! TCP and Unix sockets.
//!
//! Enters: an address. Leaves: streams, each with its peer's address. What must hold: a Unix socket of another process
//! is never replaced, and neither is a file that is not a socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use crate::input::ingest::Listen;

/// The mode of a Unix socket: its owner and its group may connect.
const MODE: u32 = 0o660;

/// Bytes from and to a peer.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A bound socket.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, File),
}

/// A Unix socket's file, removed when it is dropped.
pub(super) struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Listens on the address that the config key `key` names.
    pub(super) async fn bind(key: &str, listen: &Listen) -> anyhow::Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => TcpListener::bind(address)
                .await
                .map(Socket::Tcp)
                .map_err(Into::into),
            Listen::Unix(path) => unix(path).await,
        };
        bound.with_context(|| cannot_listen(key, listen))
    }

    /// Whether a listener could be bound. Accepts no connections and leaves no file behind.
    pub(super) async fn check(key: &str, listen: &Listen) -> anyhow::Result<()> {
        let bound = match listen {
            Listen::Tcp(address) => bind_only(*address).map_err(Into::into),
            Listen::Unix(path) => check_unix(path).await,
        };
        bound.with_context(|| cannot_listen(key, listen))
    }

    /// The next connection, and its peer's address.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Io>, Arc<str>)> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Senders wait for the small answers.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), peer.to_string().into()))
            }
            Socket::Unix(listener, File(path)) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                let peer = format!("unix:{} of uid {uid}", path.display());
                Ok((Box::new(stream), peer.into()))
            }
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Socket::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => write!(f, "an unknown address"),
            },
            Socket::Unix(_, File(path)) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn cannot_listen(key: &str, listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => {
            format!("{key}: cannot listen on {address} (set another address or port)")
        }
        Listen::Unix(path) => format!("{key}: cannot listen on unix:{}", path.display()),
    }
}

/// Binds as a listener does, and closes the socket.
fn bind_only(address: SocketAddr) -> io::Result<()> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

async fn check_unix(path: &Path) -> anyhow::Result<()> {
    is_stale(path).await?;
    // Checks the system's limit on the path's length.
    std::os::unix::net::SocketAddr::from_pathname(path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder)
        .with_context(|| format!("{} cannot be written to", folder.display()))?;
    Ok(())
}

/// Whether the path is a socket without a listener.
async fn is_stale(path: &Path) -> anyhow::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            bail!("the file is not a socket: remove it, or set another path")
        }
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
            Ok(_) => bail!("another process listens there: stop it, or set another path"),
            Err(error) => Err(error).context("cannot tell whether the socket is in use"),
        },
        Err(_) => Ok(false),
    }
}

async fn unix(path: &Path) -> anyhow::Result<Socket> {
    if is_stale(path).await? {
        std::fs::remove_file(path).context("cannot remove the stale socket")?;
    }
    let listener = UnixListener::bind(path)?;
    let file = File(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(Socket::Unix(listener, file))
}
