//! Sorted runs of events in a temporary file, and their merge.
//!
//! Enters: events in order, run by run. Leaves: all of them in order, those of one key merged.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

use super::spill::{Part, Spill};
use crate::view::event::{Event, Key};

/// Bytes of each run that are read at once.
const READ: usize = 16 << 10;

/// The runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    spill: Option<Spill>,
    runs: Vec<Range<u64>>,
}

impl Runs {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a run of events, which are in order.
    pub(super) fn add(&mut self, events: impl Iterator<Item = Box<Event>>) -> io::Result<()> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::new()?),
        };
        let start = spill.len();
        for event in events {
            spill.push(&event)?;
        }
        spill.flush()?;
        self.runs.push(start..spill.len());
        Ok(())
    }

    /// Passes all events to `each`, in order.
    pub(super) fn merge(&self, mut each: impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        let Some(spill) = &self.spill else {
            return Ok(());
        };
        let mut runs: Vec<_> = self
            .runs
            .iter()
            .cloned()
            .map(|run| Run::new(spill, run))
            .collect();
        // The next event of each run, by its key.
        let mut heads = BTreeMap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next(number)?);
        }
        let mut last: Option<Event> = None;
        while let Some(((key, number), event)) = heads.pop_first() {
            heads.extend(runs[number].next(number)?);
            match &mut last {
                Some(last) if last.key() == key => last.merge(event),
                _ => {
                    if let Some(done) = last.replace(event) {
                        each(done)?;
                    }
                }
            }
        }
        last.map_or(Ok(()), each)
    }
}

/// One run that is being read.
struct Run<'s>(BufReader<Part<'s>>);

impl<'s> Run<'s> {
    fn new(spill: &'s Spill, bytes: Range<u64>) -> Self {
        Run(BufReader::with_capacity(READ, spill.reader(bytes)))
    }

    /// The next event, with its key and the number of the run.
    fn next(&mut self, number: usize) -> io::Result<Option<((Key, usize), Event)>> {
        if self.0.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let event = Event::read(&mut self.0)?;
        Ok(Some(((event.key(), number), event)))
    }
}
