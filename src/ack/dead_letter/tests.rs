use std::os::unix::fs::symlink;

use super::*;
use crate::ack::OnDamage;
use crate::reject::{Position, Reason};

fn entry(index: u64, evidence: Evidence) -> Entry {
    Entry {
        origin: Origin {
            input: "directory",
            name: "a/b.json.gz".into(),
            observed: Some(7),
            on_damage: OnDamage::NamePlace,
        },
        event_id: Some(format!("event-{index}")),
        reject: Reject {
            position: Position {
                index,
                offset: 100 * index,
                length: 10,
            },
            reason: Reason::BadTime {
                value: Some("yesterday".into()),
            },
            evidence,
        },
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
        assert_eq!(letter.bytes().unwrap().unwrap(), texts[i]);
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
    assert_eq!(letter.bytes().unwrap(), None);
    assert_eq!(
        letter.record_sha256.unwrap(),
        hex::encode(Sha256::digest(b"12345"))
    );
}

#[tokio::test]
async fn files_rotate_at_their_size_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let settings = Settings {
        max_bytes: 1,
        keep: 2,
        ..Settings::new(path.clone())
    };
    let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
    for i in 0..4 {
        letters.write(vec![entry(i, Evidence::Unit)]).await.unwrap();
    }
    let index = |name: &str| {
        lines(&folder.path().join(name))
            .remove(0)
            .into_letters()
            .remove(0)
            .index
    };
    assert_eq!(
        (
            index("dead.jsonl"),
            index("dead.jsonl.1"),
            index("dead.jsonl.2")
        ),
        (3, 2, 1)
    );
    assert!(!folder.path().join("dead.jsonl.3").exists());
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let (path, real) = (folder.path().join("dead.jsonl"), folder.path().join("real"));
    symlink("/dev/full", &path).unwrap();
    let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new()).unwrap();
    let write = letters.write(vec![entry(0, Evidence::Unit)]);
    let mend = async {
        // The first try has failed once the file is closed again.
        while letters
            .file
            .as_ref()
            .unwrap()
            .lock()
            .unwrap()
            .file
            .is_some()
        {
            tokio::task::yield_now().await;
        }
        std::fs::remove_file(&path).unwrap();
        symlink(&real, &path).unwrap();
    };
    let (written, ()) = tokio::join!(write, mend);
    assert_eq!(written, Ok(()));
    assert_eq!(lines(&real).len(), 1);
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

#[tokio::test]
async fn half_a_line_left_by_a_crash_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    for crashed in [false, true] {
        if crashed {
            let mut text = std::fs::read(&path).unwrap();
            text.extend_from_within(..text.len() / 2);
            std::fs::write(&path, text).unwrap();
        }
        let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new());
        let letters = letters.unwrap();
        letters.write(vec![entry(1, Evidence::Unit)]).await.unwrap();
    }
    assert_eq!(lines(&path).len(), 2);
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear Sir,").unwrap();
    let opened = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new());
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("choose another file"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "Dear Sir,");
}

#[tokio::test]
async fn a_file_that_was_moved_away_or_deleted_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let letters = DeadLetters::open(Settings::new(path.clone()), CancellationToken::new()).unwrap();
    let write = |n| letters.write(vec![entry(n, Evidence::Unit)]);
    write(1).await.unwrap();
    let aside = folder.path().join("to-be-replayed");
    std::fs::rename(&path, &aside).unwrap();
    write(2).await.unwrap();
    assert_eq!((lines(&aside).len(), lines(&path).len()), (1, 1));
    std::fs::remove_file(&path).unwrap();
    write(3).await.unwrap();
    assert_eq!(lines(&path).len(), 1);
}
