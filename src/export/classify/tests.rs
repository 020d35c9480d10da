use http::HeaderValue;

use super::*;

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
        Answer::Closed { .. } => "closed",
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
    http(status, &HeaderMap::new(), b"", SystemTime::UNIX_EPOCH)
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
        (Code::OutOfRange, "retry"),
        (Code::Unimplemented, "blocked"),
        (Code::Internal, "fault"),
        (Code::Unavailable, "retry"),
        (Code::DataLoss, "retry"),
        (Code::Unauthenticated, "blocked"),
    ];
    for (code, meaning) in table {
        assert_eq!(kind(&grpc(code, "", &[])), meaning, "{code:?}");
    }
}

#[test]
fn resource_exhausted_is_retried_when_the_server_says_when() {
    let answer = grpc(Code::ResourceExhausted, "slow down", &retry_info(7));
    assert_eq!(
        answer,
        Answer::Retry {
            after: Some(Duration::new(7, 5)),
            reason: "gRPC RESOURCE_EXHAUSTED: slow down".to_owned()
        }
    );
}

#[test]
fn a_message_that_is_too_large_is_known_by_its_words() {
    let go = "grpc: received message larger than max (5000000 vs. 4194304)";
    assert_eq!(kind(&grpc(Code::ResourceExhausted, go, &[])), "too large");
    let tonic = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
    assert_eq!(kind(&grpc(Code::OutOfRange, tonic, &[])), "too large");
}

#[test]
fn details_that_are_no_status_are_ignored() {
    assert_eq!(
        grpc(Code::Unavailable, "gone", &[0xff, 0xff, 1]),
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
        let Answer::Retry { after, .. } = http(StatusCode::TOO_MANY_REQUESTS, &headers, b"", now)
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
    assert_eq!(http(ok, &protobuf_type, &protobuf, now), expected);
    for body in [
        r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"bad times"}}"#,
        r#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"bad times"}}"#,
    ] {
        assert_eq!(
            http(ok, &json_type, body.as_bytes(), now),
            expected,
            "{body}"
        );
    }
}

#[test]
fn a_partial_success_that_rejects_nothing_is_success() {
    let answer = |rejected, error_message: &str| {
        response(ExportResponse {
            partial_success: Some(PartialSuccess {
                rejected,
                error_message: error_message.to_owned(),
            }),
        })
    };
    assert_eq!(answer(0, ""), Answer::ACCEPTED);
    assert_eq!(answer(-1, ""), Answer::ACCEPTED);
    assert_eq!(
        answer(0, "use newer names"),
        Answer::Accepted {
            remark: Some("use newer names".to_owned())
        }
    );
}

#[test]
fn a_web_page_is_no_acceptance() {
    let html = headers(&[("content-type", "text/html; charset=utf-8")]);
    let answer = http(StatusCode::OK, &html, b"<html>", SystemTime::UNIX_EPOCH);
    assert_eq!(kind(&answer), "blocked");
}

#[test]
fn plain_http_on_a_tls_port_blames_the_url() {
    let body = b"Client sent an HTTP request to an HTTPS server.\n";
    let now = SystemTime::UNIX_EPOCH;
    let answer = http(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, now);
    assert_eq!(kind(&answer), "blocked");
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
    let Answer::Blocked { reason } = http(StatusCode::FOUND, &headers, b"", now) else {
        panic!("not blocked");
    };
    assert!(reason.contains("https://other/v1/logs:"), "{reason}");
    assert!(!reason.contains("secret"));
}
