//! What is known of a region from the looks before.

use std::collections::HashSet;

use crate::integrity::finding::{Finding, Kind};

/// Findings that are remembered as reported.
const REPORTED: usize = 10_000;

/// What is known of a region.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The failures of the last look.
    suspected: HashSet<(Kind, String)>,
    reported: HashSet<(Kind, String)>,
    without_digest_since: Option<i64>,
}

impl Progress {
    /// Whether the look before had found these failures, too: until then, files may be on their way.
    pub(super) fn confirms(&mut self, findings: &[Finding]) -> bool {
        let failures = findings.iter().filter(|finding| finding.kind.is_failure());
        let failures: HashSet<_> = failures.map(key).collect();
        let is_confirmed = failures.is_subset(&self.suspected);
        self.suspected = failures;
        is_confirmed
    }

    /// These were reported.
    pub(super) fn reported(&mut self, findings: &[Finding]) {
        if self.reported.len() + findings.len() > REPORTED {
            // Then some are reported twice.
            self.reported.clear();
        }
        self.reported.extend(findings.iter().map(key));
    }

    pub(super) fn has_reported(&self, finding: &Finding) -> bool {
        self.reported.contains(&key(finding))
    }

    /// When a look first found no digest.
    pub(super) fn without_digest_since(&mut self, now: i64) -> i64 {
        *self.without_digest_since.get_or_insert(now)
    }
}

fn key(finding: &Finding) -> (Kind, String) {
    (finding.kind, finding.object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: Kind, object: &str) -> Finding {
        Finding {
            kind,
            object: object.to_owned(),
            account: String::new(),
            region: String::new(),
            count: 1,
            message: String::new(),
        }
    }

    #[test]
    fn a_failure_counts_once_two_looks_in_a_row_have_found_it() {
        let (a, b) = (finding(Kind::Changed, "a"), finding(Kind::Changed, "b"));
        let other = finding(Kind::MissingLogFile, "a");
        let started = finding(Kind::TrailStarted, "c");
        let mut progress = Progress::default();
        assert!(progress.confirms(std::slice::from_ref(&started)));
        assert!(!progress.confirms(std::slice::from_ref(&a)));
        assert!(!progress.confirms(&[a.clone(), b.clone()]));
        // One of them was on its way.
        assert!(progress.confirms(std::slice::from_ref(&b)));
        assert!(!progress.confirms(std::slice::from_ref(&other)));
        assert!(progress.confirms(&[]));
        assert!(!progress.confirms(&[other]));
    }

    #[test]
    fn what_was_reported_is_known_by_kind_and_object() {
        let mut progress = Progress::default();
        let a = finding(Kind::Changed, "a");
        progress.reported(std::slice::from_ref(&a));
        assert!(progress.has_reported(&a));
        assert!(!progress.has_reported(&finding(Kind::Changed, "b")));
        assert!(!progress.has_reported(&finding(Kind::Unreadable, "a")));
    }
}
