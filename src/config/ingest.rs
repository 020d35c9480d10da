//! Settings become the listeners for senders.
//!
//! What must hold: beyond loopback, traffic is encrypted and senders authenticate, unless the configuration
//! turns off each of the two.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::builder::Builder;
use super::keys::{self, Kind};
use crate::input::ingest::{Limits, Listen, ServerTls, Settings};

/// The settings of the listeners.
pub(super) fn settings(b: &mut Builder<'_>) -> Settings {
    let tls = tls(b);
    let files = b.list("ingest.token_files").unwrap_or_default();
    let certified = tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    let insecure = b.boolean("ingest.insecure").unwrap_or_default();
    let anonymous = b.boolean("ingest.anonymous").unwrap_or_default();
    let protection = Protection {
        encrypted: tls.is_some() || insecure,
        authenticated: !files.is_empty() || certified || anonymous,
    };
    let grpc = listen(b, "ingest.grpc.listen", protection);
    let http = listen(b, "ingest.http.listen", protection);
    if grpc.is_some() && grpc == http && !any_port(&grpc) {
        b.problem(
            "ingest.http.listen",
            "is the same as ingest.grpc.listen: each needs an address of its own",
        );
    }
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
            b.problem("ingest.tls.cert_file", "needs ingest.tls.key_file as well");
            None
        }
        (None, Some(_)) => {
            b.problem("ingest.tls.key_file", "needs ingest.tls.cert_file as well");
            None
        }
        (None, None) => {
            let message = "needs ingest.tls.cert_file and ingest.tls.key_file as well";
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
        header_timeout: b.positive_duration("ingest.limits.header_timeout"),
        body_timeout: b.positive_duration("ingest.limits.body_timeout"),
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

/// How a listener is protected beyond loopback.
#[derive(Debug, Clone, Copy)]
struct Protection {
    /// By TLS, or `ingest.insecure` allows plain text.
    encrypted: bool,
    /// By tokens or certificates, or `ingest.anonymous` allows anyone.
    authenticated: bool,
}

impl Protection {
    /// What is missing, with its remedies.
    fn missing(self) -> Vec<&'static str> {
        let encryption = "traffic would be in plain text: set ingest.tls.cert_file and \
             ingest.tls.key_file, or ingest.insecure: true where the network is trusted";
        let authentication = "anyone could send events: set ingest.token_files or \
             ingest.tls.client_ca_file, or ingest.anonymous: true to allow it";
        [
            (self.encrypted, encryption),
            (self.authenticated, authentication),
        ]
        .into_iter()
        .filter_map(|(protected, message)| (!protected).then_some(message))
        .collect()
    }
}

fn listen(b: &mut Builder<'_>, name: &str, protection: Protection) -> Option<Listen> {
    let port = match keys::find(name).map(|key| key.kind) {
        Some(Kind::Listen(port)) => port,
        _ => 0,
    };
    let listen = b.parse(name, |text| address(text, port))??;
    if let Listen::Tcp(address) = &listen
        && !address.ip().is_loopback()
    {
        for missing in protection.missing() {
            let message = format!("other hosts can reach {}, and {missing}", address.ip());
            b.problem(name, &message);
        }
    }
    Some(listen)
}

/// Parses an address; `none` is none.
fn address(text: &str, port: u16) -> Result<Option<Listen>, String> {
    if text == "none" {
        return Ok(None);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => {
                Err("does not name a socket: write it like unix:/run/qtrail/grpc.sock".to_owned())
            }
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
                "{text:?} is not an address: write 127.0.0.1, 0.0.0.0:{port}, [::]:{port}, unix:PATH or none"
            ));
        }
    };
    Ok(Some(Listen::Tcp(address)))
}

/// Whether the system chooses the port, so that two equal addresses do not conflict.
fn any_port(listen: &Option<Listen>) -> bool {
    matches!(listen, Some(Listen::Tcp(address)) if address.port() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, Flags};

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

    /// The settings that flags, or lines of a file, give.
    fn set(values: &[(&'static str, &str)]) -> Result<Settings, String> {
        let mut flags = Flags::default();
        for (key, text) in values {
            flags.set(key, "--flag", *text);
        }
        let loaded = config::load(None, &Environment::default(), flags);
        loaded
            .map(|loaded| loaded.config.ingest)
            .map_err(|error| error.to_string())
    }

    const GRPC: &str = "ingest.grpc.listen";
    const HTTP: &str = "ingest.http.listen";
    const CERT: (&str, &str) = ("ingest.tls.cert_file", "server.pem");
    const KEY: (&str, &str) = ("ingest.tls.key_file", "server.key");
    const CLIENTS: (&str, &str) = ("ingest.tls.client_ca_file", "clients.pem");
    const INSECURE: (&str, &str) = ("ingest.insecure", "true");
    const ANONYMOUS: (&str, &str) = ("ingest.anonymous", "true");
    const TOKENS: (&str, &str) = ("ingest.token_files", "tokens");

    #[test]
    fn nothing_listens_unless_it_is_asked_to() {
        let settings = set(&[]).unwrap();
        assert!(settings.grpc.is_none() && settings.http.is_none() && settings.tls.is_none());
        assert!(settings.token_files.is_empty());
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn beyond_loopback_it_takes_encryption_and_names_or_a_word_for_each() {
        let encryption = [&[CERT, KEY][..], &[INSECURE]];
        let names = [&[TOKENS][..], &[ANONYMOUS]];
        for key in [GRPC, HTTP] {
            for text in ["0.0.0.0", "[::]:1", "192.0.2.1", "::ffff:192.0.2.1"] {
                let with = |more: &[&[(&'static str, &str)]]| {
                    set(&[&[(key, text)], more.concat().as_slice()].concat())
                };
                for encrypted in encryption {
                    let refusal = with(&[encrypted]).unwrap_err();
                    assert!(refusal.contains(key), "{refusal}");
                    for remedy in ["token_files", "client_ca_file", "anonymous: true"] {
                        assert!(
                            refusal.contains(&format!("ingest.{remedy}"))
                                || refusal.contains(&format!("ingest.tls.{remedy}")),
                            "{refusal}"
                        );
                    }
                    assert!(!refusal.contains("ingest.insecure"), "{refusal}");
                    for named in names {
                        assert!(with(&[encrypted, named]).is_ok(), "{encrypted:?} {named:?}");
                    }
                }
                for named in names {
                    let refusal = with(&[named]).unwrap_err();
                    assert!(
                        refusal.contains(key) && refusal.contains("ingest.insecure"),
                        "{refusal}"
                    );
                    assert!(!refusal.contains("ingest.anonymous"), "{refusal}");
                }
                let neither = with(&[]).unwrap_err();
                assert!(
                    neither.contains("ingest.insecure") && neither.contains("ingest.anonymous"),
                    "{neither}"
                );
                // Client certificates are both.
                assert!(with(&[&[CERT, KEY, CLIENTS]]).is_ok());
                // Half of TLS, or the contrary of a word, is neither.
                assert!(with(&[&[CERT, TOKENS]]).is_err());
                assert!(with(&[&[TOKENS, ("ingest.insecure", "false")]]).is_err());
                assert!(with(&[&[CERT, KEY, ("ingest.anonymous", "false")]]).is_err());
            }
            for text in [
                "127.0.0.1",
                "127.8.8.8:1",
                "::1",
                "localhost",
                "unix:/run/q.sock",
            ] {
                assert!(set(&[(key, text)]).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn a_certificate_and_its_key_go_together() {
        assert!(set(&[CERT, KEY]).unwrap().tls.is_some());
        assert!(
            set(&[CERT, KEY, CLIENTS])
                .unwrap()
                .tls
                .unwrap()
                .client_ca_file
                .is_some()
        );
        for half in [
            &[CERT][..],
            &[KEY],
            &[CLIENTS],
            &[CERT, CLIENTS],
            &[KEY, CLIENTS],
        ] {
            let refusal = set(half).unwrap_err();
            assert!(refusal.contains("as well"), "{refusal}");
        }
    }

    #[test]
    fn each_listener_needs_an_address_of_its_own() {
        for text in ["127.0.0.1:7", "unix:/run/q.sock"] {
            let refusal = set(&[(GRPC, text), (HTTP, text)]).unwrap_err();
            assert!(
                refusal.contains("ingest.http.listen: is the same as ingest.grpc.listen"),
                "{refusal}"
            );
        }
        assert!(set(&[(GRPC, "127.0.0.1:0"), (HTTP, "127.0.0.1:0")]).is_ok());
        assert!(set(&[(GRPC, "127.0.0.1"), (HTTP, "127.0.0.1")]).is_ok());
    }

    #[test]
    fn limits_that_cannot_be_are_refused() {
        for (key, text) in [
            ("ingest.limits.connections", "0"),
            ("ingest.limits.streams", "0"),
            ("ingest.limits.streams", "5000000000"),
            ("ingest.limits.header_timeout", "0s"),
            ("ingest.limits.body_timeout", "soon"),
            ("ingest.limits.request_bytes", "0"),
            ("ingest.limits.in_flight_bytes", "1MiB"),
        ] {
            let refusal = set(&[(key, text)]).unwrap_err();
            assert!(refusal.contains(key), "{refusal}");
        }
    }
}
