//! Addresses that are taken, stale or wrong, and what is told of good ones.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;

use qtrail::input::ingest::listen::Listener;
use qtrail::input::ingest::{Listen, Settings};
use tokio::net::UnixStream;

use super::{GET, KEY, Served, ask};
use crate::support::collector::Collector;
use crate::support::sidecar::{Place, Sidecar};

async fn refusal(listen: &Listen) -> String {
    let bound = Listener::bind(KEY, listen, &Settings::default(), Arc::default()).await;
    format!("{:#}", bound.err().unwrap())
}

async fn unix(path: &Path) -> Served {
    let listen = Listen::Unix(path.to_owned());
    Served::with(&listen, &Settings::default(), axum::Router::new()).await
}

async fn get(path: &Path) -> String {
    ask(UnixStream::connect(path).await.unwrap(), GET).await
}

#[tokio::test]
async fn a_request_reaches_the_router_with_its_peer() {
    let served = Served::start(&Settings::default()).await;
    let stream = served.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    let answer = ask(stream, GET).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(&own), "{answer}");
    served.log.once(&format!(
        "in plain text, without tokens, http is served at {}",
        served.address
    ));
    served.end().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_by_its_key() {
    let served = Served::start(&Settings::default()).await;
    let taken = Listen::Tcp(served.address.parse().unwrap());
    let text = refusal(&taken).await;
    assert!(
        text.contains(KEY) && text.contains(&served.address),
        "{text}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_its_owners_and_groups_and_goes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let served = unix(&path).await;
    let meta = path.metadata().unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);
    let answer = get(&path).await;
    let peer = format!("unix:{} of uid {}", path.display(), meta.uid());
    assert!(answer.ends_with(&peer), "{answer}");
    served.end().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_unix_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    drop(net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let served = unix(&path).await;
    assert!(get(&path).await.starts_with("HTTP/1.1 200"));
    served.end().await;
}

#[tokio::test]
async fn a_living_unix_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let served = unix(&path).await;
    let text = refusal(&Listen::Unix(path.clone())).await;
    assert!(
        text.contains(KEY) && text.contains("another process"),
        "{text}"
    );
    assert!(get(&path).await.starts_with("HTTP/1.1 200"));
    served.end().await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "precious").unwrap();
    let text = refusal(&Listen::Unix(path.clone())).await;
    assert!(
        text.contains(KEY) && text.contains("not a socket"),
        "{text}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    let text = refusal(&Listen::Unix(folder.path().join("missing/http.sock"))).await;
    assert!(
        text.contains(KEY) && text.contains("missing/http.sock"),
        "{text}"
    );
}

#[tokio::test]
async fn the_program_listens_on_both_ports_and_a_socket_goes_with_it() {
    let collector = Collector::start().await;
    let place = Place::new();
    let socket = place.path("grpc.sock");
    let sidecar = Sidecar::start(
        place
            .run()
            .args([
                "--endpoint",
                &collector.url(),
                "--http",
                "127.0.0.1:0",
                "--grpc",
            ])
            .arg(format!("unix:{}", socket.display())),
    );
    sidecar
        .until_said(&format!("grpc is served at unix:{}", socket.display()))
        .await;
    let address = sidecar.listens("http").await;
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(ask(stream, GET).await.starts_with("HTTP/1.1 "));
    assert!(get(&socket).await.starts_with("HTTP/1.1 "));
    let (code, said) = sidecar.stop().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_program_ends_where_it_cannot_listen() {
    let collector = Collector::start().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new();
    let sidecar =
        Sidecar::start(
            place
                .run()
                .args(["--endpoint", &collector.url(), "--grpc", &address]),
        );
    let (code, said) = sidecar.exit().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("ingest.grpc.listen") && said.contains(&address),
        "{said}"
    );
}
