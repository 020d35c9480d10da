//! The ids of delivered events: an event that was delivered is not delivered again.
//!
//! Enters: the `eventID` of each event before it is converted, and, later, whether its event was
//! delivered. Leaves: new, delivered before, or in flight. What must hold: an id is recorded only once
//! every enabled signal of its event was accepted; a dropped claim counts as failed, so nothing waits
//! for ever; memory and disk are bounded, the oldest id is forgotten first. Conversations with a delivered event are
//! remembered beside the ids, so that each is counted as started once.
//!
//! ```text
//! reader ─▶ claim ─▶ new ───────▶ chunk ─▶ exporter ─▶ delivered ─▶ known ─▶ journal
//!             │ └──▶ duplicate       (with its claims)  └▶ failed ─▶ free again
//!             └────▶ in flight: waits until the other copy has settled
//! ```

mod conversations;
mod ids;
mod journal;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::runtime::database::Error;
use crate::telemetry::metrics::Metrics;
pub(super) use conversations::Conversations;
pub(super) use ids::Id;
use ids::Ids;
use journal::Journal;

/// How long a stop waits for the disk. Ids that are not written cause only repeats.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// How many ids are kept, for how long, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the file.
    pub folder: PathBuf,
    /// The maximum number of ids. Default 1,000,000, which take 33 MB of memory.
    pub max_ids: u32,
    /// How long an id is kept. Default 24 hours.
    pub max_age: Duration,
}

/// The duplicate ids. Cheap to clone; shared by all inputs.
#[derive(Debug, Clone)]
pub struct Dedup(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    state: Mutex<State>,
    /// Wakes the journal when there is something to write.
    work: Condvar,
    /// Changes when claims settle.
    settled: watch::Sender<()>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    known: Ids,
    conversations: Conversations,
    in_flight: HashSet<Id>,
    closed: bool,
}

impl Dedup {
    /// Loads the ids known at the last stop. `metrics` receives their number.
    ///
    /// # Errors
    /// The file cannot be used; another process has it.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> Result<(Dedup, Writer), Error> {
        let journal = Arc::new(Journal::open(&settings)?);
        let (known, conversations) = journal.load(second())?;
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::new(State {
                known,
                conversations: Conversations(conversations),
                in_flight: HashSet::new(),
                closed: false,
            }),
            work: Condvar::new(),
            settled: watch::Sender::new(()),
            metrics,
        });
        shared.forget(&mut shared.lock(), second());
        let (writing, written) = (Arc::clone(&journal), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("qtrail-window".to_owned())
            .spawn(move || journal::keep(&writing, &written))
            .map_err(|error| journal.error(error.into()))?;
        let writer = Writer {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        Ok((Dedup(shared), writer))
    }

    /// Changes when claims settle.
    pub(super) fn settled(&self) -> watch::Receiver<()> {
        self.0.settled.subscribe()
    }

    /// Those of `ids` that are not in flight.
    pub(super) fn not_in_flight(&self, ids: impl Iterator<Item = Id>) -> HashSet<Id> {
        let state = self.0.lock();
        ids.filter(|id| !state.in_flight.contains(id)).collect()
    }
}

/// Opens and loads the file, if there is one; creates none.
///
/// # Errors
/// As [`Dedup::open`].
pub fn check(settings: &Settings) -> Result<(), Error> {
    match Journal::is_there(settings) {
        true => Journal::open(settings)?.load(second()).map(drop),
        false => Ok(()),
    }
}

/// Removes the file. No process may have it open.
///
/// # Errors
/// Another process has it; its file cannot be removed.
pub fn forget(settings: &Settings) -> Result<(), Error> {
    match Journal::is_there(settings) {
        true => Journal::open(settings)?.remove(),
        false => Ok(()),
    }
}

/// Writes ids to disk until it is closed or dropped.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Returns when all ids are on disk, or could not be written in time.
    pub async fn close(mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(move || thread.join());
            let _ = tokio::time::timeout(LAST_WRITE, ended).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl State {
    /// Whether the journal holds something else.
    fn differs(&self) -> bool {
        self.known.differs() || self.conversations.0.differs()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Forgets ids that are too old or too many.
    fn forget(&self, state: &mut State, now: i64) {
        let age = i64::try_from(self.settings.max_age.as_secs()).unwrap_or(i64::MAX);
        let most = self.settings.max_ids;
        let crowded = state.known.forget(now.saturating_sub(age), most);
        self.metrics.duplicates_crowded_out.add(crowded);
        self.gauge(state);
    }

    fn gauge(&self, state: &State) {
        let known = &state.known;
        self.metrics.duplicates_ids.set(known.len() as u64);
        self.metrics
            .duplicates_unwritten
            .set(known.unwritten() as u64);
    }

    /// Ends a change of the state, which the journal differed from before or did not.
    fn unlock(&self, state: MutexGuard<'_, State>, differed: bool) {
        let differs = state.differs();
        drop(state);
        if differs && !differed {
            self.work.notify_one();
        }
    }

    /// Ends claims, delivered or not.
    fn settle(&self, claimed: &[(u32, Id)], delivered: impl Fn(u32) -> bool) {
        let now = second();
        let mut state = self.lock();
        let differed = state.differs();
        for (event, id) in claimed {
            state.in_flight.remove(id);
            if delivered(*event) {
                state.known.add(*id, now);
            }
        }
        self.forget(&mut state, now);
        self.unlock(state, differed);
        self.settled.send_replace(());
    }
}

/// Why an event cannot be claimed: another copy of it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    /// The other copy was delivered.
    Delivered,
    /// The other copy is being delivered; [`Dedup::settled`] changes when that ends.
    InFlight(Id),
}

/// Claims on the events of one chunk. A dropped claim counts as failed.
#[derive(Debug, Default)]
pub(super) struct Claims {
    dedup: Option<Dedup>,
    /// The events' numbers in the chunk, and their ids.
    claimed: Vec<(u32, Id)>,
}

impl Claims {
    /// None yet. Without `dedup`, every event is new.
    pub(super) fn new(dedup: Option<Dedup>) -> Self {
        Claims {
            dedup,
            claimed: Vec::new(),
        }
    }

    /// Claims the chunk's event of this number. An event without an id is always new.
    pub(super) fn claim(&mut self, event: u32, id: Option<&str>) -> Result<(), Twin> {
        let (Some(dedup), Some(id)) = (&self.dedup, id) else {
            return Ok(());
        };
        let id = qtrail_core::convert::ids::of_event(id);
        let mut state = dedup.0.lock();
        if state.known.contains(&id) {
            Err(Twin::Delivered)
        } else if !state.in_flight.insert(id) {
            Err(Twin::InFlight(id))
        } else {
            self.claimed.push((event, id));
            Ok(())
        }
    }

    /// Takes the claims, for their chunk; `self` has none afterwards.
    pub(super) fn take(&mut self) -> Claims {
        let next = Claims::new(self.dedup.clone());
        std::mem::replace(self, next)
    }

    /// The chunk was delivered, except `undelivered` (in order).
    pub(super) fn delivered(mut self, undelivered: &[u32]) {
        self.end(|event| undelivered.binary_search(&event).is_err());
    }

    fn end(&mut self, delivered: impl Fn(u32) -> bool) {
        if let Some(dedup) = self.dedup.as_ref().filter(|_| !self.claimed.is_empty()) {
            dedup.0.settle(&self.claimed, delivered);
            self.claimed.clear();
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.end(|_| false);
    }
}

/// Now, in seconds since 1970.
fn second() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
