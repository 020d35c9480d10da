//! A verification: every region of a source, one after the other.
//!
//! Enters: a source, keys, a range. Leaves: findings in a fixed order, and counts for each region.

use std::collections::BTreeSet;
use std::io;

use super::coverage::Range;
use super::digest::Digest;
use super::finding::{Counts, Finding, Kind};
use super::group::Group;
use super::keys::Keys;
use super::layout::{self, Region};
use super::source::{self, Source};

/// What to verify, and how.
pub(crate) struct Verification<'v> {
    pub(crate) source: &'v dyn Source,
    pub(crate) keys: &'v dyn Keys,
    pub(crate) range: Range,
    pub(crate) only: &'v Only,
    /// How many files are read at once.
    pub(crate) threads: usize,
    /// The most bytes that a log file may inflate to.
    pub(crate) inflated_bytes: u64,
    /// Report each verified file, too.
    pub(crate) all: bool,
}

/// The accounts and regions to verify.
#[derive(Debug, Clone, Default)]
pub(crate) struct Only {
    /// Empty: all.
    pub(crate) accounts: BTreeSet<String>,
    /// Empty: all.
    pub(crate) regions: BTreeSet<String>,
}

impl Only {
    /// Whether a region is to be verified. An account that is not known is.
    fn has(&self, region: &Region) -> bool {
        let is_in = |set: &BTreeSet<String>, name: &String| set.is_empty() || set.contains(name);
        (region.account.is_empty() || is_in(&self.accounts, &region.account))
            && is_in(&self.regions, &region.name)
    }
}

/// What happens.
pub(crate) enum Event<'e> {
    /// Something was found.
    Found(&'e Finding),
    /// A region is done.
    Region(&'e Counts),
    /// So many bytes of log files were read since the last time.
    Read(u64),
}

/// Takes events.
pub(crate) type Report<'r> = &'r mut dyn FnMut(Event<'_>) -> io::Result<()>;

/// Why a verification ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A folder cannot be listed.
    #[error("{name}: cannot be listed: {error}")]
    List {
        /// The folder.
        name: String,
        /// Why.
        error: source::Error,
    },
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] io::Error),
}

impl Verification<'_> {
    /// Verifies everything, and reports it.
    ///
    /// # Errors
    /// A folder cannot be listed, or the report cannot be written.
    pub(crate) fn run(&self, report: Report<'_>) -> Result<Vec<Counts>, Error> {
        let mut bucket = Bucket::of(self.source);
        let found = layout::regions(self.source).map_err(|error| self.list_error(error))?;
        let mut all = Vec::new();
        for (folder, error) in found.unlisted {
            all.push(self.unlisted(&folder, &error, &mut *report)?);
        }
        let regions = found.regions.into_iter();
        for region in regions.filter(|region| self.only.has(region)) {
            let counts = self.region(region, &mut bucket, &mut *report)?;
            all.extend((!counts.is_empty()).then_some(counts));
        }
        Ok(all)
    }

    /// Reports a folder that cannot be listed.
    fn unlisted(
        &self,
        folder: &str,
        error: &source::Error,
        report: Report<'_>,
    ) -> Result<Counts, Error> {
        let finding = Finding::unlisted(self.source.name(folder), error);
        report(Event::Found(&finding))?;
        let counts = Counts {
            folder: finding.object,
            findings: [(Kind::Unreadable, 1)].into(),
            ..Counts::default()
        };
        report(Event::Region(&counts))?;
        Ok(counts)
    }

    /// Verifies a region, and reports it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn region(
        &self,
        region: Region,
        bucket: &mut Bucket,
        report: Report<'_>,
    ) -> Result<Counts, Error> {
        let counts = Group::new(self, region, bucket, &mut *report).verify()?;
        if !counts.is_empty() {
            report(Event::Region(&counts))?;
        }
        Ok(counts)
    }

    pub(super) fn list_error(&self, (folder, error): (String, source::Error)) -> Error {
        Error::List {
            name: self.source.name(&folder),
            error,
        }
    }
}

/// The bucket, as the first signed digest knows it, and where the source's keys begin in it.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    name: Option<String>,
    /// What the bucket's keys have before those of the source.
    before: Option<String>,
}

impl Bucket {
    /// What is known of it at first.
    pub(crate) fn of(source: &dyn Source) -> Bucket {
        Bucket {
            name: source.bucket().map(str::to_owned),
            before: source.bucket().map(|_| String::new()),
        }
    }

    /// Whether a digest is where it says.
    pub(super) fn has(&self, digest: &Digest, key: &str) -> bool {
        let Some(before) = digest.digest_s3_object.strip_suffix(key) else {
            return false;
        };
        let name = &digest.digest_s3_bucket;
        let is_same_folder = match &self.before {
            Some(is) => is == before,
            None => before.is_empty() || before.ends_with('/'),
        };
        self.name.as_ref().is_none_or(|is| is == name) && is_same_folder
    }

    /// Learns from a signed digest.
    pub(super) fn learn(&mut self, digest: &Digest, key: &str) {
        let before = digest.digest_s3_object.strip_suffix(key);
        self.name
            .get_or_insert_with(|| digest.digest_s3_bucket.clone());
        self.before
            .get_or_insert_with(|| before.unwrap_or_default().to_owned());
    }

    /// Why a digest is not where it says.
    pub(super) fn misplaced(&self, digest: &Digest) -> String {
        let bucket = self.name.as_deref().unwrap_or(&digest.digest_s3_bucket);
        format!(
            "it says that it is s3://{}/{}: it was moved or copied. What is verified is bucket {bucket} from {:?} on; \
             a copy of a bucket must begin at the top of the bucket or of a folder of it",
            digest.digest_s3_bucket,
            digest.digest_s3_object,
            self.before.as_deref().unwrap_or_default()
        )
    }
}
