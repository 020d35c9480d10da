//! What was read, by the bytes that the reader was given.
//!
//! Enters: a file, where reading starts and ends. Leaves: a reader for the pipeline and, once that has
//! answered, the [`Prefix`] that was delivered. What must hold: a prefix rests on bytes that were
//! handed out, never on bytes that were read again after the delivery: a file can be rewritten in
//! place at any moment between the two.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::file_id::{BLOCK, Digest, Section, Stat};
use crate::pipeline::Content;
use qtrail_core::envelope::Again;

/// Bytes before an offset that are kept beside their hash.
const TAIL_BYTES: usize = 4096;

/// The bytes of a file before an offset.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefix {
    offset: u64,
    hasher: Sha256,
    tail: Vec<u8>,
}

impl Prefix {
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finalize().into()
    }

    /// Goes on over a file's bytes, up to `end`.
    ///
    /// # Errors
    /// What reading answers; [`ErrorKind::UnexpectedEof`] when the file is shorter.
    pub(super) fn extend(&mut self, file: &Arc<File>, end: u64) -> io::Result<()> {
        let mut section = Section::new(Arc::clone(file), self.offset, end);
        let mut buffer = vec![0; BLOCK];
        while self.offset < end {
            match section.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => self.push(&buffer[..n]),
            }
        }
        Ok(())
    }

    /// Whether the file's last bytes before the offset are these. What is before them may differ.
    pub(super) fn ends_alike(&self, file: &Arc<File>) -> io::Result<bool> {
        let from = self.offset - self.tail.len() as u64;
        let mut there = Vec::new();
        Section::new(Arc::clone(file), from, self.offset).read_to_end(&mut there)?;
        Ok(there == self.tail)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.hasher.update(bytes);
        self.tail
            .extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus);
    }
}

/// Reads part of a file and hashes what it hands out.
#[derive(Debug)]
struct Reader {
    section: Section,
    end: u64,
    seen: Arc<Mutex<Seen>>,
}

/// What a [`Reader`] has handed out.
#[derive(Debug)]
pub(super) struct Consumed {
    from: Prefix,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    prefix: Prefix,
    /// The file ended before the section did.
    cut_short: bool,
}

/// A file's bytes from where `from` ends up to `end`. Looking ahead, where they are damaged, counts for
/// nothing.
pub(super) fn read(file: &Arc<File>, from: &Prefix, end: u64) -> (Content, Consumed) {
    let (reader, consumed) = reader(file, from, end);
    let ahead = Section::new(Arc::clone(file), from.offset, end);
    let content = Content::Twice(Box::new(reader), Again::clones(ahead));
    (content, consumed)
}

/// The same content, which cannot be read if the file has changed since it looked like this.
pub(super) fn unchanged(content: Content, file: &Arc<File>, stat: Stat) -> Content {
    match content {
        Content::Twice(reader, again) => {
            let reader = Unchanged {
                reader,
                looked: Some((Arc::clone(file), stat)),
            };
            Content::Twice(Box::new(reader), again)
        }
        other => other,
    }
}

/// Looks at the file before the first byte.
struct Unchanged {
    reader: Box<dyn Read + Send>,
    looked: Option<(Arc<File>, Stat)>,
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((file, stat)) = self.looked.take()
            && Stat::of(&file.metadata()?) != stat
        {
            return Err(io::Error::other(
                "it has changed while it waited for others",
            ));
        }
        self.reader.read(buffer)
    }
}

fn reader(file: &Arc<File>, from: &Prefix, end: u64) -> (Reader, Consumed) {
    let seen = Arc::new(Mutex::new(Seen {
        prefix: from.clone(),
        cut_short: false,
    }));
    let reader = Reader {
        section: Section::new(Arc::clone(file), from.offset, end),
        end,
        seen: Arc::clone(&seen),
    };
    let from = from.clone();
    (reader, Consumed { from, seen })
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.section.read(buffer)?;
        let mut seen = lock(&self.seen);
        seen.prefix.push(&buffer[..read]);
        seen.cut_short |= read == 0 && !buffer.is_empty() && seen.prefix.offset < self.end;
        Ok(read)
    }
}

impl Consumed {
    /// The prefix up to `to` as it was handed out; `None` when the file was rewritten or cut
    /// meanwhile, so that it is not known which bytes were before `to`.
    ///
    /// Bytes that the reader never asked for were given up by a limit: they are taken as they are.
    pub(super) fn up_to(&self, file: &Arc<File>, to: u64) -> io::Result<Option<Prefix>> {
        let seen = lock(&self.seen);
        if seen.cut_short {
            return Ok(None);
        }
        let mut prefix = seen.prefix.clone();
        let all = prefix.offset.max(to);
        if to >= prefix.offset {
            return Ok(still_there(prefix.extend(file, to))?.map(|()| prefix));
        }
        // Only the hash of all that was handed out is known: read again, it must come out the same.
        let mut again = self.from.clone();
        if still_there(again.extend(file, to))?.is_none() {
            return Ok(None);
        }
        prefix = again.clone();
        let same = still_there(again.extend(file, all))?.is_some()
            && again.digest() == seen.prefix.digest();
        Ok(same.then_some(prefix))
    }
}

/// `None` where the file has become too short.
fn still_there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(Some),
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::input::directory::file_id::digest;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf, Arc<File>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, content).unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        (folder, path, file)
    }

    fn read_all(file: &Arc<File>, from: &Prefix, end: u64) -> Consumed {
        let (mut reader, consumed) = reader(file, from, end);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        consumed
    }

    #[test]
    fn a_prefix_is_of_the_bytes_that_were_handed_out_whatever_the_file_holds_by_then() {
        let (_folder, path, file) = file(b"one\ntwo\n");
        let consumed = read_all(&file, &Prefix::default(), 8);
        fs::write(&path, b"ONE\nTWO\nTHREE\n").unwrap();
        let prefix = consumed.up_to(&file, 8).unwrap().unwrap();
        assert_eq!(
            (prefix.offset(), prefix.digest()),
            (8, digest(b"one\ntwo\n"))
        );
        assert!(!prefix.ends_alike(&file).unwrap());
        fs::write(&path, b"one\ntwo\nthree\n").unwrap();
        assert!(prefix.ends_alike(&file).unwrap());
        let next = read_all(&file, &prefix, 14).up_to(&file, 14).unwrap();
        assert_eq!(next.unwrap().digest(), digest(b"one\ntwo\nthree\n"));
    }

    #[test]
    fn a_part_of_what_was_handed_out_counts_only_where_all_of_it_is_still_there() {
        let (_folder, path, file) = file(b"one\ntwo\nth");
        let consumed = read_all(&file, &Prefix::default(), 10);
        let prefix = consumed.up_to(&file, 8).unwrap().unwrap();
        assert_eq!(prefix.digest(), digest(b"one\ntwo\n"));
        for rewritten in [&b"ONE\ntwo\nth"[..], b"one\ntwo\nTH", b"one\n", b""] {
            fs::write(&path, rewritten).unwrap();
            assert!(consumed.up_to(&file, 8).unwrap().is_none(), "{rewritten:?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_while_it_was_read_proves_nothing() {
        let (_folder, path, file) = file(b"one\ntwo\n");
        let (mut reader, consumed) = reader(&file, &Prefix::default(), 8);
        let mut line = [0; 4];
        reader.read_exact(&mut line).unwrap();
        fs::write(&path, b"").unwrap();
        assert_eq!(reader.read(&mut line).unwrap(), 0);
        fs::write(&path, b"one\nnew\n").unwrap();
        assert!(consumed.up_to(&file, 8).unwrap().is_none());
    }

    #[test]
    fn what_a_reader_never_asked_for_is_taken_as_it_is() {
        let (_folder, _path, file) = file(b"one\ntwo\n");
        let (mut reader, consumed) = reader(&file, &Prefix::default(), 8);
        reader.read_exact(&mut [0; 4]).unwrap();
        let prefix = consumed.up_to(&file, 8).unwrap().unwrap();
        assert_eq!(prefix.digest(), digest(b"one\ntwo\n"));
    }

    #[test]
    fn the_tail_of_a_long_file_is_a_part_of_it() {
        let content = vec![b'x'; 3 * TAIL_BYTES];
        let (_folder, path, file) = file(&content);
        let mut prefix = Prefix::default();
        prefix.extend(&file, content.len() as u64).unwrap();
        assert_eq!(prefix.tail.len(), TAIL_BYTES);
        assert!(prefix.ends_alike(&file).unwrap());
        let mut changed = content.clone();
        changed[0] = b'y';
        fs::write(&path, &changed).unwrap();
        assert!(
            prefix.ends_alike(&file).unwrap(),
            "a quick look sees the end alone"
        );
        *changed.last_mut().unwrap() = b'y';
        fs::write(&path, &changed).unwrap();
        assert!(!prefix.ends_alike(&file).unwrap());
    }
}
