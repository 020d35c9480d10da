//! How far a region can be verified while its digests still come.
//!
//! Enters: a region of a source. Leaves: the time up to which its digests are there and have a signature.
//! What must hold: what lies before that time is judged the same however much comes later.

use super::coverage::{DIGEST_LATE, LATE, common_end, hours, span};
use super::finding::{Finding, Kind};
use super::group::begins_a_trail;
use super::layout::{self, Region};
use super::names::{ChainName, DigestName, HOUR, date, time_of};
use super::source::{Error, Source};
use std::collections::BTreeMap;

/// Days with digests, the newest ones, in which the last digest of each trail is looked for.
const DAYS: usize = 2;

/// How far another clock may be ahead. A digest of the future is none of CloudTrail's.
const AHEAD: i64 = HOUR;

/// A region and its newest digests.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) region: Region,
    /// Up to when log files and digests can be verified; `None`: no digest has a signature yet. Whether the signatures are
    /// CloudTrail's is not known.
    pub(crate) to: Option<i64>,
    /// From when on log files can be verified, if digests before the first one are not there: it may not name the log files
    /// of its first minutes.
    pub(crate) from: Option<i64>,
    /// The time of the newest log file.
    pub(crate) newest_log_file: Option<i64>,
    newest: Option<(ChainName, i64)>,
}

/// How far a region can be verified.
///
/// # Errors
/// The folder that cannot be listed, and why.
pub(crate) fn reach(
    source: &dyn Source,
    region: Region,
    now: i64,
) -> Result<Reach, (String, Error)> {
    let mut chains: BTreeMap<ChainName, Vec<(i64, String)>> = BTreeMap::new();
    let mut first = None;
    if !region.name.is_empty() {
        let last = date(now + AHEAD);
        let days = layout::days(source, &region.digests(), date(i64::MIN), last)?.days;
        for (_, folder) in &days {
            let ends = digests(source, &region, folder, now)?;
            first = ends.into_iter().min_by_key(|(name, _)| name.end);
            if first.is_some() {
                break;
            }
        }
        let mut found = 0;
        for (_, folder) in days.iter().rev() {
            let digests = digests(source, &region, folder, now)?;
            found += usize::from(!digests.is_empty());
            for (name, key) in digests {
                chains.entry(name.chain).or_default().push((name.end, key));
            }
            if found == DAYS {
                break;
            }
        }
    }
    chains.values_mut().for_each(|digests| digests.sort());
    let newest_log_file = newest_log_file(source, &region)?;
    // Until then, the first digest of another trail may not be there.
    let delivered = now - HOUR - DIGEST_LATE;
    let ends = chains
        .values()
        .filter_map(|digests| signed_end(source, digests, delivered));
    let ends: Vec<_> = ends.collect();
    let newest = chains.into_iter().filter_map(|(chain, digests)| {
        let (end, _) = digests.last()?;
        Some((chain, *end))
    });
    Ok(Reach {
        to: common_end(&ends).map(verified_to),
        from: first
            .filter(|(name, key)| !begins_a_trail(source, key, name.end))
            .map(|(name, _)| name.end - HOUR + LATE),
        newest: newest.max_by_key(|(_, end)| *end),
        newest_log_file,
        region,
    })
}

fn newest_log_file(source: &dyn Source, region: &Region) -> Result<Option<i64>, (String, Error)> {
    if region.name.is_empty() {
        return Ok(None);
    }
    let days = layout::days(source, &region.log_files(), date(i64::MIN), date(i64::MAX))?.days;
    for (_, folder) in days.into_iter().rev() {
        let listed = source.list(&folder).map_err(|error| (folder, error))?;
        let newest = listed.files.iter().filter_map(|key| time_of(key)).max();
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// The digests in the folder of a day, but those of late log files.
fn digests(
    source: &dyn Source,
    region: &Region,
    folder: &str,
    now: i64,
) -> Result<Vec<(DigestName, String)>, (String, Error)> {
    let listed = source.list(folder);
    let keys = listed.map_err(|error| (folder.to_owned(), error))?.files;
    let named = keys.into_iter().filter_map(|key| {
        let name = DigestName::parse(&key, &region.name)?;
        let is_one = !name.chain.is_backfill && name.end <= now + AHEAD;
        is_one.then_some((name, key))
    });
    Ok(named.collect())
}

/// The end of the newest of these digests that has a signature and ends at `most` then.
fn signed_end(source: &dyn Source, digests: &[(i64, String)], most: i64) -> Option<i64> {
    let count = digests.partition_point(|(end, _)| *end <= most);
    let (end, key) = digests.get(count.checked_sub(1)?)?;
    let is_signed = count < digests.len() || {
        let opened = source.open_digest(key);
        matches!(opened.map(|opened| opened.signature), Ok(Ok(Some(_))))
    };
    match is_signed {
        true => Some(*end),
        // The one after it will have its signature.
        false => Some(
            match count.checked_sub(2).and_then(|before| digests.get(before)) {
                Some((before, _)) => *before,
                None => end - HOUR,
            },
        ),
    }
}

/// Up to when log files are verified, once digests are verified up to this time.
pub(crate) fn verified_to(digests: i64) -> i64 {
    digests - LATE
}

/// Up to when digests are verified, if log files are up to this time.
pub(crate) fn digests_to(verified: i64) -> i64 {
    verified + LATE
}

impl Reach {
    /// The end of the newest digest, verified or not.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest.as_ref().map(|(_, end)| *end)
    }

    /// The digest that should be there by now. `end`: that of the newest one that counts; `may_take`: how many seconds
    /// later the next one must be there.
    pub(crate) fn overdue(
        &self,
        source: &dyn Source,
        end: i64,
        now: i64,
        may_take: i64,
    ) -> Option<Finding> {
        let (chain, _) = self.newest.as_ref()?;
        if now < end.saturating_add(may_take) {
            return None;
        }
        let to = now - HOUR - DIGEST_LATE;
        let next = format!("{}{}", self.region.digests(), chain.digest(end + HOUR));
        Some(Finding {
            kind: Kind::MissingDigest,
            object: source.name(&next),
            account: chain.account.clone(),
            region: chain.region.clone(),
            count: hours(end, to),
            message: format!(
                "no digest is verified that covers {}, and CloudTrail writes one every hour, even when nothing                  happened: see whether the trail was stopped (aws cloudtrail get-trail-status --name {} --region {}),                  and whether files still arrive here",
                span(end, to),
                chain.trail,
                chain.home
            ),
        })
    }
}
