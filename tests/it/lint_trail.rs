//! `qtrail lint-trail`, by the real binary.

#[cfg(feature = "aws")]
mod online;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::program::{gzip, log_file, qtrail};

const ARN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/my-trail";

/// What `describe-trails` says of a trail of one region, without digests.
fn described() -> Value {
    json!({"trailList": [{
        "Name": "my-trail", "TrailARN": ARN, "HomeRegion": "eu-west-1", "S3BucketName": "my-bucket",
        "IsMultiRegionTrail": false, "IncludeGlobalServiceEvents": true, "LogFileValidationEnabled": false,
        "IsOrganizationTrail": false,
    }]})
}

/// What `get-event-selectors` says of a trail that a console made.
fn selectors() -> Value {
    json!({"TrailARN": ARN, "EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::my-bucket/it's"]}],
        "ExcludeManagementEventSources": []}]})
}

/// A folder with files.
struct Files(tempfile::TempDir);

impl Files {
    fn of(files: &[(&str, &[u8])]) -> Files {
        let files_of = Files(tempfile::tempdir().unwrap());
        for (name, content) in files {
            let path = files_of.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        files_of
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn lint(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = qtrail();
    command
        .arg("lint-trail")
        .args(arguments)
        .args(paths)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The exit code, and the result as JSON.
fn json_of(output: &Output) -> (Option<i32>, Value) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr))
    });
    (output.status.code(), json)
}

/// `level kind` of each finding.
fn found(json: &Value) -> Vec<String> {
    let found = json["findings"].as_array().unwrap().iter();
    let name = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    found
        .map(|finding| format!("{} {}", name(finding, "level"), name(finding, "kind")))
        .collect()
}

fn event(source: &str, category: &str, read_only: bool) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": "2026-11-01T06:00:00Z", "eventSource": source, "eventName": "X",
        "awsRegion": "us-east-1", "recipientAccountId": "111122223333", "eventID": format!("{source}-{read_only}"),
        "eventCategory": category, "managementEvent": category == "Management", "readOnly": read_only,
    })
}

/// The events of a trail that selects all that agents need.
fn events() -> Vec<String> {
    let events = [
        event("q.amazonaws.com", "Management", false),
        event("iam.amazonaws.com", "Management", true),
        event("codewhisperer.amazonaws.com", "Data", false),
        event("aiops.amazonaws.com", "Data", false),
    ];
    let mut elsewhere = event("s3.amazonaws.com", "Management", true);
    elsewhere["awsRegion"] = json!("eu-central-1");
    let events = events.iter().chain([&elsewhere]);
    events.map(Value::to_string).collect()
}

#[test]
fn answers_in_files_give_findings_with_the_commands_that_mend_them() {
    let status = json!({"IsLogging": false, "StopLoggingTime": "2026-11-01T00:00:00Z"});
    let one = format!("{}\n{status}", selectors());
    let files = Files::of(&[
        ("trails", described().to_string().as_bytes()),
        ("one", one.as_bytes()),
    ]);
    let arguments = [
        "--from-aws",
        files.path("trails").to_str().unwrap(),
        "--from-aws",
    ]
    .map(str::to_owned);
    let mut command = qtrail();
    command
        .arg("lint-trail")
        .args(arguments)
        .arg(files.path("one"));
    let table = command.output().unwrap();
    let (exit, json) = json_of(&command.args(["--format", "json"]).output().unwrap());
    assert_eq!((table.status.code(), exit), (Some(1), Some(1)));
    let expected = [
        "finding trail_stopped",
        "finding no_read_events",
        "finding no_codewhisperer_data_events",
        "finding no_integration_data_events",
        "finding no_investigation_data_events",
        "finding not_multi_region",
        "finding no_log_file_validation",
    ];
    assert_eq!(found(&json), expected);
    assert_eq!(json["ok"], false);
    assert_eq!(json["trails"][0]["bucket"], "my-bucket");
    assert_eq!(json["read"], Value::Null);
    // A person sees the same, and each command once.
    let table = text(&table.stdout);
    for finding in json["findings"].as_array().unwrap() {
        assert!(table.contains(finding["kind"].as_str().unwrap()), "{table}");
        for command in finding["commands"].as_array().unwrap() {
            assert_eq!(
                table.matches(command.as_str().unwrap()).count(),
                1,
                "{table}"
            );
        }
    }
    let is_command = |line: &&str| line.starts_with("    aws ");
    for line in table.lines().filter(|line| !is_command(line)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let ignored = ["--ignore", "trail_stopped", "--ignore", "not_multi_region"];
    let (_, json) = json_of(&command.args(ignored).output().unwrap());
    assert_eq!(found(&json), [&expected[1..5], &expected[6..]].concat());
}

/// A shell runs the command that was printed, with a program that stands for AWS's.
#[test]
fn the_printed_command_passes_all_selectors_to_the_aws_command_line() {
    let files = Files::of(&[("one", selectors().to_string().as_bytes())]);
    let output = lint(&["--format", "json", "--from-aws"], &[&files.path("one")]);
    let (_, json) = json_of(&output);
    let command = json["findings"][0]["commands"][0].as_str().unwrap();
    let program = format!("aws() {{ printf '%s\\0' \"$@\"; }}; {command}");
    let Ok(output) = Command::new("bash").args(["-c", &program]).output() else {
        assert!(std::env::var_os("CI").is_none(), "bash is required");
        return;
    };
    let words: Vec<_> = output.stdout.split(|byte| *byte == 0).map(text).collect();
    let named = [
        "cloudtrail",
        "put-event-selectors",
        "--trail-name",
        ARN,
        "--region",
        "eu-west-1",
    ];
    assert_eq!(words[..6], named);
    let passed: Value = serde_json::from_str(&words[7]).unwrap();
    let kept = json!({"Name": "AWS::S3::Object", "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "readOnly", "Equals": ["false"]},
        {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::my-bucket/it's"]}]});
    assert!(passed.as_array().unwrap().contains(&kept), "{passed:#}");
    // What it makes of the trail has no fault.
    let after = json!({"TrailARN": ARN, "AdvancedEventSelectors": passed});
    let files = Files::of(&[("one", after.to_string().as_bytes())]);
    let output = lint(&["--format", "json", "--from-aws"], &[&files.path("one")]);
    assert_eq!(found(&json_of(&output).1), ["hint not_known"]);
}

#[test]
fn answers_may_be_piped() {
    let mut command = qtrail();
    command.args(["lint-trail", "--format", "json", "--from-aws", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Of long ago: this is when AWS said so, since a pipe has no age.
    let status =
        json!({"IsLogging": true, "LatestDeliveryTime": 1.7e9, "LatestDigestDeliveryTime": 1.7e9});
    let mut trail = described()["trailList"][0].clone();
    trail["LogFileValidationEnabled"] = json!(true);
    write!(
        child.stdin.take().unwrap(),
        "{}{status}",
        json!({"Trail": trail})
    )
    .unwrap();
    let (exit, json) = json_of(&child.wait_with_output().unwrap());
    assert_eq!(exit, Some(1));
    assert!(
        found(&json).contains(&"finding delivery_stale".to_owned()),
        "{json:#}"
    );
}

#[test]
fn a_file_that_is_no_answer_is_named_with_the_remedy() {
    let files = Files::of(&[
        ("yaml", b"trailList:\n- Name: my-trail\n"),
        ("events", log_file(&events()).as_slice()),
        ("large", &vec![b' '; (16 << 20) + 1]),
        (
            "bad",
            br#"{"IsLogging":true,"StopLoggingTime":"\u001b[2J"}"#,
        ),
    ]);
    for (name, words) in [
        ("yaml", "--output json"),
        ("events", "describe-trails"),
        ("large", "16777216 bytes"),
        ("bad", "another shape"),
        ("missing", "No such file"),
    ] {
        let output = lint(&["--from-aws"], &[&files.path(name)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(words) && said.contains(files.path(name).to_str().unwrap()),
            "{said}"
        );
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn arguments_that_ask_for_nothing_are_wrong_usage() {
    let files = Files::of(&[("one", selectors().to_string().as_bytes())]);
    let one = files.path("one");
    let one = one.to_str().unwrap();
    for (arguments, words) in [
        (&[][..], "--from-aws FILE"),
        (&["--trail", "t", "."], "--trail needs"),
        (&["--region", "us-east-1", "."], "--online"),
        (&["--from-aws", "-", "-"], "named twice"),
        (&["--ignore", "everything", "."], "everything"),
        (
            &["--from-aws", one, "--trail", "other"],
            "there are: my-trail",
        ),
    ] {
        let output = lint(arguments, &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    for named in ["my-trail", ARN] {
        let output = lint(&["--from-aws", one, "--trail", named], &[]);
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn texts_of_answers_cannot_control_a_terminal() {
    let hostile = "\u{1b}[2J\u{202e}'$(touch x)";
    let answers = json!({"trailList": [{
        "Name": hostile, "TrailARN": format!("arn:aws:cloudtrail:{hostile}:1:trail/{hostile}"),
        "HomeRegion": hostile, "S3BucketName": hostile, "KmsKeyId": hostile, "SnsTopicARN": hostile,
        "S3KeyPrefix": hostile, "IsMultiRegionTrail": false, "LogFileValidationEnabled": false,
    }]});
    let errors = [
        "LatestDeliveryError",
        "LatestDigestDeliveryError",
        "LatestNotificationError",
    ];
    let mut status = json!({"IsLogging": false});
    for (error, cause) in errors
        .iter()
        .zip(["NoSuchBucket", "KMS disabled", "denied"])
    {
        status[error] = json!(format!("{cause}{hostile}"));
    }
    let text_of = format!("{answers}{status}");
    let files = Files::of(&[("a", text_of.as_bytes())]);
    let output = lint(&["--from-aws"], &[&files.path("a")]);
    let table = text(&output.stdout);
    assert!(table.contains("delivery_error"), "{table}");
    assert!(!table.contains(['\u{1b}', '\u{202e}']), "{table}");
    let output = lint(&["--trail", "x", "--from-aws"], &[&files.path("a")]);
    let said = text(&output.stderr);
    assert!(said.contains("there are: "), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    // No command of them runs what is in a text.
    let place = tempfile::tempdir().unwrap();
    let commands = table.lines().filter(|line| line.starts_with("    aws "));
    for command in commands {
        let program = format!("aws() {{ :; }}; jq() {{ echo x; }}; {command}");
        let run = Command::new("bash")
            .args(["-c", &program])
            .current_dir(place.path())
            .status();
        assert!(run.is_ok_and(|status| status.success()), "{command}");
    }
    assert!(!place.path().join("x").exists());
}

#[test]
fn a_copy_that_lacks_nothing_has_no_hint_and_one_that_does_has() {
    let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0600Z_Abcdefghijklmnop.json.gz";
    let digest_key = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/01/111122223333_CloudTrail-Digest_us-east-1_my-trail_eu-west-1_20261101T060000Z.json.gz";
    let digest =
        json!({"awsAccountId": "1", "digestEndTime": "2026-11-01T06:00:00Z", "logFiles": []})
            .to_string();
    let (all, digest) = (gzip(log_file(&events())), gzip(digest.into_bytes()));
    let files = Files::of(&[(key, &all), (digest_key, &digest)]);
    let (exit, json) = json_of(&lint(&["--format", "json"], &[files.0.path()]));
    assert_eq!((exit, found(&json)), (Some(0), Vec::new()), "{json:#}");
    assert_eq!(json["read"]["events"], 5);
    assert_eq!(json["read"]["digests"], 1);
    assert_eq!(
        (&json["ok"], &json["complete"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        json["read"]["regions"],
        json!(["eu-central-1", "us-east-1"])
    );

    let some = gzip(log_file(&events()[..1]));
    let files = Files::of(&[(key, &some)]);
    let (exit, json) = json_of(&lint(&["--format", "json"], &[files.0.path()]));
    let expected = [
        "hint no_read_events",
        "hint no_codewhisperer_data_events",
        "hint no_investigation_data_events",
        "hint not_multi_region",
        "hint no_global_service_events",
        "hint no_log_file_validation",
    ];
    assert_eq!(exit, Some(0), "hints fail nothing");
    assert_eq!(found(&json), expected, "{json:#}");
}

#[test]
fn what_aws_says_outweighs_what_was_read() {
    let some = log_file(&events()[..1]);
    let one = format!("{}{}", described(), selectors());
    let files = Files::of(&[("trail/a.json", &some), ("one", one.as_bytes())]);
    let one = files.path("one");
    let (_, json) = json_of(&lint(
        &["--format", "json", "--from-aws", one.to_str().unwrap()],
        &[&files.path("trail")],
    ));
    let found = found(&json);
    let hints: Vec<_> = found
        .iter()
        .filter(|found| found.starts_with("hint"))
        .collect();
    assert_eq!(hints, ["hint not_known"], "{found:?}");
    assert!(
        found.contains(&"finding no_codewhisperer_data_events".to_owned()),
        "{found:?}"
    );
}

#[test]
fn events_of_eventbridge_alone_are_a_finding() {
    let delivered = |event: &str| {
        let event: Value = serde_json::from_str(event).unwrap();
        json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.q", "detail": event}).to_string()
    };
    let lines: Vec<_> = events()[..2].iter().map(|event| delivered(event)).collect();
    let message = json!({"Messages": [{"ReceiptHandle": "r", "Body": lines[0]}]}).to_string();
    let files = Files::of(&[
        ("bus/a.jsonl", lines.join("\n").as_bytes()),
        ("bus/b.json", message.as_bytes()),
    ]);
    let bus = files.path("bus");
    let (exit, json) = json_of(&lint(&["--format", "json"], &[&bus]));
    assert_eq!(
        (exit, found(&json)),
        (Some(1), vec!["finding eventbridge_only".to_owned()]),
        "{json:#}"
    );
    assert_eq!(json["read"]["by_event_bridge"], 3);
    // A text inside an event that looks like EventBridge's is none.
    let mut forged = event("q.amazonaws.com", "Management", false);
    forged["requestParameters"] =
        json!({"detail-type": "AWS API Call via CloudTrail", "detail": {}});
    let files = Files::of(&[("a.json", &log_file(&[forged.to_string()]))]);
    let (_, json) = json_of(&lint(&["--format", "json"], &[files.0.path()]));
    assert_eq!(json["read"]["by_event_bridge"], 0);
    assert!(!found(&json).contains(&"finding eventbridge_only".to_owned()));
}

#[test]
fn nothing_that_was_read_is_no_proof() {
    let files = Files::of(&[("a/empty.json", b"")]);
    for path in ["a", "a/empty.json"] {
        let output = lint(&[], &[&files.path(path)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no CloudTrail event was read"), "{said}");
        let table = text(&output.stdout);
        assert!(table.contains("NOT everything"), "{table}");
    }
}
