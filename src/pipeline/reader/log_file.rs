//! The fast path: an ordinary log file is inflated and searched as a whole.
//!
//! Enters: a unit's bytes. Leaves: its records, as from the reader of everything; or the offset from which
//! that reader has to go on. What must hold: both find the same records at the same positions, and only the
//! reader of everything rejects one.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Reached, Reader, Stopped};
use crate::runtime::budget::{Budget, Reservation};
use qtrail_core::envelope::Limits;
use qtrail_core::envelope::log_file::LogFile;

/// A larger compressed file is not read as a whole.
const COMPRESSED_BYTES: usize = 4 << 20;
/// Bytes that are read at first, so that a slow source of another kind is not waited for.
const HEAD: usize = 512;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// What compressed bytes begin with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Buffers that readers use again, and the memory that all of them may take. Cheap to clone.
#[derive(Clone)]
pub(in crate::pipeline) struct Buffers {
    budget: Budget,
    unused: Arc<Mutex<Vec<Buffer>>>,
}

/// What one file takes.
struct Buffer {
    room: Reservation,
    compressed: Vec<u8>,
    file: LogFile,
}

/// What the fast path left to do.
pub(super) enum Rest {
    /// Nothing.
    Nothing(Reached),
    /// The records from this offset on.
    From(u64),
}

impl Buffers {
    pub(in crate::pipeline) fn new(budget: Budget) -> Self {
        Buffers {
            budget,
            unused: Arc::default(),
        }
    }

    /// A buffer, if there is room for one.
    fn take(&self) -> Option<Buffer> {
        self.unused().pop().or_else(|| {
            Some(Buffer {
                room: self.budget.try_acquire(1)?,
                compressed: Vec::new(),
                file: LogFile::default(),
            })
        })
    }

    fn put_back(&self, buffer: Buffer) {
        self.unused().push(buffer);
    }

    /// Makes room for so many bytes in all, at the cost of unused buffers.
    fn grow(&self, buffer: &mut Buffer, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(buffer.room.bytes());
        if missing == 0 {
            return true;
        }
        let more = self.budget.try_acquire(missing).or_else(|| {
            self.unused().clear();
            self.budget.try_acquire(missing)
        });
        more.map(|more| buffer.room.merge(more)).is_some()
    }

    fn unused(&self) -> std::sync::MutexGuard<'_, Vec<Buffer>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Reads a unit in memory.
    pub(super) fn log_file_in_memory(
        &mut self,
        compressed: &[u8],
        limits: &Limits,
    ) -> Result<Rest, Stopped> {
        let buffers = self.pipeline.buffers.clone();
        if compressed.starts_with(GZIP)
            && let Some(mut buffer) = buffers.take()
        {
            let rest = self.log_file(&mut buffer, compressed, limits);
            buffers.put_back(buffer);
            return rest;
        }
        Ok(Rest::From(0))
    }

    /// Reads a unit, and gives back what the reader of everything has to read instead.
    pub(super) fn log_file_of<R: Read>(
        &mut self,
        mut content: R,
        limits: &Limits,
    ) -> Result<(Rest, impl Read + use<R>), Stopped> {
        let buffers = self.pipeline.buffers.clone();
        let (mut rest, mut read, mut error) = (Rest::From(0), Vec::new(), None);
        if let Some(mut buffer) = buffers.take() {
            read = std::mem::take(&mut buffer.compressed);
            read.clear();
            match read_all(&mut content, &mut read, |bytes| {
                buffers.grow(&mut buffer, bytes)
            }) {
                Ok(true) => rest = self.log_file(&mut buffer, &read, limits)?,
                Ok(false) => {}
                Err(failure) => error = Some(failure),
            }
            if let Rest::Nothing(_) = rest {
                buffer.compressed = std::mem::take(&mut read);
            }
            buffers.put_back(buffer);
        }
        let content = io::Cursor::new(read).chain(Fails(error)).chain(content);
        Ok((rest, content))
    }

    /// Reads a compressed file.
    fn log_file(
        &mut self,
        buffer: &mut Buffer,
        compressed: &[u8],
        limits: &Limits,
    ) -> Result<Rest, Stopped> {
        let Some(inflated) = LogFile::inflated_bytes(compressed) else {
            return Ok(Rest::From(0));
        };
        let bytes = buffer.compressed.capacity() + LogFile::memory_bytes(inflated);
        if !self.pipeline.buffers.grow(buffer, bytes) || !buffer.file.read(compressed, limits) {
            return Ok(Rest::From(0));
        }
        let mut reached = Reached::default();
        let mut passed = 0;
        let converter = Arc::clone(&self.pipeline.conversion);
        for (position, bytes) in converter.selector.candidates(&buffer.file) {
            if self.pipeline.abort.is_cancelled() {
                return Err(Stopped::Abandoned);
            }
            self.pass(position.index - passed);
            self.reserve_for_record(reached, bytes.len())?;
            if self.convert(bytes, self.in_unit(position)).is_some() {
                return Ok(Rest::From(position.offset));
            }
            self.give_back_spare();
            self.damage.has_read();
            passed = position.index + 1;
            reached.inflated = position.offset + position.length;
            reached.spent = reached.inflated;
            self.send_full(reached)?;
        }
        self.pass(buffer.file.records().len() as u64 - passed);
        let inflated = inflated as u64;
        Ok(Rest::Nothing(Reached {
            inflated,
            spent: inflated,
            offset: inflated,
        }))
    }

    /// Counts records that are not wanted.
    fn pass(&mut self, records: u64) {
        if records > 0 {
            self.damage.has_read();
        }
        self.progress.counts.filtered += records;
        self.progress.counts.read += records;
    }
}

/// Reads all of a compressed file. `false` for a large one, or anything else: then `into` holds its
/// beginning. `reserve` says whether there is room for so many bytes.
fn read_all(
    content: &mut impl Read,
    into: &mut Vec<u8>,
    mut reserve: impl FnMut(usize) -> bool,
) -> io::Result<bool> {
    let mut head = [0; HEAD];
    let mut read = content.read(&mut head)?;
    into.extend_from_slice(&head[..read]);
    while read > 0 {
        let room = (into.len() + PIECE).next_power_of_two();
        if !into.starts_with(GZIP) || into.len() > COMPRESSED_BYTES || !reserve(room) {
            return Ok(false);
        }
        into.reserve_exact(room - into.len());
        read = content.take(PIECE as u64).read_to_end(into)?;
    }
    Ok(true)
}

/// Fails once, if at all; then it is at its end.
struct Fails(Option<io::Error>);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
