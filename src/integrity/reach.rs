//! How far a region can be verified while its digests still come.
//!
//! Enters: a region of a source. Leaves: the time up to which its digests are there and have a signature.
//! What must hold: what lies before that time is judged the same however much comes later.

use super::coverage::{DIGEST_LATE, LATE, common_end, hours, span};
use super::finding::{Finding, Kind};
use super::layout::{self, Region};
use super::names::{ChainName, DigestName, HOUR, date};
use super::source::{Error, Source};
use std::collections::BTreeMap;

/// Days of digests, the newest ones, in which the last digest of each trail is looked for.
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
    if !region.name.is_empty() {
        let last = date(now + AHEAD);
        let found = layout::days(source, &region.digests(), date(i64::MIN), last)?;
        for (_, folder) in found.days.into_iter().rev().take(DAYS) {
            let listed = source.list(&folder).map_err(|error| (folder, error))?;
            for key in listed.files {
                if let Some(name) = DigestName::parse(&key, &region.name)
                    && !name.chain.is_backfill
                    && name.end <= now + AHEAD
                {
                    chains.entry(name.chain).or_default().push((name.end, key));
                }
            }
        }
    }
    chains.values_mut().for_each(|digests| digests.sort());
    let signed = chains.values().filter_map(|digests| {
        let (end, key) = digests.last()?;
        let is_signed = matches!(
            source.open_digest(key).map(|opened| opened.signature),
            Ok(Ok(Some(_)))
        );
        match is_signed {
            true => Some(*end),
            // The one after it has its signature.
            false => Some(before_last(digests).unwrap_or(end - HOUR)),
        }
    });
    let signed: Vec<_> = signed.collect();
    let newest = chains.into_iter().filter_map(|(chain, digests)| {
        let (end, _) = digests.last()?;
        Some((chain, *end))
    });
    Ok(Reach {
        to: common_end(&signed).map(verified_to),
        newest: newest.max_by_key(|(_, end)| *end),
        region,
    })
}

fn before_last(digests: &[(i64, String)]) -> Option<i64> {
    Some(digests.get(digests.len().checked_sub(2)?)?.0)
}

/// The end of a region's log files that are verified, once digests are up to this time.
pub(crate) fn verified_to(digests: i64) -> i64 {
    digests - LATE
}

impl Reach {
    /// The end of the newest digest, verified or not.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest.as_ref().map(|(_, end)| *end)
    }

    /// The digest that should be there by now, if digests may take so many seconds to arrive.
    pub(crate) fn overdue(&self, source: &dyn Source, now: i64, may_take: i64) -> Option<Finding> {
        let (chain, end) = self.newest.as_ref()?;
        let to = now.saturating_sub(may_take.max(HOUR + DIGEST_LATE));
        if to < end + HOUR {
            return None;
        }
        let next = format!("{}{}", self.region.digests(), chain.digest(end + HOUR));
        Some(Finding {
            kind: Kind::MissingDigest,
            object: source.name(&next),
            account: chain.account.clone(),
            region: chain.region.clone(),
            count: hours(*end, to),
            message: format!(
                "no digest covers {}, and CloudTrail writes one every hour, even when nothing happened: see whether \
                 the trail was stopped (aws cloudtrail get-trail-status --name {} --region {}), and whether files \
                 still arrive here",
                span(*end, to),
                chain.trail,
                chain.home
            ),
        })
    }
}
