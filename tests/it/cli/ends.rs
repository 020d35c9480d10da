//! Commands end where nothing more can come of them: a closed pipe, a disk that refuses, a dead end.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use http::StatusCode;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, json_lines, log_file, qtrail};

/// A folder with a trail, a record in a file of its own, and a dead letter.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("trail")).unwrap();
    for n in 0..3 {
        let events: Vec<_> = (0..300).map(|i| event(&format!("{n}-{i}"))).collect();
        let path = folder.path().join(format!("trail/{n}.json"));
        fs::write(path, log_file(&events)).unwrap();
    }
    fs::write(folder.path().join("one.json"), event("one")).unwrap();
    let letter = letter(&event("dead"));
    fs::write(folder.path().join("letters.jsonl"), format!("{letter}\n")).unwrap();
    folder
}

fn letter(record: &str) -> serde_json::Value {
    serde_json::json!({"stage": "export", "reason": "refused", "message": "m", "input": "directory",
        "source": "a", "index": 0, "offset": 0, "length": record.len(), "record": record})
}

/// A command line in a folder, whose state is there too.
fn command(folder: &Path, line: &str) -> Command {
    let mut command = qtrail();
    command
        .current_dir(folder)
        .args(line.split(' '))
        .env("QTRAIL_STATE", "state")
        .env("QTRAIL_TELEMETRY_HTTP", "none")
        .env("QTRAIL_DIRECTORY_SETTLE", "50ms")
        // The destination of those commands that have no flag for it.
        .env("QTRAIL_EXPORT_FILE", "-")
        .env("QTRAIL_LOG_LEVEL", "error")
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every command that writes to standard output.
const WRITERS: &[&str] = &[
    "convert trail --format otlp",
    "convert trail --format events",
    "convert trail -o /dev/stdout",
    "convert trail -o /dev/stdout --format events",
    "convert trail --summary json",
    "run trail --output -",
    "run trail --output - --once",
    "run trail --print-config",
    "report trail",
    "report trail --format csv",
    "report trail --format html",
    "replay letters.jsonl",
    "backfill trail --from 2020-01-01",
    "backfill trail --from 2020-01-01 --dry-run",
    "explain one.json",
    "explain trail/0.json --all",
    "check --endpoint http://127.0.0.1:1",
    "demo",
    "sample -o - --events 9",
    "completions bash",
    "man",
    "--help",
    "convert --help",
    "help run",
    "--version",
    "version",
    "explain trail --all --format json",
];

#[test]
fn a_reader_that_leaves_ends_every_command_with_0_and_silence() {
    for line in WRITERS {
        let folder = scene();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(folder.path(), line);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        assert_eq!(said(&output), "", "{line}");
    }
}

#[test]
fn a_reader_that_leaves_ends_a_command_whose_input_is_silent() {
    for line in [
        "convert - --format otlp",
        "convert - --format events",
        "convert one.json - --format events",
        "report -",
        "explain -",
        "replay -",
    ] {
        let folder = scene();
        let (input, mut silent) = std::io::pipe().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let child = command(folder.path(), line)
            .stdin(input)
            .stdout(writer)
            .spawn()
            .unwrap();
        silent.write_all(b"\n").unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        assert_eq!(said(&output), "", "{line}");
        drop(silent);
    }
}

#[test]
fn a_full_standard_output_is_an_error_of_every_command() {
    for line in WRITERS {
        // It would wait for room, as `run` does for everything.
        if *line == "run trail --output -" || line.contains("/dev/stdout") {
            continue;
        }
        let folder = scene();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(folder.path(), line).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {}", said(&output));
        let named = said(&output).contains("write to standard output: No space left");
        assert!(named, "{line}: {}", said(&output));
    }
}

#[test]
fn a_local_file_that_cannot_be_written_ends_what_ends_by_itself() {
    for (line, file) in [
        ("convert trail -o /dev/full", None),
        ("convert trail -o /dev/full --format events", None),
        (
            "convert broken.json --format otlp -o discard --dead-letters /dev/full",
            None,
        ),
        (
            "convert broken.json --format events -o discard --dead-letters /dev/full",
            None,
        ),
        ("replay letters.jsonl", Some("/dev/full")),
        (
            "replay broken.jsonl --dead-letters /dev/full",
            Some("/dev/null"),
        ),
        ("backfill trail --from 2020-01-01", Some("/dev/full")),
        (
            "backfill broken.json --from 2020-01-01 --dead-letters /dev/full",
            Some("/dev/null"),
        ),
        ("run trail --once", Some("/dev/full")),
        (
            "run trail --once --dead-letters /dev/full",
            Some("/dev/null"),
        ),
    ] {
        let folder = scene();
        fs::write(folder.path().join("broken.json"), "{]").unwrap();
        fs::write(folder.path().join("trail/broken.json"), "{]").unwrap();
        let broken = format!("{}\n", letter("{]"));
        fs::write(folder.path().join("broken.jsonl"), broken).unwrap();
        let mut command = command(folder.path(), line);
        command.env_remove("QTRAIL_EXPORT_FILE");
        if let Some(file) = file {
            command.env("QTRAIL_EXPORT_FILE", file);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {}", said(&output));
        for part in ["/dev/full", "No space left"] {
            assert!(said(&output).contains(part), "{line}: {}", said(&output));
        }
    }
}

/// The commands that end by themselves, against this collector.
async fn given_up(collector: &Collector, protocol: &'static str, words: &str) {
    for line in [
        "convert one.json",
        "convert -",
        "replay letters.jsonl",
        "backfill one.json --from 2020-01-01",
        "run trail --once",
        "run trail",
    ] {
        let folder = scene();
        let line = format!(
            "{line} --give-up-after 200ms --endpoint {}",
            collector.url()
        );
        let mut command = command(folder.path(), &line);
        command
            .env_remove("QTRAIL_EXPORT_FILE")
            .env("QTRAIL_EXPORT_PROTOCOL", protocol)
            .env("QTRAIL_EXPORT_RETRY_INITIAL", "20ms")
            .env("QTRAIL_EXPORT_RETRY_MAX", "50ms")
            .stdin(File::open(folder.path().join("one.json")).unwrap());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {}", said(&output));
        for part in [
            "nothing was accepted for 0.2 s",
            "export.give_up_after",
            words,
        ] {
            assert!(
                said(&output).contains(part),
                "{line}: no {part} in {}",
                said(&output)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_refuses_the_token_is_a_dead_end() {
    let mut collector = Collector::start().await;
    for protocol in ["grpc", "http/protobuf"] {
        let unauthorized = StatusCode::UNAUTHORIZED.as_u16();
        collector.reply_with(move |_| match protocol {
            "grpc" => Reply::Grpc(tonic::Status::unauthenticated("a wrong token")),
            _ => Reply::Http(unauthorized, vec![], "a wrong token"),
        });
        given_up(&collector, protocol, "a wrong token").await;
    }
    collector.close();
    given_up(&collector, "grpc", "refused").await;
}

#[test]
fn an_output_that_ends_a_command_leaves_whole_lines() {
    let folder = scene();
    let output = command(folder.path(), "convert trail -o out.jsonl").output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    let lines = json_lines(&fs::read(folder.path().join("out.jsonl")).unwrap());
    assert!(!lines.is_empty());
}
