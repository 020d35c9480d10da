//! What CloudTrail wrote is verified, without a finding.

use fastrand::Rng;

use super::world::{HOUR, Plan, World};
use crate::integrity::finding::{Finding, Kind};

/// Trails that are made.
const TRAILS: u64 = 1000;

fn failures(findings: &[Finding]) -> Vec<&Finding> {
    let failures = findings.iter().filter(|finding| finding.kind.is_failure());
    failures.collect()
}

#[test]
fn every_file_of_an_honest_trail_is_verified() {
    let (mut started, mut late, mut not_yet) = (0, 0, 0);
    for seed in 0..TRAILS {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: random.i64(1..9),
            eventful: true,
        };
        let world = World::new(&mut random, &plan);
        let (findings, counts) = world.verify(None, None);
        assert!(failures(&findings).is_empty(), "seed {seed}: {findings:#?}");
        let digests: u64 = counts.iter().map(|counts| counts.digests).sum();
        assert_eq!(digests, world.digests.len() as u64, "seed {seed}");
        let logs: usize = world.digests.iter().map(|digest| digest.logs.len()).sum();
        let verified: u64 = counts.iter().map(|counts| counts.log_files).sum();
        assert_eq!(verified, logs as u64, "seed {seed}");
        let left: u64 = counts.iter().map(|counts| counts.not_yet).sum();
        assert_eq!(left, world.not_yet, "seed {seed}");
        let of = |kind| {
            findings
                .iter()
                .filter(|finding| finding.kind == kind)
                .count()
        };
        started += of(Kind::TrailStarted);
        late += of(Kind::BackfilledDigest);
        not_yet += left;
    }
    assert!(started > 100 && late > 100 && not_yet > 100);
}

#[test]
fn any_part_of_an_honest_trail_is_verified() {
    let mut verified = 0;
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: 6,
            eventful: false,
        };
        let world = World::new(&mut random, &plan);
        let from = random.i64(world.first..world.end - 1);
        let to = random.i64(from + 1..world.end + 1);
        let (findings, counts) = world.verify(Some(from), Some(to));
        assert!(failures(&findings).is_empty(), "seed {seed}: {findings:#?}");
        for counts in counts {
            let (start, end) = counts.covered.unwrap();
            assert!(start <= from && end >= to, "seed {seed}");
            verified += counts.log_files;
        }
    }
    assert!(verified > 500);
}

#[test]
fn findings_are_the_same_on_any_number_of_threads_and_at_any_time_after() {
    let plan = Plan {
        hours: 8,
        eventful: true,
    };
    let world = World::new(&mut Rng::with_seed(3), &plan);
    let first = world.verify(None, Some(world.end));
    assert_eq!(world.verify(None, Some(world.end)), first);
    let later = world.verify(None, Some(world.end + HOUR));
    assert_ne!(later, first, "an hour more is not covered");
}
