//! Sorts records that may not fit into memory.
//!
//! Enters: records in any order. Leaves: the same by their keys, as often as wanted. What must hold: memory stays within
//! [`Space::memory_bytes`] and a buffer for each of a few runs. What does not fit goes to a [`Storage`] of the caller's,
//! such as a temporary file.

mod merge;
mod spill;
#[cfg(test)]
pub(crate) mod tests;

use std::cmp::Ordering;
use std::fmt::Debug;
use std::io;
use std::iter;
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use merge::Merge;
pub use spill::{Reader, Spill};

/// So many runs that were merged equally often become one.
const RUNS: usize = 64;
/// Bytes are in memory up to so many times: a buffer that grows is copied.
const COPIES: usize = 3;

/// Something that is sorted.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is sorted by.
    type Key: Ord;

    /// Its key.
    fn key(&self) -> Self::Key;
}

/// Bytes that are written once and read in any order.
pub trait Storage: Debug + Send + Sync {
    /// Writes all bytes at a place.
    ///
    /// # Errors
    /// Names the remedy.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Reads bytes from a place; how many.
    ///
    /// # Errors
    /// Names the remedy.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
}

/// What a sorter may use.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// Bytes of memory.
    pub memory_bytes: usize,
    /// Makes a storage for what does not fit.
    pub storage: fn() -> io::Result<Arc<dyn Storage>>,
}

/// Takes records in any order.
#[derive(Debug)]
pub struct Sorter<R: Record> {
    space: Space,
    /// The records that are in no run yet, encoded.
    bytes: Vec<u8>,
    /// Their keys and places.
    places: Vec<(R::Key, Range<usize>)>,
    spill: Option<Spill>,
    runs: Vec<Run>,
}

/// Records in order.
#[derive(Debug)]
pub struct Sorted<R> {
    storage: Arc<dyn Storage>,
    runs: Vec<Range<u64>>,
    of: PhantomData<fn() -> R>,
}

/// Records in order, one behind the other.
#[derive(Debug)]
struct Run {
    bytes: Range<u64>,
    /// How often they were merged.
    level: u32,
}

impl<R: Record> Sorter<R> {
    /// A sorter without records.
    pub fn new(space: Space) -> Self {
        Sorter {
            space,
            bytes: Vec::new(),
            places: Vec::new(),
            spill: None,
            runs: Vec::new(),
        }
    }

    /// Adds a record. After an error, the sorter is of no use.
    ///
    /// # Errors
    /// The storage cannot be used.
    pub fn push(&mut self, record: &R) -> io::Result<()> {
        let start = self.bytes.len();
        spill::encode(record, &mut self.bytes)?;
        self.places.push((record.key(), start..self.bytes.len()));
        let keys = self.places.len() * size_of::<(R::Key, Range<usize>)>();
        match (self.bytes.len() + keys) > self.space.memory_bytes / COPIES {
            true => self.write_run(),
            false => Ok(()),
        }
    }

    /// Adds records that are in order.
    ///
    /// # Errors
    /// The storage cannot be used.
    pub fn push_run<'r>(&mut self, records: impl IntoIterator<Item = &'r R>) -> io::Result<()>
    where
        R: 'r,
    {
        let mut records = records.into_iter();
        self.add_run(|spill| records.try_for_each(|record| spill.push(record)))
    }

    /// All records, by their keys.
    ///
    /// # Errors
    /// The storage cannot be used.
    pub fn finish(mut self) -> io::Result<Sorted<R>> {
        if self.spill.is_some() {
            self.write_run()?;
        }
        let (storage, runs) = match self.spill {
            Some(spill) => {
                let runs = self.runs.into_iter().map(|run| run.bytes);
                (Arc::clone(spill.storage()), runs.collect())
            }
            None => {
                self.places.sort_unstable_by(by_key);
                let mut bytes = Vec::with_capacity(self.bytes.len());
                for (_, place) in self.places {
                    bytes.extend_from_slice(&self.bytes[place]);
                }
                let run = 0..bytes.len() as u64;
                (in_memory(bytes), vec![run])
            }
        };
        Ok(Sorted {
            storage,
            runs,
            of: PhantomData,
        })
    }

    /// Writes the records that are in memory.
    fn write_run(&mut self) -> io::Result<()> {
        let (bytes, mut places) = (mem::take(&mut self.bytes), mem::take(&mut self.places));
        places.sort_unstable_by(by_key);
        self.add_run(|spill| {
            let mut places = places.drain(..);
            places.try_for_each(|(_, place)| spill.push_encoded(&bytes[place]))
        })?;
        (self.bytes, self.places) = (bytes, places);
        self.bytes.clear();
        Ok(())
    }

    fn add_run(&mut self, write: impl FnOnce(&mut Spill) -> io::Result<()>) -> io::Result<()> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::new((self.space.storage)()?)),
        };
        let bytes = written(spill, write)?;
        self.runs.push(Run { bytes, level: 0 });
        // Each run that is read takes a buffer.
        while let Some(last) = self.runs.last()
            && let level = last.level
            && let equal = self.runs.iter().rev().take_while(|run| run.level == level)
            && let count = equal.count()
            && count >= RUNS
        {
            let runs = self.runs.drain(self.runs.len() - count..);
            let mut merge = Merge::<R>::new(spill.storage(), runs.map(|run| run.bytes));
            let bytes = written(spill, |spill| {
                merge.try_for_each(|record| spill.push(&record?))
            })?;
            let level = level + 1;
            self.runs.push(Run { bytes, level });
        }
        Ok(())
    }
}

impl<R: Record> Sorted<R> {
    /// The records, by their keys; those with one key in any order.
    pub fn iter(&self) -> Merge<R> {
        Merge::new(&self.storage, self.runs.iter().cloned())
    }

    /// One record of each key. `merge` adds another one with the same key.
    pub fn once(&self, mut merge: impl FnMut(&mut R, R)) -> impl Iterator<Item = io::Result<R>> {
        let mut records = self.iter().peekable();
        let is_of = |key: R::Key| {
            move |next: &io::Result<R>| next.as_ref().is_ok_and(|next| next.key() == key)
        };
        iter::from_fn(move || {
            let mut record = match records.next()? {
                Ok(record) => record,
                Err(error) => return Some(Err(error)),
            };
            while let Some(Ok(repeat)) = records.next_if(is_of(record.key())) {
                merge(&mut record, repeat);
            }
            Some(Ok(record))
        })
    }
}

/// A storage in memory.
pub(crate) fn in_memory(bytes: Vec<u8>) -> Arc<dyn Storage> {
    Arc::new(Memory(RwLock::new(bytes)))
}

#[derive(Debug)]
struct Memory(RwLock<Vec<u8>>);

impl Storage for Memory {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut memory = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let end = at as usize + bytes.len();
        let len = memory.len().max(end);
        memory.resize(len, 0);
        memory[at as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, mut into: &mut [u8], at: u64) -> io::Result<usize> {
        let memory = self.0.read().unwrap_or_else(PoisonError::into_inner);
        io::Write::write(&mut into, memory.get(at as usize..).unwrap_or_default())
    }
}

fn by_key<K: Ord, P>((one, _): &(K, P), (other, _): &(K, P)) -> Ordering {
    one.cmp(other)
}

/// What `write` adds to a spill, which can be read then.
fn written(
    spill: &mut Spill,
    write: impl FnOnce(&mut Spill) -> io::Result<()>,
) -> io::Result<Range<u64>> {
    let start = spill.end();
    write(spill)?;
    spill.flush()?;
    Ok(start..spill.end())
}
