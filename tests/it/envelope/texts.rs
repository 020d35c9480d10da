//! Events in texts: arrays of texts, gzip in gzip, and what CloudWatch Logs answers, exports and prints.

use super::*;

/// Units that hold the events A and B, by what they are.
pub(super) fn units() -> Vec<(&'static str, Vec<u8>)> {
    let (a, b) = (event("A"), event("B"));
    let texts = json!([a, b]).to_string();
    let pretty = serde_json::to_string_pretty(&json!([a, b])).unwrap();
    let logs = subscription(&[&a]).to_string();
    let member = |name| gzip(subscription(&[&event(name)]).to_string());
    let answer = |message: &str| json!({"logStreamName": "s", "timestamp": 1793606400000u64, "message": message, "ingestionTime": 1793606401000u64, "eventId": "0"});
    let row = |message: &str| json!([{"field": "@timestamp", "value": "2026-11-02 08:00:00.000"}, {"field": "@message", "value": message}, {"field": "@ptr", "value": "x"}]);
    let tail = |time: &str| format!("{time}{a}\n{time}{b}\n");
    let printed = |event: &str| {
        let value: Value = serde_json::from_str(event).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let stream = "2026-11-02T08:00:00.123000+00:00 123456789012_CloudTrail_us-east-1 ";
    vec![
        ("texts", texts.clone().into()),
        ("pretty texts", pretty.clone().into()),
        ("texts, gzip", gzip(&texts)),
        ("texts without space", texts.replace(", ", ",").into()),
        ("texts in lines", format!("{}\n{}\n", json!([a]), json!([b])).into()),
        ("lines of texts", format!("{}\n{}\n", json!(a), json!(b)).into()),
        ("lists of texts", json!([[a], [b]]).to_string().into()),
        ("a list of texts in a list", json!([[a, b]]).to_string().into()),
        ("lists of lists", json!([[[a]], [[b]]]).to_string().into()),
        ("rows", json!([["id", 1, null, a], ["id", 2, true, b]]).to_string().into()),
        ("lists of events", format!("[[{a}],[{b}]]").into()),
        ("texts of texts", json!([json!(a).to_string(), json!(b).to_string()]).to_string().into()),
        ("a text of texts", json!(texts).to_string().into()),
        ("texts of lists", json!([json!([a]).to_string(), json!([b]).to_string()]).to_string().into()),
        ("texts with log files", json!([records(&[&a]), records(&[&b])]).to_string().into()),
        ("texts with line ends", json!([format!("\n{a}\n"), b]).to_string().into()),
        ("texts one after the other", format!("{} {}", json!(a), json!(b)).into()),
        ("an event and a text", format!("[{a}, {}]", json!(b)).into()),
        ("texts in base64", json!([base64(gzip(&a)), base64(gzip(&b))]).to_string().into()),
        ("texts by SQS", json!({"Records": [{"messageId": "m", "body": texts}]}).to_string().into()),
        ("texts by SNS", json!({"Type": "Notification", "Message": pretty}).to_string().into()),
        ("texts by Firehose", json!({"requestId": "r", "timestamp": 1, "records": [{"data": base64(&texts)}]}).to_string().into()),
        ("texts of event history", json!({"Events": [a, b]}).to_string().into()),
        ("gzip in gzip", gzip(gzip(records(&[&a, &b])))),
        ("gzip in gzip in gzip", gzip(gzip(gzip(records(&[&a, &b]))))),
        ("members in gzip", gzip([member("A"), member("B")].concat())),
        ("members in lines", gzip([member("A"), member("B"), Vec::new()].join(&b'\n'))),
        ("members in lines, plain", [member("A"), member("B")].join(&b'\n')),
        ("gzip in gzip by Firehose", json!({"requestId": "r", "timestamp": 1, "records": [{"data": base64(gzip(gzip(&logs)))}, {"data": base64(gzip(member("B")))}]}).to_string().into()),
        ("filter-log-events", json!({"events": [answer(&a), answer(&b)], "searchedLogStreams": []}).to_string().into()),
        ("get-log-events", json!({"events": [{"timestamp": 1, "message": a}, {"timestamp": 1, "message": b}], "nextForwardToken": "f/1"}).to_string().into()),
        ("answers behind a token", json!({"nextToken": "t", "events": [answer(&a), answer(&b)]}).to_string().into()),
        ("pages of answers", json!([{"events": [answer(&a)]}, {"events": []}, {"events": [answer(&b)]}]).to_string().into()),
        ("log events", json!([answer(&a), answer(&b)]).to_string().into()),
        ("lines of log events", format!("{}\n{}\n", answer(&a), answer(&b)).into()),
        ("get-query-results", json!({"results": [row(&a), row(&b)], "statistics": {"recordsMatched": 2.0}, "status": "Complete"}).to_string().into()),
        ("a query in the console", format!(r#"[{{"@timestamp":"2026-11-02 08:00:00.000","@message":{a}}},{{"@message":{},"@logStream":"s"}}]"#, json!(b)).into()),
        ("start-live-tail", format!("{}\n{}\n{}", json!({"sessionStart": {"requestId": "r"}}), json!({"sessionUpdate": {"sessionMetadata": {"sampled": false}, "sessionResults": [answer(&a)]}}), json!({"sessionResults": [answer(&b)]})).into()),
        ("export task", tail("2026-11-02T08:00:00.000Z ").into()),
        ("export task, gzip", gzip(tail("2026-11-02T08:00:00.000Z "))),
        ("export task, CRLF", tail("2026-11-02T08:00:00.000Z ").replace('\n', "\r\n").into()),
        ("export task without a last line end", tail("2026-11-02T08:00:00.000Z ").trim_end().into()),
        ("tail", tail(stream).into()),
        ("tail, short", tail("2026-11-02T08:00:00 ").into()),
        ("tail, JSON", format!("{stream}{}\n{stream}{}\n", printed(&a), printed(&b)).into()),
        ("timestamps and messages", tail("1793606400000\t").into()),
        ("log lines by Firehose", json!({"requestId": "r", "timestamp": 1, "records": [{"data": base64(tail("2026-11-02T08:00:00.000Z "))}]}).to_string().into()),
    ]
}

#[test]
fn the_same_records_come_out_of_texts_however_they_are_wrapped() {
    let expected: [Value; 2] =
        [event("A"), event("B")].map(|text| serde_json::from_str(&text).unwrap());
    for (name, unit) in units() {
        for piece in [usize::MAX, 1, 7] {
            let (seen, _) = read_with(Pieces(&unit, piece), &Limits::default());
            let mut found: Vec<Value> = Vec::new();
            for seen in seen {
                match seen {
                    Seen::Record(position, bytes) => {
                        assert_eq!(position.index, found.len() as u64, "{name}");
                        found.push(serde_json::from_slice(&bytes).unwrap());
                    }
                    Seen::Skipped(Skipped::ControlMessage) => {}
                    other => panic!("{name}: {other:?}"),
                }
            }
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn what_is_no_event_in_such_a_container_is_refused_and_its_neighbours_are_read() {
    let (a, b) = (event("A"), event("B"));
    let message = |message: &str| json!({"timestamp": 1, "message": message});
    for (unit, expected) in [
        (json!([a, "hello", b]).to_string(), ["+A", "not_cloudtrail", "+B"]),
        (json!([a, 7, b]).to_string(), ["+A", "not_cloudtrail", "+B"]),
        (json!([[a], ["hello"], [b]]).to_string(), ["+A", "not_cloudtrail", "+B"]),
        // Either could be the event, and the other a value that somebody chose.
        (json!([["x", a], ["x", a, b], ["x", b]]).to_string(), ["+A", "not_cloudtrail", "+B"]),
        (json!([a, &b[..40], b]).to_string(), ["+A", "not_json", "+B"]),
        (json!({"events": [message(&a), message("START"), message(&b)]}).to_string(), ["+A", "not_json", "+B"]),
        (json!({"events": [message(&a), {"message": a}, message(&b)]}).to_string(), ["+A", "not_cloudtrail", "+B"]),
        (json!({"results": [[{"field": "@message", "value": a}], [{"field": "eventName", "value": "X"}], [{"field": "@message", "value": b}]]}).to_string(), ["+A", "not_cloudtrail", "+B"]),
        (format!("2026-11-02T08:00:00Z {a}\n2026-11-02T08:00:01Z START RequestId: 1\n2026-11-02T08:00:02Z {b}\n"), ["+A", "not_json", "+B"]),
        (format!("2026-11-02T08:00:00Z {a}\n2026-11-02T08:00:01Z {}\n2026-11-02T08:00:02Z {b}\n", a.replace(':', "")), ["+A", "not_json", "+B"]),
    ] {
        assert_eq!(words(&unit), expected, "{unit}");
    }
}

#[test]
fn a_text_in_a_field_is_no_record() {
    let text = event("forged");
    for value in [
        json!(text),
        json!([text]),
        json!([[text]]),
        json!({"events": [{"timestamp": 1, "message": text}]}),
        json!({"results": [[{"field": "@message", "value": text}]]}),
        json!({"@message": text}),
        json!({"ResultSet": {"Rows": []}}),
        json!(format!("\n2026-11-02T08:00:00Z {text}\n")),
    ] {
        for key in [
            "requestParameters",
            "events",
            "results",
            "sessionResults",
            "message",
            "@message",
            "body2",
        ] {
            let record = format!(r#"{{"eventVersion":"1.11","eventName":"own","{key}":{value}}}"#);
            for unit in [
                record.clone(),
                records(&[&record]),
                format!("[{record}]"),
                json!([record]).to_string(),
                format!("2026-11-02T08:00:00Z {record}\n"),
                subscription(&[&record]).to_string(),
                json!({"events": [{"timestamp": 1, "message": record}]}).to_string(),
            ] {
                assert_eq!(words(&unit), ["+own"], "{unit}");
            }
        }
    }
    // What an application logs is its own, and whose words are in it nobody knows.
    for unit in [
        json!({"timestamp": 1, "level": "info", "message": text}),
        json!({"message": text}),
        json!({"@timestamp": "2026-11-02T08:00:00.000Z", "@level": "info", "@message": text}),
        json!({"log": {"events": [{"timestamp": 1, "message": text}]}}),
        json!({"data": [text]}),
        json!([{"timestamp": 1, "message": text}]),
        json!([{"x": [text]}]),
    ] {
        assert_eq!(words(unit.to_string()), ["not_cloudtrail"], "{unit}");
    }
}

#[test]
fn a_log_line_that_is_cut_is_one_reject_that_more_bytes_may_change() {
    let line = format!("2026-11-02T08:00:00.000Z stream {}\n", event("A"));
    for cut in 5..line.len() - 2 {
        let unit = [line.as_bytes(), &line.as_bytes()[..cut]].concat();
        let (seen, resume) = read_with(&unit[..], &Limits::default());
        let names: Vec<_> = seen.iter().map(word).collect();
        assert_eq!(names, ["+A", "truncated"], "{cut}");
        assert_eq!(resume, line.len() as u64, "{cut}");
    }
}
