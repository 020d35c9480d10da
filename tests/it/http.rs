//! Events over HTTP: each way in, and each way to be turned away.

mod firehose;

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use qtrail::export::{Destination, Protocol};
use qtrail::input::ingest::Limits;
use qtrail_core::otlp::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, log_file};
use crate::support::receiver::{Receiver, heard};
use crate::support::trail::Container;

const PATH: &str = "/v1/events";
/// What a test awaits comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

async fn limited(limits: Limits) -> Receiver {
    Receiver::start(Destination::Discard, limits, None).await
}

#[tokio::test]
async fn events_come_in_every_container_compressed_or_not() {
    let receiver = Receiver::discarding().await;
    let records = [event("one"), event("two")];
    for container in Container::ALL {
        let body = container.around(&records);
        for (headers, body) in [
            (&[][..], body.clone()),
            (&[][..], gzip(&body)),
            (&[][..], gzip(gzip(&body))),
            (&[("content-encoding", "gzip")][..], gzip(&body)),
        ] {
            let answer = receiver.post(PATH, headers, body).await;
            assert_eq!(answer.status, 200, "{container:?} {answer:?}");
            assert_eq!((answer.count("read"), answer.count("exported")), (2, 2));
        }
    }
    receiver.assert_balance();
}

#[tokio::test]
async fn the_answer_tells_what_became_of_each_record() {
    let receiver = Receiver::discarding().await;
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    let answer = receiver
        .post(PATH, &[], log_file(&[event("good"), noise, bad]))
        .await;
    assert_eq!(answer.status, 200);
    let mut body = answer.json();
    let reason = body["rejections"][0]["reason"].take();
    assert!(
        reason.as_str().unwrap().starts_with("bad_time: "),
        "{reason}"
    );
    let expected = serde_json::json!({
        "read": 3, "exported": 1, "filtered": 1, "duplicate": 0, "dead_lettered": 1,
        "rejections": [{"index": 2, "reason": null}],
    });
    assert_eq!(body, expected);
    let empty = receiver.post(PATH, &[], "").await;
    assert_eq!((empty.status.as_u16(), empty.count("read")), (200, 0));
    receiver.assert_balance();
}

#[tokio::test]
async fn dead_letters_tell_the_source_or_else_the_peer() {
    let receiver = Receiver::discarding().await;
    for query in ["?source=AWSLogs%2Fa+b.json.gz", ""] {
        let path = format!("{PATH}{query}");
        let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
        let answer = receiver.post(&path, &[], bad).await;
        assert_eq!(answer.count("dead_lettered"), 1);
    }
    let letters = receiver.dead_letters();
    assert_eq!(letters[0]["source"], "AWSLogs/a b.json.gz");
    let peer = letters[1]["source"].as_str().unwrap();
    assert!(peer.starts_with("http:127.0.0.1:"), "{peer}");
}

#[tokio::test]
async fn the_name_of_a_cloudtrail_file_tells_when_it_was_delivered() {
    let collector = Collector::start().await;
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    let path = format!("{PATH}?source=1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz");
    receiver.post(&path, &[], event("one")).await;
    let record = &collector.logs()[0].resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.observed_time_unix_nano, 1_712_758_200_000_000_000);
}

/// What EventBridge's documentation says its API destinations send.
#[tokio::test]
async fn an_api_destination_of_eventbridge_delivers_an_event() {
    let receiver =
        Receiver::start(Destination::Discard, Limits::default(), Some("the-api-key")).await;
    let body = format!(
        r#"{{"version":"0","id":"12345678-1234-1234-1234-111122223333","detail-type":"AWS API Call via CloudTrail","source":"aws.q","account":"111122223333","time":"2024-04-10T14:07:55Z","region":"us-east-1","resources":[],"detail":{}}}"#,
        event("one")
    );
    let sent = [
        ("user-agent", "Amazon/EventBridge/ApiDestinations"),
        ("content-type", "application/json; charset=utf-8"),
        ("range", "bytes=0-1048575"),
        ("accept-encoding", "gzip,deflate"),
        ("connection", "close"),
    ];
    for key in [
        ("x-api-key", "the-api-key"),
        ("authorization", "Bearer the-api-key"),
    ] {
        let headers: Vec<_> = sent.into_iter().chain([key]).collect();
        let answer = receiver.post(PATH, &headers, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.count("exported")), (200, 1));
        assert_eq!(answer.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn who_has_no_token_is_turned_away_before_the_body_is_read() {
    let receiver = Receiver::start(Destination::Discard, Limits::default(), Some("good")).await;
    for path in [PATH, "/v1/firehose", "/v1/logs"] {
        let mut stream = receiver.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let heard = heard(stream).await;
        assert!(heard.starts_with("HTTP/1.1 401 "), "{heard}");
        assert!(heard.contains("www-authenticate: Bearer\r\n"), "{heard}");
    }
    for token in [("authorization", "Bearer bad"), ("x-api-key", "bad")] {
        let answer = receiver.post(PATH, &[token], event("one")).await;
        assert_eq!(answer.status, 401);
        assert!(answer.text("error").contains("token"));
    }
    let token = ("authorization", "Bearer good");
    let answer = receiver.post(PATH, &[token], event("one")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(receiver.metrics.ingest_refused.get(), 5);
    assert_eq!(receiver.metrics.ingest_requests.get(), 1);
}

#[tokio::test]
async fn a_web_page_cannot_send_to_a_loopback_address() {
    let receiver = Receiver::discarding().await;
    for path in [PATH, "/v1/firehose", "/v1/logs"] {
        let page = [
            ("origin", "https://example.com"),
            ("content-type", "text/plain"),
        ];
        let answer = receiver.post(path, &page, event("forged")).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert_eq!(receiver.metrics.read.get(), 0);
}

#[tokio::test]
async fn what_is_no_request_of_ours_is_told_what_would_be() {
    let receiver = Receiver::discarding().await;
    let get = |path: &str| {
        let request = Request::get(format!("http://{}{path}", receiver.address));
        receiver.send(request.body(Full::default()).unwrap())
    };
    let nothing = get("/v2/events").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.text("error").contains("/v1/events"));
    let wrong = get(PATH).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("allow")),
        (405, Some("POST"))
    );
    assert!(wrong.text("error").contains("POST"));
    for encoding in ["br", "gzip, gzip", "zstd"] {
        let headers = [("content-encoding", encoding)];
        let answer = receiver.post(PATH, &headers, event("one")).await;
        assert_eq!(answer.status, 415);
        assert!(answer.text("error").contains("gzip"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let receiver = limited(Limits {
        request_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let mut stream = receiver.connect().await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let heard = heard(stream).await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(
        heard.contains("1000 bytes (ingest.limits.request_bytes"),
        "{heard}"
    );
    assert_eq!(receiver.metrics.ingest_refused.get(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_say_its_size_is_refused_where_it_becomes_too_large() {
    let receiver = limited(Limits {
        request_bytes: 100_000,
        ..Limits::default()
    })
    .await;
    for (size, status) in [(100_000, 200), (100_001, 413)] {
        let mut stream = receiver.connect().await;
        let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut message = head.to_owned();
        let mut body = format!("{}{}", event("one"), " ".repeat(size));
        body.truncate(size);
        for chunk in body.as_bytes().chunks(7000) {
            let chunk = String::from_utf8_lossy(chunk);
            message += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        message += "0\r\n\r\n";
        stream.write_all(message.as_bytes()).await.unwrap();
        let heard = heard(stream).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{heard}");
    }
}

#[tokio::test]
async fn a_body_that_inflates_too_far_is_refused_by_the_limits_name() {
    let receiver = limited(Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let bomb = gzip(format!("{}{}", event("one"), " ".repeat(4 << 20)));
    let answer = receiver.post(PATH, &[], bomb).await;
    assert_eq!(answer.status, 413);
    assert!(
        answer
            .text("error")
            .contains("ingest.limits.inflated_bytes")
    );
    receiver.assert_balance();
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    let receiver = limited(Limits {
        body_timeout: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let mut stream = receiver.connect().await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let heard = heard(stream).await;
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    assert!(heard.contains("ingest.limits.body_timeout"), "{heard}");
}

#[tokio::test]
async fn a_sender_that_goes_away_midway_costs_nothing() {
    let limits = Limits {
        request_bytes: 64 << 10,
        in_flight_bytes: 64 << 10,
        ..Limits::default()
    };
    let receiver = limited(limits.clone()).await;
    let mut stream = receiver.connect().await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        limits.request_bytes
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));
    stream.write_all(event("half").as_bytes()).await.unwrap();
    // All room is its own.
    let others = receiver.post(PATH, &[], event("one")).await;
    assert_eq!(
        (others.status.as_u16(), others.header("retry-after")),
        (429, Some("1"))
    );
    assert!(
        others
            .text("error")
            .contains("ingest.limits.in_flight_bytes")
    );
    drop(stream);
    let room = receiver.ingest.reserve(limits.in_flight_bytes);
    drop(tokio::time::timeout(PATIENCE, room).await.unwrap().unwrap());
    let others = receiver.post(PATH, &[], event("one")).await;
    assert_eq!(others.status, 200);
    assert_eq!(receiver.metrics.read.get(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_say_its_size_takes_room_as_it_grows() {
    let all = 256 << 10;
    let receiver = limited(Limits {
        request_bytes: all,
        in_flight_bytes: all,
        ..Limits::default()
    })
    .await;
    let mut stream = receiver.connect().await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let half = format!("{head}{:x}\r\n{}\r\n", all / 2 + 1, " ".repeat(all / 2 + 1));
    stream.write_all(half.as_bytes()).await.unwrap();
    // Half of it is more than is left.
    let grown = async {
        while receiver.ingest.try_reserve(all / 2).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, grown).await.unwrap();
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let heard = heard(stream).await;
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    // It was given back.
    drop(receiver.ingest.reserve(all).await.unwrap());
}

#[tokio::test]
async fn nothing_is_taken_once_it_stops() {
    let receiver = Receiver::discarding().await;
    receiver.stop.cancel();
    let answer = receiver.post(PATH, &[], event("one")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(receiver.metrics.read.get(), 0);
}

#[tokio::test]
async fn the_answer_comes_only_after_the_collectors() {
    let collector = Collector::start().await;
    let answered = tokio_util::sync::CancellationToken::new();
    collector.reply_next(Signal::Logs, [Reply::Late(answered.clone())]);
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    let sending = receiver.post(PATH, &[], event("one"));
    let mut sending = std::pin::pin!(sending);
    tokio::select! {
        answer = &mut sending => panic!("{answer:?}"),
        () = collector.until_seen(Signal::Logs, 1) => {}
    }
    answered.cancel();
    assert_eq!(sending.await.count("exported"), 1);
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_collector_is_away_and_all_is_there_when_it_is_back() {
    let mut collector = Collector::start().await;
    let destination = collector.destination(Protocol::Grpc, |_| {});
    let receiver = Receiver::start(destination, Limits::default(), None).await;
    collector.close();
    let body = log_file(&[event("one"), event("two")]);
    for _ in 0..2 {
        let answer = receiver.post(PATH, &[], body.clone()).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some());
        assert!(answer.text("error").contains("collector"));
    }
    assert!(collector.accepted(Signal::Logs).is_empty());
    collector.open().await;
    let sent = async {
        loop {
            let answer = receiver.post(PATH, &[], body.clone()).await;
            if answer.status == 200 {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, sent).await.unwrap();
    assert_eq!(answer.count("exported"), 2);
    receiver.ingest.settled().await;
    let mut ids: Vec<_> = collector
        .logs()
        .into_iter()
        .flat_map(|request| request.resource_logs)
        .flat_map(|logs| logs.scope_logs)
        .flat_map(|logs| logs.log_records)
        .map(|record| (record.trace_id, record.span_id, record.time_unix_nano))
        .collect();
    // What was given up is delivered too; both times alike.
    assert_eq!(ids.len(), 4);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    receiver.assert_balance();
}
