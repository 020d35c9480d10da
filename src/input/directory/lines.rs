//! Following lines that are appended.
//!
//! Enters: a file and the offset up to which it was delivered. Leaves: units of whole lines, and
//! offsets for the state. What must hold: an offset counts only for the very bytes that were
//! delivered before it (see [`super::consumed`]). They are compared again after a restart, under another
//! inode, and before a file counts as settled; while it grows, often enough: see [`PROOF_SHARE`]. An
//! unfinished line waits.
//!
//! Rotation by renaming is followed to the end of the renamed file. With copying and truncating,
//! what is written between the two is lost before anyone can read it; the copy itself is
//! recognized.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::Deliver;
use super::away::{Settled, Waits};
use super::checkpoint::{FileEntry, Fingerprint, LinesEntry, Op};
use super::consumed::{self, Consumed, Prefix};
use super::context::{Claim, Context, ReadError};
use super::decide::{self, Ended};
use super::file_id::{self, Digest, Stat};
use super::followed::FollowedFile;
use super::kind;
use super::reader::{self, Look, Opened, blocking};
use super::schedule::Attempt;
use crate::pipeline::{Truncation, Unit};

/// Bytes of one unit: what a crash repeats at most, for each file.
const UNIT_BYTES: u64 = 64 << 20;
/// How soon a followed file is looked at again when it grows.
pub(super) const DELAY: Duration = Duration::from_millis(200);
/// Comparing all bytes before the offset takes at most one part in so many of the time.
const PROOF_SHARE: u32 = 20;

/// A file with lines to deliver.
pub(super) struct Follow {
    opened: Opened,
    /// The digest of the first line.
    first: Digest,
    at: Prefix,
    /// All before the offset was delivered, and none of it is in the dead letters.
    clean: bool,
    proof: Proof,
    _claim: Claim,
}

/// How well it is known that the file still holds what was delivered.
#[derive(Debug, Clone, Copy)]
struct Proof {
    /// All bytes before the offset were compared by this look, not only the last ones.
    whole: bool,
    /// When they may be compared again.
    due: Instant,
}

/// Finds where to go on.
pub(super) fn look<D: Deliver>(
    ctx: &Context<D>,
    opened: Opened,
    head: &[u8],
    entry: Option<FileEntry>,
) -> Result<Look, ReadError> {
    let (stat, age, settle) = (opened.stat, opened.age, ctx.settings.settle);
    let whole_line = kind::first_line(head);
    if whole_line.is_none() && (head.len() as u64) < kind::HEAD_BYTES && age < settle {
        return Ok(Look::Attempt(Attempt::Later(settle - age, Some(stat))));
    }
    let first = file_id::digest(whole_line.unwrap_or(head));
    let Some(claim) = ctx.claims.take(first) else {
        return Ok(Look::Attempt(Attempt::Later(DELAY, Some(stat))));
    };
    let ((at, clean), proof) = match followed(ctx, &opened.file, &stat)? {
        Some(at) => at,
        None => compared(|| resume(ctx, &opened.file, &stat, first, entry))?,
    };
    Ok(Look::Lines(Follow {
        opened,
        first,
        at,
        clean,
        proof,
        _claim: claim,
    }))
}

/// An offset, and whether all before it is [clean](LinesEntry::clean).
type Reached = (Prefix, bool);

/// Where this process left the file, if its last bytes are still there and it is too early to
/// compare all of them.
fn followed<D: Deliver>(
    ctx: &Context<D>,
    file: &Arc<File>,
    stat: &Stat,
) -> Result<Option<(Reached, Proof)>, ReadError> {
    let Some(FollowedFile { at, clean, due }) = ctx.followed.get(stat.id) else {
        return Ok(None);
    };
    if Instant::now() >= due || at.offset() > stat.size || !at.ends_alike(file)? {
        return Ok(None);
    }
    Ok(Some(((at, clean), Proof { whole: false, due })))
}

/// Compares all bytes, and says when that may be done again.
fn compared(
    compare: impl FnOnce() -> Result<Reached, ReadError>,
) -> Result<(Reached, Proof), ReadError> {
    let begun = Instant::now();
    let at = compare()?;
    let took = begun.elapsed();
    let due = begun + took * PROOF_SHARE;
    Ok((at, Proof { whole: true, due }))
}

/// The furthest offset in the state before which the file holds the very same bytes.
fn resume<D: Deliver>(
    ctx: &Context<D>,
    file: &Arc<File>,
    stat: &Stat,
    first: Digest,
    entry: Option<FileEntry>,
) -> Result<Reached, ReadError> {
    let mut entries: Vec<LinesEntry> = ctx.store.lines(&first)?.into_iter().map(|k| k.1).collect();
    if let Some(Fingerprint::Lines(earlier) | Fingerprint::LeftOut(Some(earlier))) =
        entry.map(|e| e.fingerprint)
        && earlier != first
    {
        // The first line was unfinished then.
        let here = ctx.store.lines(&earlier)?.into_iter();
        entries.extend(here.filter(|(id, _)| *id == stat.id).map(|k| k.1));
    }
    entries.retain(|entry| entry.offset <= stat.size);
    entries.sort_unstable_by_key(|entry| entry.offset);

    let mut at = Prefix::default();
    let mut furthest = at.clone();
    let mut clean = true;
    for entry in entries {
        at.extend(file, entry.offset)?;
        if at.digest() == entry.prefix {
            furthest = at.clone();
            clean = entry.clean;
        }
    }
    if let Some(FileEntry {
        stat: then,
        fingerprint,
    }) = entry
        && fingerprint == Fingerprint::LeftOut(None)
        && furthest.offset() == 0
        && then.size <= stat.size
    {
        // Left out by a version that kept no hash: by its size then.
        let offset = file_id::after_last_newline(file, 0, then.size)?.unwrap_or(0);
        furthest.extend(file, offset)?;
        clean = false;
    }
    Ok((furthest, clean))
}

/// What the state learns of a file that the first run leaves out: the bytes of its lines, so that only
/// these are left out, and not others that take their place.
pub(super) fn leave_out(name: &OsStr, file: &Arc<File>, stat: Stat) -> std::io::Result<Vec<Op>> {
    let head = file_id::head(file, kind::HEAD_BYTES)?;
    let first = file_id::digest(kind::first_line(&head).unwrap_or(&head));
    let mut ops = vec![left_out(stat, first)];
    if kind::may_be_lines(name, &head) {
        let mut at = Prefix::default();
        let end = file_id::after_last_newline(file, 0, stat.size)?;
        at.extend(file, end.unwrap_or(0))?;
        ops.push(Op::Lines(first, stat.id, entry(&at, false)));
    }
    Ok(ops)
}

/// The same for a file that is not looked into: whatever is in its place later is read.
pub(super) fn leave_out_unseen(stat: Stat) -> Vec<Op> {
    vec![left_out(stat, file_id::digest(b""))]
}

fn left_out(stat: Stat, first: Digest) -> Op {
    Op::File(FileEntry::new(stat, Fingerprint::LeftOut(Some(first))))
}

fn entry(at: &Prefix, clean: bool) -> LinesEntry {
    LinesEntry {
        offset: at.offset(),
        prefix: at.digest(),
        clean,
    }
}

/// Delivers what there is, unit by unit.
pub(super) async fn deliver<D: Deliver>(
    ctx: &Arc<Context<D>>,
    mut follow: Follow,
    permit: OwnedSemaphorePermit,
) -> Result<Attempt, ReadError> {
    let quiet = follow.opened.age >= ctx.settings.settle;
    let (mut unit_bytes, mut slot) = (UNIT_BYTES, Some(permit));
    while follow.at.offset() < follow.opened.stat.size && !ctx.stop.is_cancelled() {
        let file = Arc::clone(&follow.opened.file);
        let (from, size) = (follow.at.offset(), follow.opened.stat.size);
        let Some(end) = blocking(move || Ok(cut(&file, from, size, unit_bytes, quiet)?)).await?
        else {
            break;
        };
        let (unit, consumed) = unit(ctx, &follow, end);
        let report = ctx.deliver.deliver(unit, &mut slot).await;
        if let Some(error) = report.read_error {
            return Err(io::Error::other(error).into());
        }
        let to = match decide::ended(&report) {
            Ended::Again(after) => return Ok(Attempt::Failed(after)),
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
            let file = Arc::clone(&follow.opened.file);
            let Some(at) = blocking(move || Ok(consumed.up_to(&file, to)?)).await? else {
                // It was rewritten meanwhile: the next look finds where to go on.
                return Ok(match ctx.commit(Vec::new()).await {
                    true => Attempt::Later(DELAY, None),
                    false => Attempt::Failed(None),
                });
            };
            follow.clean &= !report.has_dead_letters();
            advance(ctx, &mut follow, at);
        }
    }
    drop(slot);
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

fn unit<D: Deliver>(ctx: &Context<D>, follow: &Follow, end: u64) -> (Unit, Consumed) {
    let (content, consumed) = consumed::read(&follow.opened.file, &follow.at, end);
    let unit = Unit {
        // The mtime of a growing file would give a repeat another time.
        origin: ctx.origin(&follow.opened.path, None),
        content,
        base: follow.at.offset(),
        truncation: Truncation::Defer,
        inflated_bytes: None,
    };
    (unit, consumed)
}

/// Moves the offset, in memory and in the state.
fn advance<D: Deliver>(ctx: &Context<D>, follow: &mut Follow, at: Prefix) {
    let Opened { path, stat, .. } = &follow.opened;
    // Commits are written in order; the last one is waited for.
    drop(ctx.commits.write(vec![Op::Lines(
        follow.first,
        stat.id,
        entry(&at, follow.clean),
    )]));
    let file = FollowedFile {
        at: at.clone(),
        clean: follow.clean,
        due: follow.proof.due,
    };
    ctx.followed.put(stat.id, path, file);
    follow.at = at;
}

async fn finish<D: Deliver>(
    ctx: &Arc<Context<D>>,
    follow: Follow,
    quiet: bool,
) -> Result<Attempt, ReadError> {
    let Opened {
        path,
        file,
        stat,
        age,
        ..
    } = &follow.opened;
    let file = Arc::clone(file);
    let now = blocking(move || Ok(Stat::of(&file.metadata()?))).await?;
    if !ctx.commit(Vec::new()).await {
        return Ok(Attempt::Failed(None));
    }
    let at = follow.at.offset();
    let all = at == stat.size;
    if ctx.settings.once && all && (!quiet || now != *stat) {
        // What comes later is the next run's.
        Ok(Attempt::Done)
    } else if now != *stat || ctx.stop.is_cancelled() {
        Ok(Attempt::Later(DELAY, None))
    } else if !quiet {
        let wait = ctx.settings.settle.saturating_sub(*age);
        Ok(Attempt::Later(wait, Some(*stat)))
    } else if !follow.proof.whole {
        // What is before the offset may have been rewritten, and its end not.
        let wait = follow.proof.due.saturating_duration_since(Instant::now());
        Ok(Attempt::Later(wait, Some(*stat)))
    } else if !all {
        let what = format!("ends in an unfinished line at byte {at}, which waits for its rest");
        ctx.warn(path, &what);
        ctx.settled.put(*stat, Waits::Unfinished);
        Ok(Attempt::Left)
    } else {
        let settled = Settled {
            fingerprint: Fingerprint::Lines(follow.first),
            clean: follow.clean,
            grows: true,
        };
        reader::away(ctx, follow.opened, settled).await
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
