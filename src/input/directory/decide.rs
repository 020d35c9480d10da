//! The decisions, as functions of plain values.
//!
//! Enters: what the file system says of a file, what the state remembers, how a delivery ended.
//! Leaves: what to do.

use std::path::Path;
use std::time::Duration;

use super::Start;
use super::checkpoint::{FileEntry, FirstRun};
use super::file_id::Stat;
use super::writers::History;
use crate::export::Outcome;
use crate::pipeline::Report;

/// The longest wait between two tries of one file.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Walking takes at most one part in so many of the time.
const WALK_SHARE: u32 = 4;
/// The same where all changes are notified, so that a walk finds nothing new; but a walk is put off for at most
/// so many intervals.
const WATCHED_WALK_SHARE: u32 = 1000;
const WATCHED_INTERVALS: u32 = 10;

/// What to do with a file that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: it is as it was when it settled.
    Leave,
    /// Read it.
    Read {
        /// It has been quiet for `settle`: it is complete.
        quiet: bool,
    },
    /// Look again, after this time.
    Wait(Duration),
}

/// Whether a file is to be read now. `age` is the time since its last change, by the clock or by
/// our own watching; `early` says that its writer closed it, or that it is followed.
pub(super) fn plan(
    stat: &Stat,
    entry: Option<&FileEntry>,
    age: Duration,
    early: bool,
    settle: Duration,
) -> Plan {
    if entry.is_some_and(|entry| entry.settles(stat)) {
        Plan::Leave
    } else if age >= settle {
        Plan::Read { quiet: true }
    } else if early && stat.size > 0 {
        Plan::Read { quiet: false }
    } else {
        Plan::Wait(settle - age)
    }
}

/// How long after a walk the next one begins. `took`: how long that one took.
pub(super) fn walk_pause(interval: Duration, took: Duration, watched: bool) -> Duration {
    let least = interval.max(took.saturating_mul(WALK_SHARE));
    match watched {
        true => {
            let cheap = took.saturating_mul(WATCHED_WALK_SHARE);
            least.max(cheap.min(interval.saturating_mul(WATCHED_INTERVALS)))
        }
        false => least,
    }
}

/// How long a file has been quiet: by the clock, or since we first saw it as it is (clocks of
/// network file systems differ).
pub(super) fn age(stat: &Stat, now: i64, seen_for: Option<Duration>) -> Duration {
    let by_clock = u64::try_from(now.saturating_sub(stat.last_change())).unwrap_or(0);
    Duration::from_nanos(by_clock).max(seen_for.unwrap_or_default())
}

/// Whether the first run's choice leaves a file out that the state does not know.
/// `delivered`: when the file was delivered, in nanoseconds since 1970.
pub(super) fn left_out(first_run: &FirstRun, stat: &Stat, delivered: Option<i64>) -> bool {
    match first_run.start {
        Start::Beginning => false,
        Start::End => stat.changed <= first_run.at,
        Start::Since(time) => delivered.unwrap_or(stat.modified) < time,
    }
}

/// How a delivery ended, for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of it has settled.
    Settled,
    /// What there is has settled, but it ends in the middle of a record.
    Unfinished,
    /// Not delivered: try again, not before this time if one is given.
    Again(Option<Duration>),
}

/// Reads a report.
pub(super) fn ended(report: &Report) -> Ended {
    match &report.outcome {
        Outcome::Delivered if report.read_error.is_some() => Ended::Again(None),
        Outcome::Delivered if report.truncated.is_some() => Ended::Unfinished,
        Outcome::Delivered => Ended::Settled,
        Outcome::Retry(after) => Ended::Again(*after),
        Outcome::Blocked(_) | Outcome::Abandoned => Ended::Again(None),
    }
}

/// What may be done with a file that is to be put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Away {
    /// It goes.
    Now,
    /// Its writer has not closed it: look again.
    Wait,
    /// It may have a writer, which nothing tells.
    Keep,
}

/// Whether a file may go. `grows`: more may be appended to it, at `path`. One that grows goes once it was
/// rotated and its writer closed it; neither is known of a file that was not notified of.
pub(super) fn away(grows: bool, path: &Path, history: &History) -> Away {
    match history {
        history if history.is_open() => Away::Wait,
        _ if !grows => Away::Now,
        history if !history.is_rotated(path) => Away::Keep,
        history if !history.is_closed() => Away::Wait,
        _ => Away::Now,
    }
}

/// The wait before try number `attempts` (from 1): 1 s, doubled each time, at most a minute.
pub(super) fn backoff(attempts: u32, at_least: Option<Duration>) -> Duration {
    let doubled = Duration::from_secs(1 << attempts.saturating_sub(1).min(6));
    doubled.min(BACKOFF_MAX).max(at_least.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::{FileEntry, Fingerprint};
    use super::super::file_id::FileId;
    use super::*;
    use qtrail_core::reject::Reason;

    fn stat() -> Stat {
        Stat {
            id: FileId { dev: 1, ino: 2 },
            size: 10,
            modified: 100,
            changed: 200,
        }
    }

    #[test]
    fn a_file_is_read_when_it_changed_and_is_complete() {
        let settle = Duration::from_secs(5);
        let s = Duration::from_secs;
        let known = |fingerprint| FileEntry::new(stat(), fingerprint);
        let other_ctime = Stat {
            changed: 201,
            ..stat()
        };
        let other_size = Stat { size: 11, ..stat() };
        let empty = Stat { size: 0, ..stat() };
        let quiet = Plan::Read { quiet: true };
        let early = Plan::Read { quiet: false };
        let cases = [
            (stat(), None, s(9), false, quiet),
            (stat(), None, s(5), true, quiet),
            (stat(), None, s(1), true, early),
            (stat(), None, s(1), false, Plan::Wait(s(4))),
            (empty, None, s(1), true, Plan::Wait(s(4))),
            (
                stat(),
                Some(known(Fingerprint::Whole([7; 32]))),
                s(0),
                true,
                Plan::Leave,
            ),
            (
                other_ctime,
                Some(known(Fingerprint::Whole([7; 32]))),
                s(9),
                false,
                quiet,
            ),
            (
                other_size,
                Some(known(Fingerprint::Lines([7; 32]))),
                s(9),
                false,
                quiet,
            ),
            (
                other_ctime,
                Some(known(Fingerprint::LeftOut(None))),
                s(9),
                false,
                Plan::Leave,
            ),
            (
                other_size,
                Some(known(Fingerprint::LeftOut(None))),
                s(9),
                false,
                quiet,
            ),
        ];
        for (i, (stat, entry, age, closed, expected)) in cases.into_iter().enumerate() {
            assert_eq!(
                plan(&stat, entry.as_ref(), age, closed, settle),
                expected,
                "case {i}"
            );
        }
    }

    #[test]
    fn age_is_by_the_clock_or_by_our_own_watching() {
        let ns = Duration::from_nanos;
        assert_eq!(age(&stat(), 250, None), ns(50));
        assert_eq!(age(&stat(), 150, None), ns(0), "a change in the future");
        assert_eq!(age(&stat(), 150, Some(ns(70))), ns(70));
    }

    #[test]
    fn the_first_run_may_leave_files_out() {
        let run = |start| FirstRun { start, at: 200 };
        assert!(!left_out(&run(Start::Beginning), &stat(), None));
        assert!(left_out(&run(Start::End), &stat(), None));
        let later = Stat {
            changed: 201,
            ..stat()
        };
        assert!(!left_out(&run(Start::End), &later, None));
        assert!(left_out(&run(Start::Since(101)), &stat(), None));
        assert!(!left_out(&run(Start::Since(100)), &stat(), None));
        assert!(!left_out(&run(Start::Since(101)), &stat(), Some(101)));
    }

    #[test]
    fn only_a_delivered_whole_settles() {
        let report = |outcome, truncated: bool, read_error: bool| Report {
            truncated: truncated.then_some(Reason::Truncated {
                what: "record",
                at: 1,
            }),
            read_error: read_error.then(|| "EIO".to_owned()),
            ..Report::empty(outcome, 0)
        };
        let wait = Some(Duration::from_secs(7));
        for (report, expected) in [
            (report(Outcome::Delivered, false, false), Ended::Settled),
            (report(Outcome::Delivered, true, false), Ended::Unfinished),
            (report(Outcome::Delivered, true, true), Ended::Again(None)),
            (
                report(Outcome::Retry(wait), false, false),
                Ended::Again(wait),
            ),
            (
                report(Outcome::Blocked("x".into()), false, false),
                Ended::Again(None),
            ),
            (report(Outcome::Abandoned, false, false), Ended::Again(None)),
        ] {
            assert_eq!(ended(&report), expected, "{report:?}");
        }
    }

    #[test]
    fn a_file_that_can_grow_goes_after_rotation_and_none_before_its_writer_closed_it() {
        let (open, closed, unknown) = (Some(false), Some(true), None);
        let cases: [(bool, &[&str], Option<bool>, Away); 11] = [
            (false, &[], unknown, Away::Now),
            (false, &["b"], unknown, Away::Now),
            (false, &[], closed, Away::Now),
            (false, &[], open, Away::Wait),
            (true, &[], unknown, Away::Keep),
            (true, &[], closed, Away::Keep),
            (true, &[], open, Away::Wait),
            (true, &["b"], open, Away::Wait),
            (true, &["b"], unknown, Away::Wait),
            (true, &["b"], closed, Away::Now),
            // It has its old name back.
            (true, &["a", "b"], closed, Away::Keep),
        ];
        for (grows, names, closed, expected) in cases {
            let history = History::of(names, closed);
            let decided = away(grows, Path::new("a"), &history);
            assert_eq!(decided, expected, "{grows} {history:?}");
        }
    }

    #[test]
    fn walks_take_a_small_share_of_the_time_and_a_smaller_one_beside_notifications() {
        let pauses = |watched| {
            let took = [0, 10, 100, 400, 5_000, 200_000].map(Duration::from_millis);
            took.map(|took| walk_pause(Duration::from_secs(60), took, watched).as_secs())
        };
        assert_eq!(pauses(false), [60, 60, 60, 60, 60, 800]);
        assert_eq!(pauses(true), [60, 60, 100, 400, 600, 800]);
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<_> = (1..10).map(|n| backoff(n, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(1, Some(Duration::from_secs(90))).as_secs(), 90);
    }
}
