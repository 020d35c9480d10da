//! The newest dead letters, for people to look at.
//!
//! Enters: the file. Leaves: why each record was refused and where it stood, without the record, which is not
//! redacted. What must hold: the bytes that are read are bounded, however long the file and its lines are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{DeadLetters, Line};
use crate::runtime::line_file::bytes_on_disk;

/// How many letters are shown.
const LETTERS: usize = 20;
/// How many bytes are read, from the end of the file.
const BYTES: u64 = 1 << 20;
/// How many numbers of rotated files are looked at.
const ROTATED: usize = 100;

/// What the files of dead letters hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// The current file.
    pub path: PathBuf,
    /// The rotated files that exist, the newest first.
    pub rotated: Vec<PathBuf>,
    /// The bytes of all files.
    pub bytes: u64,
    /// The newest letters of the current file, the newest first.
    pub letters: Vec<Refused>,
    /// Whether the file has more.
    pub has_more: bool,
}

/// A dead letter without its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// A short, stable word.
    pub reason: String,
    /// The reason in full.
    pub message: String,
    /// The record's unit: a file, a request, an object.
    pub source: String,
    /// Its number in the unit, from 0.
    pub index: u64,
    /// Its first byte in the inflated unit.
    pub offset: u64,
    /// `eventID`, if it is known.
    pub event_id: Option<String>,
    /// How many records the letter stands for.
    pub records: u64,
    /// Whether a replay can send it.
    pub can_be_replayed: bool,
}

impl DeadLetters {
    /// What the files hold; `None` if nothing is kept.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn newest(&self) -> io::Result<Option<Newest>> {
        let Some(settings) = self.settings() else {
            return Ok(None);
        };
        let (letters, has_more) = match read(&settings.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Default::default(),
            result => result?,
        };
        Ok(Some(Newest {
            path: settings.path.clone(),
            rotated: (settings.rotated().take(ROTATED))
                .filter(|path| path.exists())
                .collect(),
            bytes: bytes_on_disk(&settings.path, settings.keep),
            letters,
            has_more,
        }))
    }
}

/// The newest letters, and whether there are more before them.
fn read(path: &Path) -> io::Result<(Vec<Refused>, bool)> {
    // A pipe or a device may block, and gives its bytes only once.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Ok((Vec::new(), false));
    }
    let mut file = File::open(path)?;
    let start = metadata.len().saturating_sub(BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(BYTES).read_to_end(&mut tail)?;
    // The first may begin before, and the last may be half written: these are no letters.
    let lines = tail.split_inclusive(|byte| *byte == b'\n');
    let mut letters = lines.rev().filter(|line| line.ends_with(b"\n"));
    let newest = letters.by_ref().take(LETTERS);
    let newest: Vec<_> = newest.filter_map(refused).collect();
    Ok((newest, start > 0 || letters.next().is_some()))
}

fn refused(line: &[u8]) -> Option<Refused> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let (reason, message, suppressed) =
        (line.reason.clone(), line.message.clone(), line.suppressed);
    let letters = line.into_letters();
    let records = suppressed.max(letters.len() as u64);
    let first = letters.into_iter().next()?;
    let is_kept = first.record.is_some() || first.record_base64.is_some();
    Some(Refused {
        can_be_replayed: is_kept && reason != "not_json",
        reason,
        message,
        source: first.source,
        index: first.index,
        offset: first.offset,
        event_id: first.event_id,
        records,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(index: u64, record: &str) -> String {
        let line = serde_json::json!({"stage": "parse", "reason": "bad_time", "message": "no time",
            "input": "directory", "source": "a.json", "index": index, "offset": 2, "length": 3, "record": record});
        format!("{line}\n")
    }

    fn of(text: &str) -> (Vec<u64>, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let (letters, has_more) = read(file.path()).unwrap();
        (
            letters.iter().map(|letter| letter.index).collect(),
            has_more,
        )
    }

    #[test]
    fn the_newest_letters_come_first_and_a_line_that_is_being_written_is_left_out() {
        assert_eq!(of(""), (vec![], false));
        let half = "{\"stage\":\"par";
        let text = format!("{}no letter\n{}{half}", line(1, "{}"), line(2, "{}"));
        assert_eq!(of(&text), (vec![2, 1], false));
        let many: String = (0..=LETTERS as u64).map(|n| line(n, "{}")).collect();
        let (letters, has_more) = of(&many);
        assert_eq!(
            (letters.len(), letters[0], has_more),
            (LETTERS, LETTERS as u64, true)
        );
    }

    #[test]
    fn a_long_file_is_read_from_its_end_alone() {
        let long = "x".repeat(BYTES as usize);
        assert_eq!(
            of(&format!("{}{}", line(1, &long), line(2, "{}"))),
            (vec![2], true)
        );
        assert_eq!(of(&line(1, &long)), (vec![], true));
    }

    #[test]
    fn a_letter_tells_whether_it_can_be_replayed_and_how_many_records_it_stands_for() {
        let letter = refused(line(4, "{}").as_bytes()).unwrap();
        assert!(letter.can_be_replayed && letter.records == 1 && letter.source == "a.json");
        let broken = line(4, "{}").replace("bad_time", "not_json");
        assert!(!refused(broken.as_bytes()).unwrap().can_be_replayed);
        let many = line(4, "{}").replace("\"stage\"", "\"suppressed\":9,\"stage\"");
        assert_eq!(refused(many.as_bytes()).unwrap().records, 9);
    }
}
