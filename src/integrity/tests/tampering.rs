//! What somebody did to a trail is found.

use std::sync::OnceLock;

use fastrand::Rng;
use serde_json::Value;

use super::world::{HOUR, Plan, World, Written, gzip, inflate, key, sign};
use crate::integrity::finding::{Finding, Kind};

/// What somebody did: to which file, and how it is found.
struct Done {
    /// A finding must name an object with one of these parts.
    names: Vec<String>,
    /// Its kind, if nothing else was done.
    kind: Kind,
}

/// Does something to a digest, or to the log files that it names.
type Way = fn(&mut World, &Written, &mut Rng) -> Done;

/// Ways to tamper with a digest, or with a log file that it names.
const WAYS: [(&str, Way); 19] = [
    ("a log file has other content", |world, at, _| {
        log(world, at, Kind::Changed, |_| gzip(b"{\"Records\":[]}"))
    }),
    ("a log file has a second member", |world, at, _| {
        log(world, at, Kind::Changed, |bytes| {
            [bytes, &gzip(b"x")].concat()
        })
    }),
    ("a log file is cut off", |world, at, _| {
        log(world, at, Kind::Changed, |bytes| {
            bytes[..bytes.len() - 1].to_owned()
        })
    }),
    ("a log file is empty", |world, at, _| {
        log(world, at, Kind::Changed, |_| Vec::new())
    }),
    ("a log file is deleted", |world, at, _| {
        let key = at.logs[0].clone();
        world.files.remove(&key);
        done(&[&key, &at.key], Kind::MissingLogFile)
    }),
    ("a log file is renamed", |world, at, _| {
        let key = at.logs[0].clone();
        let bytes = world.files.remove(&key).unwrap();
        world
            .files
            .insert(key.replace(".json.gz", "x.json.gz"), bytes);
        done(&[&key, &at.key], Kind::MissingLogFile)
    }),
    ("a log file is added", |world, at, random| {
        let made = world.log(at.region, at.end - HOUR / 2, random);
        let name = made["s3Object"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        done(&[&name], Kind::UnlistedLogFile)
    }),
    ("a log file is added beside the days", |world, at, _| {
        let name = format!("evil-{}.json.gz", at.end);
        let folder = at.logs[0].rsplitn(5, '/').nth(4).unwrap().to_owned();
        world.files.insert(format!("{folder}/{name}"), gzip(b"{}"));
        done(&[&name], Kind::UnlistedLogFile)
    }),
    ("a log file is removed from its digest", |world, at, _| {
        digest(world, at, Kind::Changed, |content| {
            content["logFiles"].as_array_mut().unwrap().pop();
        })
    }),
    ("a log file and its hash are changed", |world, at, _| {
        log(world, at, Kind::Changed, |_| gzip(b"{}"));
        digest(world, at, Kind::Changed, |content| {
            content["logFiles"][0]["hashValue"] =
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".into();
        })
    }),
    ("a digest is signed by another key", |world, at, _| {
        let done = digest(world, at, Kind::Changed, |content| {
            content["logFiles"].as_array_mut().unwrap().clear();
        });
        let signature = sign(key(2), "anything");
        world.signatures.insert(at.key.clone(), signature);
        done
    }),
    ("a digest is cut off", |world, at, _| {
        let bytes = world.files.get_mut(&at.key).unwrap();
        bytes.truncate(bytes.len() - 9);
        done(&[&at.key], Kind::Changed)
    }),
    ("a digest is no JSON", |world, at, _| {
        world.files.insert(at.key.clone(), gzip(b"<html>"));
        done(&[&at.key], Kind::Changed)
    }),
    ("a digest is deleted", |world, at, _| {
        world.files.remove(&at.key);
        done(&[&at.key], Kind::MissingDigest)
    }),
    ("a digest is moved to another hour", |world, at, _| {
        let bytes = world.files.remove(&at.key).unwrap();
        let moved = at.key.replace("_t_1_", "_t_2_");
        world.files.insert(moved.clone(), bytes);
        done(&[&moved], Kind::WrongPlace)
    }),
    ("a digest is copied", |world, at, _| {
        let copy = at.key.replace("_t_1_", "_t_2_");
        let bytes = world.files[&at.key].clone();
        world.files.insert(copy.clone(), bytes);
        done(&[&copy], Kind::WrongPlace)
    }),
    ("a digest has another name", |world, at, _| {
        let copy = at.key.replace(".json.gz", "-copy.json.gz");
        let bytes = world.files[&at.key].clone();
        world.files.insert(copy.clone(), bytes);
        done(&[&copy], Kind::WrongPlace)
    }),
    ("a digest forgets the one before it", |world, at, _| {
        digest(world, at, Kind::Changed, |content| {
            content["previousDigestS3Object"] = Value::Null;
        })
    }),
    ("a digest names another signature", |world, at, _| {
        digest(world, at, Kind::Changed, |content| {
            content["previousDigestSignature"] = "00".into();
        })
    }),
];

fn done(names: &[&str], kind: Kind) -> Done {
    let name = |name: &&str| name.rsplit('/').next().unwrap().to_owned();
    Done {
        names: names.iter().map(name).collect(),
        kind,
    }
}

fn log(world: &mut World, at: &Written, kind: Kind, change: fn(&[u8]) -> Vec<u8>) -> Done {
    let key = &at.logs[0];
    if let Some(bytes) = world.files.get_mut(key) {
        *bytes = change(bytes);
    }
    done(&[key, &at.key], kind)
}

fn digest(world: &mut World, at: &Written, kind: Kind, change: fn(&mut Value)) -> Done {
    let bytes = world.files.get_mut(&at.key).unwrap();
    let mut content: Value = serde_json::from_slice(&inflate(bytes)).unwrap();
    change(&mut content);
    *bytes = gzip(content.to_string().as_bytes());
    done(&[&at.key], kind)
}

/// Trails to tamper with.
const TRAILS: u64 = 4;

/// An honest trail, in which the digests that are tampered with name log files.
fn world(seed: u64) -> (World, Rng) {
    static MADE: OnceLock<Vec<World>> = OnceLock::new();
    let make = |seed| {
        let mut random = Rng::with_seed(seed);
        let plan = Plan {
            hours: 9,
            eventful: false,
        };
        loop {
            let world = World::new(&mut random, &plan);
            let has_logs = |at: &usize| !world.digests[*at].logs.is_empty();
            if [2, 3, 6].iter().all(has_logs) {
                return world;
            }
        }
    };
    let made = MADE.get_or_init(|| (0..TRAILS).map(make).collect());
    (made[seed as usize].clone(), Rng::with_seed(seed))
}

fn names(finding: &Finding, done: &Done) -> bool {
    let is_in = |name: &String| finding.object.contains(name) || finding.message.contains(name);
    finding.kind.is_failure() && done.names.iter().any(is_in)
}

#[test]
fn every_way_to_tamper_is_found() {
    for seed in 0..TRAILS {
        for (what, way) in WAYS {
            for (at, to) in [(3, None), (6, Some(())), (2, Some(()))] {
                let (mut world, mut random) = world(seed);
                let at = world.digests[at].clone();
                let done = way(&mut world, &at, &mut random);
                let (findings, _) = world.verify(None, to.map(|()| world.end));
                let is_found = findings
                    .iter()
                    .any(|finding| names(finding, &done) && finding.kind == done.kind);
                assert!(is_found, "{what}, seed {seed}: {findings:#?}");
            }
        }
    }
}

#[test]
fn every_two_ways_together_are_found() {
    for (seed, (first_what, first)) in (0..TRAILS).cycle().zip(WAYS) {
        for (second_what, second) in WAYS {
            let (mut world, mut random) = world(seed);
            let (a, b) = (world.digests[3].clone(), world.digests[6].clone());
            let done = [
                first(&mut world, &a, &mut random),
                second(&mut world, &b, &mut random),
            ];
            let (findings, counts) = world.verify(None, Some(world.end));
            for done in done {
                let is_found = findings.iter().any(|finding| names(finding, &done));
                assert!(
                    is_found,
                    "{first_what}, {second_what}: {:?} in {findings:#?}",
                    done.names
                );
            }
            // Beside each other, too.
            let (mut world, mut random) = self::world(seed);
            let (a, b) = (world.digests[2].clone(), world.digests[3].clone());
            first(&mut world, &a, &mut random);
            second(&mut world, &b, &mut random);
            let (findings, beside) = world.verify(None, Some(world.end));
            assert!(
                findings.iter().any(|finding| finding.kind.is_failure()),
                "{first_what}, {second_what}"
            );
            assert!(
                counts
                    .iter()
                    .chain(&beside)
                    .any(|counts| counts.failures() > 0)
            );
        }
    }
}

#[test]
fn digests_that_are_deleted_in_a_row_are_found_with_their_number() {
    for seed in 0..TRAILS {
        for (first, count) in [(0, 1), (0, 3), (2, 2), (1, 6), (5, 4), (8, 1)] {
            let (mut world, _) = world(seed);
            for digest in world.digests.clone().drain(first..first + count) {
                world.files.remove(&digest.key);
                world.signatures.remove(&digest.key);
            }
            let (findings, _) = world.verify(Some(world.first), Some(world.end));
            let missing: u64 = findings
                .iter()
                .filter(|finding| finding.kind == Kind::MissingDigest)
                .map(|finding| finding.count)
                .sum();
            assert_eq!(missing, count as u64, "{first}, seed {seed}: {findings:#?}");
        }
    }
}

#[test]
fn digests_that_are_deleted_at_the_end_are_found_by_younger_log_files() {
    let (mut world, mut random) = world(1);
    for digest in world.digests.clone().drain(5..9) {
        world.files.remove(&digest.key);
    }
    world.log(0, world.end - 1, &mut random);
    let (findings, _) = world.verify(None, None);
    let missing = findings
        .iter()
        .find(|finding| finding.kind == Kind::MissingDigest);
    assert!(
        missing.is_some_and(|missing| missing.count >= 2),
        "{findings:#?}"
    );
}

#[test]
fn a_key_that_is_not_known_or_not_in_use_is_found() {
    let (mut world, _) = world(2);
    world.known = Vec::new();
    let (findings, counts) = world.verify(None, None);
    let digests = findings.iter().filter(|finding| {
        finding.kind == Kind::UnknownKey && finding.object.contains("CloudTrail-Digest")
    });
    assert_eq!(digests.count(), world.digests.len());
    assert_eq!(counts.iter().map(|counts| counts.log_files).sum::<u64>(), 0);
}

#[test]
fn a_key_that_was_not_in_use_then_is_found() {
    let (mut world, _) = world(2);
    world.known = vec![0];
    world.changes_key_at = world.first - 25 * HOUR;
    let (findings, _) = world.verify(None, None);
    let unknown = findings
        .iter()
        .filter(|finding| finding.kind == Kind::UnknownKey && finding.message.contains("in use"));
    assert!(unknown.count() > 0, "{findings:#?}");
}

#[test]
fn a_digest_that_the_next_one_passes_over_breaks_the_chain() {
    let (mut world, _) = world(1);
    let next = world.digests[4].clone();
    let content: Value = serde_json::from_slice(&inflate(&world.files[&next.key])).unwrap();
    let before = serde_json::json!({
        "key": content["previousDigestS3Object"], "hash": content["previousDigestHashValue"],
        "signature": content["previousDigestSignature"],
    });
    let (start, end) = (next.end - HOUR, next.end - HOUR / 2);
    let (between, signed) = world.digest(next.region, start, end, &[], Some(before), false);
    let signature = signed["signature"].as_str().unwrap().to_owned();
    world.signatures.insert(between.key.clone(), signature);
    let (findings, _) = world.verify(None, None);
    let broken = findings
        .iter()
        .find(|finding| finding.kind == Kind::BrokenChain)
        .unwrap();
    assert_eq!(broken.object, next.key);
    assert!(broken.message.contains(&between.key), "{}", broken.message);
}

#[test]
fn the_newest_digest_without_a_signature_is_found_and_verifies_nothing() {
    let (mut world, _) = world(3);
    let last = world.digests[8].clone();
    world.signatures.remove(&last.key);
    let (findings, _) = world.verify(None, None);
    let unsigned: Vec<_> = findings
        .iter()
        .filter(|finding| finding.kind.is_failure())
        .collect();
    assert_eq!(unsigned.len(), 1 + last.logs.len());
    assert!(
        unsigned
            .iter()
            .all(|finding| finding.kind == Kind::NoSignature)
    );
    assert_eq!(unsigned[0].object, last.key);
}

#[test]
fn log_files_of_a_time_without_digests_are_outside() {
    let (mut world, mut random) = world(0);
    world.log(0, world.first + 60 - 5 * HOUR, &mut random);
    let (findings, _) = world.verify(None, None);
    let outside = findings
        .iter()
        .filter(|finding| finding.kind == Kind::OutsideRange);
    assert_eq!(outside.count(), 1, "{findings:#?}");
}
