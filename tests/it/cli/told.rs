//! What the program knows, it says: beside a progress bar, with `-q`, before `--print-config`.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::support::program::{convert, event, json_lines, log_file, qtrail};
use crate::support::terminal::terminal;

/// A record that is refused for its time.
fn refused(id: &str) -> String {
    event(id).replace("2024-04-10T14:07:55Z", "soon")
}

#[test]
fn a_progress_bar_and_a_message_never_share_a_line() {
    let (mut screen, theirs) = terminal();
    let (input, mut feed) = std::io::pipe().unwrap();
    let mut child = qtrail()
        .args(["convert", "-", "--output", "discard"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(theirs)
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut until = |text: &str, times: usize| {
        while shown.matches(text).count() < times {
            let mut bytes = [0; 4096];
            let read = screen.read(&mut bytes).unwrap();
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        shown.clone()
    };
    writeln!(feed, "{}", event("good")).unwrap();
    until(" exported", 1);
    for n in 1..4 {
        writeln!(feed, "{}", refused(&n.to_string())).unwrap();
        until("record refused", n);
    }
    drop(feed);
    let shown = until("read = ", 1);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let mut messages = 0;
    for (at, _) in shown.match_indices(" ERROR ") {
        let start = shown[..at].rfind(['\n', 'K']).unwrap();
        let before = &shown[start + 1..at];
        assert!(!before.contains("exported"), "{shown:?}");
        messages += 1;
    }
    assert_eq!(messages, 3, "{shown:?}");
}

#[test]
fn quiet_still_tells_of_dead_letters() {
    for format in ["otlp", "events"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.json");
        fs::write(&path, log_file(&[event("good"), refused("bad")])).unwrap();
        let output = qtrail()
            .args(["-q", "convert", "--summary", "none", "--format", format])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        for part in ["record refused", "in.json", "bad_time", "event_id=\"bad\""] {
            assert!(said.contains(part), "{format}: no {part} in {said}");
        }
    }
}

#[test]
fn print_config_tells_what_is_odd() {
    let said = |arguments: &[&str]| {
        let output = qtrail()
            .args(["run", "--print-config"])
            .args(arguments)
            .env("QTRAIL_ENDPOINT", "http://x:1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for part in [
        "WARN",
        "QTRAIL_ENDPOINT",
        "did you mean QTRAIL_EXPORT_ENDPOINT",
    ] {
        assert!(said(&["/d"]).contains(part));
    }
    assert!(said(&[]).contains("no input is configured"));
    assert!(!said(&["/d", "-q"]).contains("WARN"));
}

#[test]
fn an_output_and_dead_letters_begin_anew_alike_and_letters_are_kept_aside() {
    for format in ["otlp", "events"] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut said = String::new();
        for id in ["first", "second"] {
            fs::write(path("in.json"), log_file(&[event(id), refused(id)])).unwrap();
            let output = qtrail()
                .current_dir(folder.path())
                .args(["convert", "in.json", "-o", "out", "--dead-letters", "dead"])
                .args(["--format", format])
                .output()
                .unwrap();
            said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{said}");
        }
        let text = |name: &str| fs::read_to_string(path(name)).unwrap();
        for name in ["out", "dead"] {
            assert!(text(name).contains("second"), "{name}");
            assert!(!text(name).contains("first"), "{name}");
        }
        assert!(text("dead.1").contains("first"));
        assert!(said.contains("dead.1"), "{said}");
    }
}

#[test]
fn what_is_written_is_not_read_and_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.json"), refused("bad")).unwrap();
    let convert = |arguments: &[&str]| {
        let mut command = qtrail();
        command
            .current_dir(folder.path())
            .arg("convert")
            .args(arguments);
        command.args(["--summary", "json"]).output().unwrap()
    };
    let output = convert(&[".", "-o", "z-out", "--dead-letters", "z-dead"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["files"], &summary["read"]),
        (&1.into(), &1.into()),
        "{said}"
    );
    let output = convert(&["in.json", "-o", "same", "--dead-letters", "same"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_letters_of_a_file_stand_in_the_order_of_its_records() {
    let records: Vec<_> = (0..20_000).map(|n| refused(&n.to_string())).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("in.json"), log_file(&records)).unwrap();
    let output = qtrail()
        .current_dir(folder.path())
        .args([
            "convert",
            "in.json",
            "-o",
            "discard",
            "--dead-letters",
            "dead",
        ])
        .env("QTRAIL_DEAD_LETTERS_UNIT_LETTERS", "1000000")
        .env("QTRAIL_DEAD_LETTERS_UNIT_BYTES", "1GiB")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let letters = json_lines(&fs::read(path("dead")).unwrap());
    let numbers = letters
        .iter()
        .map(|letter| letter["index"].as_u64().unwrap());
    assert!(numbers.eq(0..20_000), "they are in another order");
}

/// Records that are refused for one reason or another, and are known by their ids all the same.
#[test]
fn a_letter_names_the_event_wherever_its_id_can_be_read() {
    let deep = format!("{}{}", "[".repeat(99), "]".repeat(99));
    for (reason, record) in [
        ("bad_time", refused("x")),
        (
            "bad_time",
            refused("x").replace("\"eventTime\":\"soon\",", ""),
        ),
        ("bad_time", refused("x").replace("\"soon\"", "[7]")),
        ("too_deep", event("x").replace("\"test\"", &deep)),
        (
            "not_json",
            event("x").replace("\"readOnly\":false", "\"readOnly\":"),
        ),
        ("truncated", event("x").trim_end_matches('}').to_owned()),
    ] {
        for format in ["otlp", "events"] {
            let converted = convert("in.json", record.as_bytes(), &["--format", format]);
            let [letter] = &converted.dead_letters[..] else {
                panic!("{reason}: {converted:?}");
            };
            assert_eq!(letter["reason"], reason, "{letter}");
            assert_eq!(letter["event_id"], "x", "{reason}: {letter}");
            assert!(converted.stderr.contains("event_id=\"x\""));
        }
    }
    let not_text = convert(
        "in.json",
        b"{\"eventID\":\"x\",\"eventVersion\":\"\xff\",\"eventSource\":\"q.amazonaws.com\"}",
        &[],
    );
    assert_eq!(not_text.dead_letters[0]["event_id"], "x", "{not_text:?}");
}

#[test]
fn convert_at_a_terminal_names_the_report_instead_of_filling_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.json"), log_file(&[event("one")])).unwrap();
    let at_a_terminal = |arguments: &[&str]| {
        let (mut screen, theirs) = terminal();
        let reader = std::thread::spawn(move || {
            let mut shown = Vec::new();
            // The end of a terminal that nobody has open is an error.
            let _ = screen.read_to_end(&mut shown);
            shown
        });
        let output = qtrail()
            .args(["convert", "one.json", "--summary", "none"])
            .args(arguments)
            .current_dir(folder.path())
            .stdout(theirs)
            .output()
            .unwrap();
        let shown = reader.join().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), shown, said)
    };
    let (exit, shown, said) = at_a_terminal(&[]);
    assert_eq!((exit, shown.as_slice()), (Some(2), &b""[..]), "{said}");
    for line in [
        "\n  qtrail report one.json  ",
        "\n  qtrail convert one.json -o -  ",
    ] {
        assert!(said.contains(line), "{said}");
    }
    for chosen in [
        &["-o", "-"][..],
        &["-o", "/dev/stdout"],
        &["--format", "otlp"],
        &["--format", "events"],
    ] {
        let (exit, shown, said) = at_a_terminal(chosen);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(exit, Some(0), "{said}");
        assert!(shown.contains("SendMessage"), "{chosen:?}: {shown}");
    }
    // A file and a pipe take the events, as they always did.
    let (exit, _, said) = at_a_terminal(&["-o", "events.jsonl"]);
    assert_eq!(exit, Some(0), "{said}");
    let piped = qtrail()
        .args(["convert", "one.json", "--summary", "none"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(json_lines(&piped.stdout).len(), 2);
}
