//! A watched directory is verified again and again, as digests arrive.
//!
//! Enters: the directory. Leaves: findings, delivered; then, for each region, the time up to which it was verified, in
//! `integrity.redb`. What must hold: a time is recorded once all that was found before it was delivered; a file that is
//! still on its way is no finding.

mod progress;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::progress::{Decision, Patience, Progress};
use super::records::Reporter;
use super::verified::{self, Verified};
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::folder::Folder;
use crate::integrity::key_files::KeyFiles;
use crate::integrity::layout::{self, Region};
use crate::integrity::names::rfc3339;
use crate::integrity::reach::{Reach, digests_to, reach, verified_to};
use crate::integrity::source::{self, Source};
use crate::integrity::verify::{Bucket, Only, Report, Verification};
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

struct Looker {
    folder: Folder,
    keys: KeyFiles,
    times: Times,
    /// In seconds.
    overdue: i64,
    inflated_bytes: u64,
}

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

impl Looker {
    fn look(&self, look: &mut Look) -> anyhow::Result<()> {
        let found = layout::regions(&self.folder).map_err(|error| self.cannot_list(error))?;
        if found.regions.is_empty() {
            let why = format!(
                "nothing can be verified in {}: it has neither AWSLogs/ nor a folder below it with \
                 CloudTrail-Digest/; name the top of the copy",
                self.folder.name("")
            );
            match look.is_once {
                true => anyhow::bail!(why),
                false => tracing::warn!("{why}"),
            }
        }
        let mut bucket = Bucket::of(&self.folder);
        let mut gone = self.verified_before()?;
        for (folder, error) in found.unlisted {
            gone.retain(|(place, _), _| !place.starts_with(&self.place(&folder)));
            let mut verified = Verified::new(String::new(), String::new());
            verified.add(
                Finding::unlisted(self.folder.name(&folder), &error),
                &folder,
            );
            self.conclude(verified, look, (None, None), None);
        }
        for region in found.regions {
            gone.remove(&(self.place(&region.folder), region.name.clone()));
            let looked = reach(&self.folder, region, look.now)
                .map_err(|error| self.cannot_list(error))
                .and_then(|reach| self.region(reach, look, &mut bucket));
            if let Err(error) = looked {
                look.fail(&error);
            }
        }
        for ((place, region), to) in gone {
            let finding = Finding {
                kind: Kind::MissingDigest,
                object: place.clone(),
                account: String::new(),
                region: region.clone(),
                count: 1,
                message: format!(
                    "all digests and log files of {region} are gone; they were verified up to {}",
                    rfc3339(to)
                ),
            };
            let mut verified = Verified::new(String::new(), String::new());
            verified.add(finding, &place);
            self.conclude(verified, look, (None, None), None);
        }
        Ok(())
    }

    fn region(&self, reach: Reach, look: &mut Look, bucket: &mut Bucket) -> anyhow::Result<()> {
        let name = &reach.region.name;
        let id = (self.folder.name(&reach.region.folder), name.clone());
        let from = self.times.get((&self.place(&reach.region.folder), name))?;
        let newest_log_file = reach.newest_log_file;
        let progress = look.progress.entry(id.clone()).or_default();
        let late = self.late(&reach, progress, from, (look.now, look.is_once));
        let to = progress.range_to(reach.to);
        let is_new = to.is_some_and(|to| from.is_none_or(|from| from < to));
        let mut found = Verified::new(String::new(), String::new());
        if is_new || name.is_empty() {
            let range = Range {
                from: from.or(reach.from),
                to,
                now: look.now,
            };
            let (is_once, stop) = (look.is_once, &look.stop);
            self.verify(reach.region, range, is_once, bucket, &mut |event| {
                found.take(&event);
                unless(stop)
            })?;
        }
        if let Some(finding) = late {
            found.add(finding, &id.0);
        }
        self.conclude(found, look, (from, to), newest_log_file);
        Ok(())
    }

    /// Decides about a region, if anything was found in it. `from`: up to when it was verified; `to`: the end of its range.
    fn conclude(
        &self,
        mut found: Verified,
        look: &mut Look,
        (from, to): (Option<i64>, Option<i64>),
        newest_log_file: Option<i64>,
    ) {
        let Some(region) = found.regions.pop() else {
            return;
        };
        // Only what CloudTrail signed brings it forward.
        let signed = region.counts.covered.map(|(_, end)| verified_to(end));
        let reached = signed.zip(to).map(|(signed, to)| signed.min(to));
        let is_forward = |reached: &i64| from.is_none_or(|from| from < *reached);
        let reached = reached.filter(is_forward).filter(|_| region.left_out == 0);
        let patience = Patience {
            seconds: self.overdue,
            newest_log_file,
        };
        look.conclude(region, to, reached, &patience);
    }

    fn verify(
        &self,
        region: Region,
        range: Range,
        is_once: bool,
        bucket: &mut Bucket,
        report: Report<'_>,
    ) -> anyhow::Result<()> {
        let keys = self.keys.current();
        let verification = Verification {
            source: &self.folder,
            keys: &*keys,
            range,
            only: &Only::default(),
            // Beside events that are being delivered, one is enough.
            threads: match is_once {
                true => std::thread::available_parallelism().map_or(1, NonZero::get),
                false => 1,
            },
            inflated_bytes: self.inflated_bytes,
            all: false,
        };
        verification.region(region, bucket, report)?;
        Ok(())
    }

    /// What should be there by now.
    fn late(
        &self,
        reach: &Reach,
        progress: &mut Progress,
        verified: Option<i64>,
        (now, is_once): (i64, bool),
    ) -> Option<Finding> {
        if let Some(newest) = reach.newest() {
            // A digest that is not verified yet could be anyone's.
            let end = verified.map_or(newest, digests_to);
            return reach.overdue(&self.folder, end, now, self.overdue);
        }
        let since = progress.without_digest_since(now);
        let is_late = is_once || now >= since.saturating_add(self.overdue);
        (is_late && !reach.region.name.is_empty()).then(|| Finding {
            kind: Kind::MissingDigest,
            object: self.folder.name(&reach.region.digests()),
            account: reach.region.account.clone(),
            region: reach.region.name.clone(),
            count: 1,
            message: "there are log files and not one digest: turn the trail's log file validation on (aws cloudtrail \
                      update-trail --enable-log-file-validation), and let the digests arrive here, too"
                .to_owned(),
        })
    }

    /// Up to when each region was verified, by its place and its name.
    fn verified_before(&self) -> anyhow::Result<BTreeMap<Id, i64>> {
        let root = self.place("");
        let all = self.times.all()?.into_iter();
        let here = all.filter(|(place, _, _)| place.starts_with(&root));
        Ok(here
            .map(|(place, region, to)| ((place, region), to))
            .collect())
    }

    /// A folder as the state has it: the same, however the directory is named.
    fn place(&self, folder: &str) -> String {
        let folder = folder.strip_prefix(&self.folder.name("")).unwrap_or(folder);
        self.folder
            .root()
            .join(folder)
            .to_string_lossy()
            .into_owned()
    }

    fn cannot_list(&self, (folder, error): (String, source::Error)) -> anyhow::Error {
        anyhow::anyhow!("{}: {error}", self.folder.name(&folder))
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
