//! What answers where a collector should: only an answer in OTLP's own terms counts as delivered.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use qtrail::dead_letter::DeadLetters;
use qtrail::export::Outcome;
use qtrail::export::{Destination, Endpoint, Exporter, Health, Protocol, Tls};
use qtrail_core::otlp::Signal;
use tokio_util::sync::CancellationToken;

use crate::export::{PATIENCE, chunk, settings, within};
use crate::support::odd_server::{Given, answering, saying};
use crate::support::program::{event, gzip, log_file, qtrail};

const WEB: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::HttpJson];
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
const GRPC: &str = "application/grpc";

fn endpoint(address: SocketAddr, protocol: Protocol, signal: Signal) -> Endpoint {
    let path = match protocol {
        Protocol::Grpc => String::new(),
        _ => format!("/v1/{}", signal.as_str()),
    };
    Endpoint {
        url: format!("http://{address}{path}").parse().unwrap(),
        protocol,
        headers: Default::default(),
        gzip: false,
        timeout: Duration::from_secs(10),
        tls: Tls::default(),
    }
}

/// How the exporter is doing once it has heard the answer: how many events were exported and in
/// doubt, or why they wait.
async fn heard(
    address: SocketAddr,
    protocol: Protocol,
) -> Result<(u64, Option<(u64, u64)>), Health> {
    let destination = Destination::Otlp {
        logs: endpoint(address, protocol, Signal::Logs),
        traces: endpoint(address, protocol, Signal::Traces),
    };
    let stop = CancellationToken::new();
    let started = Exporter::start(
        settings(destination),
        Default::default(),
        DeadLetters::none(),
        stop.clone(),
    );
    let exporter = started.unwrap();
    let mut health = exporter.health();
    let submitted = tokio::spawn(async move { exporter.submit(chunk(&["a", "b", "c"], 0)).await });
    let mut submitted = std::pin::pin!(submitted);
    let waiting = tokio::select! {
        biased;
        delivery = &mut submitted => {
            let delivery = delivery.unwrap();
            assert_eq!(delivery.outcome, Outcome::Delivered);
            return Ok((delivery.exported, delivery.uncertain));
        }
        health = health.wait_for(|health| *health != Health::Up) => health.unwrap().clone(),
        () = tokio::time::sleep(PATIENCE) => panic!("no answer was heard"),
    };
    stop.cancel();
    let delivery = within(submitted).await.unwrap();
    assert_eq!(
        (delivery.outcome, delivery.exported),
        (Outcome::Abandoned, 0)
    );
    Err(waiting)
}

/// A message with its length before it.
fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = (message.len() as u32).to_be_bytes();
    [&[flag], &length[..], message].concat().into()
}

/// `ExportLogsServiceResponse` with so many rejected.
fn partial(rejected: i64) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceResponse,
    };
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: "too old".to_owned(),
        }),
    }
    .encode_to_vec()
}

#[tokio::test]
async fn over_http_what_is_no_answer_of_otlps_is_no_delivery_and_says_what_to_mend() {
    let bomb = gzip(vec![b' '; 64 << 20]);
    for given in [
        Given::ok("text/plain", "OK"),
        Given::ok("", "OK"),
        Given::ok(JSON, "OK"),
        Given::ok(PROTOBUF, "OK"),
        Given::ok("text/html", "<!DOCTYPE html><form>log in</form>"),
        Given::ok("text/html", "<html>").status(202),
        Given::ok(JSON, r#"{"status":"UP"}"#),
        Given::ok(JSON, "[]"),
        Given::ok(JSON, r#"{"partialSuccess":{"rejectedLogRecords":"#),
        Given::ok(JSON, r#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#),
        Given::ok(PROTOBUF, partial(1)[..5].to_vec()),
        Given::ok(PROTOBUF, partial(-1)),
        Given::ok(JSON, r#"{"partialSuccess":{"rejectedLogRecords":-1}}"#),
        Given::ok(JSON, r#"{"partialSuccess":{"rejectedLogRecords":"-1e0"}}"#),
        Given::ok("text/plain", "accepted\n"),
        Given::ok("", vec![b'x'; 2 << 20]),
        Given::ok(JSON, bomb).header("content-encoding", "gzip"),
        Given::ok(JSON, gzip("{}")[..12].to_vec()).header("content-encoding", "gzip"),
        Given::ok(JSON, "not gzip").header("content-encoding", "gzip"),
        Given::ok(GRPC, "").header("grpc-status", "12"),
        Given::ok("", "").status(302).header("location", "/login"),
        Given::ok("text/html", "<html>").status(301),
    ] {
        let address = answering(given.clone()).await;
        for protocol in WEB {
            let Err(Health::Blocked { reason }) = heard(address, protocol).await else {
                panic!("{protocol:?} takes {given:?} for an answer");
            };
            assert!(reason.contains(&address.to_string()), "{reason}");
            assert!(reason.contains("endpoint's URL"), "{reason}");
        }
    }
}

#[tokio::test]
async fn over_http_an_answer_of_otlps_is_a_delivery_whatever_it_is_called() {
    let rejected_two = |body: &'static str| (Given::ok(JSON, body), (1, Some((2, 3))));
    for (given, expected) in [
        (Given::ok("", ""), (3, None)),
        (Given::ok("", "").status(204), (3, None)),
        (Given::ok("text/plain", "").status(202), (3, None)),
        (Given::ok(JSON, "{}"), (3, None)),
        (Given::ok("", "{}\n"), (3, None)),
        (
            Given::ok(JSON, gzip("{}")).header("content-encoding", "gzip"),
            (3, None),
        ),
        (
            Given::ok(JSON, r#"{"partialSuccess":{},"requestId":"r"}"#),
            (3, None),
        ),
        (Given::ok(PROTOBUF, partial(0)), (3, None)),
        (Given::ok("", partial(2)), (1, Some((2, 3)))),
        (Given::ok(PROTOBUF, partial(2)), (1, Some((2, 3)))),
        rejected_two(r#"{"partialSuccess":{"rejectedLogRecords":"2","rejectedSpans":2}}"#),
        rejected_two(r#"{"partial_success":{"rejected_log_records":2,"error_message":"m"}}"#),
        rejected_two(r#"{"partial_success":{"rejected_spans":"2","new":{"a":[]}}}"#),
    ] {
        let address = answering(given.clone()).await;
        for protocol in WEB {
            let heard = heard(address, protocol).await;
            assert_eq!(heard, Ok(expected), "{given:?}");
        }
    }
}

#[tokio::test]
async fn over_grpc_only_its_own_ok_with_a_message_is_a_delivery() {
    let ok = |body: Bytes| Given::ok(GRPC, body).trailer("grpc-status", "0");
    for (given, words) in [
        (ok(framed(0, b"OK")), "a message of another kind"),
        (ok(framed(1, b"OK")), "a message of another kind"),
        (ok(framed(0, &partial(-1))), "rejected -1 records"),
        (ok(framed(1, &gzip(partial(0))[..9])), "broken gzip"),
        (ok(framed(1, &gzip(vec![0; 64 << 20]))), "too long"),
        (ok(vec![0; 2 << 20].into()), "more than 1048576 bytes"),
        (ok(framed(0, b"")[..3].to_vec().into()), "cut off"),
        (
            ok(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1])),
            "cut off",
        ),
        (ok(Bytes::new()), "without a message"),
        // All in the headers, and no message.
        (
            Given::ok(GRPC, "").header("grpc-status", "0"),
            "without a message",
        ),
        (
            Given::ok(GRPC, "").header("grpc-status", "12"),
            "UNIMPLEMENTED",
        ),
        (
            Given::ok(GRPC, "").header("grpc-status", "16"),
            "UNAUTHENTICATED",
        ),
        (
            Given::ok(GRPC, framed(0, b"")),
            "something between drops its trailers",
        ),
        (Given::ok(GRPC, ""), "something between drops its trailers"),
        (Given::ok("text/plain", "OK"), "text/plain"),
        (Given::ok("", ""), "gRPC"),
        (Given::ok("", "").status(204), "gRPC"),
        (Given::ok("text/html", "<html>"), "text/html"),
        (Given::ok(JSON, "{}"), "gRPC"),
        (Given::ok("text/html", "<html>").status(404), "404"),
        (
            Given::ok("", "").status(302).header("location", "/login"),
            "redirect",
        ),
    ] {
        let address = answering(given.clone()).await;
        let heard = heard(address, Protocol::Grpc).await;
        let Err(Health::Blocked { reason }) = heard else {
            panic!("{given:?} is heard as {heard:?}");
        };
        assert!(reason.contains(&address.to_string()), "{reason}");
        assert!(reason.contains(words), "no {words} in {reason}");
    }
    for (given, expected) in [
        (ok(framed(0, b"")), (3, None)),
        (ok(framed(0, &partial(0))), (3, None)),
        (ok(framed(0, &partial(2))), (1, Some((2, 3)))),
        (ok(framed(1, &gzip(partial(2)))), (1, Some((2, 3)))),
        (ok(framed(1, &gzip(b""))), (3, None)),
    ] {
        let address = answering(given.clone()).await;
        assert_eq!(
            heard(address, Protocol::Grpc).await,
            Ok(expected),
            "{given:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_sent_for_again() {
    let cases: [(&[u8], &[Protocol]); 4] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", &WEB),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", &WEB),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
            &WEB,
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\nno HTTP/2 here",
            &[Protocol::Grpc],
        ),
    ];
    for (bytes, protocols) in cases {
        let address = saying(bytes).await;
        for protocol in protocols {
            let heard = heard(address, *protocol).await;
            let Err(Health::Down { reason, .. }) = heard else {
                panic!("{protocol:?}: {heard:?}");
            };
            let hint = reason.contains("does the port speak gRPC");
            assert_eq!(hint, *protocol == Protocol::Grpc, "{reason}");
        }
    }
}

/// Runs the program against this answer, and stops it once it says that events wait: its exit code,
/// and what it said.
async fn said(arguments: &[&str], protocol: &str, given: Given) -> (Option<i32>, String) {
    use crate::support::sidecar::Sidecar;
    let address = answering(given).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trail.json"), log_file(&[event("a")])).unwrap();
    let letter = serde_json::json!({"stage": "export", "reason": "refused", "message": "m",
        "input": "directory", "source": "a", "index": 0, "offset": 0, "length": 2,
        "record": event("a")});
    std::fs::write(folder.path().join("letters.jsonl"), format!("{letter}\n")).unwrap();
    let mut command = qtrail();
    command
        .current_dir(folder.path())
        .args(arguments)
        .args(["--endpoint", &format!("http://{address}")])
        .env("QTRAIL_EXPORT_PROTOCOL", protocol)
        .env("QTRAIL_STATE", folder.path().join("state"))
        .env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms");
    let sidecar = Sidecar::start(&mut command);
    if arguments[0] != "check" {
        sidecar.until_said("events wait").await;
        sidecar.signal(rustix::process::Signal::TERM);
    }
    sidecar.exit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_takes_a_wrong_url_for_a_delivery() {
    for arguments in [
        &["check", "--canary"][..],
        &["convert", "trail.json"],
        &["replay", "letters.jsonl"],
        &["backfill", "trail.json", "--from", "9000d"],
    ] {
        for protocol in ["grpc", "http/protobuf", "http/json"] {
            let (exit, said) = said(arguments, protocol, Given::ok("text/plain", "OK")).await;
            assert!(
                exit.is_some_and(|code| code != 0),
                "{arguments:?} {protocol}: {said}"
            );
        }
    }
}
