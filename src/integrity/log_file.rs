//! A log file that a digest names.
//!
//! Enters: what the digest says of it. Leaves: whether its bytes are those.

use super::digest::{Digest, LogFile};
use super::finding::Kind;
use super::hash;
use super::source::{Error, Source};

/// A log file to check.
#[derive(Debug)]
pub(super) struct Job {
    /// Its key in the source; `None`, if it is not in there.
    pub(super) key: Option<String>,
    log: LogFile,
    /// The key of the digest that names it.
    digest: String,
    /// Why the digest is not verified.
    doubt: Option<Kind>,
}

/// What a check gave.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) kind: Kind,
    pub(super) message: String,
    /// Bytes that were read.
    pub(super) bytes: u64,
}

impl Job {
    /// `key`: that of the digest in the source.
    pub(super) fn new(
        source: &dyn Source,
        digest: &Digest,
        key: &str,
        log: LogFile,
        doubt: Option<Kind>,
    ) -> Job {
        // A copy has one bucket; the others can be asked.
        let is_here = source.bucket().is_some() || log.s3_bucket == digest.digest_s3_bucket;
        let before = digest.digest_s3_object.strip_suffix(key);
        let of_source = before.and_then(|before| log.s3_object.strip_prefix(before));
        Job {
            key: of_source.filter(|_| is_here).map(str::to_owned),
            log,
            digest: key.to_owned(),
            doubt,
        }
    }

    /// The name of the log file for people.
    pub(super) fn name(&self, source: &dyn Source) -> String {
        let is_of_source = source.bucket().is_none_or(|is| is == self.log.s3_bucket);
        match &self.key {
            Some(key) if is_of_source => source.name(key),
            _ => format!("s3://{}/{}", self.log.s3_bucket, self.log.s3_object),
        }
    }
}

/// Reads a log file and compares its hash. `None`: it is not there, and only a digest that is not verified names it.
pub(super) fn check(source: &dyn Source, job: &Job, limit: u64) -> Option<Checked> {
    let checked = checked(source, job, limit);
    let is_made_up = checked.kind == Kind::MissingLogFile && job.doubt.is_some();
    (!is_made_up).then_some(checked)
}

fn checked(source: &dyn Source, job: &Job, limit: u64) -> Checked {
    let (digest, log) = (&job.digest, &job.log);
    let is = |kind, message, bytes| Checked {
        kind,
        message,
        bytes,
    };
    let Some(key) = &job.key else {
        let message =
            format!("{digest} names it, and it is not in what is verified: verify its bucket, too");
        return is(Kind::MissingLogFile, message, 0);
    };
    if !log.is_hashed_as_known() {
        let message =
            format!("{digest} has another hash of it than SHA-256, the only one that is known");
        return is(Kind::Unreadable, message, 0);
    }
    let opened = match source.open_log_file(&log.s3_bucket, key) {
        Ok(opened) => opened,
        Err(Error::Gone) => {
            let message = format!("{digest} names it, and it is not there");
            return is(Kind::MissingLogFile, message, 0);
        }
        Err(error @ Error::Failed(_)) => return is(Kind::Unreadable, error.to_string(), 0),
    };
    match (hash::inflated(opened, limit), job.doubt) {
        (Err(hash::Error::Read(error)), _) => is(Kind::Unreadable, error.to_string(), 0),
        (Err(hash::Error::Damaged(why)), _) => is(Kind::Changed, why, 0),
        (Ok((hash, bytes)), _) if !hash.eq_ignore_ascii_case(&log.hash_value) => {
            let message = format!(
                "its SHA-256 is {hash}, and {digest} says {}",
                log.hash_value
            );
            is(Kind::Changed, message, bytes)
        }
        (Ok((_, bytes)), Some(doubt)) => {
            let message =
                format!("it has the hash that {digest} says, which is not verified itself");
            is(doubt, message, bytes)
        }
        (Ok((_, bytes)), None) => is(Kind::Verified, format!("it is as {digest} says"), bytes),
    }
}
