//! Dead letters sent again: what is none is left alone, and what is refused again stays what it was.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, json_lines, log_file, qtrail};
use qtrail_core::otlp::Signal;

fn replay(folder: &Path, arguments: &[&str], endpoint: &str) -> Output {
    qtrail()
        .current_dir(folder)
        .arg("replay")
        .args(arguments)
        .args(["--endpoint", endpoint])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A line with a record from a sender.
fn letter(record: &str) -> Value {
    json!({"stage": "export", "reason": "refused", "message": "the first words", "input": "http",
        "source": "request-7", "sender": "team-a", "index": 5, "offset": 70,
        "length": record.len(), "event_id": "known", "record": record})
}

#[test]
fn what_is_no_file_of_dead_letters_makes_nothing() {
    let unfinished = "{\"Records\":[{\"a";
    let contents: Vec<(&str, Vec<u8>)> = vec![
        ("lines.jsonl", format!("{}\n", event("a")).into()),
        ("trail.json", log_file(&[event("a")])),
        ("trail.json.gz", gzip(log_file(&[event("a")]))),
        ("letters.gz", gzip(format!("{}\n", letter("{}")))),
        ("pretty.json", b"{\n  \"Records\": []\n}\n".into()),
        ("array", format!("[{}]\n", letter("{}")).into()),
        ("text", b"hello\n".into()),
        ("word", b"x".into()),
        ("bytes", vec![0xff; 100_000]),
        ("cut", unfinished.into()),
        ("blank-then", format!("\n \n{}", event("a")).into()),
        (
            "no-record",
            b"{\"stage\":\"a\",\"reason\":\"b\",\"message\":\"c\"}\n".into(),
        ),
    ];
    for (name, content) in contents {
        for arguments in [&[name][..], &[name, "--dead-letters", "still/dead.jsonl"]] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), &content).unwrap();
            let output = replay(folder.path(), arguments, "http://127.0.0.1:1");
            assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
            assert!(
                said(&output).contains("is not a dead letter"),
                "{name}: {}",
                said(&output)
            );
            let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
            assert_eq!(left.len(), 1, "{name}: {left:?}");
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), content);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, code) in [("nothing", 1), (".", 1)] {
        let output = replay(folder.path(), &[name], "http://127.0.0.1:1");
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    }
    // A file without a letter yet, as `run` makes it.
    fs::write(folder.path().join("empty"), "").unwrap();
    let output = replay(folder.path(), &["empty"], "http://127.0.0.1:1");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_which_nothing_is_refused_makes_nothing() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("l"),
        format!("{}\n", letter(&event("a"))),
    )
    .unwrap();
    let (path, url) = (folder.path().to_owned(), collector.url());
    let output = tokio::task::spawn_blocking(move || replay(&path, &["l"], &url));
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_is_not_read_and_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{}\n", letter("{]"));
    fs::write(folder.path().join("l"), &text).unwrap();
    let output = replay(folder.path(), &["l", "--dead-letters", "l"], "http://x:1");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("read and written at the same time"));
    assert_eq!(fs::read_to_string(folder.path().join("l")).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_keeps_its_first_reason_sender_and_place() {
    let collector = Collector::start().await;
    collector.reply_with(|seen| match seen.ids.iter().any(|id| id == "bad") {
        true => Reply::Grpc(tonic::Status::invalid_argument("the second words")),
        false => Reply::Accept,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let late = event("late").replace("2024-04-10T14:07:55Z", "soon");
    let lines = [letter(&event("good")), letter(&event("bad")), letter(&late)];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path("l"), text).unwrap();
    for (file, made) in [("l", "l.replay"), ("l.replay", "l.replay.replay")] {
        let (place, url) = (folder.path().to_owned(), collector.url());
        let output = tokio::task::spawn_blocking(move || replay(&place, &[file], &url));
        let output = output.await.unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let mut letters = json_lines(&fs::read(path(made)).unwrap());
        letters.sort_by_key(|letter| letter["event_id"].to_string());
        let ids: Vec<_> = letters.iter().map(|letter| &letter["event_id"]).collect();
        assert_eq!(ids, ["bad", "late"]);
        for letter in &letters {
            for (field, value) in [
                ("stage", json!("export")),
                ("reason", json!("refused")),
                ("message", json!("the first words")),
                ("input", json!("http")),
                ("source", json!("request-7")),
                ("sender", json!("team-a")),
                ("index", json!(5)),
                ("offset", json!(70)),
            ] {
                assert_eq!(letter[field], value, "{field} of {letter}");
            }
        }
        let again: Vec<_> = letters
            .iter()
            .map(|letter| &letter["again"]["reason"])
            .collect();
        assert_eq!(again, ["refused", "bad_time"]);
        let message = letters[0]["again"]["message"].as_str().unwrap();
        assert!(message.contains("the second words"), "{message}");
    }
}

/// A partial success names no record: each keeps its own reason beside those of the others.
#[tokio::test(flavor = "multi_thread")]
async fn records_in_doubt_keep_their_first_reasons_too() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let records = ["a", "b"].map(|id| {
        let mut record = letter(&event(id));
        for field in ["stage", "reason", "message"] {
            record.as_object_mut().unwrap().remove(field);
        }
        record
    });
    let in_doubt = json!({"stage": "export", "reason": "uncertain", "message": "one of two",
        "uncertain": true, "records": records});
    fs::write(folder.path().join("l"), format!("{in_doubt}\n")).unwrap();
    for (file, made) in [("l", "l.replay"), ("l.replay", "l.replay.replay")] {
        collector.reply_next(
            Signal::Logs,
            [Reply::Partial(1, "again"), Reply::Partial(1, "again")],
        );
        let (place, url) = (folder.path().to_owned(), collector.url());
        let output = tokio::task::spawn_blocking(move || replay(&place, &[file], &url));
        let output = output.await.unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        // They went in one request, or in two.
        let lines = json_lines(&fs::read(folder.path().join(made)).unwrap());
        let mut records = 0;
        for line in &lines {
            let several = line["records"].as_array().cloned();
            for record in several.unwrap_or_else(|| vec![line.clone()]) {
                let said = (&record["reason"], &record["message"], &record["sender"]);
                assert_eq!(
                    said,
                    (&json!("uncertain"), &json!("one of two"), &json!("team-a"))
                );
                records += 1;
            }
        }
        assert!(records > 0, "{lines:?}");
    }
}
