//! Walks of the directory: starts them, and schedules the files that they find.
//!
//! Enters: the time, and the result of each walk. Leaves: files in the schedule, and the next walk.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::{Engine, SWEEP};
use crate::input::directory::file_id::shown;
use crate::input::directory::kind::named_lines;
use crate::input::directory::round::{Round, round, sweep};
use crate::input::directory::sweep::Sweep;
use crate::input::directory::walk::{Found, Walked};
use crate::input::directory::watch::Watch;
use crate::input::directory::{Deliver, decide, lines, unlisted};
use crate::telemetry::stalls::Cause;

impl<D: Deliver> Engine<D> {
    pub(super) fn walk(&mut self, from: PathBuf) {
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

    pub(super) fn walked(&mut self, round: Round) {
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
            self.next_walk = now + decide::walk_pause(interval, round.took, !polls);
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
}

/// The end of the walk that is under way, if one is.
pub(super) async fn joined(walking: &mut Option<JoinHandle<Round>>) -> Round {
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
