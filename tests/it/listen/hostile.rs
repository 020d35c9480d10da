//! Senders who mean no good: slow ones, idle ones, many, and those who speak no HTTP. What must hold:
//! they are gone within a limit, told of once, and a good sender is served meanwhile.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use qtrail::input::ingest::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{GET, Served, ask, limited, raw, rest, until, within};
use crate::support::collector::Collector;
use crate::support::program::{QTRAIL, event, log_file};
use crate::support::sidecar::{Place, Sidecar};

/// A header timeout that a test can wait for.
const SOON: Duration = Duration::from_millis(300);
/// One that it never meets.
const LATER: Duration = Duration::from_secs(300);
const KEPT_OPEN: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const WAIT: &[u8] = b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Sends a byte at a time until the peer has hung up.
async fn drip(stream: TcpStream, bytes: impl Iterator<Item = u8>) -> String {
    let (mut read, mut write) = stream.into_split();
    let dripping = async {
        for byte in bytes {
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SOON / 20).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => String::new(),
        answer = rest(&mut read) => answer,
    }
}

/// A request whose headers never end.
fn endless() -> impl Iterator<Item = u8> {
    b"GET / HTTP/1.1\r\nhost: x\r\n"
        .iter()
        .chain(b"a: b\r\n".iter().cycle())
        .copied()
}

#[tokio::test]
async fn who_sends_no_request_in_time_is_gone_and_told_of_once() {
    let served = Served::start(&limited(100, SOON)).await;
    let silent = async { rest(&mut served.connect().await).await };
    let slow = async { drip(served.connect().await, endless()).await };
    let preface_dripped =
        async { drip(served.connect().await, raw::PREFACE.iter().copied()).await };
    let preface_alone = async { ask(served.connect().await, raw::PREFACE).await };
    let greeting_alone = async {
        let mut stream = served.connect().await;
        raw::greet(&mut stream, &[]).await;
        rest(&mut stream).await
    };
    let headers_without_end = async {
        let mut stream = served.connect().await;
        raw::greet(&mut stream, &[]).await;
        raw::send(&mut stream, raw::frame(raw::HEADERS, 0, 1, raw::GET))
            .await
            .unwrap();
        rest(&mut stream).await
    };
    let answers = async {
        tokio::join!(
            silent,
            slow,
            preface_dripped,
            preface_alone,
            greeting_alone,
            headers_without_end
        )
    };
    let good = async {
        loop {
            served.serves().await;
        }
    };
    let (silent, slow, dripped, ..) = tokio::select! {
        answers = answers => answers,
        () = good => unreachable!(),
    };
    assert_eq!([silent, slow, dripped], [""; 3].map(str::to_owned));
    let line = served
        .log
        .once("no request came within 0.3 s (ingest.limits.header_timeout)");
    assert!(line.contains("WARN qtrail::audit"), "{line}");
    assert_eq!(served.metrics.ingest_refused.get(), 6);
    served.end().await;
}

#[tokio::test]
async fn an_http_1_connection_is_kept_for_a_while_and_slow_headers_on_it_end_it() {
    let served = Served::start(&limited(100, SOON)).await;
    for more in ["", "GET / HT"] {
        let mut stream = served.connect().await;
        let request = [KEPT_OPEN, KEPT_OPEN, more.as_bytes()].concat();
        stream.write_all(&request).await.unwrap();
        let answers = rest(&mut stream).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    }
    // It was served, and is not blamed.
    assert_eq!(served.log.lines("refused"), Vec::<String>::new());
    served.end().await;
}

#[tokio::test]
async fn an_http_2_peer_that_shows_no_sign_of_life_is_gone_and_a_living_one_stays() {
    let served = Served::start(&limited(100, SOON * 2)).await;
    let greeted = async || {
        let mut stream = served.connect().await;
        raw::greet(&mut stream, &[]).await;
        raw::send(&mut stream, raw::request(1)).await.unwrap();
        assert!(raw::next_of(&mut stream, raw::HEADERS).await.is_some());
        stream
    };
    let mut living = greeted().await;
    let dead = async {
        let mut stream = greeted().await;
        while raw::next(&mut stream).await.is_some() {}
    };
    let lives = async {
        for _ in 0..2 {
            let ping = raw::next_of(&mut living, raw::PING).await.unwrap();
            let pong = raw::frame(raw::PING, raw::ACK, 0, &ping.payload);
            raw::send(&mut living, pong).await.unwrap();
        }
    };
    tokio::join!(dead, lives);
    raw::send(&mut living, raw::request(3)).await.unwrap();
    assert!(raw::next_of(&mut living, raw::HEADERS).await.is_some());
    served.end().await;
}

/// Raises what this process may open, as far as it may be; how many files that is.
fn descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| current as usize)
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_no_sender_out() {
    const SLOTS: usize = 64;
    let many = 10_000.min(descriptors().saturating_sub(1_000));
    let served = Served::start(&limited(SLOTS, LATER)).await;
    let busy = tokio::spawn(ask(served.connect().await, WAIT));
    within(served.waiting.notified()).await;
    let mut idle = Vec::new();
    for n in 0..many {
        let mut stream = served.connect().await;
        match n % 4 {
            0 => {}
            1 => stream.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap(),
            2 => stream.write_all(raw::PREFACE).await.unwrap(),
            _ => stream.write_all(KEPT_OPEN).await.unwrap(),
        }
        idle.push(stream);
        assert!(served.metrics.ingest_connections.get() <= SLOTS as u64);
        if n % 100 == 0 {
            served.serves().await;
        }
    }
    served.serves().await;
    assert!(!busy.is_finished());
    served.release.cancel();
    assert!(within(busy).await.unwrap().ends_with("waited"));
    let line = served.log.once("longest idle one was closed");
    assert!(line.contains("ingest.limits.connections"), "{line}");
    served.end().await;
}

#[tokio::test]
async fn beyond_the_limit_a_connection_is_closed_at_once_while_all_are_busy() {
    let served = Served::start(&limited(2, LATER)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(tokio::spawn(ask(served.connect().await, WAIT)));
        within(served.waiting.notified()).await;
    }
    for _ in 0..3 {
        assert_eq!(rest(&mut served.connect().await).await, "");
    }
    let line = served
        .log
        .once("there are 2 connections (ingest.limits.connections), each with");
    assert!(line.contains("WARN qtrail::audit"), "{line}");
    assert_eq!(served.metrics.ingest_refused.get(), 3);
    served.release.cancel();
    for answer in busy {
        assert!(within(answer).await.unwrap().ends_with("waited"));
    }
    served.serves().await;
    served.end().await;
}

#[tokio::test]
async fn who_does_not_read_the_answers_gives_way_too() {
    let served = Served::start(&limited(2, LATER)).await;
    // INITIAL_WINDOW_SIZE 0: no byte of an answer's body may be sent.
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut hostile = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        raw::greet(&mut stream, &no_window).await;
        for id in 0..50 {
            raw::send(&mut stream, raw::request(2 * id + 1))
                .await
                .unwrap();
        }
        for _ in 0..50 {
            raw::next_of(&mut stream, raw::HEADERS).await.unwrap();
        }
        hostile.push(stream);
    }
    served.serves().await;
    served.end().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_told_of_once() {
    let served = Served::start(&Settings::default()).await;
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let long_header = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(1 << 20));
    let garbage: Vec<u8> = (0..10_000u32).map(|n| ((n * n) >> 3) as u8).collect();
    let bad = [
        garbage.as_slice(),
        b"\0\0\0\0\0\0\0\0",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, and more of it",
        many_headers.as_bytes(),
        long_header.as_bytes(),
    ];
    for bytes in bad {
        let answer = ask(served.connect().await, bytes).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
        served.serves().await;
    }
    let line = served.log.once("invalid HTTP");
    assert!(line.contains("WARN qtrail::audit"), "{line}");
    assert_eq!(served.metrics.ingest_refused.get(), bad.len() as u64);
    served.end().await;
}

#[tokio::test]
async fn who_hangs_up_is_not_blamed() {
    let served = Served::start(&Settings::default()).await;
    drop(served.connect().await);
    let mut half = served.connect().await;
    half.write_all(b"GET / HT").await.unwrap();
    drop(half);
    let mut h2 = served.connect().await;
    raw::greet(&mut h2, &[]).await;
    let mut settings = [0; 9];
    within(h2.read_exact(&mut settings)).await.unwrap();
    drop(h2);
    served.serves().await;
    let connections = std::sync::Arc::clone(&served.metrics);
    until(move || connections.ingest_connections.get() == 0).await;
    assert_eq!(served.log.lines("refused"), Vec::<String>::new());
    assert_eq!(
        ask(served.connect().await, GET)
            .await
            .matches("200")
            .count(),
        1
    );
    served.end().await;
}

#[tokio::test]
async fn where_no_file_can_be_opened_idle_connections_give_way() {
    let collector = Collector::start().await;
    let arguments = ["--endpoint", &collector.url(), "--http", "127.0.0.1:0"];
    let sidecar = Sidecar::start(Place::new().run().args(arguments));
    let address = sidecar.listens("http").await;
    let mut idle = vec![sidecar_serves(address).await];
    let open = std::fs::read_dir(format!("/proc/{}/fd", sidecar.pid()))
        .unwrap()
        .count();
    let few = Rlimit {
        current: Some(open as u64 + 20),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(Some(sidecar.pid()), Resource::Nofile, few).unwrap();
    for _ in 0..50 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    sidecar_serves(address).await;
    sidecar.until_said("cannot accept connections").await;
    assert_eq!(
        sidecar.said().matches("cannot accept connections").count(),
        1
    );
}

#[tokio::test]
async fn where_few_files_can_be_opened_fewer_connections_are_kept() {
    let collector = Collector::start().await;
    let place = Place::new();
    let mut few = Command::new("sh");
    few.env_clear()
        .args(["-c", "ulimit -n 100; exec \"$0\" \"$@\"", QTRAIL]);
    let arguments = ["--endpoint", &collector.url(), "--http", "127.0.0.1:0"];
    let sidecar = Sidecar::start(place.with(few).args(arguments));
    sidecar
        .until_said("the process may open 100 files, which is enough for 25")
        .await;
    let address = sidecar.listens("http").await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    sidecar_serves(address).await;
    assert!(
        !sidecar.said().contains("cannot accept connections"),
        "{}",
        sidecar.said()
    );
}

#[tokio::test]
async fn connections_to_the_telemetry_port_take_few_files_and_probes_are_answered() {
    let collector = Collector::start().await;
    let place = Place::new();
    let mut few = Command::new("sh");
    few.env_clear()
        .args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", QTRAIL]);
    let sidecar = Sidecar::start(place.with(few).args(["--endpoint", &collector.url()]));
    let address = sidecar.address().await;
    let mut idle = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        match n % 4 {
            0 => {}
            1 => stream
                .write_all(b"GET /livez HTTP/1.1\r\nhos")
                .await
                .unwrap(),
            2 => stream.write_all(raw::PREFACE).await.unwrap(),
            _ => stream.write_all(KEPT_OPEN).await.unwrap(),
        }
        idle.push(stream);
        if n % 50 == 49 {
            for path in ["/livez", "/readyz", "/metrics"] {
                let (status, _) = within(sidecar.get(path)).await;
                assert_eq!(status, 200, "{path}");
            }
        }
    }
    // There are files left for what it is there for.
    place.add("one.json", &log_file(&[event("one")]));
    within(sidecar.settled(1)).await;
    let files = std::fs::read_dir(format!("/proc/{}/fd", sidecar.pid()));
    assert!(files.unwrap().count() < 128);
}

/// Whether the program answers; the connection.
async fn sidecar_serves(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(KEPT_OPEN).await.unwrap();
    let mut answer = [0; 9];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 ");
    stream
}
