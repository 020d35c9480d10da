//! A watched directory.
//!
//! Enters: files that appear, grow, are renamed, vanish. Leaves: units for the pipeline, oldest
//! first, and commits in the state store once a unit has settled.
//!
//! ```text
//! watch ─▶ engine ─▶ schedule ─▶ reader ─▶ Deliver (the pipeline)
//! walk  ─▶   ▲                   │ lines      │ report
//!            └───── verdict ─────┴◀───────────┘ ─▶ commits ─▶ checkpoint
//! ```
//!
//! What must hold:
//! - Content decides what a file is. A file that was delivered is not delivered again under another
//!   name, after a `touch`, or when its directory disappears and comes back; other bytes under the
//!   same name are another file.
//! - Nothing is committed before it was delivered, nothing deleted or moved before the commit is
//!   durable. A process that is killed repeats at most what was in flight.
//! - Memory does not grow with the number of files.
//!
//! Losing the state folder loses no event: every file that is still there is delivered once more,
//! with the same ids, so that the repeats can be told.

mod after;
mod away;
mod checkpoint;
mod commits;
mod consumed;
mod context;
mod decide;
mod engine;
pub(crate) mod file_id;
mod filter;
mod followed;
mod kind;
mod lines;
mod look;
mod reader;
mod round;
mod rows;
mod schedule;
mod sweep;
#[cfg(test)]
mod tests;
mod unread;
mod walk;
mod warned;
mod watch;
mod writers;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use globset::GlobSet;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::pipeline::assembly::Assembly;
use crate::pipeline::{Pipeline, Report, Unit};
use crate::runtime::database;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;

use after::StagedFiles;
use away::Remembered;
use checkpoint::{FirstRun, Store};
use commits::Commits;
use context::{Claims, Context, Idle, Tuning};
use filter::Filter;
use followed::Followed;
use unread::Unread;
use warned::Warned;

pub use look::{Found, look};

/// How a directory is read. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory.
    pub root: PathBuf,
    /// Files to read, by path below the root; empty means all.
    pub include: GlobSet,
    /// Files to leave alone, and folders not to look into.
    pub exclude: GlobSet,
    /// How long a file must be quiet before it counts as complete, unless its writer closed it or
    /// renamed it in. Default 5 s.
    pub settle: Duration,
    /// How often the whole tree is listed, beside notifications. Default 60 s; where
    /// notifications cannot work, every `settle`. Listing takes at most a fifth of the time,
    /// whatever this says; beside notifications at most a thousandth, until ten times this has passed.
    pub rescan: Duration,
    /// Don't use notifications at all.
    pub poll: bool,
    /// What a first run reads.
    pub start: Start,
    /// What becomes of a file once all of it was delivered.
    pub after: After,
    /// The folder of the state file.
    pub state: PathBuf,
    /// Files read at once. Default: the number of processors, at most 4.
    pub workers: usize,
    /// Files without one wanted event before the warning. Default 1,000.
    pub idle_files_warning: u64,
    /// Read what is there, then return. Default: watch for ever.
    pub once: bool,
}

/// What a first run reads. The choice is kept in the state and holds for later runs too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Everything that is there.
    #[default]
    Beginning,
    /// Only what comes after the start.
    End,
    /// What was delivered at this time or later, in nanoseconds since 1970.
    Since(i64),
}

/// What becomes of a file once all of it was delivered and it has been quiet for `settle`. One to which
/// more may be appended (lines, compressed or not) is kept until it is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum After {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted, unless it has dead letters.
    Delete,
    /// It is moved below this directory, its path below the root kept, unless it has dead letters.
    Move(PathBuf),
}

/// One of the files that are read at once.
pub type Slot = Option<OwnedSemaphorePermit>;

/// Takes units; the pipeline does.
pub trait Deliver: Clone + Send + Sync + 'static {
    /// Whether units wait for one another, so that their bytes are better left on disk.
    const UNITS_WAIT: bool = false;

    /// Answers when every record of the unit has settled. While the unit waits for others, it takes no slot.
    fn deliver(&self, unit: Unit, slot: &mut Slot) -> impl Future<Output = Report> + Send;

    /// All units that are left wait for one another, and no other comes before they have settled.
    fn wait_no_more(&self) {}
}

impl Deliver for Pipeline {
    fn deliver(&self, unit: Unit, _: &mut Slot) -> impl Future<Output = Report> + Send {
        Pipeline::deliver(self, unit)
    }
}

impl Deliver for Assembly {
    const UNITS_WAIT: bool = true;

    fn deliver(&self, unit: Unit, slot: &mut Slot) -> impl Future<Output = Report> + Send {
        Assembly::deliver(self, unit, || drop(slot.take()))
    }

    fn wait_no_more(&self) {
        self.decide_all();
    }
}

/// Why a directory cannot be read at all. All else is waited out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] database::Error),
    /// The directory cannot be listed. A run that watches it waits instead.
    #[error("{} cannot be listed", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A folder of ours is the watched directory itself.
    #[error(
        "{} is the watched directory itself: choose another folder for `state` and `after: move`",
        folder.display()
    )]
    InTheWay {
        /// The folder.
        folder: PathBuf,
    },
}

/// Reads the directory until `stop`: then no file is begun, and those in flight are awaited.
/// Dropping the future abandons them; what they delivered may be delivered again.
///
/// A directory that is missing is waited for, unless it is to be read once. Reading once returns when
/// all that is there has settled, but for files that cannot be read or delivered.
///
/// # Errors
/// The state cannot be opened, or the settings contradict each other.
pub async fn run(
    settings: Settings,
    deliver: impl Deliver,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), Error> {
    run_with(settings, deliver, metrics, stop, Tuning::default()).await
}

async fn run_with(
    settings: Settings,
    deliver: impl Deliver,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    tuning: Tuning,
) -> Result<(), Error> {
    let (context, writer) = open(settings, deliver, metrics, stop, tuning)?;
    let context = Arc::new(context);
    let abandon = Abandon(context.commits.clone());
    engine::run(Arc::clone(&context)).await;
    drop((context, abandon));
    // The last commits are on disk when the writer ends.
    let _ = tokio::task::spawn_blocking(move || writer.join()).await;
    Ok(())
}

/// Gives up unwritable commits when the future is dropped, so that the state is freed.
struct Abandon(Commits);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn open<D: Deliver>(
    settings: Settings,
    deliver: D,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    tuning: Tuning,
) -> Result<(Context<D>, std::thread::JoinHandle<()>), Error> {
    if settings.once {
        list(&settings)?;
    }
    let filter = Filter::new(&settings)?;
    let store = Store::open(&settings.state)?.reported_in(Arc::clone(&metrics));
    let store = Arc::new(store);
    let choice = FirstRun {
        start: settings.start,
        at: (tuning.now)(),
    };
    let first_run = store.first_run(choice)?;
    if first_run.start != settings.start {
        tracing::info!(
            "`start` holds for the first run only, which was {:?}",
            first_run.start
        );
    }
    let (commits, writer) =
        Commits::start(Arc::clone(&store)).map_err(|error| store.error(error.into()))?;
    let context = Context {
        filter,
        root: std::path::absolute(&settings.root).unwrap_or_else(|_| settings.root.clone()),
        store,
        commits,
        first_run,
        deliver,
        metrics,
        tuning,
        warned: Warned::default(),
        followed: Followed::default(),
        staged_files: StagedFiles::default(),
        settled: Remembered::default(),
        writers: Arc::default(),
        warned_kept: AtomicBool::new(false),
        cancel: stop.child_token(),
        stop,
        claims: Claims::default(),
        idle: Idle::default(),
        unread: Unread::default(),
        settings,
    };
    Ok((context, writer))
}

/// Tells in `metrics` that the directory cannot be listed, if it cannot.
pub fn announce(settings: &Settings, metrics: &Metrics) {
    if let Err(error) = settings.root.read_dir() {
        unlisted(&settings.root, &error, metrics);
    }
}

fn unlisted(root: &Path, error: &dyn std::fmt::Display, metrics: &Metrics) {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let root = file_id::shown(&root);
    let reason = format!(
        "the directory {root} cannot be read: {error} (make or mount it, let qtrail's user list it, or name another)"
    );
    metrics
        .stalls
        .set(Cause::DirectoryUnreadable, &root, reason);
}

/// Whether a run could start: the directory can be listed, the state opened, and no other process
/// holds it. A state that is not there yet is not made.
///
/// # Errors
/// What a run would answer, or wait for.
pub fn check(settings: &Settings) -> Result<(), Error> {
    list(settings)?;
    Filter::new(settings)?;
    if Store::is_there(&settings.state) {
        Store::open(&settings.state)?;
    }
    Ok(())
}

fn list(settings: &Settings) -> Result<(), Error> {
    match settings.root.read_dir() {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Root {
            path: settings.root.clone(),
            source,
        }),
    }
}
