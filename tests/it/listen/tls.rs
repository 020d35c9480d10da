//! TLS: who is let in, and what happens when certificates change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use qtrail::input::ingest::listen::Listener;
use qtrail::input::ingest::{ServerTls, Settings};
use qtrail_core::otlp::Signal;
use qtrail_proto::v1::IngestRequest;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{GET, KEY, Served, ask, loopback, rest};
use crate::support::collector::Collector;
use crate::support::program::{event, qtrail};
use crate::support::sidecar::{Place, Sidecar};

pub type Authority = CertifiedIssuer<'static, KeyPair>;
/// A client's certificate and its key.
pub type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of this name, changed by `edit`.
fn signed(
    authority: &Authority,
    name: &str,
    edit: impl FnOnce(&mut CertificateParams),
) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    edit(&mut params);
    (params.signed_by(&key, authority).unwrap(), key)
}

fn identity(
    authority: &Authority,
    name: &str,
    edit: impl FnOnce(&mut CertificateParams),
) -> Identity {
    let (certificate, key) = signed(authority, name, edit);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (certificate.der().clone(), key)
}

/// A server's files.
pub struct Files {
    folder: TempDir,
    pub server: Authority,
    clients: Authority,
}

impl Files {
    pub fn new() -> Self {
        let files = Files {
            folder: tempfile::tempdir().unwrap(),
            server: authority(),
            clients: authority(),
        };
        files.issue(&files.server);
        std::fs::write(files.path("clients.pem"), files.clients.pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives the server a new certificate.
    fn issue(&self, authority: &Authority) {
        let (certificate, key) = signed(authority, "localhost", |_| {});
        replace(&self.path("server.pem"), &certificate.pem());
        replace(&self.path("server.key"), &key.serialize_pem());
    }

    pub fn settings(&self, mutual: bool) -> Settings {
        Settings {
            tls: Some(ServerTls {
                cert_file: self.path("server.pem"),
                key_file: self.path("server.key"),
                client_ca_file: mutual.then(|| self.path("clients.pem")),
            }),
            ..Settings::default()
        }
    }
}

fn replace(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, path).unwrap();
}

/// The answer to a request over TLS; empty where there was none.
async fn get(served: &Served, trusted: &Authority, client: Option<&Identity>) -> String {
    match connect(served, trusted, client).await {
        Ok(stream) => ask(stream, GET).await,
        Err(_) => String::new(),
    }
}

/// A connection with TLS.
async fn connect(
    served: &Served,
    trusted: &Authority,
    client: Option<&Identity>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = connector(trusted, client);
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, served.connect().await).await
}

pub fn connector(trusted: &Authority, client: Option<&Identity>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
            .unwrap(),
    };
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn requests_come_over_tls() {
    let files = Files::new();
    let served = Served::start(&files.settings(false)).await;
    served
        .log
        .once("with TLS, without tokens, http is served at");
    let answer = get(&served, &files.server, None).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A client that does not trust the server is nobody's fault here, but is told of.
    assert_eq!(get(&served, &files.clients, None).await, "");
    served.until_connections(0).await;
    let line = served.log.once("refused: ");
    assert!(line.contains("the TLS handshake failed"), "{line}");
    served.end().await;
}

#[tokio::test]
async fn a_client_comes_in_with_a_certificate_that_is_valid_and_its_name_is_known() {
    let files = Files::new();
    let router = axum::Router::new().route(
        "/name",
        axum::routing::get(
            async |peer: axum::Extension<qtrail::input::ingest::listen::Peer>| {
                format!("{:?}", peer.certificate)
            },
        ),
    );
    let served = Served::with(&loopback(), &files.settings(true), router).await;
    served.log.once("with TLS and client certificates");

    let common = |name: &'static str| {
        move |params: &mut CertificateParams| {
            params.distinguished_name.remove(DnType::CommonName);
            if !name.is_empty() {
                params.distinguished_name.push(DnType::CommonName, name);
            }
        }
    };
    for (name, expected) in [
        ("agent 7", r#"Some("agent 7")"#),
        ("", r#"Some("agent.example")"#),
        ("two\nlines", r#"Some("twolines")"#),
    ] {
        let client = identity(&files.clients, "agent.example", common(name));
        let stream = connect(&served, &files.server, Some(&client))
            .await
            .unwrap();
        let answer = ask(stream, b"GET /name HTTP/1.0\r\n\r\n").await;
        assert!(
            answer.ends_with(expected),
            "{answer}\n{}",
            served.log.text()
        );
    }
    served.end().await;
}

#[tokio::test]
async fn no_certificate_an_expired_one_and_a_strangers_are_refused_and_told_of_once() {
    let files = Files::new();
    let served = Served::start(&files.settings(true)).await;
    let expired = identity(&files.clients, "old", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let stranger = identity(&files.server, "stranger", |_| {});
    for client in [None, Some(&expired), Some(&stranger)] {
        assert_eq!(get(&served, &files.server, client).await, "");
    }
    let line = served.log.once("refused: the client's certificate");
    assert!(line.contains("WARN qtrail::audit"), "{line}");
    assert_eq!(served.metrics.ingest_refused.get(), 3);
    let good = identity(&files.clients, "agent", |_| {});
    assert!(
        get(&served, &files.server, Some(&good))
            .await
            .starts_with("HTTP/1.1 200")
    );
    served.end().await;
}

#[tokio::test]
async fn certificates_are_read_again_when_they_change_and_broken_ones_are_not_taken() {
    let files = Files::new();
    let served = Served::start(&files.settings(false)).await;
    assert_ne!(get(&served, &files.server, None).await, "");

    let next = authority();
    files.issue(&next);
    assert_ne!(get(&served, &next, None).await, "");
    assert_eq!(get(&served, &files.server, None).await, "");

    // The certificate alone, before its key: they do not belong together.
    let (certificate, key) = signed(&files.server, "localhost", |_| {});
    replace(&files.path("server.pem"), &certificate.pem());
    assert_ne!(get(&served, &next, None).await, "");
    assert_ne!(get(&served, &next, None).await, "");
    let line = served.log.once("the old ones stay in use");
    assert!(
        line.contains("ingest.tls") && line.contains("server.pem"),
        "{line}"
    );
    replace(&files.path("server.key"), &key.serialize_pem());
    assert_ne!(get(&served, &files.server, None).await, "");
    served.end().await;
}

#[tokio::test]
async fn clients_authorities_are_read_again_when_they_change() {
    let files = Files::new();
    let served = Served::start(&files.settings(true)).await;
    let client = identity(&files.clients, "agent", |_| {});
    assert_ne!(get(&served, &files.server, Some(&client)).await, "");
    let next = authority();
    replace(&files.path("clients.pem"), &next.pem());
    assert_eq!(get(&served, &files.server, Some(&client)).await, "");
    let client = identity(&next, "agent", |_| {});
    assert_ne!(get(&served, &files.server, Some(&client)).await, "");
    served.end().await;
}

#[tokio::test]
async fn a_session_is_resumed_only_where_no_certificate_has_to_be_shown_again() {
    let files = Files::new();
    let client = identity(&files.clients, "agent", |_| {});
    for (mutual, expected) in [(false, HandshakeKind::Resumed), (true, HandshakeKind::Full)] {
        let served = Served::start(&files.settings(mutual)).await;
        let connector = connector(&files.server, Some(&client));
        let mut kind = None;
        for _ in 0..2 {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = connector.connect(name, served.connect().await).await;
            let mut stream = stream.unwrap();
            stream.write_all(GET).await.unwrap();
            assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
            kind = stream.get_ref().1.handshake_kind();
        }
        assert_eq!(kind, Some(expected));
        served.end().await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_ended_and_told_of_once() {
    let files = Files::new();
    let mut settings = files.settings(false);
    settings.limits.header_timeout = Duration::from_millis(300);
    let served = Served::start(&settings).await;
    let hello: &[u8] = &[0x16, 3, 1, 2, 0, 1];
    let begun = async || ask(served.connect().await, hello).await;
    let silent = async || rest(&mut served.connect().await).await;
    let refused = async { tokio::join!(begun(), begun(), silent()) };
    let good = async {
        loop {
            assert_ne!(get(&served, &files.server, None).await, "");
        }
    };
    tokio::select! {
        _ = refused => {}
        () = good => unreachable!(),
    }
    served
        .log
        .once("no TLS handshake came within 0.3 s (ingest.limits.header_timeout)");
    assert_eq!(served.metrics.ingest_refused.get(), 3);
    served.end().await;
}

#[tokio::test]
async fn plain_text_to_tls_and_tls_to_plain_text_are_refused_at_once_and_told_of_once() {
    let files = Files::new();
    let served = Served::start(&files.settings(false)).await;
    for _ in 0..3 {
        let answer = served.get().await;
        assert!(!answer.contains("HTTP"), "{answer}");
    }
    let line = served.log.once("plain text on a port with ingest.tls");
    assert!(line.contains("WARN qtrail::audit"), "{line}");
    served.end().await;

    let served = Served::start(&Settings::default()).await;
    for _ in 0..3 {
        assert_eq!(get(&served, &files.server, None).await, "");
    }
    served.log.once("is it TLS, without ingest.tls?");
    served.end().await;
}

#[tokio::test]
async fn by_grpc_with_a_certificate_and_a_token_both_are_named_in_the_programs_log() {
    let collector = Collector::start().await;
    let (files, place) = (Files::new(), Place::new());
    let tokens = files.path("team.token");
    std::fs::write(&tokens, "tango").unwrap();
    let arguments = ["--endpoint", &collector.url(), "--grpc", "127.0.0.1:0"];
    let sidecar = Sidecar::start(
        place
            .run()
            .args(arguments)
            .env("QTRAIL_INGEST_TLS_CERT_FILE", files.path("server.pem"))
            .env("QTRAIL_INGEST_TLS_KEY_FILE", files.path("server.key"))
            .env(
                "QTRAIL_INGEST_TLS_CLIENT_CA_FILE",
                files.path("clients.pem"),
            )
            .env("QTRAIL_INGEST_TOKEN_FILES", &tokens),
    );
    sidecar
        .until_said("with TLS and client certificates, with tokens from 1 file")
        .await;

    let client = identity(&files.clients, "agent.example", |params| {
        params.distinguished_name = DistinguishedName::new();
    });
    let stream = TcpStream::connect(sidecar.listens("grpc").await)
        .await
        .unwrap();
    let connector = connector(&files.server, Some(&client));
    let name = ServerName::try_from("localhost").unwrap();
    let connector = connector.with_alpn(vec![b"h2".to_vec()]);
    let stream = connector.connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let service = tower::service_fn(move |request| sender.clone().send_request(request));
    let origin = http::Uri::from_static("https://localhost");
    let mut client = IngestServiceClient::with_origin(service, origin);

    let mut send = async |token: &str| {
        let mut request = tonic::Request::new(IngestRequest {
            events: event("one").into(),
            ..IngestRequest::default()
        });
        let token = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        client.ingest(request).await
    };
    let refused = send("quebec").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated, "{refused}");
    let line = sidecar
        .until_said("refused: no token, or a wrong one")
        .await;
    assert!(line.contains(r#"certificate="agent.example""#), "{line}");
    assert_eq!(collector.accepted(Signal::Logs), Vec::<String>::new());

    send("tango").await.unwrap();
    let line = sidecar.until_said("a sender's first request").await;
    assert!(
        line.contains(r#"certificate="agent.example" token="team""#),
        "{line}"
    );
    assert_eq!(collector.accepted(Signal::Logs), ["one"]);
    let (_, said) = sidecar.stop().await;
    assert!(
        !said.contains("tango") && !said.contains("quebec"),
        "{said}"
    );
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_an_error_at_start() {
    let files = Files::new();
    std::fs::write(files.path("clients.pem"), "nothing").unwrap();
    let settings = files.settings(true);
    let error = Listener::bind(KEY, &loopback(), &settings, Arc::default()).await;
    let text = format!("{:#}", error.err().unwrap());
    assert!(text.contains("clients.pem"), "{text}");
}

/// TLS alone does not say who sends.
#[tokio::test]
async fn beyond_loopback_the_program_starts_only_with_a_word_for_each_guard_that_is_missing() {
    let files = Files::new();
    let tokens = files.path("team.token");
    std::fs::write(&tokens, "tango").unwrap();
    let path = |name: &str| files.path(name).display().to_string();
    let tls = [
        ("QTRAIL_INGEST_TLS_CERT_FILE", path("server.pem")),
        ("QTRAIL_INGEST_TLS_KEY_FILE", path("server.key")),
    ];
    let clients = [("QTRAIL_INGEST_TLS_CLIENT_CA_FILE", path("clients.pem"))];
    let tokens = [("QTRAIL_INGEST_TOKEN_FILES", tokens.display().to_string())];
    let insecure = [("QTRAIL_INGEST_INSECURE", "true".to_owned())];
    let anonymous = [("QTRAIL_INGEST_ANONYMOUS", "true".to_owned())];
    // Only what is refused is run: nothing in a test listens beyond loopback.
    let check = async |command: &str, set: &[&[(&str, String)]]| {
        let mut check = qtrail();
        check
            .arg(command)
            .env("QTRAIL_INGEST_GRPC_LISTEN", "0.0.0.0:0")
            .env("QTRAIL_EXPORT_FILE", files.path("out.jsonl"))
            .env("QTRAIL_STATE", files.folder.path())
            .envs(set.concat());
        let output = tokio::task::spawn_blocking(move || check.output()).await;
        let output = output.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code(), said)
    };
    for set in [
        &[&tls[..]][..],
        &[&insecure],
        &[&tokens],
        &[&anonymous],
        &[],
    ] {
        for command in ["run", "check"] {
            let (code, said) = check(command, set).await;
            assert_eq!(code, Some(2), "{command} {set:?}: {said}");
            assert!(
                said.contains("ingest.grpc.listen: other hosts can reach"),
                "{said}"
            );
            let encrypted = set.iter().any(|set| set[0].0.contains("TLS"));
            let word = set.contains(&&insecure[..]);
            assert_eq!(said.contains("ingest.insecure: true"), !encrypted && !word);
            let named = set.contains(&&tokens[..]) || set.contains(&&anonymous[..]);
            assert_eq!(said.contains("ingest.token_files"), !named, "{said}");
            assert_eq!(said.contains("ingest.anonymous: true"), !named, "{said}");
        }
    }
    for (set, guards) in [
        (
            &[&tls[..], &tokens][..],
            "with TLS, with tokens from 1 file",
        ),
        (&[&tls, &clients], "with TLS and client certificates"),
        (&[&tls, &anonymous], "with TLS, open to anyone"),
        (&[&insecure, &tokens], "in plain text, with tokens"),
        (&[&insecure, &anonymous], "in plain text, open to anyone"),
    ] {
        let (code, said) = check("check", set).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("usable: grpc {guards}")), "{said}");
    }
}
