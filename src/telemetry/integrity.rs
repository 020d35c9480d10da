//! What verifications found, counted once it was delivered.

use super::labelled::{Labelled, Sample};
use super::metrics::Number;

/// Series of accounts and regions.
const PLACES: usize = 256;
/// Series of kinds of findings: more than there are.
const KINDS: usize = 64;

/// Counts of findings. Without a verification, there is no series.
#[derive(Debug)]
pub struct Integrity {
    /// Findings, by kind.
    pub findings: Labelled<1, u64>,
    /// Findings that are failures. It sets the exit code and is not exported.
    pub failures: Number,
    /// Log files that were verified.
    pub log_files: Number,
    /// By account and region, the end of what the newest verified digest covers, in seconds since 1970.
    pub newest_digest: Labelled<2, u64>,
}

impl Default for Integrity {
    fn default() -> Self {
        Integrity {
            findings: Labelled::new(["kind"], 1, KINDS),
            failures: Number::default(),
            log_files: Number::default(),
            newest_digest: Labelled::new(["account", "region"], 2, PLACES),
        }
    }
}

impl Integrity {
    /// The verified log files, once something is verified.
    pub(super) fn verified_log_files(&self) -> Vec<Sample> {
        match self.findings.samples().is_empty() {
            true => Vec::new(),
            false => Sample::unlabelled(self.log_files.get()),
        }
    }
}
