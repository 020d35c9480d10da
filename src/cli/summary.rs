//! The summary at the end of a command.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::args::Summary;
use super::totals::Totals;
use crate::input::backfill::left_out::{LeftOut, Sum};
use crate::pipeline::Counts;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::printable::{printable, quoted};

/// Prints the counts on standard error. `read` counts records, `bytes` bytes after decompression. `letters`: the file
/// that is configured for dead letters.
pub(super) fn print(how: Summary, done: &Totals, elapsed: Duration, letters: Option<&Path>) {
    match how {
        Summary::None => {}
        Summary::Text => {
            line(&text(done, elapsed));
            print_hint(done, letters);
        }
        Summary::Json => line(&json(done, elapsed, letters)),
    }
}

/// The same for a backfill, with the files that were done before, are left, or were left out.
pub(super) fn print_backfill(
    how: Summary,
    files: &Files,
    left_out: &LeftOut,
    done: &Totals,
    elapsed: Duration,
    letters: &Path,
) {
    match how {
        Summary::None => {}
        Summary::Text => {
            line(&(text(done, elapsed) + &files.rest() + &left_out_text(left_out)));
            print_hint(done, Some(letters));
        }
        Summary::Json => {
            let json = json(done, elapsed, Some(letters));
            line(&backfill_json(files, left_out, &json));
        }
    }
}

/// Where this many dead letters are, and the command that sends them again.
pub(super) fn replay_hint(dead_lettered: u64, letters: Option<&Path>) -> Option<String> {
    let file = written(dead_lettered, letters)?;
    let count = super::count(dead_lettered, "record");
    let (shown, quoted) = (printable(&file.to_string_lossy()), quoted(file));
    Some(format!(
        "dead letters of {count} are in {shown}; once the cause is fixed, this sends them again: qtrail replay {quoted}"
    ))
}

fn print_hint(done: &Totals, letters: Option<&Path>) {
    if let Some(hint) = replay_hint(done.counts.dead_lettered, letters) {
        line(&hint);
    }
}

/// The file of dead letters, if it has some that can be read again.
fn written(dead_lettered: u64, letters: Option<&Path>) -> Option<&Path> {
    let has_some = |file: &&Path| {
        let metadata = file.metadata();
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
    };
    letters.filter(|file| dead_lettered > 0 && has_some(file))
}

fn line(text: &str) {
    super::eprint(&format!("{text}\n"));
}

/// Counts of files.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Files {
    /// Done in this run.
    pub(super) files: u64,
    /// Done in an earlier run.
    pub(super) skipped_done: u64,
    /// Removed before they were read.
    pub(super) gone: u64,
    /// Not readable.
    pub(super) unread: u64,
    /// All files that are left, including the unreadable ones.
    pub(super) left: u64,
}

impl Files {
    fn rest(&self) -> String {
        let part = |n: u64, what: &str| match n {
            0 => String::new(),
            n => format!("; {} {what}", super::count(n, "file")),
        };
        [
            part(self.skipped_done, "done before"),
            part(self.gone, "gone"),
            part(self.unread, "unreadable"),
            part(self.left, "left"),
        ]
        .concat()
    }
}

fn left_out_text(left_out: &LeftOut) -> String {
    let each = left_out.0.iter().map(|(why, sum)| {
        let example = sum.examples.first().map_or("", String::as_str);
        format!(
            "; left out: {} {}, such as {example}",
            sum.shown(),
            why.description()
        )
    });
    each.collect()
}

/// Files, folders and examples by reason.
fn left_out_json(left_out: &LeftOut) -> serde_json::Value {
    let each = left_out.0.iter().map(|(why, sum)| {
        let Sum {
            files,
            folders,
            examples,
        } = sum;
        let sum = json!({"files": files, "folders": folders, "examples": examples});
        (why.as_str().to_owned(), sum)
    });
    serde_json::Value::Object(each.collect())
}

fn backfill_json(files: &Files, left_out: &LeftOut, json: &str) -> String {
    let line = serde_json::from_str(json);
    let (Ok(serde_json::Value::Object(mut line)), Ok(serde_json::Value::Object(files))) =
        (line, serde_json::to_value(files))
    else {
        return String::new();
    };
    line.extend(files);
    line.insert("left_out".to_owned(), left_out_json(left_out));
    serde_json::Value::Object(line).to_string()
}

/// The counts of a sidecar.
pub(super) fn counted(metrics: &Metrics) -> Counts {
    Counts {
        read: metrics.read.get(),
        exported: metrics.exported.get(),
        filtered: metrics.filtered.get(),
        duplicate: metrics.duplicate.get(),
        dead_lettered: metrics.dead_lettered.get(),
        skipped: metrics.skipped.get(),
        foreign: 0,
        bytes: metrics.inflated_bytes.get(),
    }
}

fn text(done: &Totals, elapsed: Duration) -> String {
    let counts = &done.counts;
    let seconds = elapsed.as_secs_f64();
    let skipped = match counts.skipped {
        0 => String::new(),
        n => format!("; {n} skipped without CloudTrail events"),
    };
    // Records that an early end left.
    let settled = counts.exported + counts.filtered + counts.duplicate + counts.dead_lettered;
    let in_flight = match counts.read.saturating_sub(settled) {
        0 => String::new(),
        n => format!(" + {n} not delivered"),
    };
    let interrupted = if done.interrupted {
        "interrupted: "
    } else {
        ""
    };
    let files = super::count(done.files, "file");
    let read = super::count(counts.read, "record");
    format!(
        "{interrupted}{files}, {read} read = {} exported + {} filtered + {} duplicate + {} dead-lettered{in_flight}{skipped}; {:.1} MB in {seconds:.2} s",
        counts.exported,
        counts.filtered,
        counts.duplicate,
        counts.dead_lettered,
        counts.bytes as f64 / 1e6,
    )
}

fn json(done: &Totals, elapsed: Duration, letters: Option<&Path>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        files: u64,
        read: u64,
        exported: u64,
        filtered: u64,
        duplicate: u64,
        dead_lettered: u64,
        skipped: u64,
        bytes: u64,
        seconds: f64,
        interrupted: bool,
        dead_letters: Option<Cow<'a, str>>,
    }
    let counts = &done.counts;
    let line = Line {
        files: done.files,
        read: counts.read,
        exported: counts.exported,
        filtered: counts.filtered,
        duplicate: counts.duplicate,
        dead_lettered: counts.dead_lettered,
        skipped: counts.skipped,
        bytes: counts.bytes,
        seconds: elapsed.as_secs_f64(),
        interrupted: done.interrupted,
        dead_letters: written(counts.dead_lettered, letters).map(Path::to_string_lossy),
    };
    // Numbers and texts always serialize.
    serde_json::to_string(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::backfill::left_out::Why;

    #[test]
    fn the_json_summary_is_one_object_with_the_balance() {
        let counts = Counts {
            read: 10,
            exported: 5,
            filtered: 4,
            dead_lettered: 1,
            bytes: 99,
            ..Counts::default()
        };
        let done = Totals {
            files: 2,
            counts,
            interrupted: true,
            ..Totals::default()
        };
        let value: serde_json::Value =
            serde_json::from_str(&super::json(&done, Duration::from_millis(1500), None)).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"files": 2, "read": 10, "exported": 5, "filtered": 4, "duplicate": 0,
                "dead_lettered": 1, "skipped": 0, "bytes": 99, "seconds": 1.5, "interrupted": true, "dead_letters": null})
        );
    }

    #[test]
    fn a_backfills_summary_has_files_done_before_and_files_left() {
        let files = Files {
            files: 3,
            skipped_done: 2,
            gone: 1,
            unread: 0,
            left: 4,
        };
        let done = Totals {
            files: 3,
            ..Totals::default()
        };
        let sum = Sum {
            files: 3,
            folders: 1,
            examples: vec!["s3://b/k".to_owned()],
        };
        let left_out = LeftOut([(Why::Account, sum)].into());
        let json = super::json(&done, Duration::ZERO, None);
        let value: serde_json::Value =
            serde_json::from_str(&backfill_json(&files, &left_out, &json)).unwrap();
        for (name, n) in [
            ("files", 3),
            ("skipped_done", 2),
            ("gone", 1),
            ("unread", 0),
            ("left", 4),
            ("read", 0),
        ] {
            assert_eq!(value[name], n, "{name}");
        }
        let expected = json!({"files": 3, "folders": 1, "examples": ["s3://b/k"]});
        assert_eq!(value["left_out"], json!({ "account": expected }));
        assert_eq!(
            left_out_text(&left_out),
            "; left out: 3 files, 1 folder of another account than --account names, such as s3://b/k"
        );
        assert_eq!(
            files.rest(),
            "; 2 files done before; 1 file gone; 4 files left"
        );
    }

    #[test]
    fn the_text_summary_shows_the_balance() {
        let counts = Counts {
            read: 4,
            exported: 2,
            dead_lettered: 1,
            skipped: 1,
            ..Counts::default()
        };
        let done = Totals {
            files: 1,
            counts,
            interrupted: true,
            ..Totals::default()
        };
        let text = text(&done, Duration::from_secs(1));
        assert!(
            text.contains(
                "interrupted: 1 file, 4 records read = 2 exported + 0 filtered + 0 duplicate + 1 dead-lettered + 1 not delivered"
            ),
            "{text}"
        );
        assert!(text.contains("1 skipped"), "{text}");
    }

    #[test]
    fn dead_letters_are_named_with_the_command_that_sends_them_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dead letters.jsonl");
        assert_eq!(replay_hint(1, Some(&file)), None, "nothing was written");
        std::fs::write(&file, "{}\n").unwrap();
        assert_eq!(replay_hint(0, Some(&file)), None);
        assert_eq!(replay_hint(1, None), None);
        let hint = replay_hint(1, Some(&file)).unwrap();
        let command = format!("qtrail replay '{}'", file.display());
        assert!(hint.ends_with(&command), "{hint}");
        let mut done = Totals::default();
        done.counts.dead_lettered = 1;
        let line: serde_json::Value =
            serde_json::from_str(&super::json(&done, Duration::ZERO, Some(&file))).unwrap();
        assert_eq!(line["dead_letters"], file.display().to_string());
        assert_eq!(replay_hint(1, Some(Path::new("/dev/null"))), None);
    }
}
