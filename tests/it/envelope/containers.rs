//! Every container, and what holds no events.

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
        ("SQS, as its API answers", json!({"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": a}, {"MessageId": "n", "ReceiptHandle": "r", "Body": b}]}).to_string().into()),
        ("a message's body as JSON text", json!(log_file).to_string().into()),
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
    let unit =
        r#"{"Records":[{"eventVersion":"1.07","eventCategory":"Insight","insightDetails":{}}]}"#;
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
fn a_firehose_record_without_data_is_no_prompt_log() {
    let unit = json!({"requestId": "r", "records": [{"x": 1}, {"data": base64(event("A"))}, {"data": "?"}]});
    let unit = unit
        .to_string()
        .replace("\"records\"", "\"requestId\":\"r\",\"records\"");
    assert_eq!(words(unit), ["not_cloudtrail", "+A", "bad_base64"]);
}

#[test]
fn a_record_of_firehose_or_kinesis_may_be_empty() {
    for nothing in ["", "Cg=="] {
        let data = [nothing, &base64(event("A")), nothing].map(|data| json!({"data": data}));
        let expected = ["empty_record", "+A", "empty_record"];
        let records = json!(data);
        for unit in [
            format!(r#"{{"requestId":"r","timestamp":1,"records":{records}}}"#),
            format!(r#"{{"records":{records}}}"#),
            json!({"Records": data.map(|data| json!({"kinesis": data}))}).to_string(),
        ] {
            assert_eq!(words(&unit), expected, "{unit}");
        }
    }
}

#[test]
fn an_envelope_around_nothing_is_refused() {
    let unit = json!({"Events": [{"EventId": "1", "CloudTrailEvent": ""}]}).to_string();
    assert_eq!(words(unit), ["not_cloudtrail"]);
}

#[test]
fn envelopes_nest_only_so_deep() {
    let mut text = event("A");
    for _ in 0..10 {
        text = json!({"Type": "Notification", "Message": text}).to_string();
    }
    assert_eq!(words(text), ["not_cloudtrail"]);
}

/// A text in everything that carries texts with events.
fn carried(text: &str) -> Vec<Vec<u8>> {
    let encoded = base64(text);
    let body = json!({"Type": "Notification", "Message": text}).to_string();
    vec![
        text.into(),
        gzip(text),
        format!("[{text}]").into(),
        format!("{text}\n{text}\n").into(),
        format!("{{\"Records\":[{text}]}}").into(),
        json!(text).to_string().into(),
        body.clone().into(),
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": text}]})
            .to_string()
            .into(),
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body}]})
            .to_string()
            .into(),
        json!({"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": text}]})
            .to_string()
            .into(),
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]})
            .to_string()
            .into(),
        json!({"Records": [{"kinesis": {"data": encoded}}]})
            .to_string()
            .into(),
        json!({"requestId": "r", "records": [{"data": encoded}]})
            .to_string()
            .into(),
        json!({"requestId": "r", "records": [{"data": base64(gzip(text))}]})
            .to_string()
            .into(),
        subscription(&[text]).to_string().into(),
        json!({"Events": [{"EventId": "1", "CloudTrailEvent": text}]})
            .to_string()
            .into(),
    ]
}

#[test]
fn an_event_of_eventbridge_counts_only_from_a_source_of_awss_own() {
    let kind = r#""detail-type":"AWS API Call via CloudTrail""#;
    let detail = format!(r#""detail":{}"#, event("A"));
    for source in [
        r#""source":"aws.q""#,
        r#""source":"\u0061ws.q""#,
        r#""\u0073ource":"aws.q""#,
        r#""source":"com.attacker.app","source":"aws.q""#,
    ] {
        for unit in [
            format!("{{{source},{kind},{detail}}}"),
            format!("{{{detail},{kind},{source}}}"),
            format!("{{{kind},{source},{detail}}}").replace("detail-type", r"detail\u002dtype"),
        ] {
            for unit in carried(&unit) {
                let words = words(&unit);
                assert!(
                    !words.is_empty() && words.iter().all(|word| word == "+A"),
                    "{words:?}"
                );
            }
        }
    }
    for source in [
        r#""source":"com.attacker.app""#,
        r#""source":"aws""#,
        r#""source":"AWS.q""#,
        r#""source":" aws.q""#,
        r#""source":"xaws.q""#,
        r#""source":"aws.partner/example.com/x""#,
        r#""source":"\u0062ws.q""#,
        r#""source":["aws.q"]"#,
        r#""source":{"aws.":1}"#,
        r#""source":null"#,
        r#""Source":"aws.q""#,
        r#""x":{"source":"aws.q"}"#,
        r#""source":"aws.q","source":"com.attacker.app""#,
        r#""source":"aws.q","\u0073ource":1"#,
    ] {
        for unit in [
            format!("{{{source},{kind},{detail}}}"),
            format!("{{{detail},{kind},{source}}}"),
            format!("{{{kind},{source},{detail}}}").replace("detail-type", r"detail\u002dtype"),
        ] {
            for unit in carried(&unit) {
                let seen = read(&unit);
                let rejects = rejects(&seen);
                assert!(
                    !rejects.is_empty() && rejects.len() == seen.len(),
                    "{seen:?}"
                );
                for reject in rejects {
                    let reason = reject.reason.to_string();
                    assert!(reason.contains("no source of AWS's own"), "{reason}");
                }
            }
        }
    }
}
