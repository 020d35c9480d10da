//! How a call ended, through the program: the outcome, the severity and the span's status agree.

use serde_json::{Value, json};

use crate::support::program::{attribute, convert, log_file};

/// A record with these fields.
fn record(fields: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11", "eventTime": "2026-11-02T08:00:01Z", "awsRegion": "eu-central-1",
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Dev/pat"},
        "sourceIPAddress": "198.51.100.20", "requestParameters": null, "responseElements": null,
        "recipientAccountId": "111122223333",
    });
    for (key, value) in fields.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}

#[test]
fn a_failure_without_a_code_is_an_error_and_a_code_of_success_is_none() {
    let cases = [
        (
            json!({"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "errorMessage": "Failed authentication", "responseElements": {"ConsoleLogin": "Failure"}}),
            ("error", "ERROR", "Failed authentication"),
        ),
        (
            json!({"eventSource": "signin.amazonaws.com", "eventName": "CredentialVerification", "eventType": "AwsServiceEvent", "serviceEventDetails": {"CredentialVerification": "Failure"}}),
            ("error", "ERROR", ""),
        ),
        (
            json!({"eventSource": "q.amazonaws.com", "eventName": "SendMessage", "errorMessage": "User is not authorized to perform: q:SendMessage"}),
            (
                "error",
                "ERROR",
                "User is not authorized to perform: q:SendMessage",
            ),
        ),
        (
            json!({"eventSource": "sns.amazonaws.com", "eventName": "Publish", "errorCode": "AuthorizationErrorException", "errorMessage": "no"}),
            ("denied", "WARN", "no"),
        ),
        (
            json!({"eventSource": "grafana.amazonaws.com", "eventName": "action", "errorCode": "200"}),
            ("success", "INFO", ""),
        ),
        (
            json!({"eventSource": "grafana.amazonaws.com", "eventName": "action", "errorCode": 204, "errorMessage": "No Content"}),
            ("success", "INFO", ""),
        ),
    ];
    let records: Vec<_> = cases
        .iter()
        .map(|(fields, _)| record(fields.clone()))
        .collect();
    let converted = convert("a.json", &log_file(&records), &["--select", "all"]);
    assert_eq!((converted.exit, converted.logs.len()), (0, cases.len()));
    for (number, (fields, (outcome, severity, message))) in cases.iter().enumerate() {
        // By resource, they are in another order.
        let name = fields["eventName"].as_str().unwrap();
        let code = fields["errorCode"]
            .as_str()
            .or(fields["errorCode"].as_u64().map(|_| "204"));
        let is_it = |record: &&Value| {
            attribute(record, "aws.cloudtrail.event_name").as_deref() == Some(name)
                && attribute(record, "aws.error.code").as_deref() == code
        };
        let [log, span] = [&converted.logs, &converted.spans].map(|records| {
            records
                .iter()
                .find(is_it)
                .unwrap_or_else(|| panic!("no {number}"))
        });
        assert_eq!(attribute(log, "qtrail.outcome").as_deref(), Some(*outcome));
        assert_eq!(attribute(span, "qtrail.outcome").as_deref(), Some(*outcome));
        assert_eq!(log["severityText"], *severity, "{fields}");
        let is_error = matches!(*outcome, "error" | "denied");
        let status = &span["status"];
        assert_eq!(status["code"] == 2, is_error, "{fields}: {status}");
        assert_eq!(status["message"].as_str().unwrap_or_default(), *message);
        let kind = code.filter(|_| is_error);
        assert_eq!(attribute(span, "error.type").as_deref(), kind, "{fields}");
    }
}

#[test]
fn a_sign_in_names_its_person_and_a_list_of_addresses_its_client() {
    let center = record(json!({
        "eventSource": "q.amazonaws.com", "eventName": "SendMessage", "sourceIPAddress": "198.51.100.7, 192.168.10.10",
        "userIdentity": {"type": "IdentityCenterUser", "accountId": "111122223333", "userId": "94d00cd8-e9e6-4810-b177-b08e84775435"},
    }));
    let sign_in = record(json!({
        "eventSource": "signin.amazonaws.com", "eventName": "UserAuthentication",
        "userIdentity": {"type": "Unknown", "principalId": "111122223333", "arn": "", "accessKeyId": ""},
        "additionalEventData": {"UserName": "pat@example.com", "CredentialType": "PASSWORD"},
        "serviceEventDetails": {"UserAuthentication": "Success"},
    }));
    for (record, person, client) in [
        (
            center,
            "94d00cd8-e9e6-4810-b177-b08e84775435",
            "198.51.100.7",
        ),
        (sign_in, "pat@example.com", "198.51.100.20"),
    ] {
        let converted = convert("a.json", record.as_bytes(), &["--select", "all"]);
        for said in [&converted.logs[0], &converted.spans[0]] {
            assert_eq!(attribute(said, "enduser.id").as_deref(), Some(person));
            assert_eq!(attribute(said, "client.address").as_deref(), Some(client));
            assert_eq!(
                attribute(said, "qtrail.outcome").as_deref(),
                Some("success")
            );
        }
    }
}
