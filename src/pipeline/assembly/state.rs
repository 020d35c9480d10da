//! What was decided: one embedded database, `assembly.redb`.
//!
//! Enters: places and conversations. Leaves: the same, for repeats and after a restart. What must hold: a change is
//! durable when its write returns.

use std::path::Path;

use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::keeper::Change;
use super::now;
use crate::runtime::database::{Definition, Error, META, Observer, Remedies, Store};
use qtrail_core::assemble::{
    Conversation, Place, Remembered, RememberedConversation, SpanId, TraceId, Window,
};
use qtrail_core::convert::Redaction;

/// By span id: a [`Remembered`], as JSON.
const PLACES: TableDefinition<SpanId, &[u8]> = TableDefinition::new("places");
/// The same by the time of the decision, in nanoseconds since 1970.
const DECIDED: TableDefinition<(i64, SpanId), ()> = TableDefinition::new("decided");
/// By trace id: a [`KeptConversation`], as JSON.
const CONVERSATIONS: TableDefinition<TraceId, &[u8]> = TableDefinition::new("conversations");

static STATE: Definition = Definition {
    file: "assembly.redb",
    schema: 1,
    cache_bytes: 16 << 20,
    tables: |write| {
        write.open_table(PLACES)?;
        write.open_table(DECIDED)?;
        write.open_table(CONVERSATIONS)?;
        Ok(())
    },
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "events that come after that may miss their conversation, and repeats may get another place",
    },
};

/// The open state.
pub(super) struct State(Store);

#[derive(Serialize, Deserialize)]
struct KeptConversation {
    known: RememberedConversation,
    was_sent: bool,
}

impl State {
    /// Whether `folder` holds one.
    pub(super) fn is_there(folder: &Path) -> bool {
        folder.join(STATE.file).exists()
    }

    /// Opens or creates it.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        Ok(State(Store::open(folder, &STATE)?))
    }

    /// The same; `observer` receives whether it can be used.
    pub(super) fn observed(self, observer: Observer) -> Self {
        State(self.0.observed(observer))
    }

    /// Forgets everything if values were shown before that are redacted now.
    pub(super) fn use_redaction(&self, redaction: &Redaction) -> Result<(), Error> {
        let digest = Sha256::digest(format!("{redaction:?}"));
        let digest = digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | i64::from(*byte));
        let is_other = self.0.write(|database| {
            let write = database.begin_write()?;
            let known = {
                let mut meta = write.open_table(META)?;
                let known = meta.insert("redaction", digest)?;
                known.map(|known| known.value())
            };
            let is_other = known.is_some_and(|known| known != digest);
            if is_other {
                write.open_table(PLACES)?.retain(|_, _| false)?;
                write.open_table(DECIDED)?.retain(|_, ()| false)?;
                write.open_table(CONVERSATIONS)?.retain(|_, _| false)?;
            }
            write.commit()?;
            Ok(is_other)
        })?;
        if is_other {
            tracing::info!("redact has changed: the conversations of before are forgotten");
        }
        Ok(())
    }

    /// Puts what can have children into the window; the conversations that are still to be sent.
    pub(super) fn load(&self, window: &mut Window) -> Result<Vec<Conversation>, Error> {
        let mut unsent = Vec::new();
        self.0.read(|database| {
            let read = database.begin_read()?;
            let places = read.open_table(PLACES)?;
            for row in read.open_table(DECIDED)?.iter()? {
                let (_, id) = row?.0.value();
                if let Some(event) = places.get(id)? {
                    window.restore(id, &parse(event.value())?);
                }
            }
            for row in read.open_table(CONVERSATIONS)?.iter()? {
                let kept: KeptConversation = parse(row?.1.value())?;
                if kept.known.activity.was_quiet && !kept.was_sent {
                    unsent.push(kept.known.conversation.clone());
                }
                window.restore_conversation(kept.known, now());
            }
            Ok(())
        })?;
        Ok(unsent)
    }

    /// The places of events, where they are decided.
    pub(super) fn places(&self, ids: &[SpanId]) -> Result<Vec<Option<Place>>, Error> {
        self.0.read(|database| {
            let places = database.begin_read()?.open_table(PLACES)?;
            let place = |id: &SpanId| match places.get(id)? {
                Some(event) => Ok(Some(parse::<Remembered>(event.value())?.place)),
                None => Ok(None),
            };
            ids.iter().map(place).collect()
        })
    }

    /// Writes what a decision changes.
    pub(super) fn write(&self, change: &Change) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            {
                let mut places = write.open_table(PLACES)?;
                let mut decided = write.open_table(DECIDED)?;
                for (id, event) in &change.places {
                    places.insert(id, &*json(event)?)?;
                    decided.insert((event.time, *id), ())?;
                }
                let mut conversations = write.open_table(CONVERSATIONS)?;
                for known in &change.conversations {
                    let id = known.conversation.trace_id();
                    let was_sent = match conversations.get(id)? {
                        Some(kept) => parse::<KeptConversation>(kept.value())?.was_sent,
                        None => false,
                    };
                    let known = known.clone();
                    let kept = json(&KeptConversation { known, was_sent })?;
                    conversations.insert(id, &*kept)?;
                }
            }
            if let Some(before) = change.forget_before {
                forget(&write, before)?;
            }
            write.commit()?;
            Ok(())
        })
    }

    /// These conversations were sent.
    pub(super) fn sent(&self, ids: &[TraceId]) -> Result<(), Error> {
        self.0.write(|database| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            {
                let mut conversations = write.open_table(CONVERSATIONS)?;
                for id in ids {
                    let kept = conversations.get(id)?;
                    let kept = kept.map(|kept| parse::<KeptConversation>(kept.value()));
                    if let Some(mut kept) = kept.transpose()? {
                        kept.was_sent = true;
                        conversations.insert(id, &*json(&kept)?)?;
                    }
                }
            }
            write.commit()?;
            Ok(())
        })
    }
}

/// Removes what was decided before a time.
fn forget(write: &WriteTransaction, before: i64) -> Result<(), redb::Error> {
    let (mut places, mut decided) = (write.open_table(PLACES)?, write.open_table(DECIDED)?);
    let old = ..(before, SpanId::default());
    for row in decided.extract_from_if(old, |_, ()| true)? {
        places.remove(row?.0.value().1)?;
    }
    write.open_table(CONVERSATIONS)?.retain(|_, kept| {
        parse::<KeptConversation>(kept)
            .is_ok_and(|kept| !kept.was_sent || kept.known.activity.last >= before)
    })?;
    Ok(())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}
