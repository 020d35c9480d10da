//! Reading one file: look, deliver, commit, put away.
//!
//! Enters: a [`Candidate`]. Leaves: a [`Verdict`]; on the way a unit for the pipeline and changes of
//! the state. What must hold: content that was delivered is not delivered again, whatever it is
//! called; nothing is committed that was not delivered; a file is deleted or moved only after its
//! commit is durable, and only if it is still the one that was read.

use std::fs::File;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::checkpoint::{ContentEntry, FileEntry, Held, LinesEntry, Op};
use super::context::{Claim, Context, Problem};
use super::decide::{self, Ended, Plan};
use super::file_id::{self, Digest, Section, Stat, shown};
use super::kind::{self, Kind};
use super::lines::{self, Follow};
use super::schedule::{Candidate, Verdict};
use super::{After, Deliver, after};
use crate::pipeline::{Content, Truncation, Unit};

/// Files up to this size are read once, into memory; larger ones once for their digest and once
/// for their records.
const MEMORY_BYTES: u64 = 8 << 20;
/// When to look again at a file whose content is just being read under another name; the shortest
/// wait of all.
const BUSY: Duration = Duration::from_millis(100);

/// What a look at a file leads to.
pub(super) enum Look {
    Verdict(Verdict),
    Whole(Whole),
    Lines(Follow),
}

/// A file to be delivered as a whole.
pub(super) struct Whole {
    path: Arc<Path>,
    file: Arc<File>,
    stat: Stat,
    age: Duration,
    digest: Digest,
    /// Its bytes, unless it is large.
    bytes: Option<Vec<u8>>,
    /// The digest of its one line, if more may be appended to it.
    one_line: Option<Digest>,
    _claim: Claim,
}

/// Reads one file. The permit is given back once the pipeline has answered, while the commit is
/// still under way.
pub(super) async fn process<D: Deliver>(
    ctx: Arc<Context<D>>,
    candidate: Candidate,
    permit: OwnedSemaphorePermit,
) -> Verdict {
    let path = Arc::clone(&candidate.path);
    let shared = Arc::clone(&ctx);
    let looked = blocking(move || look(&shared, &candidate)).await;
    let verdict = match looked {
        Ok(Look::Verdict(verdict)) => Ok(verdict),
        Ok(Look::Whole(whole)) => deliver(&ctx, whole, permit).await,
        Ok(Look::Lines(follow)) => lines::deliver(&ctx, follow, permit).await,
        Err(problem) => Err(problem),
    };
    match verdict {
        Ok(verdict) => verdict,
        Err(problem) => ctx.failed(&path, &problem),
    }
}

/// Runs what may block. A panic is the file's, not the input's.
pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(f).await {
        Ok(result) => result,
        Err(error) => Err(Problem::Io(io::Error::other(error))),
    }
}

/// Opens a file and finds out what is to be done with it.
fn look<D: Deliver>(ctx: &Context<D>, candidate: &Candidate) -> Result<Look, Problem> {
    let path = &candidate.path;
    let file = Arc::new(file_id::open(&ctx.root, path)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        if !metadata.is_dir() {
            ctx.warn(path, "is a pipe, socket or device; skipped");
        }
        return Ok(Look::Verdict(Verdict::Done));
    }
    let stat = Stat::of(&metadata);
    let entry = ctx.store.files(&[stat.id])?.pop().flatten();
    let name = path.file_name().unwrap_or_default();
    let head = file_id::head(&file, kind::HEAD_BYTES)?;
    let kind = kind::of(name, &head);
    if entry.is_none() {
        let named = name.to_string_lossy();
        let delivered = (ctx.tuning.observed)(&named, Some(stat.modified));
        if decide::left_out(&ctx.first_run, &stat, delivered) {
            ctx.store
                .apply(&[Op::File(FileEntry::new(stat, Held::LeftOut))])?;
            return Ok(Look::Verdict(Verdict::Done));
        }
    }
    let settle = ctx.settings.settle;
    let seen_for = candidate.seen_for(&stat, Instant::now());
    let age = decide::age(&stat, (ctx.tuning.now)(), seen_for);
    let early = candidate.closed || kind == Kind::Lines;
    match decide::plan(&stat, entry.as_ref(), age, early, settle) {
        Plan::Leave => Ok(Look::Verdict(Verdict::Done)),
        Plan::Wait(time) => Ok(Look::Verdict(Verdict::Later(time, Some(stat)))),
        Plan::Read { .. } if kind == Kind::Lines => {
            lines::look(ctx, Arc::clone(path), file, stat, age, &head, entry)
        }
        Plan::Read { .. } => look_whole(ctx, Arc::clone(path), file, stat, age),
    }
}

fn look_whole<D: Deliver>(
    ctx: &Context<D>,
    path: Arc<Path>,
    file: Arc<File>,
    stat: Stat,
    age: Duration,
) -> Result<Look, Problem> {
    let (digest, bytes) = if stat.size <= MEMORY_BYTES {
        let bytes = file_id::head(&file, stat.size)?;
        (file_id::digest(&bytes), Some(bytes))
    } else {
        let mut hasher = Sha256::new();
        file_id::hash(&file, 0, stat.size, &mut hasher)?;
        (hasher.finalize().into(), None)
    };
    if Stat::of(&file.metadata()?) != stat {
        return Ok(Look::Verdict(Verdict::Later(ctx.settings.settle, None)));
    }
    let Some(claim) = ctx.claims.take(digest) else {
        return Ok(Look::Verdict(Verdict::Later(BUSY, Some(stat))));
    };
    if let Some(known) = ctx.store.content(&digest)? {
        tracing::debug!("{} was delivered before", shown(&path));
        let verdict = if age < ctx.settings.settle {
            Verdict::Later(ctx.settings.settle - age, Some(stat))
        } else {
            let (verdict, ops) = put_away(ctx, &path, &stat, digest, known.dead_letters)?;
            // Not waited for: the next look would only find the same again.
            drop(ctx.commits.write(ops));
            verdict
        };
        return Ok(Look::Verdict(verdict));
    }
    let one_line = bytes
        .as_deref()
        .filter(|b| b.len() as u64 <= kind::HEAD_BYTES);
    let one_line = one_line.filter(|b| kind::may_grow(b)).map(|_| digest);
    Ok(Look::Whole(Whole {
        path,
        file,
        stat,
        age,
        digest,
        bytes,
        one_line,
        _claim: claim,
    }))
}

async fn deliver<D: Deliver>(
    ctx: &Arc<Context<D>>,
    mut whole: Whole,
    permit: OwnedSemaphorePermit,
) -> Result<Verdict, Problem> {
    let quiet = whole.age >= ctx.settings.settle;
    let report = ctx.deliver.deliver(unit(ctx, &mut whole, quiet)).await;
    drop(permit);
    if let Some(error) = &report.read_error {
        ctx.warn(
            &whole.path,
            &format!("cannot be read: {error}; it is tried again"),
        );
    }
    let until_quiet = ctx.settings.settle.saturating_sub(whole.age).max(BUSY);
    match decide::ended(&report) {
        Ended::Again(after) => return Ok(Verdict::Failed(after)),
        Ended::Unfinished => return Ok(Verdict::Later(until_quiet, Some(whole.stat))),
        Ended::Settled => {}
    }
    ctx.count(&report);
    let dead_letters = report.counts.dead_lettered > 0 || report.uncertain.is_some();
    if whole.stat.size > MEMORY_BYTES {
        let file = Arc::clone(&whole.file);
        let now = blocking(move || Ok(Stat::of(&file.metadata()?))).await?;
        if !same_bytes(&now, &whole.stat) {
            // What was delivered may not be what was hashed.
            return Ok(Verdict::Later(ctx.settings.settle, None));
        }
    }
    if !ctx.commit(delivered(&whole, dead_letters)).await {
        return Ok(Verdict::Failed(None));
    }
    if !quiet {
        return Ok(Verdict::Later(until_quiet, Some(whole.stat)));
    }
    let shared = Arc::clone(ctx);
    let away = move || {
        let Whole {
            path, stat, digest, ..
        } = &whole;
        put_away(&shared, path, stat, *digest, dead_letters)
    };
    let (verdict, ops) = match ctx.settings.after {
        // Nothing that blocks: a thread for each of many small files costs more than the rest.
        After::Keep => away()?,
        After::Delete | After::Move(_) => blocking(away).await?,
    };
    // Lost with the process, it costs one look.
    drop(ctx.commits.write(ops));
    Ok(verdict)
}

fn unit<D: Deliver>(ctx: &Context<D>, whole: &mut Whole, quiet: bool) -> Unit {
    let content = match whole.bytes.take() {
        Some(bytes) => Content::twice(Cursor::new(Bytes::from(bytes))),
        None => Content::twice(Section::new(Arc::clone(&whole.file), 0, whole.stat.size)),
    };
    Unit {
        origin: ctx.origin(&whole.path, Some(whole.stat.modified)),
        content,
        base: 0,
        truncation: if quiet {
            Truncation::Reject
        } else {
            Truncation::Defer
        },
        inflated_bytes: None,
    }
}

fn same_bytes(now: &Stat, then: &Stat) -> bool {
    (now.size, now.modified) == (then.size, then.modified)
}

/// What the state learns when a whole was delivered.
fn delivered(whole: &Whole, dead_letters: bool) -> Vec<Op> {
    let mut ops = vec![Op::Content(whole.digest, ContentEntry { dead_letters })];
    if let Some(prefix) = whole.one_line {
        let entry = LinesEntry {
            offset: whole.stat.size,
            prefix,
        };
        ops.push(Op::Lines(prefix, whole.stat.id, entry));
    }
    ops
}

/// Deletes, moves or keeps a file all of which was delivered, durably.
fn put_away<D: Deliver>(
    ctx: &Context<D>,
    path: &Path,
    stat: &Stat,
    digest: Digest,
    dead_letters: bool,
) -> Result<(Verdict, Vec<Op>), Problem> {
    let keep = || {
        let entry = FileEntry::new(*stat, Held::Whole(digest));
        Ok((Verdict::Done, vec![Op::File(entry)]))
    };
    let done = match &ctx.settings.after {
        After::Keep => return keep(),
        After::Delete | After::Move(_) if dead_letters => {
            ctx.warn(
                path,
                "is kept where it is: some of its records are in the dead letters",
            );
            return keep();
        }
        After::Delete => after::delete(&ctx.root, path, stat),
        After::Move(target) => after::relocate(&ctx.root, path, stat, target).map(|to| {
            tracing::debug!("{} moved to {}", shown(path), shown(&to));
        }),
    };
    match done {
        Ok(()) => Ok((Verdict::Done, Vec::new())),
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => {
            Ok((Verdict::Later(ctx.settings.settle, None), Vec::new()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path_exists(ctx, path) => {
            Ok((Verdict::Done, Vec::new()))
        }
        Err(error) => {
            ctx.warn(
                path,
                &format!("was delivered, but cannot be put away: {error}"),
            );
            Ok((Verdict::Failed(None), Vec::new()))
        }
    }
}

fn path_exists<D: Deliver>(ctx: &Context<D>, path: &Path) -> bool {
    ctx.root.join(path).symlink_metadata().is_ok()
}
