//! Where senders are listened to.
//!
//! What must hold: beyond loopback there is TLS, or the explicit word that it is not wanted.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::builder::Builder;
use super::keys::{self, Kind};
use crate::input::ingest::{Limits, Listen, ServerTls, Settings};

/// The settings of the listeners.
pub(super) fn settings(b: &mut Builder<'_>) -> Settings {
    let tls = tls(b);
    let insecure = b.boolean("ingest.insecure").unwrap_or_default();
    let grpc = listen(b, "ingest.grpc.listen", tls.is_some() || insecure);
    let http = listen(b, "ingest.http.listen", tls.is_some() || insecure);
    if grpc.is_some() && grpc == http && !any_port(&grpc) {
        b.problem(
            "ingest.http.listen",
            "is ingest.grpc.listen too: each needs its own",
        );
    }
    let files = b.list("ingest.token_files").unwrap_or_default();
    Settings {
        grpc,
        http,
        tls,
        token_files: files.into_iter().map(PathBuf::from).collect(),
        limits: limits(b),
    }
}

fn tls(b: &mut Builder<'_>) -> Option<ServerTls> {
    let cert_file = b.path("ingest.tls.cert_file");
    let key_file = b.path("ingest.tls.key_file");
    let client_ca_file = b.path("ingest.tls.client_ca_file");
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Some(ServerTls {
            cert_file,
            key_file,
            client_ca_file,
        }),
        (None, None) if client_ca_file.is_none() => None,
        (Some(_), None) => {
            b.problem(
                "ingest.tls.cert_file",
                "needs ingest.tls.key_file beside it",
            );
            None
        }
        (None, Some(_)) => {
            b.problem(
                "ingest.tls.key_file",
                "needs ingest.tls.cert_file beside it",
            );
            None
        }
        (None, None) => {
            let message = "needs ingest.tls.cert_file and ingest.tls.key_file beside it";
            b.problem("ingest.tls.client_ca_file", message);
            None
        }
    }
}

fn limits(b: &mut Builder<'_>) -> Limits {
    let limits = Limits {
        request_bytes: b.size("ingest.limits.request_bytes"),
        inflated_bytes: b.size("ingest.limits.inflated_bytes"),
        in_flight_bytes: b.size("ingest.limits.in_flight_bytes"),
        connections: b.number("ingest.limits.connections"),
        streams: b.number("ingest.limits.streams"),
        header_timeout: b.span("ingest.limits.header_timeout"),
        body_timeout: b.span("ingest.limits.body_timeout"),
    };
    if limits.in_flight_bytes < limits.request_bytes {
        let message = format!(
            "must be at least ingest.limits.request_bytes: {} bytes",
            limits.request_bytes
        );
        b.problem("ingest.limits.in_flight_bytes", &message);
    }
    limits
}

fn listen(b: &mut Builder<'_>, name: &str, guarded: bool) -> Option<Listen> {
    let port = match keys::find(name).map(|key| key.kind) {
        Some(Kind::Listen(port)) => port,
        _ => 0,
    };
    let listen = b.parse(name, |text| address(text, port))??;
    if let Listen::Tcp(address) = &listen
        && !address.ip().is_loopback()
        && !guarded
    {
        let message = format!(
            "{} is reached from other hosts: set ingest.tls.cert_file and ingest.tls.key_file, or \
             ingest.insecure: true where the network is trusted",
            address.ip()
        );
        b.problem(name, &message);
    }
    Some(listen)
}

/// The address that a text names; `none` is none.
fn address(text: &str, port: u16) -> Result<Option<Listen>, String> {
    if text == "none" {
        return Ok(None);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => Err("names no socket: write it as unix:/run/qtrail/grpc.sock".to_owned()),
            path => Ok(Some(Listen::Unix(path.into()))),
        };
    }
    let numbers = match text {
        "localhost" => "127.0.0.1".to_owned(),
        text => text.replacen("localhost:", "127.0.0.1:", 1),
    };
    let bare = numbers.trim_start_matches('[').trim_end_matches(']');
    let address = match (numbers.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(address), _) => address,
        (_, Ok(ip)) => SocketAddr::new(ip, port),
        _ => {
            return Err(format!(
                "{text:?} is no address: write 127.0.0.1, 0.0.0.0:{port}, [::]:{port}, unix:PATH or none"
            ));
        }
    };
    Ok(Some(Listen::Tcp(address)))
}

/// Whether the system chooses the port, so that two equal addresses are not the same.
fn any_port(listen: &Option<Listen>) -> bool {
    matches!(listen, Some(Listen::Tcp(address)) if address.port() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Result<Option<Listen>, String> {
        Ok(Some(Listen::Tcp(text.parse().unwrap())))
    }

    #[test]
    fn an_address_may_leave_out_its_port() {
        for (text, expected) in [
            ("127.0.0.1", tcp("127.0.0.1:4319")),
            ("localhost", tcp("127.0.0.1:4319")),
            ("localhost:1", tcp("127.0.0.1:1")),
            ("0.0.0.0:7", tcp("0.0.0.0:7")),
            ("::", tcp("[::]:4319")),
            ("[::1]", tcp("[::1]:4319")),
            ("[::1]:9", tcp("[::1]:9")),
            (
                "unix:/run/q.sock",
                Ok(Some(Listen::Unix("/run/q.sock".into()))),
            ),
            (
                "unix:///run/q.sock",
                Ok(Some(Listen::Unix("/run/q.sock".into()))),
            ),
            ("none", Ok(None)),
        ] {
            assert_eq!(address(text, 4319), expected, "{text}");
        }
        for text in ["example.com", "unix:", "1.2.3.4:99999", "4319"] {
            assert!(address(text, 4319).is_err(), "{text}");
        }
    }
}
