//! A file of lines; each line is on disk before it counts.
//!
//! Enters: whole lines. Leaves: the same lines at the end of the file that the path leads to. What must
//! hold: one process at a time writes a file; appended lines are in a file with a name, even if the
//! file is moved, removed, truncated or replaced meanwhile; after an error none of the new lines is in
//! the file; only half a line that qtrail wrote is ever cut off, and it was never acknowledged.
//!
//! A device, a pipe or a socket is not locked, not synced and not cut back.

mod check;
mod ours;
mod rotation;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) use check::check;
use ours::Ours;
pub(crate) use ours::is_ours;
pub(crate) use rotation::{Rotation, bytes_on_disk, numbered};

/// Bytes that are gathered for one write.
pub(crate) const BUFFER: usize = 64 << 10;
/// How often a file may be replaced while it is opened.
const OPENS: usize = 16;

/// What a file of lines is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// How each of its lines starts.
    pub(crate) line_start: &'static [u8],
    /// The mode of a file that is made, before the umask.
    pub(crate) mode: u32,
    /// Whether its folder is made too (0700).
    pub(crate) makes_folder: bool,
    /// When another file is begun; `None`: never.
    pub(crate) rotation: Option<Rotation>,
}

/// Writes lines; can be called again to write the same ones.
pub(crate) type Lines<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// A file of lines.
#[derive(Debug)]
pub(crate) struct LineFile {
    path: PathBuf,
    kind: Kind,
    /// `None` after a failure: the next append opens the path again.
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    /// A regular file, locked.
    Regular {
        file: File,
        /// Where its last whole line ended when we left it.
        end: u64,
        /// Its file system counts names.
        linked: bool,
        /// Held while it is open: it is not read as input.
        _ours: Ours,
    },
    /// Anything else.
    Stream(File),
}

impl LineFile {
    /// Opens a file for appending, or creates it. Half a line at its end, which a crash left before
    /// anything was acknowledged, is cut off.
    ///
    /// # Errors
    /// It cannot be opened, another process writes it, or it ends with something that is no line of
    /// ours.
    pub(crate) fn open(path: &Path, kind: Kind) -> io::Result<Self> {
        let mut file = LineFile {
            path: path.to_owned(),
            kind,
            open: None,
        };
        file.open = Some(file.reopen()?);
        Ok(file)
    }

    /// The same, but it is opened, or created, with the first lines.
    pub(crate) fn later(path: &Path, kind: Kind) -> Self {
        LineFile {
            path: path.to_owned(),
            kind,
            open: None,
        }
    }

    /// The same, but of a regular file nothing is kept.
    ///
    /// # Errors
    /// It cannot be opened, or another process writes it.
    pub(crate) fn begin_anew(path: &Path, kind: Kind) -> io::Result<Self> {
        let mut file = LineFile {
            path: path.to_owned(),
            kind,
            open: None,
        };
        let mut open = file.acquire()?;
        if let Open::Regular { file, end, .. } = &mut open {
            file.set_len(0)?;
            *end = 0;
        }
        file.open = Some(open);
        Ok(file)
    }

    /// Appends lines of so many bytes; they are on disk when it returns. How many lines were erased
    /// with the oldest file, where that had to make room.
    ///
    /// # Errors
    /// An error of the file system; then none of the lines is in the file.
    pub(crate) fn append(&mut self, bytes: u64, lines: Lines<'_>) -> io::Result<u64> {
        self.put_in_place()?;
        let mut erased = 0;
        if let (Some(rotation), Some(Open::Regular { end, .. })) = (&self.kind.rotation, &self.open)
            && *end > 0
            && end.saturating_add(bytes) > rotation.max_bytes
        {
            erased = self.rotate()?;
        }
        match &mut self.open {
            Some(Open::Regular {
                file, end, linked, ..
            }) => {
                append_regular(file, end, *linked, lines)?;
            }
            Some(Open::Stream(file)) => buffered(file, lines)?,
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(erased)
    }

    /// Makes sure that the open file is the one that the path leads to, and that it ends with a
    /// whole line.
    fn put_in_place(&mut self) -> io::Result<()> {
        let in_place = match &self.open {
            Some(Open::Regular { file, .. } | Open::Stream(file)) => leads_to(&self.path, file)?,
            None => false,
        };
        if !in_place {
            self.open = None;
            self.open = Some(self.reopen()?);
        } else if let Some(Open::Regular { file, end, .. }) = &mut self.open
            && file.metadata()?.len() != *end
        {
            *end = cut_half_line(file, self.kind.line_start)?;
        }
        Ok(())
    }

    fn reopen(&self) -> io::Result<Open> {
        let mut open = self.acquire()?;
        if let Open::Regular { file, end, .. } = &mut open {
            *end = cut_half_line(file, self.kind.line_start)?;
        }
        Ok(open)
    }

    /// Opens the path and locks what is there.
    fn acquire(&self) -> io::Result<Open> {
        if self.kind.makes_folder {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder(&self.path))?;
        }
        for _ in 0..OPENS {
            // Reading is needed to see how a regular file ends; a device or a pipe may refuse it.
            let regular = self.path.metadata().map_or(true, |meta| meta.is_file());
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .read(regular)
                .mode(self.kind.mode)
                .open(&self.path)?;
            if !file.metadata()?.is_file() {
                return Ok(Open::Stream(file));
            }
            lock(&file, &self.path)?;
            // Until it was locked, the one that had it may have moved it.
            if leads_to(&self.path, &file)? {
                // A link may lead to another folder.
                let real = self.path.canonicalize()?;
                File::open(folder(&real))?.sync_all()?;
                return Ok(Open::Regular {
                    linked: file.metadata()?.nlink() > 0,
                    _ours: Ours::new(&file)?,
                    file,
                    end: 0,
                });
            }
        }
        Err(io::Error::other("it is replaced again and again"))
    }
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a path leads to an open file. What was written to a file that was moved or removed would
/// be lost.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let there = match path.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    // A file that cannot be asked any more is not there.
    let same = |ours: std::fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
    Ok(file.metadata().is_ok_and(same))
}

/// Locks a file for this process, until it is closed.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let holder = file.metadata().ok().and_then(|meta| holder(meta.ino()));
            let message = format!(
                "it is held by another process (pid {}): stop that process, or choose another file",
                holder.as_deref().unwrap_or("unknown")
            );
            Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
        }
        Err(TryLockError::Error(e)) if has_no_locks(&e) => {
            tracing::warn!(
                path = %path.display(),
                "this file system has no locks ({e}): let no second process write to this file"
            );
            Ok(())
        }
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// The process that has a file locked, on systems that report it.
fn holder(inode: u64) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF`
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let (pid, place) = (words.nth(2)?, words.next()?);
        let there = place.rsplit(':').next()?.parse();
        (is_flock && there == Ok(inode)).then(|| pid.to_owned())
    })
}

fn has_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacking = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno))
}

/// Appends lines to a regular file that ends at `end`.
fn append_regular(
    file: &mut File,
    end: &mut u64,
    linked: bool,
    lines: Lines<'_>,
) -> io::Result<()> {
    let mut tail = Tail {
        file,
        linked,
        start: *end,
        end: *end,
    };
    let written = buffered(&mut tail, lines).and_then(|()| tail.sync());
    let Tail { start, end: at, .. } = tail;
    match written {
        Ok(()) => *end = at,
        // If this fails, or `start` is no end of a line, the next append finds a length that is not
        // `end`, and cuts half a line off.
        Err(_) if file.metadata().is_ok_and(|meta| meta.len() > start) => {
            let _ = file.set_len(start);
        }
        Err(_) => {}
    }
    written
}

/// What is appended to a regular file: bytes that others truncate meanwhile are missed.
struct Tail<'a> {
    file: &'a mut File,
    linked: bool,
    /// Where the first of our lines stands.
    start: u64,
    end: u64,
}

impl Tail<'_> {
    /// Brings it to the disk; whether all of it is there, under a name.
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let there = self.file.metadata()?;
        if self.linked && there.nlink() == 0 {
            return Err(io::Error::other("it was removed while it was written"));
        }
        if there.len() < self.end {
            self.start = there.len();
            return Err(truncated());
        }
        Ok(())
    }
}

impl Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.end += written as u64;
        let there = self.file.metadata()?.len();
        if there < self.end {
            // What stands before this write is what was left.
            self.start = there.saturating_sub(written as u64);
            return Err(truncated());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn truncated() -> io::Error {
    io::Error::other("it was truncated while it was written")
}

fn buffered(out: &mut dyn Write, lines: Lines<'_>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let written = lines(&mut out).and_then(|()| out.flush());
    // Dropped, it would write the rest even after an error.
    let _ = out.into_parts();
    written
}

/// Cuts off half a line at the end of a file whose lines start with `ours`; returns the new length.
fn cut_half_line(file: &mut File, ours: &[u8]) -> io::Result<u64> {
    let (end, length) = last_line(file, ours)?;
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

/// Where the last whole line ends, and the file.
fn last_line(file: &mut File, ours: &[u8]) -> io::Result<(u64, u64)> {
    let length = file.seek(SeekFrom::End(0))?;
    let end = whole_lines(file, length)?;
    if end == length {
        return Ok((end, length));
    }
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(ours.len() as u64).read_to_end(&mut head)?;
    if !ours.starts_with(&head) {
        return Err(io::Error::other(
            "its last line does not end, and is none of ours: choose another file",
        ));
    }
    Ok((end, length))
}

/// Where the last whole line ends.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut from = length;
    let mut block = Vec::new();
    while from > 0 {
        let start = from.saturating_sub(BUFFER as u64);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.take(from - start).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(start + at as u64 + 1);
        }
        from = start;
    }
    Ok(0)
}
