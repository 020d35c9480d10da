//! The last events that were delivered, for people to look at.
//!
//! Enters: a delivered chunk's records. Leaves: the newest of them, as they were read. What must hold: their number
//! and their bytes are bounded; they cost a delivery no more than a copy; they are not redacted, so whoever shows
//! them converts them first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::export::Originals;
use qtrail_core::reject::Position;

/// How many events are kept.
pub const EVENTS: usize = 50;
/// How many bytes of them; the newest one is kept whatever its size.
const BYTES: usize = 4 << 20;

/// The last events that were delivered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    events: VecDeque<RecentEvent>,
    bytes: usize,
}

/// An event that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEvent {
    /// Its record, not redacted.
    pub record: Arc<[u8]>,
    /// Where it stood in its unit.
    pub position: Position,
    /// The observed time of its unit, in nanoseconds since 1970.
    pub observed: Option<i64>,
}

impl Recent {
    /// The events, the newest last.
    pub fn events(&self) -> Vec<RecentEvent> {
        self.lock().events.iter().cloned().collect()
    }

    /// Takes the records of a delivered chunk, except those of the events `undelivered` (numbers in the chunk, in
    /// order).
    pub(super) fn add(&self, originals: &Originals, undelivered: &[u32], observed: Option<i64>) {
        let is_delivered = |event: usize| {
            u32::try_from(event).is_ok_and(|event| undelivered.binary_search(&event).is_err())
        };
        let mut delivered: Vec<usize> = (0..originals.records.len())
            .rev()
            .filter(|event| is_delivered(*event))
            .take(EVENTS)
            .collect();
        delivered.reverse();
        let mut state = self.lock();
        for event in delivered {
            let range = originals.range(event);
            let Some(record) = range.and_then(|range| originals.bytes.get(range)) else {
                continue;
            };
            state.push(RecentEvent {
                record: record.into(),
                position: originals.records[event].position,
                observed,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, event: RecentEvent) {
        self.bytes += event.record.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS || self.bytes > BYTES && self.events.len() > 1 {
            let oldest = self.events.pop_front();
            self.bytes -= oldest.map_or(0, |event| event.record.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Original;

    fn originals(records: &[&[u8]]) -> Originals {
        let mut originals = Originals::default();
        for record in records {
            originals.bytes.extend_from_slice(record);
            originals.records.push(Original {
                position: Position::default(),
                event_id: None,
                end: originals.bytes.len(),
            });
        }
        originals
    }

    fn kept(recent: &Recent) -> Vec<Vec<u8>> {
        let events = recent.events().into_iter();
        events.map(|event| event.record.to_vec()).collect()
    }

    #[test]
    fn delivered_records_are_kept_in_order_and_the_others_are_not() {
        let recent = Recent::default();
        recent.add(&originals(&[b"a", b"bb", b"ccc"]), &[1], Some(7));
        assert_eq!(kept(&recent), [b"a".to_vec(), b"ccc".to_vec()]);
        assert_eq!(recent.events()[0].observed, Some(7));
    }

    #[test]
    fn the_oldest_leave_first() {
        let recent = Recent::default();
        let records: Vec<Vec<u8>> = (0..=EVENTS).map(|n| n.to_string().into_bytes()).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        recent.add(&originals(&records), &[], None);
        recent.add(&originals(&[b"last"]), &[], None);
        let kept = kept(&recent);
        assert_eq!(kept.len(), EVENTS);
        assert_eq!(kept[0], b"2");
        assert_eq!(kept[EVENTS - 1], b"last");
    }

    #[test]
    fn large_records_displace_others_but_the_newest_stays() {
        let recent = Recent::default();
        let large = vec![b'x'; BYTES + 1];
        recent.add(&originals(&[b"small", &large]), &[], None);
        assert_eq!(kept(&recent), [large]);
        recent.add(&originals(&[b"next"]), &[], None);
        assert_eq!(kept(&recent), [b"next".to_vec()]);
    }
}
