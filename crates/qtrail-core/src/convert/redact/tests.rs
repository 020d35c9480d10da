use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::convert::{Hide, Pseudonyms};
use crate::json::REDACTED;

fn redacted(text: &str, rules: &Redaction) -> (String, Vec<String>) {
    let mut document = Document::parse(text, 64).expect("a JSON text");
    let always = Redaction::default();
    let mut walk = Walk::new(&always, None);
    let hides = !walk.record(&document, &[]).is_empty();
    assert!(
        !(hides && walk.is_plain(&document)),
        "a quick look missed {text}"
    );
    let pointers = redact(&mut document, rules);
    (document.redacted_text().into_owned(), pointers)
}

fn always(text: &str) -> (String, Vec<String>) {
    redacted(text, &Redaction::default())
}

/// The same of a value.
fn shown(value: &Value) -> Value {
    serde_json::from_str(&always(&value.to_string()).0).expect("JSON")
}

#[test]
fn a_record_without_secrets_stays_as_it_is() {
    let text = include_str!("../../../../../tests/fixtures/send-message.json")
        .replace("conversationToken", "x");
    assert_eq!(always(&text), (text.clone(), vec![]));
}

#[test]
fn secret_keys_are_masked_in_any_spelling_wherever_they_stand() {
    let (text, pointers) = always(
        r#"{"responseElements":{"credentials":{"SESSION-TOKEN":"abcd1","accessKeyId":"ASIA"}},"a":[{"pass\u0077ord":17}]}"#,
    );
    assert_eq!(
        text,
        r#"{"responseElements":{"credentials":{"SESSION-TOKEN":"[REDACTED]","accessKeyId":"ASIA"}},"a":[{"pass\u0077ord":"[REDACTED]"}]}"#
    );
    assert_eq!(
        pointers,
        [
            "/a/0/password",
            "/responseElements/credentials/SESSION-TOKEN"
        ]
    );
}

#[test]
fn what_stands_below_a_secret_key_is_masked_but_for_labels() {
    for (value, expected) in [
        (json!(1234), json!(REDACTED)),
        (json!("x"), json!(REDACTED)),
        (json!({"a": ["x"]}), json!(REDACTED)),
        (json!([1]), json!(REDACTED)),
        (json!(true), json!(true)),
        (json!("false"), json!("false")),
        (
            json!({"value": "x", "secretArn": "arn:aws:secretsmanager:r:1:secret:n", "status": "active", "deep": [{"x": "y"}]}),
            json!({"value": REDACTED, "secretArn": "arn:aws:secretsmanager:r:1:secret:n", "status": "active", "deep": [{"x": REDACTED}]}),
        ),
        (
            json!([{"name": "DB", "x": "y"}]),
            json!([{"name": "DB", "x": REDACTED}]),
        ),
        (
            json!({"password": {"password": {"id": "a", "b": "c"}}}),
            json!({"password": {"password": {"id": "a", "b": REDACTED}}}),
        ),
    ] {
        assert_eq!(
            shown(&json!({"password": value})),
            json!({"password": expected})
        );
    }
    // An item of DynamoDB.
    assert_eq!(
        shown(&json!({"apiKey": {"S": "hunter2"}, "accessKey": {"value": "hunter2"}})),
        json!({"apiKey": {"S": REDACTED}, "accessKey": {"value": REDACTED}})
    );
    // Objects under these keys have keys of their own; counts are no tokens.
    for kept in [
        json!({"credentials": {"accessKeyId": "ASIA", "expiration": "2026-01-01"}}),
        json!({"accessKey": {"accessKeyId": "AKIA", "userName": "bob", "status": "Active"}}),
        json!({"cookies": {"forward": "none"}}),
        json!({"tokens": 512, "inputTokens": "512", "usage": {"tokens": {"in": 1, "out": 2}}}),
        json!({"code": "ThrottlingException", "error": {"code": 17}}),
        json!({"cookies": {"forward": "whitelist", "whitelistedNames": {"quantity": 1, "items": ["session1"]}}}),
        json!({"registryCredential": {"credentialProvider": "SECRETS_MANAGER", "endpoint": "https://h1"}}),
        // Lists of what a caller names.
        json!({"Statement": [{"Action": ["sts:GetSessionToken", "iam:PassRole"], "Resource": ["x:token", "*"]}]}),
        json!({"policyDocument": r#"{"Statement":[{"NotAction":["sts:GetSessionToken","iam:PassRole"]}]}"#}),
        json!({"tagKeys": ["password", "env"]}),
        json!({"tagKeys": ["--password", "env"]}),
        json!({"grantTypes": ["authorization_code", "refresh_token"]}),
        json!({"x": ["api.token", "env1"]}),
        json!({"x": ["Authorization", "Content-Type"]}),
        json!({"allowHeaders": ["Authorization", "X-Request-1"]}),
        json!({"headers": ["Authorization", "Content-Type", "X-Api-Key", "Host"]}),
        json!({"headers": {"quantity": 2, "items": ["Authorization", "Origin"]}}),
        // Names of parameters, and base64 with `+` in it.
        json!({"names": ["/credentials/x/credentials-4", "/credentials/x/credentials-40"]}),
        json!({"attributes": ["password", "email", "token"]}),
        json!({"x-amz-id-2": "YtU6NKwUg3lT7346SAnBHBf31QmcoqRYUQrJLVPr+p6jgm9jnkQoc6WNC3aOjh5M8j1KZcp25/j1xWDMAVnpcYjr1Bh98eaT"}),
    ] {
        assert_eq!(shown(&kept), kept);
    }
}

#[test]
fn what_was_masked_before_keeps_its_mark_and_is_no_secret() {
    for value in [
        "null",
        "\"***\"",
        "\"\"",
        "{}",
        "[null,\"*****\"]",
        "\"HIDDEN_DUE_TO_SECURITY_REASONS\"",
        "\"[HIDDEN_DUE_TO_SECURITY_REASONS]\"",
        "\"<sensitiveDataRemoved>\"",
        "{\"value\":\"<sensitiveDataRemoved>\"}",
        "\"[REDACTED]\"",
        "\"Value hidden due to security reasons.\"",
    ] {
        let text = format!(
            "{{\"password\":{value},\"userData\":{value},\"b\":\"***\",\"c\":{value},\"d\":\"password=***&token=[REDACTED]\"}}"
        );
        assert_eq!(always(&text), (text.clone(), vec![]));
    }
}

/// A secret in many places; `{}` is the secret, in JSON as it would be written there.
const PLACES: &[&str] = &[
    // Names and values beside one another, headers, options, variables.
    r#"{"headers":[{"name":"Authorization","value":"{}"}]}"#,
    r#"{"headers":[{"value":"{}","name":"X-Api-Key"}]}"#,
    r#"{"tags":[{"Key":"password","Value":"{}"}]}"#,
    r#"{"tagSet":{"items":[{"key":"app:secret","value":"{}"}]}}"#,
    r#"{"parameters":[{"ParameterKey":"DBPassword","ParameterValue":"{}"}]}"#,
    r#"{"filters":[{"name":"tag:token","valueSet":{"items":[{"value":"{}"}]}}]}"#,
    r#"{"optionSettings":[{"optionName":"DBPassword","namespace":"n","value":"{}"}]}"#,
    r#"{"environment":[{"name":"DB_PASSWORD","value":"{}"}]}"#,
    r#"{"environment":{"variables":{"DB_PASSWORD":"{}","STAGE":"prod"}}}"#,
    r#"{"env":["STAGE=prod","DB_PASSWORD={}"]}"#,
    r#"{"header":["Authorization","{}"]}"#,
    r#"{"properties":[["spring.datasource.password","{}"]]}"#,
    r#"{"env":["DB_PASSWORD","{}"]}"#,
    r#"{"rawHeaders":["Host","h","Authorization","{}"]}"#,
    r#"{"x":["Authorization","{}"]}"#,
    r#"{"x":"[\"Authorization\",\"{}\"]"}"#,
    r#"{"cookies":{"sessionid":"{}"}}"#,
    r#"{"cookies":[{"name":"sid","value":"{}"}]}"#,
    r#"{"apiKeys":{"prod":"{}"}}"#,
    r#"{"apiKey":[{"x":"{}"}]}"#,
    r#"{"credentials":{"a":{"b":["{}"]},"user":"bob"}}"#,
    r#"{"credentials":{"tokens":{"a":"{}"},"b":"{}"}}"#,
    r#"{"SECRET_KEY_BASE":"{}"}"#,
    r#"{"authorizationHeader":"{}"}"#,
    r#"{"wifiPsk":"{}"}"#,
    r#"{"note":"&quot;password&quot;:&quot;{}&quot;"}"#,
    r#"{"note":"&lt;password&gt;{}&lt;/password&gt;"}"#,
    r#"{"form":"user%5Bpassword%5D={}&x=1"}"#,
    r#"{"note":"{\"name\":\"password\",\"value\":\"{}\""}"#,
    r#"{"queueUrl":"https://sqs/1/q?token={}"}"#,
    r#"{"command":["mysql","--password","{}","--verbose"]}"#,
    r#"{"command":"mysql --password {} --verbose"}"#,
    r#"{"X-Amz-Security-Token":["{}"],"X-Amz-Expires":["60"]}"#,
    r#"{"userData":"{}"}"#,
    r#"{"userData":{"value":"{}"}}"#,
    // URLs, forms, connection strings, headers.
    r#"{"url":"https://h/p?a=1&X-Amz-Security-Token={}&b=2"}"#,
    r#"{"url":"https:\/\/h\/p?a=1&sig={}"}"#,
    r#"{"url":"https://bob:{}@h/p"}"#,
    r#"{"form":"grant_type=password&username=bob&password={}"}"#,
    r#"{"connection":"Server=db;User Id=sa;Password={};Timeout=3"}"#,
    r#"{"text":"Authorization: Bearer {}"}"#,
    r#"{"text":"got password: {} from bob"}"#,
    r#"{"text":"<Password>{}</Password>"}"#,
    // JSON in texts: whole, torn, in the middle, inside itself, escaped.
    r#"{"payload":"{\"a\":{\"password\":\"{}\"}}"}"#,
    r#"{"payload":" [{\"sessionToken\":\"{}\"}]"}"#,
    r#"{"payload":"{\"b\":\"{\\\"c\\\":\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"{}\\\\\\\"}\\\"}\"}"}"#,
    r#"{"payload":"\"{\\\"password\\\":\\\"{}\\\"}\""}"#,
    r#"{"payload":"{\"torn\":{\"password\":\"{}"}"#,
    r#"{"payload":"{\"torn\":{\"pass\\u0077ord\":\"{}"}"#,
    r#"{"payload":"sent {\"password\":\"{}\"} to x"}"#,
    r#"{"payload":"sent {\\\"password\\\":\\\"{}\\\"} to x"}"#,
    r#"{"payload":"{\"pass\\u0077ord\":\"{}\"}"}"#,
    // Percent-encoded, once and twice; base64.
    r#"{"url":"https://h/p?next=https%3A%2F%2Fx%3Ftoken%3D{}"}"#,
    r#"{"url":"https://h/p?next=https%253A%252F%252Fx%253Ftoken%253D{}"}"#,
    r#"{"text":"password%3D{}"}"#,
    // In what AWS fills, under a key of its own.
    r#"{"userIdentity":{"sessionContext":{"sessionToken":"{}"}}}"#,
    r#"{"userIdentity":"{\"password\":\"{}\"}"}"#,
];

#[test]
fn secrets_are_masked_in_every_place() {
    for place in PLACES {
        for secret in ["hunter2-hunter2", "Pa55word1"] {
            let text = place.replace("{}", secret);
            let (masked, pointers) = always(&text);
            assert!(!masked.contains(secret), "{text}: {masked}");
            assert!(masked.contains(REDACTED), "{text}: {masked}");
            assert!(!pointers.is_empty(), "{text}");
            serde_json::from_str::<Value>(&masked).expect("JSON");
        }
    }
}

/// How else a text may show a secret.
fn echoes(secret: &str) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let every =
        |secret: &str| -> String { secret.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let some = |secret: &str| {
        let escaped = |c: char| !c.is_ascii_alphanumeric();
        secret
            .chars()
            .map(|c| {
                if escaped(c) {
                    every(&c.to_string())
                } else {
                    c.to_string()
                }
            })
            .collect::<String>()
    };
    let units: String = secret
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    vec![
        secret.to_owned(),
        format!("x {secret} y"),
        format!("https://h/p?q={}", some(secret)),
        format!("https://h/p?q={}", every(secret)),
        format!("https://h/p?q={}", some(&some(secret))),
        format!("https://h/p?q={}", some(secret).replace("%20", "+")),
        format!("a {} b", STANDARD.encode(secret)),
        format!("a {} b", STANDARD.encode(format!("bob:{secret}"))),
        format!(
            "https://h/{}/b",
            URL_SAFE_NO_PAD.encode(format!("u:{secret}\n"))
        ),
        format!("a {units} b"),
        format!("log: {}", json!({"a": secret})),
        json!({"a": [{"b": secret}]}).to_string(),
        json!({"a": json!({"b": secret}).to_string()}).to_string(),
        json!({"a": some(secret)}).to_string(),
    ]
}

#[test]
fn copies_are_masked_in_free_text_in_any_encoding() {
    for secret in [
        "hunter2 \"é/+=\" 22",
        "wJalrXUtnFEMI/K7MDENG",
        "correct horse battery",
    ] {
        for echo in echoes(secret) {
            let record = json!({"requestParameters": {"clientSecret": secret, "note": echo, "list": [echo]}, "errorMessage": echo, "userAgent": echo});
            let shown = shown(&record);
            for pointer in [
                "/requestParameters/note",
                "/requestParameters/list/0",
                "/errorMessage",
                "/userAgent",
            ] {
                let text = shown
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .expect("a text");
                assert!(text.contains(REDACTED), "{secret}: {echo}: {text}");
                assert!(!text.contains(secret), "{secret}: {echo}: {text}");
            }
        }
    }
}

#[test]
fn a_secret_inside_a_secret_is_looked_for_too() {
    let credentials = json!({"user": "bob", "sessionToken": "hunter2-hunter2"}).to_string();
    for secret in [credentials, "https://h/?token=hunter2-hunter2".to_owned()] {
        let shown = shown(&json!({"credentials": secret, "errorMessage": "got hunter2-hunter2"}));
        assert_eq!(shown["errorMessage"], format!("got {REDACTED}"));
    }
}

#[test]
fn only_what_is_secret_is_masked_of_a_text() {
    let (text, pointers) = always(
        r#"{"a":{"password":"pa\"cket"},"b":"x pa\u0022cket y","c":"{\"z\":[\"pa\\u0022cket\",1]}","d":"packet","e":"https://h/?token=abcd&x=1"}"#,
    );
    assert_eq!(
        text,
        r#"{"a":{"password":"[REDACTED]"},"b":"x [REDACTED] y","c":"{\"z\":[\"[REDACTED]\",1]}","d":"packet","e":"https://h/?token=[REDACTED]&x=1"}"#
    );
    assert_eq!(pointers, ["/a/password", "/b", "/c", "/e"]);
}

#[test]
fn a_secret_is_masked_in_keys_too() {
    let (text, pointers) = always(
        r#"{"password":"long phrase","a":{"my long phrase":{"password":"other"},"ghp_0123456789abcdefghij":1}}"#,
    );
    assert_eq!(
        text,
        r#"{"password":"[REDACTED]","a":{"[REDACTED]":{"password":"[REDACTED]"},"[REDACTED]":1}}"#
    );
    let listed = ["/a/[REDACTED]", "/a/[REDACTED]/password", "/password"];
    assert_eq!(pointers, listed);
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

/// A record with every field that AWS fills.
fn filled() -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:alice", "userName": "alice-user",
            "arn": "arn:aws:sts::111122223333:assumed-role/Developer/alice", "accountId": "111122223333",
            "accessKeyId": "ASIAEXAMPLEEXAMPLE", "credentialId": "cred-1", "invokedBy": "q.amazonaws.com",
            "identityProvider": "arn:aws:iam::111122223333:saml-provider/idp",
            "onBehalfOf": {"userId": "user-0001", "identityStoreArn": "arn:aws:identitystore::1:identitystore/d-1"},
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": "arn:aws:iam::111122223333:role/Developer", "accountId": "111122223333", "userName": "Developer"},
                "attributes": {"creationDate": "2026-11-02T07:00:00Z", "mfaAuthenticated": "false"},
                "sourceIdentity": "alice-source", "webIdFederationData": {"federatedProvider": "provider.example"}
            }
        },
        "eventTime": "2026-11-02T08:00:01Z", "eventSource": "s3.amazonaws.com", "eventName": "PutBucketTagging",
        "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.20", "errorCode": "AccessDenied",
        "requestID": "request-0001", "eventID": "18f135d2-5f55-4203-b018-50c5a38fd547", "readOnly": "false",
        "resources": [{"accountId": "111122223333", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::the-bucket"}],
        "eventType": "AwsApiCall", "apiVersion": "2006-03-01", "managementEvent": "true",
        "recipientAccountId": "111122223333", "sharedEventID": "shared-0001", "vpcEndpointId": "vpce-0001",
        "vpcEndpointAccountId": "444455556666", "eventCategory": "Management",
        "addendum": {"reason": "DELIVERY_DELAY", "originalEventID": "original-0001"},
        "sessionCredentialFromConsole": "true",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "keyExchange": "x25519"},
    })
}

#[test]
fn no_value_that_a_caller_chooses_masks_what_aws_fills() {
    let filled = filled();
    for (name, field) in filled.as_object().expect("an object") {
        let inside = |key: &String| fields::is_filled_in(name.as_bytes(), key.as_bytes());
        assert!(
            fields::is_filled(name.as_bytes())
                || field
                    .as_object()
                    .is_some_and(|field| field.keys().all(inside)),
            "{name}"
        );
    }
    for other in [
        "errorMessage",
        "userAgent",
        "requestParameters",
        "responseElements",
        "tlsDetails",
    ] {
        assert!(!fields::is_filled(other.as_bytes()), "{other}");
    }
    let text = filled.to_string();
    let document = Document::parse(&text, 64).expect("JSON");
    let mut values: Vec<String> = Vec::new();
    for (_, text) in fields::texts(document.root()) {
        values.push(text.clone().into_owned());
        values.extend(fields::parts(&text).map(str::to_owned));
        // A part of a part.
        values.extend(text.get(..6).map(str::to_owned));
    }
    assert!(values.len() > 100);
    for value in values.iter().filter(|value| !value.is_empty()) {
        for tags in [
            json!([{"key": "password", "value": value}]),
            json!({"password": value, "url": format!("https://h/?token={value}")}),
        ] {
            let mut record = filled.clone();
            record["requestParameters"] = json!({"bucketName": value, "tags": tags});
            let masked = shown(&record);
            for (name, field) in filled.as_object().expect("an object") {
                assert_eq!(&masked[name], field, "{value}");
            }
            assert_eq!(masked["requestParameters"]["bucketName"], json!(value));
        }
    }
}

#[test]
fn no_value_that_a_caller_chooses_masks_who_where_and_which_in_a_request() {
    for key in [
        "userName",
        "username",
        "USERNAME",
        "availabilityZone",
        "objectKey",
        "s3Key",
        "copySource",
        "hostname",
        "email",
        "path",
        "owner",
        "keyspace",
        "pipeline",
        "project",
        "queueUrl",
        "url",
        "bucket",
        "tableName",
        "principal",
        "grantee",
        "zone",
        "targets",
        "subnetId1",
    ] {
        for value in [
            "victim",
            "https://sqs.us-east-1.amazonaws.com/111122223333/victim",
        ] {
            let record = json!({
                "requestParameters": {key: value, "list": {key: [value]}, "tags": [{"Key": "password", "Value": "victim"}, {"Key": "token", "Value": value}]},
                "responseElements": {key: value},
            });
            let mut expected = record.clone();
            expected["requestParameters"]["tags"][0]["Value"] = json!(REDACTED);
            expected["requestParameters"]["tags"][1]["Value"] = json!(REDACTED);
            assert_eq!(shown(&record), expected);
        }
    }
    let context = json!({"requestContext": {
        "aws:userid": "AROAEXAMPLE:alice9", "aws:username": "alice9", "aws:SourceVpce": "vpce-0001",
        "aws:PrincipalArn": "arn:aws:iam::111122223333:user/alice9",
    }});
    for value in ["AROAEXAMPLE:alice9", "alice9", "vpce-0001", "user/alice9"] {
        let shown =
            shown(&json!({"requestParameters": {"password": value}, "eventContext": context}));
        assert_eq!(shown["eventContext"], context, "{value}");
    }
}

#[test]
fn a_copy_of_a_secret_that_is_json_is_masked() {
    for secret in [
        r#""000A/AAAAa0""#,
        r#""000A\\AAAAa0""#,
        r#"["one-of-two","two-of-two"]"#,
        r#"{"k":"one-of-one-1"}"#,
        "[1234567890123]",
    ] {
        for note in [
            secret.to_owned(),
            format!(" {secret} "),
            format!("x {secret} y"),
            format!(r#"{{"n":{secret}}}"#),
        ] {
            let value = shown(&json!({
                "requestParameters": {"sessionToken": secret, "note": note, "other": r#"{"n":"plain text"}"#},
            }));
            let parameters = &value["requestParameters"];
            assert_eq!(parameters["sessionToken"], REDACTED, "{secret}");
            let shown = parameters["note"].as_str().expect("a text");
            assert!(
                !shown.contains(&secret[2..secret.len() - 2]),
                "{note}: {shown}"
            );
            assert_eq!(parameters["other"], r#"{"n":"plain text"}"#);
        }
    }
}

#[test]
fn a_copy_after_the_path_of_a_url_and_in_what_a_caller_says_is_masked() {
    for (pointer, record) in [
        (
            "/uploadUrl",
            json!({"clientSecret": "hunter2-hunter2", "uploadUrl": "https://h/hunter2-hunter2?q=hunter2-hunter2"}),
        ),
        (
            "/uploadUrl",
            json!({"clientSecret": "hunter2 hunter2", "uploadUrl": "https://h/p?q=hunter2+hunter2"}),
        ),
        (
            "/uploadUrl",
            json!({"clientSecret": "hunter2/hunter2", "uploadUrl": "https://h/p?q=hunter2%2Fhunter2"}),
        ),
        (
            "/eventContext/requestContext/aws:UserAgent",
            json!({"clientSecret": "hunter2", "eventContext": {"requestContext": {"aws:UserAgent": "x/hunter2"}}}),
        ),
        (
            "/eventContext/requestContext/aws:RequestTag~1x",
            json!({"clientSecret": "hunter2", "eventContext": {"requestContext": {"aws:RequestTag/x": "hunter2"}}}),
        ),
    ] {
        let shown = shown(&record);
        let text = shown
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect("a text");
        assert!(text.ends_with(REDACTED), "{text}");
    }
}

#[test]
fn the_base64_of_json_is_read_however_it_is_written() {
    use base64::Engine;
    for json in [
        r#"{"password":"hunter2"}"#,
        r#"{ "password":"hunter2"}"#,
        "{\n  \"password\": \"hunter2\"\n}",
        "{\r\n \"password\":\"hunter2\"}",
        "{\n\t\"password\":\"hunter2\"}",
        r#"[{"password":"hunter2"}]"#,
        r#"{"":1,"password":"hunter2"}"#,
        r#"["--password","hunter2"]"#,
        "[\n  {\"password\":\"hunter2\"}]",
    ] {
        let text = base64::engine::general_purpose::STANDARD.encode(json);
        let shown = shown(&json!({"payload": format!("echo {text} | base64 -d")}));
        assert_eq!(
            shown["payload"],
            format!("echo {REDACTED} | base64 -d"),
            "{json}"
        );
    }
}

#[test]
fn a_value_that_aws_shows_is_masked_where_it_stands_alone() {
    let mut record = filled();
    record["requestParameters"] = json!({
        "tags": [{"key": "password", "value": "us-east-1"}, {"key": "token", "value": "alice"}],
        "bucketRegion": "us-east-1", "note": "in us-east-1, by alice",
    });
    record["errorMessage"] =
        json!("User: arn:aws:sts::111122223333:assumed-role/Developer/alice is not authorized");
    let mut expected = record.clone();
    expected["requestParameters"]["tags"][0]["value"] = json!(REDACTED);
    expected["requestParameters"]["tags"][1]["value"] = json!(REDACTED);
    assert_eq!(shown(&record), expected);
}

#[test]
fn names_in_requests_and_answers_are_masked_for_no_copy() {
    // Nor are the keys.
    let keys =
        json!({"requestParameters": {"tagging": {"password": "bucketName"}, "bucketName": "b"}});
    let masked =
        json!({"requestParameters": {"tagging": {"password": REDACTED}, "bucketName": "b"}});
    assert_eq!(shown(&keys), masked);
    let record = json!({
        "requestParameters": {
            "tagging": {"password": "the-bucket-1"}, "bucketName": "the-bucket-1", "instanceIds": ["the-bucket-1"],
            "note": "the-bucket-1", "conversationId": "the-bucket-1",
        },
        "responseElements": {"bucketArn": "arn:aws:s3:::the-bucket-1", "name": "ghp_0123456789abcdefghij"},
    });
    assert_eq!(
        shown(&record),
        json!({
            "requestParameters": {
                "tagging": {"password": REDACTED}, "bucketName": "the-bucket-1", "instanceIds": ["the-bucket-1"],
                "note": REDACTED, "conversationId": "the-bucket-1",
            },
            "responseElements": {"bucketArn": "arn:aws:s3:::the-bucket-1", "name": REDACTED},
        })
    );
}

#[test]
fn what_the_user_names_is_masked() {
    let text = r#"{"userIdentity":{"principalId":"AROAEX:alice","arn":"arn:aws:sts::111122223333:assumed-role/R/alice","accessKeyId":"ASIAEX","accountId":"111122223333"},"sourceIPAddress":"203.0.113.7","a":{"roleSession":"alice","my-note":"x","text":"from 203.0.113.7","list":["x","y"],"ARN":"arn:aws:s3:::bucket"}}"#;
    let rules = Redaction {
        keys: vec!["MYNOTE".to_owned()],
        pointers: vec!["/a/list/1".to_owned(), "/nowhere".to_owned()],
        access_key_id: Hide::Drop,
        source_ip: Hide::Drop,
        users: Hide::Drop,
    };
    let (text, pointers) = redacted(text, &rules);
    assert_eq!(
        text,
        r#"{"userIdentity":{"principalId":"[REDACTED]","arn":"[REDACTED]","accessKeyId":"[REDACTED]","accountId":"111122223333"},"sourceIPAddress":"[REDACTED]","a":{"roleSession":"[REDACTED]","my-note":"[REDACTED]","text":"from [REDACTED]","list":["x","[REDACTED]"],"ARN":"arn:aws:s3:::bucket"}}"#
    );
    assert_eq!(pointers.len(), 8);
}

#[test]
fn a_pseudonym_stands_where_the_original_stood_and_its_copies_are_masked() {
    let record = json!({
        "userIdentity": {
            "principalId": "AROAEX:alice",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admins/alice",
            "accessKeyId": "ASIAEX",
            "sessionContext": {"sessionIssuer": {
                "principalId": "AROAEX", "userName": "Admins", "arn": "arn:aws:iam::111122223333:role/Admins",
            }},
        },
        "sourceIPAddress": "203.0.113.7",
        "errorMessage": "User: arn:aws:sts::111122223333:assumed-role/Admins/alice is not authorized",
        "requestParameters": {
            "note": "for alice at 203.0.113.7", "USERNAME": "alice", "userName": ["alice"], "inner": "{\"userName\":\"alice\"}",
        },
    });
    let pseudonyms = Pseudonyms::new(&[7; 16]).expect("a long key");
    let hash = || Hide::Hash(pseudonyms.clone());
    let rules = Redaction {
        access_key_id: hash(),
        source_ip: hash(),
        users: hash(),
        ..Redaction::default()
    };
    let (text, pointers) = redacted(&record.to_string(), &rules);
    let masked: Value = serde_json::from_str(&text).expect("JSON");
    let [alice, admins, id] = ["alice", "Admins", "AROAEX"].map(|name| pseudonyms.of(name));
    let expected = json!({
        "userIdentity": {
            "principalId": format!("{id}:{alice}"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/{admins}/{alice}"),
            "accessKeyId": pseudonyms.of("ASIAEX"),
            "sessionContext": {"sessionIssuer": {
                "principalId": id, "userName": admins, "arn": format!("arn:aws:iam::111122223333:role/{admins}"),
            }},
        },
        "sourceIPAddress": pseudonyms.of("203.0.113.7"),
        "errorMessage": masked["errorMessage"],
        "requestParameters": {
            "note": "for [REDACTED] at [REDACTED]", "USERNAME": alice, "userName": REDACTED,
            "inner": format!("{{\"userName\":\"{alice}\"}}"),
        },
    });
    assert_eq!(masked, expected);
    for original in ["alice", "Admins", "AROAEX", "ASIAEX", "203.0.113.7"] {
        assert!(!text.contains(original), "{original}: {text}");
    }
    assert!(pointers.contains(&"/userIdentity/arn".to_owned()));
}

#[test]
fn services_and_accounts_are_no_persons() {
    let text = r#"{"sourceIPAddress":"q.amazonaws.com","userIdentity":{"principalId":"111122223333","arn":"arn:aws:iam::111122223333:root"},"eventType":"rootVolume"}"#;
    let rules = Redaction {
        source_ip: Hide::Drop,
        users: Hide::Drop,
        ..Redaction::default()
    };
    let (_, pointers) = redacted(text, &rules);
    assert_eq!(pointers, ["/userIdentity/arn"]);
}

#[test]
fn work_that_is_left_out_masks_the_text() {
    // Each level of it is decoded in two ways.
    let mut nested = "x".repeat(20_000);
    for _ in 0..4 {
        nested = format!(
            "{}%41\\u0041",
            nested.replace('%', "%25").replace('\\', "\\\\")
        );
    }
    let texts = vec![nested; 20];
    let record = json!({"requestParameters": {"texts": texts, "plain": "shown"}, "eventName": "E"});
    let text = record.to_string();
    let document = Document::parse(&text, 64).expect("JSON");
    let rules = Redaction::default();
    let mut walk = Walk::new(&rules, None);
    let marks = walk.record(&document, &[]);
    assert_eq!(walk.work.left(), 0);
    assert!(!marks.is_empty());
    let masked = shown(&record);
    assert_eq!(masked["requestParameters"]["texts"][19], json!(REDACTED));
    assert_eq!(masked["requestParameters"]["plain"], "shown");
    assert_eq!(masked["eventName"], "E");
}

#[test]
fn a_record_full_of_secrets_ships_with_its_names() {
    let secrets: Vec<String> = (0..20_000).map(|i| format!("secret{i}")).collect();
    let key = "k".repeat(20_000);
    let record = json!({
        "requestParameters": {"password": secrets, key: secrets, "bucketName": "b", "z": "x text"},
        "eventName": "E",
    });
    let (text, pointers) = always(&record.to_string());
    assert_eq!(text.matches("secret").count(), 0);
    let masked: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(masked["eventName"], "E");
    assert_eq!(masked["requestParameters"]["bucketName"], "b");
    // There are too many to look for.
    assert_eq!(masked["requestParameters"]["z"], REDACTED);
    assert!(pointers.iter().map(String::len).sum::<usize>() <= LISTED_BYTES);
}

#[test]
fn json_deep_in_texts_is_masked_whole() {
    let mut text = json!({"password": "hunter2"}).to_string();
    for _ in 0..12 {
        text = json!({"a": text}).to_string();
    }
    let masked = always(&json!({"x": text}).to_string()).0;
    assert!(
        !masked.contains("hunter2") && masked.contains(REDACTED),
        "{masked}"
    );
}

proptest! {
    #[test]
    fn a_masked_value_is_nowhere_in_the_text(secret in "[a-zA-Z0-9\"\\\\/é😀]{4,20}x", pad in "[ .,;é]{0,9}", escape: bool) {
        let inner = json!({"k": [format!("{pad}{secret}")]}).to_string();
        let mut text = json!({
            "a": {"sessionToken": secret},
            "b": format!("{pad}{secret}{pad}"),
            "c": [inner, {"d": secret}],
            "e": "other",
        }).to_string();
        if escape {
            text = text.replace('x', "\\u0078").replace('a', "\\u0061");
        }
        let (text, _) = always(&text);
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(!value.to_string().contains(&secret));
        prop_assert_eq!(&value["a"], &json!({"sessionToken": REDACTED}));
        prop_assert_eq!(&value["c"][1], &json!({"d": REDACTED}));
        prop_assert_eq!(&value["e"], "other");
    }

    #[test]
    fn any_text_is_read_without_a_fault(text in "[a-z=:%&@/\"'<>\\\\ é{}\\-_.+0-9]{0,60}", wrap in "(password|token|x)[=: ]{1,2}") {
        let record = json!({"a": format!("{wrap}{text}"), "b": {"password": text}, "c": text}).to_string();
        let (masked, _) = always(&record);
        serde_json::from_str::<Value>(&masked).expect("JSON");
    }
}
