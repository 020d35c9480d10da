use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::*;
use crate::dead_letter::{OnDamage, Origin};
use qtrail_core::reject::{Evidence, Position, Reason, Reject};

fn entry(index: u64, evidence: Evidence) -> Entry {
    let origin = Origin {
        input: "directory",
        name: "a/b.json.gz".into(),
        observed: Some(7),
        on_damage: OnDamage::NamePlace,
    };
    let reject = Reject {
        position: Position {
            index,
            offset: 100 * index,
            length: 10,
        },
        reason: Reason::BadTime {
            value: Some("yesterday".into()),
        },
        evidence,
    };
    Entry {
        event_id: Some(format!("event-{index}")),
        ..Entry::new(origin, reject)
    }
}

fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "half a line: {text:?}");
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[tokio::test]
async fn a_line_gives_the_record_back_whatever_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new()).unwrap();
    let texts: [&[u8]; 2] = [b"{\"a\":\"\\ud83d\n\0\"}", b"\xff\xfe{"];
    let entries = texts
        .iter()
        .enumerate()
        .map(|(i, t)| entry(i as u64, Evidence::Bytes(t.to_vec())));
    letters.write(entries.collect()).await.unwrap();

    let read = lines(&path);
    assert_eq!(read.len(), 2);
    for (i, line) in read.into_iter().enumerate() {
        assert_eq!(
            (line.stage.as_str(), line.reason.as_str()),
            ("parse", "bad_time")
        );
        let letter = line.into_letters().remove(0);
        assert_eq!(letter.clone().into_bytes().unwrap().unwrap(), texts[i]);
        assert_eq!(
            (letter.index, letter.offset, letter.observed_time_unix_nano),
            (i as u64, 100 * i as u64, Some(7))
        );
        assert_eq!(
            (letter.source.as_str(), letter.event_id),
            ("a/b.json.gz", Some(format!("event-{i}")))
        );
    }
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_uncertain_partial_success_is_one_line_of_all_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new()).unwrap();
    letters
        .write_uncertain(
            (0..3)
                .map(|i| entry(i, Evidence::Bytes(b"{}".to_vec())))
                .collect(),
        )
        .await
        .unwrap();
    let mut read = lines(&path);
    assert_eq!(read.len(), 1);
    assert!(read[0].uncertain);
    let indexes: Vec<_> = read
        .remove(0)
        .into_letters()
        .iter()
        .map(|l| l.index)
        .collect();
    assert_eq!(indexes, [0, 1, 2]);
}

#[tokio::test]
async fn a_record_beyond_the_cap_is_kept_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let settings = Settings {
        max_record_bytes: 4,
        ..Settings::new(path.clone())
    };
    let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
    letters
        .write(vec![entry(0, Evidence::Bytes(b"12345".to_vec()))])
        .await
        .unwrap();
    let letter = lines(&path).remove(0).into_letters().remove(0);
    assert_eq!(
        letter.record_sha256.clone().unwrap(),
        hex::encode(Sha256::digest(b"12345"))
    );
    assert_eq!(letter.into_bytes().unwrap(), None);
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let (path, real) = (folder.path().join("dead.jsonl"), folder.path().join("real"));
    symlink("/dev/full", &path).unwrap();
    let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new()).unwrap();
    let write = letters.write(vec![entry(0, Evidence::Unit)]);
    let mend = async {
        let mut failure = letters.watch_failure();
        failure.wait_for(Option::is_some).await.unwrap();
        let reason = stuck(&letters).unwrap();
        assert!(reason.contains("dead.jsonl") && reason.contains("free some space"));
        std::fs::remove_file(&path).unwrap();
        symlink(&real, &path).unwrap();
    };
    let (written, ()) = tokio::join!(write, mend);
    assert_eq!(written, Ok(()));
    assert_eq!(lines(&real).len(), 1);
    assert_eq!(stuck(&letters), None);
}

#[tokio::test]
async fn stopping_ends_the_wait_for_a_full_disk_without_success() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    symlink("/dev/full", &path).unwrap();
    let stop = CancellationToken::new();
    let letters = DeadLetters::open(Settings::new(path), stop.clone()).unwrap();
    stop.cancel();
    assert_eq!(
        letters.write(vec![entry(0, Evidence::Unit)]).await,
        Err(Stopped)
    );
}

#[test]
fn a_second_process_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("dead.jsonl"));
    let _first = DeadLetters::open(settings.clone(), CancellationToken::new()).unwrap();
    let second = DeadLetters::open(settings, CancellationToken::new());
    let error = second.unwrap_err().to_string();
    assert!(error.contains("is held by another process (pid"), "{error}");
}

/// Letters that are full at `capacity` bytes, and the size of one line.
fn small(folder: &Path, lines: u64, when_full: WhenFull) -> (DeadLetters, u64) {
    let bytes = entry(1, Evidence::Unit).bytes();
    let settings = Settings {
        max_bytes: lines * bytes,
        keep: 1,
        when_full,
        ..Settings::new(folder.join("dead.jsonl"))
    };
    let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
    (letters, bytes)
}

#[tokio::test]
async fn what_is_erased_to_make_room_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (letters, _) = small(folder.path(), 2, WhenFull::Rotate);
    let metrics = Arc::new(Metrics::default());
    let letters = letters.counted_in(Arc::clone(&metrics));
    for i in 1..=5 {
        assert!(letters.reserve(&"a".into(), 1 << 20).is_ok());
        letters.write(vec![entry(i, Evidence::Unit)]).await.unwrap();
    }
    assert_eq!(metrics.dead_letters_erased.get(), 2);
    assert_eq!(stuck(&letters), None);
}

/// Why nothing more can be delivered.
fn stuck(letters: &DeadLetters) -> Option<String> {
    letters.look();
    letters.metrics.stalls.not_ready()
}

#[tokio::test]
async fn where_they_wait_nothing_is_erased_and_room_comes_back_with_files_that_are_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (letters, bytes) = small(folder.path(), 2, WhenFull::Wait);
    let sender = "directory".into();
    for i in 1..=2 {
        let reserved = letters.reserve(&sender, bytes).unwrap();
        letters.write(vec![entry(i, Evidence::Unit)]).await.unwrap();
        drop(reserved);
    }
    // Half of the four lines: as much is left to others.
    let full = letters.reserve(&sender, bytes).unwrap_err().to_string();
    for part in ["dead.jsonl", "are full", "directory", "when_full"] {
        assert!(full.contains(part), "{part} is not in {full}");
    }
    assert_eq!(letters.metrics.dead_letters_waiting.get(), 1);
    assert!(stuck(&letters).unwrap().contains("move them away"));
    // Another one goes on.
    let other = letters.reserve(&"other".into(), bytes).unwrap();
    assert_eq!(stuck(&letters), None);
    drop(other);
    std::fs::remove_file(folder.path().join("dead.jsonl")).unwrap();
    assert_eq!(stuck(&letters), None);
    assert_eq!(letters.metrics.dead_letters_waiting.get(), 0);
    assert!(letters.reserve(&sender, bytes).is_ok());
}

#[tokio::test]
async fn what_was_there_before_the_start_counts() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..2 {
        let (letters, bytes) = small(folder.path(), 1, WhenFull::Wait);
        let reserved = letters.reserve(&"a".into(), bytes);
        assert_eq!(reserved.is_ok(), at == 0, "{reserved:?}");
        for i in 1..=2 {
            letters.write(vec![entry(i, Evidence::Unit)]).await.unwrap();
        }
    }
}

mod bounds;
