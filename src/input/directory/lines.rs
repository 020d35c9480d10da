//! Following lines that are appended.
//!
//! Enters: a file and the offset up to which it was delivered. Leaves: units of whole lines, and
//! offsets for the state. What must hold: an offset counts only for the very bytes before it,
//! which are hashed again after a restart or under another inode; an unfinished line waits.
//!
//! Rotation by renaming is followed to the end of the renamed file. With copying and truncating,
//! what is written between the two is lost before anyone can read it; the copy itself is
//! recognized. Followed files are never deleted nor moved.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::Deliver;
use super::checkpoint::{FileEntry, Held, LinesEntry, Op};
use super::context::{Claim, Context, Problem};
use super::decide::{self, Ended};
use super::file_id::{self, Digest, FileId, Section, Stat};
use super::kind;
use super::reader::{Look, blocking};
use super::schedule::Verdict;
use crate::pipeline::{Content, Truncation, Unit};

/// Bytes of one unit: what a crash repeats at most, for each file.
const UNIT_BYTES: u64 = 64 << 20;
/// How soon a followed file is looked at again when it grows.
pub(super) const DELAY: Duration = Duration::from_millis(200);
/// Followed files of which the hash is kept, so that an append costs no hashing from the start.
const FOLLOWED: usize = 1024;
/// Bytes before the offset that must still be there.
const TAIL_BYTES: u64 = 4096;

/// A file with lines to deliver.
pub(super) struct Follow {
    path: Arc<Path>,
    file: Arc<File>,
    stat: Stat,
    age: Duration,
    /// The digest of the first line.
    first: Digest,
    at: Reached,
    _claim: Claim,
}

/// How far a file was delivered.
#[derive(Debug, Clone)]
struct Reached {
    offset: u64,
    /// Has seen all bytes before `offset`.
    hasher: Sha256,
}

/// The files that were followed lately.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    known: HashMap<FileId, Known>,
    paths: HashSet<Arc<Path>>,
}

#[derive(Debug, Clone)]
struct Known {
    reached: Reached,
    tail: Digest,
}

impl Followed {
    /// Whether a path was followed lately.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.lock().paths.contains(path)
    }

    fn get(&self, id: FileId) -> Option<Known> {
        self.lock().known.get(&id).cloned()
    }

    fn put(&self, id: FileId, path: &Arc<Path>, entry: Known) {
        let mut files = self.lock();
        if files.known.len() >= FOLLOWED || files.paths.len() >= FOLLOWED {
            // The state knows them all.
            *files = Files::default();
        }
        files.known.insert(id, entry);
        files.paths.insert(Arc::clone(path));
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds where to go on.
pub(super) fn look<D: Deliver>(
    ctx: &Context<D>,
    path: Arc<Path>,
    file: Arc<File>,
    stat: Stat,
    age: Duration,
    head: &[u8],
    entry: Option<FileEntry>,
) -> Result<Look, Problem> {
    let settle = ctx.settings.settle;
    let whole_line = kind::first_line(head);
    if whole_line.is_none() && (head.len() as u64) < kind::HEAD_BYTES && age < settle {
        return Ok(Look::Verdict(Verdict::Later(settle - age, Some(stat))));
    }
    let first = file_id::digest(whole_line.unwrap_or(head));
    let Some(claim) = ctx.claims.take(first) else {
        return Ok(Look::Verdict(Verdict::Later(DELAY, Some(stat))));
    };
    let at = match followed(ctx, &file, &stat)? {
        Some(reached) => reached,
        None => resume(ctx, &file, &stat, first, entry)?,
    };
    Ok(Look::Lines(Follow {
        path,
        file,
        stat,
        age,
        first,
        at,
        _claim: claim,
    }))
}

/// Where this process left the file, if what is before that is still there.
fn followed<D: Deliver>(
    ctx: &Context<D>,
    file: &Arc<File>,
    stat: &Stat,
) -> Result<Option<Reached>, Problem> {
    let Some(known) = ctx.followed.get(stat.id) else {
        return Ok(None);
    };
    let same = known.reached.offset <= stat.size && tail(file, known.reached.offset)? == known.tail;
    Ok(same.then_some(known.reached))
}

fn tail(file: &Arc<File>, offset: u64) -> std::io::Result<Digest> {
    let mut hasher = Sha256::new();
    let from = offset.saturating_sub(TAIL_BYTES);
    file_id::hash(file, from, offset, &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// The furthest offset in the state before which the file holds the very same bytes.
fn resume<D: Deliver>(
    ctx: &Context<D>,
    file: &Arc<File>,
    stat: &Stat,
    first: Digest,
    entry: Option<FileEntry>,
) -> Result<Reached, Problem> {
    let mut known: Vec<LinesEntry> = ctx.store.lines(&first)?.into_iter().map(|k| k.1).collect();
    if let Some(Held::Lines(earlier)) = entry.map(|entry| entry.held)
        && earlier != first
    {
        // The first line was unfinished then.
        let here = ctx.store.lines(&earlier)?.into_iter();
        known.extend(here.filter(|(id, _)| *id == stat.id).map(|k| k.1));
    }
    known.retain(|entry| entry.offset <= stat.size);
    known.sort_unstable_by_key(|entry| entry.offset);

    let mut at = Reached {
        offset: 0,
        hasher: Sha256::new(),
    };
    let mut furthest = at.clone();
    for entry in known {
        file_id::hash(file, at.offset, entry.offset, &mut at.hasher)?;
        at.offset = entry.offset;
        if <[u8; 32]>::from(at.hasher.clone().finalize()) == entry.prefix {
            furthest = at.clone();
        }
    }
    match entry {
        // What was there before the first run was left out; what was appended since was not.
        Some(FileEntry {
            stat: then,
            held: Held::LeftOut,
        }) if furthest.offset == 0 && then.size <= stat.size => {
            let offset = file_id::after_last_newline(file, 0, then.size)?.unwrap_or(0);
            file_id::hash(file, 0, offset, &mut furthest.hasher)?;
            furthest.offset = offset;
        }
        _ => {}
    }
    Ok(furthest)
}

/// Delivers what there is, unit by unit.
pub(super) async fn deliver<D: Deliver>(
    ctx: &Arc<Context<D>>,
    mut follow: Follow,
    permit: OwnedSemaphorePermit,
) -> Result<Verdict, Problem> {
    let quiet = follow.age >= ctx.settings.settle;
    let mut unit_bytes = UNIT_BYTES;
    while follow.at.offset < follow.stat.size && !ctx.stop.is_cancelled() {
        let (file, from, size) = (Arc::clone(&follow.file), follow.at.offset, follow.stat.size);
        let Some(end) = blocking(move || Ok(cut(&file, from, size, unit_bytes, quiet)?)).await?
        else {
            break;
        };
        let report = ctx.deliver.deliver(unit(ctx, &follow, end)).await;
        if let Some(error) = &report.read_error {
            ctx.warn(
                &follow.path,
                &format!("cannot be read: {error}; it is tried again"),
            );
        }
        let to = match decide::ended(&report) {
            Ended::Again(after) => return Ok(Verdict::Failed(after)),
            Ended::Settled => end,
            Ended::Unfinished => report.settled_offset.clamp(from, end),
        };
        if to == from && end < size && from + unit_bytes < size {
            // A value that is larger than a unit.
            unit_bytes = unit_bytes.saturating_mul(2);
        } else if to == from {
            break;
        } else {
            ctx.count(&report);
            follow = advance(ctx, follow, to).await?;
        }
    }
    drop(permit);
    finish(ctx, follow, quiet).await
}

/// The end of the next unit: after the last newline within `unit_bytes`, or after the first one
/// beyond. Without a newline, the end of the file, once it is quiet.
fn cut(
    file: &Arc<File>,
    from: u64,
    size: u64,
    mut unit_bytes: u64,
    quiet: bool,
) -> std::io::Result<Option<u64>> {
    loop {
        let limit = from.saturating_add(unit_bytes).min(size);
        if let Some(end) = file_id::after_last_newline(file, from, limit)? {
            return Ok(Some(end));
        }
        if limit == size {
            return Ok(quiet.then_some(size));
        }
        unit_bytes = unit_bytes.saturating_mul(2);
    }
}

fn unit<D: Deliver>(ctx: &Context<D>, follow: &Follow, end: u64) -> Unit {
    let content = Section::new(Arc::clone(&follow.file), follow.at.offset, end);
    Unit {
        // The mtime of a growing file would give a repeat another time.
        origin: ctx.origin(&follow.path, None),
        content: Content::twice(content),
        base: follow.at.offset,
        truncation: Truncation::Defer,
        inflated_bytes: None,
    }
}

/// Moves the offset, in memory and in the state.
async fn advance<D: Deliver>(
    ctx: &Arc<Context<D>>,
    mut follow: Follow,
    to: u64,
) -> Result<Follow, Problem> {
    let (follow, tail) = blocking(move || {
        let at = &mut follow.at;
        file_id::hash(&follow.file, at.offset, to, &mut at.hasher)?;
        at.offset = to;
        let tail = tail(&follow.file, to)?;
        Ok((follow, tail))
    })
    .await?;
    let entry = LinesEntry {
        offset: to,
        prefix: follow.at.hasher.clone().finalize().into(),
    };
    // Commits are written in order; the last one is waited for.
    drop(
        ctx.commits
            .write(vec![Op::Lines(follow.first, follow.stat.id, entry)]),
    );
    let known = Known {
        reached: follow.at.clone(),
        tail,
    };
    ctx.followed.put(follow.stat.id, &follow.path, known);
    Ok(follow)
}

async fn finish<D: Deliver>(
    ctx: &Arc<Context<D>>,
    follow: Follow,
    quiet: bool,
) -> Result<Verdict, Problem> {
    let file = Arc::clone(&follow.file);
    let now = blocking(move || Ok(Stat::of(&file.metadata()?))).await?;
    let mut ops = Vec::new();
    let all = follow.at.offset == follow.stat.size;
    let verdict = if ctx.settings.once && all && (!quiet || now != follow.stat) {
        // What comes later is the next run's.
        Verdict::Done
    } else if now != follow.stat || ctx.stop.is_cancelled() {
        Verdict::Later(DELAY, None)
    } else if !quiet {
        Verdict::Later(
            ctx.settings.settle.saturating_sub(follow.age),
            Some(follow.stat),
        )
    } else {
        ops.push(Op::File(FileEntry::new(
            follow.stat,
            Held::Lines(follow.first),
        )));
        Verdict::Done
    };
    if verdict == Verdict::Done && !all {
        let at = follow.at.offset;
        let what = format!("ends in an unfinished line at byte {at}, which waits for its rest");
        ctx.warn(&follow.path, &what);
    }
    match ctx.commit(ops).await {
        true => Ok(verdict),
        false => Ok(Verdict::Failed(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_with_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one\ntwo\nlong line\nrest").unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let cut = |from, bytes, quiet| cut(&file, from, 22, bytes, quiet).unwrap();
        assert_eq!(cut(0, 100, false), Some(18));
        assert_eq!(cut(0, 5, false), Some(4));
        assert_eq!(cut(0, 8, false), Some(8));
        assert_eq!(cut(8, 3, false), Some(18), "a line longer than a unit");
        assert_eq!(cut(18, 100, false), None);
        assert_eq!(cut(18, 100, true), Some(22));
    }
}
