//! The time up to which the history was delivered: one embedded database, `event-history.redb`.
//!
//! Enters: the end of each settled slice, by region and event source. Leaves: the same,
//! after a restart. What must hold: everything before a recorded time was delivered.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, TableDefinition};

use crate::runtime::database::{Definition, Error, Remedies, Store};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::state_observer;

/// By region and event source (empty: all): the second since 1970 up to which everything was delivered.
const DELIVERED: TableDefinition<(&str, &str), i64> = TableDefinition::new("delivered");

static STATE: Definition = Definition {
    file: "event-history.redb",
    schema: 1,
    cache_bytes: 1 << 20,
    tables: |write| write.open_table(DELIVERED).map(drop),
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "the history is then read from event_history.start on",
    },
};

/// The open state.
#[derive(Debug)]
pub(super) struct State(Store);

impl State {
    /// Whether `folder` holds one.
    pub(super) fn is_there(folder: &Path) -> bool {
        folder.join(STATE.file).exists()
    }

    /// Opens or creates it in `folder`.
    pub(super) fn open(folder: &Path) -> Result<State, Error> {
        Ok(State(Store::open(folder, &STATE)?))
    }

    /// Makes `/readyz` report errors of the database.
    pub(super) fn reported_in(self, metrics: Arc<Metrics>) -> State {
        State(self.0.observed(state_observer(metrics)))
    }

    /// The second up to which everything was delivered; `None` at first.
    pub(super) fn delivered(&self, region: &str, source: &str) -> Result<Option<i64>, Error> {
        self.0.read(|database| {
            let table = database.begin_read()?.open_table(DELIVERED)?;
            Ok(table.get((region, source))?.map(|value| value.value()))
        })
    }

    /// Records that everything up to `second` was delivered; durable when it returns.
    pub(super) fn set(&self, region: &str, source: &str, second: i64) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            write
                .open_table(DELIVERED)?
                .insert((region, source), second)?;
            write.commit()?;
            Ok(())
        })
    }
}
