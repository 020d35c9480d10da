//! Records one behind the other in a storage.

use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Storage;

/// Bytes that are written at once.
const WRITE: usize = 256 << 10;
/// Bytes that are read at once.
const READ: u64 = 16 << 10;
/// Before each record: how long it is.
type Length = u32;

/// Records that are added one behind the other.
#[derive(Debug)]
pub struct Spill {
    storage: Arc<dyn Storage>,
    written: u64,
    /// What comes behind that.
    unwritten: Vec<u8>,
}

impl Spill {
    /// Without records.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Spill {
            storage,
            written: 0,
            unwritten: Vec::new(),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub fn push(&mut self, record: &impl Serialize) -> io::Result<()> {
        encode(record, &mut self.unwritten)?;
        self.flush_full()
    }

    /// Adds a record as [`encode`] gave it.
    pub(super) fn push_encoded(&mut self, record: &[u8]) -> io::Result<()> {
        self.unwritten.extend_from_slice(record);
        self.flush_full()
    }

    fn flush_full(&mut self) -> io::Result<()> {
        match self.unwritten.len() < WRITE {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is not written yet. Only then it can be read.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.storage.write_at(&self.unwritten, self.written)?;
        self.written += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    /// Where the next record begins.
    pub fn end(&self) -> u64 {
        self.written + self.unwritten.len() as u64
    }

    /// The records in these bytes, in the order in which they were added.
    pub fn read<R: DeserializeOwned>(&self, bytes: Range<u64>) -> Reader<R> {
        Reader::new(Arc::clone(&self.storage), bytes)
    }

    pub(super) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

/// Appends a record to bytes.
pub(super) fn encode(record: &impl Serialize, into: &mut Vec<u8>) -> io::Result<()> {
    let start = into.len();
    into.extend_from_slice(&Length::default().to_le_bytes());
    *into = postcard::to_extend(record, mem::take(into)).map_err(io::Error::other)?;
    let length = into.len() - start - size_of::<Length>();
    let length = Length::try_from(length).map_err(io::Error::other)?;
    into[start..start + size_of::<Length>()].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Reads records. After an error it is at its end.
pub struct Reader<R> {
    bytes: BufReader<Part>,
    record: Vec<u8>,
    failed: bool,
    of: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Reader<R> {
    pub(super) fn new(storage: Arc<dyn Storage>, bytes: Range<u64>) -> Self {
        let buffer = READ.min(bytes.end - bytes.start) as usize;
        Reader {
            bytes: BufReader::with_capacity(buffer, Part { storage, bytes }),
            record: Vec::new(),
            failed: false,
            of: PhantomData,
        }
    }

    fn read(&mut self) -> io::Result<Option<R>> {
        if self.bytes.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut length = Length::default().to_le_bytes();
        self.bytes.read_exact(&mut length)?;
        self.record
            .resize(Length::from_le_bytes(length) as usize, 0);
        self.bytes.read_exact(&mut self.record)?;
        let record = postcard::from_bytes(&self.record).map_err(io::Error::other)?;
        Ok(Some(record))
    }
}

impl<R: DeserializeOwned> Iterator for Reader<R> {
    type Item = io::Result<R>;

    fn next(&mut self) -> Option<io::Result<R>> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}

/// A part of a storage.
struct Part {
    storage: Arc<dyn Storage>,
    bytes: Range<u64>,
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.end - self.bytes.start;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let read = self.storage.read_at(&mut into[..most], self.bytes.start)?;
        self.bytes.start += read as u64;
        Ok(read)
    }
}
