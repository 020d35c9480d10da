//! The senders of the letters on disk.
//!
//! Enters: files of dead letters. Leaves: bytes by sender. What must hold: memory is bounded by the beginning of a
//! line, and time by what a start may take.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::runtime::line_file::BUFFER;

/// The longest time to read the files. Letters not read by then count for no sender.
const AT_MOST: Duration = Duration::from_secs(3);
/// The first bytes of a line, which have its sender: it stands before the record.
const BEGINNING: usize = 64 << 10;

/// Passes the bytes of each letter with its sender, or with its input if it has no sender.
pub(super) fn count<P: AsRef<Path>>(
    files: impl Iterator<Item = P>,
    mut tell: impl FnMut(&str, u64),
) {
    let until = Instant::now() + AT_MOST;
    for path in files {
        let counted = read(path.as_ref(), until, &mut tell);
        let path = path.as_ref().display();
        match counted {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(
                    "the dead letters are many: from {path} on, it is not known which sender has how many"
                );
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(
                    "cannot read which sender the dead letters in {path} are from: {error}"
                );
            }
        }
    }
}

/// Whether the file was read to its end.
fn read(path: &Path, until: Instant, tell: &mut impl FnMut(&str, u64)) -> io::Result<bool> {
    // Opening a pipe would block.
    if !path.metadata()?.is_file() {
        return Ok(true);
    }
    let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let (mut beginning, mut length) = (Vec::new(), 0);
    loop {
        if Instant::now() >= until {
            return Ok(false);
        }
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = BEGINNING.saturating_sub(beginning.len());
        beginning.extend_from_slice(&part[..part.len().min(room)]);
        length += part.len() as u64;
        if end.is_some() {
            if let Some(sender) = sender(&beginning) {
                tell(&sender, length);
            }
            beginning.clear();
            length = 0;
        }
        let used = part.len();
        file.consume(used);
    }
}

/// The sender of a line. A quote inside a text has a backslash before it, so no text looks like a key with its
/// value.
fn sender(line: &[u8]) -> Option<String> {
    [&br#""sender":""#[..], br#""input":""#]
        .iter()
        .find_map(|key| {
            let at = memchr::memmem::find(line, key)? + key.len() - 1;
            let mut texts = serde_json::Deserializer::from_slice(&line[at..]).into_iter::<String>();
            texts.next()?.ok()
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_letter_counts_for_its_sender_whatever_its_texts_say() {
        let folder = tempfile::tempdir().unwrap();
        let (path, missing) = (folder.path().join("dl"), folder.path().join("dl.1"));
        let lines = [
            r#"{"stage":"parse","message":"\"sender\":\"x\"","input":"http","source":"s","sender":"team \"a\"","record":"r"}"#.to_owned(),
            r#"{"stage":"parse","input":"directory","source":"s","record":"{\"sender\":\"x\"}"}"#.to_owned(),
            format!(r#"{{"stage":"parse","input":"http","sender":"b","record":"{}"}}"#, "r".repeat(200_000)),
            r#"{"stage":"export","uncertain":true,"records":[{"input":"grpc","source":"s","sender":"b"}]}"#.to_owned(),
            "no letter".to_owned(),
        ];
        std::fs::write(&path, lines.join("\n") + "\n{\"stage\":\"par").unwrap();
        let mut counted = BTreeMap::new();
        count([&missing, &path].into_iter(), |sender, bytes| {
            *counted.entry(sender.to_owned()).or_default() += bytes;
        });
        let bytes = |lines: &[&String]| lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        let expected = [
            ("b".to_owned(), bytes(&[&lines[2], &lines[3]])),
            ("directory".to_owned(), bytes(&[&lines[1]])),
            (r#"team "a""#.to_owned(), bytes(&[&lines[0]])),
        ];
        assert_eq!(counted, BTreeMap::from(expected));
    }
}
