//! Names of hosts, looked up by the system's resolver.
//!
//! What must hold: an unknown name is distinguished from a failing resolver by the resolver's own
//! code, because its texts differ between systems.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, vec};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up {name}: {source}")]
pub(super) struct Failed {
    name: String,
    /// No host has this name; all else may pass.
    pub(super) no_such_host: bool,
    source: io::Error,
}

impl Failed {
    fn new(name: &str, error: LookupError) -> Self {
        Failed {
            name: name.to_owned(),
            no_such_host: matches!(
                error.kind(),
                LookupErrorKind::NoName | LookupErrorKind::NoData
            ),
            source: error.into(),
        }
    }
}

/// Looks names up, each on a thread that may block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver;

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let asked = name.clone();
            let looked_up = tokio::task::spawn_blocking(move || look_up(asked.as_str()));
            let addresses = looked_up.await.unwrap_or_else(|ended| {
                let error = LookupError::from(io::Error::other(ended));
                Err(Failed::new(name.as_str(), error))
            })?;
            Ok(addresses.into_iter())
        })
    }
}

fn look_up(name: &str) -> Result<Vec<SocketAddr>, Failed> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(name), None, Some(hints));
    let found = found.map_err(|error| Failed::new(name, error))?;
    Ok(found.flatten().map(|found| found.sockaddr).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_and_a_name_that_cannot_be_is_no_host() {
        let found = look_up("127.0.0.1").unwrap();
        assert!(found.iter().all(|found| found.ip().is_loopback()));
        assert!(!found.is_empty());
        // The empty label makes it a name that no resolver asks anybody for.
        let failed = look_up("a..b").unwrap_err();
        assert!(failed.no_such_host, "{failed:?}");
        assert!(failed.to_string().contains("a..b"), "{failed}");
    }

    #[test]
    fn a_resolver_that_fails_says_nothing_of_the_name() {
        let error = LookupError::from(io::Error::other("cannot fork"));
        assert!(!Failed::new("collector", error).no_such_host);
    }
}
