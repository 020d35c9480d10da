//! What notifications tell of each file's writers.
//!
//! Enters: signals of the watch, in their order. Leaves: what is known of the file that has a name. What
//! must hold: whatever was not notified counts as not known; a history belongs to a file, goes with it
//! when it is renamed, and never passes to another file that gets its name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::after;

/// Files that are remembered. Beyond that, all are forgotten.
const FILES: usize = 65_536;
/// Former names that are remembered of a file. One with more is not known.
const NAMES: usize = 16;
/// How long a renaming of our own may take to be notified.
const NOTIFIED: Duration = Duration::from_secs(5);

/// What was notified of a file since it got its first known name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History {
    /// The names that it had before, oldest first.
    names: Vec<PathBuf>,
    /// The last that was notified of its content.
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Written,
    Closed,
}

impl History {
    /// It was written to, and no writer has closed it since.
    pub(super) fn is_open(&self) -> bool {
        self.last == Some(Last::Written)
    }

    /// It was rotated to the name `path`: programs opened it by another name, under which it is no longer.
    pub(super) fn is_rotated(&self, path: &Path) -> bool {
        !self.names.is_empty() && !self.names.iter().any(|name| name == path)
    }

    /// A writer closed it, and it was not written to since.
    pub(super) fn is_closed(&self) -> bool {
        self.last == Some(Last::Closed)
    }

    #[cfg(test)]
    pub(super) fn of(names: &[&str], closed: Option<bool>) -> Self {
        History {
            names: names.iter().map(PathBuf::from).collect(),
            last: closed.map(|closed| if closed { Last::Closed } else { Last::Written }),
        }
    }
}

/// The histories of files, by the names that they have.
#[derive(Debug, Default)]
pub(super) struct Writers {
    state: Mutex<State>,
    renamed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<PathBuf, History>,
    /// Names that are about to be given by us, and what was known of the file when that was notified.
    expected: HashMap<PathBuf, Option<History>>,
}

impl State {
    fn put(&mut self, path: &Path, history: History) {
        if self.files.len() >= FILES {
            self.files.clear();
        }
        self.files.insert(path.to_owned(), history);
    }
}

impl Writers {
    /// What is known of the file at this path. It may be outdated: see [`Writers::expect`].
    pub(super) fn history(&self, path: &Path) -> History {
        self.lock().files.get(path).cloned().unwrap_or_default()
    }

    /// A new file got this name.
    pub(super) fn created(&self, path: &Path) {
        self.lock().put(path, History::default());
    }

    /// It was written to.
    pub(super) fn written(&self, path: &Path) {
        self.note(path, Last::Written);
    }

    /// A writer closed it.
    pub(super) fn closed(&self, path: &Path) {
        self.note(path, Last::Closed);
    }

    /// It was renamed, perhaps from a name outside the directory.
    pub(super) fn renamed(&self, from: Option<&Path>, to: &Path) {
        let mut state = self.lock();
        let history = from.map_or_else(History::default, |from| {
            let mut history = state.files.remove(from).unwrap_or_default();
            if [from, to]
                .into_iter()
                .any(|name| after::original(name).is_some())
            {
                // qtrail staged or restored it.
                history
            } else if history.names.len() < NAMES {
                history.names.push(from.to_owned());
                history
            } else {
                History::default()
            }
        });
        if let Some(expected) = state.expected.get_mut(to) {
            *expected = Some(history.clone());
            self.renamed.notify_all();
        }
        state.put(to, history);
    }

    /// A folder appeared: what was known of another one by its name is void.
    pub(super) fn folder(&self, path: &Path) {
        self.lock().files.retain(|file, _| !file.starts_with(path));
    }

    /// Notifications were lost.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        state.files.clear();
        for history in state.expected.values_mut() {
            *history = Some(History::default());
        }
        self.renamed.notify_all();
    }

    /// Announces that a file is about to get the name `to` by us. Once that was notified, all that happened
    /// before was, too: [`Expected::history`] is what is known for certain.
    pub(super) fn expect<'w>(&'w self, to: &'w Path) -> Expected<'w> {
        self.lock().expected.insert(to.to_owned(), None);
        Expected { writers: self, to }
    }

    fn note(&self, path: &Path, last: Last) {
        let mut state = self.lock();
        if let Some(history) = state.files.get_mut(path) {
            history.last = Some(last);
        } else {
            let history = History {
                last: Some(last),
                ..History::default()
            };
            state.put(path, history);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A renaming of our own, which is to be notified.
pub(super) struct Expected<'w> {
    writers: &'w Writers,
    to: &'w Path,
}

impl Expected<'_> {
    /// What was known of the file before the renaming, once that was notified; nothing, where it took too long.
    /// Blocks.
    pub(super) fn history(&self) -> History {
        let waiting =
            self.writers
                .renamed
                .wait_timeout_while(self.writers.lock(), NOTIFIED, |state| {
                    state.expected.get(self.to).is_some_and(Option::is_none)
                });
        let (mut state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        let history = state.expected.get_mut(self.to).and_then(Option::take);
        history.unwrap_or_default()
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.writers.lock().expected.remove(self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> &Path {
        Path::new(name)
    }

    #[test]
    fn a_history_goes_with_its_file_and_not_with_its_name() {
        let writers = Writers::default();
        writers.created(path("a"));
        writers.written(path("a"));
        assert!(writers.history(path("a")).is_open());
        writers.renamed(Some(path("a")), path("a.1"));
        assert!(writers.history(path("a.1")).is_open());
        assert!(writers.history(path("a.1")).is_rotated(path("a.1")));
        assert_eq!(writers.history(path("a")), History::default());
        writers.closed(path("a.1"));
        assert!(writers.history(path("a.1")).is_closed());
        // Another file gets a name.
        writers.created(path("a.1"));
        assert_eq!(writers.history(path("a.1")), History::default());
        writers.closed(path("a.1"));
        writers.renamed(None, path("a.1"));
        assert_eq!(writers.history(path("a.1")), History::default());
    }

    #[test]
    fn only_another_name_than_all_before_makes_a_rotated_file() {
        let writers = Writers::default();
        writers.renamed(None, path("a"));
        assert!(!writers.history(path("a")).is_rotated(path("a")));
        writers.renamed(Some(path("a")), path("b"));
        assert!(writers.history(path("b")).is_rotated(path("b")));
        writers.renamed(Some(path("b")), path("a"));
        assert!(!writers.history(path("a")).is_rotated(path("a")));
        for number in 0..2 * NAMES {
            let name = |number: usize| PathBuf::from(number.to_string());
            writers.renamed(Some(&name(number)), &name(number + 1));
            assert!(writers.history(&name(number + 1)).names.len() <= NAMES);
        }
    }

    #[test]
    fn what_was_not_notified_is_not_known() {
        let writers = Writers::default();
        for forget in [
            (|writers: &Writers| writers.lost()) as fn(&Writers),
            |writers| writers.folder(path("d")),
        ] {
            writers.created(path("d/a"));
            writers.closed(path("d/a"));
            writers.renamed(Some(path("d/a")), path("d/b"));
            forget(&writers);
            assert_eq!(writers.history(path("d/b")), History::default());
        }
        for number in 0..=FILES {
            writers.created(&PathBuf::from(number.to_string()));
        }
        assert_eq!(writers.lock().files.len(), 1);
    }

    #[test]
    fn a_renaming_of_ours_tells_all_that_happened_before() {
        let writers = Writers::default();
        writers.created(path("a"));
        writers.renamed(Some(path("a")), path("a.1"));
        let expected = writers.expect(path(".qtrail~0~a.1"));
        let history = std::thread::scope(|scope| {
            scope.spawn(|| {
                writers.renamed(Some(path("a.1")), path("a.2"));
                writers.created(path("a.1"));
                writers.written(path("a.1"));
                writers.renamed(Some(path("a.1")), path(".qtrail~0~a.1"));
                writers.closed(path(".qtrail~0~a.1"));
            });
            expected.history()
        });
        drop(expected);
        assert!(history.is_open() && !history.is_rotated(path("a.1")));
        writers.renamed(Some(path(".qtrail~0~a.1")), path("a.1"));
        assert!(!writers.history(path("a.1")).is_rotated(path("a.1")));
        writers.renamed(Some(path("a.2")), path(".qtrail~0~a.2"));
        writers.renamed(Some(path(".qtrail~0~a.2")), path("a.2"));
        assert!(writers.history(path("a.2")).is_rotated(path("a.2")));
        let expected = writers.expect(path("c"));
        writers.lost();
        assert_eq!(expected.history(), History::default());
        drop(expected);
        assert!(writers.lock().expected.is_empty());
    }
}
