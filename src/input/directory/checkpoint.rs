//! What was read: one embedded database, `state.redb`.
//!
//! Enters: [`Op`]s, applied many at a time, durable when [`Store::apply`] returns. Leaves: what is
//! known of a file by its place, of content by its digest, of followed lines by their first line.
//! What must hold: one process at a time; a state of another version is refused, never guessed at.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `files` | device, inode | size, mtime, ctime, what it held: a file that is unchanged is not opened |
//! | `contents` | SHA-256 of a file's bytes | delivered, with or without dead letters |
//! | `lines` | SHA-256 of the first line, device, inode | offset, with a bit for what has no dead letters; SHA-256 of what is before it |
//! | `meta` | `schema`, `start`, `since`, `at` | the first run and its choice |
//!
//! A value of the first three begins with the time since which what it is about has been absent
//! (8 bytes, nanoseconds since 1970, 0 while it is there): see [`super::sweep`].

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::Start;
use super::file_id::{Digest, FileId, Stat};
use super::rows::{ContentValue, FileKey, FileValue, LinesKey, LinesValue, lines_key, lines_place};
use crate::runtime::database::{self, Definition, Error, META, Remedies};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::of_state;

/// The version of the tables. Raised when their meaning changes.
const SCHEMA: i64 = 1;
/// Memory for pages of the database.
const CACHE_BYTES: usize = 32 << 20;
/// Places under which lines with one and the same first line are remembered.
const SAME_FIRST_LINE: usize = 64;

pub(super) const FILES: TableDefinition<&FileKey, &FileValue> = TableDefinition::new("files");
pub(super) const CONTENTS: TableDefinition<&Digest, &ContentValue> =
    TableDefinition::new("contents");
pub(super) const LINES: TableDefinition<&LinesKey, &LinesValue> = TableDefinition::new("lines");

/// What a settled file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// It was there before the first run, which left it out: the digest of its first line, or of its
    /// beginning; none where an earlier version noted it.
    LeftOut(Option<Digest>),
    /// A whole, by the digest of its bytes.
    Whole(Digest),
    /// Lines, by the digest of the first one.
    Lines(Digest),
}

/// A file that had settled when it looked like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileEntry {
    pub(super) stat: Stat,
    pub(super) held: Held,
}

/// Content that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentEntry {
    pub(super) dead_letters: bool,
}

/// Lines that were delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinesEntry {
    pub(super) offset: u64,
    pub(super) prefix: Digest,
    /// All before the offset was delivered, and none of it is in the dead letters.
    pub(super) clean: bool,
}

/// The choice of the first run, which holds for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstRun {
    pub(super) start: Start,
    /// When it was, in nanoseconds since 1970.
    pub(super) at: i64,
}

/// One change of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    File(FileEntry),
    Content(Digest, ContentEntry),
    Lines(Digest, FileId, LinesEntry),
}

static STATE: Definition = Definition {
    file: "state.redb",
    schema: SCHEMA,
    cache_bytes: CACHE_BYTES,
    tables: |write| {
        write.open_table(FILES)?;
        write.open_table(CONTENTS)?;
        write.open_table(LINES)?;
        Ok(())
    },
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "what is in the directory is then delivered once more, with the same ids",
    },
};

/// The open state.
#[derive(Debug)]
pub(super) struct Store(database::Store);

impl Store {
    /// Whether `folder` holds a state.
    pub(super) fn is_there(folder: &Path) -> bool {
        folder.join(STATE.file).exists()
    }

    /// Opens or creates the state in `folder` (0700, the file 0600).
    pub(super) fn open(folder: &Path) -> Result<Store, Error> {
        Ok(Store(database::Store::open(folder, &STATE)?))
    }

    /// The same; `/readyz` reports while it cannot be used.
    pub(super) fn reported_in(self, metrics: Arc<Metrics>) -> Store {
        Store(self.0.observed(of_state(metrics)))
    }

    /// The first run's choice; `choice` becomes it if there was none before.
    pub(super) fn first_run(&self, choice: FirstRun) -> Result<FirstRun, Error> {
        self.write(|database| {
            let write = database.begin_write()?;
            let run = {
                let mut meta = write.open_table(META)?;
                let known = meta.get("start")?.map(|v| v.value());
                if let Some(start) = known {
                    let since = meta.get("since")?.map_or(0, |v| v.value());
                    let at = meta.get("at")?.map_or(0, |v| v.value());
                    FirstRun {
                        start: match start {
                            1 => Start::End,
                            2 => Start::Since(since),
                            _ => Start::Beginning,
                        },
                        at,
                    }
                } else {
                    let (start, since) = match choice.start {
                        Start::Beginning => (0, 0),
                        Start::End => (1, 0),
                        Start::Since(time) => (2, time),
                    };
                    meta.insert("start", start)?;
                    meta.insert("since", since)?;
                    meta.insert("at", choice.at)?;
                    choice
                }
            };
            write.commit()?;
            Ok(run)
        })
    }

    /// What is known of files by their place, in one look.
    pub(super) fn files(&self, ids: &[FileId]) -> Result<Vec<Option<FileEntry>>, Error> {
        self.read(|database| {
            let files = database.begin_read()?.open_table(FILES)?;
            ids.iter()
                .map(|id| {
                    Ok(files
                        .get(&id.bytes())?
                        .map(|v| FileEntry::read(*id, v.value())))
                })
                .collect()
        })
    }

    /// What is known of content.
    pub(super) fn content(&self, digest: &Digest) -> Result<Option<ContentEntry>, Error> {
        self.read(|database| {
            let contents = database.begin_read()?.open_table(CONTENTS)?;
            Ok(contents.get(digest)?.map(|v| ContentEntry::read(v.value())))
        })
    }

    /// What is known of lines that begin with this one, in any file.
    pub(super) fn lines(&self, first: &Digest) -> Result<Vec<(FileId, LinesEntry)>, Error> {
        self.read(|database| {
            let lines = database.begin_read()?.open_table(LINES)?;
            let low = lines_key(first, FileId { dev: 0, ino: 0 });
            let high = lines_key(
                first,
                FileId {
                    dev: u64::MAX,
                    ino: u64::MAX,
                },
            );
            lines
                .range::<&LinesKey>(&low..=&high)?
                .take(SAME_FIRST_LINE)
                .map(|entry| {
                    let (key, value) = entry?;
                    Ok((lines_place(key.value()).1, LinesEntry::read(value.value())))
                })
                .collect()
        })
    }

    /// Applies changes, all or none; durable when this returns.
    pub(super) fn apply(&self, ops: &[Op]) -> Result<(), Error> {
        self.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            {
                let mut files = write.open_table(FILES)?;
                let mut contents = write.open_table(CONTENTS)?;
                let mut lines = write.open_table(LINES)?;
                for op in ops {
                    match op {
                        Op::File(entry) => {
                            files.insert(&entry.stat.id.bytes(), &entry.bytes())?;
                        }
                        Op::Content(digest, entry) => {
                            contents.insert(digest, &entry.bytes())?;
                        }
                        Op::Lines(first, id, entry) => {
                            lines.insert(&lines_key(first, *id), &entry.bytes())?;
                        }
                    }
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// Runs something that changes nothing on the open database.
    pub(super) fn read<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        self.0.read(f)
    }

    /// Runs something that changes it on the open database.
    pub(super) fn write<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        self.0.write(f)
    }

    /// An error of the state.
    pub(super) fn error(&self, kind: database::Kind) -> Error {
        self.0.error(kind)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::runtime::database::Kind;

    fn stat(ino: u64) -> Stat {
        Stat {
            id: FileId { dev: 3, ino },
            size: u64::MAX,
            modified: -5,
            changed: i64::MAX,
        }
    }

    #[test]
    fn what_was_applied_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        let content = ContentEntry { dead_letters: true };
        let lines = LinesEntry {
            offset: 1 << 40,
            prefix: [9; 32],
            clean: true,
        };
        let unclean = LinesEntry {
            clean: false,
            ..lines
        };
        let held = [
            Held::LeftOut(None),
            Held::LeftOut(Some([5; 32])),
            Held::Whole([1; 32]),
            Held::Lines([2; 32]),
        ];
        {
            let store = Store::open(&state).unwrap();
            let mut ops: Vec<Op> = (0..)
                .zip(held)
                .map(|(ino, held)| Op::File(FileEntry::new(stat(ino), held)))
                .collect();
            ops.push(Op::Content([1; 32], content));
            ops.push(Op::Lines([2; 32], stat(2).id, lines));
            ops.push(Op::Lines([3; 32], stat(9).id, unclean));
            store.apply(&ops).unwrap();
        }
        let store = Store::open(&state).unwrap();
        let ids: Vec<_> = (0..5).map(|ino| stat(ino).id).collect();
        let found = store.files(&ids).unwrap();
        for (ino, held) in held.into_iter().enumerate() {
            assert_eq!(found[ino], Some(FileEntry::new(stat(ino as u64), held)));
        }
        assert_eq!(found[4], None);
        assert_eq!(store.content(&[1; 32]).unwrap(), Some(content));
        assert_eq!(store.content(&[8; 32]).unwrap(), None);
        assert_eq!(store.lines(&[2; 32]).unwrap(), [(stat(2).id, lines)]);
        assert_eq!(store.lines(&[3; 32]).unwrap(), [(stat(9).id, unclean)]);
    }

    #[test]
    fn folder_and_file_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let _store = Store::open(&state).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&state.join(STATE.file)), 0o600);
    }

    #[test]
    fn what_a_process_left_that_was_killed_while_it_made_the_state_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("state.redb.new-0");
        std::fs::write(left, [0; 4096]).unwrap();
        let _store = Store::open(folder.path()).unwrap();
        let names = folder.path().read_dir().unwrap();
        let mut names: Vec<_> = names.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["state.pid", "state.redb"]);
    }

    #[test]
    fn a_state_held_by_another_process_is_refused_with_its_pid() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Store::open(folder.path()).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error.kind, Kind::Locked { .. }), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
    }

    #[test]
    fn a_state_of_another_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let path = folder.path().join("state.redb");
        {
            let database = Database::create(&path).unwrap();
            let write = database.begin_write().unwrap();
            write
                .open_table(META)
                .unwrap()
                .insert("schema", SCHEMA + 1)
                .unwrap();
            write.commit().unwrap();
        }
        for _ in 0..2 {
            let error = Store::open(folder.path()).unwrap_err();
            assert_eq!(error.kind, Kind::Schema { found: 2, ours: 1 }, "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("state.redb"), vec![7; 9000]).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error.kind, Kind::Damaged(_)), "{error}");
    }

    #[test]
    fn the_first_runs_choice_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = FirstRun {
            start: Start::Since(77),
            at: 5,
        };
        let later = FirstRun {
            start: Start::Beginning,
            at: 6,
        };
        assert_eq!(
            Store::open(folder.path())
                .unwrap()
                .first_run(first)
                .unwrap(),
            first
        );
        assert_eq!(
            Store::open(folder.path())
                .unwrap()
                .first_run(later)
                .unwrap(),
            first
        );
    }
}
