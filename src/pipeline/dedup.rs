//! The window of duplicates: an event that was delivered is not delivered again.
//!
//! Enters: the `eventID` of each event before it is converted, and, later, whether its event was
//! delivered. Leaves: new, delivered before, or in flight. What must hold: an id is known only once
//! every enabled signal of its event was accepted; a claim that is lost is a claim that failed, so
//! nothing waits for ever; memory and disk are bounded, the oldest id goes first.
//!
//! ```text
//! reader ─▶ claim ─▶ new ───────▶ chunk ─▶ exporter ─▶ delivered ─▶ known ─▶ journal
//!             │ └──▶ duplicate       (claims beside it) └▶ not ─▶ free again
//!             └────▶ in flight: waits until its twin has settled
//! ```

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
pub(super) use ids::Id;
use ids::Ids;
use journal::Journal;

/// How long a stop waits for the disk: what is not written costs repeats alone.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// How much the window holds, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder of its file.
    pub folder: PathBuf,
    /// Ids at most. Default 1,000,000, which take 33 MB of memory.
    pub max_ids: u32,
    /// How long an id is known. Default 24 hours.
    pub max_age: Duration,
}

/// The window. Cheap to clone; shared by all inputs.
#[derive(Debug, Clone)]
pub struct Dedup(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    state: Mutex<State>,
    /// Tells the journal that there is something to write.
    work: Condvar,
    /// Tells those who wait that claims have settled.
    settled: watch::Sender<()>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    known: Ids,
    in_flight: HashSet<Id>,
    closed: bool,
}

impl Dedup {
    /// Opens the window with what was known at the last stop. It tells its size in `metrics`.
    ///
    /// # Errors
    /// The file cannot be used; another process has it.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> Result<(Dedup, Writer), Error> {
        let journal = Arc::new(Journal::open(&settings)?);
        let known = journal.load(second())?;
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::new(State {
                known,
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

    /// Tells when claims settle.
    pub(super) fn settled(&self) -> watch::Receiver<()> {
        self.0.settled.subscribe()
    }

    /// Which of these are not in flight, or no longer.
    pub(super) fn not_in_flight(&self, ids: impl Iterator<Item = Id>) -> HashSet<Id> {
        let state = self.0.lock();
        ids.filter(|id| !state.in_flight.contains(id)).collect()
    }
}

/// Whether the window could be opened, with what it holds. One that is not there yet is not made.
///
/// # Errors
/// As [`Dedup::open`].
pub fn check(settings: &Settings) -> Result<(), Error> {
    match Journal::is_there(settings) {
        true => Journal::open(settings)?.load(second()).map(drop),
        false => Ok(()),
    }
}

/// Forgets what a window knew, which nobody may have open.
///
/// # Errors
/// Another process has it; its file cannot be removed.
pub fn forget(settings: &Settings) -> Result<(), Error> {
    match Journal::is_there(settings) {
        true => Journal::open(settings)?.remove(),
        false => Ok(()),
    }
}

/// Keeps the window on disk until it is closed or dropped.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Returns when all that the window knows is on disk, or cannot be written in time.
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Lets go of what is too old or too much.
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

    /// Ends claims: these were delivered, those were not.
    fn settle(&self, held: &[(u32, Id)], delivered: impl Fn(u32) -> bool) {
        let now = second();
        let mut state = self.lock();
        let differed = state.known.differs();
        for (event, id) in held {
            state.in_flight.remove(id);
            if delivered(*event) {
                state.known.add(*id, now);
            }
        }
        self.forget(&mut state, now);
        let differs = state.known.differs();
        drop(state);
        if differs && !differed {
            self.work.notify_one();
        }
        self.settled.send_replace(());
    }
}

/// Why an event cannot be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    /// It was delivered.
    Delivered,
    /// It is being delivered; how that ends, [`Dedup::settled`] tells.
    InFlight(Id),
}

/// Claims on the events of one chunk. Those that are dropped have failed.
#[derive(Debug, Default)]
pub(super) struct Claims {
    window: Option<Dedup>,
    /// The events' numbers in the chunk.
    held: Vec<(u32, Id)>,
}

impl Claims {
    /// None yet. Without a window, every event is new.
    pub(super) fn new(window: Option<Dedup>) -> Self {
        Claims {
            window,
            held: Vec::new(),
        }
    }

    /// Claims the chunk's event of this number. One without an id is new, always.
    pub(super) fn claim(&mut self, event: u32, id: Option<&str>) -> Result<(), Twin> {
        let (Some(window), Some(id)) = (&self.window, id) else {
            return Ok(());
        };
        let id = qtrail_core::convert::ids::of_event(id);
        let mut state = window.0.lock();
        if state.known.contains(&id) {
            Err(Twin::Delivered)
        } else if !state.in_flight.insert(id) {
            Err(Twin::InFlight(id))
        } else {
            self.held.push((event, id));
            Ok(())
        }
    }

    /// These claims, for their chunk; `self` goes on with none.
    pub(super) fn take(&mut self) -> Claims {
        let next = Claims::new(self.window.clone());
        std::mem::replace(self, next)
    }

    /// The chunk was delivered, but for these events (in order).
    pub(super) fn delivered(mut self, but: &[u32]) {
        self.end(|event| but.binary_search(&event).is_err());
    }

    fn end(&mut self, delivered: impl Fn(u32) -> bool) {
        if let Some(window) = self.window.as_ref().filter(|_| !self.held.is_empty()) {
            window.0.settle(&self.held, delivered);
            self.held.clear();
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
