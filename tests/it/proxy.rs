//! A proxy between the program and its collector: `HTTPS_PROXY` and `NO_PROXY`, for every protocol.

use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use qtrail_core::otlp::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::export::certificates::{authority, server};
use crate::support::collector::Collector;
use crate::support::program::qtrail;

/// An address of this machine for which no rule but `NO_PROXY` leaves the proxy out.
const HOST: &str = "0.0.0.0";

const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// A proxy that answers every `CONNECT` so; with 200, it passes on what comes.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let url = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Proxy { url, asked }
    }

    /// The targets that were asked for since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn serve(mut client: TcpStream, answer: &str, asked: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let request = String::from_utf8(request).unwrap();
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(target.clone());
    if client.write_all(answer.as_bytes()).await.is_ok() && answer.contains(" 200 ") {
        let mut server = TcpStream::connect(target).await.unwrap();
        // The end of either side ends it.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

/// A collector behind TLS, and the file of who signs for it.
async fn collector() -> (Collector, TempDir, PathBuf) {
    let authority = authority();
    let collector = Collector::start_with(Some(server(&authority, HOST, None))).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    (collector, folder, ca_file)
}

/// What `qtrail check --canary` says of this endpoint.
async fn check(
    protocol: &'static str,
    collector: &Collector,
    ca_file: &PathBuf,
    variables: &[(&str, &str)],
) -> Output {
    let url = format!("https://{HOST}:{}", collector.address.port());
    let folder = ca_file.parent().unwrap();
    std::fs::create_dir_all(folder.join("trail")).unwrap();
    let mut command = qtrail();
    command
        .arg("check")
        .arg(folder.join("trail"))
        .args(["--canary", "--endpoint", &url, "--protocol", protocol])
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", ca_file)
        .env("QTRAIL_STATE", folder.join("state"))
        .env("QTRAIL_TELEMETRY_HTTP", "none")
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_goes_through_the_proxy_unless_no_proxy_names_the_host() {
    let (collector, _folder, ca_file) = collector().await;
    let proxy = Proxy::start("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let port = collector.address.port();
    let with_port = format!("{HOST}:{port}");
    let another_port = format!("{HOST}:1, *.example");
    for protocol in PROTOCOLS {
        for (variables, is_direct) in [
            (&[("HTTPS_PROXY", &*proxy.url)][..], false),
            (&[("https_proxy", &*proxy.url)], false),
            (&[("HTTPS_PROXY", ""), ("https_proxy", &*proxy.url)], false),
            (
                &[("ALL_PROXY", &*proxy.url), ("NO_PROXY", &another_port)],
                false,
            ),
            (
                &[("HTTPS_PROXY", &*proxy.url), ("NO_PROXY", &with_port)],
                true,
            ),
            (
                &[
                    ("HTTPS_PROXY", &*proxy.url),
                    ("no_proxy", "a.example 0.0.0.0/32"),
                ],
                true,
            ),
            (
                &[
                    ("https_proxy", &*proxy.url),
                    ("NO_PROXY", ""),
                    ("no_proxy", "*"),
                ],
                true,
            ),
        ] {
            let output = check(protocol, &collector, &ca_file, variables).await;
            assert!(output.status.success(), "{variables:?}: {output:?}");
            let asked = proxy.asked();
            assert_eq!(
                asked.is_empty(),
                is_direct,
                "{protocol}, {variables:?}: {asked:?}"
            );
            assert!(asked.iter().all(|target| *target == with_port), "{asked:?}");
        }
    }
    assert_eq!(collector.accepted(Signal::Logs).len(), 7 * PROTOCOLS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxys_own_status_is_told_with_the_remedy() {
    let (collector, _folder, ca_file) = collector().await;
    for (answer, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            ["407", "correct the user and password in HTTPS_PROXY"],
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            ["502 Bad Gateway", "can the proxy reach"],
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            ["403 Forbidden", "NO_PROXY"],
        ),
    ] {
        let proxy = Proxy::start(answer).await;
        for protocol in PROTOCOLS {
            let variables = [("HTTPS_PROXY", &*proxy.url)];
            let output = check(protocol, &collector, &ca_file, &variables).await;
            assert!(!output.status.success(), "{output:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            for word in words {
                assert!(said.contains(word), "{protocol}: {said}");
            }
            assert!(!said.contains("secret"), "{said}");
        }
    }
    assert_eq!(collector.accepted(Signal::Logs).len(), 0);
}
