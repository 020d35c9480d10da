//! Events that were in a table: CloudTrail Lake, Athena, and what they write as JSON.

use super::*;

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/Dev/pat=lee,x";

/// An event with an identity in each of its depths.
fn whole() -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:pat=lee,x", "arn": ROLE, "accountId": "123456789012",
            "accessKeyId": "ASIAEXAMPLE", "userName": null, "invokedBy": "AWS Internal",
            "onBehalfOf": {"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::1:identitystore/d-1"},
            "sessionContext": {
                "attributes": {"creationDate": "2026-11-02T07:00:00Z", "mfaAuthenticated": "false"},
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": "arn:aws:iam::123456789012:role/Dev", "accountId": "123456789012", "userName": "Dev"},
                "webIdFederationData": {"federatedProvider": null, "attributes": {}},
            },
        },
        "eventTime": "2026-11-02 08:00:00.000",
        "eventSource": "q.amazonaws.com",
        "eventName": "SendMessage",
        "readOnly": "false",
        "userAgent": "[1]",
        "errorMessage": "{\"a\":1}",
        "requestParameters": {"conversationId": "c", "Source": "x"},
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": "q.us-east-1.amazonaws.com"},
        "eventID": "e-1",
    })
}

/// A value as a table's text: objects as `{name=value, …}`.
fn nested(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}={}", nested(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Names in lower case in all depths, but not below what a caller chooses.
fn lowered(value: &Value) -> Value {
    let Value::Object(entries) = value else {
        return value.clone();
    };
    let entries = entries.iter().map(|(key, value)| match key.as_str() {
        "requestParameters" => (lower(key), value.clone()),
        _ => (lower(key), lowered(value)),
    });
    Value::Object(entries.collect())
}

/// A row's columns: names, and texts as a table writes them.
fn columns(event: &Value, name: fn(&str) -> String) -> Vec<(String, String)> {
    let column = |(key, value): (&String, &Value)| {
        let text = match (key.as_str(), value) {
            ("requestParameters", value) => value.to_string(),
            ("userIdentity" | "tlsDetails", value) if name("A") == "a" => nested(&lowered(value)),
            (_, value) => nested(value),
        };
        (name(key), text)
    };
    event.as_object().unwrap().iter().map(column).collect()
}

fn row(columns: &[(String, String)]) -> Value {
    columns
        .iter()
        .map(|(name, text)| json!({ name: text }))
        .collect()
}

/// What Athena answers.
fn athena(columns: &[(String, String)], header: bool, metadata: bool) -> Value {
    let data = |texts: Vec<&String>| {
        let data: Value = texts
            .into_iter()
            .map(|text| json!({"VarCharValue": text}))
            .collect();
        json!({"Data": data})
    };
    let (names, texts): (Vec<_>, Vec<_>) = columns.iter().map(|(name, text)| (name, text)).unzip();
    let mut rows = vec![data(texts)];
    if header {
        rows.insert(0, data(names.clone()));
    }
    let mut set = json!({"Rows": rows});
    if metadata {
        let info: Value = names
            .iter()
            .map(|name| json!({"CatalogName": "hive", "Name": name}))
            .collect();
        set["ResultSetMetadata"] = json!({"ColumnInfo": info});
    }
    json!({"UpdateCount": 0, "ResultSet": set})
}

#[test]
fn nested_values_of_tables_are_read_in_every_container_of_theirs() {
    let event = whole();
    let own = columns(&event, str::to_owned);
    let low = columns(&event, lower);
    for (name, unit) in [
        ("Lake", json!({"QueryResultRows": [row(&own)]})),
        (
            "Lake, in lower case",
            json!({"QueryResultRows": [row(&low)]}),
        ),
        ("Athena", athena(&low, true, true)),
        ("Athena, next page", athena(&low, false, true)),
        ("Athena, rows alone", athena(&low, true, false)),
        ("Athena, UNLOAD", lowered(&event)),
        ("Athena, UNLOAD, an array", json!([lowered(&event)])),
        (
            "Athena, UNLOAD, records",
            json!({"Records": [lowered(&event)]}),
        ),
        (
            "columns as an object",
            own.iter()
                .chain([])
                .map(|(k, v)| (lower(k), json!(v)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
    ] {
        let seen = read(unit.to_string());
        let [Seen::Record(_, bytes)] = &seen[..] else {
            panic!("{name}: {seen:?}");
        };
        assert_eq!(
            serde_json::from_slice::<Value>(bytes).unwrap(),
            event,
            "{name}"
        );
    }
}

/// What is said of a row of Lake with this `userIdentity`.
fn said(identity: &str) -> Result<Value, String> {
    let unit = json!({"QueryResultRows": [[{"eventID": "e"}, {"eventSource": "q.amazonaws.com"}, {"userIdentity": identity}]]});
    match &read(unit.to_string())[..] {
        [Seen::Record(_, bytes)] => {
            Ok(serde_json::from_slice::<Value>(bytes).unwrap()["userIdentity"].clone())
        }
        [Seen::Reject(reject)] => {
            assert_eq!(reject.reason.kind(), "bad_field");
            Err(reject.reason.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_identity_that_can_be_read_in_more_than_one_way_is_refused_with_the_reason() {
    for (identity, expected) in [
        ("{type=Root}", json!({"type": "Root"})),
        (
            "{type=IAMUser, userName=a=b,c, arn=arn:aws:iam::1:user/x}",
            json!({"type": "IAMUser", "userName": "a=b,c", "arn": "arn:aws:iam::1:user/x"}),
        ),
        (
            "{TYPE=Root, sessioncontext=null}",
            json!({"type": "Root", "sessionContext": null}),
        ),
        ("{}", json!({})),
        ("null", Value::Null),
        ("", Value::Null),
        (
            r#"{"type":"Root","principalid":"p"}"#,
            json!({"type": "Root", "principalId": "p"}),
        ),
        (r#" {"type":"Root"} "#, json!({"type": "Root"})),
    ] {
        assert_eq!(said(identity), Ok(expected), "{identity}");
    }
    for (identity, why) in [
        ("root", "neither JSON nor"),
        ("type=Root", "neither JSON nor"),
        ("{type=Root", "none that does"),
        ("{type=Root}}", "more follows"),
        ("{type=Root} x", "more follows"),
        ("{type=Root, userName=Lee, Pat}", "field's name is expected"),
        (
            "{type=Root, userName=x, color=red}",
            "\"color\" stands where a field's name",
        ),
        (
            "{type=IAMUser, userName=x, arn=a, arn=b}",
            "arn is in it twice",
        ),
        (
            "{type=IAMUser, username=x, userName=y}",
            "userName is in it twice",
        ),
        ("{type=IAMUser, userName=x{, arn=b}", "holds a bracket"),
        ("{type=IAMUser, userName=[x]}", "holds a bracket"),
        (
            "{type=WebIdentityUser, userName=x}",
            "an identity provider chooses",
        ),
        ("{type=Root, sessionContext=x}", "is no object"),
        (
            "{type=Root, sessionContext={webIdFederationData={attributes={a=b}}}}",
            "fields of any name",
        ),
        (r#"{"type":"Root","TYPE":"IAMUser"}"#, "type is in it twice"),
        (r#"["type","Root"]"#, "neither JSON nor"),
    ] {
        let reason = said(identity).expect_err(identity);
        assert!(
            reason.starts_with("userIdentity cannot be read: ") && reason.contains(why),
            "{reason}"
        );
    }
    let twice = json!({"QueryResultRows": [[{"eventID": "e"}, {"eventid": "f"}]]});
    let seen = read(twice.to_string());
    assert!(
        rejects(&seen)[0]
            .reason
            .to_string()
            .contains("eventID is in it twice"),
        "{seen:?}"
    );
}

#[test]
fn names_of_columns_take_no_memory_for_each_row() {
    let set = |name: &str, rows: usize| {
        let cell = |text: &str| json!({"Data": [{"VarCharValue": text}]});
        let mut all = vec![cell(name)];
        all.resize(rows + 1, cell(""));
        json!({"ResultSet": {"Rows": all}}).to_string()
    };
    let long = set(&"n".repeat(100_000), 10_000);
    assert_eq!(words(&long), ["not_cloudtrail"]);
    let usual = set("sessionCredentialFromConsole", 100);
    assert_eq!(words(&usual).len(), 100);
    assert_ne!(words(&usual)[0], "not_cloudtrail", "it is read as rows");
}
