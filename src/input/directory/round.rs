//! One round: the root is watched, where it is not yet, and walked; and what follows from a complete
//! walk.
//!
//! Enters: what is watched, where the last walk had to stop. Leaves: a [`Round`]. What must hold: a root that
//! went meanwhile is never taken for one without files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::file_id::{FileId, Stat};
use super::sweep::{self, Sweep};
use super::walk::{OrderKey, Walk, Walked};
use super::watch::Watch;
use super::{After, Deliver};

/// What a walk brought, and a new watch if one had to be set up before.
pub(super) struct Round {
    pub(super) whole: bool,
    pub(super) watch: Option<Watch>,
    pub(super) walked: Result<Walked, String>,
    pub(super) took: Duration,
}

/// Watches the root, if it is not the one that is watched, then walks.
pub(super) fn round<D: Deliver>(
    ctx: &Context<D>,
    from: &Path,
    watched: Option<FileId>,
    after: Option<OrderKey>,
    seen: Option<Sweep>,
) -> Round {
    let started = Instant::now();
    let mut watch = None;
    let walked = root(ctx).and_then(|id| {
        if watched != Some(id) {
            let writers = (ctx.settings.after != After::Keep).then(|| Arc::clone(&ctx.writers));
            let poll = ctx.settings.poll || ctx.settings.once;
            let started = Watch::start(&ctx.root, poll, writers);
            watch = Some(started.map_err(|error| error.to_string())?);
        }
        let walk = Walk {
            root: &ctx.root,
            filter: &ctx.filter,
            store: &ctx.store,
            first_run: ctx.first_run,
            observed: ctx.tuning.observed,
            warned: &ctx.warned,
            staged_files: &ctx.staged_files,
            cancel: &ctx.cancel,
            keep: ctx.tuning.capacity,
            after,
            seen,
        };
        let mut walked = walk.run(from);
        // A root that went meanwhile looks like one without files.
        walked.complete &= root(ctx)? == id;
        Ok(walked)
    });
    Round {
        whole: from.as_os_str().is_empty(),
        watch,
        walked,
        took: started.elapsed(),
    }
}

fn root<D: Deliver>(ctx: &Context<D>) -> Result<FileId, String> {
    let metadata = ctx.root.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("it is no directory".to_owned());
    }
    ctx.root.read_dir().map_err(|error| error.to_string())?;
    Ok(Stat::of(&metadata).id)
}

pub(super) fn sweep<D: Deliver>(ctx: &Context<D>, seen: &Sweep) {
    match sweep::sweep(&ctx.store, seen, (ctx.tuning.now)()) {
        Ok(0) => {}
        Ok(forgotten) => tracing::info!("forgot {forgotten} entries of files absent for 7 days"),
        Err(error) => tracing::warn!(%error, "cannot sweep the state"),
    }
}
