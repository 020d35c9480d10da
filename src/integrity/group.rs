//! The digests and the log files of one account in one region.
//!
//! Enters: a region. Leaves: its findings and counts. What must hold: digests are taken in the order of their times;
//! findings are reported in that order, however many threads read files.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::chain::{Chain, Content, Found, Object, Out, Rules};
use super::coverage::{Coverage, DIGEST_LATE, Place, span};
use super::digest::{Digest, LogFile};
use super::finding::{Counts, Finding, Kind};
use super::folder::ANSWER;
use super::hash;
use super::layout::{self, Days, Region};
use super::log_days::LogDays;
use super::log_file::{Job, check};
use super::names::{ChainName, DigestName, HOUR, date, time_of};
use super::parallel;
use super::source;
use super::verify::{Bucket, Error, Event, Report, Verification};

/// Findings and log files that are gathered before log files are read.
const BATCH: usize = 1024;
/// Digests that are in memory at once, beside the one that waits for the one after it.
const DIGESTS_AT_ONCE: usize = 8;
/// The most bytes that a digest may inflate to: that of an hour with 100,000 log files.
const DIGEST_BYTES: u64 = 64 << 20;
/// How long after the range there may be the digest that has the last signature.
const AFTER: i64 = 4 * HOUR;

/// One region.
pub(super) struct Group<'g> {
    of: &'g Verification<'g>,
    region: Region,
    bucket: &'g mut Bucket,
    report: Report<'g>,
    chains: BTreeMap<ChainName, Chain>,
    coverage: Coverage,
    counts: Counts,
    batch: Vec<Item>,
    /// The time of the newest log file that no digest names.
    newest: Option<i64>,
}

/// What is reported in this order.
enum Item {
    Finding(Finding),
    LogFile(Job),
}

/// A digest to read.
struct Listed {
    name: DigestName,
    key: String,
}

impl<'g> Group<'g> {
    pub(super) fn new(
        of: &'g Verification<'g>,
        region: Region,
        bucket: &'g mut Bucket,
        report: Report<'g>,
    ) -> Group<'g> {
        Group {
            of,
            counts: Counts {
                account: region.account.clone(),
                region: region.name.clone(),
                folder: of.source.name(&region.folder),
                ..Counts::default()
            },
            region,
            bucket,
            report,
            chains: BTreeMap::new(),
            coverage: Coverage::default(),
            batch: Vec::new(),
            newest: None,
        }
    }

    /// Verifies the region.
    pub(super) fn verify(mut self) -> Result<Counts, Error> {
        for key in std::mem::take(&mut self.region.strays) {
            self.stray(key);
        }
        if !self.region.name.is_empty() {
            self.digests_and_log_files()?;
        }
        self.flush()?;
        Ok(self.counts)
    }

    fn digests_and_log_files(&mut self) -> Result<(), Error> {
        let range = self.of.range;
        let first = date(range.first());
        let last = date(range.end().saturating_add(AFTER));
        let digests = self.days(&self.region.digests(), first, last)?;
        let log_files = self.days(&self.region.log_files(), first, date(range.end()))?;
        let mut log_days = LogDays::new(log_files);
        let mut has_earlier = digests.has_earlier;
        for key in digests.strays.into_iter().chain(log_days.take_strays()) {
            self.stray(key);
        }
        for (day, folder) in digests.days {
            let before = day.yesterday().unwrap_or(day);
            self.load(&mut log_days, before, false)?;
            self.list_day(&mut log_days, day)?;
            has_earlier |= self.digests(&folder, &mut log_days)?;
            let left = log_days.close_before(before);
            self.left(left, false);
            self.flush_if_full()?;
        }
        let mut chains = std::mem::take(&mut self.chains);
        for chain in chains.values_mut() {
            self.with_rules(&mut log_days, |rules, out| chain.finish(rules, out));
        }
        self.load(&mut log_days, Date::MAX, true)?;
        let left = log_days.close_before(Date::MAX);
        self.left(left, true);
        self.end(chains.values(), has_earlier);
        Ok(())
    }

    fn days(&self, folder: &str, first: Date, last: Date) -> Result<Days, Error> {
        layout::days(self.of.source, folder, first, last).map_err(|e| self.of.list_error(e))
    }

    /// Lists the log files of the days before this one. Those that no digest can name any more are left.
    fn load(&mut self, log_days: &mut LogDays, before: Date, is_end: bool) -> Result<(), Error> {
        while let Some(day) = log_days.next().filter(|day| *day < before) {
            self.list_day(log_days, day)?;
            let left = log_days.close_before(day.yesterday().unwrap_or(day));
            self.left(left, is_end);
            self.flush_if_full()?;
        }
        Ok(())
    }

    fn list_day(&mut self, log_days: &mut LogDays, day: Date) -> Result<(), Error> {
        let loaded = log_days.load(self.of.source, day);
        loaded.map_err(|error| self.of.list_error(error))?;
        for key in log_days.take_strays() {
            self.stray(key);
        }
        Ok(())
    }

    /// Takes the digests of a day. Whether there are some before the range.
    fn digests(&mut self, folder: &str, log_days: &mut LogDays) -> Result<bool, Error> {
        let listed = self.of.source.list(folder);
        let listed = listed.map_err(|e| self.of.list_error((folder.to_owned(), e)))?;
        for child in listed.folders {
            let inside = layout::all(self.of.source, &child);
            for key in inside.map_err(|error| self.of.list_error(error))? {
                self.stray(key);
            }
        }
        let mut digests = Vec::new();
        for key in listed.files {
            match DigestName::parse(&key, &self.region.name) {
                Some(name) => digests.push(Listed { name, key }),
                None => self.stray(key),
            }
        }
        digests.sort_by(|a, b| (a.name.end, &a.name.chain).cmp(&(b.name.end, &b.name.chain)));
        let (first, end) = (self.of.range.first(), self.of.range.end());
        let all = digests.len();
        digests.retain(|digest| digest.name.end > first);
        let has_earlier = digests.len() < all;
        digests.retain(|digest| digest.name.end <= end.saturating_add(AFTER));
        let of = self.of;
        for listed in digests.chunks(DIGESTS_AT_ONCE) {
            let contents = parallel::map(listed, of.threads, |listed| read(of.source, &listed.key));
            for (listed, content) in listed.iter().zip(contents) {
                self.push(listed, content, log_days);
                self.flush_if_full()?;
            }
        }
        Ok(has_earlier)
    }

    /// Takes the next digest.
    fn push(
        &mut self,
        listed: &Listed,
        content: Result<Content, (Kind, String)>,
        log_days: &mut LogDays,
    ) {
        if let Ok(Content { digest, .. }) = &content
            && !self.bucket.has(digest, &listed.key)
        {
            let message = self.bucket.misplaced(digest);
            self.finding(Kind::WrongPlace, self.of.source.name(&listed.key), message);
            return;
        }
        if self.counts.account.is_empty() {
            self.counts.account.clone_from(&listed.name.chain.account);
        }
        let name = listed.name.chain.clone();
        let mut chain = match self.chains.remove(&name) {
            Some(chain) => chain,
            None => Chain::new(name.clone()),
        };
        let found = Found {
            key: listed.key.clone(),
            end: listed.name.end,
            content,
        };
        self.with_rules(log_days, |rules, out| chain.push(found, rules, out));
        self.chains.insert(name, chain);
    }

    fn with_rules(
        &mut self,
        log_days: &mut LogDays,
        work: impl FnOnce(&mut Rules<'_>, &mut Vec<Out>),
    ) {
        let (source, digests) = (self.of.source, self.region.digests());
        let exists = |object: &str| {
            let parts: Vec<_> = object.rsplitn(5, '/').take(4).collect();
            let below: Vec<_> = parts.into_iter().rev().collect();
            let key = format!("{digests}{}", below.join("/"));
            source.open_digest(&key).is_ok()
        };
        let remedy = |bucket: &str, object: &str, key: &str| source.remedy(bucket, object, key);
        let mut rules = Rules {
            keys: self.of.keys,
            range: self.of.range,
            coverage: &mut self.coverage,
            exists: &exists,
            remedy: &remedy,
        };
        let mut out = Vec::new();
        work(&mut rules, &mut out);
        for out in out {
            self.take(out, log_days);
        }
    }

    /// Takes what a chain found out.
    fn take(&mut self, out: Out, log_days: &mut LogDays) {
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
    fn stray(&mut self, key: String) {
        let is_in_range = time_of(&key).is_none_or(|time| self.of.range.has(time));
        if !is_in_range || key.ends_with(ANSWER) {
            return;
        }
        let digests = format!("{}CloudTrail-Digest/", self.region.folder);
        let (kind, message) = match key.starts_with(&digests) {
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
    fn left(&mut self, keys: Vec<String>, is_end: bool) {
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
            match self.coverage.place(time) {
                Place::NotYet if is_end => {
                    self.counts.not_yet += 1;
                    if self.of.all {
                        let message = "the next digest should name it".to_owned();
                        self.finding(Kind::NotYet, name, message);
                    }
                }
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

    /// What is missing at the end, or altogether.
    fn end<'c>(&mut self, chains: impl Iterator<Item = &'c Chain>, has_earlier: bool) {
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

    fn finding(&mut self, kind: Kind, object: String, message: String) {
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

    fn flush_if_full(&mut self) -> Result<(), Error> {
        match self.batch.len() >= BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Reads the log files, and reports everything in its order.
    fn flush(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        let of = self.of;
        let results = parallel::map(&batch, of.threads, |item| match item {
            Item::Finding(_) => None,
            Item::LogFile(job) => Some(check(of.source, job, of.inflated_bytes)),
        });
        let mut bytes = 0;
        for (item, result) in batch.into_iter().zip(results) {
            let finding = match (item, result) {
                (Item::LogFile(job), Some(checked)) => {
                    bytes += checked.bytes;
                    self.counts.log_files += u64::from(checked.kind == Kind::Verified);
                    self.found(checked.kind, job.name(of.source), checked.message)
                }
                (Item::Finding(finding), _) => finding,
                (Item::LogFile(_), None) => continue,
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

/// Reads a digest.
fn read(source: &dyn source::Source, key: &str) -> Result<Content, (Kind, String)> {
    let opened = source.open_digest(key);
    let opened = opened.map_err(|error| (Kind::Unreadable, error.to_string()))?;
    let mut bytes = Vec::new();
    let inflated = hash::inflate(opened.bytes, DIGEST_BYTES, |block| {
        bytes.extend_from_slice(block);
    });
    match inflated {
        Err(hash::Error::Read(error)) => return Err((Kind::Unreadable, error.to_string())),
        Err(hash::Error::Damaged(why)) => return Err((Kind::Changed, why)),
        Ok(_) => {}
    }
    let digest = Digest::parse(&bytes).map_err(|why| (Kind::Changed, why))?;
    Ok(Content {
        digest,
        signature: opened.signature,
    })
}
