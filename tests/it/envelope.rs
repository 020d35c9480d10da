//! Envelopes, from the outside: bytes in, records and rejects out.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use qtrail::envelope::{Item, Limits, Skipped, open};
use qtrail::reject::{Evidence, Position, Reject};
use serde_json::{Value, json};

const BROKEN: &str = include_str!("../fixtures/pass-request.as-published.txt");

/// An item that outlives its window.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Record(Position, Vec<u8>),
    Reject(Reject),
    Skipped(Skipped),
}

/// Delivers at most so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        self.0.read(&mut buffer[..room])
    }
}

fn read_with(unit: impl Read, limits: &Limits) -> (Vec<Seen>, u64) {
    let mut records = open(unit, limits);
    let mut seen = Vec::new();
    while let Some(item) = records.next().unwrap() {
        seen.push(match item {
            Item::Record { position, bytes } => Seen::Record(position, bytes.to_vec()),
            Item::Reject(reject) => Seen::Reject(reject),
            Item::Skipped(skipped) => Seen::Skipped(skipped),
        });
    }
    assert!(records.next().unwrap().is_none(), "the end stays the end");
    (seen, records.resume_offset())
}

fn read(unit: impl AsRef<[u8]>) -> Vec<Seen> {
    read_with(unit.as_ref(), &Limits::default()).0
}

/// A short word for each item: `+` and the event's name, a reject's kind, what was skipped.
fn words(unit: impl AsRef<[u8]>) -> Vec<String> {
    read(unit).iter().map(word).collect()
}

fn word(seen: &Seen) -> String {
    match seen {
        Seen::Record(_, bytes) => match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => format!("+{}", value["eventName"].as_str().unwrap_or("?")),
            Err(_) => "+(odd)".to_owned(),
        },
        Seen::Reject(reject) => reject.reason.kind().to_owned(),
        Seen::Skipped(skipped) => skipped.as_str().to_owned(),
    }
}

fn rejects(seen: &[Seen]) -> Vec<&Reject> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Reject(reject) => Some(reject),
            _ => None,
        })
        .collect()
}

fn event(name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.09","eventTime":"2024-04-10T20:04:42Z","eventSource":"q.amazonaws.com","eventName":"{name}","requestParameters":{{"Records":[{{"eventVersion":"no record"}}],"text":"}}]\"{{é"}}}}"#
    )
}

fn records(elements: &[&str]) -> String {
    format!("{{\"Records\":[{}]}}", elements.join(","))
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn subscription(messages: &[&str]) -> Value {
    let events: Vec<_> = messages
        .iter()
        .map(|message| json!({"id": "1", "timestamp": 1, "message": message}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logEvents": events})
}

fn base64(content: impl AsRef<[u8]>) -> String {
    STANDARD.encode(content)
}

mod containers {
    use super::*;

    #[test]
    fn a_log_file_yields_its_records_as_they_stand() {
        let (a, b) = (event("A"), event("B"));
        let unit = format!(" {{ \"x\":[1], \"Records\" : [ {a} ,\n {b} ] , \"y\": null }} \n");
        let seen = read(&unit);
        assert_eq!(seen.len(), 2);
        for (index, (seen, expected)) in seen.iter().zip([a, b]).enumerate() {
            let Seen::Record(position, bytes) = seen else {
                panic!("{seen:?}");
            };
            assert_eq!(bytes, expected.as_bytes());
            assert_eq!(position.index, index as u64);
            let start = position.offset as usize;
            assert_eq!(
                &unit.as_bytes()[start..start + position.length as usize],
                bytes
            );
        }
    }

    #[test]
    fn the_same_records_come_out_of_every_container() {
        let (a, b) = (event("A"), event("B"));
        let (av, bv): (Value, Value) = (
            serde_json::from_str(&a).unwrap(),
            serde_json::from_str(&b).unwrap(),
        );
        let bridge = |event: &Value| json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.q", "detail": event});
        let logs = subscription(&[&a, &b]).to_string();
        let encoded = base64(gzip(&logs));
        let log_file = records(&[&a, &b]);
        let row = |event: &Value| -> Value {
            event
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| match value {
                    Value::String(text) => json!({ key: text }),
                    other => json!({ key: other.to_string() }),
                })
                .collect()
        };
        let units: Vec<(&str, Vec<u8>)> = vec![
            ("log file", log_file.clone().into()),
            ("gzip", gzip(&log_file)),
            ("two members", [gzip(&log_file[..50]), gzip(&log_file[50..])].concat()),
            ("array", format!("[{a},{b}]").into()),
            ("NDJSON", format!("{a}\n\n{b}\n").into()),
            ("NDJSON without a last line end", format!("{a}\r\n{b}").into()),
            ("concatenated", format!("{a}{b}").into()),
            ("commas at line ends", format!("{a},\n{b},\n").into()),
            ("BOM", format!("\u{feff}{log_file}").into()),
            ("pretty", serde_json::to_vec_pretty(&json!({"Records": [av, bv]})).unwrap()),
            ("event history", json!({"Events": [{"EventId": "1", "CloudTrailEvent": a}, {"EventId": "2", "CloudTrailEvent": b}], "NextToken": "t"}).to_string().into()),
            ("Lake", json!({"QueryStatus": "FINISHED", "QueryResultRows": [row(&av), row(&bv)]}).to_string().into()),
            ("Lake, eventJson", json!({"QueryResultRows": [[{"eventJson": a}], [{"eventJson": b}]]}).to_string().into()),
            ("EventBridge lines", format!("{}\n{}\n", bridge(&av), bridge(&bv)).into()),
            ("CloudWatch Logs", logs.clone().into()),
            ("CloudWatch Logs, concatenated", format!("{}{}", subscription(&[&a]), subscription(&[&b])).into()),
            ("CloudWatch Logs in base64", encoded.clone().into()),
            ("Lambda", json!({"awslogs": {"data": encoded}}).to_string().into()),
            ("Kinesis", json!({"Records": [{"kinesis": {"data": encoded}, "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record"}]}).to_string().into()),
            ("Kinesis, bare", json!({"Records": [{"kinesis": {"data": encoded}}]}).to_string().into()),
            ("Firehose", json!({"requestId": "r", "timestamp": 1, "records": [{"data": base64(&a)}, {"data": base64(format!("{b}\n"))}]}).to_string().into()),
            ("Firehose around CloudWatch Logs", json!({"requestId": "r", "timestamp": 1, "records": [{"data": encoded}]}).to_string().into()),
            ("SQS", json!({"Records": [{"messageId": "m", "body": a, "eventSource": "aws:sqs"}, {"messageId": "m", "body": b, "eventSource": "aws:sqs"}]}).to_string().into()),
            ("SNS in SQS", json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": json!({"Type": "Notification", "TopicArn": "t", "Message": log_file}).to_string()}]}).to_string().into()),
            ("SNS by Lambda", json!({"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": {"Message": log_file}}]}).to_string().into()),
            ("log files in an array", format!("[{},{}]", records(&[&a]), records(&[&b])).into()),
        ];
        for (name, unit) in units {
            let mut found = Vec::new();
            for seen in read(&unit) {
                let Seen::Record(position, bytes) = seen else {
                    panic!("{name}: {seen:?}");
                };
                assert_eq!(position.index, found.len() as u64, "{name}");
                found.push(serde_json::from_slice::<Value>(&bytes).unwrap());
            }
            assert_eq!(found, [av.clone(), bv.clone()], "{name}");
        }
    }

    #[test]
    fn a_record_inside_a_text_stands_where_its_element_stands() {
        let unit =
            json!({"Records": [{"messageId": "m", "body": records(&[&event("A"), &event("B")])}]});
        let unit = unit.to_string();
        let element = (
            unit.find("{\"body\"").unwrap() as u64,
            unit.len() as u64 - 2,
        );
        for seen in read(&unit) {
            let Seen::Record(position, _) = seen else {
                panic!("{seen:?}");
            };
            assert_eq!(
                (position.offset, position.offset + position.length),
                element
            );
        }
    }

    #[test]
    fn insights_events_are_records() {
        let unit = r#"{"Records":[{"eventVersion":"1.07","eventCategory":"Insight","insightDetails":{}}]}"#;
        assert_eq!(words(unit), ["+?"]);
    }

    #[test]
    fn what_holds_no_events_is_skipped_once() {
        let s3 = json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"object": {"key": "k"}}});
        let notice = json!({"Records": [s3]}).to_string();
        for (unit, expected) in [
            (String::new(), "empty"),
            (" \r\n\t".to_owned(), "empty"),
            ("\u{feff}".to_owned(), "empty"),
            (json!({"awsAccountId": "1", "digestEndTime": "t", "logFiles": [{"s3Object": "o"}]}).to_string(), "digest"),
            (json!({"records": [{"generateAssistantResponseEventRequest": {}}, {"x": {}}]}).to_string(), "prompt_log"),
            (notice.clone(), "s3_notice"),
            (json!({"Type": "Notification", "Message": notice}).to_string(), "s3_notice"),
            (json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}).to_string(), "s3_notice"),
            (json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}).to_string(), "s3_notice"),
            (json!({"Type": "Notification", "Message": "{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]}"}).to_string(), "s3_notice"),
            (json!({"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "message": "CWL CONTROL MESSAGE"}]}).to_string(), "control_message"),
            ("CloudTrail validation message.".to_owned(), "validation_message"),
            (json!({"Type": "Notification", "Message": "CloudTrail validation message."}).to_string(), "validation_message"),
        ] {
            assert_eq!(words(&unit), [expected], "{unit}");
            assert_eq!(words(gzip(&unit)), [expected], "{unit}");
        }
    }

    #[test]
    fn a_digest_file_beyond_every_bound_is_still_a_digest_file() {
        let limits = Limits {
            event_bytes: 1_000,
            ..Limits::default()
        };
        let unit = json!({"digestEndTime": "t", "logFiles": vec!["x".repeat(100); 1_000]});
        let (seen, _) = read_with(unit.to_string().as_bytes(), &limits);
        assert_eq!(seen, [Seen::Skipped(Skipped::Digest)]);
    }

    #[test]
    fn an_event_of_s3_is_no_notice_and_an_event_about_records_no_container() {
        let unit = r#"{"Records":[{"eventVersion":"1","eventSource":"s3.amazonaws.com","eventName":"Put","requestParameters":{"eventSource":"aws:s3","s3":{},"Records":[{"eventVersion":"1"}]}}]}"#;
        assert_eq!(words(unit), ["+Put"]);
    }

    #[test]
    fn an_array_of_nothing_is_nothing() {
        assert!(read(r#"{"Records":[]}"#).is_empty());
        assert!(read("[]").is_empty());
    }

    #[test]
    fn envelopes_nest_only_so_deep() {
        let mut text = event("A");
        for _ in 0..10 {
            text = json!({"Type": "Notification", "Message": text}).to_string();
        }
        assert_eq!(words(text), ["not_cloudtrail"]);
    }
}

mod bad_input {
    use super::*;

    fn limits() -> Limits {
        Limits {
            event_bytes: 1_000,
            ..Limits::default()
        }
    }

    #[test]
    fn json_of_another_kind_is_one_reject_with_its_bytes() {
        for unit in [
            r#"{"name":"x","version":"1"}"#,
            "123",
            "null",
            "\"text\"",
            "[1]",
            "[[]]",
        ] {
            let seen = read(unit);
            let [reject] = rejects(&seen)[..] else {
                panic!("{seen:?}");
            };
            assert_eq!(reject.reason.kind(), "not_cloudtrail", "{unit}");
            let (start, end) = (
                reject.position.offset,
                reject.position.offset + reject.position.length,
            );
            let bytes = unit.as_bytes()[start as usize..end as usize].to_vec();
            assert!(!bytes.is_empty());
            assert_eq!(reject.evidence, Evidence::Bytes(bytes), "{unit}");
        }
    }

    #[test]
    fn what_is_no_json_is_one_reject() {
        for unit in [
            "hello\nworld",
            "<xml/>",
            "\0\0\0\0",
            "{]",
            "H4sI!",
            "\u{1f}",
            "{\"a\":1}}",
        ] {
            assert_eq!(words(unit), ["not_json"], "{unit:?}");
        }
    }

    #[test]
    fn a_broken_record_costs_one_record_wherever_it_stands() {
        let (a, b) = (event("A"), event("B"));
        let no_comma = r#"{"eventVersion":"1" "eventName":"x"}"#;
        let brace_too_many = r#"{"eventVersion":"1","userIdentity":{}},"eventName":"x"}"#;
        let brace_at_the_end = r#"{"eventVersion":"1","eventName":"x"}}"#;
        let raw_control = "{\"eventVersion\":\"1\",\"eventName\":\"\u{0}\"}";
        let no_quote = "{\"eventVersion\":\"1,\"eventName\":\"x\"}";
        for broken in [
            BROKEN,
            no_comma,
            brace_too_many,
            brace_at_the_end,
            raw_control,
            no_quote,
            "garbage",
            "0123",
        ] {
            let units = [
                (records(&[&a, broken, &b]), vec!["+A", "not_json", "+B"]),
                (records(&[&a, &b, broken]), vec!["+A", "+B", "not_json"]),
                (records(&[broken, &a, &b]), vec!["not_json", "+A", "+B"]),
                (format!("[{a},{broken},{b}]"), vec!["+A", "not_json", "+B"]),
                (
                    format!("[\n{a},\n{broken},\n{b}\n]\n"),
                    vec!["+A", "not_json", "+B"],
                ),
                (
                    format!("{a}\n{broken}\n{b}\n"),
                    vec!["+A", "not_json", "+B"],
                ),
                (
                    format!("{}\n{}\n", records(&[&a, broken]), records(&[&b])),
                    vec!["+A", "not_json", "+B"],
                ),
            ];
            for (unit, expected) in units {
                assert_eq!(words(&unit), expected, "{unit}");
            }
        }
    }

    #[test]
    fn two_broken_records_in_a_row_are_two_rejects() {
        let (a, b) = (event("A"), event("B"));
        let broken = r#"{"eventVersion":"1","x":tru}"#;
        assert_eq!(
            words(records(&[&a, broken, broken, &b])),
            ["+A", "not_json", "not_json", "+B"]
        );
    }

    #[test]
    fn a_missing_comma_costs_nothing() {
        let (a, b) = (event("A"), event("B"));
        assert_eq!(words(format!("{{\"Records\":[{a} {b}]}}")), ["+A", "+B"]);
    }

    #[test]
    fn a_broken_container_is_salvaged() {
        let (a, b) = (event("A"), event("B"));
        assert_eq!(
            words(format!("{{\"Records\":x[{a},{b}]}}\n{a}")),
            ["not_json", "+A", "+B", "+A"]
        );
    }

    #[test]
    fn nothing_before_the_error_passes_for_a_record() {
        let inside = r#"{"eventVersion":"1","eventName":"forged"}"#;
        let unit = records(&[
            &event("A"),
            &format!(
                r#"{{"eventVersion":"1","requestParameters":{inside},"text":"{{\"eventVersion\":1}}","x":tru}}"#
            ),
            &event("B"),
        ]);
        assert_eq!(words(unit), ["+A", "not_json", "+B"]);
    }

    #[test]
    fn records_that_begin_with_another_key_are_found_again_too() {
        let sorted = |name: &str| format!(r#"{{"awsRegion":"r","eventName":"{name}"}}"#);
        let unit = format!("[{},{{\"awsRegion\":x}},{}]", sorted("A"), sorted("B"));
        assert_eq!(words(unit), ["+A", "not_json", "+B"]);
        let row = r#"[{"eventName":"A"}]"#;
        let unit = format!("{{\"QueryResultRows\":[{row},[{{\"x\":tru}}],{row}]}}");
        assert_eq!(words(unit), ["+A", "not_json", "+A"]);
    }

    #[test]
    fn the_reject_names_the_byte_and_keeps_the_bytes() {
        let (a, b) = (event("A"), event("B"));
        let unit = records(&[&a, BROKEN.trim(), &b]);
        let seen = read(&unit);
        let reject = rejects(&seen)[0];
        let start = unit.find(BROKEN.trim()).unwrap() as u64;
        let error = unit.rfind(&b).unwrap() as u64;
        assert_eq!(
            reject.position,
            Position {
                index: 1,
                offset: start,
                length: error - start
            }
        );
        assert_eq!(
            reject.reason.to_string(),
            format!("not valid JSON at byte {error}: expected a key")
        );
        assert_eq!(
            reject.evidence,
            Evidence::Bytes(format!("{},", BROKEN.trim()).into_bytes())
        );
    }

    #[test]
    fn every_cut_of_a_log_file_keeps_the_whole_records_and_ends_truncated() {
        let unit = records(&[&event("A"), &event("B")]);
        let whole = words(&unit);
        for cut in 1..unit.len() {
            let mut seen = words(&unit.as_bytes()[..cut]);
            assert_eq!(seen.pop().as_deref(), Some("truncated"), "cut at {cut}");
            assert!(whole.starts_with(&seen), "cut at {cut}: {seen:?}");
        }
        assert_eq!(words(&unit[..unit.len() - 1]), ["+A", "+B", "truncated"]);
    }

    #[test]
    fn a_truncated_gzip_keeps_the_whole_records() {
        let events: Vec<_> = (0..300u32)
            .map(|n| event(&format!("N{:x}", n.wrapping_mul(2_654_435_761))))
            .collect();
        let unit = gzip(records(
            &events.iter().map(String::as_str).collect::<Vec<_>>(),
        ));
        for cut in [unit.len() / 2, unit.len() - 1] {
            let seen = read(&unit[..cut]);
            let last = rejects(&seen);
            assert_eq!(last.len(), 1);
            assert!(
                last[0].reason.to_string().contains("gzip stream"),
                "{}",
                last[0].reason
            );
            assert!(seen.len() > 50, "{}", seen.len());
        }
    }

    #[test]
    fn garbage_after_gzip_costs_no_record() {
        let unit = gzip(records(&[&event("A")]));
        assert_eq!(words([&unit[..], &[0; 99]].concat()), ["+A"]);
        assert_eq!(words([&unit[..], b"garbage"].concat()), ["+A", "bad_gzip"]);
    }

    #[test]
    fn a_gzip_bomb_ends_at_the_limit() {
        let event = event("A");
        let mut bomb = format!("{event}\n").into_bytes();
        bomb.extend(vec![b' '; 10 << 20]);
        let limits = Limits {
            inflated_bytes: 1 << 20,
            ..Limits::default()
        };
        let (seen, _) = read_with(&gzip(&bomb)[..], &limits);
        assert_eq!(
            seen.iter().map(word).collect::<Vec<_>>(),
            ["+A", "inflated_too_large"]
        );
        let inner = json!({"records": [{"data": base64(gzip(&bomb))}]}).to_string();
        let (seen, _) = read_with(inner.as_bytes(), &limits);
        assert_eq!(
            seen.iter().map(word).collect::<Vec<_>>(),
            ["+A", "inflated_too_large"]
        );
    }

    #[test]
    fn nesting_ten_thousand_deep_is_one_reject() {
        let deep = format!(
            "{{\"eventVersion\":{}{}}}",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(
            words(records(&[&event("A"), &deep, &event("B")])),
            ["+A", "too_deep", "+B"]
        );
        let unclosed = format!("{{\"eventVersion\":{}", "[".repeat(3 << 20));
        assert_eq!(
            words(records(&[&event("A"), &unclosed, &event("B")])),
            ["+A", "too_deep", "+B"]
        );
    }

    #[test]
    fn depth_counts_from_the_record() {
        let limits = Limits {
            depth: 3,
            ..Limits::default()
        };
        let three = r#"{"eventVersion":"1","a":{"b":[1]}}"#;
        let four = r#"{"eventVersion":"1","a":{"b":[[1]]}}"#;
        for (unit, expected) in [
            (records(&[three, four]), ["+?", "too_deep"]),
            (format!("{three}\n{four}"), ["+?", "too_deep"]),
            (
                json!({"logEvents": [{"message": three}, {"message": four}]}).to_string(),
                ["+?", "too_deep"],
            ),
            (
                format!(
                    r#"{{"detail-type":"via CloudTrail","detail":{three}}}{{"detail-type":"via CloudTrail","detail":{four}}}"#
                ),
                ["+?", "too_deep"],
            ),
        ] {
            let (seen, _) = read_with(unit.as_bytes(), &limits);
            assert_eq!(
                seen.iter().map(word).collect::<Vec<_>>(),
                expected,
                "{unit}"
            );
        }
    }

    #[test]
    fn an_event_too_large_is_one_reject_with_its_hash() {
        use sha2::Digest as _;
        for size in [1_001, 5_000, 500_000] {
            let head = r#"{"eventVersion":"1","x":""#;
            let large = format!("{head}{}\"}}", "y".repeat(size - head.len() - 2));
            let (seen, _) = read_with(
                records(&[&event("A"), &large, &event("B")]).as_bytes(),
                &limits(),
            );
            assert_eq!(
                seen.iter().map(word).collect::<Vec<_>>(),
                ["+A", "event_too_large", "+B"]
            );
            let evidence = Evidence::Digest {
                sha256: sha2::Sha256::digest(&large).into(),
                length: size as u64,
            };
            assert_eq!(rejects(&seen)[0].evidence, evidence, "{size}");
        }
    }

    /// Delivers a log file with one event of the given size, without having it in memory.
    fn huge(size: u64) -> impl Read {
        let (a, b) = (event("A"), event("B"));
        let head = format!("{{\"Records\":[{a},{{\"eventVersion\":\"1\",\"x\":\"");
        let tail = format!("\"}},{b}]}}");
        io::Cursor::new(head)
            .chain(io::repeat(b'x').take(size))
            .chain(io::Cursor::new(tail))
    }

    #[test]
    fn a_huge_event_costs_no_more_memory_than_a_large_one() {
        let limits = Limits {
            event_bytes: 64 << 10,
            ..Limits::default()
        };
        let mut records = open(huge(64 << 20), &limits);
        let mut kinds = Vec::new();
        let mut most = 0;
        while let Some(item) = records.next().unwrap() {
            kinds.push(matches!(item, Item::Record { .. }));
            most = most.max(records.window_bytes());
        }
        assert_eq!(kinds, [true, false, true]);
        assert!(most <= 8 * limits.event_bytes, "{most}");
    }

    #[test]
    fn events_beyond_the_limit_are_one_reject() {
        let limits = Limits {
            events: 2,
            ..Limits::default()
        };
        let unit = [event("A"), event("B")].join("\n");
        assert_eq!(read_with(unit.as_bytes(), &limits).0.len(), 2);
        assert_eq!(rejects(&read_with(unit.as_bytes(), &limits).0).len(), 0);
        let unit = format!("{unit}\n{unit}");
        let (seen, _) = read_with(unit.as_bytes(), &limits);
        assert_eq!(
            seen.iter().map(word).collect::<Vec<_>>(),
            ["+A", "+B", "too_many_events"]
        );
    }

    #[test]
    fn odd_text_inside_a_record_is_left_to_the_parser() {
        let mut unit = br#"{"Records":[{"eventVersion":"1","a":"\ud83d\u0000","a":1,"n":1234567890123456789012345678901234567890,"b":""#.to_vec();
        unit.extend(b"\xff\xfe\"}]}");
        assert_eq!(words(unit), ["+(odd)"]);
    }

    #[test]
    fn a_text_inside_that_is_cut_does_not_look_like_a_unit_that_is() {
        for text in ["{\"Records\":[", "{\"eventVersion\":\"1", "{\"Records\":[x"] {
            let unit = json!({"Type": "Notification", "Message": text}).to_string();
            let seen = read(&unit);
            assert_eq!(
                seen.iter().map(word).collect::<Vec<_>>(),
                ["not_json"],
                "{text}"
            );
            assert!(!matches!(rejects(&seen)[0].evidence, Evidence::Unit));
        }
    }
}

mod following {
    use super::*;

    #[test]
    fn a_follower_resumes_after_the_last_whole_line() {
        let (a, b) = (event("A"), event("B"));
        for (unit, expected) in [
            (format!("{a}\n{b}\n"), a.len() + b.len() + 2),
            (format!("{a}\n{b}"), a.len() + b.len() + 1),
            (format!("{a}\n{}", &b[..30]), a.len() + 1),
            (format!("{a}\nbroken\n{}", &b[..30]), a.len() + 1 + 7),
            (format!("{a}\n{}", &records(&[&b])[..100]), a.len() + 1),
        ] {
            let (_, resume) = read_with(unit.as_bytes(), &Limits::default());
            assert_eq!(resume, expected as u64, "{unit}");
        }
    }

    #[test]
    fn the_offset_is_known_after_each_line() {
        let (a, b) = (event("A"), event("B"));
        let message = json!({"Type": "Notification", "Message": format!("{a}\n{b}")}).to_string();
        let unit = format!("{a}\n{message}\n{b}\n");
        let mut records = open(unit.as_bytes(), &Limits::default());
        let (first, second) = (a.len() as u64 + 1, (a.len() + message.len()) as u64 + 2);
        for expected in [first, first, first, unit.len() as u64] {
            assert!(records.next().unwrap().is_some());
            assert_eq!(records.resume_offset(), expected);
            assert!(expected <= second || expected == unit.len() as u64);
        }
    }

    /// Fails at every second read.
    struct Flaky<'a>(Pieces<'a>, bool);

    impl Read for Flaky<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::Error::other("flaky"));
            }
            self.0.read(buffer)
        }
    }

    #[test]
    fn a_readers_error_is_its_own_and_loses_nothing() {
        let text = format!(
            "{}\n{}\nbroken {}",
            records(&[&event("A"), BROKEN]),
            event("B"),
            event("C")
        );
        let unit = gzip(&text);
        let mut records = open(Flaky(Pieces(&unit, 3), false), &Limits::default());
        let (mut seen, mut errors) = (Vec::new(), 0);
        loop {
            match records.next() {
                Ok(None) => break,
                Ok(Some(Item::Record { position, bytes })) => {
                    seen.push(Seen::Record(position, bytes.to_vec()))
                }
                Ok(Some(Item::Reject(reject))) => seen.push(Seen::Reject(reject)),
                Ok(Some(Item::Skipped(skipped))) => seen.push(Seen::Skipped(skipped)),
                Err(error) => {
                    assert_eq!(error.to_string(), "flaky");
                    errors += 1;
                }
            }
        }
        assert_eq!(seen, read(&text));
        assert!(errors > 10);
    }
}

mod properties {
    use std::cell::Cell;
    use std::ops::Range;

    use super::*;

    /// A unit of any container, well-formed, with the records that a naive reader finds in it.
    fn unit() -> impl Strategy<Value = (Vec<u8>, Vec<Value>)> {
        unit_of(0..9)
    }

    fn unit_of(shapes: Range<usize>) -> impl Strategy<Value = (Vec<u8>, Vec<Value>)> {
        let record = (any::<u8>(), "[ -~\u{e9}\u{1f600}\n]{0,20}").prop_map(|(n, text)| {
            json!({"eventVersion": "1.0", "eventName": format!("N{n}"), "text": text, "Records": {"eventVersion": [n, null, -1.5e3, true]}})
        });
        (prop::collection::vec(record, 1..12), shapes).prop_map(|(events, shape)| {
            let texts: Vec<_> = events.iter().map(Value::to_string).collect();
            let strs: Vec<_> = texts.iter().map(String::as_str).collect();
            let unit = match shape {
                0 => json!({"a": [1], "Records": events, "b": 1}).to_string(),
                1 => serde_json::to_string_pretty(&json!({"Records": events})).unwrap(),
                2 => Value::from(events.clone()).to_string(),
                3 => texts.join("\n"),
                4 => texts.concat(),
                5 => subscription(&strs).to_string(),
                6 => json!({"Events": texts.iter().map(|t| json!({"EventId": "e", "CloudTrailEvent": t})).collect::<Vec<_>>()}).to_string(),
                7 => texts.iter().map(|t| format!("{{\"detail-type\":\"x via CloudTrail\",\"detail\":{t}}}\n")).collect(),
                _ => json!({"records": texts.iter().map(|t| json!({"data": base64(gzip(t))})).collect::<Vec<_>>()}).to_string(),
            };
            (unit.into_bytes(), events)
        })
    }

    fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<u8>)>> {
        let byte = prop::sample::select(&b"{}[],:\"\\\n\0 x9\xff"[..]);
        prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(byte)), 0..5)
    }

    fn damaged(unit: &[u8], damage: &[(prop::sample::Index, Option<u8>)]) -> Vec<u8> {
        let mut unit = unit.to_vec();
        for (index, byte) in damage {
            if unit.is_empty() {
                break;
            }
            let at = index.index(unit.len());
            match byte {
                Some(byte) => unit[at] = *byte,
                None => drop(unit.remove(at)),
            }
        }
        unit
    }

    proptest! {
        #[test]
        fn well_formed_units_yield_what_a_naive_reader_finds((unit, events) in unit()) {
            for unit in [gzip(&unit), unit] {
                let found: Vec<Value> = read(&unit).iter().map(|seen| match seen {
                    Seen::Record(_, bytes) => serde_json::from_slice(bytes).unwrap(),
                    other => panic!("{other:?}"),
                }).collect();
                prop_assert_eq!(&found, &events);
            }
        }

        #[test]
        fn the_size_of_the_reads_changes_nothing(
            (unit, _) in unit(), damage in damage(), size in 1..100usize, event_bytes in 50..400usize,
        ) {
            let unit = damaged(&unit, &damage);
            let limits = Limits { event_bytes, ..Limits::default() };
            let whole = read_with(&unit[..], &limits);
            prop_assert_eq!(&read_with(Pieces(&unit, 1), &limits), &whole);
            prop_assert_eq!(&read_with(Pieces(&unit, size), &limits), &whole);
        }
    }

    /// Whatever is damaged, the pieces come in the order of the unit, and each is its bytes; where
    /// nothing but records and what separates them is in the unit, no byte is in no piece.
    #[test]
    fn damage_loses_no_byte_in_silence() {
        let (rejected, kept) = (Cell::new(0), Cell::new(0));
        let mut runner = proptest::test_runner::TestRunner::default();
        let strategy = (unit_of(2..5), damage());
        runner
            .run(&strategy, |((unit, _), damage)| {
                let unit = damaged(&unit, &damage);
                let separators = |bytes: &[u8]| bytes.iter().all(|b| b" \n,[]}".contains(b));
                let mut upto = 0;
                for (index, seen) in read(&unit).into_iter().enumerate() {
                    let (position, bytes) = match seen {
                        Seen::Record(position, bytes) => {
                            kept.set(kept.get() + 1);
                            (position, bytes)
                        }
                        Seen::Reject(reject) => {
                            rejected.set(rejected.get() + 1);
                            match reject.evidence {
                                Evidence::Bytes(bytes) => (reject.position, bytes),
                                // A container that was never closed.
                                evidence => {
                                    prop_assert_eq!(evidence, Evidence::Unit);
                                    (reject.position, Vec::new())
                                }
                            }
                        }
                        Seen::Skipped(skipped) => {
                            return Err(TestCaseError::fail(format!("{skipped:?}")));
                        }
                    };
                    prop_assert_eq!(position.index, index as u64);
                    let start = position.offset as usize;
                    let end = start + position.length as usize;
                    prop_assert!(start >= upto);
                    prop_assert!(separators(&unit[upto..start]));
                    prop_assert_eq!(&unit[start..end], &bytes[..]);
                    upto = end;
                }
                prop_assert!(separators(&unit[upto..]));
                Ok(())
            })
            .unwrap();
        assert!(
            rejected.get() > 100 && kept.get() > 100,
            "vacuous: {rejected:?} {kept:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(unit in prop::collection::vec(any::<u8>(), 0..300), zipped: bool) {
            let unit = if zipped { [&[0x1f, 0x8b, 8][..], &unit].concat() } else { unit };
            read(&unit);
        }
    }
}
