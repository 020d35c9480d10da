//! The time up to which the history was delivered, by region and event source (empty: all): `event-history.redb`.

use std::path::Path;

use crate::runtime::database::{Definition, Error, Remedies};
use crate::runtime::times::{self, Times};

static STATE: Definition = Definition {
    file: "event-history.redb",
    schema: 1,
    cache_bytes: 1 << 20,
    tables: times::tables,
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "the history is then read from event_history.start on",
    },
};

/// Whether `folder` holds one.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(STATE.file).exists()
}

/// Opens or creates it in `folder`.
pub(super) fn open(folder: &Path) -> Result<Times, Error> {
    Times::open(folder, &STATE)
}
