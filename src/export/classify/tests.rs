use http::HeaderValue;

use super::super::response::{Any, PartialSuccess};
use super::*;

const WEB: Protocol = Protocol::HttpProtobuf;

fn grpc_error(code: Code, words: &str, details: &[u8]) -> Answer {
    grpc(code, words, details, Err("without a message"))
}

fn http_answer(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Answer {
    let body = Body::Whole(Bytes::copy_from_slice(body));
    http(WEB, status, headers, &body, now)
}

fn retry_info(seconds: i64) -> Vec<u8> {
    RpcStatus {
        code: 8,
        message: "slow down".to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo {
                retry_delay: Some(ProtoDuration { seconds, nanos: 5 }),
            }
            .encode_to_vec(),
        }],
    }
    .encode_to_vec()
}

/// The kind of an answer, for tables.
fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted { .. } => "accepted",
        Answer::Partial { .. } => "partial",
        Answer::Retry { .. } => "retry",
        Answer::Fault { .. } => "fault",
        Answer::Blocked { .. } => "blocked",
        Answer::Rejected { .. } => "rejected",
        Answer::TooLarge { certain: true, .. } => "too large",
        Answer::TooLarge { certain: false, .. } => "too large?",
        Answer::End(_) => "closed",
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn plain_http(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    http_answer(status, &HeaderMap::new(), b"", SystemTime::UNIX_EPOCH)
}

#[test]
fn every_grpc_code_has_its_meaning() {
    let table = [
        (Code::Ok, "accepted"),
        (Code::Cancelled, "retry"),
        (Code::Unknown, "fault"),
        (Code::InvalidArgument, "rejected"),
        (Code::DeadlineExceeded, "retry"),
        (Code::NotFound, "fault"),
        (Code::AlreadyExists, "fault"),
        (Code::PermissionDenied, "blocked"),
        (Code::ResourceExhausted, "too large?"),
        (Code::FailedPrecondition, "fault"),
        (Code::Aborted, "retry"),
        (Code::OutOfRange, "fault"),
        (Code::Unimplemented, "blocked"),
        (Code::Internal, "fault"),
        (Code::Unavailable, "retry"),
        (Code::DataLoss, "retry"),
        (Code::Unauthenticated, "blocked"),
    ];
    for (code, meaning) in table {
        assert_eq!(
            kind(&grpc(code, "", &[], Ok(Bytes::new()))),
            meaning,
            "{code:?}"
        );
    }
}

#[test]
fn resource_exhausted_is_retried_when_the_server_says_when() {
    let answer = grpc_error(Code::ResourceExhausted, "slow down", &retry_info(7));
    assert_eq!(
        answer,
        Answer::Retry {
            after: Some(Duration::new(7, 5)),
            reason: "gRPC RESOURCE_EXHAUSTED: slow down".to_owned()
        }
    );
}

#[test]
fn the_servers_words_decide_nothing() {
    let go = "grpc: received message larger than max (5000000 vs. 4194304)";
    let answer = grpc_error(Code::ResourceExhausted, go, &[]);
    assert_eq!(kind(&answer), "too large?");
    let tonic = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
    assert_eq!(kind(&grpc_error(Code::OutOfRange, tonic, &[])), "fault");
    let wait = retry_info(7);
    assert_eq!(kind(&grpc_error(Code::OutOfRange, tonic, &wait)), "retry");
    assert_eq!(kind(&grpc_error(Code::Unavailable, go, &[])), "retry");
}

#[test]
fn details_that_are_no_status_are_ignored() {
    assert_eq!(
        grpc_error(Code::Unavailable, "gone", &[0xff, 0xff, 1]),
        Answer::retry("gRPC UNAVAILABLE: gone")
    );
}

#[test]
fn every_http_status_has_its_meaning() {
    let table: &[(&str, &[u16])] = &[
        ("accepted", &[200, 202, 204]),
        ("retry", &[408, 425, 429, 502, 503, 504]),
        ("too large", &[413]),
        ("rejected", &[400, 422]),
        (
            "blocked",
            &[
                301, 302, 307, 308, 401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 426, 431,
                501, 505,
            ],
        ),
        ("fault", &[409, 418, 500, 507, 520, 599]),
    ];
    for (meaning, statuses) in table {
        for status in *statuses {
            assert_eq!(kind(&plain_http(*status)), *meaning, "{status}");
        }
    }
}

#[test]
fn no_http_status_but_those_that_blame_the_records_costs_one() {
    for status in 200..1000 {
        let answer = plain_http(status);
        let blames = matches!(answer, Answer::Rejected { .. } | Answer::TooLarge { .. });
        assert_eq!(blames, [400, 413, 422].contains(&status), "{status}");
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
    for value in ["7", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let headers = headers(&[("retry-after", value)]);
        let Answer::Retry { after, .. } =
            http_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"", now)
        else {
            panic!("{value}");
        };
        assert_eq!(after, Some(Duration::from_secs(7)), "{value}");
    }
}

#[test]
fn a_retry_date_that_has_passed_means_now_and_nonsense_means_nothing() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let passed = headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(retry_after(&passed, now), Some(Duration::ZERO));
    assert_eq!(retry_after(&headers(&[("retry-after", "soon")]), now), None);
}

#[test]
fn partial_success_is_read_from_protobuf_and_json() {
    let expected = Answer::Partial {
        rejected: 3,
        message: "bad times".to_owned(),
    };
    let protobuf = ExportResponse {
        partial_success: Some(PartialSuccess {
            rejected: 3,
            error_message: "bad times".to_owned(),
        }),
    }
    .encode_to_vec();
    let protobuf_type = headers(&[("content-type", "application/x-protobuf")]);
    let json_type = headers(&[("content-type", "application/json; charset=utf-8")]);
    let ok = StatusCode::OK;
    let now = SystemTime::UNIX_EPOCH;
    assert_eq!(http_answer(ok, &protobuf_type, &protobuf, now), expected);
    for body in [
        r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"bad times"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"bad times"}}"#,
    ] {
        assert_eq!(
            http_answer(ok, &json_type, body.as_bytes(), now),
            expected,
            "{body}"
        );
    }
}

#[test]
fn a_partial_success_that_rejects_nothing_is_success() {
    let answer = |rejected, error_message: &str| {
        let response = ExportResponse {
            partial_success: Some(PartialSuccess {
                rejected,
                error_message: error_message.to_owned(),
            }),
        };
        success(Protocol::Grpc, response)
    };
    assert_eq!(answer(0, ""), Answer::ACCEPTED);
    for below_nothing in [-1, i64::MIN] {
        let answer = answer(below_nothing, "");
        assert_eq!(kind(&answer), "blocked", "{answer:?}");
    }
    assert_eq!(
        answer(0, "use newer names"),
        Answer::Accepted {
            remark: Some("use newer names".to_owned())
        }
    );
}

#[test]
fn only_an_answer_of_otlps_is_an_acceptance() {
    let html = headers(&[("content-type", "text/html; charset=utf-8")]);
    let text = headers(&[("content-type", "text/plain")]);
    let grpc_says_no = headers(&[("content-type", "application/grpc"), ("grpc-status", "12")]);
    let none = HeaderMap::new();
    let whole = |body: &'static str| Body::Whole(body.into());
    let now = SystemTime::UNIX_EPOCH;
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for status in [200, 202, 204, 206, 299] {
            let status = StatusCode::from_u16(status).unwrap();
            for (headers, body, meaning) in [
                (&none, whole(""), "accepted"),
                (&none, whole("{}"), "accepted"),
                (&html, whole("<html>log in</html>"), "blocked"),
                (&text, whole("OK"), "blocked"),
                (&none, whole("OK"), "blocked"),
                (&none, Body::TooLong, "blocked"),
                (&none, Body::NotGzip, "blocked"),
                (&grpc_says_no, whole(""), "blocked"),
            ] {
                let answer = http(protocol, status, headers, &body, now);
                assert_eq!(kind(&answer), meaning, "{status} {headers:?} {body:?}");
            }
        }
    }
    let Answer::Blocked { reason } = http(WEB, StatusCode::OK, &text, &whole("OK"), now) else {
        panic!("not blocked");
    };
    for part in [
        "HTTP 200 OK",
        "2 bytes of text/plain",
        "\"OK\"",
        "correct the endpoint's URL",
    ] {
        assert!(reason.contains(part), "no {part} in {reason}");
    }
}

#[test]
fn over_grpc_nothing_but_its_own_status_and_a_message_is_an_acceptance() {
    let blocked = |answer: Answer| match answer {
        Answer::Blocked { reason } => reason,
        other => panic!("{other:?}"),
    };
    let now = SystemTime::UNIX_EPOCH;
    for (status, kind_of) in [
        (200, "blocked"),
        (204, "blocked"),
        (404, "blocked"),
        (302, "blocked"),
        (503, "retry"),
        (500, "fault"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let body = Body::Whole(Bytes::new());
        let answer = http(Protocol::Grpc, status, &HeaderMap::new(), &body, now);
        assert_eq!(kind(&answer), kind_of, "{status}");
    }
    let accepted = grpc(Code::Ok, "", &[], Ok(Bytes::new()));
    assert_eq!(accepted, Answer::ACCEPTED);
    let garbage = grpc(Code::Ok, "", &[], Ok("OK".into()));
    assert!(blocked(garbage).contains("gRPC OK with a message of another kind"));
    let missing = grpc(Code::Ok, "", &[], Err("without a message"));
    assert!(blocked(missing).contains("correct the endpoint's URL"));
}

#[test]
fn a_refusal_in_words_that_are_not_otlps_is_known_as_such() {
    let in_otlp = |content_type: &'static str, body: &str| {
        let headers = headers(&[("content-type", content_type)]);
        let now = SystemTime::UNIX_EPOCH;
        match http_answer(StatusCode::BAD_REQUEST, &headers, body.as_bytes(), now) {
            Answer::Rejected { in_otlp, .. } => in_otlp,
            other => panic!("{other:?}"),
        }
    };
    assert!(in_otlp("application/json", r#"{"code":3,"message":"bad"}"#));
    // What servers made with Go, and nginx, say to plain HTTP on a port of TLS.
    let go = "Client sent an HTTP request to an HTTPS server.\n";
    let nginx = "<html><center>The plain HTTP request was sent to HTTPS port</center></html>";
    assert!(!in_otlp("text/plain", go));
    assert!(!in_otlp("text/html", nginx));
}

#[test]
fn the_words_of_a_failure_are_bounded_and_on_one_line() {
    let long = format!("a\nb\u{1b}[31m{}", "x".repeat(1000));
    let cleaned = clean(&long);
    assert!(cleaned.starts_with("a\\nb\\u{1b}[31m"));
    assert!(cleaned.chars().count() < 400);
    assert!(!cleaned.contains('\n'));
}

#[test]
fn a_redirect_names_its_target_without_the_query() {
    let headers = headers(&[("location", "https://other/v1/logs?token=secret")]);
    let now = SystemTime::UNIX_EPOCH;
    let Answer::Blocked { reason } = http_answer(StatusCode::FOUND, &headers, b"", now) else {
        panic!("not blocked");
    };
    assert!(reason.contains("https://other/v1/logs:"), "{reason}");
    assert!(!reason.contains("secret"));
}
