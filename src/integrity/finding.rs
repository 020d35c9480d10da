//! What verification finds.

use std::collections::BTreeMap;

/// Something that was found. Its object is a file of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// The path or the `s3://` address of the file, as it is: it may hold any character.
    pub(crate) object: String,
    pub(crate) account: String,
    pub(crate) region: String,
    /// How many files it speaks of: several digests can be missing in a row.
    pub(crate) count: u64,
    /// What is wrong and what to do, as a sentence without the object. It may hold any character.
    pub(crate) message: String,
}

/// The kinds of findings. Their names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A signed digest, or a log file whose hash such a digest has.
    Verified,
    /// A log file that the next digest should name.
    NotYet,
    /// A trail, or its validation, was started: no digest before.
    TrailStarted,
    /// A digest of log files that came too late for their hour's digest.
    BackfilledDigest,
    /// The bytes are not those that CloudTrail wrote.
    Changed,
    /// A log file that a digest names is not there.
    MissingLogFile,
    /// One or several digests are not there.
    MissingDigest,
    /// A digest does not follow the one before it.
    BrokenChain,
    /// A digest is not where CloudTrail wrote it.
    WrongPlace,
    /// The key that signed a digest is not known.
    UnknownKey,
    /// A digest's signature does not fit.
    BadSignature,
    /// A digest's signature is not known.
    NoSignature,
    /// A log file of a time that no digest covers.
    OutsideRange,
    /// A log file of a time that digests cover, and that none names.
    UnlistedLogFile,
    /// A file that could not be read.
    Unreadable,
}

impl Finding {
    /// A folder that cannot be listed.
    pub(crate) fn unlisted(name: String, error: &super::source::Error) -> Finding {
        Finding {
            kind: Kind::Unreadable,
            object: name,
            account: String::new(),
            region: String::new(),
            count: 1,
            message: format!("it cannot be listed: {error}"),
        }
    }
}

impl Kind {
    /// All, in the order of the documentation.
    pub(crate) const ALL: [Kind; 15] = [
        Kind::Verified,
        Kind::NotYet,
        Kind::TrailStarted,
        Kind::BackfilledDigest,
        Kind::Changed,
        Kind::MissingLogFile,
        Kind::MissingDigest,
        Kind::BrokenChain,
        Kind::WrongPlace,
        Kind::UnknownKey,
        Kind::BadSignature,
        Kind::NoSignature,
        Kind::OutsideRange,
        Kind::UnlistedLogFile,
        Kind::Unreadable,
    ];

    /// Its stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Verified => "verified",
            Kind::NotYet => "not_yet",
            Kind::TrailStarted => "trail_started",
            Kind::BackfilledDigest => "backfilled_digest",
            Kind::Changed => "changed",
            Kind::MissingLogFile => "missing_log_file",
            Kind::MissingDigest => "missing_digest",
            Kind::BrokenChain => "broken_chain",
            Kind::WrongPlace => "wrong_place",
            Kind::UnknownKey => "unknown_key",
            Kind::BadSignature => "bad_signature",
            Kind::NoSignature => "no_signature",
            Kind::OutsideRange => "outside_range",
            Kind::UnlistedLogFile => "unlisted_log_file",
            Kind::Unreadable => "unreadable",
        }
    }

    /// Whether something is not verified that should be.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(
            self,
            Kind::Verified | Kind::NotYet | Kind::TrailStarted | Kind::BackfilledDigest
        )
    }

    /// Whether it is only listed if everything is to be.
    pub(crate) fn is_usual(self) -> bool {
        matches!(self, Kind::Verified | Kind::NotYet)
    }
}

/// Counts for one account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) account: String,
    pub(crate) region: String,
    /// The folder of the account, as the source shows it.
    pub(crate) folder: String,
    /// Verified digests.
    pub(crate) digests: u64,
    /// Verified log files.
    pub(crate) log_files: u64,
    /// Log files that the next digest should name.
    pub(crate) not_yet: u64,
    /// The time that verified digests cover, from the first to the last, in seconds since 1970.
    pub(crate) covered: Option<(i64, i64)>,
    /// All other findings.
    pub(crate) findings: BTreeMap<Kind, u64>,
}

impl Counts {
    /// Nothing was found, not even a verified file.
    pub(crate) fn is_empty(&self) -> bool {
        self.digests + self.log_files + self.not_yet == 0 && self.findings.is_empty()
    }

    /// Findings that are failures.
    pub(crate) fn failures(&self) -> u64 {
        let failures = self.findings.iter().filter(|(kind, _)| kind.is_failure());
        failures.map(|(_, count)| count).sum()
    }
}
