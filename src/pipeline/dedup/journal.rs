//! The ids on disk: one embedded database, `duplicates.redb`, and the thread that writes it.
//!
//! Enters: rows of ids. Leaves: the same rows at the next start. What must hold: one process at a
//! time; a write that fails costs no event and no memory, and is tried again.
//!
//! It is a journal, written at most once a second and read only at the start. Events whose ids a crash
//! kept from it are delivered once more.

use std::time::{Duration, Instant};

use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::ids::{Change, Ids};
use super::{Settings, Shared, second};
use crate::runtime::database::{Definition, Error, Kind, Remedies, Store};

/// Row number → second of delivery since 1970, ids of 16 bytes each.
const ROWS: Rows = TableDefinition::new("rows");
/// The same for the conversations that the events began.
const CONVERSATIONS: Rows = TableDefinition::new("conversations");

type Rows = TableDefinition<'static, u64, (i64, &'static [u8])>;

static JOURNAL: Definition = Definition {
    file: "duplicates.redb",
    schema: 1,
    cache_bytes: 4 << 20,
    tables: |write| {
        write.open_table(ROWS)?;
        write.open_table(CONVERSATIONS).map(drop)
    },
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "which costs nothing but repeats, with the same ids",
    },
};

/// The least time between two writes (each an fsync), and the wait after a failed one.
const GATHER: Duration = Duration::from_secs(1);
/// How often ids that became too old are forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal(Store);

impl Journal {
    /// Opens or creates it.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Journal(Store::open(&settings.folder, &JOURNAL)?))
    }

    /// Whether there is one.
    pub(super) fn is_there(settings: &Settings) -> bool {
        settings.folder.join(JOURNAL.file).exists()
    }

    /// Its ids of events, and those of conversations. A row from the future comes from a wrong clock and counts as of
    /// `now`.
    pub(super) fn load(&self, now: i64) -> Result<(Ids, Ids), Error> {
        Ok((
            self.load_from(ROWS, now)?,
            self.load_from(CONVERSATIONS, now)?,
        ))
    }

    fn load_from(&self, table: Rows, now: i64) -> Result<Ids, Error> {
        let mut known = Ids::default();
        self.0.read(|database| {
            for row in database.begin_read()?.open_table(table)?.iter()? {
                let (number, row) = row?;
                let (second, ids) = row.value();
                known.load(number.value(), second.min(now), ids);
            }
            Ok(())
        })?;
        Ok(known)
    }

    /// Removes it.
    pub(super) fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(self.0.path()).map_err(|error| self.error(error.into()))
    }

    /// An error of the journal.
    pub(super) fn error(&self, kind: Kind) -> Error {
        self.0.error(kind)
    }

    fn write(&self, changes: &Changes) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            for (table, change) in [
                (ROWS, &changes.events),
                (CONVERSATIONS, &changes.conversations),
            ] {
                let mut rows = write.open_table(table)?;
                rows.retain_in(..change.first, |_, _| false)?;
                for row in &change.rows {
                    rows.insert(row.number, (row.second, &*row.ids))?;
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    /// Logs when writing begins to fail, and when it works again.
    fn log(written: &Result<(), Error>, failed: bool) {
        match written {
            Err(error) if !failed => {
                tracing::warn!("{error}; until it can be written, a restart may repeat events");
            }
            Ok(()) if failed => tracing::info!("the duplicate ids can be written again"),
            _ => {}
        }
    }
}

/// Writes new ids until they are closed; then the rest, if it can be written.
pub(super) fn keep(journal: &Journal, shared: &Shared) {
    let mut failed = false;
    loop {
        let closed = shared.wait();
        while let Some(changes) = shared.changes() {
            let written = journal.write(&changes);
            Journal::log(&written, failed);
            failed = written.is_err();
            if failed {
                break;
            }
            shared.changed(&changes);
            if !changes.events.more && !changes.conversations.more && !closed {
                break;
            }
        }
        if closed {
            return;
        }
    }
}

/// What the journal must write.
struct Changes {
    events: Change,
    conversations: Change,
}

impl Shared {
    /// Waits until changes have been gathered for [`GATHER`], or until closed; returns whether closed.
    /// Meanwhile it forgets ids that became too old.
    fn wait(&self) -> bool {
        let mut due = None;
        let mut state = self.lock();
        while !state.closed {
            self.forget(&mut state, second());
            let now = Instant::now();
            let wait = if state.differs() {
                due.get_or_insert(now + GATHER)
                    .saturating_duration_since(now)
            } else {
                IDLE.min(self.settings.max_age).max(GATHER)
            };
            if wait.is_zero() {
                break;
            }
            state = match self.work.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        state.closed
    }

    /// The next changes to write, if there are any.
    fn changes(&self) -> Option<Changes> {
        let mut state = self.lock();
        state.differs().then(|| Changes {
            events: state.known.change(),
            conversations: state.conversations.0.change(),
        })
    }

    fn changed(&self, changes: &Changes) {
        let mut state = self.lock();
        state.known.changed(&changes.events);
        state.conversations.0.changed(&changes.conversations);
        self.gauge(&state);
    }
}
