//! Where a follower of a growing file resumes, and readers that fail.

use super::*;

/// What stands before an event in a log's line.
const TIME: &str = "2026-11-02T08:00:00.000Z ";

#[test]
fn a_follower_resumes_after_the_last_whole_line() {
    let (a, b) = (event("A"), event("B"));
    for (unit, expected) in [
        (format!("{a}\n{b}\n"), a.len() + b.len() + 2),
        (format!("{a}\n{b}"), a.len() + b.len() + 1),
        (format!("{a}\n{}", &b[..30]), a.len() + 1),
        (format!("{a}\nbroken\n{}", &b[..30]), a.len() + 1 + 7),
        (format!("{a}\n{}", &records(&[&b])[..100]), a.len() + 1),
        (
            format!("{TIME}{a}\n{TIME}{b}\n"),
            a.len() + b.len() + 2 * TIME.len() + 2,
        ),
        (format!("{TIME}{a}\n{TIME}"), a.len() + TIME.len() + 1),
        (
            format!("{TIME}{a}\n{}", &TIME[..7]),
            a.len() + TIME.len() + 1,
        ),
        (
            format!("{TIME}{a}\n{TIME}{}", &b[..30]),
            a.len() + TIME.len() + 1,
        ),
        (
            format!("{TIME}{a}\n{TIME}START\n{TIME}"),
            a.len() + 2 * TIME.len() + 7,
        ),
        (
            format!("{}\n{}", json!(a), &json!(b).to_string()[..30]),
            json!(a).to_string().len() + 1,
        ),
    ] {
        let (_, resume) = read_with(unit.as_bytes(), &Limits::default());
        assert_eq!(resume, expected as u64, "{unit}");
    }
}

#[test]
fn the_offset_is_known_after_each_line() {
    let (a, b) = (event("A"), event("B"));
    let message = json!({"Type": "Notification", "Message": format!("{a}\n{b}")}).to_string();
    let unit = format!("{a}\n{message}\n{b}\n");
    let mut records = open(unit.as_bytes(), &Limits::default());
    let (first, second) = (a.len() as u64 + 1, (a.len() + message.len()) as u64 + 2);
    for expected in [first, first, first, unit.len() as u64] {
        assert!(records.next().unwrap().is_some());
        assert_eq!(records.resume_offset(), expected);
        assert!(expected <= second || expected == unit.len() as u64);
    }
}

/// Fails at every second read.
struct Flaky<'a>(Pieces<'a>, bool);

impl Read for Flaky<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::Error::other("flaky"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_readers_error_is_its_own_and_loses_nothing() {
    let text = format!(
        "{}\n{}\nbroken {}",
        records(&[&event("A"), BROKEN]),
        event("B"),
        event("C")
    );
    let (seen, errors) = read_flaky(&gzip(&text));
    assert_eq!(seen, read(&text));
    assert!(errors > 10);
    for (name, unit) in texts::units() {
        assert_eq!(read_flaky(&unit).0, read(&unit), "{name}");
    }
}

/// What is read of a unit at a few bytes a time, and how often that failed.
fn read_flaky(unit: &[u8]) -> (Vec<Seen>, usize) {
    let mut records = open(Flaky(Pieces(unit, 3), false), &Limits::default());
    let (mut seen, mut errors) = (Vec::new(), 0);
    loop {
        match records.next() {
            Ok(None) => break,
            Ok(Some(Item::Record { position, bytes })) => {
                seen.push(Seen::Record(position, bytes.to_vec()))
            }
            Ok(Some(Item::Reject(reject))) => seen.push(Seen::Reject(reject)),
            Ok(Some(Item::Skipped(skipped))) => seen.push(Seen::Skipped(skipped)),
            Err(error) => {
                assert_eq!(error.to_string(), "flaky");
                errors += 1;
            }
        }
    }
    (seen, errors)
}
