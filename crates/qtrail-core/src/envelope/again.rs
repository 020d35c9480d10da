//! Reads a unit's bytes a second time.
//!
//! Enters: a way to read them. Leaves: bytes beyond the window, without moving it. What must hold:
//! a healthy unit is read once; a damaged one at most once more, and in no more memory.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::gzip::{Inflate, Inflated};

/// Bytes that are read in one piece.
const PIECE_BYTES: usize = 64 << 10;

/// A place for bytes that were read ahead, such as a temporary file.
pub trait Store: Read + Write + Seek + Send {}

impl<S: Read + Write + Seek + Send> Store for S {}

/// How a unit's bytes can be read a second time. It is used only where a unit is damaged.
pub enum Again {
    /// From another reader, which begins at the unit's first byte, too.
    Reader(Box<dyn FnMut() -> io::Result<Box<dyn Read + Send>> + Send>),
    /// From where they are kept when they are read ahead: the unit can be read only once.
    Store(Box<dyn FnMut() -> io::Result<Box<dyn Store>> + Send>),
}

impl Again {
    /// From clones of a reader that nothing was read from.
    pub fn clones(reader: impl Read + Clone + Send + 'static) -> Self {
        Again::Reader(Box::new(move || Ok(Box::new(reader.clone()))))
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Again::Reader(_) => "Reader",
            Again::Store(_) => "Store",
        })
    }
}

/// Looks at bytes that are not read yet.
#[derive(Debug)]
pub(super) struct Ahead {
    again: Again,
    /// Inflated bytes of the unit, at most.
    limit: u64,
    lookahead: Lookahead,
    buffer: Vec<u8>,
}

/// What was looked at.
enum Lookahead {
    Nothing,
    /// Up to the end of the buffer, the first byte of which is at `start`.
    ByReader {
        reader: Inflate<Box<dyn Read + Send>>,
        start: u64,
        length: usize,
    },
    /// From `start` up to `end`; all of it is stored.
    Stored {
        store: Box<dyn Store>,
        start: u64,
        end: u64,
    },
}

impl fmt::Debug for Lookahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookahead")
    }
}

impl Ahead {
    pub(super) fn new(again: Again, limit: u64) -> Self {
        Ahead {
            again,
            limit,
            lookahead: Lookahead::Nothing,
            buffer: Vec::new(),
        }
    }

    /// The bytes at `at`; none at the unit's end. `source` has been read up to `read`.
    pub(super) fn look<R: Read>(
        &mut self,
        at: u64,
        source: &mut Inflate<R>,
        read: u64,
    ) -> io::Result<&[u8]> {
        self.buffer.resize(PIECE_BYTES, 0);
        self.begin(at, read)?;
        match &mut self.lookahead {
            Lookahead::Nothing => Ok(&[]),
            Lookahead::ByReader {
                reader,
                start,
                length,
            } => {
                while at >= *start + *length as u64 {
                    let next = reader.read(&mut self.buffer)?;
                    *start += *length as u64;
                    *length = 0;
                    let Inflated::Bytes(count) = next else {
                        return Ok(&[]);
                    };
                    *length = count;
                }
                Ok(&self.buffer[(at - *start) as usize..*length])
            }
            Lookahead::Stored { store, start, end } => {
                store.seek(SeekFrom::Start(at - *start))?;
                if at < *end {
                    let length = (*end - at).min(PIECE_BYTES as u64) as usize;
                    store.read_exact(&mut self.buffer[..length])?;
                    return Ok(&self.buffer[..length]);
                }
                let Inflated::Bytes(count) = source.read(&mut self.buffer)? else {
                    return Ok(&[]);
                };
                store.write_all(&self.buffer[..count])?;
                *end += count as u64;
                Ok(&self.buffer[..count])
            }
        }
    }

    fn begin(&mut self, at: u64, read: u64) -> io::Result<()> {
        let continues = match &self.lookahead {
            Lookahead::Nothing => false,
            Lookahead::ByReader { start, .. } => *start <= at,
            Lookahead::Stored { .. } => true,
        };
        if continues {
            return Ok(());
        }
        self.lookahead = match &mut self.again {
            Again::Reader(open) => Lookahead::ByReader {
                reader: Inflate::new(open()?, PIECE_BYTES, self.limit),
                start: 0,
                length: 0,
            },
            Again::Store(open) => Lookahead::Stored {
                store: open()?,
                start: read,
                end: read,
            },
        };
        Ok(())
    }

    /// Reads what was taken from the source ahead of `read`; `None` if nothing was.
    pub(super) fn read(&mut self, read: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Lookahead::Stored { store, start, end } = &mut self.lookahead else {
            return Ok(None);
        };
        if read == *end {
            self.lookahead = Lookahead::Nothing;
            return Ok(None);
        }
        let length = (*end - read).min(buffer.len() as u64) as usize;
        store.seek(SeekFrom::Start(read - *start))?;
        store.read_exact(&mut buffer[..length])?;
        Ok(Some(length))
    }

    /// Bytes of memory that it takes.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}
