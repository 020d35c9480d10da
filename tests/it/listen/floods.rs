//! HTTP/2 floods against the program itself: its memory stays bounded, and a good sender is served
//! meanwhile.

use std::net::SocketAddr;

use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{GET, ask, raw};
use crate::support::collector::Collector;
use crate::support::sidecar::{Place, Sidecar, value};

/// Bytes of each flood.
const FLOOD: usize = 2 << 20;
/// What all floods together may cost. The bombs would inflate to many times as much.
const MEMORY: u64 = 32 << 20;

/// Frames, over and over; the stream's number is counted up.
type Flood = fn(u32) -> Vec<u8>;

const FLOODS: [(&str, Flood); 11] = [
    ("requests", raw::request),
    ("rapid resets", |id| {
        [
            raw::frame(raw::HEADERS, raw::END_HEADERS, id, raw::GET),
            raw::frame(raw::RST_STREAM, 0, id, &[0, 0, 0, 8]),
        ]
        .concat()
    }),
    ("requests that are wrong", |id| {
        let wrong = [raw::GET, raw::GET].concat();
        raw::frame(raw::HEADERS, raw::END_STREAM | raw::END_HEADERS, id, &wrong)
    }),
    ("pings", |_| raw::frame(raw::PING, 0, 0, b"whenever")),
    ("settings", |_| {
        raw::frame(raw::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])
    }),
    ("window updates", |_| {
        raw::frame(raw::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
    }),
    ("priorities", |id| {
        raw::frame(raw::PRIORITY, 0, id, &[0, 0, 0, 0, 1])
    }),
    ("unknown frames", |_| raw::frame(0xbe, 0, 0, &[])),
    ("empty data", |id| match id {
        1 => raw::frame(raw::HEADERS, raw::END_HEADERS, 1, raw::GET),
        _ => raw::frame(raw::DATA, 0, 1, &[]),
    }),
    ("headers without end", |id| match id {
        1 => raw::frame(raw::HEADERS, 0, 1, raw::GET),
        _ => raw::frame(raw::CONTINUATION, 0, 1, &[0x84; 1_000]),
    }),
    ("header bombs", |id| {
        // A header of 3,000 bytes, remembered, and then said 10,000 times in a byte each.
        let mut packed = [raw::GET, &[0x40, 1, b'a', 0x7f, 0xb9, 0x16]].concat();
        packed.extend([b'b'; 3_000]);
        packed.extend([0xbe; 10_000]);
        raw::frame(
            raw::HEADERS,
            raw::END_STREAM | raw::END_HEADERS,
            id,
            &packed,
        )
    }),
];

/// Sends a flood, until it is sent or the peer has hung up.
async fn flood(address: SocketAddr, frames: Flood, read: bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    raw::greet(&mut stream, &[]).await;
    let (mut answers, mut stream) = stream.into_split();
    let sending = async {
        let (mut id, mut sent) = (1, 0);
        while sent < FLOOD {
            let mut bytes = Vec::new();
            while bytes.len() < 64 << 10 {
                bytes.extend(frames(id));
                id += 2;
            }
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            sent += bytes.len();
        }
        let _ = stream.shutdown().await;
    };
    let reading = async {
        let mut buffer = vec![0; 64 << 10];
        while read && answers.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    };
    tokio::join!(sending, reading);
}

/// The most memory that a process ever had, in bytes.
fn memory(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn floods_cost_little_memory_and_harm_no_good_sender() {
    let collector = Collector::start().await;
    let place = Place::new().with_env("QTRAIL_INGEST_LIMITS_CONNECTIONS", "8");
    let arguments = ["--endpoint", &collector.url(), "--http", "127.0.0.1:0"];
    let sidecar = Sidecar::start(place.run().args(arguments));
    let address = sidecar.listens("http").await;
    let serves = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let answer = ask(stream, GET).await;
        assert!(
            answer.starts_with("HTTP/1.1 "),
            "{answer}\n{}",
            sidecar.said()
        );
    };
    serves().await;
    let before = memory(sidecar.pid());
    for (name, frames) in FLOODS {
        for read in [true, false] {
            let attack = tokio::spawn(flood(address, frames, read));
            for _ in 0..10 {
                serves().await;
            }
            if !read {
                // It may be stuck for ever, with nobody to read what it is answered.
                attack.abort();
            }
            let _ = super::within(attack).await;
            let grown = memory(sidecar.pid()) - before;
            assert!(grown < MEMORY, "{name}: {grown} bytes");
        }
    }
    sidecar
        .until("/metrics", |_, text| {
            value(text, "qtrail_ingest_connections") == 0
        })
        .await;
    let (code, said) = sidecar.stop().await;
    assert_eq!(code, Some(0), "{said}");
    let refusals: Vec<_> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert!(
        refusals.len() == 1 && refusals[0].contains("invalid HTTP"),
        "{said}"
    );
}
