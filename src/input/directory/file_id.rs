//! What a file is: its place on the disk, its age, its bytes.
//!
//! Enters: open files. Leaves: their [`Stat`], digests of their bytes. What must hold: nothing but regular files is
//! read, whatever is renamed or linked meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::telemetry::printable::printable;

pub(crate) use crate::runtime::beneath::open;
pub(super) use crate::runtime::beneath::open_folder;

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// How much of a file is read at once.
pub(super) const BLOCK: usize = 128 * 1024;

/// A file's place: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
}

/// What the file system says of a file. Two equal ones are one file with the same bytes, once it
/// has been quiet for longer than a clock tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    /// mtime, in nanoseconds since 1970.
    pub(crate) modified: i64,
    /// ctime, in nanoseconds since 1970: no program can set it back.
    pub(crate) changed: i64,
}

impl Stat {
    pub(crate) fn of(metadata: &Metadata) -> Stat {
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Stat {
            id: FileId {
                dev: metadata.dev(),
                ino: metadata.ino(),
            },
            size: metadata.size(),
            modified: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// When its bytes or its name changed last.
    pub(super) fn last_change(&self) -> i64 {
        self.modified.max(self.changed)
    }
}

/// Part of a file, read without moving a shared cursor.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Section {
    pub(crate) fn new(file: Arc<File>, at: u64, end: u64) -> Section {
        Section { file, at, end }
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// The first bytes of a file, at most `limit`.
pub(super) fn head(file: &Arc<File>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Section::new(Arc::clone(file), 0, limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The offset after the last newline in `[from, to)`; `None` without one.
pub(super) fn after_last_newline(file: &Arc<File>, from: u64, to: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; BLOCK];
    let mut end = to;
    while end > from {
        let start = end.saturating_sub(BLOCK as u64).max(from);
        let length = usize::try_from(end - start).unwrap_or(BLOCK);
        file.read_exact_at(&mut buffer[..length], start)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer[..length]) {
            return Ok(Some(start + at as u64 + 1));
        }
        end = start;
    }
    Ok(None)
}

/// A path as people may see it: no byte of it can forge a log line.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_name_cannot_forge_a_log_line() {
        let name = |bytes: &[u8]| shown(&PathBuf::from(OsStr::from_bytes(bytes)));
        assert_eq!(name(b"a\nERROR b\x1b[31m"), "a\\nERROR b\\u{1b}[31m");
        assert_eq!(name(b"bad\xff.json"), "bad\u{fffd}.json");
        assert_eq!(name("🦀 é.json".as_bytes()), "🦀 é.json");
    }

    #[test]
    fn the_last_newline_is_found_across_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut bytes = b"one\n".to_vec();
        bytes.extend(vec![b'x'; BLOCK * 2 + 5]);
        std::fs::write(&path, &bytes).unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let end = bytes.len() as u64;
        assert_eq!(after_last_newline(&file, 0, end).unwrap(), Some(4));
        assert_eq!(after_last_newline(&file, 4, end).unwrap(), None);
        assert_eq!(after_last_newline(&file, 0, 0).unwrap(), None);
    }
}
