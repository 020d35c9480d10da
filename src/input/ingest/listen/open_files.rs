//! The process' limit on open files, which also limits connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that are not connections of senders.
const DESCRIPTORS: u64 = 256;
/// An open listener may use one in this many of the open files.
const OPEN_SHARE: u64 = 8;

/// The number of connections that each of two listeners may have: `connections`, or fewer if the process may not
/// open enough files. Raises the soft limit first.
pub(super) fn affordable(connections: usize) -> usize {
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
        "the process may open {files} files, which is enough for {fewer} connections per listener, \
         not {connections} (ingest.limits.connections): raise its limit (`ulimit -n`, \
         `LimitNOFILE=`), or lower the key"
    );
    fewer
}

/// The number of connections of an open listener, at most `connections`.
pub(super) fn open_listener_share(connections: usize) -> usize {
    match getrlimit(Resource::Nofile).current {
        Some(files) => connections.min((files / OPEN_SHARE).max(1) as usize),
        None => connections,
    }
}
