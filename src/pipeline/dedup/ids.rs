//! The ids, in the order in which their events were delivered.
//!
//! Enters: ids, each with the second of its delivery; bounds. Leaves: whether an id is known, and rows
//! for the journal. What must hold: the oldest id is forgotten first; no clock, no disk.
//!
//! All ids are in memory, because each event is looked up. An id takes its 16 bytes in the queue and a
//! number in the table: 27 bytes in all when a million are known.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// An `eventID`.
pub(in crate::pipeline) type Id = [u8; 16];

/// The most ids in a row of the journal: with its overhead it just fits into 64 KiB, and the database
/// would take twice that for one byte more.
const ROW_IDS: u32 = 4000;
/// Ids that one write of the journal takes, give or take a row.
const WRITE_IDS: usize = 1 << 16;

/// The ids.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Oldest first.
    ids: VecDeque<Id>,
    /// The number of the oldest id; the others count on from there, and wrap around.
    oldest: u32,
    /// The ids' numbers, found by their ids. Ids come from outside, so the hash has a key.
    numbers: HashTable<u32>,
    hasher: RandomState,
    /// The same ids, in rows: oldest first.
    rows: VecDeque<Row>,
    /// The number of the next row.
    next: u64,
    /// Rows before this one receive no more ids.
    sealed: u64,
    /// Rows before this one are in the journal, except forgotten ones.
    written: u64,
    /// Rows before this one are no longer in the journal.
    trimmed: u64,
}

/// Ids of one second.
#[derive(Debug)]
struct Row {
    number: u64,
    second: i64,
    ids: u32,
}

/// What the journal must write to hold the same ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Rows to add.
    pub(super) rows: Vec<Entries>,
    /// Rows before this one are removed.
    pub(super) first: u64,
    /// There is more to write than this.
    pub(super) more: bool,
}

/// A row of the journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) number: u64,
    /// Since 1970.
    pub(super) second: i64,
    /// 16 bytes each.
    pub(super) ids: Vec<u8>,
}

impl Ids {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        let is = |number: &u32| self.ids[index(*number, self.oldest)] == *id;
        self.numbers.find(self.hasher.hash_one(id), is).is_some()
    }

    /// Adds an id whose event was delivered in this second (since 1970). Whether it was not known before.
    pub(super) fn add(&mut self, id: Id, second: i64) -> bool {
        if !self.insert(id) {
            return false;
        }
        match self.rows.back_mut() {
            Some(row) if row.number >= self.sealed && row.second == second && row.ids < ROW_IDS => {
                row.ids += 1;
            }
            _ => self.begin(self.next, second, 1),
        }
        true
    }

    /// Loads a row of the journal.
    pub(super) fn load(&mut self, number: u64, second: i64, ids: &[u8]) {
        if self.rows.is_empty() {
            self.trimmed = number;
        }
        let before = self.ids.len();
        for id in ids.as_chunks().0 {
            self.insert(*id);
        }
        self.begin(number, second, (self.ids.len() - before) as u32);
        (self.sealed, self.written) = (self.next, self.next);
    }

    fn begin(&mut self, number: u64, second: i64, ids: u32) {
        self.next = number + 1;
        if ids > 0 {
            self.rows.push_back(Row {
                number,
                second,
                ids,
            });
        }
    }

    /// Whether it was not known before.
    fn insert(&mut self, id: Id) -> bool {
        let (ids, oldest, hasher) = (&self.ids, self.oldest, &self.hasher);
        let id_of = |number: &u32| &ids[index(*number, oldest)];
        let entry = self.numbers.entry(
            hasher.hash_one(id),
            |number| *id_of(number) == id,
            |number| hasher.hash_one(id_of(number)),
        );
        match entry {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(oldest.wrapping_add(ids.len() as u32));
                self.ids.push_back(id);
                true
            }
        }
    }

    /// Forgets the ids of second `until` and before, and the oldest of more than `most`. Returns how many
    /// it forgot only because of `most`.
    pub(super) fn forget(&mut self, until: i64, most: u32) -> u64 {
        let mut crowded = 0;
        while let Some(row) = self.rows.front_mut() {
            let old = row.second <= until;
            if !old && self.ids.len() <= most as usize {
                break;
            }
            crowded += u64::from(!old);
            row.ids -= 1;
            if row.ids == 0 {
                self.rows.pop_front();
            }
            self.forget_oldest();
        }
        crowded
    }

    fn forget_oldest(&mut self) {
        let Some(id) = self.ids.pop_front() else {
            return;
        };
        let hash = self.hasher.hash_one(id);
        if let Ok(entry) = self.numbers.find_entry(hash, |n| *n == self.oldest) {
            entry.remove();
        }
        self.oldest = self.oldest.wrapping_add(1);
    }

    /// Whether the journal holds other ids.
    pub(super) fn differs(&self) -> bool {
        let written = |row: &Row| row.number < self.written;
        !self.rows.back().is_none_or(written) || self.first_row() > self.trimmed
    }

    /// How many ids are not in the journal.
    pub(super) fn unwritten(&self) -> usize {
        let rows = self.rows.range(self.first_unwritten()..);
        rows.map(|row| row.ids as usize).sum()
    }

    /// The next write of the journal. The rows in it receive no more ids.
    pub(super) fn change(&mut self) -> Change {
        let mut at = self.ids.len() - self.unwritten();
        let until = at + WRITE_IDS;
        let mut change = Change {
            rows: Vec::new(),
            first: self.first_row(),
            more: false,
        };
        for row in self.rows.range(self.first_unwritten()..) {
            if at >= until {
                change.more = true;
                break;
            }
            let ids = self.ids.range(at..at + row.ids as usize);
            at += ids.len();
            change.rows.push(Entries {
                number: row.number,
                second: row.second,
                ids: ids.flatten().copied().collect(),
            });
            self.sealed = row.number + 1;
        }
        change
    }

    /// The journal has written this change.
    pub(super) fn changed(&mut self, change: &Change) {
        if let Some(last) = change.rows.last() {
            self.written = last.number + 1;
        }
        self.trimmed = change.first;
    }

    /// The index in `rows` of the first row that is not in the journal.
    fn first_unwritten(&self) -> usize {
        self.rows.partition_point(|row| row.number < self.written)
    }

    fn first_row(&self) -> u64 {
        self.rows.front().map_or(self.next, |row| row.number)
    }
}

/// The index in the queue of the id with this number.
fn index(number: u32, oldest: u32) -> usize {
    number.wrapping_sub(oldest) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(n: u32) -> Id {
        u128::from(n).to_le_bytes()
    }

    fn known(ids: std::ops::Range<u32>, second: i64) -> Ids {
        let mut known = Ids::default();
        for n in ids {
            known.add(id(n), second);
        }
        known
    }

    fn those_known(known: &Ids, among: u32) -> Vec<u32> {
        (0..among).filter(|n| known.contains(&id(*n))).collect()
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten_and_counted() {
        let mut known = known(0..5, 100);
        assert_eq!(known.forget(i64::MIN, 5), 0);
        assert_eq!(known.forget(i64::MIN, 3), 2);
        assert_eq!(those_known(&known, 5), [2, 3, 4]);
        known.add(id(0), 101);
        assert_eq!(known.forget(i64::MIN, 3), 1);
        assert_eq!(those_known(&known, 5), [0, 3, 4]);
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut known = known(0..2, 100);
        known.add(id(2), 101);
        assert_eq!(known.forget(99, 9), 0);
        assert_eq!(known.len(), 3);
        assert_eq!(known.forget(100, 9), 0, "that is no want of room");
        assert_eq!(those_known(&known, 5), [2]);
        known.forget(200, 9);
        assert_eq!(known.len(), 0);
    }

    #[test]
    fn an_id_is_known_once() {
        let mut known = known(0..3, 100);
        known.add(id(1), 101);
        assert_eq!(known.len(), 3);
        known.forget(i64::MIN, 1);
        assert_eq!(those_known(&known, 3), [2]);
    }

    #[test]
    fn numbers_may_wrap_around() {
        let mut known = Ids {
            oldest: u32::MAX - 1,
            ..Ids::default()
        };
        for n in 0..6 {
            known.add(id(n), 100);
        }
        assert_eq!(those_known(&known, 6), [0, 1, 2, 3, 4, 5]);
        known.forget(i64::MIN, 2);
        assert_eq!(those_known(&known, 6), [4, 5]);
    }

    #[test]
    fn what_is_written_is_written_once_and_what_comes_meanwhile_later() {
        let mut known = known(0..3, 100);
        let first = known.change();
        let rows: Vec<_> = first.rows.iter().map(|r| (r.second, r.ids.len())).collect();
        assert_eq!(rows, [(100, 48)]);
        known.add(id(3), 100);
        assert_eq!(known.change().rows.len(), 2, "nothing was written yet");
        known.changed(&first);
        let second = known.change();
        assert_eq!(second.rows.len(), 1);
        assert_eq!(second.rows[0].ids, id(3));
        known.changed(&second);
        assert!(!known.differs());
    }

    #[test]
    fn a_row_is_bounded_and_so_is_a_change() {
        let mut known = known(0..ROW_IDS + 1, 100);
        let change = known.change();
        let lens: Vec<_> = change.rows.iter().map(|r| r.ids.len() / 16).collect();
        assert_eq!(lens, [ROW_IDS as usize, 1]);
        assert!(!change.more);
        for n in 0..2 * WRITE_IDS as u32 {
            known.add(id(n), 101);
        }
        let change = known.change();
        assert!(change.more);
        let ids: usize = change.rows.iter().map(|r| r.ids.len() / 16).sum();
        assert!((WRITE_IDS..WRITE_IDS + ROW_IDS as usize).contains(&ids));
    }

    #[test]
    fn what_is_forgotten_leaves_the_journal() {
        let mut known = known(0..1, 100);
        known.add(id(1), 101);
        let change = known.change();
        known.changed(&change);
        known.forget(100, 9);
        let change = known.change();
        assert_eq!((change.rows.len(), change.first), (0, 1));
        known.changed(&change);
        known.forget(101, 9);
        assert_eq!(known.change().first, 2);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u32),
        Pass,
        Forget(i64, u32),
        Write(bool),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..40_u32).prop_map(Step::Add),
            2 => Just(Step::Pass),
            2 => (0..8_i64, 0..30_u32).prop_map(|(age, most)| Step::Forget(age, most)),
            2 => any::<bool>().prop_map(Step::Write),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        /// Beside a plain list, and a journal that is a plain map.
        #[test]
        fn it_holds_what_a_plain_list_holds_and_after_a_restart_what_was_written(steps in prop::collection::vec(step(), 0..120)) {
            let mut known = Ids::default();
            let mut list: Vec<(u32, i64)> = Vec::new();
            let mut written: Vec<(u32, i64)> = Vec::new();
            let mut journal: BTreeMap<u64, (i64, Vec<u8>)> = BTreeMap::new();
            let mut now = 1000;
            for step in steps {
                match step {
                    Step::Add(n) => {
                        known.add(id(n), now);
                        if !list.iter().any(|(m, _)| *m == n) {
                            list.push((n, now));
                        }
                    }
                    Step::Pass => now += 1,
                    Step::Forget(age, most) => {
                        known.forget(now - age, most);
                        list.retain(|(_, second)| *second > now - age);
                        list.drain(..list.len().saturating_sub(most as usize));
                    }
                    Step::Write(works) => {
                        let change = known.change();
                        if works {
                            journal.retain(|number, _| *number >= change.first);
                            for row in &change.rows {
                                journal.insert(row.number, (row.second, row.ids.clone()));
                            }
                            known.changed(&change);
                            prop_assert!(!known.differs());
                            written = list.clone();
                        }
                    }
                    Step::Restart => {
                        known = Ids::default();
                        for (number, (second, ids)) in &journal {
                            known.load(*number, *second, ids);
                        }
                        // A row goes when all of it is forgotten: a little more may be known.
                        let back = those_known(&known, 40);
                        prop_assert!(written.iter().all(|(n, _)| back.contains(n)));
                        list = known.rows.iter().flat_map(|row| vec![row.second; row.ids as usize])
                            .zip(&known.ids)
                            .map(|(second, id)| (u128::from_le_bytes(*id) as u32, second))
                            .collect();
                    }
                }
                let mut expected: Vec<u32> = list.iter().map(|(n, _)| *n).collect();
                expected.sort_unstable();
                prop_assert_eq!(those_known(&known, 40), expected);
                prop_assert_eq!(known.len(), list.len());
                prop_assert_eq!(known.numbers.len(), list.len());
                let seconds: Vec<i64> = known.rows.iter().flat_map(|row| vec![row.second; row.ids as usize]).collect();
                prop_assert_eq!(seconds, list.iter().map(|(_, second)| *second).collect::<Vec<_>>());
            }
        }
    }
}
