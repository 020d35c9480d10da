//! The digests of a trail in a region, one after the other.
//!
//! Enters: digests, oldest first, that are where they say. Leaves: what is wrong with each of them and between them,
//! and the log files that they name. What must hold: a digest counts only if a known key has signed it. Its signature
//! is beside it or in the digest after it, so a digest is settled when the one after it is known.

mod out;
mod settle;

use self::out::{found_here, here, missing, missing_between, several, started};
use self::settle::{Successor, settle};
use super::coverage::{Coverage, Range, hours, span};
use super::digest::Digest;
use super::finding::Kind;
use super::keys::Keys;
use super::names::{ChainName, HOUR, rfc3339, time_of};

pub(super) use self::out::{Object, Out};

/// A digest that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    /// The end of what it covers, by its name.
    pub(super) end: i64,
    /// What it says, or what is wrong with it.
    pub(super) content: Result<Content, (Kind, String)>,
}

/// What a digest says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) digest: Digest,
    /// The signature beside it, or why it cannot be read.
    pub(super) signature: Result<Option<String>, String>,
}

/// What the chain needs to know.
pub(super) struct Rules<'r> {
    pub(super) keys: &'r dyn Keys,
    pub(super) range: Range,
    pub(super) coverage: &'r mut Coverage,
    /// Whether a digest is there, by its object's key.
    pub(super) exists: &'r dyn Fn(&str) -> bool,
    /// How to get a signature, by the bucket, the object and the key.
    pub(super) remedy: &'r dyn Fn(&str, &str, &str) -> String,
}

/// A chain.
#[derive(Debug)]
pub(super) struct Chain {
    name: ChainName,
    /// The one that waits for the one after it.
    last: Option<Found>,
    /// The digest after the range was seen.
    is_over: bool,
    /// The last one, once it is known to be that.
    end: Option<Last>,
}

/// The last digest of a chain.
#[derive(Debug)]
pub(super) struct Last {
    name: ChainName,
    key: String,
    bucket: String,
    pub(super) end: i64,
}

impl Found {
    fn digest(&self) -> Option<&Digest> {
        self.content.as_ref().ok().map(|content| &content.digest)
    }

    fn end(&self) -> i64 {
        self.digest().map_or(self.end, |digest| digest.end)
    }

    fn start(&self) -> i64 {
        let guess = self.end.saturating_sub(HOUR);
        self.digest().map_or(guess, |digest| digest.start)
    }
}

impl Chain {
    pub(super) fn new(name: ChainName) -> Chain {
        Chain {
            name,
            last: None,
            is_over: false,
            end: None,
        }
    }

    /// Takes the next digest.
    pub(super) fn push(&mut self, found: Found, rules: &mut Rules<'_>, out: &mut Vec<Out>) {
        if self.is_over {
            return;
        }
        let is_beyond = found.start() >= rules.range.last_start();
        let last = self.last.take();
        let after = last.as_ref().map(Found::end);
        match (last, found.digest()) {
            (Some(last), Some(digest)) => self.follow(last, &found.key, digest, rules, out),
            (Some(last), None) => {
                if found.start() >= last.end() + HOUR {
                    out.push(missing_between(&found, last.end(), found.start()));
                }
                settle(&self.name.home, last, None, rules, out);
            }
            (None, Some(digest)) => self.begin(&found.key, digest, rules, out),
            (None, None) => {}
        }
        if is_beyond {
            self.is_over = true;
            return;
        }
        if !self.name.is_backfill {
            let is_start = found.digest().is_some_and(is_first);
            rules
                .coverage
                .add(found.start(), found.end(), after.filter(|_| !is_start));
        }
        if let Err((kind, why)) = &found.content {
            out.push(here(*kind, &found.key, why.clone()));
        }
        self.last = Some(found);
    }

    /// The last digest was pushed.
    pub(super) fn finish(&mut self, rules: &mut Rules<'_>, out: &mut Vec<Out>) {
        let Some(found) = self.last.take() else {
            return;
        };
        let bucket = found.digest().map(|digest| &digest.digest_s3_bucket);
        let last = Last {
            name: self.name.clone(),
            key: found.key.clone(),
            bucket: bucket.cloned().unwrap_or_default(),
            end: found.end(),
        };
        settle(&self.name.home, found, None, rules, out);
        if self.name.is_backfill {
            return;
        }
        if let Some(to) = rules.range.covered_to().filter(|to| *to > last.end) {
            out.push(last.missing_until(to));
        }
        self.end = Some(last);
    }

    /// The last digest, if it follows others every hour.
    pub(super) fn last(&self) -> Option<&Last> {
        self.end.as_ref()
    }

    /// The first digest of the range.
    fn begin(&self, key: &str, digest: &Digest, rules: &Rules<'_>, out: &mut Vec<Out>) {
        let (from, start) = (rules.range.from, digest.start);
        let is_late = from.is_none_or(|from| start > from);
        let Some(previous) = &digest.previous_digest_s3_object else {
            if let (Some(from), true, false) = (from, is_late, self.name.is_backfill) {
                out.push(started(key, from, start));
            }
            return;
        };
        if !is_late || self.name.is_backfill && (rules.exists)(previous) {
            return;
        }
        let since = from.map_or(start - HOUR, |from| from);
        let count = hours(since, start);
        let message = format!(
            "{key} names it as the digest before itself, and it is not there: {}. If older files were deleted on \
             purpose, `qtrail verify --from {}` begins here",
            several(count),
            rfc3339(start)
        );
        out.push(missing(digest, previous, count, message));
    }

    /// The digest after `last`.
    fn follow(
        &self,
        last: Found,
        key: &str,
        digest: &Digest,
        rules: &Rules<'_>,
        out: &mut Vec<Out>,
    ) {
        let (last_key, end, start) = (last.key.clone(), last.end(), digest.start);
        let Some(previous) = &digest.previous_digest_s3_object else {
            settle(&self.name.home, last, None, rules, out);
            if !self.name.is_backfill {
                out.push(started(key, end, start));
            }
            return;
        };
        if is_named(previous, &last_key) {
            settle(
                &self.name.home,
                last,
                Some(&Successor { key, digest }),
                rules,
                out,
            );
            if start >= end + HOUR && !self.name.is_backfill {
                let count = hours(end, start);
                let message = format!(
                    "no digest covers {}, between {last_key} and this one: {}",
                    span(end, start),
                    several(count)
                );
                out.push(found_here(Kind::MissingDigest, key, count, message));
            }
            return;
        }
        settle(&self.name.home, last, None, rules, out);
        if self.name.is_backfill && (rules.exists)(previous) {
            return;
        }
        if time_of(previous).is_some_and(|time| time <= end) && !self.name.is_backfill {
            let message = format!(
                "it names {previous} as the digest before itself, and {last_key} is between them: one of the three \
                 is not what CloudTrail wrote there"
            );
            out.push(here(Kind::BrokenChain, key, message));
            return;
        }
        let count = match self.name.is_backfill {
            true => 1,
            false => hours(end, start),
        };
        let message = format!(
            "{key} names it as the digest before itself, and it is not there: {}, between {}",
            several(count),
            span(end, start)
        );
        out.push(missing(digest, previous, count, message));
    }
}

impl Last {
    /// Digests are missing between this one and a time.
    pub(super) fn missing_until(&self, to: i64) -> Out {
        let Last { name, key, end, .. } = self;
        let count = hours(*end, to);
        // Without the folders of the day, and the name.
        let folder = key.rsplitn(5, '/').nth(4).unwrap_or_default();
        let next = format!("{folder}/{}", name.digest(end + HOUR));
        let message = format!(
            "no digest covers {}, after {key}: {}. If the trail was stopped then, `qtrail verify --to {}` verifies up to there",
            span(*end, to),
            several(count),
            rfc3339(*end),
        );
        Out::Finding {
            kind: Kind::MissingDigest,
            object: Object::Missing(self.bucket.clone(), next),
            count,
            message,
        }
    }
}

/// Whether a trail was started with this digest.
fn is_first(digest: &Digest) -> bool {
    digest.previous_digest_s3_object.is_none()
}

/// Whether an object's key ends with a key of the source.
fn is_named(object: &str, key: &str) -> bool {
    let before = object.strip_suffix(key);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}
