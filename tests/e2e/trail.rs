//! The trail that the tests write, and what must come of it.

use std::fs;
use std::path::{Path, PathBuf};

use opentelemetry_semantic_conventions::SCHEMA_URL;
use serde_json::{Map, Value, json};

use super::records::Signal;
use crate::support::program::gzip;

const MESSAGE_ID: &str = "a552c487-7d97-403a-8ec4-d49539c7a03d";
const SEND_MESSAGE: &str = include_str!("../fixtures/send-message.json");
const LIST_BUCKETS: &str = include_str!("../fixtures/on-behalf-of-list-buckets.json");
const PASS_REQUEST_SESSION: &str = include_str!("../fixtures/pass-request.session-invoked-by.json");
const PASS_REQUEST_USER: &str = include_str!("../fixtures/pass-request.user-invoked-by.json");
const PASS_REQUEST_BROKEN: &str = include_str!("../fixtures/pass-request.as-published.txt");

/// A call that nobody made for Amazon Q.
const NOISE: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","userName":"q.amazonaws.com"},"eventTime":"2023-11-28T10:00:01Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"us-east-1","requestParameters":{"text":"{\"eventSource\":\"q.amazonaws.com\"}"},"eventID":"00000000-0000-4000-8000-00000000000f","recipientAccountId":"123456789012"}"#;

/// A published event, and all that must arrive of it.
pub(crate) struct Sample {
    pub(crate) event_id: String,
    record: String,
    expected: Value,
}

/// The published events. AWS's two readings of `PassRequest` share an id: the second gets one of its own.
pub(crate) fn samples() -> Vec<Sample> {
    let pass_request = include_str!("expected/pass-request.json");
    let other_id = |text: &str| text.replace("EXAMPLE75bbb", "EXAMPLE75bbc");
    let mut second_reading: Value = serde_json::from_str(&other_id(pass_request)).unwrap();
    for signal in ["log", "span"] {
        // SHA-256 of "qtrail.span:" and that id.
        second_reading[signal]["spanId"] = "c2c66df4a8cf95f3".into();
    }
    [
        (
            SEND_MESSAGE.to_owned(),
            include_str!("expected/send-message.json").parse(),
        ),
        (
            LIST_BUCKETS.to_owned(),
            include_str!("expected/on-behalf-of-list-buckets.json").parse(),
        ),
        (PASS_REQUEST_SESSION.to_owned(), pass_request.parse()),
        (other_id(PASS_REQUEST_USER), Ok(second_reading)),
    ]
    .map(|(record, expected)| {
        let expected: Value = expected.expect("the expectation is JSON");
        let event_id = expected["attributes"]["aws.cloudtrail.event_id"]
            .as_str()
            .unwrap();
        Sample {
            event_id: event_id.to_owned(),
            record: record.trim().to_owned(),
            expected,
        }
    })
    .into()
}

pub(crate) fn sample_ids() -> Vec<String> {
    samples()
        .into_iter()
        .map(|sample| sample.event_id)
        .collect()
}

impl Sample {
    /// The whole record, in the form of [`super::records`].
    pub(crate) fn expected(&self, signal: Signal) -> Value {
        let (fields, own_attributes) = match signal {
            Signal::Log => ("log", "log_attributes"),
            Signal::Span => ("span", "span_attributes"),
        };
        let object = |name: &str| self.expected[name].as_object().cloned().unwrap_or_default();
        let mut record: Map<String, Value> = object(fields);
        let mut attributes = object("attributes");
        attributes.extend(object(own_attributes));
        record.insert("attributes".into(), attributes.into());
        record.insert(
            "resource".into(),
            json!({"attributes": self.expected["resource"], "schemaUrl": SCHEMA_URL}),
        );
        record.insert("scope".into(), scope());
        record.insert("flags".into(), 1.into()); // sampled
        if signal == Signal::Log {
            // Nothing in it is a secret that AWS has not masked already.
            record.insert("body".into(), self.record.clone().into());
        }
        record.into()
    }
}

fn scope() -> Value {
    json!({
        "name": "qtrail",
        "version": env!("CARGO_PKG_VERSION"),
        "attributes": {"encoding.format": "aws.cloudtrail"},
        "schemaUrl": SCHEMA_URL,
    })
}

/// Writes a trail with each sample once, in several containers, among other services' calls and beside the
/// sample that is published broken.
pub(crate) fn write_samples(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let [message, list_buckets, session, user] = samples().try_into().ok().expect("four samples");
    let log_file = |records: &[&str]| format!("{{\"Records\":[{}]}}", records.join(","));
    let name = |account: &str, time: &str| {
        directory.join(format!(
            "{account}_CloudTrail_us-east-1_{time}_AbCdEfGh12345678.json"
        ))
    };

    let text = log_file(&[NOISE, &message.record, NOISE]);
    write_gzip(
        &name("123456789012", "20231128T1005Z").with_extension("json.gz"),
        &text,
    );
    let text = log_file(&[&list_buckets.record, NOISE]);
    fs::write(name("555555555555", "20240410T1415Z"), text).unwrap();
    let text = log_file(&[&session.record, PASS_REQUEST_BROKEN.trim(), &user.record]);
    write_gzip(
        &name("555555555555", "20240410T2010Z").with_extension("json.gz"),
        &text,
    );
}

/// Writes files of lines with each sample once, among other services' calls, what is no event, and so many
/// messages, whose ids it returns.
pub(crate) fn write_lines(directory: &Path, messages: usize) -> Vec<String> {
    fs::create_dir(directory).unwrap();
    let lines: Vec<_> = samples().iter().map(|s| one_line(&s.record)).collect();
    let [message, list_buckets, session, user] = &lines[..] else {
        panic!("four samples");
    };
    let ids: Vec<_> = (0..messages).map(message_id).collect();
    let many = ids.iter().map(|id| message.replace(MESSAGE_ID, id));
    let many: Vec<_> = many.flat_map(|record| [record, NOISE.to_owned()]).collect();
    let first = [NOISE, message, "not an event", &many.join("\n")].join("\n");
    let second = [NOISE, list_buckets].join("\n");
    let third = [session, PASS_REQUEST_BROKEN.trim(), user].join("\n");
    for (account, time, lines) in [
        ("123456789012", "20231128T1005Z", first),
        ("555555555555", "20240410T1415Z", second),
        ("555555555555", "20240410T2010Z", third),
    ] {
        let name = format!("{account}_CloudTrail_us-east-1_{time}_AbCdEfGh12345678.ndjson");
        // The receiver goes by whole lines.
        fs::write(directory.join(name), lines + "\n").unwrap();
    }
    ids
}

/// JSON text without its line breaks.
pub(crate) fn one_line(record: &str) -> String {
    record.lines().map(str::trim_start).collect()
}

fn message_id(number: usize) -> String {
    format!("a552c487-7d97-403a-8ec4-{number:012x}")
}

fn write_gzip(path: &Path, text: &str) {
    fs::write(path, gzip(text)).unwrap();
}

/// A trail that keeps arriving: files of messages, each with an id of its own, among other calls.
pub(crate) struct Growing {
    directory: PathBuf,
    ids: Vec<String>,
    files: usize,
}

impl Growing {
    const FILES: usize = 5;
    const EVENTS: usize = 40;

    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            ids: Vec::new(),
            files: 0,
        }
    }

    /// Every id so far.
    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// More files arrive, renamed in; the new ids.
    pub(crate) fn grow(&mut self) -> Vec<String> {
        let before = self.ids.len();
        for _ in 0..Self::FILES {
            let mut records = Vec::new();
            for _ in 0..Self::EVENTS {
                let id = message_id(self.ids.len());
                records.push(SEND_MESSAGE.replace(MESSAGE_ID, &id));
                records.push(NOISE.to_owned());
                self.ids.push(id);
            }
            self.files += 1;
            let name = format!(
                "123456789012_CloudTrail_us-east-1_20231128T1005Z_{:016}",
                self.files
            );
            let hidden = self.directory.with_extension("arriving");
            write_gzip(&hidden, &format!("{{\"Records\":[{}]}}", records.join(",")));
            fs::rename(&hidden, self.directory.join(name).with_extension("json.gz")).unwrap();
        }
        self.ids[before..].to_vec()
    }
}
