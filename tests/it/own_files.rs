//! What qtrail writes is not read by it again, whatever link leads there.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::exits::until_it_catches;
use crate::support::program::{event, qtrail};

/// A folder `w` with one record that is refused, and `link`, which leads there.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("w")).unwrap();
    let record = event("a").replace("2024-04-10T14:07:55Z", "soon");
    fs::write(path("w/b.json"), record).unwrap();
    symlink(path("w"), path("link")).unwrap();
    symlink("w/later", path("dangling")).unwrap();
    folder
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = qtrail();
    command.current_dir(folder).args(line.split(' '));
    command.env("QTRAIL_STATE", folder.join("state"));
    command.env("QTRAIL_DIRECTORY_SETTLE", "10ms");
    command.env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0");
    command
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// The lines of all dead letters there.
fn letters(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let letters = names.filter(|p| p.to_string_lossy().contains("dl.jsonl"));
    letters
        .map(|path| fs::read_to_string(path).unwrap().lines().count())
        .sum()
}

#[test]
fn a_place_below_the_input_is_refused_however_it_is_written() {
    for line in [
        "run w --output o --dead-letters link/dl.jsonl",
        "run link --output o --dead-letters w/dl.jsonl",
        "run w --output link/o",
        "run w --output dangling",
        "check link --output o --dead-letters w/dl.jsonl",
        "run link --output w/o --print-config",
        "backfill w --from 2000-01-01 --dead-letters link/dl.jsonl",
        "backfill link --from 2000-01-01 --dead-letters w/dl.jsonl",
        "backfill w --from 2000-01-01 --dry-run --dead-letters w/dl.jsonl",
    ] {
        let folder = scene();
        let (code, said) = said(&command(folder.path(), line).output().unwrap());
        assert!(said.contains("would be read as input"), "{line}: {said}");
        assert_ne!(code, Some(0), "{line}: {said}");
        assert_eq!(letters(&folder.path().join("w")), 0, "{line}");
    }
}

#[test]
fn an_excluded_file_is_refused_where_what_it_is_rotated_to_is_read() {
    let folder = scene();
    let once = |exclude: &str| {
        let line = "run w --once --output o --dead-letters w/dl.jsonl";
        let mut command = command(folder.path(), line);
        command.env("QTRAIL_DIRECTORY_EXCLUDE", exclude);
        said(&command.output().unwrap())
    };
    let (code, said) = once("dl.jsonl");
    assert!(
        said.contains("w/dl.jsonl.1 would be read"),
        "{code:?} {said}"
    );
    let (code, said) = once("dl.jsonl*");
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(letters(&folder.path().join("w")), 1);
}

#[test]
fn the_state_is_not_read_through_a_link() {
    let folder = scene();
    let mut run = command(folder.path(), "run w --once --output o");
    run.env("QTRAIL_STATE", folder.path().join("link/state"));
    let (code, said) = said(&run.output().unwrap());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("read=1 "), "{said}");
}

#[test]
fn a_hard_link_to_the_dead_letters_is_not_read() {
    for line in [
        "run w --once --output o --dead-letters dl.jsonl",
        "convert w -o o --dead-letters dl.jsonl",
        "convert w -o o --dead-letters dl.jsonl --format events",
        "backfill w --from 2000-01-01 --endpoint http://127.0.0.1:1 --dead-letters dl.jsonl",
    ] {
        let folder = scene();
        let path = |name: &str| folder.path().join(name);
        File::create(path("dl.jsonl")).unwrap();
        fs::hard_link(path("dl.jsonl"), path("w/h.jsonl")).unwrap();
        for _ in 0..2 {
            let (_, said) = said(&command(folder.path(), line).output().unwrap());
            assert!(letters(folder.path()) >= 1, "{line}: {said}");
        }
        let letters = letters(folder.path());
        assert!(letters <= 2, "{line}: {letters}, and one record a time");
    }
}

#[test]
fn a_conversion_reads_neither_its_output_nor_letters_of_before() {
    let folder = scene();
    for output in ["w/new.json", "link/new.json", "dangling"] {
        for time in 1..=3 {
            let line = format!("convert w -o {output} --dead-letters link/dl.jsonl");
            let (code, said) = said(&command(folder.path(), &line).output().unwrap());
            assert_eq!(code, Some(3), "{said}");
            assert!(said.contains("1 record read"), "{output}, {time}: {said}");
        }
    }
}

#[test]
fn a_replay_does_not_write_to_what_it_reads() {
    let folder = scene();
    let path = |name: &str| folder.path().join(name);
    let line = "convert w -o o --dead-letters x.jsonl";
    command(folder.path(), line).output().unwrap();
    symlink("x.jsonl", path("soft")).unwrap();
    fs::hard_link(path("x.jsonl"), path("hard")).unwrap();
    let before = fs::read(path("x.jsonl")).unwrap();
    for (arguments, output) in [
        ("x.jsonl --dead-letters x.jsonl", "o"),
        ("x.jsonl --dead-letters soft", "o"),
        ("x.jsonl --dead-letters hard", "o"),
        ("soft", "x.jsonl"),
        ("- --dead-letters x.jsonl", "o"),
    ] {
        let mut replay = command(folder.path(), &format!("replay {arguments}"));
        replay.env("QTRAIL_EXPORT_FILE", output);
        replay.stdin(File::open(path("x.jsonl")).unwrap());
        let (code, said) = said(&replay.output().unwrap());
        assert_eq!(code, Some(1), "{arguments}: {said}");
        assert!(said.contains("read and written at the same time"), "{said}");
        assert_eq!(fs::read(path("x.jsonl")).unwrap(), before, "{arguments}");
    }
}

#[test]
fn whole_lines_of_a_silent_pipe_are_delivered_and_half_a_line_waits() {
    for format in ["otlp", "events"] {
        let mut child = qtrail()
            .args(["convert", "-", "--format", format])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let next = event("b");
        let (half, rest) = next.split_at(100);
        write!(input, "{}\n{half}", event("a")).unwrap();
        let mut line = String::new();
        // The input stays open, and nothing more comes.
        output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{format}: {line}");
        writeln!(input, "{rest}").unwrap();
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "{format}");
        drop(input);
        drop(output);
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn signals_of_programs_that_rotate_logs_do_nothing() {
    let folder = scene();
    let mut child = command(folder.path(), "run w --output o")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    until_it_catches(child.id(), Signal::TERM).await;
    for signal in [Signal::USR1, Signal::USR2, Signal::TERM] {
        kill_process(pid, signal).unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
