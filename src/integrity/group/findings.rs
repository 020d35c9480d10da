//! What is found in a region, reported in its order.

use super::{Group, Item};
use crate::integrity::chain::{Chain, Object, Out};
use crate::integrity::coverage::{DIGEST_LATE, LATE, Place, span};
use crate::integrity::digest::{Digest, LogFile};
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::folder::ANSWER;
use crate::integrity::layout::Days;
use crate::integrity::log_days::LogDays;
use crate::integrity::log_file::{Job, check};
use crate::integrity::names::{HOUR, time_of};
use crate::integrity::parallel;
use crate::integrity::verify::{Error, Event};

/// Findings and log files that are gathered before log files are read.
const BATCH: usize = 1024;

impl Group<'_> {
    /// Takes what a chain found out.
    pub(super) fn take(&mut self, out: Out, log_days: &mut LogDays) {
        match out {
            Out::Finding {
                kind,
                object,
                count,
                message,
            } => {
                let object = match object {
                    Object::Here(key) => self.of.source.name(&key),
                    Object::Missing(bucket, object) => format!("s3://{bucket}/{object}"),
                };
                let finding = self.found(kind, object, message);
                self.batch.push(Item::Finding(Finding { count, ..finding }));
            }
            Out::Settled {
                key,
                doubt,
                logs,
                digest,
            } => self.settled(&key, doubt, logs, &digest, log_days),
        }
    }

    fn settled(
        &mut self,
        key: &str,
        doubt: Option<Kind>,
        logs: Vec<LogFile>,
        digest: &Digest,
        log_days: &mut LogDays,
    ) {
        let name = self.of.source.name(key);
        if doubt.is_none() {
            // What the bucket is may have been learnt since it was read.
            if !self.bucket.has(digest, key) {
                let message = self.bucket.misplaced(digest);
                return self.finding(Kind::WrongPlace, name, message);
            }
            self.bucket.learn(digest, key);
            self.counts.digests += 1;
            let (start, end) = (digest.start, digest.end);
            let covered = self.counts.covered.unwrap_or((start, end));
            self.counts.covered = Some((covered.0.min(start), covered.1.max(end)));
            if key.ends_with("_backfill.json.gz") {
                let message = format!(
                    "CloudTrail wrote it later, for log files of {} that the digest of that time does not name",
                    span(start, end)
                );
                self.finding(Kind::BackfilledDigest, name.clone(), message);
            }
            if self.of.all {
                let message = format!("signed; it names {}", files(logs.len()));
                self.finding(Kind::Verified, name.clone(), message);
            }
        }
        let range = self.of.range;
        for log in logs {
            if time_of(&log.s3_object).is_some_and(|time| !range.has(time)) {
                continue;
            }
            let job = Job::new(self.of.source, digest, key, log, doubt);
            if let Some(key) = &job.key {
                log_days.named(key);
            }
            self.batch.push(Item::LogFile(job));
        }
    }

    /// A file that is where CloudTrail writes none.
    pub(super) fn stray(&mut self, key: String) {
        let is_in_range = time_of(&key).is_none_or(|time| self.of.range.has(time));
        let digests = format!("{}CloudTrail-Digest/", self.region.folder);
        let (kind, message) = match key.starts_with(&digests) {
            _ if !is_in_range => return,
            // The user's.
            true if key.ends_with(ANSWER) => return,
            true => (
                Kind::WrongPlace,
                "CloudTrail writes no digest of this name there",
            ),
            false => (
                Kind::UnlistedLogFile,
                "CloudTrail writes no log file there, and no digest names it",
            ),
        };
        self.finding(kind, self.of.source.name(&key), message.to_owned());
    }

    /// Log files that no digest names. `is_end`: there are no more digests.
    pub(super) fn left(&mut self, keys: Vec<String>, is_end: bool) {
        for key in keys {
            let Some(time) = time_of(&key) else {
                self.stray(key);
                continue;
            };
            if !self.of.range.has(time) {
                continue;
            }
            self.newest = self.newest.max(Some(time));
            let name = self.of.source.name(&key);
            let is_new = time >= self.of.range.delivered() - LATE;
            match self.coverage.place(time) {
                Place::NotYet if is_end => self.not_yet(name),
                Place::Inside if is_end && is_new => self.not_yet(name),
                Place::Inside => {
                    let message = "no verified digest names it, and digests cover its time: CloudTrail did not write \
                                   it, or a digest is missing or changed";
                    self.finding(Kind::UnlistedLogFile, name, message.to_owned());
                }
                Place::NotYet | Place::Outside => {
                    let message = "no digest covers its time: log file validation was not turned on then, or its \
                                   digest is missing";
                    self.finding(Kind::OutsideRange, name, message.to_owned());
                }
            }
        }
    }

    /// A log file that the next digest should name.
    fn not_yet(&mut self, name: String) {
        self.counts.not_yet += 1;
        if self.of.all {
            let message = "the next digest should name it".to_owned();
            self.finding(Kind::NotYet, name, message);
        }
    }

    /// What is missing at the end, or altogether.
    pub(super) fn end<'c>(&mut self, chains: impl Iterator<Item = &'c Chain>, has_earlier: bool) {
        let range = self.of.range;
        let last = chains.filter_map(Chain::last).max_by_key(|last| last.end);
        match (last, self.newest, range.from) {
            (Some(last), Some(newest), _) if range.to.is_none() => {
                let to = newest - DIGEST_LATE;
                if to >= last.end + HOUR {
                    let out = last.missing_until(to);
                    self.take(out, &mut LogDays::new(Days::default()));
                }
            }
            (None, _, Some(from)) if has_earlier && self.coverage.last().is_none() => {
                let until = range.covered_to().unwrap_or(range.now);
                let message = format!(
                    "no digest covers {}, and there are older ones. If the trail was stopped, say so: --to",
                    span(from, until)
                );
                let folder = self.of.source.name(&self.region.digests());
                self.finding(Kind::MissingDigest, folder, message);
            }
            _ => {}
        }
    }

    pub(super) fn finding(&mut self, kind: Kind, object: String, message: String) {
        let finding = self.found(kind, object, message);
        self.batch.push(Item::Finding(finding));
    }

    fn found(&self, kind: Kind, object: String, message: String) -> Finding {
        Finding {
            kind,
            object,
            account: self.counts.account.clone(),
            region: self.counts.region.clone(),
            count: 1,
            message,
        }
    }

    pub(super) fn flush_if_full(&mut self) -> Result<(), Error> {
        match self.batch.len() >= BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Reads the log files, and reports everything in its order.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        let of = self.of;
        let results = parallel::map(&batch, of.threads, |item| match item {
            Item::Finding(_) => None,
            Item::LogFile(job) => Some(check(of.source, job, of.inflated_bytes)),
        });
        let mut bytes = 0;
        for (item, result) in batch.into_iter().zip(results) {
            let finding = match (item, result) {
                (Item::LogFile(job), Some(Some(checked))) => {
                    bytes += checked.bytes;
                    self.counts.log_files += u64::from(checked.kind == Kind::Verified);
                    self.found(checked.kind, job.name(of.source), checked.message)
                }
                (Item::Finding(finding), _) => finding,
                (Item::LogFile(_), None | Some(None)) => continue,
            };
            if !finding.kind.is_usual() {
                *self.counts.findings.entry(finding.kind).or_default() += 1;
            }
            if of.all || !finding.kind.is_usual() {
                (self.report)(Event::Found(&finding))?;
            }
        }
        (self.report)(Event::Read(bytes))?;
        Ok(())
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "1 log file".to_owned(),
        count => format!("{count} log files"),
    }
}
