//! No secret of a trail leaves the machine, whatever the output looks like.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::program::qtrail;

const TOKENS: &str = include_str!("../fixtures/tokens-in-odd-places.json");

/// Parts of the tokens, signatures and assertions in it.
const SECRETS: &[&str] = &["IQoJb3", "TESTTEST", "3f9a3f9a"];

/// All that the program writes to its outputs, and its exit code.
fn written(arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = qtrail();
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

/// Asserts that no secret is shown by any output of a trail.
fn shows_none(trail: &str, secrets: &[&str], events: usize) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    std::fs::write(&file, trail).unwrap();
    let is_safe = |text: &str, what: &str| {
        for secret in secrets {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    };
    for body in ["original", "map", "none"] {
        for maps in [true, false] {
            let config = dir.path().join("config.yaml");
            std::fs::write(
                &config,
                format!("body: {body}\nmaps: {maps}\nselect: all\n"),
            )
            .unwrap();
            for format in ["otlp", "events"] {
                let arguments = [
                    "convert",
                    "--config",
                    path(&config),
                    "--format",
                    format,
                    path(&file),
                ];
                let (text, exit) = written(&arguments);
                assert_eq!(exit, Some(0), "{text}");
                is_safe(&text, &format!("{format} with body {body} and maps {maps}"));
                assert!(text.contains(&format!("{events} exported")), "{text}");
                assert!(text.contains("[REDACTED]"), "{text}");
            }
        }
    }
    let (text, exit) = written(&["explain", "--select", "all", "--all", path(&file)]);
    assert_eq!(exit, Some(0), "{text}");
    is_safe(&text, "explain");
}

#[test]
fn tokens_in_odd_places_are_shown_nowhere() {
    shows_none(TOKENS, SECRETS, 5);
    // The same with the tokens in JSON texts, as people log them.
    let mut trail: Value = serde_json::from_str(TOKENS).unwrap();
    for record in trail["Records"].as_array_mut().unwrap() {
        for object in ["requestParameters", "responseElements"] {
            let text = record[object].to_string();
            record["additionalEventData"][object] = json!({"logged": format!("sent {text}")});
            record[object] = json!({"payload": text, "twice": json!({"a": text}).to_string()});
        }
    }
    shows_none(&trail.to_string(), SECRETS, 5);
}

#[test]
fn a_dead_letters_reason_and_the_log_show_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let (file, letters) = (
        dir.path().join("trail.json"),
        dir.path().join("letters.jsonl"),
    );
    let token = "IQoJb3JpZ2luX2VjTESTTESTTESTTESTTESTTEST0123456789";
    let mut trail: Value = serde_json::from_str(TOKENS).unwrap();
    for record in trail["Records"].as_array_mut().unwrap() {
        record["eventTime"] = json!(format!("at {token}"));
    }
    std::fs::write(&file, trail.to_string()).unwrap();
    let arguments = [
        "convert",
        "--select",
        "all",
        "--dead-letters",
        path(&letters),
        path(&file),
    ];
    let (text, _) = written(&arguments);
    assert!(text.contains("eventTime is no RFC 3339 time"), "{text}");
    let kept = std::fs::read_to_string(&letters).unwrap();
    assert_eq!(kept.lines().count(), 5);
    let messages: Vec<String> = kept
        .lines()
        .map(|line| {
            let letter: Value = serde_json::from_str(line).unwrap();
            // The record itself is kept as it came, to be replayed.
            assert!(letter["record"].as_str().unwrap().contains(token));
            letter["message"].to_string()
        })
        .collect();
    let (explained, _) = written(&["explain", "--index", "0", path(&file)]);
    for text in [text, explained, messages.concat()] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
