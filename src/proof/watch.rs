//! A watched directory is verified again and again, as digests arrive.
//!
//! Enters: the directory. Leaves: findings, delivered; then, for each region, the time up to which it was verified, in
//! `integrity.redb`. What must hold: a time is recorded once all that was found before it was delivered; a file that is
//! still on its way is no finding.

mod looker;
mod progress;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::looker::Looker;
use self::progress::{Decision, Patience, Progress};
use super::records::Reporter;
use super::verified::{self, Verified};
use crate::integrity::folder::Folder;
use crate::integrity::key_files::KeyFiles;
use crate::integrity::source::Source;
use crate::runtime::database::{Definition, Error, Observer, Remedies};
use crate::runtime::times::{self, Times};

static STATE: Definition = Definition {
    file: "integrity.redb",
    schema: 1,
    cache_bytes: 1 << 20,
    tables: times::tables,
    remedies: Remedies {
        locked: "stop it, or give this one a `state` of its own",
        deleted: "everything is then verified again, and findings are reported again",
    },
};

/// How a source is verified while it is read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Files with public keys.
    pub public_keys: Vec<PathBuf>,
    /// How often new digests are looked for.
    pub every: Duration,
    /// How long the next digest may take to arrive.
    pub overdue: Duration,
}

/// Whether the state in this folder could be opened. A missing one is not created.
///
/// # Errors
/// It cannot be used.
pub(crate) fn check(state: &Path) -> Result<(), Error> {
    match state.join(STATE.file).exists() {
        true => Times::open(state, &STATE).map(drop),
        false => Ok(()),
    }
}

/// A watched directory.
pub(crate) struct Watch {
    looker: Arc<Looker>,
    progress: HashMap<Id, Progress>,
    reporter: Reporter,
    every: Duration,
}

/// The folder of an account, and a region.
type Id = (String, String);

/// A look at all regions.
struct Look {
    now: i64,
    /// Nothing is still on its way.
    is_once: bool,
    stop: CancellationToken,
    progress: HashMap<Id, Progress>,
    verified: Verified,
    /// Up to when regions are verified, once that was delivered.
    reached: Vec<(Id, i64)>,
    /// Regions that could not be looked at.
    failed: u64,
}

impl Watch {
    /// Prepares it. `state`: the folder of the state; `inflated_bytes`: the most that a log file may inflate to.
    ///
    /// # Errors
    /// The directory, a file of keys or the state cannot be used.
    pub(crate) fn open(
        settings: &Settings,
        root: &Path,
        (state, observer): (&Path, Observer),
        inflated_bytes: u64,
        reporter: Reporter,
    ) -> anyhow::Result<Watch> {
        let folder = Folder::new(root).with_context(|| root.display().to_string())?;
        let keys = KeyFiles::open(settings.public_keys.clone()).map_err(anyhow::Error::msg)?;
        let looker = Looker {
            folder,
            keys,
            times: Times::open(state, &STATE)?.observed(observer),
            overdue: i64::try_from(settings.overdue.as_secs()).unwrap_or(i64::MAX),
            inflated_bytes,
        };
        Ok(Watch {
            looker: Arc::new(looker),
            progress: HashMap::new(),
            reporter,
            every: settings.every,
        })
    }

    /// Verifies again and again, until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            self.look(false, &stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Verifies once what is there: nothing is still on its way. The number of failures; `None` if it could not be done.
    pub(crate) async fn once(mut self, stop: CancellationToken) -> Option<u64> {
        self.look(true, &stop).await
    }

    /// Verifies what is new, and reports it.
    async fn look(&mut self, is_once: bool, stop: &CancellationToken) -> Option<u64> {
        let looker = Arc::clone(&self.looker);
        let source = looker.folder.name("");
        let mut look = Look {
            now: jiff::Timestamp::now().as_second(),
            is_once,
            stop: stop.clone(),
            progress: std::mem::take(&mut self.progress),
            verified: Verified::new(source, String::new()),
            reached: Vec::new(),
            failed: 0,
        };
        let looking = tokio::task::spawn_blocking(move || {
            if let Err(error) = looker.look(&mut look) {
                look.fail(&error);
            }
            look
        });
        let Ok(mut look) = looking
            .await
            .inspect_err(|panic| tracing::error!("a verification ended, and is repeated: {panic}"))
        else {
            return None;
        };
        self.progress = look.progress;
        look.verified
            .name_by_content(&format!("{:?}", look.reached));
        if stop.is_cancelled() || !self.reporter.deliver(&look.verified).await {
            return None;
        }
        for region in &look.verified.regions {
            let progress = self.progress.entry(region.id()).or_default();
            progress.reported(&region.findings);
        }
        for ((folder, region), to) in look.reached {
            let place = self.looker.place(&folder);
            if let Err(error) = self.looker.times.set((&place, &region), to) {
                tracing::error!("verified, but it is not remembered: {error}");
            }
        }
        (look.failed == 0).then(|| look.verified.failures())
    }
}

impl Look {
    /// Something could not be looked at.
    fn fail(&mut self, error: &anyhow::Error) {
        if self.stop.is_cancelled() {
            return;
        }
        self.failed += 1;
        let again = if self.is_once { "" } else { ", trying again" };
        tracing::error!("cannot verify{again}: {error:#}");
    }

    /// Decides whether what was found in a region counts. `reached`: up to when it is verified then.
    fn conclude(
        &mut self,
        mut region: verified::Region,
        to: Option<i64>,
        reached: Option<i64>,
        patience: &Patience,
    ) {
        let id = region.id();
        let progress = self.progress.entry(id.clone()).or_default();
        region.retain(|finding| !progress.has_reported(finding));
        let found = (&region.counts, &*region.findings);
        match progress.decide(found, to, self.now, patience) {
            Decision::Waits(old) if !self.is_once => {
                tracing::info!(
                    account = region.counts.account,
                    region = region.counts.region,
                    "{} findings may be of files that are on their way: the next look decides",
                    region.counts.failures()
                );
                region.retain(|finding| old.contains(&progress::key(finding)));
            }
            _ => self.reached.extend(reached.map(|to| (id, to))),
        }
        let is_news = self
            .reached
            .last()
            .is_some_and(|(id, _)| *id == region.id());
        if is_news || !region.findings.is_empty() {
            self.verified.regions.push(region);
        }
    }
}

/// An error after `stop`, which ends a verification.
pub(crate) fn unless(stop: &CancellationToken) -> io::Result<()> {
    match stop.is_cancelled() {
        true => Err(io::ErrorKind::Interrupted.into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
