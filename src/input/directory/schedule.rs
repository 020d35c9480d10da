//! Which file is next.
//!
//! Enters: files that were found or changed, and how the reading of each ended. Leaves: the oldest
//! file that is due. What must hold: at most `capacity` files are remembered; a file is with one
//! worker at a time; what changes meanwhile is looked at again.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decide::backoff;
use super::file_id::Stat;

/// A file to look at.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its path below the root.
    pub(super) path: Arc<Path>,
    /// A writer closed it, or it was renamed.
    pub(super) closed: bool,
    /// How often it failed in a row.
    pub(super) failures: u32,
    /// How it looked, and since when.
    seen: Option<(Stat, Instant)>,
}

impl Candidate {
    /// How long we have watched it being as it is.
    pub(super) fn seen_for(&self, stat: &Stat, now: Instant) -> Option<Duration> {
        let (seen, since) = self.seen.as_ref()?;
        (seen == stat).then(|| now.saturating_duration_since(*since))
    }
}

/// How an attempt to read a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nothing is left to do until it changes.
    Done,
    /// The same, but not all of it was delivered.
    Left,
    /// Look again after this time; this is how it looked.
    Later(Duration, Option<Stat>),
    /// It failed: look again with back-off, not before this time.
    Failed(Option<Duration>),
}

#[derive(Debug)]
struct Item {
    order: i64,
    closed: bool,
    failures: u32,
    seen: Option<(Stat, Instant)>,
    slot: Slot,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Ready,
    Waiting(Instant),
    /// With a worker; when it changed meanwhile, when to look again.
    Active(Option<Instant>),
}

/// The files that are to be read.
#[derive(Debug)]
pub(super) struct Schedule {
    capacity: usize,
    items: HashMap<Arc<Path>, Item>,
    ready: BTreeSet<(i64, Arc<Path>)>,
    waiting: BTreeSet<(Instant, Arc<Path>)>,
    failing: usize,
    /// Files that were dropped with something undelivered.
    left: u64,
}

impl Schedule {
    pub(super) fn new(capacity: usize) -> Self {
        Schedule {
            capacity,
            items: HashMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            failing: 0,
            left: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Files that can still be read; the others only wait for a next try.
    pub(super) fn workable(&self) -> usize {
        self.items.len() - self.failing
    }

    /// Files that failed, and wait for a next try.
    pub(super) fn failing(&self) -> usize {
        self.failing
    }

    /// Files of which something is undelivered.
    pub(super) fn left(&self) -> u64 {
        self.items.len() as u64 + self.left
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Adds a file, or brings its next look forward. False when there is no room: a later walk
    /// will find it.
    pub(super) fn offer(
        &mut self,
        path: Arc<Path>,
        order: i64,
        due: Instant,
        closed: bool,
    ) -> bool {
        if let Some(item) = self.items.get_mut(&path) {
            item.closed |= closed;
            match &mut item.slot {
                Slot::Ready => {}
                Slot::Active(again) => *again = Some(again.map_or(due, |again| again.min(due))),
                Slot::Waiting(until) => {
                    // A walk finds what fails again and again: only its writer cuts its wait short.
                    if due < *until && (item.failures == 0 || closed) {
                        self.waiting.remove(&(*until, Arc::clone(&path)));
                        *until = due;
                        self.waiting.insert((due, path));
                    }
                }
            }
            return true;
        }
        if self.items.len() >= self.capacity {
            return false;
        }
        self.items.insert(
            Arc::clone(&path),
            Item {
                order,
                closed,
                failures: 0,
                seen: None,
                slot: Slot::Waiting(due),
            },
        );
        self.waiting.insert((due, path));
        true
    }

    /// Moves what is due to the ready ones; the time of the next that is not.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        while let Some((due, path)) = self.waiting.first() {
            if *due > now {
                return Some(*due);
            }
            let path = Arc::clone(path);
            self.waiting.pop_first();
            if let Some(item) = self.items.get_mut(&path) {
                item.slot = Slot::Ready;
                self.ready.insert((item.order, path));
            }
        }
        None
    }

    /// The oldest file that is ready; it is with a worker until [`Schedule::finish`].
    pub(super) fn next(&mut self) -> Option<Candidate> {
        let (_, path) = self.ready.pop_first()?;
        let item = self.items.get_mut(&path)?;
        item.slot = Slot::Active(None);
        Some(Candidate {
            closed: item.closed,
            failures: item.failures,
            seen: item.seen,
            path,
        })
    }

    /// Takes a file back from its worker.
    pub(super) fn finish(&mut self, path: &Arc<Path>, attempt: Attempt, now: Instant) {
        let Some(mut item) = self.items.remove(path) else {
            return;
        };
        let was_failing = item.failures > 0;
        let again = match item.slot {
            Slot::Active(again) => again,
            Slot::Ready | Slot::Waiting(_) => None,
        };
        item.failures = match attempt {
            Attempt::Failed(_) => item.failures.saturating_add(1),
            _ => 0,
        };
        let due = match attempt {
            Attempt::Done | Attempt::Left => again,
            Attempt::Later(after, stat) => {
                item.seen = stat.map(|stat| match item.seen {
                    Some((seen, since)) if seen == stat => (seen, since),
                    _ => (stat, now),
                });
                let due = now + after;
                Some(again.map_or(due, |again| again.min(due)))
            }
            Attempt::Failed(at_least) => Some(now + backoff(item.failures, at_least)),
        };
        self.failing -= usize::from(was_failing);
        let Some(due) = due else {
            self.left += u64::from(attempt == Attempt::Left);
            return;
        };
        if item.failures > 0 {
            // Files that fail must not crowd out those that can be read; a walk finds them again.
            if self.failing >= self.capacity / 2 {
                self.left += 1;
                return;
            }
            self.failing += 1;
        }
        item.slot = Slot::Waiting(due);
        self.items.insert(Arc::clone(path), item);
        self.waiting.insert((due, Arc::clone(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::file_id::FileId;
    use super::*;

    fn path(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    fn next(schedule: &mut Schedule) -> Option<String> {
        let next = schedule.next()?;
        Some(next.path.to_string_lossy().into_owned())
    }

    #[test]
    fn the_oldest_file_that_is_due_comes_first() {
        let mut schedule = Schedule::new(10);
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        schedule.offer(path("new"), 30, now, false);
        schedule.offer(path("old"), 10, now, false);
        schedule.offer(path("oldest, not due"), 1, later, false);
        schedule.offer(path("middle"), 20, now, false);
        assert_eq!(schedule.wake(now), Some(later));
        assert_eq!(next(&mut schedule).as_deref(), Some("old"));
        assert_eq!(schedule.wake(later), None);
        assert_eq!(next(&mut schedule).as_deref(), Some("oldest, not due"));
        assert_eq!(next(&mut schedule).as_deref(), Some("middle"));
        assert_eq!(next(&mut schedule).as_deref(), Some("new"));
        assert_eq!(next(&mut schedule), None);
    }

    #[test]
    fn a_full_schedule_takes_no_more_but_still_hears_of_what_it_has() {
        let mut schedule = Schedule::new(1);
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        assert!(schedule.offer(path("a"), 1, later, false));
        assert!(!schedule.offer(path("b"), 0, now, true));
        assert!(schedule.offer(path("a"), 1, now, true), "brought forward");
        schedule.wake(now);
        assert!(schedule.next().unwrap().closed);
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again() {
        let mut schedule = Schedule::new(10);
        let now = Instant::now();
        let a = path("a");
        schedule.offer(Arc::clone(&a), 1, now, false);
        schedule.wake(now);
        assert!(schedule.next().is_some());
        schedule.offer(Arc::clone(&a), 1, now, true);
        schedule.wake(now);
        assert!(!schedule.has_ready(), "it is with a worker");
        schedule.finish(&a, Attempt::Done, now);
        schedule.wake(now);
        assert!(schedule.next().unwrap().closed);
        schedule.finish(&a, Attempt::Done, now);
        assert_eq!(schedule.len(), 0);
    }

    #[test]
    fn failures_wait_longer_each_time_and_leave_room() {
        let mut schedule = Schedule::new(4);
        let mut now = Instant::now();
        let a = path("a");
        schedule.offer(Arc::clone(&a), 1, now, false);
        for seconds in [1, 2, 4] {
            schedule.wake(now);
            assert!(schedule.next().is_some());
            schedule.finish(&a, Attempt::Failed(None), now);
            let due = now + Duration::from_secs(seconds);
            assert_eq!(schedule.wake(now), Some(due));
            now = due;
        }
        for name in ["b", "c"] {
            schedule.offer(path(name), 1, now, false);
        }
        assert_eq!(schedule.workable(), 2);
        schedule.wake(now);
        while let Some(candidate) = schedule.next() {
            schedule.finish(&candidate.path, Attempt::Failed(None), now);
        }
        assert_eq!(
            schedule.len(),
            2,
            "the third failing file is left to a walk"
        );
        assert_eq!(schedule.workable(), 0);
        assert_eq!(schedule.left(), 3);
    }

    #[test]
    fn quiet_is_counted_from_the_first_equal_look() {
        let mut schedule = Schedule::new(4);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let stat = Stat {
            id: FileId { dev: 1, ino: 1 },
            size: 1,
            modified: 1,
            changed: 1,
        };
        let grown = Stat { size: 2, ..stat };
        let a = path("a");
        schedule.offer(Arc::clone(&a), 1, start, false);
        let mut look = |n: u32, stat: Stat| {
            let now = start + second * n;
            schedule.wake(now);
            let candidate = schedule.next().unwrap();
            schedule.finish(&a, Attempt::Later(second, Some(stat)), now);
            candidate.seen_for(&stat, now)
        };
        assert_eq!(look(0, stat), None);
        assert_eq!(look(1, stat), Some(second));
        assert_eq!(look(2, stat), Some(second * 2));
        assert_eq!(look(3, grown), None);
        assert_eq!(look(4, grown), Some(second));
    }
}
