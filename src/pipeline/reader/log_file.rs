//! The fast path: an ordinary log file is inflated and searched as a whole.
//!
//! Enters: a unit's bytes. Leaves: its records, as from the reader of everything; or the offset from which
//! that reader has to go on. What must hold: both find the same records at the same positions, and only the
//! reader of everything rejects one. A broken record that is not wanted passes unnoticed.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Reached, Reader, Stopped};
use crate::dead_letter::OnDamage;
use crate::runtime::budget::{Budget, Reservation};
use qtrail_core::envelope::log_file::{LARGEST_COMPRESSED, LogFile};
use qtrail_core::envelope::{Limits, is_gzip};
use qtrail_core::event::amazon_q::Met;

/// Bytes that are read at first, so that a slow source of another kind is not waited for.
const HEAD: usize = 512;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// Unused buffers together take at most one part in so many of the windows' budget, beside it.
const UNUSED_PART: usize = 2;

/// Buffers that readers use again. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::pipeline) struct Buffers(Arc<Mutex<Vec<Buffer>>>);

/// What one file takes.
#[derive(Default)]
struct Buffer {
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
    fn take(&self) -> Buffer {
        self.unused().pop().unwrap_or_default()
    }

    /// Keeps a buffer, unless all unused ones would take more than `most` bytes.
    fn put_back(&self, buffer: Buffer, most: usize) {
        let mut unused = self.unused();
        unused.push(buffer);
        if unused.iter().map(Buffer::memory_bytes).sum::<usize>() > most {
            unused.pop();
        }
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn memory_bytes(&self) -> usize {
        self.compressed.capacity() + self.file.memory_bytes()
    }
}

impl Reader {
    /// Reads a unit in memory.
    pub(super) fn log_file_in_memory(
        &mut self,
        compressed: &[u8],
        limits: &Limits,
    ) -> Result<Rest, Stopped> {
        if !self.may_skip() || !is_gzip(compressed) {
            return Ok(Rest::From(0));
        }
        let mut buffer = self.pipeline.buffers.take();
        let room = self.pipeline.windows.try_acquire(1);
        let rest = self.log_file(&mut buffer.file, compressed, room, limits);
        self.put_back(buffer);
        rest
    }

    /// Reads a unit, and gives back what the reader of everything has to read instead.
    pub(super) fn log_file_of<R: Read>(
        &mut self,
        mut content: R,
        limits: &Limits,
    ) -> Result<(Rest, impl Read + use<R>), Stopped> {
        let (mut rest, mut read, mut error) = (Rest::From(0), Vec::new(), None);
        if self.may_skip() {
            let mut buffer = self.pipeline.buffers.take();
            read = std::mem::take(&mut buffer.compressed);
            read.clear();
            match read_all(&mut content, &mut read, &self.pipeline.windows) {
                Ok(room) => rest = self.log_file(&mut buffer.file, &read, room, limits)?,
                Err(failure) => error = Some(failure),
            }
            if let Rest::Nothing(_) = rest {
                buffer.compressed = std::mem::take(&mut read);
            }
            self.put_back(buffer);
        }
        let content = io::Cursor::new(read).chain(Fails(error)).chain(content);
        Ok((rest, content))
    }

    fn put_back(&self, buffer: Buffer) {
        let most = self.pipeline.windows.total_bytes() / UNUSED_PART;
        self.pipeline.buffers.put_back(buffer, most);
    }

    /// Whether a broken record that is not wanted may pass unnoticed. Where only a sender has the bytes, it is
    /// told of each record that cannot be read.
    fn may_skip(&self) -> bool {
        self.source.origin.on_damage == OnDamage::NamePlace
    }

    /// Reads a compressed file. `room`: for what was read of it, if there is any.
    fn log_file(
        &mut self,
        file: &mut LogFile,
        compressed: &[u8],
        room: Option<Reservation>,
        limits: &Limits,
    ) -> Result<Rest, Stopped> {
        let (Some(mut room), Some(inflated)) = (room, LogFile::inflated_bytes(compressed)) else {
            return Ok(Rest::From(0));
        };
        let bytes = room.bytes() + LogFile::bytes_to_read(inflated);
        if !self.pipeline.windows.try_resize(&mut room, bytes) || !file.read(compressed, limits) {
            return Ok(Rest::From(0));
        }
        let mut reached = Reached::default();
        let converter = Arc::clone(&self.conversion);
        for met in converter.selector.walk(file) {
            if self.pipeline.abort.is_cancelled() {
                return Err(Stopped::Abandoned);
            }
            let record = match met {
                Met::Candidate(record) => record,
                Met::Unwanted(records) => {
                    self.pass(records);
                    continue;
                }
            };
            let (position, in_unit) = (record.position, self.in_unit(record.position));
            self.reserve_for_record(reached, record.bytes.len())?;
            let chunk = &mut self.chunk;
            match chunk.convert_candidate(&converter, &self.source, &record, in_unit) {
                Ok(outcome) => self.count(outcome, record.bytes, in_unit)?,
                Err(_) => return Ok(Rest::From(position.offset)),
            };
            self.give_back_spare();
            self.damage.has_read();
            reached.inflated = position.offset + position.length;
            reached.spent = reached.inflated;
            self.send_full(reached)?;
        }
        self.measured.size = Some(compressed.len() as u64);
        self.measured.sha256 = self.hashes.then(|| Sha256::digest(file.bytes()).into());
        let inflated = inflated as u64;
        Ok(Rest::Nothing(Reached {
            inflated,
            spent: inflated,
            offset: inflated,
        }))
    }

    /// Counts records that are not wanted.
    fn pass(&mut self, records: u64) {
        self.damage.has_read();
        self.progress.counts.filtered += records;
        self.progress.counts.read += records;
    }
}

/// Reads all of a compressed file: the memory that it takes. `None` for a large one, or anything else, or
/// where there is no room: then `into` holds its beginning.
fn read_all(
    content: &mut impl Read,
    into: &mut Vec<u8>,
    budget: &Budget,
) -> io::Result<Option<Reservation>> {
    let mut head = [0; HEAD];
    let mut read = content.read(&mut head)?;
    into.extend_from_slice(&head[..read]);
    let mut room = budget.try_acquire(HEAD);
    while read > 0 {
        let bytes = (into.len() + PIECE).next_power_of_two();
        let fits = room
            .as_mut()
            .is_some_and(|room| budget.try_resize(room, bytes));
        if !is_gzip(into) || into.len() > LARGEST_COMPRESSED || !fits {
            return Ok(None);
        }
        into.reserve_exact(bytes - into.len());
        read = content.take(PIECE as u64).read_to_end(into)?;
    }
    Ok(room)
}

/// Fails once, if at all; then it is at its end.
struct Fails(Option<io::Error>);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
