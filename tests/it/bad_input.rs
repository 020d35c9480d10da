//! Bad input is normal: each kind ends as a dead letter or a clear word, and its neighbours ship.

mod running;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::program::{Converted, convert, convert_path, event, gzip, log_file};

const PUBLISHED_PASS_REQUEST: &str = include_str!("../fixtures/pass-request.as-published.txt");

/// The good events around something bad still ship, and it alone is refused, for this reason.
#[track_caller]
fn costs_one_record(converted: &Converted, reason: &str, good: &[&str]) {
    assert_eq!(converted.event_ids(), good, "{}", converted.stderr);
    assert_eq!(converted.spans.len(), good.len());
    assert_eq!(
        converted.dead_letters.len(),
        1,
        "{:?}",
        converted.dead_letters
    );
    assert_eq!(
        converted.dead_letters[0]["reason"], reason,
        "{}",
        converted.dead_letters[0]
    );
    assert_eq!(converted.count("dead_lettered"), 1);
    assert_eq!(converted.count("read"), good.len() as u64 + 1);
    assert_eq!(converted.exit, 3, "{}", converted.stderr);
}

/// Good events on both sides of a bad record in one log file.
fn between(bad: &str) -> Vec<u8> {
    log_file(&[event("before"), bad.to_owned(), event("after")])
}

#[test]
fn an_empty_file_is_named_and_is_no_error() {
    for content in [b"".as_slice(), b" \n\t\n", &gzip(b"")] {
        let converted = convert("empty.json", content, &[]);
        assert_eq!(
            (converted.exit, converted.count("read")),
            (0, 0),
            "{}",
            converted.stderr
        );
        assert!(
            converted.stderr.contains("empty.json"),
            "{}",
            converted.stderr
        );
    }
}

#[test]
fn what_is_not_json_is_one_dead_letter() {
    costs_one_record(
        &convert("notes.txt", b"these are only notes\nof two lines\n", &[]),
        "not_json",
        &[],
    );
}

#[test]
fn json_of_another_kind_is_one_dead_letter() {
    let package = br#"{"name":"left-pad","version":"1.3.0","files":["index.js"]}"#;
    costs_one_record(
        &convert("package.json", package, &[]),
        "not_cloudtrail",
        &[],
    );
}

#[test]
fn what_came_before_the_end_of_a_truncated_gzip_ships() {
    let records: Vec<_> = (0..2000).map(|i| event(&format!("{i:08x}"))).collect();
    let whole = gzip(log_file(&records));
    let converted = convert("cut.json.gz", &whole[..whole.len() / 2], &[]);
    let shipped = converted.event_ids();
    assert!(
        (100..2000).contains(&shipped.len()),
        "{} shipped",
        shipped.len()
    );
    assert_eq!(
        shipped,
        (0..shipped.len())
            .map(|i| format!("{i:08x}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(converted.dead_letters.len(), 1);
    assert_eq!(converted.dead_letters[0]["reason"], "truncated");
    assert_eq!(converted.exit, 3);
}

#[test]
fn a_gzip_bomb_ends_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "limits: {inflated_bytes: 8MiB}\n").unwrap();
    let mut bomb = log_file(&[event("before")]);
    bomb.pop();
    bomb.extend(std::iter::repeat_n(b' ', 64 << 20));
    let converted = convert(
        "bomb.json.gz",
        &gzip(&bomb),
        &["--config", config.to_str().unwrap()],
    );
    costs_one_record(&converted, "inflated_too_large", &["before"]);
    assert!(converted.count("bytes") <= 9 << 20);
}

#[test]
fn garbage_after_a_gzip_is_told_and_the_records_ship() {
    let mut content = gzip(log_file(&[event("good")]));
    content.extend_from_slice(b"garbage");
    costs_one_record(
        &convert("tail.json.gz", &content, &[]),
        "bad_gzip",
        &["good"],
    );
}

#[test]
fn several_gzip_members_are_one_file_even_when_they_are_equal() {
    let member = gzip(format!("{}\n", event("same")).as_bytes());
    let converted = convert("members.ndjson.gz", &[member.clone(), member].concat(), &[]);
    assert_eq!(converted.event_ids(), ["same", "same"]);
    assert_eq!(converted.exit, 0, "{}", converted.stderr);
}

#[test]
fn a_broken_record_costs_itself_alone() {
    let converted = convert("broken.json", &between(PUBLISHED_PASS_REQUEST), &[]);
    costs_one_record(&converted, "not_json", &["before", "after"]);
    let letter = &converted.dead_letters[0];
    assert!(
        letter["record"]
            .as_str()
            .unwrap()
            .contains("ba0801a1-87ec-4d26-be87-EXAMPLE75bbb")
    );
    assert_eq!(letter["index"], 1);
}

#[test]
fn a_bad_time_costs_itself_alone() {
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "last Tuesday");
    costs_one_record(
        &convert("time.json", &between(&bad), &[]),
        "bad_time",
        &["before", "after"],
    );
}

#[test]
fn nesting_beyond_the_limit_costs_itself_alone() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let bad = event("bad").replace(
        r#""responseElements":null"#,
        &format!(r#""responseElements":{deep}"#),
    );
    costs_one_record(
        &convert("deep.json", &between(&bad), &[]),
        "too_deep",
        &["before", "after"],
    );
}

#[test]
fn an_event_beyond_the_limit_is_kept_by_its_hash() {
    let bad = event("bad").replace("test", &"x".repeat(3 << 20));
    let converted = convert("large.json", &between(&bad), &[]);
    costs_one_record(&converted, "event_too_large", &["before", "after"]);
    assert_eq!(
        converted.dead_letters[0]["length"].as_u64(),
        Some(bad.len() as u64)
    );
    assert_eq!(
        converted.dead_letters[0]["record_sha256"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
}

#[test]
fn invalid_utf8_costs_itself_alone() {
    let mut content = between(&event("bad"));
    let at = content.windows(5).position(|w| w == b"\"bad\"").unwrap();
    content[at + 1] = 0xff;
    let converted = convert("utf8.json", &content, &[]);
    costs_one_record(&converted, "invalid_utf8", &["before", "after"]);
    assert!(converted.dead_letters[0]["record_base64"].is_string());
}

#[test]
fn a_lone_surrogate_becomes_the_replacement_character() {
    let odd = event("odd").replace(r#""userAgent":"test""#, r#""userAgent":"cut \ud83d""#);
    let converted = convert("surrogate.json", &between(&odd), &[]);
    assert_eq!(converted.event_ids(), ["before", "odd", "after"]);
    let agent = crate::support::program::attribute(&converted.logs[1], "user_agent.original");
    assert_eq!(agent.as_deref(), Some("cut \u{fffd}"));
    assert_eq!(converted.exit, 0);
}

#[test]
fn of_a_key_that_occurs_twice_the_last_value_counts() {
    let twice = event("first").replace(r#""readOnly""#, r#""eventID":"last","readOnly""#);
    assert_eq!(
        convert("twice.json", &log_file(&[twice]), &[]).event_ids(),
        ["last"]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let content = [b"\xef\xbb\xbf".as_slice(), &log_file(&[event("good")])].concat();
    let converted = convert("bom.json", &content, &[]);
    assert_eq!(
        (converted.event_ids(), converted.exit),
        (vec!["good".to_owned()], 0),
        "{}",
        converted.stderr
    );
}

#[test]
fn nul_bytes_between_records_cost_no_neighbour() {
    let content = [
        event("before").as_bytes(),
        b"\n\0\0\0\0\n",
        event("after").as_bytes(),
        b"\n",
    ]
    .concat();
    let converted = convert("nul.ndjson", &content, &[]);
    assert_eq!(
        converted.event_ids(),
        ["before", "after"],
        "{}",
        converted.stderr
    );
}

#[test]
fn an_escaped_nul_inside_a_text_is_kept() {
    let odd = event("odd").replace(r#""userAgent":"test""#, r#""userAgent":"a\u0000b""#);
    let converted = convert("nul.json", &log_file(&[odd]), &[]);
    let agent = crate::support::program::attribute(&converted.logs[0], "user_agent.original");
    assert_eq!(agent.as_deref(), Some("a\0b"));
}

#[test]
fn a_number_of_forty_digits_keeps_all_of_them() {
    let digits = "1234567890".repeat(4);
    let odd = event("odd").replace(
        r#""responseElements":null"#,
        &format!(r#""responseElements":{{"n":{digits}}}"#),
    );
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "maps: true\n").unwrap();
    let converted = convert(
        "digits.json",
        &log_file(&[odd]),
        &["--config", config.to_str().unwrap()],
    );
    let log = converted.logs[0].to_string();
    assert!(
        log.contains(&format!(r#"{{"stringValue":"{digits}"}}"#)),
        "{log}"
    );
}

#[test]
fn any_file_name_can_be_read() {
    for name in [
        b"new\nline.json".as_slice(),
        b"not-\xff-utf8.json",
        "\u{1f980}.json".as_bytes(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::write(&path, log_file(&[event("good"), "{".to_owned()])).unwrap();
        let converted = convert_path(&path, &[]);
        assert_eq!(converted.event_ids(), ["good"], "{}", converted.stderr);
        let told = converted
            .stderr
            .lines()
            .filter(|l| l.contains("record refused"));
        assert_eq!(
            told.count(),
            1,
            "a name cannot forge a log line: {}",
            converted.stderr
        );
    }
}

#[test]
fn what_is_known_to_hold_no_events_is_skipped_and_no_error() {
    let others = [
        r#"{"awsAccountId":"111122223333","digestStartTime":"2024-04-10T14:00:00Z","digestEndTime":"2024-04-10T15:00:00Z","logFiles":[{"s3Bucket":"b","s3Object":"k","hashValue":"00"}]}"#,
        r#"{"records":[{"generateAssistantResponseEventRequest":{"prompt":"p"}}]}"#,
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2024-04-10T14:00:00Z","Bucket":"b"}"#,
    ];
    for content in others {
        let converted = convert("other.json", content.as_bytes(), &[]);
        assert_eq!(
            (converted.exit, converted.count("read")),
            (0, 0),
            "{content}: {}",
            converted.stderr
        );
        assert_eq!(converted.count("skipped"), 1, "{content}");
    }
}
