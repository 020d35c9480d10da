//! What a file is: its place on the disk, its age, its bytes.
//!
//! Enters: paths below the root. Leaves: open regular files, their [`Stat`], digests of their
//! bytes. What must hold: nothing outside the root is ever opened, and nothing but regular files
//! is read, whatever is renamed or linked meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::telemetry::printable::printable;

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

/// Opens a file below `root` for reading, following no symbolic link and waiting for no writer of
/// a pipe.
pub(crate) fn open(root: &Path, below: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(open_beneath(root, below, flags)?))
}

/// Opens a folder below `root`, likewise.
pub(super) fn open_folder(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    let below = match below.as_os_str().is_empty() {
        true => Path::new("."),
        false => below,
    };
    open_beneath(
        root,
        below,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
    )
}

fn open_beneath(root: &Path, below: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(File::open(root)?, below, flags, Mode::empty(), beneath) {
            Ok(file) => return Ok(file),
            // Kernels before 5.6 and some sandboxes don't have it.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::open(root.join(below), flags, Mode::empty())?)
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
    fn links_pipes_and_ways_out_of_the_root_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::fs::write(folder.path().join("secret"), b"s").unwrap();
        std::fs::write(root.join("real/file"), b"f").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("real", root.join("linked")).unwrap();

        assert!(open(&root, Path::new("real/file")).is_ok());
        assert!(open(&root, Path::new("link")).is_err());
        #[cfg(target_os = "linux")]
        {
            assert!(open(&root, Path::new("../secret")).is_err());
            assert!(open(&root, Path::new("linked/file")).is_err());
        }
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
