//! Bad bytes: what they cost, and what they leave alone.

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
fn a_broken_first_record_of_an_array_in_lines_costs_one_record() {
    let sorted = |name: &str| format!("{{\"awsRegion\":\"r\",\"eventName\":\"{name}\"}}");
    let unit = format!(
        "[\n{{\"awsRegion\":x}},\n{},\n{}\n]\n",
        sorted("A"),
        sorted("B")
    );
    assert_eq!(words(unit), ["not_json", "+A", "+B"]);
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
                r#"{{"source":"aws.q","detail-type":"via CloudTrail","detail":{three}}}{{"source":"aws.q","detail-type":"via CloudTrail","detail":{four}}}"#
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

#[test]
fn a_text_that_must_be_one_record_is_refused_with_anything_else_in_it() {
    let (a, b) = (event("A"), event("B"));
    for wrong in [
        format!("{b}}}"),
        format!("{b} x"),
        format!("{b}{b}"),
        format!("{b}\n{b}"),
        format!("{b},"),
        format!("x {b}"),
        format!("x\n{b}"),
        format!("{}\n{b}", BROKEN.trim()),
    ] {
        let texts = [a.as_str(), &wrong, &a];
        let history = json!({"Events": texts.map(|text| json!({"CloudTrailEvent": text}))});
        let lake = json!({"QueryResultRows": texts.map(|text| json!([{"eventJson": text}]))});
        for unit in [history, lake] {
            let seen = read(unit.to_string());
            let words: Vec<_> = seen.iter().map(word).collect();
            assert_eq!(words, ["+A", "not_json", "+A"], "{wrong}");
            let text = Evidence::Bytes(wrong.clone().into_bytes());
            assert_eq!(rejects(&seen)[0].evidence, text, "{wrong}");
        }
    }
}
