//! What one unit, and one sender, may have.

use super::*;

fn bounded(folder: &Path, unit_letters: u64, unit_bytes: u64) -> DeadLetters {
    let settings = Settings {
        unit_letters,
        unit_bytes,
        ..Settings::new(folder.join("dead.jsonl"))
    };
    DeadLetters::open(settings, CancellationToken::new()).unwrap()
}

fn bytes(text: &str) -> Evidence {
    Evidence::Bytes(text.as_bytes().to_vec())
}

/// Writes what is admitted of these records, and the summary.
async fn write_all(letters: &DeadLetters, records: &[&str], request: Option<&'static str>) {
    let request = request.map(|text| vec![text.as_bytes().into()]);
    let unit = UnitLetters::new(letters, Some("192.0.2.1".into()), request);
    let entries = (0..).zip(records).map(|(i, text)| entry(i, bytes(text)));
    let admitted: Vec<_> = entries.filter_map(|entry| unit.admit(entry)).collect();
    letters.write(admitted).await.unwrap();
    let origin = entry(0, Evidence::Unit).origin;
    let summary = unit.summary(&origin);
    letters.write(Vec::from_iter(summary)).await.unwrap();
}

#[tokio::test]
async fn what_a_sender_has_of_the_room_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |name: &str| Entry {
        sender: Some(name.into()),
        ..entry(0, bytes("a record"))
    };
    let line = sent("a").bytes();
    let open = || {
        let settings = Settings {
            when_full: WhenFull::Wait,
            max_bytes: 4 * line,
            keep: 1,
            ..Settings::new(folder.path().join("dead.jsonl"))
        };
        DeadLetters::open(settings, CancellationToken::new()).unwrap()
    };
    let fill = async |name: &str| {
        let (letters, mut written) = (open(), 0);
        while let Ok(_reserved) = letters.reserve_for(&sent(name)) {
            letters.write(vec![sent(name)]).await.unwrap();
            written += 1;
        }
        written
    };
    assert_eq!(fill("a").await, 4, "half of the room");
    assert_eq!(fill("a").await, 0, "also after a restart");
    assert_eq!(fill("b").await, 2, "others have what is left");
}

#[tokio::test]
async fn beyond_a_units_letters_one_stands_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let letters = bounded(folder.path(), 2, 100);
    write_all(&letters, &["a", "b", "c", "d"], None).await;
    let mut read = lines(&folder.path().join("dead.jsonl"));
    assert_eq!(read.len(), 3);
    let summary = read.pop().unwrap();
    assert_eq!(
        (summary.reason.as_str(), summary.suppressed),
        ("suppressed", 2)
    );
    assert!(summary.message.contains("dead_letters.unit_letters"));
    let letter = summary.into_letters().remove(0);
    assert_eq!(
        (letter.source.as_str(), letter.index, letter.offset),
        ("a/b.json.gz", 2, 200)
    );
    assert_eq!(letter.sender.as_deref(), Some("192.0.2.1"));
    assert_eq!(
        letter.record_sha256,
        Some(hex::encode(Sha256::digest(b"cd")))
    );
}

#[tokio::test]
async fn beyond_a_units_bytes_records_are_kept_by_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let letters = bounded(folder.path(), 10, 5);
    write_all(&letters, &["abc", "defg", "hi"], None).await;
    let read = lines(&folder.path().join("dead.jsonl"));
    let kept: Vec<_> = read
        .into_iter()
        .map(|line| {
            let letter = line.into_letters().remove(0);
            assert_eq!(letter.record.is_none(), letter.record_sha256.is_some());
            letter.record
        })
        .collect();
    assert_eq!(kept, [Some("abc".into()), None, Some("hi".into())]);
}

#[tokio::test]
async fn a_request_of_which_something_is_left_out_is_kept_whole() {
    for (unit_letters, unit_bytes, suppressed) in [(1, 100, 2), (10, 1, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            unit_letters,
            unit_bytes,
            max_record_bytes: 4,
            ..Settings::new(folder.path().join("dead.jsonl"))
        };
        let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
        write_all(&letters, &["a", "b", "c"], Some("[a,b,c]")).await;
        let summary = lines(&folder.path().join("dead.jsonl")).pop().unwrap();
        assert_eq!(summary.suppressed, suppressed);
        let letter = summary.into_letters().remove(0);
        assert_eq!((letter.offset, letter.length), (0, 7));
        assert_eq!(letter.into_bytes().unwrap().unwrap(), b"[a,b,c]");
    }
    let folder = tempfile::tempdir().unwrap();
    let letters = bounded(folder.path(), 10, 100);
    write_all(&letters, &["a", "b", "c"], Some("[a,b,c]")).await;
    assert_eq!(lines(&folder.path().join("dead.jsonl")).len(), 3);
}

#[test]
fn lines_of_before_are_read() {
    let before = concat!(
        r#"{"stage":"parse","reason":"bad_time","message":"m","input":"directory","source":"a","index":1,"offset":5,"length":2,"observed_time_unix_nano":9,"event_id":"e","record":"{}"}"#,
        "\n",
        r#"{"stage":"export","reason":"uncertain","message":"m","uncertain":true,"records":[{"input":"directory","source":"b","index":0,"offset":0,"length":1,"record_base64":"/w=="}]}"#,
    );
    let letters: Vec<_> = before
        .lines()
        .flat_map(|line| serde_json::from_str::<Line>(line).unwrap().into_letters())
        .collect();
    assert_eq!(letters[0].event_id.as_deref(), Some("e"));
    assert_eq!(letters[1].clone().into_bytes().unwrap().unwrap(), b"\xff");
}

mod quota {
    use super::super::super::quota::{Full, Quota};
    use super::*;

    fn take(quota: &mut Quota, sender: &str, bytes: u64) -> Result<(), Full> {
        quota.reserve(&sender.into(), bytes, Instant::now())
    }

    fn write(quota: &mut Quota, sender: &str, bytes: u64) {
        quota.release(&sender.into(), bytes);
        quota.add_written(&sender.into(), bytes);
    }

    #[tokio::test]
    async fn each_sender_leaves_as_much_as_it_has() {
        let mut quota = Quota::new(100, 0);
        take(&mut quota, "a", 50).unwrap();
        assert!(take(&mut quota, "a", 1).is_err(), "not yet written");
        write(&mut quota, "a", 50);
        assert!(take(&mut quota, "a", 1).is_err());
        take(&mut quota, "b", 25).unwrap();
        write(&mut quota, "b", 25);
        let full = take(&mut quota, "b", 1).unwrap_err();
        assert_eq!((full.own, full.taken, full.capacity), (25, 75, 100));
        take(&mut quota, "c", 12).unwrap();
        // What is given back without having been written can be had again.
        quota.release(&"c".into(), 12);
        take(&mut quota, "c", 12).unwrap();
    }

    #[tokio::test]
    async fn what_is_larger_than_all_fits_where_nothing_is() {
        let mut quota = Quota::new(100, 0);
        take(&mut quota, "a", 1000).unwrap();
        write(&mut quota, "a", 1000);
        assert!(take(&mut quota, "b", 0).is_err());
        quota.set_written(0);
        take(&mut quota, "b", 1000).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_stands_still_where_some_wait_and_nobody_else_goes_on() {
        let mut quota = Quota::new(100, 0);
        take(&mut quota, "a", 50).unwrap();
        write(&mut quota, "a", 50);
        assert!(!quota.is_stuck(Instant::now()));
        take(&mut quota, "a", 1).unwrap_err();
        assert!(quota.is_stuck(Instant::now()));
        take(&mut quota, "b", 1).unwrap();
        assert!(!quota.is_stuck(Instant::now()), "b goes on");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(quota.is_stuck(Instant::now()), "b is gone");
        quota.set_written(10);
        assert!(!quota.is_stuck(Instant::now()), "a has space");
        assert_eq!(quota.waiting(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_much_may_have_little_and_waits_on() {
        let mut quota = Quota::new(100, 0);
        take(&mut quota, "a", 40).unwrap();
        take(&mut quota, "a", 50).unwrap_err();
        take(&mut quota, "a", 0).unwrap();
        assert_eq!(quota.waiting(), 1);
        quota.release(&"a".into(), 40);
        take(&mut quota, "a", 50).unwrap();
        assert_eq!(quota.waiting(), 0);
    }

    #[tokio::test]
    async fn senders_without_end_take_no_memory_without_end() {
        let mut quota = Quota::new(1 << 20, 0);
        for n in 0..5000 {
            take(&mut quota, &n.to_string(), 1).unwrap();
        }
        assert!(quota.senders() <= 1025);
    }
}
