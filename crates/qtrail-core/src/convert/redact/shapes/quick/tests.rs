use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::tokens::SCHEMES;
use super::*;
use crate::convert::Redaction;
use crate::convert::redact::walk::Walk;
use crate::json::Document;

/// Whole secrets, each shown by one sign, and what looks like secrets.
const SECRETS: &str = "\
    password=hunter22|pwd:hunter22|token: x1|password>x1</password>|postgres://bob:hunter22@h/|pwd%3Dhunter22|\
    &quot;pwd&quot;:&quot;x1&quot;|pass\\u0077ord:x1|--password x1|-u bob:x1|Bearer abc-DEF-123|xbasic ZTpm|\
    BEARER\tabc-DEF-123|bearer+abc-DEF-123|-----BEGIN PRIVATE KEY-----|xPuTTY-User-Key-File-2|privateKeyFoo: x1|\
    k3Jx9Qp7LmZ2cR8tYb4NcW6sHd1FgA5eUo0iTq3B|eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.x|'pwd':x1|\
    {\"pwd\":\"x1\"}| [{\"pwd\":\"x1\"}]|{\"name\":\"pwd\",\"value\":\"x1\"|\
    AKIAIOSFODNN7EXAMPLE|79e0d9d1-4c0b-4f05-af8e-f66f617df0ee|2026-01-15T10:18:21Z|arn:aws:iam::1:role/x|https://h/p|***";

/// What texts are made of.
const PARTS: &str = "\
    password|TOKEN|api_key|privateKey|private.key|rivate|iva|v|user|name|Authorization|text|content|eventName|secret|\
    é|😀|\t|\n|\\|\"|'|`| |  |-|_|+|/|:|=|>|<|@|&|%|.|,|[|]|{|}|1|a|Z|:x1|=x1";

/// Marks, with and without what follows them, and JSON in base64.
fn marks() -> Vec<String> {
    let tokens = TOKENS.iter().map(|(mark, ..)| *mark);
    let marks = tokens.chain([OTHERS, SCHEMES, INSIDE].concat());
    let json = [
        "{\"pin\":\"a1\"}",
        "{ \"pwd\":1}",
        "[\n{\"jwt\":\"x\"}]",
        "[\"\",{\"otp\":7}]",
    ];
    let encoded = json.map(|text| STANDARD.encode(text));
    marks
        .flat_map(|mark| [mark.to_owned(), format!("{mark}{}", "a1".repeat(30))])
        .chain(encoded)
        .collect()
}

fn one_of(list: &str) -> impl Strategy<Value = String> {
    prop::sample::select(list.split('|').map(str::to_owned).collect::<Vec<_>>())
}

/// A text that is mostly decided by one sign, anywhere in it.
fn text() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        3 => one_of(SECRETS),
        2 => prop::sample::select(marks()),
        3 => prop::collection::vec(one_of(PARTS), 0..4).prop_map(|parts| parts.concat()),
    ];
    ("[a-z]{0,70}", "|[ ,./-]", text, "|[ .]", "[a-z]{0,9}")
        .prop_map(|(before, gap, text, end, after)| [before, gap, text, end, after].concat())
}

/// Keys under which a value is a name, or the value beside it, and any others.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "name",
        "key",
        "value",
        "Header",
        "k",
        "privateKeyFoo",
        "private.keyFoo",
        "password",
        "id",
    ];
    prop_oneof![
        prop::sample::select(known.map(str::to_owned).to_vec()),
        text()
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => any::<i16>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key(), inner.clone()), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            (one_of(PARTS), inner.clone())
                .prop_map(|(name, value)| json!({"name": name, "value": value})),
            inner.prop_map(|inner| Value::from(inner.to_string())),
        ]
    })
}

/// A record with this in fields that AWS fills and in others.
fn record() -> impl Strategy<Value = Value> {
    let fields = [
        "requestParameters",
        "userAgent",
        "userIdentity",
        "eventName",
        "tlsDetails",
        "privateKeyFoo",
    ];
    let fields = prop_oneof![
        prop::sample::select(fields.map(str::to_owned).to_vec()),
        key()
    ];
    prop::collection::vec((fields, value()), 1..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// Whether a record is plain by the quick look, and by the rule.
fn is_plain(record: &str) -> (bool, bool) {
    let document = Document::parse(record, 64).expect("JSON");
    let rules = Redaction::default();
    let mut walk = Walk::new(&rules, None);
    let shown = walk.record(&document, &[]).is_empty();
    (walk.is_plain(&document), shown)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_record_that_is_plain_at_a_glance_is_so_by_the_rule(record in record()) {
        let (plain, shown) = is_plain(&record.to_string());
        prop_assert!(shown || !plain, "{record}");
    }

    #[test]
    fn the_masks_are_the_same_everywhere(json in prop::collection::vec(any::<u8>(), 0..200), text in text()) {
        for json in [&json[..], text.as_bytes()] {
            prop_assert_eq!(may_be_in(json), may_be_in_by(Portable, json));
        }
        #[cfg(target_arch = "x86_64")]
        if let (Some(simd), Some(block)) = (V3::try_new(), json.first_chunk()) {
            prop_assert_eq!(simd.masks(block), Portable.masks(block));
        }
    }
}

/// The property above says something about both kinds of records.
#[test]
fn many_records_are_plain_and_many_are_not() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 2];
    for _ in 0..1000 {
        let record = record().new_tree(&mut runner).expect("a record").current();
        let (plain, shown) = is_plain(&record.to_string());
        counts[0] += usize::from(plain);
        counts[1] += usize::from(!shown);
    }
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}

#[test]
fn a_secret_is_seen_wherever_it_begins_in_a_block() {
    let secrets = [
        "ghp_0123456789abcdefghij",
        "eyAi",
        "xPuTTY-User-Key-File-",
        "bearer abc",
        "BASIC abc",
        "-----BEGIN ",
        "--x",
        "token:x",
        "a=b",
        "a@b",
        "a>b",
        "a%b",
        "a&b",
        "a+b",
        "a\\b",
        "\"{",
        "\"[",
        "\" ",
        "xPrIvAteKey",
    ];
    for secret in secrets {
        for before in 0..2 * BLOCK {
            let text = format!("{} {secret}", ".".repeat(before));
            assert!(may_be_in(text.as_bytes()), "{text}");
        }
    }
    assert!(may_be_in(b"[1]\":0"), "the first key");
    let usual = include_str!("../../../../../../../tests/fixtures/send-message.json");
    let record = usual.replace(": ", ":").replace('\n', "").replace("  ", "");
    let at = record.find("\"requestParameters\"").expect("the field");
    assert!(!may_be_in(&record.as_bytes()[at..]), "{record}");
}

#[test]
fn a_key_without_a_mark_is_seen() {
    let key = "k3Jx9Qp7LmZ2cR8tYb4NcW6sHd1FgA5eUo0iTq3B";
    assert!(!may_be_in(key.as_bytes()));
    let record = json!({"requestParameters": {"x": key}});
    assert_eq!(is_plain(&record.to_string()), (false, false));
}

#[test]
fn every_mark_is_seen() {
    let tokens = TOKENS.iter().map(|(mark, ..)| *mark);
    let marks = tokens
        .chain([OTHERS, BASE64_OF_JSON].concat())
        .map(|mark| format!("/{mark}"));
    for text in marks.chain(SCHEMES.iter().map(|scheme| format!("b{scheme}"))) {
        assert!(may_be_in(json!(text).to_string().as_bytes()), "{text:?}");
    }
}

#[test]
fn every_byte_has_its_class() {
    #[cfg(target_arch = "x86_64")]
    for byte in 0..=255 {
        if let Some(simd) = V3::try_new() {
            assert_eq!(
                simd.masks(&[byte; BLOCK]),
                Portable.masks(&[byte; BLOCK]),
                "{byte}"
            );
        }
    }
}
