//! The fast path: log files as CloudTrail writes nearly all of them.
//!
//! Enters: all bytes of a compressed file. Leaves: its inflated bytes and the place of each record, or nothing for
//! a file that is in any way unusual. What must hold: what leaves is what [`super::open`] finds in the same
//! bytes, as long as each record is well-formed; a record that is not, and that nobody selects, is not noticed.

mod blocks;
mod split;

use libdeflater::Decompressor;
use memchr::memmem;

use super::Limits;
use crate::reject::Position;
use split::{Most, Span, split};

/// Inflated bytes of a file that is read as a whole, at most.
pub const LARGEST: usize = 16 << 20;
/// Compressed bytes of such a file, at most.
pub const LARGEST_COMPRESSED: usize = 4 << 20;
/// Bytes by which the buffer grows.
const GROWTH: usize = 256 << 10;
/// What each member of a gzip file begins with.
const MEMBER: &[u8] = &[0x1f, 0x8b, 0x08];
/// Records of an ordinary file are longer, on the average: CloudTrail's have more than 500 bytes.
const SHORTEST: usize = 256;
/// Bytes that each member begins with, at least.
const HEADER: usize = 10;

/// One file after the other, in buffers that are used again.
pub struct LogFile {
    decompressor: Decompressor,
    /// The inflated bytes are its first ones.
    buffer: Vec<u8>,
    length: usize,
    spans: Vec<Span>,
}

/// A record of a log file. Only its brackets and quotes were looked at: it need not be well-formed.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'f> {
    /// Where it stands in the inflated bytes.
    pub position: Position,
    /// Its bytes, from `{` to `}`.
    pub bytes: &'f [u8],
    /// A name in it may be spelt in other bytes than its own.
    pub(crate) hides_words: bool,
}

impl Default for LogFile {
    fn default() -> Self {
        LogFile {
            decompressor: Decompressor::new(),
            buffer: Vec::new(),
            length: 0,
            spans: Vec::new(),
        }
    }
}

impl LogFile {
    /// The inflated bytes of a gzip file of one member that is small enough for [`LogFile::read`], by what its
    /// end says.
    pub fn inflated_bytes(compressed: &[u8]) -> Option<usize> {
        let length = u32::from_le_bytes(*compressed.last_chunk()?) as usize;
        (compressed.starts_with(MEMBER) && length <= LARGEST).then_some(length)
    }

    /// Reads a file; `false` if it is unusual, so that [`super::open`] has to read it. It keeps the memory of
    /// the largest file so far.
    pub fn read(&mut self, compressed: &[u8], limits: &Limits) -> bool {
        self.spans.clear();
        self.inflate(compressed, limits).is_some()
            && split(
                &self.buffer[..self.length],
                Most {
                    record_bytes: limits.event_bytes,
                    depth: limits.depth as usize,
                    records: limits.events.min((self.length / SHORTEST) as u64),
                },
                &mut self.spans,
            )
            .is_some()
    }

    /// The inflated bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// The records, in their order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = LogRecord<'_>> {
        self.spans
            .iter()
            .enumerate()
            .map(|(index, span)| LogRecord {
                position: Position {
                    index: index as u64,
                    offset: span.start as u64,
                    length: (span.end - span.start) as u64,
                },
                bytes: &self.buffer[span.start..span.end],
                hides_words: span.hides_words,
            })
    }

    /// Memory that its buffers take.
    pub fn memory_bytes(&self) -> usize {
        self.buffer.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Memory that it takes to read a file of so many inflated bytes.
    pub fn bytes_to_read(inflated: usize) -> usize {
        let buffer = inflated.next_multiple_of(GROWTH);
        buffer + buffer / SHORTEST * size_of::<Span>()
    }

    /// Inflates one member, and makes sure that it is the only one: the decompressor stops behind the first, whose
    /// end it checks. The length there ends the file, and stands nowhere before, so the member ends with the file.
    fn inflate(&mut self, compressed: &[u8], limits: &Limits) -> Option<()> {
        let length = Self::inflated_bytes(compressed)?;
        let before = compressed.get(HEADER..compressed.len() - 1)?;
        let end = (length as u32).to_le_bytes();
        if length as u64 > limits.inflated_bytes || memmem::find(before, &end).is_some() {
            return None;
        }
        if self.buffer.len() < length {
            // A quarter more than before, so that it grows seldom. Freed before there are larger ones.
            let room = length.max(self.buffer.len() / 4 * 5).min(LARGEST);
            (self.buffer, self.spans) = (Vec::new(), Vec::new());
            self.buffer = vec![0; room.next_multiple_of(GROWTH)];
            self.spans = Vec::with_capacity(self.buffer.len() / SHORTEST);
        }
        let out = &mut self.buffer[..length];
        self.length = self.decompressor.gzip_decompress(compressed, out).ok()?;
        (self.length == length).then_some(())
    }
}
