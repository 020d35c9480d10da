//! Made-up trails, what is odd in real ones, and every container around them.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qtrail_sample::{self, Amount, Format, Spec};
use serde_json::{Value, json};

use super::program::{gzip, log_file};

/// The texts of so many made-up records; `share`: Amazon Q's among them, in percent.
pub fn records(seed: u64, events: u64, share: f64) -> Vec<String> {
    let spec = Spec {
        amount: Amount::Events(events),
        share,
        seed,
        format: Format::Ndjson,
        ..Spec::default()
    };
    let mut lines = Vec::new();
    qtrail_sample::write_one(&spec, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// What real trails hold and what nobody expects: a place, and what stands there, as JSON.
pub const ODDITIES: &[(&str, &str)] = &[
    ("/readOnly", r#""True""#),
    ("/managementEvent", "1"),
    ("/eventVersion", "1.09"),
    ("/eventTime", r#""2024-04-10 14:07:55""#),
    ("/eventTime", r#""2024-04-10T14:07:55.000000000Z""#),
    ("/eventTime", r#""2024-04-10T16:07:55.25+02:00""#),
    ("/eventTime", r#""last Tuesday""#),
    ("/eventTime", "null"),
    ("/eventSource", r#""s3.amazonaws.com""#),
    ("/eventSource", r#""qbusiness.amazonaws.com""#),
    ("/eventSource", r#""signin.amazonaws.com""#),
    ("/eventSource", r#""q\u002eamazonaws.com""#),
    ("/eventSource", "7"),
    ("/eventName", r#""SendMessage""#),
    ("/eventName", "null"),
    ("/eventID", "null"),
    ("/eventID", "7"),
    ("/eventID", r#""""#),
    ("/errorCode", r#""AccessDenied""#),
    ("/errorCode", r#""Client.DryRunOperation""#),
    ("/errorCode", r#""ThrottlingException""#),
    ("/errorCode", r#""AuthorizationErrorException""#),
    ("/errorCode", "200"),
    ("/errorCode", r#""204""#),
    ("/errorCode", "403"),
    ("/errorMessage", r#""a message with \"quotes\"""#),
    ("/awsRegion", "null"),
    ("/recipientAccountId", "null"),
    ("/sourceIPAddress", r#""AWS Internal""#),
    ("/userAgent", r#""md/AmazonQ-For-CLI Version/1.7""#),
    ("/userAgent", r#""cut \ud83d here""#),
    ("/userAgent", r#""nul \u0000 and \ud83e\udd80 🦀 한국어""#),
    ("/userIdentity", "null"),
    ("/userIdentity", "{}"),
    ("/userIdentity", r#""root""#),
    ("/userIdentity", r#"[1]"#),
    ("/userIdentity/type", r#""Martian""#),
    ("/userIdentity/type", "null"),
    ("/userIdentity/accessKeyId", r#""""#),
    ("/userIdentity/invokedBy", r#""q.amazonaws.com""#),
    ("/userIdentity/invokedBy", r#""AWS Internal""#),
    (
        "/userIdentity/sessionContext",
        r#"{"invokedBy":"q.amazonaws.com"}"#,
    ),
    ("/userIdentity/sessionContext/sessionIssuer", "{}"),
    (
        "/userIdentity/onBehalfOf",
        r#"[{"userId":"u-1","identityStoreArn":"arn:aws:identitystore::1:identitystore/d-1"}]"#,
    ),
    ("/requestParameters", "null"),
    ("/requestParameters", r#""a text""#),
    ("/requestParameters", r#"[1,[2,{"a":null}]]"#),
    (
        "/requestParameters/digits",
        "1234567890123456789012345678901234567890",
    ),
    ("/requestParameters/large", "18446744073709551615"),
    ("/requestParameters/float", "-2.5e-3"),
    ("/requestParameters/conversationId", r#""not a uuid""#),
    (
        "/requestParameters/conversationId",
        r#""a298ec0d-0a49-4d2e-92bd-7d6e629b4619""#,
    ),
    (
        "/requestParameters/text",
        r#""{\"eventVersion\":\"1.0\",\"eventID\":\"forged\"}""#,
    ),
    (
        "/requestParameters/Records",
        r#"[{"eventVersion":"1.0","eventID":"forged","eventSource":"q.amazonaws.com"}]"#,
    ),
    ("/responseElements", r#""None""#),
    ("/responseElements/SendMessage", r#""Failure""#),
    (
        "/serviceEventDetails",
        r#"{"CredentialVerification":"Failure"}"#,
    ),
    ("/responseElements/metadata", "[]"),
    (
        "/resources",
        r#"[{"ARN":"no arn"},{"accountId":"111122223333"},7,null,{"ARN":"a","more":1}]"#,
    ),
    ("/tlsDetails", r#"{"tlsVersion":"TLSv1.3"}"#),
    (
        "/somethingNew",
        r#"{"a":[[[[[[[[[[[[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#,
    ),
    ("/insightDetails", r#"{"state":"Start"}"#),
];

/// Puts JSON text at a place in a record. What is on the way and no object becomes one. A record
/// that `serde_json` cannot hold (a lone surrogate was put into it) stays as it is.
pub fn put(record: &str, pointer: &str, json: &str) -> String {
    const HERE: &str = "@@ here @@";
    let Ok(mut value) = serde_json::from_str::<Value>(record) else {
        return record.to_owned();
    };
    let mut at = &mut value;
    for key in pointer.trim_start_matches('/').split('/') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[key];
    }
    *at = HERE.into();
    let text = in_order(value);
    text.replace(&format!("\"{HERE}\""), json)
}

/// As CloudTrail writes it: `eventVersion` first.
fn in_order(mut record: Value) -> String {
    let version = record
        .as_object_mut()
        .and_then(|fields| fields.remove("eventVersion"));
    let rest = record.to_string();
    match version {
        Some(version) if rest == "{}" => format!(r#"{{"eventVersion":{version}}}"#),
        Some(version) => format!(r#"{{"eventVersion":{version},{}"#, &rest[1..]),
        None => rest,
    }
}

/// Every container of events, around the texts of records as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    LogFile,
    Array,
    Ndjson,
    Concatenated,
    LookupEvents,
    EventBridge,
    CloudWatchLogs,
    Firehose,
    Texts,
    FilterLogEvents,
    QueryResults,
    ExportTask,
}

/// What stands before each event that an export task of CloudWatch Logs wrote.
const EXPORTED: &str = "2026-11-02T08:00:00.000Z ";

impl Container {
    pub const ALL: [Container; 12] = [
        Container::LogFile,
        Container::Array,
        Container::Ndjson,
        Container::Concatenated,
        Container::LookupEvents,
        Container::EventBridge,
        Container::CloudWatchLogs,
        Container::Firehose,
        Container::Texts,
        Container::FilterLogEvents,
        Container::QueryResults,
        Container::ExportTask,
    ];

    pub fn around(self, records: &[String]) -> Vec<u8> {
        let each = |wrap: fn(&String) -> Value| records.iter().map(wrap).collect::<Value>();
        match self {
            Container::LogFile => log_file(records),
            Container::Array => format!("[{}]", records.join(",\n")).into_bytes(),
            Container::Ndjson => {
                let mut lines = records.join("\n").into_bytes();
                lines.write_all(b"\n").unwrap();
                lines
            }
            Container::Concatenated => records.concat().into_bytes(),
            Container::LookupEvents => {
                let events = each(|text| json!({"EventId": "e", "CloudTrailEvent": text}));
                json!({"Events": events, "NextToken": "t"})
                    .to_string()
                    .into()
            }
            Container::EventBridge => {
                let line = |text: &String| {
                    format!(
                        r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.q","detail":{text}}}"#
                    )
                };
                let lines: Vec<_> = records.iter().map(line).collect();
                lines.join("\n").into_bytes()
            }
            Container::CloudWatchLogs => {
                let events = each(|text| json!({"id": "1", "timestamp": 1, "message": text}));
                json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events}).to_string().into()
            }
            Container::Texts => json!(records).to_string().into(),
            Container::FilterLogEvents => {
                let events = each(
                    |text| json!({"logStreamName": "s", "timestamp": 1793606400000u64, "message": text, "ingestionTime": 1793606401000u64, "eventId": "0"}),
                );
                json!({"events": events, "searchedLogStreams": []})
                    .to_string()
                    .into()
            }
            Container::QueryResults => {
                let rows = each(
                    |text| json!([{"field": "@timestamp", "value": "2026-11-02 08:00:00.000"}, {"field": "@message", "value": text}]),
                );
                json!({"results": rows, "status": "Complete"})
                    .to_string()
                    .into()
            }
            Container::ExportTask => {
                let line = |text: &String| format!("{EXPORTED}{text}\n");
                records.iter().map(line).collect::<String>().into()
            }
            Container::Firehose => {
                let data = each(|text| json!({"data": STANDARD.encode(gzip(text.as_bytes()))}));
                json!({"requestId": "r", "timestamp": 1, "records": data})
                    .to_string()
                    .into()
            }
        }
    }
}
