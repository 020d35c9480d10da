//! What senders put into a request: it is answered in the protocol's own terms, each record in it is
//! accounted for, and the room that it took is given back.
//!
//! The first byte chooses the endpoint and the compression, the second the pieces that the body comes
//! in; the rest is the body.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use qtrail::dead_letter::{self, DeadLetters};
use qtrail::export::Destination;
use qtrail::input::ingest::listen::auth::Auth;
use qtrail::input::ingest::{Ingest, Limits};
use qtrail::input::ingest::{grpc, http as http_input};
use qtrail::telemetry::metrics::Balance;
use qtrail_core::envelope::{self, Item};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::gzip;
use crate::support::flow::{Flow, flow};

/// Bytes of a request, and of all requests in flight.
const ROOM: usize = 1 << 20;
/// Inflated bytes of a request.
const INFLATED: u64 = 4 << 20;
/// Bytes of dead letters after which their file is emptied.
const LETTERS: u64 = 32 << 20;

/// Where a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Events,
    Firehose,
    Protobuf,
    Json,
    Call,
    Export,
    Stream,
}

const ENDPOINTS: [Endpoint; 7] = [
    Endpoint::Events,
    Endpoint::Firehose,
    Endpoint::Protobuf,
    Endpoint::Json,
    Endpoint::Call,
    Endpoint::Export,
    Endpoint::Stream,
];

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Gzip,
    /// It says that it is, and is what it is.
    Claimed,
}

/// All of a sidecar that takes requests, without a network.
struct Sidecar {
    runtime: tokio::runtime::Runtime,
    flow: Flow,
    ingest: Ingest,
    http: Router,
    grpc: Router,
    folder: TempDir,
}

/// An answer, whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

/// Sends a body in one piece and in several.
pub fn check(data: &[u8]) -> usize {
    static SIDECAR: OnceLock<Mutex<Sidecar>> = OnceLock::new();
    let (&[endpoint, piece], body) = data.split_first_chunk().unwrap_or((&[0, 0], &[]));
    let (number, endpoint) = (usize::from(endpoint), ENDPOINTS[usize::from(endpoint) % 7]);
    let encoding = [Encoding::None, Encoding::Gzip, Encoding::Claimed][number / 7 % 3];
    let sidecar = SIDECAR.get_or_init(|| Mutex::new(Sidecar::start()));
    let sidecar = sidecar.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = sidecar.take(endpoint, encoding, body, usize::MAX);
    let pieces = sidecar.take(endpoint, encoding, body, usize::from(piece).max(1));
    assert_eq!(whole, pieces, "in pieces of {piece}");
    whole.0.read as usize
}

impl Sidecar {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        // In memory, where there is such a folder: each letter is synced.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let mut letters = dead_letter::Settings::new(folder.path().join("dead.jsonl"));
        letters.max_bytes = u64::MAX;
        let letters = DeadLetters::open(letters, CancellationToken::new()).expect("dead letters");
        let entered = runtime.enter();
        let flow = flow(Destination::Discard, letters, 64 << 20);
        let limits = Limits {
            request_bytes: ROOM,
            inflated_bytes: INFLATED,
            in_flight_bytes: ROOM,
            ..Limits::default()
        };
        let ingest = Ingest::new(
            flow.pipeline.clone(),
            flow.health.clone(),
            limits,
            flow.metrics.clone(),
            CancellationToken::new(),
        );
        let auth = Auth::open("ingest.token_files", &[]).expect("no tokens");
        drop(entered);
        Sidecar {
            http: http_input::router(&ingest, &auth),
            grpc: grpc::router(&ingest, &auth),
            runtime,
            flow,
            ingest,
            folder,
        }
    }

    /// Sends a request; what was counted, and the answer's status.
    fn take(
        &self,
        endpoint: Endpoint,
        encoding: Encoding,
        body: &[u8],
        piece: usize,
    ) -> (Balance, String) {
        let before = self.flow.metrics.balance();
        let kept = self.letters_kept();
        let answer = self
            .runtime
            .block_on(self.send(endpoint, encoding, body, piece));
        let status = answer_holds(endpoint, &answer);
        let after = self.flow.metrics.balance();
        assert!(after.holds(), "{after}");
        assert_eq!(after.in_flight, 0, "{after}");
        let room = self.ingest.try_reserve(ROOM);
        assert!(room.is_ok(), "room was not given back: {room:?}");
        let counts = Balance {
            read: after.read - before.read,
            exported: after.exported - before.exported,
            filtered: after.filtered - before.filtered,
            duplicate: after.duplicate - before.duplicate,
            dead_lettered: after.dead_lettered - before.dead_lettered,
            in_flight: 0,
        };
        letters_hold(&self.letters_from(kept), counts.dead_lettered);
        if status == "200" || status == "OK" {
            settled(endpoint, encoding, body, &counts, &answer);
        }
        if self.letters_kept() > LETTERS {
            let file = File::options().write(true).open(self.letters_file());
            file.and_then(|file| file.set_len(0)).expect("a file");
        }
        (counts, status)
    }

    fn letters_file(&self) -> PathBuf {
        self.folder.path().join("dead.jsonl")
    }

    /// Bytes of dead letters.
    fn letters_kept(&self) -> u64 {
        std::fs::metadata(self.letters_file())
            .expect("a file")
            .len()
    }

    /// Those from this byte on.
    fn letters_from(&self, kept: u64) -> Vec<u8> {
        let mut file = File::open(self.letters_file()).expect("a file");
        file.seek(SeekFrom::Start(kept)).expect("a file");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("a file");
        bytes
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        encoding: Encoding,
        body: &[u8],
        piece: usize,
    ) -> Answer {
        let (path, kind) = match endpoint {
            Endpoint::Events => ("/v1/events?source=a.json", "application/json"),
            Endpoint::Firehose => ("/v1/firehose", "application/json"),
            Endpoint::Protobuf => ("/v1/logs", "application/x-protobuf"),
            Endpoint::Json => ("/v1/logs", "application/json"),
            Endpoint::Call => ("/qtrail.v1.IngestService/Ingest", "application/grpc"),
            Endpoint::Stream => ("/qtrail.v1.IngestService/IngestStream", "application/grpc"),
            Endpoint::Export => (
                "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                "application/grpc",
            ),
        };
        let is_grpc = kind == "application/grpc";
        let bytes = match encoding {
            Encoding::Gzip => gzip(body),
            _ => body.to_vec(),
        };
        let bytes = match endpoint {
            // A stream's frames are those that are made up.
            Endpoint::Call | Endpoint::Export => framed(&bytes, encoding != Encoding::None),
            _ => bytes,
        };
        let mut request = Request::post(path)
            .header("content-type", kind)
            .header("te", "trailers");
        if encoding != Encoding::None {
            let name = if is_grpc {
                "grpc-encoding"
            } else {
                "content-encoding"
            };
            request = request.header(name, "gzip");
        }
        if endpoint == Endpoint::Firehose {
            request = request
                .header("x-amz-firehose-protocol-version", "1.0")
                .header("x-amz-firehose-request-id", "r");
        }
        let body = match piece {
            usize::MAX => Body::from(bytes),
            _ => in_pieces(&bytes, piece),
        };
        let request = request.body(body).expect("a request");
        let router = if is_grpc { &self.grpc } else { &self.http };
        let response = router
            .clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never: Infallible| match never {});
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("an answer ends well");
        let trailers = body.trailers().cloned().unwrap_or_default();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            trailers,
        }
    }
}

/// Whether an answer is one of its protocol; its status.
fn answer_holds(endpoint: Endpoint, answer: &Answer) -> String {
    let json = || serde_json::from_slice::<Value>(&answer.body).expect("an answer is JSON");
    let status = answer.status.as_u16();
    match endpoint {
        Endpoint::Call | Endpoint::Export | Endpoint::Stream => {
            let named = |headers: &HeaderMap| headers.get("grpc-status").cloned();
            let code = named(&answer.trailers).or_else(|| named(&answer.headers));
            let code = code.expect("a status");
            let code: i32 = code.to_str().expect("digits").parse().expect("a number");
            assert_eq!(status, 200);
            let code = tonic_code(code);
            assert!(!["UNKNOWN", "UNAVAILABLE"].contains(&code), "{code}");
            return code.to_owned();
        }
        Endpoint::Protobuf if status == 200 => {
            ExportLogsServiceResponse::decode(answer.body.clone()).expect("OTLP's answer");
        }
        Endpoint::Protobuf => {}
        Endpoint::Json if status == 200 => {
            let answer = json();
            assert!(answer.is_object(), "{answer}");
        }
        Endpoint::Json => assert!(json()["message"].is_string()),
        Endpoint::Firehose => {
            assert_eq!(json()["requestId"], "r");
            assert!(json()["timestamp"].is_u64());
            assert_eq!(json()["errorMessage"].is_string(), status != 200);
            assert_ne!(status, 413, "Firehose drops what is answered so");
        }
        Endpoint::Events if status == 200 => assert!(json()["read"].is_u64()),
        Endpoint::Events => assert!(json()["error"].is_string()),
    }
    assert!([200, 400, 413, 429].contains(&status), "{status}");
    status.to_string()
}

fn tonic_code(code: i32) -> &'static str {
    match code {
        0 => "OK",
        3 => "INVALID_ARGUMENT",
        8 => "RESOURCE_EXHAUSTED",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        other => {
            assert_eq!(other, 2, "not a status that qtrail gives");
            "UNKNOWN"
        }
    }
}

/// Each line of the dead letters is whole, and they are as many as were counted.
fn letters_hold(lines: &[u8], counted: u64) {
    let mut records = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.ends_with(b"\n"), "half a line");
        let letter: Value = serde_json::from_slice(line).expect("a letter is JSON");
        assert!(
            letter["reason"].is_string() && letter["message"].is_string(),
            "{letter}"
        );
        records += 1;
    }
    assert_eq!(records, counted, "letters");
}

/// Of a request that was acknowledged, each record is accounted for.
fn settled(endpoint: Endpoint, encoding: Encoding, body: &[u8], counts: &Balance, answer: &Answer) {
    match endpoint {
        Endpoint::Events | Endpoint::Firehose => {
            let limits = envelope::Limits {
                inflated_bytes: INFLATED,
                ..envelope::Limits::default()
            };
            let mut records = envelope::open(body, &limits);
            let mut found = 0;
            while let Some(item) = records.next().expect("memory can be read") {
                found += u64::from(!matches!(item, Item::Skipped(_)));
            }
            if encoding != Encoding::Gzip || !body.starts_with(&[0x1f, 0x8b]) {
                assert_eq!(counts.read, found, "records read and records there");
            }
            if endpoint == Endpoint::Events {
                let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert_eq!(told["read"], counts.read);
                assert_eq!(told["exported"], counts.exported);
                assert_eq!(told["filtered"], counts.filtered);
                assert_eq!(told["dead_lettered"], counts.dead_lettered);
            }
        }
        Endpoint::Protobuf => {
            let answer = ExportLogsServiceResponse::decode(answer.body.clone()).expect("OTLP's");
            let rejected = answer.partial_success.map_or(0, |p| p.rejected_log_records);
            if let (Ok(request), Encoding::None) =
                (ExportLogsServiceRequest::decode(body), encoding)
            {
                let groups = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
                let records = groups.map(|scope| scope.log_records.len()).sum::<usize>() as i64;
                assert!(rejected <= records, "{rejected} rejected of {records}");
                let told = rejected > 0;
                assert!(told || counts.dead_lettered == 0, "refused, and not told");
            }
        }
        _ => {}
    }
}

fn framed(message: &[u8], compressed: bool) -> Vec<u8> {
    let mut frame = vec![u8::from(compressed)];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

fn in_pieces(bytes: &[u8], piece: usize) -> Body {
    let pieces: Vec<_> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    Body::from_stream(tokio_stream::iter(
        pieces.into_iter().map(Ok::<_, Infallible>),
    ))
}
