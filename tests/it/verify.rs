//! `qtrail verify` on a copy that a script signed, which shares nothing with qtrail.

#[cfg(feature = "aws")]
pub(crate) mod bucket;
pub(crate) mod watched;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::program::{gunzip, gzip, qtrail};

/// A copy of a bucket, and what a verification must find.
pub(crate) struct Signed {
    folder: tempfile::TempDir,
    pub(crate) expected: Value,
}

impl Signed {
    /// Made once for all tests; `None` where there is no Python or no openssl, which is said.
    pub(crate) fn get(test: &str) -> Option<&'static Signed> {
        static MADE: OnceLock<Option<Signed>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let has = |program: &str| Command::new(program).arg("version").output().is_ok();
            if !has("python3") || !has("openssl") {
                return None;
            }
            let folder = tempfile::tempdir().unwrap();
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ground_truth/digests.py");
            let output = Command::new("python3")
                .arg(script)
                .arg(folder.path())
                .output();
            let output = output.unwrap();
            let diagnostics = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{diagnostics}");
            let expected = serde_json::from_slice(&output.stdout).unwrap();
            Some(Signed { folder, expected })
        });
        if made.is_none() {
            assert!(
                std::env::var_os("CI").is_none(),
                "python3 and openssl are required"
            );
            let line = format!("verify::{test} skipped: no python3, or no openssl\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        made.as_ref()
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// A copy of the copy, to be changed.
    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for key in self.files("") {
            let path = copy.path().join(&key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(self.bucket().join(&key), path).unwrap();
        }
        copy
    }

    /// The keys with this text in them, in their order.
    pub(crate) fn files(&self, part: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.bucket()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push(path),
                }
            }
        }
        let keys = found
            .iter()
            .map(|path| path.strip_prefix(self.bucket()).unwrap());
        let keys = keys.map(|key| key.to_str().unwrap().to_owned());
        let mut keys: Vec<_> = keys.filter(|key| key.contains(part)).collect();
        keys.sort();
        keys
    }

    fn verify(&self, source: &Path, arguments: &[&str]) -> Output {
        let mut command = qtrail();
        command
            .arg("verify")
            .arg(source)
            .arg("--public-keys")
            .arg(self.keys());
        command.args(arguments).output().unwrap()
    }

    fn json(&self, source: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.verify(source, &[arguments, &["--format", "json"]].concat());
        let diagnostics = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}: {}{diagnostics}",
                String::from_utf8_lossy(&output.stdout)
            )
        });
        (output.status.code(), json)
    }
}

/// The sum of a number over all regions.
pub(crate) fn sum(json: &Value, name: &str) -> u64 {
    let regions = json["regions"].as_array().unwrap();
    regions
        .iter()
        .map(|region| region[name].as_u64().unwrap())
        .sum()
}

/// The kinds of failures, with the last parts of the names.
fn failures(json: &Value) -> Vec<(String, String)> {
    let findings = json["findings"].as_array().unwrap();
    let failures = findings.iter().filter(|finding| finding["failure"] == true);
    let failures = failures.map(|finding| {
        let text = |name: &str| finding[name].as_str().unwrap().to_owned();
        let object = text("object");
        (text("kind"), object.rsplit('/').next().unwrap().to_owned())
    });
    failures.collect()
}

pub(crate) fn name(key: &str) -> String {
    key.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn what_another_program_signed_is_verified() {
    let Some(signed) = Signed::get("what_another_program_signed_is_verified") else {
        return;
    };
    let [first, end] = ["first", "end"].map(|name| signed.expected[name].as_str().unwrap());
    for arguments in [&[][..], &["--to", end], &["--from", first, "--to", end]] {
        let (exit, json) = signed.json(&signed.bucket(), arguments);
        assert_eq!(exit, Some(0), "{json:#}");
        assert_eq!(json["verified"], true);
        for count in ["digests", "log_files"] {
            assert_eq!(sum(&json, count), signed.expected[count], "{json:#}");
        }
        for (kind, count) in signed.expected["findings"].as_object().unwrap() {
            let findings = json["findings"].as_array().unwrap().iter();
            let found = findings.filter(|finding| finding["kind"] == **kind).count();
            assert_eq!(found as u64, count.as_u64().unwrap(), "{kind}");
        }
    }
    let (_, json) = signed.json(&signed.bucket(), &["--all"]);
    assert_eq!(sum(&json, "not_yet"), signed.expected["not_yet"]);
    let all = json["findings"].as_array().unwrap().len() as u64;
    let listed = ["digests", "log_files", "not_yet"].map(|count| sum(&json, count));
    assert_eq!(all, listed.iter().sum::<u64>() + 3);
}

#[test]
fn a_part_of_the_bucket_can_be_verified_from_a_folder_of_it() {
    let Some(signed) = Signed::get("a_part_of_the_bucket_can_be_verified_from_a_folder_of_it")
    else {
        return;
    };
    for folder in [
        "logs",
        "logs/AWSLogs",
        "logs/AWSLogs/o-abcde12345/111122223333",
    ] {
        let (exit, json) = signed.json(&signed.bucket().join(folder), &[]);
        assert_eq!(exit, Some(0), "{folder}: {json:#}");
        assert_eq!(json["regions"][0]["account"], "111122223333");
    }
    // One below, the log files are not in it; one above, the keys are others.
    let digests = signed
        .bucket()
        .join("logs/AWSLogs/o-abcde12345/111122223333/CloudTrail-Digest");
    assert_eq!(signed.json(&digests, &[]).0, Some(1));
    let (exit, json) = signed.json(signed.bucket().parent().unwrap(), &[]);
    assert_eq!(exit, Some(1));
    assert!(
        failures(&json)
            .iter()
            .any(|(kind, _)| kind == "wrong_place")
    );
}

#[test]
fn damage_on_disk_is_found_file_by_file() {
    let Some(signed) = Signed::get("damage_on_disk_is_found_file_by_file") else {
        return;
    };
    let logs = signed.files("/CloudTrail/us-east-1/2026/10/31");
    let digests: Vec<_> = signed.files("/CloudTrail-Digest/ap-southeast-2/2026/10/31");
    let copy = signed.copy();
    let path = |key: &str| copy.path().join(key);
    let bytes = fs::read(path(&digests[1])).unwrap();
    fs::write(path(&digests[1]), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(path(&logs[0]), gzip("{}")).unwrap();
    fs::remove_file(path(&logs[1])).unwrap();
    // A link to the very file is no file of the copy.
    let elsewhere = copy.path().join("elsewhere");
    fs::rename(path(&logs[2]), &elsewhere).unwrap();
    symlink(&elsewhere, path(&logs[2])).unwrap();
    let hostile = path(&logs[0]).with_file_name("\u{1b}[2J\u{202e}\n\u{65e5}.json.gz");
    fs::write(&hostile, gzip("{}")).unwrap();
    let (exit, json) = signed.json(copy.path(), &[]);
    assert_eq!(exit, Some(1));
    assert_eq!(json["verified"], false);
    let found = failures(&json);
    for (kind, object) in [
        ("changed", name(&digests[1])),
        ("changed", name(&logs[0])),
        ("missing_log_file", name(&logs[1])),
        ("unreadable", name(&logs[2])),
        ("unlisted_log_file", name(hostile.to_str().unwrap())),
    ] {
        assert!(
            found.contains(&(kind.to_owned(), object.clone())),
            "{kind} {object}: {json:#}"
        );
    }
    let table = signed.verify(copy.path(), &[]);
    assert_eq!(table.status.code(), Some(1));
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(text.contains("NOT all is verified"));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn the_table_lists_the_first_findings_of_a_kind_and_counts_the_others() {
    let Some(signed) =
        Signed::get("the_table_lists_the_first_findings_of_a_kind_and_counts_the_others")
    else {
        return;
    };
    let copy = signed.copy();
    let day = Path::new(&signed.files("/CloudTrail/us-east-1/2026/10/31")[0])
        .parent()
        .unwrap()
        .to_owned();
    for file in 0..23 {
        let name = format!("evil-{file}.json.gz");
        fs::write(copy.path().join(&day).join(name), gzip("{}")).unwrap();
    }
    let output = signed.verify(copy.path(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("evil-").count(), 20, "{text}");
    assert!(
        text.contains("unlisted_log_file: 3 more in 111122223333 us-east-1"),
        "{text}"
    );
    assert_eq!(failures(&signed.json(copy.path(), &[]).1).len(), 23);
}

#[test]
fn without_its_answer_the_last_digest_is_a_finding_with_the_command() {
    let Some(signed) =
        Signed::get("without_its_answer_the_last_digest_is_a_finding_with_the_command")
    else {
        return;
    };
    let copy = signed.copy();
    let answers = signed.files(".head.json");
    let last = answers.last().unwrap();
    fs::remove_file(copy.path().join(last)).unwrap();
    let (exit, json) = signed.json(copy.path(), &[]);
    assert_eq!(exit, Some(1));
    let finding = &json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["kind"] == "no_signature")
        .unwrap();
    let message = finding["message"].as_str().unwrap();
    let digest = last.strip_suffix(".head.json").unwrap();
    let command = format!("aws s3api head-object --bucket example-trail --key {digest}");
    assert!(
        message.contains(&command) && message.contains(last),
        "{message}"
    );
    for (answer, exit) in [
        ("{}", 1),
        ("", 1),
        (r#"{"Metadata":{"signature":"zz"}}"#, 1),
    ] {
        fs::write(copy.path().join(last), answer).unwrap();
        assert_eq!(signed.json(copy.path(), &[]).0, Some(exit), "{answer}");
    }
}

#[test]
fn digests_must_be_there_up_to_the_end_of_the_range() {
    let Some(signed) = Signed::get("digests_must_be_there_up_to_the_end_of_the_range") else {
        return;
    };
    let (exit, json) = signed.json(&signed.bucket(), &["--to", "2026-11-01T15:01:31Z"]);
    assert_eq!(exit, Some(1));
    let findings = json["findings"].as_array().unwrap().iter();
    let missing: Vec<_> = findings.filter(|f| f["kind"] == "missing_digest").collect();
    assert_eq!(missing.len(), 2, "one for each region: {json:#}");
    assert!(missing.iter().all(|finding| finding["count"] == 3));
    let from = signed.json(&signed.bucket(), &["--from", "2026-10-31T23:00:00Z"]);
    assert_eq!(from.0, Some(0), "{:#}", from.1);
    // Long after: nothing is there, although there was.
    let (exit, json) = signed.json(
        &signed.bucket(),
        &["--from", "2026-11-08", "--to", "2026-11-09"],
    );
    assert_eq!(exit, Some(1));
    assert_eq!(failures(&json).len(), 2, "{json:#}");
}

#[test]
fn wrong_usage_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let keys = empty.path().join("keys.json");
    let run = |arguments: &[&str]| {
        let output = qtrail().arg("verify").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let folder = empty.path().to_str().unwrap();
    let (exit, said) = run(&[folder]);
    assert_eq!(exit, Some(2));
    assert!(
        said.contains("--public-keys") && said.contains("list-public-keys"),
        "{said}"
    );
    let keys = keys.to_str().unwrap();
    for content in [None, Some("{}"), Some("")] {
        if let Some(content) = content {
            fs::write(keys, content).unwrap();
        }
        let (exit, said) = run(&[folder, "--public-keys", keys]);
        assert_eq!(exit, Some(2));
        assert!(said.contains(keys), "{said}");
    }
    let known = r#"{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"a"}]}"#;
    fs::write(keys, known).unwrap();
    let (exit, said) = run(&[folder, "--public-keys", keys]);
    assert_eq!(exit, Some(1), "nothing is not everything");
    assert!(said.contains("CloudTrail-Digest"), "{said}");
    let missing = format!("{folder}/no");
    for source in [&*missing, keys] {
        let (exit, said) = run(&[source, "--public-keys", keys]);
        assert_eq!(exit, Some(1));
        assert!(said.contains(source), "{said}");
    }
    let range = ["--from", "2026-11-02", "--to", "2026-11-01"];
    let (exit, said) = run(&[&[folder, "--public-keys", keys], &range[..]].concat());
    assert_eq!(exit, Some(2));
    assert!(said.contains("--from"), "{said}");
}

#[test]
fn a_digest_that_nobody_signed_hides_nothing_behind_it() {
    let Some(signed) = Signed::get("a_digest_that_nobody_signed_hides_nothing_behind_it") else {
        return;
    };
    let copy = signed.copy();
    let path = |key: &str| copy.path().join(key);
    let digests = signed.files("/CloudTrail-Digest/us-east-1/2026/11/01");
    let digests: Vec<_> = digests
        .iter()
        .filter(|key| key.ends_with(".json.gz"))
        .collect();
    let forged = digests[1];
    for (start, end) in [
        ("9998-01-01T00:00:00Z", "9998-01-01T01:00:00Z"),
        ("1970-01-01T00:00:00Z", "2026-11-01T01:01:31Z"),
    ] {
        let content = serde_json::json!({
            "digestStartTime": start, "digestEndTime": end, "digestS3Bucket": "example-trail",
            "digestS3Object": forged, "digestPublicKeyFingerprint": "none", "logFiles": [],
        });
        fs::write(path(forged), gzip(content.to_string())).unwrap();
        fs::write(
            path(&format!("{forged}.head.json")),
            r#"{"Metadata":{"signature":"00"}}"#,
        )
        .unwrap();
        let gone = &signed.files("/CloudTrail/us-east-1/2026/11/01");
        for key in gone.iter().skip(2) {
            let _ = fs::remove_file(path(key));
        }
        let until = signed.expected["end"].as_str().unwrap();
        for arguments in [&["--to", until][..], &[]] {
            let (exit, json) = signed.json(copy.path(), arguments);
            assert_eq!(exit, Some(1), "{start}");
            let found = failures(&json);
            assert!(
                found.contains(&("changed".to_owned(), name(forged))),
                "{found:?}"
            );
            let missing = found.iter().filter(|(kind, _)| kind == "missing_log_file");
            assert!(missing.count() >= 1, "{found:?}");
        }
    }
}

#[test]
fn what_only_an_unsigned_digest_names_is_not_missing() {
    let Some(signed) = Signed::get("what_only_an_unsigned_digest_names_is_not_missing") else {
        return;
    };
    let copy = signed.copy();
    let answers = signed.files("us-east-1_my_trail-1_eu-west-1_20261101T120131Z.json.gz.head.json");
    let last = answers[0].strip_suffix(".head.json").unwrap();
    fs::remove_file(copy.path().join(&answers[0])).unwrap();
    let bytes = fs::read(signed.bucket().join(last)).unwrap();
    let mut digest: Value = serde_json::from_slice(&gunzip(&bytes)).unwrap();
    let made_up = serde_json::json!({"s3Bucket": "example-trail", "s3Object": "x", "hashValue": "", "hashAlgorithm": "SHA-256"});
    digest["logFiles"] = vec![made_up; 100].into();
    fs::write(copy.path().join(last), gzip(digest.to_string())).unwrap();
    let (exit, json) = signed.json(copy.path(), &[]);
    assert_eq!(exit, Some(1));
    let found = failures(&json);
    assert!(
        found.contains(&("no_signature".to_owned(), name(last))),
        "{found:?}"
    );
    assert!(
        found.iter().all(|(kind, _)| kind != "missing_log_file"),
        "{found:?}"
    );
}
