//! What a chain finds out, and its sentences.

use super::Found;
use crate::integrity::coverage::{hours, span};
use crate::integrity::digest::{Digest, LogFile};
use crate::integrity::finding::Kind;

/// What is found out.
#[derive(Debug)]
pub(in crate::integrity) enum Out {
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
pub(in crate::integrity) enum Object {
    /// A file of the source.
    Here(String),
    /// An object, by its key in its bucket.
    Missing(String, String),
}

pub(super) fn several(count: u64) -> String {
    match count {
        1 => "1 digest is missing".to_owned(),
        count => format!("{count} digests in a row are missing"),
    }
}

pub(super) fn started(key: &str, since: i64, start: i64) -> Out {
    let message = format!(
        "the trail, or its log file validation, was started with this digest: none covers {}. The events StartLogging, \
         StopLogging and UpdateTrail say who did it",
        span(since, start)
    );
    here(Kind::TrailStarted, key, message)
}

pub(super) fn missing(by: &Digest, previous: &str, count: u64, message: String) -> Out {
    let bucket = by.previous_digest_s3_bucket.as_deref();
    let bucket = bucket.unwrap_or(&by.digest_s3_bucket).to_owned();
    Out::Finding {
        kind: Kind::MissingDigest,
        object: Object::Missing(bucket, previous.to_owned()),
        count,
        message,
    }
}

pub(super) fn missing_between(next: &Found, end: i64, start: i64) -> Out {
    let count = hours(end, start);
    let message = format!(
        "no digest covers {}, before this one: {}",
        span(end, start),
        several(count)
    );
    found_here(Kind::MissingDigest, &next.key, count, message)
}

pub(super) fn here(kind: Kind, key: &str, message: String) -> Out {
    found_here(kind, key, 1, message)
}

pub(super) fn found_here(kind: Kind, key: &str, count: u64, message: String) -> Out {
    Out::Finding {
        kind,
        object: Object::Here(key.to_owned()),
        count,
        message,
    }
}
