//! What has been absent for long is forgotten.
//!
//! Enters: the keys of all that a complete walk saw, and the clock. Leaves: a smaller state. What
//! must hold: an entry goes only after two walks, at least seven days apart, and all between them,
//! did not see its file; memory is fixed, however many files there are.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::checkpoint::{CONTENTS, FILES, FileEntry, Held, LINES, Store};
use super::file_id::FileId;
use super::rows::{lines_key, part};
use crate::runtime::database;

/// How long a file must be absent before it is forgotten.
const ABSENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bits of the set: 4 MiB. A million files fill 1 bit in 6.
const BITS: u64 = 1 << 25;
/// Changes in one write.
const BATCH: usize = 4096;

/// The keys that a walk saw, as a Bloom filter with a seed of its own: it may take an absent file
/// for a present one (the next sweep, with another seed, hardly does), never the reverse.
#[derive(Debug)]
pub(super) struct Sweep {
    words: Vec<u64>,
    seed: RandomState,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Sweep {
            words: vec![0; usize::try_from(BITS / 64).unwrap_or(0)],
            seed: RandomState::new(),
        }
    }

    /// A file was seen, and this is known of it.
    pub(super) fn saw(&mut self, id: FileId, entry: Option<&FileEntry>) {
        self.insert(&id.bytes());
        match entry.map(|entry| entry.held) {
            Some(Held::Whole(digest)) => self.insert(&digest),
            Some(Held::Lines(first) | Held::LeftOut(Some(first))) => {
                self.insert(&lines_key(&first, id));
            }
            Some(Held::LeftOut(None)) | None => {}
        }
    }

    fn insert(&mut self, key: &[u8]) {
        for bit in self.bits(key) {
            if let Some(word) = self.words.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        let set = |bit: usize| {
            self.words
                .get(bit / 64)
                .is_some_and(|w| w >> (bit % 64) & 1 == 1)
        };
        self.bits(key).into_iter().all(set)
    }

    fn bits(&self, key: &[u8]) -> [usize; 2] {
        let hash = self.seed.hash_one(key);
        [hash % BITS, (hash >> 32) % BITS].map(|bit| usize::try_from(bit).unwrap_or(0))
    }
}

/// Marks what the walk did not see, clears the mark of what it saw, forgets what has been marked
/// for [`ABSENCE`]. Returns how many entries were forgotten.
pub(super) fn sweep(store: &Store, seen: &Sweep, now: i64) -> Result<u64, database::Error> {
    let seen = |key: &[u8]| seen.contains(key);
    Ok(sweep_table(store, FILES, seen, now)?
        + sweep_table(store, CONTENTS, seen, now)?
        + sweep_table(store, LINES, seen, now)?)
}

/// What becomes of an entry's mark. `marked`: absent since, 0 if it is there.
fn mark(marked: i64, seen: bool, now: i64) -> Mark {
    let long = i64::try_from(ABSENCE.as_nanos()).unwrap_or(i64::MAX);
    match (seen, marked) {
        (true, 0) => Mark::Leave,
        (true, _) => Mark::Set(0),
        (false, 0) => Mark::Set(now.max(1)),
        (false, since) if now.saturating_sub(since) >= long => Mark::Forget,
        (false, _) => Mark::Leave,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Leave,
    Set(i64),
    Forget,
}

fn sweep_table<const K: usize, const V: usize>(
    store: &Store,
    table: TableDefinition<'static, &'static [u8; K], &'static [u8; V]>,
    seen: impl Fn(&[u8]) -> bool,
    now: i64,
) -> Result<u64, database::Error> {
    let mut forgotten = 0;
    let mut from = [0; K];
    loop {
        let mut changes = Vec::new();
        let mut last = None;
        store.read(|database| {
            let rows = database.begin_read()?.open_table(table)?;
            for row in rows.range::<&[u8; K]>(&from..)? {
                let (key, value) = row?;
                let (key, marked) = (*key.value(), i64::from_be_bytes(part(value.value(), 0)));
                match mark(marked, seen(&key), now) {
                    Mark::Leave => {}
                    change => changes.push((key, marked, change)),
                }
                if changes.len() >= BATCH {
                    last = Some(key);
                    break;
                }
            }
            Ok(())
        })?;
        forgotten += apply(store, table, &changes)?;
        match last {
            // The key itself is met again, and left alone.
            Some(key) => from = key,
            None => return Ok(forgotten),
        }
    }
}

/// Applies marks, but to entries that were written meanwhile.
fn apply<const K: usize, const V: usize>(
    store: &Store,
    table: TableDefinition<'static, &'static [u8; K], &'static [u8; V]>,
    changes: &[([u8; K], i64, Mark)],
) -> Result<u64, database::Error> {
    if changes.is_empty() {
        return Ok(0);
    }
    store.write(|database| {
        let mut forgotten = 0;
        let mut write = database.begin_write()?;
        write.set_quick_repair(true);
        {
            let mut rows = write.open_table(table)?;
            for (key, marked, change) in changes {
                let Some(mut value) = rows.get(key)?.map(|value| *value.value()) else {
                    continue;
                };
                if i64::from_be_bytes(part(&value, 0)) != *marked {
                    continue;
                }
                match change {
                    Mark::Leave => {}
                    Mark::Set(since) => {
                        value[..8].copy_from_slice(&since.to_be_bytes());
                        rows.insert(key, &value)?;
                    }
                    Mark::Forget => {
                        rows.remove(key)?;
                        forgotten += 1;
                    }
                }
            }
        }
        write.commit()?;
        Ok(forgotten)
    })
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::{ContentEntry, LinesEntry, Op};
    use super::super::file_id::Stat;
    use super::*;

    const DAY: i64 = 24 * 3600 * 1_000_000_000;

    #[test]
    fn marks_follow_what_walks_saw() {
        for (marked, seen, now, expected) in [
            (0, true, 9, Mark::Leave),
            (5, true, 9, Mark::Set(0)),
            (0, false, 9, Mark::Set(9)),
            (9, false, 9 + 7 * DAY - 1, Mark::Leave),
            (9, false, 9 + 7 * DAY, Mark::Forget),
            (9, true, 9 + 7 * DAY, Mark::Set(0)),
            (9, false, 3, Mark::Leave),
        ] {
            assert_eq!(mark(marked, seen, now), expected, "{marked} {seen} {now}");
        }
    }

    fn file(ino: u64, held: Held) -> FileEntry {
        let stat = Stat {
            id: FileId { dev: 1, ino },
            size: 1,
            modified: 1,
            changed: 1,
        };
        FileEntry::new(stat, held)
    }

    #[test]
    fn all_of_a_file_goes_after_seven_days_of_absence_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let whole = |n: u8| Held::Whole([n; 32]);
        let content = ContentEntry {
            dead_letters: false,
        };
        let lines = LinesEntry {
            offset: 7,
            prefix: [0; 32],
            clean: false,
        };
        let (here, gone) = (file(1, whole(1)), file(2, whole(2)));
        let (here_lines, gone_lines) =
            (file(3, Held::Lines([3; 32])), file(4, Held::Lines([3; 32])));
        let mut ops: Vec<Op> = [here, gone, here_lines, gone_lines].map(Op::File).into();
        ops.extend([1, 2].map(|n| Op::Content([n; 32], content)));
        ops.extend([here_lines, gone_lines].map(|f| Op::Lines([3; 32], f.stat.id, lines)));
        store.apply(&ops).unwrap();

        let seen = |entries: &[&FileEntry]| {
            let mut seen = Sweep::new();
            for entry in entries {
                seen.saw(entry.stat.id, Some(entry));
            }
            seen
        };
        let (all, some) = (
            [&here, &gone, &here_lines, &gone_lines],
            [&here, &here_lines],
        );
        assert_eq!(sweep(&store, &seen(&some), DAY).unwrap(), 0);
        assert_eq!(
            sweep(&store, &seen(&all), 6 * DAY).unwrap(),
            0,
            "it came back"
        );
        assert_eq!(sweep(&store, &seen(&some), 7 * DAY).unwrap(), 0);
        assert_eq!(sweep(&store, &seen(&some), 13 * DAY).unwrap(), 0);
        assert_eq!(sweep(&store, &seen(&some), 14 * DAY).unwrap(), 4);

        let ids = all.map(|entry| entry.stat.id);
        let left = store.files(&ids).unwrap();
        assert_eq!(left, [Some(here), None, Some(here_lines), None]);
        assert!(store.content(&[1; 32]).unwrap().is_some());
        assert!(store.content(&[2; 32]).unwrap().is_none());
        assert_eq!(
            store.lines(&[3; 32]).unwrap(),
            [(here_lines.stat.id, lines)]
        );
    }

    #[test]
    fn more_entries_than_one_write_takes_are_all_swept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let many = BATCH as u64 + 10;
        let ops: Vec<Op> = (0..many)
            .map(|ino| Op::File(file(ino, Held::LeftOut(None))))
            .collect();
        store.apply(&ops).unwrap();
        let nothing = Sweep::new();
        assert_eq!(sweep(&store, &nothing, DAY).unwrap(), 0);
        assert_eq!(sweep(&store, &nothing, 8 * DAY).unwrap(), many);
    }
}
