//! What a connection may cost on each kind of listener: the rows of the table in `docs/ingest.md` that
//! are about connections.

use std::sync::Arc;
use std::time::Duration;

use qtrail::input::ingest::listen::Listener;
use qtrail::input::ingest::{Listen, Settings};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{Files, connector};
use super::{GET, KEY, Served, ask, limited, loopback, raw, rest, within};

/// A header timeout that a test can wait for.
const SOON: Duration = Duration::from_millis(300);
/// One that it never meets.
const LATER: Duration = Duration::from_secs(300);
const KEPT_OPEN: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const WAIT: &[u8] = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n";
/// `GET /wait HTTP/2`, packed: the path stands as it is.
const WAIT_2: &[u8] = &[
    0x82, 0x86, 0x04, 5, b'/', b'w', b'a', b'i', b't', 0x41, 1, b'x',
];

const OK: &[u8] = b"HTTP/1.1 200 OK";

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Tls,
    Unix,
    Telemetry,
}

const KINDS: [Kind; 4] = [Kind::Tcp, Kind::Tls, Kind::Unix, Kind::Telemetry];

struct Bench {
    kind: Kind,
    served: Served,
    files: Files,
    folder: TempDir,
}

impl Bench {
    async fn start(kind: Kind, connections: usize, header_timeout: Duration) -> Self {
        let (files, folder) = (Files::new(), tempfile::tempdir().unwrap());
        let limits = limited(connections, header_timeout).limits;
        let settings = Settings {
            limits: limits.clone(),
            ..match kind {
                Kind::Tls => files.settings(false),
                _ => Settings::default(),
            }
        };
        let router = axum::Router::new();
        let served = match kind {
            Kind::Tcp | Kind::Tls => Served::with(&loopback(), &settings, router).await,
            Kind::Unix => {
                let listen = Listen::Unix(folder.path().join("socket"));
                Served::with(&listen, &settings, router).await
            }
            Kind::Telemetry => {
                let Listen::Tcp(address) = loopback() else {
                    unreachable!()
                };
                let bind = async { Listener::bind_open(KEY, address, limits).await.unwrap() };
                Served::on(bind, Arc::default(), router).await
            }
        };
        Bench {
            kind,
            served,
            files,
            folder,
        }
    }

    /// A connection, encrypted where that is asked for. Where it is closed at once, the handshake
    /// fails.
    async fn try_open(&self) -> Option<Box<dyn Io>> {
        if self.kind == Kind::Unix {
            let path = self.folder.path().join("socket");
            return Some(Box::new(UnixStream::connect(path).await.unwrap()));
        }
        let stream = TcpStream::connect(&self.served.address).await.unwrap();
        if self.kind != Kind::Tls {
            return Some(Box::new(stream));
        }
        let name = ServerName::try_from("localhost").unwrap();
        let connector = connector(&self.files.server, None);
        match connector.connect(name, stream).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(_) => None,
        }
    }

    async fn open(&self) -> Box<dyn Io> {
        self.try_open().await.unwrap()
    }

    async fn serves(&self) {
        let answer = ask(self.open().await, GET).await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "{:?}: {answer:?}\n{}",
            self.kind,
            self.served.log.text()
        );
    }
}

/// The first bytes of an answer.
async fn beginning(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut answer = vec![0; OK.len()];
    within(stream.read_exact(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn who_sends_no_whole_headers_in_time_is_gone() {
    for kind in KINDS {
        let bench = Bench::start(kind, 100, SOON).await;
        for begun in [&b""[..], b"GET / HTTP/1.1\r\nhos", raw::PREFACE] {
            let mut stream = bench.open().await;
            stream.write_all(begun).await.unwrap();
            // What it may be told first is HTTP/2's settings.
            let told = rest(&mut stream).await;
            assert!(!told.contains("HTTP/1.1 200"), "{kind:?}: {told}");
            bench.serves().await;
        }
        let line = bench.served.log.once("no request came within 0.3 s");
        let named = line.contains("(ingest.limits.header_timeout)");
        assert_eq!(named, kind != Kind::Telemetry, "{line}");
        bench.served.end().await;
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_a_while() {
    for kind in KINDS {
        let bench = Bench::start(kind, 100, SOON).await;
        let mut stream = bench.open().await;
        stream.write_all(KEPT_OPEN).await.unwrap();
        let answers = rest(&mut stream).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{kind:?}");
        // By HTTP/2, once it shows no sign of life.
        let mut stream = bench.open().await;
        raw::greet(&mut stream, &[]).await;
        raw::send(&mut stream, raw::request(1)).await.unwrap();
        assert!(raw::next_of(&mut stream, raw::PING).await.is_some());
        while raw::next(&mut stream).await.is_some() {}
        bench.served.end().await;
    }
}

#[tokio::test]
async fn a_peer_that_closes_its_side_is_gone_whatever_it_waits_for() {
    for kind in KINDS {
        let bench = Bench::start(kind, 1, LATER).await;
        for http2 in [false, true] {
            let mut stream = bench.open().await;
            match http2 {
                false => stream.write_all(WAIT).await.unwrap(),
                true => {
                    raw::greet(&mut stream, &[]).await;
                    let flags = raw::END_STREAM | raw::END_HEADERS;
                    let request = raw::frame(raw::HEADERS, flags, 1, WAIT_2);
                    raw::send(&mut stream, request).await.unwrap();
                }
            }
            within(bench.served.waiting.notified()).await;
            stream.shutdown().await.unwrap();
            let told = rest(&mut stream).await;
            assert!(!told.contains("waited"), "{kind:?}: {told}");
            // The only place is free again.
            bench.serves().await;
        }
        bench.served.end().await;
    }
}

#[tokio::test]
async fn connections_are_bounded_and_one_that_is_not_worked_for_gives_way() {
    for kind in KINDS {
        let bench = Bench::start(kind, 2, LATER).await;
        let mut busy = bench.open().await;
        busy.write_all(WAIT).await.unwrap();
        within(bench.served.waiting.notified()).await;
        let mut idle = bench.open().await;
        idle.write_all(KEPT_OPEN).await.unwrap();
        assert_eq!(beginning(&mut idle).await, OK, "{kind:?}");
        for _ in 0..3 {
            bench.serves().await;
        }
        rest(&mut idle).await;
        // Where all are worked for, a new one is closed at once.
        let mut other = bench.open().await;
        other.write_all(WAIT).await.unwrap();
        within(bench.served.waiting.notified()).await;
        if let Some(stream) = bench.try_open().await {
            assert_eq!(ask(stream, GET).await, "", "{kind:?}");
        }
        bench.served.release.cancel();
        for mut stream in [busy, other] {
            let mut answer = vec![0; 15];
            within(tokio::io::AsyncReadExt::read_exact(
                &mut stream,
                &mut answer,
            ))
            .await
            .unwrap();
            assert_eq!(answer, b"HTTP/1.1 200 OK", "{kind:?}");
        }
        bench.served.end().await;
    }
}

#[tokio::test]
async fn streams_on_one_connection_are_bounded() {
    const MAX_CONCURRENT_STREAMS: &[u8] = &[0, 3, 0, 0, 0, 100];
    for kind in KINDS {
        let bench = Bench::start(kind, 100, LATER).await;
        let mut stream = bench.open().await;
        raw::greet(&mut stream, &[]).await;
        let settings = raw::next_of(&mut stream, raw::SETTINGS).await.unwrap();
        let mut values = settings.payload.chunks(6);
        assert!(
            values.any(|value| value == MAX_CONCURRENT_STREAMS),
            "{kind:?}"
        );
        // Those who do not keep to it are refused what is too much: REFUSED_STREAM.
        let flags = raw::END_STREAM | raw::END_HEADERS;
        for n in 0..101 {
            let request = raw::frame(raw::HEADERS, flags, 2 * n + 1, WAIT_2);
            raw::send(&mut stream, request).await.unwrap();
        }
        let reset = raw::next_of(&mut stream, raw::RST_STREAM).await.unwrap();
        assert_eq!((reset.stream, reset.payload), (201, vec![0, 0, 0, 7]));
        drop(stream);
        bench.served.until_connections(0).await;
        bench.served.end().await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_waited_for_keeps_no_connection() {
    for kind in KINDS {
        let bench = Bench::start(kind, 100, SOON).await;
        let mut stream = bench.open().await;
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{";
        stream.write_all(head).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{kind:?}: {answer}");
        bench.served.end().await;
    }
}
