//! A temporary file of events, which are written one behind the other and read in any order.
//!
//! What must hold: no other process sees the file, and it is gone with this one; an error names the remedy.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::view::event::Event;

/// Bytes that are written at once.
const WRITE: usize = 256 << 10;

/// The file.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    written: u64,
    /// What comes behind that.
    unwritten: Vec<u8>,
}

impl Spill {
    /// An empty file.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Spill {
            file: tempfile::tempfile().map_err(unusable)?,
            written: 0,
            unwritten: Vec::new(),
        })
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: &Event) -> io::Result<()> {
        event.write(&mut self.unwritten);
        match self.unwritten.len() < WRITE {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is not written yet. Only then it can be read.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all_at(&self.unwritten, self.written);
        written.map_err(unusable)?;
        self.written += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.unwritten.len() as u64
    }

    /// The event in these bytes.
    pub(super) fn read(&self, bytes: Range<u64>) -> io::Result<Event> {
        let mut buffer = vec![0; (bytes.end - bytes.start) as usize];
        let read = self.file.read_exact_at(&mut buffer, bytes.start);
        read.and_then(|()| Event::read(&mut &*buffer))
            .map_err(unusable)
    }

    /// The bytes from here on, in order.
    pub(super) fn reader(&self, bytes: Range<u64>) -> Part<'_> {
        Part {
            file: &self.file,
            bytes,
        }
    }
}

/// A part of the file.
#[derive(Debug)]
pub(super) struct Part<'s> {
    file: &'s File,
    bytes: Range<u64>,
}

impl io::Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.end - self.bytes.start;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..most], self.bytes.start);
        let read = read.map_err(unusable)?;
        self.bytes.start += read as u64;
        Ok(read)
    }
}

/// The remedy for an error of the file.
fn unusable(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    io::Error::other(format!(
        "cannot keep the events that do not fit into limits.memory in {}: {error} (set TMPDIR to another directory, \
         or raise the limit with QTRAIL_LIMITS_MEMORY)",
        folder.display()
    ))
}
