use proptest::prelude::*;

use super::*;

fn redacted(text: &str, rules: &Redaction) -> (String, Vec<String>) {
    let mut document = Document::parse(text, 64).expect("a JSON text");
    let pointers = redact(&mut document, rules);
    (document.redacted_text().into_owned(), pointers)
}

fn always(text: &str) -> (String, Vec<String>) {
    redacted(text, &Redaction::default())
}

#[test]
fn a_record_without_secrets_stays_as_it_is() {
    let text =
        include_str!("../../../tests/fixtures/send-message.json").replace("conversationToken", "x");
    assert_eq!(always(&text), (text.clone(), vec![]));
}

#[test]
fn secret_keys_are_masked_in_any_case_wherever_they_stand() {
    let (text, pointers) = always(
        r#"{"responseElements":{"credentials":{"SESSIONTOKEN":"abcd1","accessKeyId":"ASIA"}},"a":[{"pass\u0077ord":17}]}"#,
    );
    assert_eq!(
        text,
        r#"{"responseElements":{"credentials":{"SESSIONTOKEN":"[REDACTED]","accessKeyId":"ASIA"}},"a":[{"pass\u0077ord":"[REDACTED]"}]}"#
    );
    assert_eq!(
        pointers,
        [
            "/a/0/password",
            "/responseElements/credentials/SESSIONTOKEN"
        ]
    );
}

#[test]
fn every_always_key_is_found() {
    for key in ALWAYS {
        for key in [key.to_string(), key.to_uppercase(), key.to_lowercase()] {
            let (text, pointers) = always(&format!("{{\"{key}\":\"hunter22\"}}"));
            assert!(!text.contains("hunter22"), "{key}");
            assert_eq!(pointers, [format!("/{key}")]);
        }
    }
}

#[test]
fn values_of_any_type_are_masked() {
    for value in ["1234", "{\"a\":[\"x\"]}", "[1]", "true", "\"x\""] {
        let (text, _) = always(&format!("{{\"password\":{value}}}"));
        assert_eq!(text, "{\"password\":\"[REDACTED]\"}");
    }
}

#[test]
fn what_aws_masked_is_left_and_is_no_secret() {
    for value in [
        "null",
        "\"***\"",
        "\"\"",
        "{}",
        "[null,\"*****\"]",
        "\"HIDDEN_DUE_TO_SECURITY_REASONS\"",
        "\"[REDACTED]\"",
        "\"Value hidden due to security reasons.\"",
    ] {
        let text = format!("{{\"password\":{value},\"b\":\"***\",\"c\":{value}}}");
        assert_eq!(always(&text), (text.clone(), vec![]));
    }
}

#[test]
fn a_secret_is_masked_in_every_text_that_shows_it() {
    let (text, pointers) = always(
        r#"{"a":{"password":"se\"cret"},"b":"x se\u0022cret y","c":"{\"z\":[\"se\\u0022cret\"]}","d":"secret","se\"cret1234":1,"e":1}"#,
    );
    assert_eq!(
        text,
        r#"{"a":{"password":"[REDACTED]"},"b":"[REDACTED]","c":"[REDACTED]","d":"secret","se\"cret1234":1,"e":1}"#
    );
    assert_eq!(pointers, ["/a/password", "/b", "/c"]);
}

#[test]
fn a_long_secret_is_masked_in_keys_too() {
    let (text, pointers) =
        always(r#"{"password":"long secret","a":{"my long secret":{"password":"other"}}}"#);
    assert_eq!(
        text,
        r#"{"password":"[REDACTED]","a":{"[REDACTED]":{"password":"[REDACTED]"}}}"#
    );
    assert_eq!(pointers, ["/a/[REDACTED]/password", "/password"]);
}

#[test]
fn a_short_secret_masks_equal_values_alone() {
    let (text, _) = always(r#"{"password":"abc","b":"abc","c":"abcd","d":7,"secretKey":7}"#);
    assert_eq!(
        text,
        r#"{"password":"[REDACTED]","b":"[REDACTED]","c":"abcd","d":"[REDACTED]","secretKey":"[REDACTED]"}"#
    );
}

#[test]
fn a_key_that_occurs_twice_is_masked_twice() {
    let (text, pointers) = redacted(
        r#"{"a":{"b":"first value"},"a":{"b":"other"},"password":"one","password":"two"}"#,
        &Redaction {
            pointers: vec!["/A/b".to_owned()],
            ..Redaction::default()
        },
    );
    assert_eq!(
        text,
        r#"{"a":{"b":"[REDACTED]"},"a":{"b":"[REDACTED]"},"password":"[REDACTED]","password":"[REDACTED]"}"#
    );
    assert_eq!(pointers, ["/a/b", "/password"]);
}

#[test]
fn a_text_that_holds_json_with_a_secret_is_masked_whole() {
    for inner in [
        r#"{"a":{"password":"hunter22"}}"#,
        r#" [{"sessionToken":1}]"#,
        r#""{\"password\":\"hunter22\"}""#,
        r#"{"b":"{\"c\":\"{\\\"password\\\":\\\"hunter22\\\"}\"}"}"#,
        r#"{"torn":{"password":"hunter22"#,
    ] {
        let text = serde_json::json!({"x": inner, "y": "hunter22", "z": "kept"}).to_string();
        let (text, _) = always(&text);
        assert!(
            text.starts_with(r#"{"x":"[REDACTED]","y":"#),
            "{inner}: {text}"
        );
        assert!(text.ends_with(r#""z":"kept"}"#), "{inner}: {text}");
    }
    let kept = serde_json::json!({"x": r#"{"password":null}"#, "y": "{password"}).to_string();
    assert_eq!(always(&kept).0, kept);
}

#[test]
fn what_the_user_names_is_masked() {
    let text = r#"{"userIdentity":{"principalId":"AROAEX:alice","arn":"arn:aws:sts::111122223333:assumed-role/R/alice","accessKeyId":"ASIAEX","accountId":"111122223333"},"sourceIPAddress":"203.0.113.7","a":{"roleSession":"alice","note":"from 203.0.113.7","list":["x","y"],"ARN":"arn:aws:s3:::bucket"}}"#;
    let rules = Redaction {
        keys: vec!["NOTE".to_owned()],
        pointers: vec!["/a/list/1".to_owned(), "/nowhere".to_owned()],
        access_key_id: true,
        source_ip: true,
        users: true,
    };
    let (text, pointers) = redacted(text, &rules);
    assert_eq!(
        text,
        r#"{"userIdentity":{"principalId":"[REDACTED]","arn":"[REDACTED]","accessKeyId":"[REDACTED]","accountId":"111122223333"},"sourceIPAddress":"[REDACTED]","a":{"roleSession":"[REDACTED]","note":"[REDACTED]","list":["x","[REDACTED]"],"ARN":"arn:aws:s3:::bucket"}}"#
    );
    assert_eq!(pointers.len(), 7);
}

#[test]
fn services_and_accounts_are_no_persons() {
    let text = r#"{"sourceIPAddress":"q.amazonaws.com","userIdentity":{"principalId":"111122223333","arn":"arn:aws:iam::111122223333:root"},"eventType":"rootVolume"}"#;
    let rules = Redaction {
        source_ip: true,
        users: true,
        ..Redaction::default()
    };
    let (_, pointers) = redacted(text, &rules);
    assert_eq!(pointers, ["/userIdentity/arn"]);
}

#[test]
fn a_record_full_of_secrets_takes_no_more_than_walks_over_it() {
    let key = "k".repeat(20_000);
    let secrets: Vec<String> = (0..20_000).map(|i| format!("secret{i}")).collect();
    let text = serde_json::json!({"password": secrets, key: secrets, "z": ["secret19999", "x"]})
        .to_string();
    let (text, pointers) = always(&text);
    assert_eq!(text.matches("secret").count(), 0);
    assert!(text.ends_with(r#""z":["[REDACTED]","x"]}"#));
    assert!(pointers.iter().map(String::len).sum::<usize>() <= LISTED_BYTES);
}

proptest! {
    #[test]
    fn few_and_many_secrets_are_found_alike(
        secrets in prop::collection::btree_set("[ab]{1,5}|é[ab]{3}", 0..60), text in "[abé]{0,12}", chars in 1_usize..5,
    ) {
        let expected = secrets.iter().any(|secret| secret.chars().count() >= chars && text.contains(secret));
        prop_assert_eq!(Searcher::new(&secrets, chars).finds_in(&text), expected);
    }


    #[test]
    fn a_masked_value_is_nowhere_in_the_text(secret in "[a-zA-Z0-9\"\\\\/é😀]{4,20}x", pad in ".{0,9}", escape: bool) {
        let inner = serde_json::json!({"k": [format!("{pad}{secret}")]}).to_string();
        let mut text = serde_json::json!({
            "a": {"sessionToken": secret},
            "b": format!("{pad}{secret}{pad}"),
            "c": [inner, {"d": secret}],
            "e": "other",
        }).to_string();
        if escape {
            text = text.replace('x', "\\u0078").replace('a', "\\u0061");
        }
        let (text, _) = always(&text);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(!value.to_string().contains(&secret));
        prop_assert_eq!(&value, &serde_json::json!({
            "a": {"sessionToken": REDACTED}, "b": REDACTED, "c": [REDACTED, {"d": REDACTED}], "e": "other",
        }));
    }
}
