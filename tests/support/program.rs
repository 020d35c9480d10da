//! The real binary, run to its end.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The path of the program under test.
pub const QTRAIL: &str = env!("CARGO_BIN_EXE_qtrail");

/// A command that sees none of this machine's configuration.
pub fn qtrail() -> Command {
    let mut command = Command::new(QTRAIL);
    command.env_clear().stdin(Stdio::null());
    command
}

/// What `qtrail convert` made of something.
#[derive(Debug)]
pub struct Converted {
    pub exit: i32,
    pub stderr: String,
    /// The JSON summary.
    pub summary: Value,
    /// The log records, of all lines.
    pub logs: Vec<Value>,
    /// The spans, of all lines.
    pub spans: Vec<Value>,
    /// The dead letters.
    pub dead_letters: Vec<Value>,
}

impl Converted {
    pub fn count(&self, name: &str) -> u64 {
        self.summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name} in {}", self.summary))
    }

    /// The `aws.cloudtrail.event_id` of each log record.
    pub fn event_ids(&self) -> Vec<String> {
        self.logs
            .iter()
            .filter_map(|log| attribute(log, "aws.cloudtrail.event_id"))
            .collect()
    }
}

/// A string attribute of a log record or span in OTLP's JSON.
pub fn attribute(record: &Value, key: &str) -> Option<String> {
    let attributes = record["attributes"].as_array()?;
    let found = attributes.iter().find(|a| a["key"] == key)?;
    Some(found["value"]["stringValue"].as_str()?.to_owned())
}

/// Runs `qtrail convert --summary json` on bytes in a file of this name.
pub fn convert(name: &str, content: &[u8], arguments: &[&str]) -> Converted {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    convert_path(&file, arguments)
}

/// Runs `qtrail convert --summary json` on a path.
pub fn convert_path(path: &Path, arguments: &[&str]) -> Converted {
    let folder = tempfile::tempdir().unwrap();
    let dead_letters = folder.path().join("dead.jsonl");
    let output = qtrail()
        .arg("convert")
        .arg(path)
        .args(["--summary", "json", "--dead-letters"])
        .arg(&dead_letters)
        .args(arguments)
        .output()
        .unwrap();
    converted(&output, dead_letters)
}

/// Runs `qtrail convert - --summary json` on bytes that come by standard input.
pub fn convert_piped(content: &[u8]) -> Converted {
    let folder = tempfile::tempdir().unwrap();
    let (input, dead_letters) = (folder.path().join("in"), folder.path().join("dead.jsonl"));
    std::fs::write(&input, content).unwrap();
    let output = qtrail()
        .args(["convert", "-", "--summary", "json", "--dead-letters"])
        .arg(&dead_letters)
        .stdin(std::fs::File::open(input).unwrap())
        .output()
        .unwrap();
    converted(&output, dead_letters)
}

fn converted(output: &Output, dead_letters: PathBuf) -> Converted {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = stderr
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok());
    let lines = json_lines(&output.stdout);
    let all = |outer, scope, inner| {
        let found = lines.iter().map(|line| records(line, outer, scope, inner));
        found.flatten().collect()
    };
    Converted {
        exit: output.status.code().unwrap_or(-1),
        summary: summary.unwrap_or_else(|| panic!("no summary on the last line of:\n{stderr}")),
        logs: all("resourceLogs", "scopeLogs", "logRecords"),
        spans: all("resourceSpans", "scopeSpans", "spans"),
        dead_letters: std::fs::read(dead_letters)
            .map(|bytes| json_lines(&bytes))
            .unwrap_or_default(),
        stderr,
    }
}

/// The records in a line of OTLP's JSON.
pub fn records(line: &Value, outer: &str, scope: &str, inner: &str) -> Vec<Value> {
    let below = |values: Vec<Value>, key: &str| {
        let lists = values
            .into_iter()
            .filter_map(|v| v[key].as_array().cloned());
        lists.flatten().collect::<Vec<_>>()
    };
    below(below(below(vec![line.clone()], outer), scope), inner)
}

/// JSON lines, all of them whole.
pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    assert!(
        bytes.is_empty() || bytes.ends_with(b"\n"),
        "half a line at the end"
    );
    bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Compresses into one gzip member.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// What gzip members hold.
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut text)
        .unwrap();
    text
}

/// A small message event of Amazon Q, as JSON text.
pub fn event(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","accountId":"111122223333","userName":"mary"}},"eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com","eventName":"SendMessage","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"test","requestParameters":{{"conversationId":"a298ec0d-0a49-4d2e-92bd-7d6e629b4619"}},"responseElements":null,"eventID":"{id}","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
    )
}

/// A CloudTrail log file of these records.
pub fn log_file<S: AsRef<str>>(records: &[S]) -> Vec<u8> {
    let records: Vec<&str> = records.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(",")).into_bytes()
}
