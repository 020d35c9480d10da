//! Looks at a directory: each region, from where it was verified on.
//!
//! Enters: the directory, what is known of its regions. Leaves: what was found, and up to when regions are verified then.

use std::collections::BTreeMap;
use std::num::NonZero;

use super::progress::{Patience, Progress};
use super::{Id, Look, unless};
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::folder::Folder;
use crate::integrity::key_files::KeyFiles;
use crate::integrity::layout::{self, Region};
use crate::integrity::names::rfc3339;
use crate::integrity::reach::{Reach, digests_to, reach, verified_to};
use crate::integrity::source::{self, Source};
use crate::integrity::verify::{Bucket, Only, Report, Verification};
use crate::proof::verified::Verified;
use crate::runtime::times::Times;

/// A directory, and what its verification needs.
pub(super) struct Looker {
    pub(super) folder: Folder,
    pub(super) keys: KeyFiles,
    pub(super) times: Times,
    /// In seconds.
    pub(super) overdue: i64,
    pub(super) inflated_bytes: u64,
}

impl Looker {
    /// Looks at all regions.
    ///
    /// # Errors
    /// The directory cannot be listed, or has nothing to verify, or the state cannot be read.
    pub(super) fn look(&self, look: &mut Look) -> anyhow::Result<()> {
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
    pub(super) fn late(
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
    pub(super) fn place(&self, folder: &str) -> String {
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
