//! The loop that finds files and reads them.
//!
//! Enters: signals of the watch, walks, finished reads. Leaves: reads, at most `settings.workers` at a time. What must
//! hold: nothing here blocks; memory does not grow with the directory.

mod signals;
mod walks;

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use self::walks::joined;
use super::Deliver;
use super::context::Context;
use super::reader::process;
use super::round::Round;
use super::schedule::{Attempt, Schedule};
use super::walk::OrderKey;
use super::watch::{Signal, Watch};

/// Readings that wait for their commit, those at work included.
const UNDER_WAY: usize = 1024;
/// New folders that are remembered to be walked; of more, everything is.
const FOLDERS: usize = 1024;
/// How often absent files are marked or forgotten.
const SWEEP: Duration = Duration::from_secs(6 * 3600);
/// The longest sleep of an idle loop.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs until `ctx.stop`; then waits for what is under way.
pub(super) async fn run<D: Deliver>(ctx: Arc<Context<D>>) {
    let mut engine = Engine {
        schedule: Schedule::new(ctx.tuning.capacity),
        slots: Arc::new(Semaphore::new(ctx.settings.workers.max(1))),
        tasks: JoinSet::new(),
        paths: HashMap::new(),
        watch: None,
        partly: false,
        walking: None,
        sweeping: None,
        folders: BTreeSet::new(),
        cursor: None,
        more: false,
        next_walk: Instant::now(),
        next_sweep: Instant::now(),
        missing: false,
        listed: false,
        unlisted: false,
        ended_waits: false,
        ctx,
    };
    loop {
        let wake_at = engine.start_due();
        match engine.next(wake_at).await {
            Woke::Stop => break,
            Woke::Time => {}
            Woke::Signal(signal) => engine.on_signal(signal),
            Woke::Slot(permit) => engine.dispatch(permit),
            Woke::AllWait => {
                engine.ended_waits = true;
                engine.ctx.deliver.wait_no_more();
            }
            Woke::Ended(ended) => engine.ended(ended),
            Woke::Walked(round) => engine.walked(round),
        }
        let pending = engine.schedule.len() as u64;
        let failing = engine.schedule.failing() as u64;
        engine.ctx.metrics.files_pending.set(pending);
        engine.ctx.metrics.files_failing.set(failing);
        if engine.ctx.settings.once && engine.exhausted() {
            break;
        }
    }
    engine.drain().await;
}

struct Engine<D> {
    ctx: Arc<Context<D>>,
    schedule: Schedule,
    slots: Arc<Semaphore>,
    tasks: JoinSet<Attempt>,
    /// What each task reads.
    paths: HashMap<Id, Arc<Path>>,
    watch: Option<Watch>,
    /// Notifications come for a part of the directory only.
    partly: bool,
    walking: Option<JoinHandle<Round>>,
    sweeping: Option<JoinHandle<()>>,
    /// New folders, to be walked.
    folders: BTreeSet<PathBuf>,
    /// Where the last walk had to stop.
    cursor: Option<OrderKey>,
    /// There are files that had no room in the schedule.
    more: bool,
    next_walk: Instant,
    next_sweep: Instant,
    /// The root could not be looked at, and that was said.
    missing: bool,
    /// All of the root was walked at least once.
    listed: bool,
    /// Not everything in it could be looked at.
    unlisted: bool,
    /// What is under way waits no more for others.
    ended_waits: bool,
}

enum Woke {
    Stop,
    Time,
    Signal(Signal),
    Slot(OwnedSemaphorePermit),
    /// Nothing is being read.
    AllWait,
    Ended(Result<(Id, Attempt), JoinError>),
    Walked(Round),
}

impl<D: Deliver> Engine<D> {
    /// Starts the walk that is due. Returns when to look again.
    fn start_due(&mut self) -> Instant {
        let now = Instant::now();
        let next_file = self.schedule.wake(now);
        if self.walking.is_none() {
            let room = self.schedule.workable() <= self.ctx.tuning.capacity / 4;
            if self.more && room && !self.missing {
                self.walk(PathBuf::new());
            } else if !self.more && now >= self.next_walk {
                self.cursor = None;
                self.walk(PathBuf::new());
            } else if let Some(folder) = self.folders.pop_first() {
                self.walk(folder);
            }
        }
        let next_walk = match self.walking.is_none() && !self.more {
            true => self.next_walk,
            false => now + IDLE,
        };
        next_file.map_or(next_walk, |due| due.min(next_walk))
    }

    async fn next(&mut self, wake_at: Instant) -> Woke {
        let takes = self.schedule.has_ready() && self.tasks.len() < UNDER_WAY;
        let slots = Arc::clone(&self.slots);
        let all_slots = Arc::clone(&self.slots).acquire_many_owned(self.slot_count());
        let none_comes = self.ctx.settings.once && self.is_all_begun() && !self.ended_waits;
        tokio::select! {
            biased;
            () = self.ctx.stop.cancelled() => Woke::Stop,
            Some(ended) = self.tasks.join_next_with_id() => Woke::Ended(ended),
            round = joined(&mut self.walking) => Woke::Walked(round),
            Ok(permit) = slots.acquire_owned(), if takes => Woke::Slot(permit),
            Ok(_) = all_slots, if none_comes => Woke::AllWait,
            signal = next_signal(&mut self.watch) => Woke::Signal(signal),
            () = tokio::time::sleep_until(wake_at.into()) => Woke::Time,
        }
    }

    fn dispatch(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(candidate) = self.schedule.next() {
            self.ended_waits = false;
            let path = Arc::clone(&candidate.path);
            let reading = process(Arc::clone(&self.ctx), candidate, permit);
            let task = self.tasks.spawn(reading);
            self.paths.insert(task.id(), path);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Attempt), JoinError>) {
        let (id, attempt) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "reading a file failed");
                (error.id(), Attempt::Failed(None))
            }
        };
        if let Some(path) = self.paths.remove(&id) {
            self.schedule.finish(&path, attempt, Instant::now());
        }
    }

    /// Whether all that is there was read, but for what fails.
    fn exhausted(&self) -> bool {
        self.is_all_begun() && self.tasks.is_empty() && self.schedule.workable() == 0
    }

    /// Whether all that is there is under way or was read.
    fn is_all_begun(&self) -> bool {
        let begun = self.schedule.workable() <= self.tasks.len() && !self.schedule.has_ready();
        self.listed && !self.more && self.walking.is_none() && begun
    }

    /// Files that are read at once.
    fn slot_count(&self) -> u32 {
        u32::try_from(self.ctx.settings.workers.max(1)).unwrap_or(u32::MAX)
    }

    /// Tells what reading once has left undelivered.
    fn log_undelivered(&self) {
        let files = self.schedule.left();
        if files > 0 {
            tracing::warn!(
                "{files} files could not be delivered or put away; the next run tries them again"
            );
        }
        let unlisted = self.unlisted || self.more || !self.listed;
        if unlisted {
            tracing::warn!(
                "not all of the directory was listed: what is there may hold more files"
            );
        }
        self.ctx
            .metrics
            .undelivered
            .add(files + u64::from(unlisted));
    }

    /// Ends walks, waits for readings.
    async fn drain(mut self) {
        if let Some(walking) = self.walking.take() {
            // It sees `stop` at its next file.
            let _ = walking.await;
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
        if let Some(sweeping) = self.sweeping.take() {
            let _ = sweeping.await;
        }
        if self.ctx.settings.once {
            self.log_undelivered();
        }
    }
}

impl<D> Drop for Engine<D> {
    fn drop(&mut self) {
        // Also when the input was abandoned: what blocks ends soon, and frees the state.
        self.ctx.cancel.cancel();
    }
}

async fn next_signal(watch: &mut Option<Watch>) -> Signal {
    match watch {
        Some(watch) => watch.next().await,
        None => pending().await,
    }
}
