//! HTTP/2 by hand: frames that no good client would send.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::within;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `GET / HTTP/2`, packed: entries of HPACK's static table, and the authority `x`.
pub const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'x'];

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A frame that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// The next frame; `None` once the peer has hung up.
pub async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    within(read(stream)).await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload,
    })
}

/// The next frame of this kind that is no acknowledgement.
pub async fn next_of(stream: &mut (impl AsyncRead + Unpin), kind: u8) -> Option<Frame> {
    loop {
        let frame = next(stream).await?;
        if frame.kind == kind && (kind == HEADERS || frame.flags & ACK == 0) {
            return Some(frame);
        }
    }
}

/// Opens the conversation, with these settings.
pub async fn greet(stream: &mut (impl AsyncWrite + Unpin), settings: &[u8]) {
    stream.write_all(PREFACE).await.unwrap();
    send(stream, frame(SETTINGS, 0, 0, settings)).await.unwrap();
}

pub async fn send(stream: &mut (impl AsyncWrite + Unpin), frame: Vec<u8>) -> io::Result<()> {
    stream.write_all(&frame).await
}

/// A request without a body.
pub fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, GET)
}
