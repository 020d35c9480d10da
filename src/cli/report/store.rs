//! The events of a report, by time, in bounded memory.
//!
//! What must hold: the result depends only on the set of events, not on the order in which they are added. If they
//! do not fit, the earliest ones that fit stay.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::event::{Event, Key};

/// The events, without repeats.
#[derive(Debug)]
pub(crate) struct Store {
    events: BTreeMap<Key, Box<Event>>,
    bytes: usize,
    limit: usize,
    /// The first event that did not fit.
    end: Option<Key>,
    /// Events from `end` on, repeats included.
    pub(crate) left_out: u64,
}

impl Store {
    /// A store that takes at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Store {
            events: BTreeMap::new(),
            bytes: 0,
            limit,
            end: None,
            left_out: 0,
        }
    }

    /// Adds an event, or a repeat of one.
    ///
    /// Nothing before [`Store::end`] is ever removed: the newest event leaves only while all events up to it take
    /// more than the limit. So the same events stay in any order.
    pub(crate) fn add(&mut self, event: Event) {
        let key = event.key();
        if self.end.is_some_and(|end| key >= end) {
            self.left_out += 1;
            return;
        }
        match self.events.entry(key) {
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
        while self.bytes > self.limit
            && let Some((key, newest)) = self.events.pop_last()
        {
            self.bytes -= newest.bytes();
            self.left_out += 1 + u64::from(newest.repeats);
            self.end = Some(key);
        }
    }

    /// The time of the first event that did not fit.
    pub(crate) fn end(&self) -> Option<i64> {
        self.end.map(|(time, _)| time)
    }

    /// The events in order of time.
    pub(crate) fn events(&self) -> Vec<&Event> {
        self.events.values().map(|event| &**event).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event::tests::event;
    use super::*;

    fn store(limit: usize, numbers: &[u8]) -> (Vec<Event>, Option<i64>, u64) {
        let mut store = Store::new(limit);
        for n in numbers {
            let (id, name) = (n.to_string(), "x".repeat(usize::from(*n)));
            store.add(event(
                i64::from(n / 4),
                &[("log.record.uid", &id), ("user.name", &name)],
            ));
        }
        let events = store.events().into_iter().cloned().collect();
        (events, store.end(), store.left_out)
    }

    proptest! {
        #[test]
        fn the_same_events_stay_in_any_order(
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
            let (events, end, left_out) = store(limit, &numbers);
            prop_assert_eq!((events.clone(), end, left_out), store(limit, &other));
            let repeats: u64 = events.iter().map(|event| u64::from(event.repeats)).sum();
            prop_assert_eq!(events.len() as u64 + repeats + left_out, numbers.len() as u64);
            prop_assert!(events.iter().map(Event::bytes).sum::<usize>() <= limit);
        }
    }
}
