//! The first reading of `--assemble`: the facts of all events.
//!
//! Enters: the listed sources. Leaves: an [`Assembler`] with their events, and the sources again. What must hold:
//! memory is bounded; the facts are added in the order of the sources, whichever thread is faster; errors are left
//! to the conversion, which reads the same records again.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::cli::files::{Source, Sources};
use qtrail_core::Converter;
use qtrail_core::assemble::{Assembler, EVENT_BYTES, Facts, FactsReader};

/// Memory of a listed source, beside its name.
const SOURCE_BYTES: usize = 64;

/// One first reading.
pub(super) struct FirstReading {
    conversion: Converter,
    stop: CancellationToken,
    /// Bytes of memory.
    limit: usize,
    listing: Mutex<Listing>,
}

/// The sources to come, and those that threads have taken.
struct Listing {
    coming: Sources,
    taken: Vec<anyhow::Result<Source>>,
    bytes: usize,
}

/// The facts of a source, with its number.
type Found = (usize, Vec<Facts>);

impl FirstReading {
    pub(super) fn new(
        listed: Sources,
        conversion: Converter,
        limit: usize,
        stop: CancellationToken,
    ) -> Self {
        FirstReading {
            conversion,
            stop,
            limit,
            listing: Mutex::new(Listing {
                coming: listed,
                taken: Vec::new(),
                bytes: 0,
            }),
        }
    }

    /// Reads on all cores, as long as memory allows.
    ///
    /// # Errors
    /// More events or sources than memory allows.
    pub(super) fn run(self) -> anyhow::Result<(Assembler, Vec<anyhow::Result<Source>>)> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.limit / 2 / FactsReader::BYTES).max(1);
        let assembler = std::thread::scope(|scope| {
            let (found, arrived) = sync_channel(threads);
            for _ in 0..threads {
                let found = found.clone();
                scope.spawn(|| self.read_all(found));
            }
            drop(found);
            self.add_all(arrived)
        })?;
        let listing = self.listing.into_inner();
        Ok((
            assembler,
            listing.unwrap_or_else(PoisonError::into_inner).taken,
        ))
    }

    /// Adds what the threads find, in the order of the sources. They end once it returns.
    fn add_all(&self, arrived: Receiver<Found>) -> anyhow::Result<Assembler> {
        let (mut assembler, mut next) = (Assembler::default(), 0);
        let (mut waiting, mut events) = (BTreeMap::new(), 0);
        for (number, facts) in arrived {
            events += facts.len();
            waiting.insert(number, facts);
            while let Some(facts) = waiting.remove(&next) {
                next += 1;
                events -= facts.len();
                facts.into_iter().for_each(|facts| assembler.add(facts));
            }
            let (events, sources) = (assembler.len() + events, self.listing().taken.len());
            anyhow::ensure!(
                events <= self.most(),
                "{events} events that can belong to conversations, in {sources} files so far, take more than \
                 limits.memory allows: raise it (QTRAIL_LIMITS_MEMORY), or convert fewer days at once"
            );
        }
        Ok(assembler)
    }

    /// Events that fit beside the names of the sources.
    fn most(&self) -> usize {
        self.limit.saturating_sub(self.listing().bytes) / EVENT_BYTES
    }

    /// Reads one source after the other.
    fn read_all(&self, found: SyncSender<Found>) {
        let mut reader = FactsReader::default();
        while !self.stop.is_cancelled() {
            // The lock ends here, not with the reading.
            let next = self.listing().next();
            let Some((number, source)) = next else {
                return;
            };
            let facts = source.map(|source| self.read(&source, &mut reader));
            if found.send((number, facts.unwrap_or_default())).is_err() {
                return;
            }
        }
    }

    /// The facts of a source; of one with more events than fit, at least one too many.
    fn read(&self, source: &Source, reader: &mut FactsReader) -> Vec<Facts> {
        let (mut facts, most) = (Vec::new(), self.most());
        if let Ok((_, content, again)) = source.open(&self.stop, |content| content) {
            // The conversion tells of an error.
            let _: io::Result<()> = reader.read(&self.conversion, content, Some(again), |one| {
                facts.push(one);
                facts.len() <= most
            });
        }
        facts
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listing {
    /// The next source, unless it cannot be listed, and its number.
    fn next(&mut self) -> Option<(usize, Option<Source>)> {
        let (next, number) = (self.coming.next()?, self.taken.len());
        let source = next.as_ref().ok().cloned();
        self.bytes += SOURCE_BYTES + source.as_ref().map_or(0, Source::name_bytes);
        self.taken.push(next);
        Some((number, source))
    }
}
