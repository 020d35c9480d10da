//! OTLP's log service, asked for what no client of it asks.

use hyper::body::Frame;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::bench::Bench;
use super::limits::{KIB, call, refuses, small};
use crate::support::collector::Collector;
use crate::support::sidecar::{Place, Sidecar};

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// Sends an encoded request.
async fn export(address: &str, request: &[u8]) -> Status {
    let mut message = vec![0];
    message.extend(u32::try_from(request.len()).unwrap().to_be_bytes());
    message.extend(request);
    let frame = Ok(Frame::data(message.into()));
    call(address, EXPORT, tokio_stream::once(frame)).await
}

/// A field of protobuf that holds a message.
fn field(number: u8, message: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encode_length_delimiter(message.len(), &mut field).unwrap();
    field.extend(message);
    field
}

#[tokio::test]
async fn a_request_takes_no_more_memory_than_there_is_room_for() {
    let collector = Collector::start().await;
    let place = Place::new();
    let arguments = ["--endpoint", &collector.url(), "--grpc", "127.0.0.1:0"];
    let sidecar = Sidecar::start(place.run().args(arguments));
    let address = sidecar.listens("grpc").await.to_string();
    // Messages of two bytes each, up to four million: as a tree, a gigabyte.
    let empty = field(2, &[]).repeat(4 << 20);
    let status = export(&address, &field(1, &empty[..1 << 20])).await;
    assert_eq!(status.code(), Code::Ok, "{status}");
    let status = export(&address, &field(1, &field(2, &empty))).await;
    refuses(&status, "ingest.limits.in_flight_bytes");
    let peak = sidecar.peak_memory();
    assert!(peak < 200 << 20, "{peak} bytes");
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test]
async fn what_is_no_request_is_refused_for_good() {
    let bench = Bench::discarding(small()).await;
    let cut_off = &field(1, &field(2, &field(2, &[])))[..5];
    for request in [cut_off, b"{}", b"\xff"] {
        let status = export(&bench.address, request).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let message = status.message();
        assert!(message.contains("not an OTLP export request"), "{message}");
        assert!(status.get_details_retry_info().is_none());
    }
    assert_eq!(bench.metrics.ingest_requests.get(), 0);
    let room = bench.ingest.try_reserve(64 * KIB);
    assert!(room.is_ok(), "no room is lost");
}

#[tokio::test]
async fn a_call_that_it_has_not_is_told_so() {
    let bench = Bench::discarding(small()).await;
    let path = EXPORT.replace("Export", "Import");
    let status = call(&bench.address, &path, tokio_stream::empty()).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
}
