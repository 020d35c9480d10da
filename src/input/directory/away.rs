//! What becomes of a file once all of it was delivered: it is kept, deleted or moved away.
//!
//! Enters: a file that has settled, durably, and what is known of its writers. Leaves: a verdict, and
//! what the state learns. What must hold: a file is not taken from a program that may still write to
//! it; one that can grow is kept until it was rotated and closed, since nothing else tells that nobody has it
//! open. See ADR 0010.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::checkpoint::{FileEntry, Fingerprint, Op};
use super::context::{Context, ReadError};
use super::decide::{self, Away};
use super::file_id::{FileId, Stat, shown};
use super::schedule::Attempt;
use super::writers::History;
use super::{After, Deliver, after};

/// Files that are remembered while they wait.
const REMEMBERED: usize = 1024;

/// A file all of whose bytes were dealt with, as far as they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) fingerprint: Fingerprint,
    /// All was delivered, and none of it is in the dead letters.
    pub(super) clean: bool,
    /// More may be appended.
    pub(super) grows: bool,
}

/// What is known of a file that has settled, but waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// For the rest of its last line.
    Unfinished,
    /// For its writer to close it.
    Writer(Settled),
}

/// Files that wait, so that a next look need not read them again.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<FileId, (Stat, Waits)>>);

impl Remembered {
    /// What was remembered of a file that still looks like this.
    pub(super) fn get(&self, stat: &Stat) -> Option<Waits> {
        let files = self.lock();
        let (then, waits) = files.get(&stat.id)?;
        (then == stat).then_some(*waits)
    }

    pub(super) fn put(&self, stat: Stat, waits: Waits) {
        let mut files = self.lock();
        if files.len() >= REMEMBERED {
            // What is forgotten is read once more.
            files.clear();
        }
        files.insert(stat.id, (stat, waits));
    }

    fn forget(&self, id: FileId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, (Stat, Waits)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps, deletes or moves a file. Blocks, unless it is kept in any case.
pub(super) fn put_away<D: Deliver>(
    ctx: &Context<D>,
    path: &Path,
    stat: &Stat,
    settled: Settled,
) -> Result<(Attempt, Vec<Op>), ReadError> {
    let keep = || {
        ctx.settled.forget(stat.id);
        let entry = FileEntry::new(*stat, settled.fingerprint);
        Ok((Attempt::Done, vec![Op::File(entry)]))
    };
    if ctx.settings.after == After::Keep {
        return keep();
    }
    if !settled.clean {
        let what =
            "is kept where it is: some of its records are in the dead letters, or were left out";
        ctx.warn(path, what);
        return keep();
    }
    if stat.size == 0 {
        // A program made it to write to it.
        return keep();
    }
    match decide::away(settled.grows, path, &ctx.writers.history(path)) {
        Away::Keep => {
            if !ctx.warned_kept.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "{} was delivered and is kept, as is every file that can still grow: nothing tells \
                     whether a program has it open for writing. It goes once it was renamed within the directory and \
                     its writer closed it, while qtrail runs",
                    shown(&ctx.root.join(path))
                );
            }
            return keep();
        }
        Away::Wait => {
            ctx.settled.put(*stat, Waits::Writer(settled));
            return Ok((Attempt::Later(ctx.settings.settle, Some(*stat)), Vec::new()));
        }
        Away::Now => {}
    }
    let done = take(ctx, path, stat, settled.grows);
    ctx.settled.forget(stat.id);
    let attempt = match done {
        Ok(()) => Attempt::Done,
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => {
            Attempt::Later(ctx.settings.settle, None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path_exists(ctx, path) => {
            Attempt::Done
        }
        Err(error) => {
            ctx.warn(
                path,
                &format!("was delivered, but cannot be put away: {error}"),
            );
            Attempt::Failed(None)
        }
    };
    Ok((attempt, Vec::new()))
}

/// Stages the file, checks that it is still the one that was read and that no program writes to it, and deletes or moves
/// it; or restores it.
fn take<D: Deliver>(ctx: &Context<D>, path: &Path, stat: &Stat, grows: bool) -> io::Result<()> {
    let mut history = History::default();
    let staged = after::stage(
        &ctx.staged_files,
        &ctx.root,
        path,
        stat,
        |staged, rename| {
            if !grows {
                return rename();
            }
            let expected = ctx.writers.expect(staged);
            rename()?;
            history = expected.history();
            Ok(())
        },
    )?;
    let goes = !grows || decide::away(grows, path, &history) == Away::Now;
    if !goes || !staged.is_unchanged()? {
        staged.restore()?;
        return Err(io::ErrorKind::StaleNetworkFileHandle.into());
    }
    match &ctx.settings.after {
        After::Keep => staged.restore(),
        After::Delete => staged.delete(),
        After::Move(target) => {
            let to = staged.relocate(target)?;
            tracing::debug!("{} moved to {}", shown(path), shown(&to));
            Ok(())
        }
    }
}

fn path_exists<D: Deliver>(ctx: &Context<D>, path: &Path) -> bool {
    ctx.root.join(path).symlink_metadata().is_ok()
}
