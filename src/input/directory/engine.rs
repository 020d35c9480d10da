//! The loop: hear of files, choose the next, have it read.
//!
//! Enters: signals of the watch, walks, the ends of readings. Leaves: readings, at most
//! `settings.workers` at a time. What must hold: nothing here blocks; memory does not grow with
//! the directory.

mod signals;

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::context::Context;
use super::decide;
use super::file_id::shown;
use super::kind::named_lines;
use super::lines;
use super::reader::process;
use super::round::{Round, round, sweep};
use super::schedule::{Attempt, Schedule};
use super::sweep::Sweep;
use super::walk::{Found, OrderKey, Walked};
use super::watch::{Signal, Watch};
use super::{Deliver, unlisted};
use crate::telemetry::stalls::Cause;

/// Readings that wait for their commit, those at work included.
const UNDER_WAY: usize = 1024;
/// New folders that are remembered to be walked; of more, everything is.
const FOLDERS: usize = 1024;
/// How often absent files are marked or forgotten.
const SWEEP: Duration = Duration::from_secs(6 * 3600);
/// Walking takes at most one part in so many of the time.
const WALK_SHARE: u32 = 4;
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
        ctx,
    };
    loop {
        let wake_at = engine.start_due();
        match engine.next(wake_at).await {
            Woke::Stop => break,
            Woke::Time => {}
            Woke::Signal(signal) => engine.on_signal(signal),
            Woke::Slot(permit) => engine.dispatch(permit),
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
}

enum Woke {
    Stop,
    Time,
    Signal(Signal),
    Slot(OwnedSemaphorePermit),
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
        tokio::select! {
            biased;
            () = self.ctx.stop.cancelled() => Woke::Stop,
            Some(ended) = self.tasks.join_next_with_id() => Woke::Ended(ended),
            round = joined(&mut self.walking) => Woke::Walked(round),
            Ok(permit) = slots.acquire_owned(), if takes => Woke::Slot(permit),
            signal = next_signal(&mut self.watch) => Woke::Signal(signal),
            () = tokio::time::sleep_until(wake_at.into()) => Woke::Time,
        }
    }

    fn dispatch(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(candidate) = self.schedule.next() {
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

    fn walk(&mut self, from: PathBuf) {
        let ctx = Arc::clone(&self.ctx);
        let watched = self.watch.as_ref().map(|watch| watch.root);
        let after = self.cursor.clone();
        let counts = from.as_os_str().is_empty()
            && after.is_none()
            && self.sweeping.as_ref().is_none_or(JoinHandle::is_finished)
            && Instant::now() >= self.next_sweep;
        self.walking = Some(tokio::task::spawn_blocking(move || {
            round(&ctx, &from, watched, after, counts.then(Sweep::new))
        }));
    }

    fn walked(&mut self, round: Round) {
        let now = Instant::now();
        if let Some(watch) = round.watch {
            self.watch = Some(watch);
            self.partly = false;
        }
        let polls = self.partly || self.watch.as_ref().is_none_or(Watch::polls);
        let settings = &self.ctx.settings;
        let interval = if polls {
            settings.settle
        } else {
            settings.rescan
        };
        if round.whole {
            self.next_walk = now + interval.max(round.took * WALK_SHARE);
        }
        match round.walked {
            Ok(walked) => {
                if self.missing {
                    tracing::info!("{} is there again", shown(&self.ctx.root));
                    self.missing = false;
                }
                self.set_readiness(&walked, round.whole);
                self.take(walked, round.whole, now);
            }
            Err(error) => {
                if !self.missing {
                    let root = shown(&self.ctx.root);
                    tracing::warn!(
                        "{root} cannot be read ({error}); waiting for it, nothing is forgotten"
                    );
                }
                unlisted(&self.ctx.root, &error, &self.ctx.metrics);
                self.missing = true;
                self.more = false;
                self.watch = None;
                self.next_walk = now + settings.settle;
            }
        }
    }

    /// The root is there. All with files in it may still not be.
    fn set_readiness(&self, walked: &Walked, whole: bool) {
        if !whole {
            return;
        }
        let (metrics, root) = (&self.ctx.metrics, shown(&self.ctx.root));
        let cause = Cause::DirectoryUnreadable;
        match &walked.last_unlisted {
            Some(folder) if walked.files == 0 => {
                let reason = format!("no file is found, and {folder}: let qtrail's user list it");
                metrics.stalls.set(cause, &root, reason);
            }
            _ => metrics.stalls.clear(cause, &root),
        }
        metrics.folders_unlisted.set(walked.unlisted);
    }

    fn take(&mut self, walked: Walked, whole: bool, now: Instant) {
        let settle = self.ctx.settings.settle;
        let clock = (self.ctx.tuning.now)();
        let mut more = walked.more;
        let mut last = None;
        for Found { position, stat } in walked.found {
            let (order, path) = position.clone();
            let follows = path.file_name().is_some_and(named_lines);
            let wait = if follows {
                lines::DELAY.min(settle)
            } else {
                settle
            };
            let age = decide::age(&stat, clock, None);
            if !self
                .schedule
                .offer(path, order, now + wait.saturating_sub(age), false)
            {
                more = true;
                break;
            }
            last = Some(position);
        }
        if !whole {
            self.more |= more;
            return;
        }
        self.listed = true;
        self.unlisted |= !walked.complete;
        self.more = more;
        self.cursor = if more {
            last.or(self.cursor.take())
        } else {
            None
        };
        if let Some(seen) = walked.seen.filter(|_| walked.complete) {
            self.next_sweep = now + SWEEP;
            let ctx = Arc::clone(&self.ctx);
            self.sweeping = Some(tokio::task::spawn_blocking(move || sweep(&ctx, &seen)));
        }
    }

    /// Whether all that is there was read, but for what fails.
    fn exhausted(&self) -> bool {
        self.listed
            && !self.more
            && self.walking.is_none()
            && self.tasks.is_empty()
            && self.schedule.workable() == 0
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

/// The end of the walk that is under way, if one is.
async fn joined(walking: &mut Option<JoinHandle<Round>>) -> Round {
    let Some(handle) = walking else {
        return pending().await;
    };
    let round = handle.await.unwrap_or_else(|error| Round {
        whole: true,
        watch: None,
        walked: Err(error.to_string()),
        took: Duration::ZERO,
    });
    *walking = None;
    round
}
