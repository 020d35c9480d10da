//! The digests and the log files of one account in one region.
//!
//! Enters: a region. Leaves: its findings and counts. What must hold: digests are taken in the order of their times;
//! findings are reported in that order, however many threads read files.

mod findings;

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::chain::{Chain, Content, Found, Out, Rules};
use super::coverage::{Coverage, LATE, Range, span};
use super::digest::Digest;
use super::finding::{Counts, Finding, Kind};
use super::hash;
use super::layout::{self, Days, Region};
use super::log_days::LogDays;
use super::log_file::Job;
use super::names::{ChainName, DigestName, HOUR, date};
use super::parallel;
use super::source;
use super::verify::{Bucket, Error, Report, Verification};

/// Digests that are in memory at once, beside the one that waits for the one after it.
const DIGESTS_AT_ONCE: usize = 2;
/// The most bytes that a digest may inflate to: that of an hour with 100,000 log files.
const DIGEST_BYTES: u64 = 64 << 20;
/// So long after the end of a range, none of its files is too new.
const SETTLED: i64 = 24 * HOUR;
/// What the digest of the longest time covers, at most: usually an hour.
const LONGEST: i64 = 24 * HOUR;
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
        let lasts = chains.values().filter_map(Chain::last);
        self.coverage
            .close(&lasts.map(|last| last.end).collect::<Vec<_>>());
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
            let contents = parallel::map(listed, of.threads, |listed| {
                read(of.source, &listed.key, listed.name.end)
            });
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
}

/// The range to verify when a digest has arrived, by its key and the end in its name. Each log file is in one such range:
/// it is judged now or never, so nothing in it counts as too new.
#[cfg_attr(
    not(any(feature = "aws", test)),
    expect(dead_code, reason = "only queues announce digests")
)]
pub(crate) fn range_of(source: &dyn source::Source, key: &str, end: i64) -> Range {
    let start = match read(source, key, end) {
        Ok(Content { digest, .. }) => digest.start,
        Err(_) => end - HOUR,
    };
    Range {
        from: Some(start - LATE),
        to: Some(end - LATE),
        now: end + SETTLED,
    }
}

/// Whether a digest says that there is none before it.
pub(super) fn begins_a_trail(source: &dyn source::Source, key: &str, end: i64) -> bool {
    let read = read(source, key, end);
    read.is_ok_and(|content| content.digest.previous_digest_s3_object.is_none())
}

/// Reads a digest, whose name has this end.
fn read(source: &dyn source::Source, key: &str, end: i64) -> Result<Content, (Kind, String)> {
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
    // Before its signature is checked, it could say any time, and hide others behind it.
    if digest.end != end || !(end.saturating_sub(LONGEST)..=end).contains(&digest.start) {
        let message = format!(
            "it says that it covers {}, which its name does not fit",
            span(digest.start, digest.end)
        );
        return Err((Kind::Changed, message));
    }
    Ok(Content {
        digest,
        signature: opened.signature,
    })
}
