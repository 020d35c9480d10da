//! An S3 of one object that misbehaves on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What happens to one request instead of a good answer.
pub(super) enum Mishap {
    /// Another answer: status, further headers, body.
    Answer(u16, &'static str, &'static str),
    /// The connection is closed after so many bytes of the body.
    Cut(usize),
    /// Nothing more comes after so many bytes of the body.
    Hang(usize),
    /// All comes, but the checksum is another's.
    Checksum,
    /// None.
    Fine,
}

#[derive(Default)]
struct State {
    object: Mutex<(Vec<u8>, &'static str)>,
    mishaps: Mutex<VecDeque<Mishap>>,
    seen: Mutex<Vec<String>>,
    hung: Notify,
}

/// The server. It ends with the test's runtime.
pub(super) struct Fake {
    pub(super) endpoint: String,
    state: Arc<State>,
}

impl Fake {
    pub(super) async fn start(object: Vec<u8>, mishaps: Vec<Mishap>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            object: Mutex::new((object, "\"one\"")),
            mishaps: Mutex::new(mishaps.into()),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Fake { endpoint, state }
    }

    /// The heads of all requests, in lower case.
    pub(super) fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(super) fn replace(&self, object: Vec<u8>) {
        *self.state.object.lock().unwrap() = (object, "\"two\"");
    }

    /// Waits until a request hangs.
    pub(super) async fn hung(&self) {
        self.state.hung.notified().await;
    }
}

/// One request, one answer, one connection.
async fn serve(mut stream: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    state.seen.lock().unwrap().push(head.clone());
    let mishap = state.mishaps.lock().unwrap().pop_front();
    let (object, tag) = state.object.lock().unwrap().clone();
    if let Some(Mishap::Answer(status, headers, body)) = mishap {
        let text = format!(
            "HTTP/1.1 {status} x\r\nconnection: close\r\nx-amz-request-id: R1\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(text.as_bytes()).await?;
        if !head.starts_with("head") {
            stream.write_all(body.as_bytes()).await?;
        }
        return Ok(());
    }
    if header(&head, "if-match").is_some_and(|wanted| wanted != tag) {
        let text = "HTTP/1.1 412 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(text.as_bytes()).await;
    }
    let from = header(&head, "range").map(|range| {
        let from = range.trim_start_matches("bytes=").trim_end_matches('-');
        from.parse::<usize>().unwrap()
    });
    let body = &object[from.unwrap_or(0)..];
    let mut text = match from {
        Some(from) => format!(
            "HTTP/1.1 206 x\r\ncontent-range: bytes {from}-{}/{}\r\n",
            object.len() - 1,
            object.len()
        ),
        None => "HTTP/1.1 200 x\r\n".to_owned(),
    };
    if matches!(mishap, Some(Mishap::Checksum)) {
        text += "x-amz-checksum-crc32: AAAAAA==\r\n";
    }
    text += &format!(
        "connection: close\r\netag: {tag}\r\nlast-modified: Wed, 01 Jan 2025 00:00:01 GMT\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    match mishap {
        Some(Mishap::Cut(bytes)) => stream.write_all(&body[..bytes]).await,
        Some(Mishap::Hang(bytes)) => {
            stream.write_all(&body[..bytes]).await?;
            state.hung.notify_one();
            std::future::pending().await
        }
        _ => stream.write_all(body).await,
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| (key == name).then_some(value))
}
