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
use super::keys::Keys;
use crate::json::find_special;
use crate::reject::Position;
use split::{Most, Span, split};

/// Inflated bytes of a file that is read as a whole, at most.
pub const LARGEST: usize = 16 << 20;
/// Bytes by which the buffer grows.
const GROWTH: usize = 256 << 10;
/// What each member of a gzip file begins with.
const MEMBER: &[u8] = &[0x1f, 0x8b, 0x08];
/// Records of an ordinary file are longer, on the average: CloudTrail's have more than 500 bytes.
const SHORTEST: usize = 256;
/// At the end of a member: the CRC-32 and the length of what it holds.
const TRAILER: usize = 8;

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
    /// There is a backslash in it.
    pub has_escapes: bool,
}

impl LogRecord<'_> {
    /// Whether its outermost keys are those of an event alone. [`super::open`] looks closer at a record with
    /// others: it may be a table's, or carry another one.
    pub fn is_plain_event(&self) -> bool {
        let (mut keys, mut depth, mut at) = (Keys::NONE, 0, 0);
        while let Some(&byte) = self.bytes.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    let start = at;
                    at = string_end(self.bytes, start);
                    if depth == 1 && self.bytes.get(at + 1) == Some(&b':') {
                        keys |= Keys::of(&self.bytes[start..at]);
                    }
                    at += 1;
                }
                _ => {}
            }
        }
        keys.is_plain_event()
    }
}

/// The closing quote of a string.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = find_special(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            _ => return at,
        }
    }
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
        let (_, trailer) = compressed.split_last_chunk::<TRAILER>()?;
        let [.., a, b, c, d] = *trailer;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
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
                has_escapes: span.escapes,
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

    /// Inflates one member, and makes sure that it is the only one: the decompressor stops behind the first.
    /// What ends a member ends the file, and stands nowhere before.
    fn inflate(&mut self, compressed: &[u8], limits: &Limits) -> Option<()> {
        let length = Self::inflated_bytes(compressed)?;
        let (before, trailer) = compressed.split_last_chunk::<TRAILER>()?;
        if length as u64 > limits.inflated_bytes || memmem::find(before, trailer).is_some() {
            return None;
        }
        if self.buffer.len() < length {
            // Freed before there are larger ones.
            (self.buffer, self.spans) = (Vec::new(), Vec::new());
            self.buffer = vec![0; length.next_multiple_of(GROWTH)];
            self.spans = Vec::with_capacity(self.buffer.len() / SHORTEST);
        }
        let out = &mut self.buffer[..length];
        let inflated = self.decompressor.gzip_decompress(compressed, out).ok()?;
        let [a, b, c, d, ..] = *trailer;
        let crc = u32::from_le_bytes([a, b, c, d]);
        self.length = length;
        (inflated == length && libdeflater::crc32(out) == crc).then_some(())
    }
}
