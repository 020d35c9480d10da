//! The events of a report in order of time, in memory or in a temporary file.
//!
//! What must hold: both give the same events; an event in a file takes a few bytes of memory.

use std::borrow::Cow;
use std::io;

use crate::runtime::temporary;
use crate::view::event::Event;
use qtrail_core::sorted::Spill;

/// The events, each known by its place.
#[derive(Debug, Default)]
pub(crate) struct Events {
    memory: Vec<Event>,
    /// In the place of `memory`: the file, and where each event ends in it.
    file: Option<(Spill, Vec<u64>)>,
    /// Events that were read again.
    pub(crate) repeats: u64,
}

impl Events {
    /// These, which are in order.
    pub(crate) fn in_memory(events: Vec<Event>) -> Self {
        Events {
            repeats: events.iter().map(|event| u64::from(event.repeats)).sum(),
            memory: events,
            file: None,
        }
    }

    /// None yet, in a temporary file.
    pub(super) fn in_file() -> io::Result<Self> {
        Ok(Events {
            file: Some((Spill::new(temporary::storage()?), Vec::new())),
            ..Events::default()
        })
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, event: Event) -> io::Result<()> {
        self.repeats += u64::from(event.repeats);
        match &mut self.file {
            Some((file, ends)) => {
                file.push(&event)?;
                ends.push(file.end());
            }
            None => self.memory.push(event),
        }
        Ok(())
    }

    /// Nothing is added any more.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some((file, _)) => file.flush(),
            None => Ok(()),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.file {
            Some((_, ends)) => ends.len(),
            None => self.memory.len(),
        }
    }

    /// The event at a place.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(crate) fn get(&self, place: usize) -> io::Result<Cow<'_, Event>> {
        let Some((file, ends)) = &self.file else {
            return Ok(Cow::Borrowed(&self.memory[place]));
        };
        let start = place.checked_sub(1).map_or(0, |before| ends[before]);
        let mut read = file.read(start..ends[place]);
        let event = read.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        event.map(Cow::Owned)
    }

    /// The times of the first and the last one.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(crate) fn range(&self) -> io::Result<Option<(i64, i64)>> {
        match self.len().checked_sub(1) {
            Some(last) => Ok(Some((self.get(0)?.time, self.get(last)?.time))),
            None => Ok(None),
        }
    }
}
