//! What is known of a region from the looks before.

use std::collections::{HashMap, HashSet};

use crate::integrity::finding::{Counts, Finding, Kind};
use crate::integrity::names::time_of;

/// Findings that are remembered as reported.
const REPORTED: usize = 10_000;

/// What is known of a region.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What the last look found, if it did not count.
    pending: Option<Pending>,
    reported: HashSet<Key>,
    without_digest_since: Option<i64>,
}

/// What a finding is about.
type Key = (Kind, String);

/// A look that is repeated.
#[derive(Debug)]
struct Pending {
    /// The end of its range.
    to: Option<i64>,
    picture: Picture,
    /// When each failure was first found.
    since: HashMap<Key, i64>,
}

/// What a look saw.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    failures: HashSet<Key>,
    digests: u64,
    log_files: u64,
}

/// How long files may be on their way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) seconds: i64,
    /// The time of the newest log file that is there.
    pub(super) newest_log_file: Option<i64>,
}

/// Whether a look counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// All that it found.
    Counts,
    /// Files are on their way. Failures count that were found in all looks for long enough: these.
    Waits(HashSet<Key>),
}

impl Progress {
    /// The end of the range to look at, where it could be this.
    pub(super) fn range_to(&self, to: Option<i64>) -> Option<i64> {
        self.pending.as_ref().map_or(to, |pending| pending.to)
    }

    /// Whether what was found in a range that ends at `to` counts: nothing has failed, or the look before saw the same,
    /// so that nothing more arrives.
    pub(super) fn decide(
        &mut self,
        (counts, findings): (&Counts, &[Finding]),
        to: Option<i64>,
        now: i64,
        patience: &Patience,
    ) -> Decision {
        let failures = findings.iter().filter(|finding| finding.kind.is_failure());
        let picture = Picture {
            failures: failures.map(key).collect(),
            digests: counts.digests,
            log_files: counts.log_files,
        };
        let before = self.pending.take();
        let is_same = before.as_ref().is_some_and(|last| last.picture == picture);
        // Copies come in the order of their names: digests first, then log files by their time.
        let comes = |finding: &Finding| {
            let time = time_of(&finding.object);
            finding.kind == Kind::MissingLogFile && time >= patience.newest_log_file
        };
        let is_quiet = is_same && !findings.iter().any(comes);
        if is_quiet || picture.failures.is_empty() {
            return Decision::Counts;
        }
        let before = before.map(|last| last.since).unwrap_or_default();
        let since = picture.failures.iter().map(|key| {
            let since = before.get(key).copied().unwrap_or(now);
            (key.clone(), since)
        });
        let since: HashMap<_, _> = since.collect();
        let is_old = |(_, since): &(&Key, &i64)| now >= since.saturating_add(patience.seconds);
        let old = since.iter().filter(is_old).map(|(key, _)| key.clone());
        let old = old.collect();
        self.pending = Some(Pending { to, picture, since });
        Decision::Waits(old)
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

/// What a finding is about.
pub(super) fn key(finding: &Finding) -> Key {
    (finding.kind, finding.object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        seconds: 100,
        newest_log_file: Some(0),
    };

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

    /// Whether a look at a time counts, that verified so many log files and found these missing.
    fn look(progress: &mut Progress, now: i64, log_files: u64, missing: &[&str]) -> Decision {
        let findings = missing
            .iter()
            .map(|object| finding(Kind::MissingLogFile, object));
        let findings: Vec<_> = findings.collect();
        let counts = Counts {
            log_files,
            ..Counts::default()
        };
        progress.decide((&counts, &findings), Some(now), now, &PATIENCE)
    }

    fn waits(for_long: &[&str]) -> Decision {
        let keys = for_long
            .iter()
            .map(|object| (Kind::MissingLogFile, (*object).to_owned()));
        Decision::Waits(keys.collect())
    }

    #[test]
    fn a_failure_counts_once_a_second_look_saw_the_same() {
        let mut progress = Progress::default();
        let started = [finding(Kind::TrailStarted, "c")];
        let counts = Counts::default();
        let decided = progress.decide((&counts, &started), None, 0, &PATIENCE);
        assert_eq!(decided, Decision::Counts);
        assert_eq!(look(&mut progress, 1, 5, &["a", "b"]), waits(&[]));
        // The range stays the same until it counts.
        assert_eq!(progress.range_to(Some(2)), Some(1));
        // One arrived, then another one that nothing missed: more may come.
        assert_eq!(look(&mut progress, 2, 6, &["a"]), waits(&[]));
        assert_eq!(look(&mut progress, 3, 7, &["a"]), waits(&[]));
        assert_eq!(look(&mut progress, 4, 7, &["a"]), Decision::Counts);
        assert_eq!(progress.range_to(Some(5)), Some(5));
    }

    #[test]
    fn a_failure_that_stays_counts_whatever_else_arrives() {
        let mut progress = Progress::default();
        assert_eq!(look(&mut progress, 0, 1, &["a"]), waits(&[]));
        for now in 1..100 {
            let new = format!("b{now}");
            assert_eq!(look(&mut progress, now, 1, &["a", &new]), waits(&[]));
        }
        assert_eq!(look(&mut progress, 100, 1, &["a", "c"]), waits(&["a"]));
        assert_eq!(look(&mut progress, 101, 1, &[]), Decision::Counts);
    }

    #[test]
    fn log_files_that_come_after_all_others_are_waited_for() {
        let name = "111122223333_CloudTrail_us-east-1_20261031T2013Z_0123456789abcdef.json.gz";
        let missing = [finding(Kind::MissingLogFile, name)];
        let time = time_of(name).unwrap();
        for (newest, counts) in [(None, false), (Some(time), false), (Some(time + 1), true)] {
            let patience = Patience {
                seconds: 100,
                newest_log_file: newest,
            };
            let mut progress = Progress::default();
            let mut look =
                |now| progress.decide((&Counts::default(), &missing), None, now, &patience);
            assert_eq!(look(0), waits(&[]));
            assert_eq!(look(1) == Decision::Counts, counts, "{newest:?}");
            if !counts {
                assert_eq!(look(100), waits(&[name]));
            }
        }
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
