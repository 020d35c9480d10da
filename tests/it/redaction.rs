//! No secret of a trail leaves the machine, whatever the output looks like.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::program::qtrail;
use crate::support::sidecar::{Sidecar, balance};

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

/// Names, ids, addresses and access keys of the demo's people.
fn people(trail: &str) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    // Beside the events, there are messages of dead letters.
    for line in trail.lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).unwrap();
        for key in [
            "user.name",
            "user.id",
            "enduser.id",
            "aws.principal.id",
            "aws.access_key.id",
            "aws.role_session.name",
            "client.address",
            "source.address",
        ] {
            let Some(text) = event[key].as_str() else {
                continue;
            };
            let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
            if !text.ends_with(".amazonaws.com") && text != "AWS Internal" && !is_account {
                found.extend(text.split(':').map(str::to_owned));
            }
        }
    }
    found.retain(|text| text.len() > 3);
    found.into_iter().collect()
}

#[test]
fn with_pseudonyms_no_output_names_anyone_and_the_key_finds_everyone_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = path(dir.path());
    let (text, exit) = written(&["demo", "--dir", folder]);
    assert_eq!(exit, Some(0), "{text}");
    let trail = dir.path().join("trail");
    let plain_config = dir.path().join("plain.yaml");
    std::fs::write(&plain_config, "select: agents\n").unwrap();
    let of = |config: &Path, arguments: &[&str]| {
        let mut command = qtrail();
        let output = command
            .args(arguments)
            .args(["--config", path(config)])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let flat = [
        "convert",
        "--format",
        "events",
        path(&trail),
        "-q",
        "--summary",
        "none",
    ];
    let plain = of(&plain_config, &flat);
    let names = people(&plain);
    assert!(names.len() > 6, "vacuous: {names:?}");
    let key = dir.path().join("key");
    std::fs::write(&key, "a key that nobody guesses\n").unwrap();
    // One person has all of these names and ids.
    let table = dir.path().join("people.csv");
    let is_address = |name: &&str| name.parse::<std::net::IpAddr>().is_ok();
    let all = names.iter().map(String::as_str);
    let ids: Vec<_> = all.filter(|name| !is_address(name)).collect();
    let row = format!("employee-0,Person of the table,{}\n", ids.join(","));
    std::fs::write(&table, row).unwrap();
    for table in [None, Some(&table)] {
        let config = dir.path().join("pseudonyms.yaml");
        let mut text = format!(
            "select: agents\nredact: {{users: hash, source_ip: hash, access_key_id: hash, key: '${{file:{}}}'}}\n",
            path(&key)
        );
        if let Some(table) = table {
            text += &format!("identities: {}\n", path(table));
        }
        std::fs::write(&config, text).unwrap();
        let outputs = with_pseudonyms(&of, &config, &trail, &flat);
        let of_table = ["employee-0", "of the table"];
        let hidden = names.iter().map(String::as_str).chain(of_table);
        for output in &outputs {
            for name in hidden.clone().chain(["nobody guesses"]) {
                assert!(!output.contains(name), "{name} is shown: {output}");
            }
        }
        for name in &names {
            let said = of(&config, &["pseudonym", name]);
            let pseudonym = said.lines().next().unwrap_or_default();
            assert!(
                pseudonym.starts_with("p-") && outputs[0].contains(pseudonym),
                "{name}: {pseudonym} is not in {}",
                outputs[0]
            );
        }
    }
}

/// All outputs of a trail.
fn with_pseudonyms(
    of: &dyn Fn(&Path, &[&str]) -> String,
    config: &Path,
    trail: &Path,
    flat: &[&str],
) -> Vec<String> {
    let mut outputs = vec![
        of(config, flat),
        of(config, &["convert", path(trail), "-q"]),
        of(config, &["convert", path(trail), "-q", "--assemble"]),
        of(config, &["run", "--print-config", path(trail)]),
    ];
    for format in ["table", "csv", "json", "html"] {
        outputs.push(of(config, &["report", "--format", format, path(trail)]));
    }
    for file in std::fs::read_dir(trail).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            outputs.push(of(config, &["explain", "--all", path(&file)]));
        }
    }
    outputs
}

#[tokio::test(flavor = "multi_thread")]
async fn with_pseudonyms_a_running_sidecar_names_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (text, exit) = written(&["demo", "--dir", path(dir.path())]);
    assert_eq!(exit, Some(0), "{text}");
    let trail = dir.path().join("trail");
    let flat = ["convert", "--format", "events", "--select", "agents", "-q"];
    let (plain, _) = written(&[&flat[..], &[path(&trail)]].concat());
    let names = people(&plain);
    assert!(names.len() > 6, "vacuous: {names:?}");
    // Records that become dead letters, whose headlines the page shows.
    let broken = names.iter().map(|name| {
        json!({
            "eventVersion": "1.11", "eventSource": "q.amazonaws.com", "eventName": "SendMessage",
            "eventID": "a", "userIdentity": {"type": "IAMUser", "userName": name},
        })
    });
    let broken = json!({"Records": broken.collect::<Vec<_>>()});
    std::fs::write(trail.join("broken.json"), broken.to_string()).unwrap();
    let (output, config) = (dir.path().join("out.jsonl"), dir.path().join("run.yaml"));
    std::fs::write(
        &config,
        "select: agents\nmanifest: true\nredact: {users: hash, source_ip: hash, access_key_id: hash, key: a key that nobody guesses}\n",
    )
    .unwrap();
    let mut command = qtrail();
    command
        .args(["run", path(&trail), "--config", path(&config)])
        .args(["--output", path(&output)])
        .arg("--state")
        .arg(dir.path().join("state"))
        .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
        .env("QTRAIL_DIRECTORY_SETTLE", "1s");
    let sidecar = Sidecar::start(&mut command);
    let letters = names.len() as u64;
    let all = |_, metrics: &str| {
        let now = balance(metrics);
        now.dead_lettered >= letters && now.exported > letters && now.in_flight == 0
    };
    sidecar.until("/metrics", all).await;
    let mut shown = Vec::new();
    for page in ["/", "/status.json", "/metrics"] {
        let (status, text) = sidecar.get(page).await;
        assert_eq!(status, 200, "{page}");
        shown.push(text);
    }
    assert!(shown[0].contains("p-"), "no pseudonym is on the page");
    assert!(shown[0].contains("eventTime is absent"), "{}", shown[0]);
    let (exit, log) = sidecar.stop().await;
    assert_eq!(exit, Some(0));
    shown.extend([log, std::fs::read_to_string(&output).unwrap()]);
    for text in &shown {
        for name in names.iter().map(String::as_str).chain(["nobody guesses"]) {
            assert!(!text.contains(name), "{name} is shown: {text}");
        }
    }
}
