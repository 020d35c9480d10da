//! Files that qtrail appends to, and what others do with them meanwhile.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::program::{attribute, event, json_lines, log_file, qtrail, records};
use crate::support::sidecar::{Place, Sidecar};

fn to_file(place: &Place, output: &Path) -> Sidecar {
    Sidecar::start(place.run().arg("--output").arg(output))
}

/// The ids of the log records in these files.
fn ids(files: &[&Path]) -> Vec<String> {
    let lines = files
        .iter()
        .flat_map(|file| json_lines(&fs::read(file).unwrap()));
    let logs = lines.flat_map(|line| records(&line, "resourceLogs", "scopeLogs", "logRecords"));
    let mut ids: Vec<_> = logs
        .filter_map(|log: Value| attribute(&log, "aws.cloudtrail.event_id"))
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn what_counts_as_exported_is_in_a_file_whoever_moves_removes_or_truncates_it() {
    let place = Place::new();
    let (out, aside) = (place.path("out.jsonl"), place.path("aside.jsonl"));
    let sidecar = to_file(&place, &out);
    let mut read = 0;
    let mut add = async |id: &str| {
        place.add(format!("{id}.json"), &log_file(&[event(id)]));
        read += 1;
        assert_eq!(sidecar.settled(read).await.exported, read);
    };
    add("1").await;
    fs::rename(&out, &aside).unwrap();
    add("2").await;
    assert_eq!(
        (ids(&[&aside]), ids(&[&out])),
        (vec!["1".into()], vec!["2".into()])
    );
    // A new file in its place, as logrotate's `create` makes it.
    fs::rename(&out, &aside).unwrap();
    fs::write(&out, "").unwrap();
    add("3").await;
    assert_eq!(ids(&[&out]), ["3"]);
    fs::remove_file(&out).unwrap();
    add("4").await;
    assert_eq!(ids(&[&out]), ["4"]);
    // `copytruncate`.
    fs::copy(&out, &aside).unwrap();
    OpenOptions::new()
        .write(true)
        .open(&out)
        .unwrap()
        .set_len(0)
        .unwrap();
    add("5").await;
    assert_eq!(
        (ids(&[&aside]), ids(&[&out])),
        (vec!["4".into()], vec!["5".into()])
    );
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test]
async fn a_folder_that_is_gone_is_waited_for() {
    let place = Place::new();
    let folder = place.path("out");
    fs::create_dir(&folder).unwrap();
    let out = folder.join("out.jsonl");
    let sidecar = to_file(&place, &out);
    place.add("1.json", &log_file(&[event("1")]));
    sidecar.settled(1).await;
    fs::remove_dir_all(&folder).unwrap();
    place.add("2.json", &log_file(&[event("2")]));
    sidecar.until_said("events wait").await;
    fs::create_dir(&folder).unwrap();
    assert_eq!(sidecar.settled(2).await.exported, 2);
    assert_eq!(ids(&[&out]), ["2"]);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

/// Runs a command to its end: the exit code, and what it said.
async fn run(mut command: Command) -> (Option<i32>, String) {
    Sidecar::start(&mut command).exit().await
}

/// Whatever command a second process is, it leaves the file to the first, and says why.
#[tokio::test]
async fn of_two_processes_one_has_a_file() {
    let place = Place::new();
    let (out, trail) = (place.path("out.jsonl"), place.path("once.json"));
    fs::write(&trail, log_file(&[event("other")])).unwrap();
    let first = to_file(&place, &out);
    place.add("1.json", &log_file(&[event("1")]));
    first.settled(1).await;
    let letters = place.dead_letters();
    let other_place = Place::new();
    let mut same_output = other_place.run();
    same_output.arg("--output").arg(&out);
    let mut same_letters = other_place.run();
    same_letters
        .args(["--output", "/dev/null"])
        .env("QTRAIL_DEAD_LETTERS_PATH", &letters);
    let convert = |extra: &[&str], key: &str, file: &PathBuf| {
        let mut command = qtrail();
        command
            .arg("convert")
            .arg(&trail)
            .args(extra)
            .arg(key)
            .arg(file);
        command
    };
    let link = place.path("link");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    let mut backfill = qtrail();
    backfill
        .arg("backfill")
        .arg(place.path("trail"))
        .args(["--from", "2020-01-01"])
        .env("QTRAIL_EXPORT_FILE", &out)
        .arg("--state")
        .arg(other_place.path("backfill"));
    let seconds = [
        (same_output, &out),
        (same_letters, &letters),
        (convert(&[], "--output", &out), &out),
        (convert(&[], "--output", &link), &link),
        (convert(&["--format", "events"], "--output", &out), &out),
        (
            convert(&["--output", "discard"], "--dead-letters", &letters),
            &letters,
        ),
        (backfill, &out),
    ];
    for (command, file) in seconds {
        let told = format!("{command:?}");
        let (exit, said) = run(command).await;
        assert_eq!(exit, Some(1), "{told}: {said}");
        let pid = first.pid().as_raw_nonzero();
        for part in [
            &file.display().to_string(),
            &format!("is held by another process (pid {pid})"),
            "choose another file",
        ] {
            assert!(said.contains(part), "{told}: {part:?} is not in {said}");
        }
        assert_eq!(ids(&[&out]), ["1"], "{told}");
    }
    place.add("2.json", &log_file(&[event("2")]));
    first.settled(2).await;
    assert_eq!(first.stop().await.0, Some(0));
    assert_eq!(ids(&[&out]), ["1", "2"]);
}

#[tokio::test]
async fn two_replays_of_one_file_do_not_mix_their_letters() {
    let place = Place::new();
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    place.add("1.json", &log_file(&[bad]));
    let sidecar = to_file(&place, Path::new("/dev/null"));
    sidecar.settled(1).await;
    assert_eq!(sidecar.stop().await.0, Some(0));
    let letters = place.dead_letters();
    let again = PathBuf::from(format!("{}.replay", letters.display()));
    // Another process has what is refused again.
    let holder = Place::new();
    let holding = Sidecar::start(
        holder
            .run()
            .args(["--output", "/dev/null"])
            .env("QTRAIL_DEAD_LETTERS_PATH", &again),
    );
    holding.address().await;
    let replay = || {
        let mut command = qtrail();
        command
            .arg("replay")
            .arg(&letters)
            .env("QTRAIL_EXPORT_FILE", "/dev/null");
        command
    };
    let (exit, said) = run(replay()).await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("is held by another process"), "{said}");
    assert_eq!(holding.stop().await.0, Some(0));
    let (exit, said) = run(replay()).await;
    assert_eq!(exit, Some(3), "{said}");
    assert_eq!(json_lines(&fs::read(again).unwrap()).len(), 1);
}
