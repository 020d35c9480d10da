use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::super::tokens::SCHEMES;
use super::*;
use crate::convert::Redaction;
use crate::convert::redact::walk::Walk;
use crate::json::Document;

/// What texts with secrets are made of, and what looks like it.
fn fragments() -> Vec<String> {
    let tokens = TOKENS.iter().map(|(mark, ..)| *mark);
    let marks: Vec<&str> = tokens.chain([OTHERS, SCHEMES, INSIDE].concat()).collect();
    let bodies = marks
        .iter()
        .map(|mark| format!("{mark}{}", "a1".repeat(30)));
    let json = [
        "{\"pin\":\"a1\"}",
        "{ \"pwd\":1}",
        "[\n{\"jwt\":\"x\"}]",
        "[\"\",{\"otp\":7}]",
        "{\n\t\"psk\":2}",
    ];
    let encoded = json.iter().map(|text| STANDARD.encode(text));
    let percent = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect::<String>()
    };
    let words = [
        "password",
        "TOKEN",
        "api_key",
        "privateKey",
        "rivate",
        "PRIVATE-KEYfoo",
        "user",
        "name",
        "Authorization",
        "eventName",
        "text",
        "content",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "-----BEGIN PRIVATE KEY-----",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.",
        "Bearer abc-DEF-123",
        "basic ZTpm",
        "://",
        "https://bob:hunter22@h/",
        "&quot;",
        "&#34;",
        "<password>x</password>",
        "--password x",
        "-u a:b",
        "79e0d9d1-4c0b-4f05-af8e-f66f617df0ee",
        "2026-01-15T10:18:21Z",
        "arn:aws:iam::1:role/x",
        "***",
        "é",
        "😀",
        "\t",
        "\n",
        "\\",
        "\"",
        "'",
        "`",
        " ",
        "  ",
        "-",
        "_",
        "+",
        "/",
        ":",
        "=",
        ">",
        "<",
        "@",
        "&",
        "%",
        ".",
        ",",
        "[",
        "]",
        "{",
        "}",
        "1",
        "a",
        "Z",
        "v",
        "iva",
    ];
    let words = words.map(str::to_owned);
    let plain: Vec<String> = marks
        .iter()
        .map(|mark| (*mark).to_owned())
        .chain(bodies)
        .collect();
    plain
        .into_iter()
        .chain(encoded)
        .chain(json.map(str::to_owned))
        .chain(["password=x", "{\"token\":\"x\"}"].map(percent))
        .chain(words)
        .collect()
}

/// A text of a few fragments. Few have two, so that most of them are decided by one.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(fragments()), 0..4)
        .prop_flat_map(|parts| (Just(parts.concat()), "[a-z]{0,70}", any::<bool>()))
        .prop_map(|(text, filling, before)| {
            if before {
                filling + &text
            } else {
                text + &filling
            }
        })
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
    let usual = include_str!("../../../../../../../tests/fixtures/send-message.json");
    let record = usual.replace(": ", ":").replace('\n', "").replace("  ", "");
    let at = record.find("\"requestParameters\"").expect("the field");
    assert!(!may_be_in(record[at..].as_bytes()), "{record}");
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
