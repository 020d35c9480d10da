//! A signal says what it does, and an interrupted run says that it was.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::exits::until_it_catches;
use crate::support::collector::Collector;
use crate::support::program::{event, qtrail};
use crate::support::sidecar::Sidecar;

/// Starts a command whose input stays open after these bytes.
fn started(arguments: &[&str], input: &str) -> (Child, std::io::PipeWriter, BufReader<impl Read>) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(input.as_bytes()).unwrap();
    let mut child = qtrail()
        .args(arguments)
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stderr.take().unwrap());
    (child, writer, told)
}

fn until_told(told: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        assert_ne!(told.read_line(&mut all).unwrap(), 0, "no {text} in {all}");
    }
    all
}

#[test]
fn ctrl_c_says_what_it_does_and_that_nothing_is_kept() {
    for format in ["otlp", "events"] {
        // The refused record says that it reads.
        let input = format!(
            "{}\n{}\n",
            event("a"),
            event("b").replace("2024-04-10", "soon")
        );
        let arguments = ["convert", "-", "--format", format, "--summary", "json"];
        let (mut child, input, mut told) = started(&arguments, &input);
        until_told(&mut told, "record refused");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{format}: {rest}");
        for part in [
            "SIGINT",
            "delivering what has been read",
            "a second signal exits at once",
            "progress is not saved",
            "interrupted before everything was delivered",
            "run the same command again",
        ] {
            assert!(rest.contains(part), "{format}: no {part:?} in {rest}");
        }
        let summary: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
        assert_eq!(summary["interrupted"], true);
        drop(input);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_says_so_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, input) = std::io::pipe().unwrap();
    let child = qtrail()
        .args(["replay", "-", "--log-level", "info,qtrail=debug"])
        .current_dir(folder.path())
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_it_catches(child.id(), Signal::TERM).await;
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted: 1 file, 0 records"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    drop(input);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_that_would_end_by_itself_says_so() {
    let mut collector = Collector::start().await;
    collector.close();
    for line in ["run trail --once -q", "backfill trail --from 2020-01-01 -q"] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("trail")).unwrap();
        fs::write(folder.path().join("trail/a.json"), event("a")).unwrap();
        let mut command = qtrail();
        command
            .current_dir(folder.path())
            .args(line.split(' '))
            .args(["--endpoint", &collector.url()])
            .env("QTRAIL_STATE", "state")
            .env("QTRAIL_TELEMETRY_HTTP", "none")
            .env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms");
        let sidecar = Sidecar::start(&mut command);
        let process = sidecar.pid().as_raw_nonzero().get();
        until_it_catches(u32::try_from(process).unwrap(), Signal::INT).await;
        let (exit, said) = sidecar.stop().await;
        assert_eq!(exit, Some(1), "{line}: {said}");
        assert!(said.contains("interrupted"), "{line}: {said}");
        assert!(
            said.contains("the rest") || said.contains("again"),
            "{line}: {said}"
        );
    }
}
