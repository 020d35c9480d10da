//! A trail that is verified piece by piece, while it arrives.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::world::{HOUR, Plan, World};
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::group::range_of;
use crate::integrity::layout;
use crate::integrity::reach::{Reach, reach};
use crate::integrity::verify::{Bucket, Event, Only, Verification};

/// Verifies one region, with each verified file.
fn verify(world: &World, region: layout::Region, range: Range) -> Vec<Finding> {
    let keys = world.keys();
    let verification = Verification {
        source: world,
        keys: &keys,
        range,
        only: &Only::default(),
        threads: 1,
        inflated_bytes: 1 << 20,
        all: true,
    };
    let mut found = Vec::new();
    let mut report = |event: Event<'_>| {
        if let Event::Found(finding) = event {
            found.push(finding.clone());
        }
        Ok(())
    };
    let counts = verification.region(region, &mut Bucket::of(world), &mut report);
    counts.unwrap();
    found
}

/// How far each region can be verified.
fn reaches(world: &World, now: i64) -> impl Iterator<Item = Reach> {
    let regions = layout::regions(world).unwrap().regions.into_iter();
    regions.map(move |region| reach(world, region, now).unwrap())
}

/// The log files among verified files.
fn verified(findings: &[Finding]) -> Vec<String> {
    let verified = findings
        .iter()
        .filter(|finding| finding.kind == Kind::Verified);
    let logs = verified.filter(|finding| finding.object.contains("/CloudTrail/"));
    logs.map(|finding| finding.object.clone()).collect()
}

fn failures(findings: &[Finding]) -> Vec<(Kind, String)> {
    let failures = findings.iter().filter(|finding| finding.kind.is_failure());
    failures
        .map(|finding| (finding.kind, finding.object.clone()))
        .collect()
}

/// The trail is looked at now and then while it arrives; then each verified log file, and each failure.
fn look_again_and_again(
    world: &World,
    random: &mut Rng,
) -> (Vec<String>, BTreeSet<(Kind, String)>) {
    let (mut done, mut failed) = (Vec::new(), BTreeSet::new());
    let mut reached: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut time = world.first;
    while time < world.end + 3 * HOUR {
        time += random.i64(300..2 * HOUR);
        let there = world.until(time);
        for reach in reaches(&there, time) {
            let id = (reach.region.folder.clone(), reach.region.name.clone());
            let from = reached.get(&id).copied();
            let Some(to) = reach.to.filter(|to| from.is_none_or(|from| from < *to)) else {
                continue;
            };
            let range = Range {
                from,
                to: Some(to),
                now: time,
            };
            let found = verify(&there, reach.region, range);
            done.extend(verified(&found));
            failed.extend(failures(&found));
            reached.insert(id, to);
        }
    }
    done.sort();
    (done, failed)
}

/// The log files that digests name, but those of the last quarter of an hour before each region's end.
fn expected(world: &World) -> Vec<String> {
    let named = world.digests.iter().flat_map(|digest| &digest.logs);
    let named: BTreeSet<_> = named.cloned().collect();
    let mut expected = Vec::new();
    for reach in reaches(world, world.end + 100 * HOUR) {
        let to = reach.to.unwrap();
        let (_, counts) = world.verify(None, Some(to));
        assert!(!counts.is_empty());
        let is_its = |key: &&String| key.starts_with(&reach.region.log_files());
        let is_due = |key: &&String| crate::integrity::names::time_of(key).unwrap() < to;
        expected.extend(named.iter().filter(is_its).filter(is_due).cloned());
    }
    expected.sort();
    expected
}

#[test]
fn each_log_file_of_an_honest_trail_is_verified_once_whenever_it_is_looked_at() {
    let mut count = 0;
    for seed in 0..150 {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: 8,
            eventful: seed % 2 == 0,
        };
        let world = World::new(&mut random, &plan);
        let (done, failed) = look_again_and_again(&world, &mut random);
        assert!(failed.is_empty(), "seed {seed}: {failed:#?}");
        assert_eq!(done, expected(&world), "seed {seed}");
        count += done.len();
    }
    assert!(count > 1000);
}

#[test]
fn a_digest_that_arrives_is_verified_with_the_log_files_of_its_hour() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: 6,
            eventful: false,
        };
        let world = World::new(&mut random, &plan);
        if world.copied_from.is_some() {
            // Not each digest of a copy has its own signature.
            continue;
        }
        let mut done = Vec::new();
        for digest in &world.digests {
            let there = world.until(digest.end);
            let (region, end) = layout::digest(&digest.key).unwrap();
            let found = verify(&there, region, range_of(&there, &digest.key, end));
            assert!(failures(&found).is_empty(), "seed {seed}: {found:#?}");
            done.extend(verified(&found));
        }
        done.sort();
        assert_eq!(done, expected(&world), "seed {seed}");
        // One that nobody signed is found at once.
        let Some(log) = done.first() else {
            continue;
        };
        let mut forged = log.clone();
        forged.replace_range(forged.len() - 9..forged.len() - 8, "_");
        let mut world = world;
        world.files.insert(forged.clone(), Vec::new());
        let mut found = Vec::new();
        for digest in &world.digests {
            let there = world.until(digest.end);
            let (region, end) = layout::digest(&digest.key).unwrap();
            let all = verify(&there, region, range_of(&there, &digest.key, end));
            found.extend(failures(&all));
        }
        assert_eq!(found, [(Kind::UnlistedLogFile, forged)], "seed {seed}");
    }
}

#[test]
fn what_is_changed_or_missing_when_it_is_due_is_found() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: 6,
            eventful: false,
        };
        let mut world = World::new(&mut random, &plan);
        let expected = expected(&world);
        if expected.len() < 2 {
            continue;
        }
        let (changed, missing) = (&expected[0], &expected[expected.len() - 1]);
        world.files.insert(changed.clone(), b"{}".to_vec());
        world.files.remove(missing);
        let (_, failed) = look_again_and_again(&world, &mut random);
        let expected = [
            (Kind::Changed, changed.clone()),
            (Kind::MissingLogFile, missing.clone()),
        ];
        assert_eq!(failed, expected.into(), "seed {seed}");
    }
}
