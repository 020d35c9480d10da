//! Units wait until what their events belong to can have arrived.
//!
//! Enters: a [`Unit`] that can be read twice. Leaves: its [`Report`], once the pipeline has delivered it with the places
//! that its events have in their conversations; the span of each conversation. What must hold: a place is durable
//! before it is used, so a repeat gets the same one; a unit that waits is not acknowledged, and keeps no other unit
//! from being read.
//!
//! ```text
//! unit ─▶ first reading ─▶ facts ─▶ window (of qtrail-core) ─▶ places ─▶ state ─▶ the unit goes on to the pipeline
//!                                              └▶ conversations ─▶ state ─▶ exporter
//! ```

mod first_reading;
mod keeper;
mod roots;
mod state;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Content, Pipeline, Report, Unit};
use crate::runtime::clock::now;
use crate::runtime::database::Error;
use crate::telemetry::stalls::state_observer;
use qtrail_core::assemble::{
    Conversation, Facts, FactsReader, Place, Settings, SpanId, Tree, Window,
};
use state::State;

pub use roots::deliver as deliver_conversations;

/// Units that wait at most, each with an open file; for more, events are decided early.
const UNITS: usize = 256;
/// Units that are delivered at a time, of those that waited.
const READINGS: usize = 4;

/// Delivers units with assembled conversations. Cheap to clone.
#[derive(Clone)]
pub struct Assembly(Arc<Shared>);

struct Shared {
    pipeline: Pipeline,
    state: State,
    waiting: Mutex<Waiting>,
    /// Held from a change of the window until it is written: changes are written in their order.
    writing: tokio::sync::Mutex<()>,
    /// Conversations that are quiet, and were not sent. It is locked while they are sent.
    unsent: tokio::sync::Mutex<Vec<Conversation>>,
    /// Wakes the keeper: something arrived, or everything is to be decided.
    work: Notify,
    /// Wakes the keeper: a conversation may become quiet.
    decided: Notify,
    readings: Semaphore,
    stop: CancellationToken,
}

/// What waits.
struct Waiting {
    window: Window,
    /// The units that wait for an event, by its id. An event is in it while the window holds it and while its place is
    /// written.
    units: HashMap<SpanId, Vec<mpsc::UnboundedSender<(SpanId, Place)>>>,
    /// When events were decided last.
    decided: i64,
    /// When what is old was forgotten.
    forgot: i64,
    /// How many units wait.
    count: usize,
    /// Nothing more comes for now: everything is decided at once.
    ends: bool,
}

impl Assembly {
    /// An assembly with its state in `folder`, and the task that decides. After `stop`, units that wait are abandoned, and
    /// the task ends.
    ///
    /// # Errors
    /// The state cannot be used; another process has it.
    pub fn open(
        settings: Settings,
        folder: &Path,
        pipeline: Pipeline,
        stop: CancellationToken,
    ) -> Result<(Assembly, JoinHandle<()>), Error> {
        let observer = state_observer(Arc::clone(&pipeline.metrics));
        let state = State::open(folder)?.observed(observer);
        state.use_redaction(&pipeline.conversion.current().options.redaction)?;
        let mut window = Window::new(settings);
        let unsent = state.load(&mut window)?;
        let shared = Arc::new(Shared {
            pipeline,
            state,
            waiting: Mutex::new(Waiting {
                window,
                units: HashMap::new(),
                decided: 0,
                forgot: 0,
                count: 0,
                ends: false,
            }),
            writing: tokio::sync::Mutex::default(),
            unsent: tokio::sync::Mutex::new(unsent),
            work: Notify::new(),
            decided: Notify::new(),
            readings: Semaphore::new(READINGS),
            stop,
        });
        let keeper = tokio::spawn(keeper::run(Arc::clone(&shared)));
        Ok((Assembly(shared), keeper))
    }

    /// Delivers a unit, once the places of its events are known; as [`Pipeline::deliver`]. `waits` is called before it
    /// waits for other units.
    pub async fn deliver(&self, mut unit: Unit, waits: impl FnOnce()) -> Report {
        let (shared, base) = (&self.0, unit.base);
        let Some(facts) = shared.facts(&mut unit).await else {
            return Report::abandoned(base);
        };
        if facts.is_empty() {
            return shared.pipeline.deliver(unit).await;
        }
        let (arrives, count) = (Arc::clone(shared), facts.len());
        let arrived = tokio::task::spawn_blocking(move || arrives.arrive(facts));
        let places = match arrived.await {
            Ok(Ok(places)) => places,
            Ok(Err(error)) => {
                tracing::error!("{error}; the file is read again");
                return Report::abandoned(base);
            }
            Err(_) => return Report::abandoned(base),
        };
        waits();
        let Some(tree) = shared.places(places, count).await else {
            return Report::abandoned(base);
        };
        let Ok(_reading) = shared.readings.acquire().await else {
            return Report::abandoned(base);
        };
        let pipeline = shared.pipeline.clone().with_tree(Arc::new(tree));
        pipeline.deliver(unit).await
    }

    /// Whether units wait for others. Where no other one comes before these have settled, they need not.
    pub fn set_waiting(&self, waits: bool) {
        self.0.lock().ends = !waits;
        self.0.work.notify_one();
    }

    /// Sends the conversations that are not quiet yet. `false` if one was not delivered, which is logged.
    pub async fn finish(&self) -> bool {
        self.0.send_quiet(true).await
    }
}

/// Opens the state in a folder, if there is one; creates none.
///
/// # Errors
/// As [`Assembly::open`].
pub fn check(folder: &Path) -> Result<(), Error> {
    match State::is_there(folder) {
        true => {
            let mut window = Window::new(Settings::default());
            State::open(folder)?.load(&mut window).map(drop)
        }
        false => Ok(()),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts of a unit's events; none of one that cannot be read twice. `None` if the reading failed.
    async fn facts(&self, unit: &mut Unit) -> Option<Vec<Facts>> {
        let Content::Twice(_, again) = &mut unit.content else {
            return Some(Vec::new());
        };
        let Ok(content) = first_reading::open(again) else {
            // The second reading fails as well, and its report says why.
            return Some(Vec::new());
        };
        let (pipeline, name) = (self.pipeline.clone(), Arc::clone(&unit.origin.name));
        let _room = pipeline.windows.acquire(FactsReader::BYTES).await;
        let read = move || first_reading::facts(content, &name, &pipeline);
        tokio::task::spawn_blocking(read).await.ok()
    }

    /// Events of one unit arrive, each once. Their places come through the channel, in any order.
    fn arrive(&self, facts: Vec<Facts>) -> Result<mpsc::UnboundedReceiver<(SpanId, Place)>, Error> {
        let (found, places) = mpsc::unbounded_channel();
        let mut waiting = self.lock();
        // Under the lock, so that none is decided in between.
        let now = now();
        let ids: Vec<_> = facts.iter().map(Facts::span_id).collect();
        for (facts, known) in facts.into_iter().zip(self.state.places(&ids)?) {
            let id = facts.span_id();
            if let Some(place) = known {
                // The receiver is here.
                let _ = found.send((id, place));
                continue;
            }
            let waiting = &mut *waiting;
            let is_new = !waiting.units.contains_key(&id);
            waiting.units.entry(id).or_default().push(found.clone());
            if is_new {
                waiting.window.arrive(facts, now);
            }
        }
        self.gauge(&waiting);
        drop(waiting);
        self.work.notify_one();
        Ok(places)
    }

    /// Waits for this many places. `None` if they do not come: the assembly was stopped.
    async fn places(
        &self,
        mut found: mpsc::UnboundedReceiver<(SpanId, Place)>,
        count: usize,
    ) -> Option<Tree> {
        let _waits = Waits::new(self);
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            tokio::select! {
                place = found.recv() => places.push(place?),
                () = self.stop.cancelled() => return None,
                () = self.pipeline.abort.cancelled() => return None,
            }
        }
        Some(Tree::of(places))
    }

    fn gauge(&self, waiting: &Waiting) {
        let held = waiting.window.len() as u64;
        self.pipeline.metrics.assembly_held.set(held);
    }
}

/// A unit that waits.
struct Waits<'s>(&'s Shared);

impl<'s> Waits<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.lock().count += 1;
        shared.work.notify_one();
        Waits(shared)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().count -= 1;
    }
}
