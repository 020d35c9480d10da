//! Fields that nothing reads, through the program: read in the one way there is, told, or refused.

use serde_json::{Value, json};

use crate::support::program::{attribute, convert, event, log_file};

/// An event with these fields in the place of its own.
fn with(id: &str, fields: Value) -> String {
    let mut event: Value = serde_json::from_str(&event(id)).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event.to_string()
}

const ROLE: &str = "{type=AssumedRole, principalid=AROAEXAMPLE:pat.lee, arn=arn:aws:sts::123456789012:assumed-role/Dev/pat.lee, accountid=123456789012, invokedby=null, accesskeyid=ASIAEXAMPLE, username=null, sessioncontext={attributes={creationdate=2026-11-02T07:00:00Z, mfaauthenticated=false}, sessionissuer={type=Role, principalid=AROAEXAMPLE, arn=arn:aws:iam::123456789012:role/Dev, accountid=123456789012, username=Dev}}}";

#[test]
fn an_identity_in_the_form_of_tables_is_read_in_every_form_of_record() {
    let plain = with("plain", json!({"userIdentity": ROLE}));
    let text = with(
        "text",
        json!({"userIdentity": r#"{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/Dev/pat.lee"}"#}),
    );
    let lower = with(
        "lower",
        json!({"userIdentity": null, "useridentity": {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/Dev/pat.lee"}}),
    );
    let row: Value = serde_json::from_str::<Value>(&plain)
        .unwrap()
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => json!({ key.to_ascii_lowercase(): text }),
            other => json!({ key.to_ascii_lowercase(): other.to_string() }),
        })
        .collect();
    let lake = json!({"QueryResultRows": [row]}).to_string();
    let lower = lower.replace("\"userIdentity\":null,", "");
    let units = [
        log_file(&[plain, text]),
        lake.into_bytes(),
        lower.into_bytes(),
    ];
    for unit in units {
        let converted = convert("trail.json", &unit, &[]);
        assert_eq!(converted.exit, 0, "{}", converted.stderr);
        for record in converted.logs.iter().chain(&converted.spans) {
            for (name, value) in [
                ("aws.principal.type", "AssumedRole"),
                (
                    "aws.principal.arn",
                    "arn:aws:sts::123456789012:assumed-role/Dev/pat.lee",
                ),
                ("enduser.id", "pat.lee"),
                ("qtrail.identity.class", "assumed_role"),
            ] {
                assert_eq!(attribute(record, name).as_deref(), Some(value), "{name}");
            }
        }
    }
}

#[test]
fn a_record_whose_identity_cannot_be_read_is_a_dead_letter_and_its_neighbours_ship() {
    for identity in [
        json!("root"),
        json!("{type=Root, userName=Lee, Pat}"),
        json!("{type=IAMUser, userName=x, arn=a, arn=b}"),
        json!(7),
        json!(["Root"]),
        json!([{"type": "Root"}, {"type": "IAMUser"}]),
        json!({"type": "AssumedRole", "sessionContext": "x"}),
        json!({"type": "AssumedRole", "onBehalfOf": ["u-1"]}),
    ] {
        let records = [
            event("before"),
            with("bad", json!({"userIdentity": identity})),
            event("after"),
        ];
        let converted = convert("trail.json", &log_file(&records), &[]);
        assert_eq!(converted.event_ids(), ["before", "after"], "{identity}");
        assert_eq!(converted.exit, 3);
        let [letter] = &converted.dead_letters[..] else {
            panic!("{identity}: {:?}", converted.dead_letters);
        };
        assert_eq!(
            (&letter["reason"], &letter["stage"]),
            (&json!("bad_field"), &json!("parse"))
        );
        let message = letter["message"].as_str().unwrap();
        assert!(message.contains(" cannot be read: "), "{message}");
        assert_eq!(letter["record"], records[1]);
    }
}

#[test]
fn what_costs_no_event_is_told_on_both_signals() {
    let odd = json!({"errorCode": {"code": "AccessDenied"}, "recipientAccountId": 123456789012u64});
    let converted = convert("trail.json", &log_file(&[with("odd", odd)]), &[]);
    assert_eq!(converted.exit, 0, "{}", converted.stderr);
    for record in converted.logs.iter().chain(&converted.spans) {
        let text = record.to_string();
        assert!(
            text.contains("\"qtrail.unreadable\"")
                && text.contains("\"/errorCode\"")
                && text.contains("\"/recipientAccountId\""),
            "{text}"
        );
        assert_eq!(
            attribute(record, "qtrail.outcome").as_deref(),
            Some("error")
        );
    }
}
