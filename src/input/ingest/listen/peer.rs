//! The peer of a connection, and the account of its requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The account of requests that no listener accepted.
pub(in crate::input::ingest) const NOBODY: &str = "an unknown sender";

/// The peer that sent a request: an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address, or the socket's path and the user.
    pub address: Arc<str>,
    /// The name in its client certificate.
    pub certificate: Option<Arc<str>>,
}

impl Peer {
    /// The account of its requests: the name of its token, else of its certificate, else its address without the
    /// port, which changes with each connection.
    pub fn account(&self, token: Option<&str>) -> Arc<str> {
        match (token, &self.certificate) {
            (Some(token), _) => format!("token {token}").into(),
            (None, Some(certificate)) => format!("certificate {certificate}").into(),
            (None, None) => match self.address.parse().map(|address: SocketAddr| address.ip()) {
                Ok(IpAddr::V4(ip)) => ip.to_string().into(),
                // A host can have any address of its /64 network.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_name_or_an_address_without_its_port() {
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
