//! The first reading of `--assemble`: the facts of all events.
//!
//! Enters: the listed sources. Leaves: the tree of their events, and the sources again. What must hold: memory is
//! bounded; errors of the sources are left to the conversion, which reads the same records again.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::gathering::Gathering;
use crate::cli::files::{Listed, Source, Sources};
use crate::runtime::temporary;
use qtrail_core::Converter;
use qtrail_core::assemble::{FactsReader, Tree};
use qtrail_core::sorted::{Record, Sorter};

/// The names of the sources take one part in so many of the memory.
const NAMES: usize = 16;

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
    taken: Sorter<Taken>,
    count: u64,
    error: Option<io::Error>,
}

/// A source, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    number: u64,
    /// `None`: standard input.
    source: Result<Option<Vec<u8>>, String>,
}

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
                taken: Sorter::new(temporary::space(limit / NAMES)),
                count: 0,
                error: None,
            }),
        }
    }

    /// Reads on all cores.
    ///
    /// # Errors
    /// The events or the names do not fit into memory, and the temporary files cannot be used.
    pub(super) fn run(self) -> io::Result<(Tree, Listed)> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.limit / 2 / FactsReader::BYTES).max(1);
        let gathering = Gathering::new(self.limit - self.limit / NAMES);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.read_all(&gathering));
            }
        });
        let listing = self.listing.into_inner();
        let listing = listing.unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = listing.error {
            return Err(error);
        }
        let taken = listing.taken.finish()?;
        let sources = taken.iter().map(|taken| taken?.into_source());
        Ok((gathering.finish()?, Box::new(sources)))
    }

    /// Reads one source after the other.
    fn read_all(&self, gathering: &Gathering) {
        let mut reader = FactsReader::default();
        while !self.stop.is_cancelled() && !gathering.has_failed() {
            // The lock ends here, not with the reading.
            let next = self
                .listing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some(next) = next else {
                return;
            };
            let source = next.and_then(|source| source.open(&self.stop, |content| content));
            if let Ok((_, content, again)) = source {
                // The conversion tells of an error.
                let _: io::Result<()> = gathering
                    .file(|each| reader.read(&self.conversion, content, Some(again), each));
            }
        }
    }
}

impl Iterator for Listing {
    type Item = anyhow::Result<Source>;

    /// The next source, or why there is none; it is kept for the conversion.
    fn next(&mut self) -> Option<anyhow::Result<Source>> {
        if self.error.is_some() {
            return None;
        }
        let next = self.coming.next()?;
        let taken = Taken::new(self.count, &next);
        self.count += 1;
        self.error = self.taken.push(&taken).err();
        Some(next)
    }
}

impl Taken {
    fn new(number: u64, source: &anyhow::Result<Source>) -> Self {
        let source = match source {
            Ok(Source::File(path)) => Ok(Some(path.clone().into_os_string().into_vec())),
            Ok(Source::Stdin) => Ok(None),
            Err(error) => Err(format!("{error:#}")),
        };
        Taken { number, source }
    }

    fn into_source(self) -> anyhow::Result<Source> {
        match self.source {
            Ok(Some(path)) => Ok(Source::File(OsString::from_vec(path).into())),
            Ok(None) => Ok(Source::Stdin),
            Err(error) => Err(anyhow::Error::msg(error)),
        }
    }
}

impl Record for Taken {
    type Key = u64;

    fn key(&self) -> u64 {
        self.number
    }
}
