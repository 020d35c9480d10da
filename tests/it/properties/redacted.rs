//! What is redacted in one place is nowhere in the output.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use qtrail_core::convert::{Body, Hide, Pseudonyms, Redaction};
use qtrail_core::otlp::Flat;
use qtrail_core::reject::Position;
use serde_json::{Value, json};

use super::*;

/// Keys of secrets, in any spelling.
const KEYS: &[&str] = &[
    "sessionToken",
    "SESSIONTOKEN",
    "secretAccessKey",
    "aws_secret_access_key",
    "password",
    "Password",
    "conversationToken",
    "masterUserPassword",
    "refresh_token",
    "X-Amz-Security-Token",
    "my-own",
];

/// Where an object with the secret stands.
const PLACES: &[&str] = &[
    "/requestParameters/credentials",
    "/responseElements/credentials",
    "/requestParameters/a/b/c",
    "/additionalEventData/x",
    "/serviceEventDetails",
    "/somethingNew",
    "/userIdentity/sessionContext/x",
    "/resources",
];

/// Where else the secret is shown; `{}` is the secret as JSON text without quotes.
const ECHOES: &[(&str, &str)] = &[
    ("/errorMessage", r#""invalid value '{}' given""#),
    ("/userAgent", r#""tool/{}""#),
    ("/requestParameters/note", r#""{}""#),
    ("/requestParameters/list", r#"["a",["{}"]]"#),
    ("/requestParameters/map", r#"{"key {}":1}"#),
    ("/requestParameters/url", r#""https://h/p?q={}""#),
    ("/responseElements/url", r#""https://h/p?token={}&x=1""#),
    ("/additionalEventData/note", r#""x {} y""#),
];

/// What AWS fills, and what names a resource in a request.
const FILLED: &[(&str, &str)] = &[
    ("/userIdentity/userName", r#""{}""#),
    ("/userIdentity/arn", r#""arn:aws:sts::1:assumed-role/r/{}""#),
    ("/awsRegion", r#""{}""#),
    ("/recipientAccountId", r#""{}""#),
    ("/eventName", r#""{}""#),
    ("/eventID", r#""{}""#),
    ("/requestID", r#""{}""#),
    ("/resources", r#"[{"ARN":"arn:aws:s3:::{}"}]"#),
    ("/requestParameters/conversationId", r#""{}""#),
    ("/requestParameters/bucketName", r#""{}""#),
];

/// How the object with the secret is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Object,
    Array,
    /// JSON inside a text.
    Text,
    /// JSON inside a text of JSON inside a text.
    TextInText,
}

/// All that leaves the machine, by every way out.
fn output(record: &str, options: &Options) -> (Vec<u8>, bool) {
    let conversion = conversion(Select::All, options.clone());
    let mut encoder = Encoder::new(options);
    let mut flat = Flat::new(options);
    let position = Position::default();
    let verdict = conversion.convert_record(record.as_bytes(), position, None, &mut encoder);
    assert!(
        matches!(verdict, RecordOutcome::Converted { .. }),
        "{verdict:?}"
    );
    conversion.convert_record(record.as_bytes(), position, None, &mut flat);
    let encoded = encoder.take();
    let mut output = flat.take();
    for payload in [&encoded.logs, &encoded.spans] {
        output.extend_from_slice(&payload.encode());
        output.extend(payload.to_json());
    }
    let (_, log) = log_of(&encoded.logs.encode());
    let marked = log.attributes.iter().any(|a| a.key == "qtrail.redacted");
    (output, marked)
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(haystack, needle.as_bytes()).is_some()
}

#[test]
fn a_secret_is_nowhere_in_the_output() {
    let echoed = Cell::new(0);
    let body = select(&[Body::Original, Body::Map, Body::None][..]);
    let form = select(&[Form::Object, Form::Array, Form::Text, Form::TextInText][..]);
    let echoes = prop::collection::vec(select(ECHOES), 0..4);
    let strategy = (
        any::<u64>(),
        "[A-Za-z0-9+/=\"\\\\é🦀\n]{12,40}",
        (select(KEYS), select(PLACES), form),
        echoes,
        (body, any::<bool>()),
    );
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    });
    runner
        .run(
            &strategy,
            |(seed, secret, (key, place, form), echoes, (body, maps))| {
                let options = Options {
                    body,
                    maps,
                    redaction: Redaction {
                        keys: vec!["My-Own".to_owned()],
                        ..Redaction::default()
                    },
                    ..Options::default()
                };
                let quoted = Value::from(secret.as_str()).to_string();
                let inner = &quoted[1..quoted.len() - 1];
                let mut record = trail::records(seed, 1, 100.0).remove(0);
                for (pointer, json) in &echoes {
                    record = trail::put(&record, pointer, &json.replace("{}", inner));
                }
                let credentials = json!({"name": "n", key: secret});
                let written = match form {
                    Form::Object => credentials,
                    Form::Array => json!([[credentials]]),
                    Form::Text => credentials.to_string().into(),
                    Form::TextInText => json!({"t": credentials.to_string()}).to_string().into(),
                };
                record = trail::put(&record, place, &written.to_string());
                prop_assert!(holds(record.as_bytes(), key));
                let (output, marked) = output(&record, &options);
                prop_assert!(marked, "not marked: {record}");
                for shown in [secret.as_str(), inner] {
                    prop_assert!(
                        !holds(&output, shown),
                        "{shown} is shown of {record}\n{}",
                        String::from_utf8_lossy(&output)
                    );
                }
                echoed.set(echoed.get() + usize::from(!echoes.is_empty()));
                Ok(())
            },
        )
        .unwrap();
    assert!(echoed.get() > 100, "vacuous");
}

#[test]
fn a_value_that_a_caller_calls_a_secret_hides_neither_who_nor_where_nor_which() {
    for (pointer, json) in FILLED {
        for value in [
            "the-value",
            "us-east-1",
            "Alice.Example",
            "a298ec0d-0a49-4d2e-92bd-7d6e629b4619",
        ] {
            let mut record = trail::records(3, 1, 100.0).remove(0);
            record = trail::put(&record, pointer, &json.replace("{}", value));
            let plain: Value = serde_json::from_str(&record).unwrap();
            let tags = json!([{"key": "password", "value": value}]).to_string();
            record = trail::put(&record, "/requestParameters/tags", &tags);
            for body in [Body::Original, Body::Map, Body::None] {
                let options = Options {
                    body,
                    ..Options::default()
                };
                let conversion = conversion(Select::All, options.clone());
                let mut flat = Flat::new(&options);
                conversion.convert_record(record.as_bytes(), Position::default(), None, &mut flat);
                let shown = String::from_utf8(flat.take()).unwrap();
                let said: Value = serde_json::from_str(&shown).unwrap();
                let expected = plain.pointer(pointer).unwrap();
                if body == Body::Original {
                    let body: Value = serde_json::from_str(said["body"].as_str().unwrap()).unwrap();
                    assert_eq!(body.pointer(pointer), Some(expected), "{value}");
                    assert_eq!(
                        body.pointer("/requestParameters/tags/0/value"),
                        Some(&"[REDACTED]".into())
                    );
                }
                assert!(
                    holds(shown.as_bytes(), value),
                    "{pointer}: {value}: {shown}"
                );
                assert_eq!(
                    said["qtrail.redacted"],
                    json!(["/requestParameters/tags/0/value"]),
                    "{pointer}: {value}"
                );
            }
        }
    }
}

/// Where a person's name or address is shown beside the fields that hold it.
const SHOWN: &[(&str, &str)] = &[
    ("/errorMessage", r#""User: {} is not authorized""#),
    ("/requestParameters/note", r#""as {}, too""#),
    ("/requestParameters/inner", r#""{\"userName\":\"{}\"}""#),
];

#[test]
fn people_and_addresses_are_nowhere_in_the_output_where_the_user_wants_so() {
    let pseudonyms = Pseudonyms::new(b"a key that nobody guesses").unwrap();
    for hide in [Hide::Drop, Hide::Hash(pseudonyms)] {
        for body in [Body::Original, Body::Map, Body::None] {
            let options = Options {
                body,
                redaction: Redaction {
                    access_key_id: hide.clone(),
                    source_ip: hide.clone(),
                    users: hide.clone(),
                    ..Redaction::default()
                },
                ..Options::default()
            };
            let mut hidden = 0;
            for record in trail::records(7, 200, 100.0) {
                hidden += hides_people(&record, &options);
            }
            assert!(hidden > 200, "vacuous: {hidden}");
        }
    }
}

/// How many names and addresses of a record are hidden; fails if one is shown.
fn hides_people(record: &str, options: &Options) -> usize {
    let value: Value = serde_json::from_str(record).unwrap();
    let mut hidden = 0;
    for pointer in [
        "/userIdentity/accessKeyId",
        "/userIdentity/userName",
        "/userIdentity/principalId",
        "/userIdentity/onBehalfOf/userId",
        "/sourceIPAddress",
    ] {
        let Some(text) = value.pointer(pointer).and_then(Value::as_str) else {
            continue;
        };
        if text.ends_with(".amazonaws.com") || text == "AWS Internal" {
            continue;
        }
        let mut record = record.to_owned();
        for (pointer, json) in SHOWN {
            record = trail::put(&record, pointer, &json.replace("{}", text));
        }
        let (output, _) = output(&record, options);
        for name in [text, text.rsplit(':').next().unwrap()] {
            assert!(
                !holds(&output, name),
                "{pointer}: {name} is shown of {record}\n{}",
                String::from_utf8_lossy(&output)
            );
        }
        hidden += 1;
    }
    hidden
}
