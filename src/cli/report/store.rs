//! The events of a report, by time, in bounded memory.
//!
//! Enters: events in any order. Leaves: [`Events`]. What must hold: the result depends only on the set of events, not
//! on the order in which they are added, nor on how many fit into memory at once. Those that do not fit are sorted
//! runs in a temporary file, which are merged at the end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::io;

use super::events::Events;
use crate::runtime::temporary;
use crate::view::event::{Event, Key};
use qtrail_core::sorted::{Record as _, Sorter};

/// The events, without repeats.
#[derive(Debug)]
pub(crate) struct Store {
    events: BTreeMap<Key, Box<Event>>,
    bytes: usize,
    limit: usize,
    /// The events that were moved out of memory.
    spilled: Option<Sorter<Event>>,
    /// Why the temporary file cannot be written.
    failed: Option<io::Error>,
}

/// What a store had.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) events: Events,
    /// The first event whose place does not fit into memory.
    pub(crate) end: Option<i64>,
    /// Events from `end` on, repeats included.
    pub(crate) left_out: u64,
}

impl Store {
    /// A store that takes at most `limit` bytes of memory.
    pub(crate) fn new(limit: usize) -> Self {
        Store {
            events: BTreeMap::new(),
            bytes: 0,
            limit,
            spilled: None,
            failed: None,
        }
    }

    /// Adds an event, or a repeat of one. After an error it takes nothing more; [`Store::finish`] returns the error.
    pub(crate) fn add(&mut self, event: Event) {
        if self.failed.is_some() {
            return;
        }
        match self.events.entry(event.key()) {
            Entry::Vacant(place) => {
                self.bytes += event.bytes();
                place.insert(Box::new(event));
            }
            Entry::Occupied(mut known) => {
                self.bytes -= known.get().bytes();
                known.get_mut().merge(event);
                self.bytes += known.get().bytes();
            }
        }
        if self.bytes > self.limit {
            self.failed = self.spill().err();
        }
    }

    /// All events, the earliest first.
    ///
    /// # Errors
    /// The temporary file cannot be written or read.
    pub(crate) fn finish(mut self) -> io::Result<Stored> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.spilled.is_some() {
            self.spill()?;
        }
        let Some(spilled) = self.spilled else {
            let events = self.events.into_values().map(|event| *event).collect();
            return Ok(Stored {
                events: Events::in_memory(events),
                ..Stored::default()
            });
        };
        let (mut left, mut groups) = (self.limit, HashSet::new());
        let (mut events, mut stored) = (Events::in_file()?, Stored::default());
        for event in spilled.finish()?.once(Event::merge) {
            let event = event?;
            let fits = left.checked_sub(event.bytes_in_lists(&mut groups));
            if let (None, Some(rest)) = (stored.end, fits) {
                left = rest;
                events.push(event)?;
                continue;
            }
            stored.end.get_or_insert(event.time);
            stored.left_out += 1 + u64::from(event.repeats);
        }
        events.end()?;
        stored.events = events;
        Ok(stored)
    }

    /// Moves all events out of memory.
    fn spill(&mut self) -> io::Result<()> {
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        let none = || Sorter::new(temporary::space(0));
        let spilled = self.spilled.get_or_insert_with(none);
        spilled.push_run(events.values().map(|event| &**event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::view::event::tests::event;

    fn store(limit: usize, numbers: &[u8]) -> (Vec<Event>, Option<i64>, u64) {
        let mut store = Store::new(limit);
        for n in numbers {
            let (id, name) = (n.to_string(), "x".repeat(usize::from(*n)));
            store.add(event(
                i64::from(n / 4),
                &[("log.record.uid", &id), ("user.name", &name)],
            ));
        }
        let stored = store.finish().unwrap();
        let places = 0..stored.events.len();
        let events = places.map(|place| stored.events.get(place).unwrap());
        (
            events.map(|event| event.into_owned()).collect(),
            stored.end,
            stored.left_out,
        )
    }

    proptest! {
        #[test]
        fn any_order_and_any_limit_give_the_same_events(
            numbers in proptest::collection::vec(any::<u8>(), 0..60),
            limit in 0_usize..40_000,
            shift in any::<prop::sample::Index>(),
        ) {
            let mut other = numbers.clone();
            other.reverse();
            if !other.is_empty() {
                let by = shift.index(other.len());
                other.rotate_left(by);
            }
            let (all, ..) = store(usize::MAX, &numbers);
            let (events, end, left_out) = store(limit, &numbers);
            prop_assert_eq!((events.clone(), end, left_out), store(limit, &other));
            prop_assert_eq!(&events[..], &all[..events.len()], "the earliest stay");
            let lists = all.iter().map(|event| event.bytes_in_lists(&mut HashSet::new()));
            prop_assert!(limit < lists.sum() || events.len() == all.len());
            let repeats: u64 = events.iter().map(|event| u64::from(event.repeats)).sum();
            prop_assert_eq!(events.len() as u64 + repeats + left_out, numbers.len() as u64);
        }
    }
}
