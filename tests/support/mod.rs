//! What the integration tests share.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub mod collector;
pub mod delivery;
#[cfg(feature = "aws")]
pub mod fault_proxy;
pub mod flow;
pub mod made;
pub mod manifests;
#[cfg(feature = "aws")]
pub mod notice;
pub mod odd_server;
pub mod program;
pub mod receiver;
pub mod repeats;
pub mod sender;
pub mod sidecar;
pub mod spans;
pub mod terminal;
pub mod trail;

/// What a test awaits comes within this time, or the test fails. Longer than an unoptimized program
/// takes for 300 MB on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An address that nobody listens on, and that nobody gets for an outgoing connection either: a server must
/// find its port free again after it was killed, so it is one below those that the system gives away.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(50) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (number % 10_000) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// A chain of folders below `root` whose path is longer than the system takes in one piece.
pub fn nest_too_deep(root: &Path) {
    let name = "d".repeat(250);
    let mode = rustix::fs::Mode::RWXU;
    let mut folder = std::fs::File::open(root).unwrap();
    for _ in 0..20 {
        rustix::fs::mkdirat(&folder, &name, mode).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        folder = rustix::fs::openat(&folder, &name, flags, mode)
            .unwrap()
            .into();
    }
}
