//! How many bytes a unit has as it is stored.

use std::cell::Cell;
use std::io::{self, Read};

/// Bytes that were read.
#[derive(Default)]
pub(super) struct Stored {
    bytes: Cell<u64>,
    ended: Cell<bool>,
}

impl Stored {
    /// Counts what is read.
    pub(super) fn count<R: Read>(&self, content: R) -> impl Read + use<'_, R> {
        Counted {
            content,
            stored: self,
        }
    }

    /// How many there are, if they were read to their end.
    pub(super) fn all(&self) -> Option<u64> {
        self.ended.get().then(|| self.bytes.get())
    }
}

struct Counted<'s, R> {
    content: R,
    stored: &'s Stored,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.stored
            .bytes
            .set(self.stored.bytes.get() + count as u64);
        self.stored.ended.set(count == 0);
        Ok(count)
    }
}
