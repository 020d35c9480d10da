//! Reading one file: look, deliver, commit, put away.
//!
//! Enters: a [`Candidate`]. Leaves: a [`Attempt`]; on the way a unit for the pipeline and changes of
//! the state. What must hold: content that was delivered is not delivered again, whatever it is
//! called; nothing is committed that was not delivered; a file is put away only after its commit is
//! durable.

use std::fs::File;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::away::{Settled, Waits, put_away};
use super::checkpoint::{ContentEntry, Fingerprint, LinesEntry, Op};
use super::consumed::{self, Consumed, Prefix};
use super::context::{Claim, Context, ReadError};
use super::decide::{self, Ended, Plan};
use super::file_id::{self, Digest, Stat, shown};
use super::kind::{self, Kind};
use super::lines::{self, Follow};
use super::schedule::{Attempt, Candidate};
use super::walk::WRITTEN;
use super::{After, Deliver};
use crate::pipeline::{Content, Truncation, Unit};
use crate::runtime::line_file::is_ours;

/// Files up to this size are read once, into memory; larger ones once for their digest and once
/// for their records.
const MEMORY_BYTES: u64 = 8 << 20;
/// When to look again at a file whose content is just being read under another name; the shortest
/// wait of all.
const BUSY: Duration = Duration::from_millis(100);

/// What a look at a file leads to.
pub(super) enum Look {
    Attempt(Attempt),
    /// Its content is being read under another name.
    Busy(Digest, Stat),
    Whole(Whole),
    Lines(Follow),
}

/// A file that was opened, and how it looked then.
pub(super) struct Opened {
    pub(super) path: Arc<Path>,
    pub(super) file: Arc<File>,
    pub(super) stat: Stat,
    pub(super) age: Duration,
}

/// A file to be delivered as a whole.
pub(super) struct Whole {
    opened: Opened,
    digest: Digest,
    /// Its bytes, unless it is large.
    bytes: Option<Vec<u8>>,
    /// It is one line, and more may follow.
    one_line: bool,
    /// More may be appended to it, as lines or as members of gzip.
    grows: bool,
    _claim: Claim,
}

/// Reads one file. The permit is given back once the pipeline has answered, while the commit is
/// still under way; before that, while the unit waits for others.
pub(super) async fn process<D: Deliver>(
    ctx: Arc<Context<D>>,
    candidate: Candidate,
    permit: OwnedSemaphorePermit,
) -> Attempt {
    let (shared, looked_at) = (Arc::clone(&ctx), candidate.clone());
    let looked = blocking(move || look(&shared, &looked_at)).await;
    let attempt = match looked {
        Ok(Look::Attempt(attempt)) => Ok(attempt),
        Ok(Look::Busy(digest, stat)) => {
            if D::UNITS_WAIT {
                drop(permit);
                ctx.claims.until_free(&digest).await;
            }
            Ok(Attempt::Later(BUSY, Some(stat)))
        }
        Ok(Look::Whole(whole)) => deliver(&ctx, whole, permit).await,
        Ok(Look::Lines(follow)) => lines::deliver(&ctx, follow, permit).await,
        Err(error) => Err(error),
    };
    match attempt {
        // It was read, and not taken.
        Ok(Attempt::Failed(after)) => Attempt::Failed(after),
        Ok(attempt) => {
            ctx.unread.read(&ctx.metrics, &ctx.root);
            attempt
        }
        Err(error) => ctx.failed(&candidate, &error),
    }
}

/// Runs what may block. A panic is the file's, not the input's.
pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(result) => result,
        Err(error) => Err(ReadError::Io(io::Error::other(error))),
    }
}

/// Opens a file and finds out what is to be done with it.
fn look<D: Deliver>(ctx: &Context<D>, candidate: &Candidate) -> Result<Look, ReadError> {
    let path = &candidate.path;
    let file = Arc::new(file_id::open(&ctx.root, path)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        if !metadata.is_dir() {
            ctx.warn(path, "is a pipe, socket or device; skipped");
        }
        return Ok(Look::Attempt(Attempt::Done));
    }
    if is_ours(&metadata) {
        ctx.warn(path, WRITTEN);
        return Ok(Look::Attempt(Attempt::Done));
    }
    let stat = Stat::of(&metadata);
    match ctx.settled.get(&stat) {
        Some(Waits::Unfinished) => return Ok(Look::Attempt(Attempt::Left)),
        Some(Waits::Writer(settled)) => {
            let (attempt, ops) = put_away(ctx, path, &stat, settled)?;
            drop(ctx.commits.write(ops));
            return Ok(Look::Attempt(attempt));
        }
        None => {}
    }
    let entry = ctx.store.files(&[stat.id])?.pop().flatten();
    let name = path.file_name().unwrap_or_default();
    let head = file_id::head(&file, kind::HEAD_BYTES)?;
    let kind = kind::of(name, &head);
    if entry.is_none() {
        let named = name.to_string_lossy();
        let delivered = (ctx.tuning.observed)(&named, Some(stat.modified));
        if decide::left_out(&ctx.first_run, &stat, delivered) {
            ctx.store.apply(&lines::leave_out(name, &file, stat)?)?;
            return Ok(Look::Attempt(Attempt::Done));
        }
    }
    let settle = ctx.settings.settle;
    let seen_for = candidate.seen_for(&stat, Instant::now());
    let age = decide::age(&stat, (ctx.tuning.now)(), seen_for);
    let early = candidate.closed || kind == Kind::Lines;
    match decide::plan(&stat, entry.as_ref(), age, early, settle) {
        Plan::Leave => Ok(Look::Attempt(Attempt::Done)),
        Plan::Wait(time) => Ok(Look::Attempt(Attempt::Later(time, Some(stat)))),
        Plan::Read { .. } => {
            let opened = Opened {
                path: Arc::clone(path),
                file,
                stat,
                age,
            };
            match kind {
                Kind::Lines => lines::look(ctx, opened, &head, entry),
                Kind::Whole => look_whole(ctx, opened, &head),
            }
        }
    }
}

fn look_whole<D: Deliver>(
    ctx: &Context<D>,
    opened: Opened,
    head: &[u8],
) -> Result<Look, ReadError> {
    let Opened {
        path, file, stat, ..
    } = &opened;
    let in_memory = match D::UNITS_WAIT {
        true => kind::HEAD_BYTES,
        false => MEMORY_BYTES,
    };
    let (digest, bytes) = if stat.size <= in_memory {
        let bytes = file_id::head(file, stat.size)?;
        (file_id::digest(&bytes), Some(bytes))
    } else {
        let mut all = Prefix::default();
        all.extend(file, stat.size)?;
        (all.digest(), None)
    };
    if Stat::of(&file.metadata()?) != *stat {
        return Ok(Look::Attempt(Attempt::Later(ctx.settings.settle, None)));
    }
    let Some(claim) = ctx.claims.take(digest) else {
        return Ok(Look::Busy(digest, *stat));
    };
    let short = bytes
        .as_deref()
        .filter(|b| b.len() as u64 <= kind::HEAD_BYTES);
    let one_line = short.is_some_and(kind::may_grow);
    // A large part of it may be parsed for this.
    let grows = ctx.settings.after != After::Keep && kind::can_grow(head, bytes.as_deref());
    if let Some(known) = ctx.store.content(&digest)? {
        tracing::debug!("{} was delivered before", shown(path));
        let attempt = if opened.age < ctx.settings.settle {
            Attempt::Later(ctx.settings.settle - opened.age, Some(*stat))
        } else {
            let settled = settled(digest, known.dead_letters, grows);
            let (attempt, ops) = put_away(ctx, path, stat, settled)?;
            // Not waited for: the next look would only find the same again.
            drop(ctx.commits.write(ops));
            attempt
        };
        return Ok(Look::Attempt(attempt));
    }
    Ok(Look::Whole(Whole {
        opened,
        digest,
        bytes,
        one_line,
        grows,
        _claim: claim,
    }))
}

fn settled(digest: Digest, dead_letters: bool, grows: bool) -> Settled {
    Settled {
        fingerprint: Fingerprint::Whole(digest),
        clean: !dead_letters,
        grows,
    }
}

async fn deliver<D: Deliver>(
    ctx: &Arc<Context<D>>,
    mut whole: Whole,
    permit: OwnedSemaphorePermit,
) -> Result<Attempt, ReadError> {
    let quiet = whole.opened.age >= ctx.settings.settle;
    let (unit, consumed) = unit(ctx, &mut whole, quiet);
    let mut slot = Some(permit);
    let report = ctx.deliver.deliver(unit, &mut slot).await;
    drop(slot);
    let Opened { stat, age, .. } = &whole.opened;
    if let Some(error) = report.read_error {
        return Err(io::Error::other(error).into());
    }
    let until_quiet = ctx.settings.settle.saturating_sub(*age).max(BUSY);
    match decide::ended(&report) {
        Ended::Again(after) => return Ok(Attempt::Failed(after)),
        Ended::Unfinished => return Ok(Attempt::Later(until_quiet, Some(*stat))),
        Ended::Settled => {}
    }
    ctx.count(&report);
    let dead_letters = report.has_dead_letters();
    if let Some(consumed) = consumed {
        let (file, size) = (Arc::clone(&whole.opened.file), stat.size);
        let all = blocking(move || Ok(consumed.up_to(&file, size)?)).await?;
        if all.is_none_or(|all| all.digest() != whole.digest) {
            // What was delivered is not what was hashed: it was rewritten in between.
            return Ok(Attempt::Later(ctx.settings.settle, None));
        }
    }
    if !ctx.commit(delivered(&whole, dead_letters)).await {
        return Ok(Attempt::Failed(None));
    }
    if !quiet {
        return Ok(Attempt::Later(until_quiet, Some(*stat)));
    }
    let settled = settled(whole.digest, dead_letters, whole.grows);
    // Content of this digest may be read under another name from here on.
    let Whole { opened, .. } = whole;
    away(ctx, opened, settled).await
}

/// Puts a file away, off the runtime's threads where that can block.
pub(super) async fn away<D: Deliver>(
    ctx: &Arc<Context<D>>,
    opened: Opened,
    settled: Settled,
) -> Result<Attempt, ReadError> {
    let shared = Arc::clone(ctx);
    let away = move || put_away(&shared, &opened.path, &opened.stat, settled);
    let (attempt, ops) = match ctx.settings.after {
        // Nothing that blocks: a thread for each of many small files costs more than the rest.
        After::Keep => away()?,
        After::Delete | After::Move(_) => blocking(away).await?,
    };
    // Lost with the process, it costs one look.
    drop(ctx.commits.write(ops));
    Ok(attempt)
}

/// The unit, and for a file that is not in memory, what the pipeline will have read of it.
fn unit<D: Deliver>(ctx: &Context<D>, whole: &mut Whole, quiet: bool) -> (Unit, Option<Consumed>) {
    let Opened {
        path, file, stat, ..
    } = &whole.opened;
    let (content, consumed) = match whole.bytes.take() {
        Some(bytes) => (Content::twice(Cursor::new(Bytes::from(bytes))), None),
        None => {
            let (mut content, consumed) = consumed::read(file, &Prefix::default(), stat.size);
            if D::UNITS_WAIT {
                content = consumed::unchanged(content, file, *stat);
            }
            (content, Some(consumed))
        }
    };
    let unit = Unit {
        origin: ctx.origin(path, Some(stat.modified)),
        content,
        base: 0,
        truncation: if quiet {
            Truncation::Reject
        } else {
            Truncation::DeferAll
        },
        inflated_bytes: None,
    };
    (unit, consumed)
}

/// What the state learns when a whole was delivered.
fn delivered(whole: &Whole, dead_letters: bool) -> Vec<Op> {
    let stat = &whole.opened.stat;
    let mut ops = vec![Op::Content(whole.digest, ContentEntry { dead_letters })];
    if whole.one_line {
        let entry = LinesEntry {
            offset: stat.size,
            prefix: whole.digest,
            clean: !dead_letters,
        };
        ops.push(Op::Lines(whole.digest, stat.id, entry));
    }
    ops
}
