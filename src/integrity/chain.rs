//! The digests of a trail in a region, one after the other.
//!
//! Enters: digests, oldest first, that are where they say. Leaves: what is wrong with each of them and between them,
//! and the log files that they name. What must hold: a digest counts only if a known key has signed it. Its signature
//! is beside it or in the digest after it, so a digest is settled when the one after it is known.

use std::sync::Arc;

use super::coverage::{Coverage, Range, hours, span};
use super::digest::{Digest, LogFile};
use super::finding::Kind;
use super::keys::{Keys, PublicKey};
use super::names::{ChainName, HOUR, rfc3339, time_of};

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

/// What is found out.
#[derive(Debug)]
pub(super) enum Out {
    /// About a digest.
    Finding {
        kind: Kind,
        object: Object,
        count: u64,
        message: String,
    },
    /// A digest with its key, which is verified if `doubt` is none.
    Settled {
        key: String,
        doubt: Option<Kind>,
        logs: Vec<LogFile>,
        digest: Box<Digest>,
    },
}

/// Which file a finding is about.
#[derive(Debug)]
pub(super) enum Object {
    /// A file of the source.
    Here(String),
    /// An object, by its key in its bucket.
    Missing(String, String),
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

/// What the digest after another says about it.
struct Successor<'s> {
    key: &'s str,
    digest: &'s Digest,
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
             purpose, say so: --from {}",
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
            "no digest covers {}, after {key}: {}. If the trail was stopped then, say so: --to {}",
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

/// Decides about a digest, once the one after it is known.
fn settle(
    home: &str,
    last: Found,
    next: Option<&Successor<'_>>,
    rules: &Rules<'_>,
    out: &mut Vec<Out>,
) {
    let Ok(Content {
        mut digest,
        signature,
    }) = last.content
    else {
        return;
    };
    let of_next = next.and_then(|next| next.digest.previous_digest_signature.as_deref());
    let hash = next.and_then(|next| next.digest.previous_digest_hash_value.as_deref());
    let fits = hash.is_none_or(|hash| hash.eq_ignore_ascii_case(&digest.hash));
    let own = signature.as_ref().ok().and_then(Option::as_deref);
    let signatures = own.into_iter().chain(of_next);
    let doubt = doubt(&digest, home, signatures, rules.keys);
    let doubt = match (doubt, fits) {
        (Some(_), false) => {
            let message = "the digest after it has another hash of it: its content was changed";
            Some((Kind::Changed, message.to_owned()))
        }
        (doubt, _) => doubt,
    };
    if let Some((kind, mut message)) = doubt.clone() {
        if kind == Kind::NoSignature {
            let remedy = (rules.remedy)(
                &digest.digest_s3_bucket,
                &digest.digest_s3_object,
                &last.key,
            );
            let why = signature.err().map(|why| format!(" ({why})"));
            message = format!("{message}{}: {remedy}", why.unwrap_or_default());
        }
        out.push(here(kind, &last.key, message));
    } else if let (Some(next), false) = (next, fits) {
        let message = format!(
            "it has another hash of {}, which is signed: this one is not what CloudTrail wrote",
            last.key
        );
        out.push(here(Kind::BrokenChain, next.key, message));
    }
    // What was changed may name anything.
    let names = !matches!(doubt, Some((Kind::Changed | Kind::BadSignature, _)));
    if names {
        out.push(Out::Settled {
            key: last.key,
            doubt: doubt.map(|(kind, _)| kind),
            logs: digest.take_log_files(),
            digest: Box::new(digest),
        });
    }
}

/// Why a digest is not verified.
fn doubt<'s>(
    digest: &Digest,
    home: &str,
    signatures: impl Iterator<Item = &'s str>,
    keys: &dyn Keys,
) -> Option<(Kind, String)> {
    let signatures: Vec<_> = signatures.collect();
    if signatures.is_empty() {
        let message = "its signature is neither beside it nor in a digest after it";
        return Some((Kind::NoSignature, message.to_owned()));
    }
    if !digest.is_signed_as_known() {
        let message = "it names another algorithm of signatures than CloudTrail's SHA256withRSA";
        return Some((Kind::BadSignature, message.to_owned()));
    }
    let fingerprint = &digest.digest_public_key_fingerprint;
    let unknown = |why: String| {
        let message = format!("the public key {fingerprint} {why}");
        Some((Kind::UnknownKey, message))
    };
    let found = match keys.find(fingerprint, home, digest.end) {
        Ok(found) => found,
        Err(error) => return unknown(format!("cannot be looked up: {error}")),
    };
    if found.is_empty() {
        return unknown(format!(
            "is not among the known ones: `aws cloudtrail list-public-keys --region {home}` with --start-time and \
             --end-time around {} has it",
            rfc3339(digest.end)
        ));
    }
    let text = digest.signed_text();
    let has_signed = |key: &&Arc<PublicKey>| {
        signatures
            .iter()
            .any(|signature| key.has_signed(&text, signature))
    };
    let Some(key) = found.iter().find(has_signed) else {
        let message = format!("no signature of it is by the public key {fingerprint}");
        return Some((Kind::BadSignature, message));
    };
    // Digests of the past that are made later are signed by the key of that time.
    let is_backfill = digest.digest_s3_object.ends_with("_backfill.json.gz");
    match is_backfill || key.is_valid_at(digest.end) {
        true => None,
        false => unknown(format!(
            "was in use {}, and this digest ends at {}",
            key.validity(),
            rfc3339(digest.end)
        )),
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

fn several(count: u64) -> String {
    match count {
        1 => "1 digest is missing".to_owned(),
        count => format!("{count} digests in a row are missing"),
    }
}

fn started(key: &str, since: i64, start: i64) -> Out {
    let message = format!(
        "the trail, or its log file validation, was started with this digest: none covers {}. The events StartLogging, \
         StopLogging and UpdateTrail say who did it",
        span(since, start)
    );
    here(Kind::TrailStarted, key, message)
}

fn missing(by: &Digest, previous: &str, count: u64, message: String) -> Out {
    let bucket = by.previous_digest_s3_bucket.as_deref();
    let bucket = bucket.unwrap_or(&by.digest_s3_bucket).to_owned();
    Out::Finding {
        kind: Kind::MissingDigest,
        object: Object::Missing(bucket, previous.to_owned()),
        count,
        message,
    }
}

fn missing_between(next: &Found, end: i64, start: i64) -> Out {
    let count = hours(end, start);
    let message = format!(
        "no digest covers {}, before this one: {}",
        span(end, start),
        several(count)
    );
    found_here(Kind::MissingDigest, &next.key, count, message)
}

fn here(kind: Kind, key: &str, message: String) -> Out {
    found_here(kind, key, 1, message)
}

fn found_here(kind: Kind, key: &str, count: u64, message: String) -> Out {
    Out::Finding {
        kind,
        object: Object::Here(key.to_owned()),
        count,
        message,
    }
}
